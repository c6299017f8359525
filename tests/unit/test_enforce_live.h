/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the tests of the enforcer on the real hierarchies of this machine share: cgroups of their
 * own in each of them, removed afterwards. Skipped (77) without root or without v1 cpu, memory and
 * freezer.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "policies/enforce.h"
#include "policies/manual.h"
#include "policies/ownership.h"
#include "policies/watchdog.h"

/* Patience: for what has to come, on a machine that has other things to do. */
enum { SKIP = 77, MIB = 1 << 20, PATIENCE_MS = 120000 };

/* The whole of what one test needs; children are killed and cgroups removed whatever happens. */
struct bench {
	struct root *root;
	struct hierarchies *hierarchies;
	char path[48]; /* "/cgwatch-test-PID-N" */
	char state_dir[64];
	pid_t children[8];
	size_t n_children;
	struct node *node, *inner; /* path, path/inner */
	uint64_t serial;
};

static inline void make_directories(const struct bench *bench, const char *path)
{
	for (unsigned int i = 0; i < bench->hierarchies->n; i++) {
		int fd = bench->hierarchies->list[i].fd;

		if (fd >= 0 && mkdirat(fd, path + 1, 0755) < 0)
			assert_int_equal(errno, EEXIST);
	}
}

static inline struct node *make_node(struct bench *bench, const char *path, uint32_t depth)
{
	struct node *node = node_new(path, depth, bench->hierarchies->n);

	assert_non_null(node);
	node->serial = ++bench->serial;
	for (unsigned int i = 0; i < bench->hierarchies->n; i++) {
		struct stat status;

		if (fstatat(bench->hierarchies->list[i].fd, path + 1, &status, 0) == 0)
			node->ids[i] = status.st_ino;
	}
	return node;
}

static inline int set_up(void **state)
{
	static unsigned int number;
	struct bench *bench = calloc(1, sizeof(*bench));
	char inner[96];

	assert_int_equal(root_new(NULL, &bench->root), 0);
	assert_int_equal(hierarchies_new(bench->root, &bench->hierarchies), 0);
	snprintf(bench->path, sizeof(bench->path), "/cgwatch-test-%d-%u", (int)getpid(), number++);
	snprintf(bench->state_dir, sizeof(bench->state_dir), "/tmp%s", bench->path);
	snprintf(inner, sizeof(inner), "%s/inner", bench->path);
	make_directories(bench, bench->path);
	make_directories(bench, inner);
	bench->node = make_node(bench, bench->path, 1);
	bench->inner = make_node(bench, inner, 2);
	*state = bench;
	return 0;
}

static inline void put(const struct bench *bench, const char *controller, const char *path,
		       const char *file, const char *text)
{
	char name[256];
	int fd;

	snprintf(name, sizeof(name), "%s/%s", path + 1, file);
	fd = openat(hierarchies_find(bench->hierarchies, controller)->fd, name, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "%s: %s: %s\n", name, text, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static inline const char *get(const struct bench *bench, const char *controller, const char *path,
			      const char *file)
{
	static char line[128];
	char name[256];
	struct strbuf text;

	snprintf(name, sizeof(name), "%s/%s", path + 1, file);
	strbuf_init(&text);
	assert_int_equal(
		read_file_at(hierarchies_find(bench->hierarchies, controller)->fd, name, &text), 0);
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(text.data, "\n"), text.data);
	strbuf_done(&text);
	return line;
}

static inline int tear_down(void **state)
{
	struct bench *bench = *state;
	char command[160];

	for (size_t i = 0; i < bench->n_children; i++)
		kill(bench->children[i], SIGKILL);
	put(bench, "freezer", bench->path, "freezer.state", "THAWED");
	put(bench, "freezer", bench->inner->path, "freezer.state", "THAWED");
	for (size_t i = 0; i < bench->n_children; i++)
		waitpid(bench->children[i], NULL, 0);
	for (unsigned int i = 0; i < bench->hierarchies->n; i++) {
		int fd = bench->hierarchies->list[i].fd;

		for (int tries = 0; tries < PATIENCE_MS / 10; tries++) {
			unlinkat(fd, bench->inner->path + 1, AT_REMOVEDIR);
			if (unlinkat(fd, bench->path + 1, AT_REMOVEDIR) == 0 || errno == ENOENT)
				break;
			usleep(10000);
		}
	}
	snprintf(command, sizeof(command), "rm -rf %s", bench->state_dir);
	node_unref(bench->node);
	node_unref(bench->inner);
	hierarchies_free(bench->hierarchies);
	root_free(bench->root);
	free(bench);
	return system(command);
}

static inline void join_cgroup(const struct bench *bench, const char *controller, const char *path)
{
	put(bench, controller, path, "cgroup.procs", "0");
}

/* A process in the inner cgroup of the three controllers that does `work` until it is killed. */
static inline pid_t spawn(struct bench *bench, void (*work)(int ready_fd))
{
	int fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		join_cgroup(bench, "cpu", bench->inner->path);
		join_cgroup(bench, "memory", bench->inner->path);
		join_cgroup(bench, "freezer", bench->inner->path);
		work(fds[1]);
		_exit(1);
	}
	close(fds[1]);
	bench->children[bench->n_children++] = pid;
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	return pid;
}

static inline void ready(int fd)
{
	if (write(fd, "", 1) != 1)
		_exit(1);
	close(fd);
}

static inline void burn(int fd)
{
	ready(fd);
	for (volatile unsigned long i = 0;; i++)
		;
}

static inline void allocate(int fd)
{
	char *memory = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED || mlock(memory, 64 * MIB) < 0)
		_exit(1);
	ready(fd);
	for (;;)
		pause();
}

/* Forks and reaps without end: what is hardest to freeze on v1. */
static inline void fork_storm(int fd)
{
	ready(fd);
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

static inline struct knob_context context_of(const struct bench *bench)
{
	return (struct knob_context){ .root = bench->root, .hierarchies = bench->hierarchies };
}

static inline double cpu_seconds(pid_t pid)
{
	clockid_t clock;
	struct timespec time;

	assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &time), 0);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* What share of one core it gets in `seconds`. */
static inline double share_of(pid_t pid, double seconds)
{
	struct timespec begin, end;
	double used = cpu_seconds(pid);

	clock_gettime(CLOCK_MONOTONIC, &begin);
	usleep((useconds_t)(seconds * 1e6));
	used = cpu_seconds(pid) - used;
	clock_gettime(CLOCK_MONOTONIC, &end);
	return used /
	       ((double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
}

/* It runs: how much it gets is up to what else runs on the machine. */
static inline bool gets_on(pid_t pid)
{
	double before = cpu_seconds(pid);

	for (int tries = 0; tries < PATIENCE_MS / 10; tries++) {
		if (cpu_seconds(pid) > before)
			return true;
		usleep(10000);
	}
	return false;
}

static inline uint64_t boottime_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Unless we came too late to see it. */
static inline void expect_frozen(const struct bench *bench, uint64_t lease_until)
{
	bool frozen = strcmp(get(bench, "freezer", bench->inner->path, "freezer.self_freezing"),
			     "1") == 0;

	if (boottime_usec() < lease_until)
		assert_true(frozen);
}

static inline bool comes_to_thaw(const struct bench *bench)
{
	for (int tries = 0; tries < PATIENCE_MS / 20; tries++) {
		if (strcmp(get(bench, "freezer", bench->inner->path, "freezer.state"), "THAWED") ==
		    0)
			return true;
		usleep(20000);
	}
	return false;
}

static inline struct enforcer *start(const struct bench *bench, struct journal *journal)
{
	/* The time for freezing a storm of forks and for reclaim. */
	const struct enforcer_options options = { .timeout_ms = 30000 };
	struct enforcer *enforcer = NULL;

	assert_int_equal(
		enforcer_new(bench->root, bench->hierarchies, journal, &options, &enforcer), 0);
	return enforcer;
}

static inline int carry_out(struct enforcer *enforcer, enum decision_op op, struct node *node,
			    const char *policy, const char *action, char text[384])
{
	struct decision decision = { .op = op,
				     .node = node,
				     .policy = (char *)policy,
				     .restore_on_exit = true,
				     .reason = (char *)"test" };
	struct enforcer_result *results;
	char reason[128];
	size_t n;
	int error;

	assert_int_equal(action_parse(action, &decision.action, reason, sizeof(reason)), 0);
	assert_int_equal(enforcer_submit(enforcer, &decision), 0);
	assert_int_equal(enforcer_drain(enforcer, PATIENCE_MS), 0);
	assert_int_equal(enforcer_collect(enforcer, &results, &n), 0);
	assert_int_equal(n, 1);
	error = results[0].error;
	if (text)
		snprintf(text, 384, "%s", results[0].text);
	enforcer_results_free(results, n);
	return error;
}

static inline bool can_run(void)
{
	static const char *const needed[] = { "cpu", "memory", "freezer" };
	struct hierarchies *hierarchies = NULL;
	struct root *root = NULL;
	bool good = geteuid() == 0 && root_new(NULL, &root) == 0 &&
		    hierarchies_new(root, &hierarchies) == 0;

	for (size_t i = 0; i < ARRAY_SIZE(needed) && good; i++) {
		const struct hierarchy *found = hierarchies_find(hierarchies, needed[i]);

		good = found && !found->v2 && found->fd >= 0;
	}
	hierarchies_free(hierarchies);
	root_free(root);
	return good;
}
