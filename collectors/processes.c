// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/processes.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/keyed.h"
#include "collectors/proc_stat.h"
#include "core/cleanup.h"

static bool number(struct span word, uint64_t *ret_value)
{
	char text[32];

	if (span_length(word) == 0 || span_length(word) >= sizeof(text))
		return false;
	memcpy(text, word.at, span_length(word));
	text[span_length(word)] = '\0';
	return parse_u64(text, ret_value) == 0;
}

static int parse_stat(char *text, struct process *process)
{
	static const uint64_t tick_usec = 10000; /* USER_HZ is 100 wherever we run */
	struct proc_stat stat;
	int r = proc_stat_parse(text, &stat);

	if (r < 0)
		return r;
	memcpy(process->comm, stat.comm, sizeof(process->comm));
	process->state = stat.state;
	process->ppid = (pid_t)stat.ppid;
	process->threads = (uint32_t)stat.threads;
	process->start_time = stat.start_ticks;
	process->cpu_usec = (stat.user_ticks + stat.system_ticks) * tick_usec;
	process->rss_bytes = stat.resident_pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

char *process_read_command(int dir_fd, const char *comm)
{
	struct strbuf text;

	strbuf_init(&text);
	if (read_file_at(dir_fd, "cmdline", &text) < 0 || text.length == 0) {
		strbuf_clear(&text);
		strbuf_add_char(&text, '[');
		strbuf_add_string(&text, comm);
		strbuf_add_char(&text, ']');
		return strbuf_take(&text);
	}
	while (text.length > 0 && !text.data[text.length - 1])
		text.length--;
	for (size_t i = 0; i < text.length; i++) {
		if (!text.data[i])
			text.data[i] = ' ';
	}
	return strbuf_take(&text);
}

/* -ESRCH if it is gone. */
static int read_process(const struct root *root, pid_t pid, struct process *ret_process)
{
	struct process process = { .pid = pid };
	_cleanup_(closep) int dir_fd = -1;
	struct strbuf text;
	struct stat info;
	char name[16];
	int r;

	snprintf(name, sizeof(name), "%d", (int)pid);
	dir_fd = root_open(root, ROOT_PROC, name, O_PATH | O_DIRECTORY);
	if (dir_fd < 0)
		return -ESRCH;
	if (fstat(dir_fd, &info) == 0)
		process.uid = info.st_uid;
	strbuf_init(&text);
	r = read_file_at(dir_fd, "stat", &text);
	if (r == 0)
		r = text.data ? parse_stat(text.data, &process) : -ESRCH;
	strbuf_done(&text);
	if (r < 0)
		return -ESRCH;
	process.command = process_read_command(dir_fd, process.comm);
	*ret_process = process;
	return process.command ? 0 : -ENOMEM;
}

static int add_process(const struct root *root, pid_t pid, struct process_list *processes)
{
	struct process *grown;
	int r;

	grown = realloc(processes->list, (processes->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	processes->list = grown;
	r = read_process(root, pid, &grown[processes->n]);
	if (r == 0)
		processes->n++;
	return r == -ESRCH ? 0 : r;
}

static int compare_pids(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void sort_processes(struct process_list *processes)
{
	if (processes->n > 1)
		qsort(processes->list, processes->n, sizeof(*processes->list), compare_pids);
}

static int read_procs(const struct hierarchy *hierarchy, const struct node *node,
		      struct strbuf *ret_text)
{
	_cleanup_(closep) int dir_fd = -1;

	dir_fd = openat(hierarchy->fd, hierarchy_relative(node->path),
			O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	return read_file_at(dir_fd, "cgroup.procs", ret_text);
}

/* Tries the hierarchy if the cgroup is in it; leaves the first non-empty list in `text`. */
static void try_hierarchy(const struct hierarchies *hierarchies, const struct hierarchy *hierarchy,
			  const struct node *node, struct strbuf *text, int *error)
{
	size_t index = (size_t)(hierarchy - hierarchies->list);

	if (text->length > 0 || index >= node->n_ids || !node->ids[index])
		return;
	*error = read_procs(hierarchy, node, text);
}

int processes_of_cgroup(const struct root *root, const struct hierarchies *hierarchies,
			const struct node *node, struct process_list *ret_processes)
{
	const struct hierarchy *first = hierarchies_find(hierarchies, "name=systemd");
	struct process_list processes = { 0 };
	struct span rest, line;
	struct strbuf text;
	int r = -ENOENT, error = 0;

	strbuf_init(&text);
	if (first)
		try_hierarchy(hierarchies, first, node, &text, &r);
	for (unsigned int h = hierarchies->n; h-- > 0;)
		try_hierarchy(hierarchies, &hierarchies->list[h], node, &text, &r);
	rest = (struct span){ text.data, text.data + text.length };
	while (text.length > 0 && error == 0 && span_line(&rest, &line)) {
		uint64_t pid;

		/* 0 stands for a process of another PID namespace: nothing can be said of it. */
		if (number(line, &pid) && pid > 0)
			error = add_process(root, (pid_t)pid, &processes);
	}
	strbuf_done(&text);
	if (error < 0 || (r < 0 && processes.n == 0)) {
		process_list_done(&processes);
		return error < 0 ? error : r;
	}
	sort_processes(&processes);
	*ret_processes = processes;
	return 0;
}

int processes_all(const struct root *root, const struct hierarchies *hierarchies,
		  struct process_list *ret_processes)
{
	int fd = root_open(root, ROOT_PROC, ".", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct process_list processes = { 0 };
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		closep(&fd);
		return fd < 0 ? fd : -ENOMEM;
	}
	while (r == 0 && (entry = readdir(dir))) {
		char *paths[HIERARCHY_MAX];
		size_t before = processes.n;
		uint64_t pid;

		if (parse_u64(entry->d_name, &pid) < 0)
			continue;
		r = add_process(root, (pid_t)pid, &processes);
		if (r < 0 || processes.n == before)
			continue;
		hierarchies_of_process(hierarchies, root, (pid_t)pid, paths);
		processes.list[before].cgroup = hierarchies_choose_path(paths);
	}
	closedir(dir);
	if (r < 0) {
		process_list_done(&processes);
		return r;
	}
	sort_processes(&processes);
	*ret_processes = processes;
	return 0;
}
