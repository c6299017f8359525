/* SPDX-License-Identifier: MIT */
#pragma once

/* For the tests of the kernel's records of tasks: a pass, and a task as /proc has it. */
#include <dirent.h>

#include "collectors/bpf_tasks.h"
#include "collectors/ns_private.h"
#include "collectors/proc_stat.h"
#include "live_ns.h"

struct passes {
	struct root *root;
	struct hierarchies *hierarchies;
	struct bpf_tasks *tasks;
	const struct task_record *const *list;
	size_t n;
};

static inline bool passes_start(struct passes *passes)
{
	char reason[BPF_REASON_SIZE] = "";
	int r;

	*passes = (struct passes){ 0 };
	assert_int_equal(root_new(NULL, &passes->root), 0);
	assert_int_equal(hierarchies_new(passes->root, &passes->hierarchies), 0);
	r = bpf_tasks_new(passes->root, passes->hierarchies, &passes->tasks, reason,
			  sizeof(reason));
	if (r < 0) {
		print_message("skipped: no pass over tasks: %s\n", reason);
		hierarchies_free(passes->hierarchies);
		root_free(passes->root);
	}
	return r == 0;
}

static inline void passes_stop(struct passes *passes)
{
	bpf_tasks_free(passes->tasks);
	hierarchies_free(passes->hierarchies);
	root_free(passes->root);
}

static inline void take(struct passes *passes)
{
	assert_int_equal(bpf_tasks_read(passes->tasks, &passes->list, &passes->n), 0);
	assert_true(passes->n > 0);
}

static inline const struct task_record *look_for(const struct passes *passes, pid_t tid)
{
	for (size_t i = 0; i < passes->n; i++) {
		if (passes->list[i]->tid == (uint32_t)tid)
			return passes->list[i];
	}
	return NULL;
}

static inline const struct task_record *find(const struct passes *passes, pid_t tid)
{
	const struct task_record *record = look_for(passes, tid);

	if (!record)
		fail_msg("task %d was not met", (int)tid);
	return record;
}

/* ---- a task as /proc has it ----------------------------------------------------------- */

struct seen {
	bool there;
	pid_t pid, tid, ppid;
	uint64_t start_ticks;
	uint32_t threads;
	uid_t uid, euid;
	bool zombie, kthread;
	char comm[64];
	uint64_t ns[NS_LINK_COUNT];
	uint64_t cgroups[HIERARCHY_MAX];
	dev_t root_device;
};

static inline unsigned long field(const char *text, const char *key, int number)
{
	const char *at = strstr(text, key);
	unsigned long value = 0;
	char *end;

	assert_non_null(at);
	at += strlen(key);
	for (int i = 0; i <= number; i++, at = end)
		value = strtoul(at, &end, 10);
	return value;
}

static inline bool see_texts(struct passes *passes, struct seen *seen)
{
	struct proc_stat stat;
	struct strbuf text;
	char path[64];
	bool good;

	strbuf_init(&text);
	snprintf(path, sizeof(path), "%d/stat", (int)seen->tid);
	good = root_read(passes->root, ROOT_PROC, path, &text) == 0 && text.data &&
	       proc_stat_parse(text.data, &stat) == 0;
	if (good) {
		seen->ppid = (pid_t)stat.ppid;
		seen->start_ticks = stat.start_ticks;
		seen->zombie = stat.state == 'Z' || stat.state == 'X';
		snprintf(seen->comm, sizeof(seen->comm), "%s", stat.comm);
		strbuf_clear(&text);
		snprintf(path, sizeof(path), "%d/status", (int)seen->tid);
		good = root_read(passes->root, ROOT_PROC, path, &text) == 0 && text.data;
	}
	if (good) {
		seen->pid = (pid_t)field(text.data, "\nTgid:", 0);
		seen->uid = (uid_t)field(text.data, "\nUid:", 0);
		seen->euid = (uid_t)field(text.data, "\nUid:", 1);
		seen->threads = (uint32_t)field(text.data, "\nThreads:", 0);
		seen->kthread = strstr(text.data, "\nKthread:\t1") || seen->pid == 2 ||
				seen->ppid == 2;
	}
	strbuf_done(&text);
	return good;
}

static inline void see(struct passes *passes, pid_t tid, struct seen *seen)
{
	char *paths[HIERARCHY_MAX], path[64];
	struct stat info;

	memset(seen, 0, sizeof(*seen));
	seen->tid = tid;
	seen->there = see_texts(passes, seen);
	if (!seen->there)
		return;
	for (unsigned int link = 0; link < NS_LINK_COUNT; link++)
		seen->ns[link] = inode_of(tid, ns_link_name(link));
	snprintf(path, sizeof(path), "/proc/%d/root", (int)tid);
	if (stat(path, &info) == 0)
		seen->root_device = info.st_dev;
	hierarchies_of_process(passes->hierarchies, passes->root, tid, paths);
	for (unsigned int h = 0; h < HIERARCHY_MAX; h++) {
		if (paths[h] && hierarchy_stat(&passes->hierarchies->list[h], paths[h], &info) == 0)
			seen->cgroups[h] = info.st_ino;
		free(paths[h]);
	}
}

static inline size_t see_all(struct passes *passes, struct seen **ret_list)
{
	size_t n = 0, room = 0;
	struct seen *list = NULL;
	DIR *proc = opendir("/proc");
	struct dirent *entry, *thread;

	assert_non_null(proc);
	while ((entry = readdir(proc))) {
		char path[300];
		DIR *dir;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task", entry->d_name);
		dir = opendir(path);
		while (dir && (thread = readdir(dir))) {
			if (thread->d_name[0] == '.')
				continue;
			if (n == room) {
				room = room ? 2 * room : 256;
				list = realloc(list, room * sizeof(*list));
				assert_non_null(list);
			}
			see(passes, (pid_t)strtol(thread->d_name, NULL, 10), &list[n]);
			n += list[n].there;
		}
		if (dir)
			closedir(dir);
	}
	closedir(proc);
	*ret_list = list;
	return n;
}
