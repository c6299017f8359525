// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/bpf_load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"

enum { LOG_SIZE = 64 * 1024 };

static int print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char line[512];
	int n = vsnprintf(line, sizeof(line), format, arguments);

	(void)level;
	if (n > 0 && line[strlen(line) - 1] == '\n')
		line[strlen(line) - 1] = '\0';
	log_debug("libbpf: %s", line);
	return n;
}

void bpf_load_init(void)
{
	libbpf_set_print(print);
}

bool bpf_load_allowed(char *reason, size_t size)
{
	/* The smallest program that every kernel with BPF takes: r0 = 0; exit. */
	static const struct bpf_insn insns[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K },
						 { .code = BPF_JMP | BPF_EXIT } };
	int fd = bpf_prog_load(BPF_PROG_TYPE_TRACEPOINT, "cgwatch_try", "GPL", insns, 2, NULL);

	if (fd < 0) {
		if (errno == EPERM || errno == EACCES)
			snprintf(reason, size,
				 "no right to load programs (CAP_BPF and CAP_PERFMON)");
		else
			snprintf(reason, size, "the kernel takes no programs: %s", strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

bool bpf_load_functions_allowed(const char *function, char *reason, size_t size)
{
	static const struct bpf_insn insns[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K },
						 { .code = BPF_JMP | BPF_EXIT } };
	int id = libbpf_find_vmlinux_btf_id(function, BPF_TRACE_FENTRY), fd;
	DECLARE_LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_FENTRY,
			    .attach_btf_id = id > 0 ? (__u32)id : 0);

	if (id <= 0) {
		snprintf(reason, size, "this kernel has no function %s", function);
		return false;
	}
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "cgwatch_try", "GPL", insns, 2, &options);
	if (fd < 0) {
		snprintf(reason, size, "this kernel takes no programs at functions (fentry): %s",
			 strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

static struct bpf_program *find(struct bpf_object *object, const char *name)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object)
	{
		if (strcmp(bpf_program__name(program), name) == 0)
			return program;
	}
	return NULL;
}

/* The verifier's last words before its statistics. */
static void last_words(const char *log, char *reason, size_t size)
{
	const char *end = strstr(log, "processed "), *start;
	size_t length;

	end = end ? end : log + strlen(log);
	while (end > log && end[-1] == '\n')
		end--;
	for (start = end; start > log && start[-1] != '\n'; start--)
		;
	length = (size_t)(end - start);
	if (length >= size)
		length = size - 1;
	memcpy(reason, start, length);
	reason[length] = '\0';
}

/* Blames the programs that the verifier wrote something about; true if there is one. */
static bool blame(struct bpf_program_status *programs, size_t n, char **logs)
{
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		if (programs[i].reason[0] || !logs[i] || !logs[i][0])
			continue;
		last_words(logs[i], programs[i].reason, sizeof(programs[i].reason));
		if (!programs[i].reason[0])
			snprintf(programs[i].reason, sizeof(programs[i].reason),
				 "the kernel refused it");
		found = true;
	}
	return found;
}

static void give_up(struct bpf_program_status *programs, size_t n, int error)
{
	for (size_t i = 0; i < n; i++) {
		programs[i].loaded = false;
		if (!programs[i].reason[0])
			snprintf(programs[i].reason, sizeof(programs[i].reason),
				 "loading failed: %s", strerror(-error));
	}
}

/* One try. 0, -errno, or -EAGAIN if some program was blamed and the others may do. */
static int try_load(const struct bpf_loader *loader, struct bpf_program_status *programs, size_t n,
		    char **logs)
{
	struct bpf_object *object = loader->open(loader->data);
	size_t n_wanted = 0;
	int r;

	if (!object)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct bpf_program *program = find(object, programs[i].name);

		if (!program)
			continue;
		logs[i][0] = '\0';
		bpf_program__set_log_buf(program, logs[i], LOG_SIZE);
		bpf_program__set_autoload(program, !programs[i].reason[0]);
		n_wanted += !programs[i].reason[0];
	}
	r = n_wanted ? loader->load(loader->data) : -ENOENT;
	if (r == 0)
		return 0;
	loader->close(loader->data);
	return n_wanted && blame(programs, n, logs) ? -EAGAIN : r;
}

int bpf_load(const struct bpf_loader *loader, struct bpf_program_status *programs, size_t n)
{
	char **logs = calloc(n, sizeof(*logs));
	int r = logs ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++) {
		logs[i] = calloc(1, LOG_SIZE);
		r = logs[i] ? 0 : -ENOMEM;
	}
	if (r == 0)
		do
			r = try_load(loader, programs, n, logs);
		while (r == -EAGAIN);
	for (size_t i = 0; i < n; i++)
		programs[i].loaded = r == 0 && !programs[i].reason[0];
	if (r < 0)
		give_up(programs, n, r);
	for (size_t i = 0; logs && i < n; i++)
		free(logs[i]);
	free(logs);
	return r;
}
