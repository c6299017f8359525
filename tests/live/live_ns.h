/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * For the tests of namespaces: a scanner of their own, and actors, processes that do something and
 * then stay as they are until the test ends. What a namespace's inode is says /proc/PID/ns itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectors/bpf_tasks.h"
#include "collectors/ns_scan.h"
#include "live.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

enum { NS_TEST_FLAGS = NS_SCAN_HOLDERS | NS_SCAN_DETAILS };

/* With LIVE_RECORDS in the environment tasks come from the kernel's records, not from /proc. */
struct scan {
	struct bpf_tasks *tasks;
	struct root *root;
	struct hierarchies *hierarchies;
	struct ns_scanner *scanner;
	struct mount_table *mounts;
	struct namespaces *set;
};

static inline void scan_start(struct scan *scan)
{
	char reason[BPF_REASON_SIZE];

	*scan = (struct scan){ 0 };
	assert_int_equal(root_new(NULL, &scan->root), 0);
	assert_int_equal(hierarchies_new(scan->root, &scan->hierarchies), 0);
	assert_int_equal(ns_scanner_new(scan->root, scan->hierarchies, &scan->scanner), 0);
	assert_int_equal(mount_table_new(scan->root, &scan->mounts), 0);
	if (!getenv("LIVE_RECORDS"))
		return;
	if (bpf_tasks_new(scan->root, scan->hierarchies, &scan->tasks, reason, sizeof(reason)) == 0)
		ns_scanner_use(scan->scanner, scan->tasks);
	else
		print_message("no records of tasks: %s\n", reason);
}

/* True, and said, if records are asked for where there are none: then all was tested from /proc. */
static inline bool scan_lacks_records(void)
{
	char reason[BPF_REASON_SIZE] = "no memory";
	struct hierarchies *hierarchies = NULL;
	struct bpf_tasks *tasks = NULL;
	struct root *root = NULL;
	bool lacks;

	if (!getenv("LIVE_RECORDS"))
		return false;
	lacks = root_new(NULL, &root) < 0 || hierarchies_new(root, &hierarchies) < 0 ||
		bpf_tasks_new(root, hierarchies, &tasks, reason, sizeof(reason)) < 0;
	if (lacks)
		printf("skipped: no records of tasks: %s\n", reason);
	bpf_tasks_free(tasks);
	hierarchies_free(hierarchies);
	root_free(root);
	return lacks;
}

static inline void scan_stop(struct scan *scan)
{
	namespaces_unref(scan->set);
	ns_scanner_free(scan->scanner);
	bpf_tasks_free(scan->tasks);
	mount_table_free(scan->mounts);
	hierarchies_free(scan->hierarchies);
	root_free(scan->root);
}

static inline const struct namespaces *scan_take(struct scan *scan, unsigned int flags)
{
	const struct mount_ns *spaces;
	size_t n;

	namespaces_unref(scan->set);
	scan->set = NULL;
	assert_int_equal(ns_scanner_read(scan->scanner, flags), 0);
	spaces = ns_scanner_mount_ns(scan->scanner, &n);
	assert_int_equal(mount_table_refresh(scan->mounts, spaces, n), 0);
	assert_int_equal(ns_scanner_finish(scan->scanner, scan->mounts, &scan->set), 0);
	return scan->set;
}

/* One scanner, one pass. */
static inline const struct namespaces *scan_once(struct scan *scan, unsigned int flags)
{
	scan_start(scan);
	return scan_take(scan, flags);
}

/* From the kernel, not from the scanner: 0 if there is no such link. */
static inline uint64_t inode_of(pid_t pid, const char *link)
{
	char path[64];
	struct stat info;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, link);
	return stat(path, &info) == 0 ? info.st_ino : 0;
}

static inline bool kernel_has(enum ns_type type)
{
	return inode_of(getpid(), ns_type_name(type)) != 0;
}

static inline const struct ns_namespace *find_ns(const struct namespaces *set, enum ns_type type,
						 uint64_t inode)
{
	uint32_t index = namespaces_find(set, type, inode);

	if (index == NS_NONE)
		fail_msg("%s:[%llu] was not found", ns_type_name(type), (unsigned long long)inode);
	return &set->list[index];
}

static inline bool has_ns(const struct namespaces *set, enum ns_type type, uint64_t inode)
{
	return namespaces_find(set, type, inode) != NS_NONE;
}

/* The holder of that kind; the test fails if there is none. */
static inline const struct ns_holder *find_holder(const struct ns_namespace *ns,
						  enum ns_holder_kind kind)
{
	for (uint32_t i = 0; i < ns->n_holders; i++) {
		if (ns->holders[i].kind == kind)
			return &ns->holders[i];
	}
	fail_msg("%s:[%llu] has no holder \"%s\" but %u others, state %s", ns_type_name(ns->type),
		 (unsigned long long)ns->inode, ns_holder_name(kind), ns->n_holders,
		 ns_state_name(ns));
	return NULL;
}

static inline const struct ns_process *find_process(const struct namespaces *set, pid_t pid)
{
	uint32_t index = namespaces_find_process(set, pid);

	if (index == NS_NONE)
		fail_msg("process %d was not found", (int)pid);
	return &set->processes[index];
}

/* A process of the test: `numbers` is memory it shares with the test. */
struct actor {
	pid_t pid;
	int go, done;
	volatile int64_t *numbers;
};

/* Ends with the process that started it. */
static inline void follow_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* The actor says that it is as it should be. */
static inline void actor_ready(struct actor *actor)
{
	if (write(actor->done, "r", 1) != 1)
		_exit(90);
}

/* The actor waits for the test to tell it to go on. */
static inline void actor_wait(struct actor *actor)
{
	char byte;

	while (read(actor->go, &byte, 1) != 1) {
		if (errno != EINTR)
			_exit(0);
	}
}

static inline void actor_stay(struct actor *actor)
{
	actor_ready(actor);
	for (;;)
		pause();
}

/* An assertion for an actor: the test fails with the line. */
#define ACTOR(condition)                                                                  \
	do {                                                                              \
		if (!(condition)) {                                                       \
			fprintf(stderr, "actor, line %d: %s: %s\n", __LINE__, #condition, \
				strerror(errno));                                         \
			_exit(91);                                                        \
		}                                                                         \
	} while (0)

/* Test: until the actor is ready (again). */
static inline void actor_expect(struct actor *actor)
{
	char byte;
	ssize_t n;

	do
		n = read(actor->done, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		fail_msg("actor %d ended", (int)actor->pid);
}

static inline void actor_go(struct actor *actor)
{
	assert_int_equal(write(actor->go, "g", 1), 1);
}

/* Starts `work` and waits until it is ready; the teardown of `live` ends it if nobody else does. */
struct actor actor_start(struct live *live, void (*work)(struct actor *actor));
void actor_end(struct live *live, struct actor *actor);
