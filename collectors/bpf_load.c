// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/bpf_load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/bpf_kernel.h"
#include "collectors/capability.h"
#include "core/log.h"

/*
 * The verifier's words on one program. Linux before 6.4 ends them where the buffer does, so that
 * the last of them, which count, are lost if it is small. Only what is written to takes memory.
 */
enum { LOG_SIZE = 4 * 1024 * 1024 };

__attribute__((format(printf, 2, 0))) static int print(enum libbpf_print_level level,
						       const char *format, va_list arguments)
{
	char line[512];
	int n;

	/* Several lines for each program: only for those who ask. */
	(void)level;
	if (log_get_level() < LOG_LEVEL_DEBUG)
		return 0;
	n = vsnprintf(line, sizeof(line), format, arguments);
	line[strcspn(line, "\n")] = '\0';
	log_debug("libbpf: %s", line);
	return n;
}

void bpf_load_init(void)
{
	libbpf_set_print(print);
}

static void say_refused(int error, char *reason, size_t size)
{
	uint64_t have = capability_effective();
	bool bpf = have & (CAPABILITY_BIT(CAP_BPF) | CAPABILITY_BIT(CAP_SYS_ADMIN)),
	     perfmon = have & (CAPABILITY_BIT(CAP_PERFMON) | CAPABILITY_BIT(CAP_SYS_ADMIN));

	if (error == ENOSYS)
		snprintf(reason, size, "this kernel, or a filter of system calls, has no bpf()");
	else if (error != EPERM && error != EACCES)
		snprintf(reason, size, "the kernel takes no programs: %s", strerror(error));
	else if (bpf && perfmon)
		snprintf(reason, size, "a filter of system calls or lockdown refuses bpf()");
	else
		snprintf(reason, size, "no right to load programs: needs %s%s%s",
			 bpf ? "" : "CAP_BPF", bpf || perfmon ? "" : " and ",
			 perfmon ? "" : "CAP_PERFMON");
}

bool bpf_load_allowed(char *reason, size_t size)
{
	/* The smallest program that every kernel with BPF takes: r0 = 0; exit. */
	static const struct bpf_insn insns[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K },
						 { .code = BPF_JMP | BPF_EXIT } };
	int fd = bpf_prog_load(BPF_PROG_TYPE_TRACEPOINT, "cgwatch_try", "GPL", insns, 2, NULL);

	if (fd < 0) {
		say_refused(errno, reason, size);
		return false;
	}
	close(fd);
	return true;
}

int bpf_load_begin(struct bpf_kernel **ret_kernel, char *reason, size_t size)
{
	bpf_load_init();
	if (!bpf_load_allowed(reason, size))
		return -EPERM;
	return bpf_kernel_open(ret_kernel, reason, size);
}

bool bpf_load_functions_allowed(const char *function, char *reason, size_t size)
{
	static const struct bpf_insn insns[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K },
						 { .code = BPF_JMP | BPF_EXIT } };
	int id = libbpf_find_vmlinux_btf_id(function, BPF_TRACE_FENTRY), fd;
	BPF_OPTIONS(bpf_prog_load_opts, options);

	if (id <= 0) {
		snprintf(reason, size, "this kernel has no function %s", function);
		return false;
	}
	options.expected_attach_type = BPF_TRACE_FENTRY;
	options.attach_btf_id = (uint32_t)id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "cgwatch_try", "GPL", insns, 2, &options);
	if (fd < 0) {
		snprintf(reason, size, "this kernel takes no programs at functions (fentry): %s",
			 strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

int bpf_load_map(enum bpf_map_type type, const char *name, uint32_t value_size, uint32_t n,
		 uint32_t flags)
{
	BPF_OPTIONS(bpf_map_create_opts, options);
	/* The agent keeps it for this alone: see privileges_drop(). */
	uint64_t raised = capability_raise(CAPABILITY_BIT(CAP_BPF));
	int fd, r;

	options.map_flags = flags;
	fd = bpf_map_create(type, name, sizeof(uint32_t), value_size, n, &options);
	r = fd < 0 ? -errno : fd;
	capability_lower(raised);
	return r;
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

/* The verifier's last words before its statistics ("processed 9 insns …"). */
static void last_words(const char *log, char *reason, size_t size)
{
	const char *end = log + strlen(log), *start = end;

	for (;;) {
		while (end > log && end[-1] == '\n')
			end--;
		for (start = end; start > log && start[-1] != '\n'; start--)
			;
		if (strncmp(start, "processed ", strlen("processed ")) != 0 || start == log)
			break;
		end = start;
	}
	snprintf(reason, size, "%.*s", (int)(end - start), start);
}

/* The programs of one object, each with the verifier's words on it. */
struct bpf_programs {
	struct bpf_program_status *programs;
	char **logs;
	size_t n;
};

static const size_t ALL = SIZE_MAX;

static const char *why(int error)
{
	uint32_t id;

	/*
	 * libbpf 1.1 (Debian 12) looks for what the kernel itself lacks in its modules, may it be
	 * missing or not, and gives up if it is refused to.
	 */
	if (bpf_btf_get_next_id(0, &id) < 0 && errno == EPERM)
		return "libbpf looks for types and functions in modules, too, which needs "
		       "CAP_SYS_ADMIN";
	return error == -ESRCH ? "what it attaches to is not in this kernel" : strerror(-error);
}

/* Blames the programs that the verifier wrote something about; true if there is one. */
static bool blame(const struct bpf_programs *list)
{
	bool found = false;

	for (size_t i = 0; i < list->n; i++) {
		struct bpf_program_status *status = &list->programs[i];

		if (status->reason[0] || !list->logs[i][0])
			continue;
		last_words(list->logs[i], status->reason, sizeof(status->reason));
		if (!status->reason[0])
			snprintf(status->reason, sizeof(status->reason), "the kernel refused it");
		found = true;
	}
	return found;
}

static void give_up(const struct bpf_programs *list, int error)
{
	for (size_t i = 0; i < list->n; i++) {
		struct bpf_program_status *status = &list->programs[i];

		if (!status->reason[0])
			snprintf(status->reason, sizeof(status->reason), "loading failed: %s",
				 why(error));
	}
}

/*
 * One try with the programs of `only` (or all) that have no reason yet. 0, -errno, or -EAGAIN if
 * some program was blamed and the others may do.
 */
static int try_load(const struct bpf_loader *loader, struct bpf_programs *list, size_t only)
{
	struct bpf_object *object = loader->open(loader->data);
	size_t n_wanted = 0;
	int r;

	if (!object)
		return -ENOMEM;
	for (size_t i = 0; i < list->n; i++) {
		struct bpf_program_status *status = &list->programs[i];
		struct bpf_program *program = find(object, status->name);
		bool wanted = !status->reason[0] && (only == ALL || only == i);

		if (!program) {
			snprintf(status->reason, sizeof(status->reason),
				 "there is no such program");
			continue;
		}
		list->logs[i][0] = '\0';
		bpf_program__set_log_buf(program, list->logs[i], LOG_SIZE);
		bpf_program__set_autoload(program, wanted);
		n_wanted += wanted;
	}
	r = n_wanted ? loader->load(loader->data) : -ENOENT;
	if (r == 0)
		return 0;
	loader->close(loader->data);
	return n_wanted && blame(list) ? -EAGAIN : r;
}

/*
 * It failed, and the verifier said nothing: a function to attach to is missing, say, which libbpf
 * finds out beforehand. Each program by itself tells which it was. -EAGAIN if that left some over.
 */
static int try_each(const struct bpf_loader *loader, struct bpf_programs *list, int error)
{
	size_t n_good = 0, n_bad = 0;

	for (size_t i = 0; i < list->n; i++) {
		struct bpf_program_status *status = &list->programs[i];
		int r;

		if (status->reason[0])
			continue;
		r = try_load(loader, list, i);
		if (r == 0)
			loader->close(loader->data);
		if (r < 0 && !status->reason[0])
			snprintf(status->reason, sizeof(status->reason), "loading failed: %s",
				 why(r));
		n_good += r == 0;
		n_bad += r < 0;
	}
	/* All are good alone: then it is their number, as with a limit of memory. */
	return n_good > 0 && n_bad > 0 ? -EAGAIN : error;
}

static int load_list(const struct bpf_loader *loader, struct bpf_programs *list)
{
	int r;

	for (size_t i = 0; i < list->n; i++) {
		list->logs[i] = calloc(1, LOG_SIZE);
		if (!list->logs[i])
			return -ENOMEM;
	}
	do {
		r = try_load(loader, list, ALL);
		if (r < 0 && r != -EAGAIN && r != -ENOMEM)
			r = try_each(loader, list, r);
	} while (r == -EAGAIN);
	return r;
}

int bpf_load(const struct bpf_loader *loader, struct bpf_program_status *programs, size_t n)
{
	struct bpf_programs list = { programs, calloc(n, sizeof(*list.logs)), n };
	int r = list.logs ? load_list(loader, &list) : -ENOMEM;

	for (size_t i = 0; i < n; i++)
		programs[i].loaded = r == 0 && !programs[i].reason[0];
	if (r < 0)
		give_up(&list, r);
	for (size_t i = 0; list.logs && i < n; i++)
		free(list.logs[i]);
	free(list.logs);
	return r;
}
