// SPDX-License-Identifier: MIT
/*
 * The enforcer on the real hierarchies of this machine: cgroups of our own in each of them, removed
 * afterwards. Skipped (77) without root or without v1 cpu, memory and freezer.
 */
#define _GNU_SOURCE
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

enum { SKIP = 77, MIB = 1 << 20 };

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

static void make_directories(const struct bench *bench, const char *path)
{
	for (unsigned int i = 0; i < bench->hierarchies->n; i++) {
		int fd = bench->hierarchies->list[i].fd;

		if (fd >= 0 && mkdirat(fd, path + 1, 0755) < 0)
			assert_int_equal(errno, EEXIST);
	}
}

static struct node *make_node(struct bench *bench, const char *path, uint32_t depth)
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

static int set_up(void **state)
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

static void put(const struct bench *bench, const char *controller, const char *path,
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

static const char *get(const struct bench *bench, const char *controller, const char *path,
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

static int tear_down(void **state)
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

		for (int tries = 0; tries < 200; tries++) {
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

static void join_cgroup(const struct bench *bench, const char *controller, const char *path)
{
	put(bench, controller, path, "cgroup.procs", "0");
}

/* A process in the inner cgroup of the three controllers that does `work` until it is killed. */
static pid_t spawn(struct bench *bench, void (*work)(int ready_fd))
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

static void ready(int fd)
{
	if (write(fd, "", 1) != 1)
		_exit(1);
	close(fd);
}

static void burn(int fd)
{
	ready(fd);
	for (volatile unsigned long i = 0;; i++)
		;
}

static void allocate(int fd)
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
static void fork_storm(int fd)
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

static struct knob_context context_of(const struct bench *bench)
{
	return (struct knob_context){ .root = bench->root, .hierarchies = bench->hierarchies };
}

static double cpu_seconds(pid_t pid)
{
	clockid_t clock;
	struct timespec time;

	assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &time), 0);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* What share of one core it gets in `seconds`. */
static double share_of(pid_t pid, double seconds)
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

static struct enforcer *start(const struct bench *bench, struct journal *journal)
{
	const struct enforcer_options options = { 0 };
	struct enforcer *enforcer = NULL;

	assert_int_equal(
		enforcer_new(bench->root, bench->hierarchies, journal, &options, &enforcer), 0);
	return enforcer;
}

static int carry_out(struct enforcer *enforcer, enum decision_op op, struct node *node,
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
	assert_int_equal(enforcer_drain(enforcer, 20000), 0);
	assert_int_equal(enforcer_collect(enforcer, &results, &n), 0);
	assert_int_equal(n, 1);
	error = results[0].error;
	if (text)
		snprintf(text, 384, "%s", results[0].text);
	enforcer_results_free(results, n);
	return error;
}

static void test_cpu(void **state)
{
	struct bench *bench = *state;
	const char *path = bench->inner->path;
	struct journal *journal = NULL;
	struct enforcer *enforcer;
	pid_t burner = spawn(bench, burn);
	double share;

	assert_int_equal(journal_open(bench->state_dir, 0, &journal, NULL), 0);
	enforcer = start(bench, journal);
	assert_int_equal(
		carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "cpu.quota 20%", NULL), 0);
	assert_string_equal(get(bench, "cpu", path, "cpu.cfs_quota_us"), "20000");
	share = share_of(burner, 2);
	if (share < 0.14 || share > 0.26)
		fail_msg("20%% of one core, but %.1f%%", share * 100);
	assert_int_equal(
		carry_out(enforcer, DECISION_RELEASE, bench->inner, "p", "cpu.quota 20%", NULL), 0);
	assert_string_equal(get(bench, "cpu", path, "cpu.cfs_quota_us"), "-1");
	enforcer_free(enforcer);
	journal_free(journal);
}

/* v1 refuses a parent below its child and a child above its parent. */
static void test_cpu_order(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	struct journal *journal = NULL;
	struct enforcer *enforcer;
	struct knob_result result;

	assert_int_equal(manual_set(&context, bench->inner, "cpu.quota=50%", &result), 0);
	assert_int_equal(manual_set(&context, bench->node, "cpu.quota=20%", &result), -EINVAL);
	assert_non_null(strstr(result.text, "its child \"inner\" has"));
	assert_int_equal(manual_set(&context, bench->node, "cpu.quota=60%", &result), 0);
	assert_int_equal(manual_set(&context, bench->inner, "cpu.quota=80%", &result), -EINVAL);
	assert_non_null(strstr(result.text, "an ancestor allows less"));
	/* Both lowered, children first; the stop raises parents first, or it would fail here. */
	assert_int_equal(journal_open(bench->state_dir, 0, &journal, NULL), 0);
	enforcer = start(bench, journal);
	assert_int_equal(
		carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "cpu.quota 10%", NULL), 0);
	assert_int_equal(
		carry_out(enforcer, DECISION_APPLY, bench->node, "p", "cpu.quota 20%", NULL), 0);
	assert_int_equal(enforcer_stop(enforcer), 0);
	assert_string_equal(get(bench, "cpu", bench->node->path, "cpu.cfs_quota_us"), "60000");
	assert_string_equal(get(bench, "cpu", bench->inner->path, "cpu.cfs_quota_us"), "50000");
	enforcer_free(enforcer);
	journal_free(journal);
}

static void test_cpu_bounds(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	struct knob_result result;

	assert_int_equal(manual_set(&context, bench->node, "cpu.quota=1000 100000", &result), 0);
	assert_int_equal(manual_set(&context, bench->node, "cpu.quota=100000 1000000", &result), 0);
	assert_string_equal(get(bench, "cpu", bench->path, "cpu.cfs_period_us"), "1000000");
	assert_int_equal(manual_set(&context, bench->node, "cpu.quota=1000 1000", &result), 0);
	assert_int_equal(manual_set(&context, bench->node, "cpu.quota=max", &result), 0);
	assert_string_equal(get(bench, "cpu", bench->path, "cpu.cfs_quota_us"), "-1");
	assert_string_equal(get(bench, "cpu", bench->path, "cpu.cfs_period_us"), "1000");
	assert_int_equal(manual_set(&context, bench->node, "cpu.shares=512", &result), 0);
	assert_string_equal(get(bench, "cpu", bench->path, "cpu.shares"), "512");
}

static void test_memory(void **state)
{
	struct bench *bench = *state;
	const char *path = bench->inner->path;
	struct journal *journal = NULL;
	struct enforcer *enforcer;
	char text[384];

	spawn(bench, allocate);
	assert_int_equal(journal_open(bench->state_dir, 0, &journal, NULL), 0);
	enforcer = start(bench, journal);
	/* Below what is in use: refused, the old limit stays, nobody dies. */
	assert_int_equal(
		carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "memory.max 32M", text),
		-EBUSY);
	assert_non_null(strstr(text, "is in use and could not be reclaimed"));
	assert_string_equal(get(bench, "memory", path, "memory.limit_in_bytes"),
			    "9223372036854771712");
	assert_int_equal(journal_count(journal), 0);
	assert_int_equal(kill(bench->children[0], 0), 0);
	assert_int_equal(
		carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "memory.max 128M", text), 0);
	assert_string_equal(get(bench, "memory", path, "memory.limit_in_bytes"), "134217728");
	assert_int_equal(
		carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "memory.high 128M", text),
		-EOPNOTSUPP);
	enforcer_free(enforcer);
	assert_string_equal(get(bench, "memory", path, "memory.limit_in_bytes"),
			    "9223372036854771712");
	journal_free(journal);
}

static void test_memsw(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	const char *const lower[] = { "memory.memsw.max=512M", "memory.max=256M" };
	const char *const raise[] = { "memory.max=1G", "memory.memsw.max=2G" };
	struct knob_result results[2];

	if (manual_set(&context, bench->node, "memory.memsw.max=max", results) == -EOPNOTSUPP)
		skip();
	assert_int_equal(manual_set_all(&context, bench->node, lower, 2, results), 0);
	assert_int_equal(manual_set(&context, bench->node, "memory.max=1G", results), -EINVAL);
	assert_non_null(strstr(results[0].text, "raise memory.memsw.max first"));
	assert_int_equal(manual_set_all(&context, bench->node, raise, 2, results), 0);
	assert_string_equal(get(bench, "memory", bench->path, "memory.limit_in_bytes"),
			    "1073741824");
}

static void test_freeze(void **state)
{
	struct bench *bench = *state;
	const char *path = bench->inner->path;
	struct journal *journal = NULL;
	struct enforcer *enforcer;
	struct decision decision = { .op = DECISION_APPLY,
				     .node = bench->inner,
				     .policy = (char *)"p",
				     .reason = (char *)"" };
	struct timespec now;
	char reason[128];
	pid_t burner = spawn(bench, burn);

	spawn(bench, fork_storm);
	assert_int_equal(journal_open(bench->state_dir, 0, &journal, NULL), 0);
	enforcer = start(bench, journal);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(carry_out(enforcer, DECISION_APPLY, bench->inner, "p",
					   "freeze lease=30s", NULL),
				 0);
		assert_string_equal(get(bench, "freezer", path, "freezer.state"), "FROZEN");
		assert_true(share_of(burner, 0.2) < 0.01);
		assert_int_equal(carry_out(enforcer, DECISION_RELEASE, bench->inner, "p",
					   "freeze lease=30s", NULL),
				 0);
		assert_string_equal(get(bench, "freezer", path, "freezer.state"), "THAWED");
	}
	assert_true(share_of(burner, 0.5) > 0.05);
	/* The lease ends by itself. */
	assert_int_equal(action_parse("freeze lease=1s", &decision.action, reason, sizeof(reason)),
			 0);
	clock_gettime(CLOCK_BOOTTIME, &now);
	decision.lease_until = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 +
			       700000;
	assert_int_equal(enforcer_submit(enforcer, &decision), 0);
	assert_int_equal(enforcer_drain(enforcer, 20000), 0);
	assert_string_equal(get(bench, "freezer", path, "freezer.self_freezing"), "1");
	for (int i = 0;
	     i < 500 && strcmp(get(bench, "freezer", path, "freezer.state"), "THAWED") != 0; i++)
		usleep(20000);
	assert_string_equal(get(bench, "freezer", path, "freezer.state"), "THAWED");
	enforcer_free(enforcer);
	journal_free(journal);
}

/* A frozen ancestor: ours can be thawed and restored, though it stays frozen with the ancestor. */
static void test_frozen_parent(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	struct knob_result result;

	spawn(bench, burn);
	assert_int_equal(manual_freeze(&context, bench->inner, true, &result), 0);
	put(bench, "freezer", bench->path, "freezer.state", "FROZEN");
	assert_int_equal(manual_freeze(&context, bench->inner, false, &result), 0);
	assert_string_equal(get(bench, "freezer", bench->inner->path, "freezer.self_freezing"),
			    "0");
	assert_string_equal(get(bench, "freezer", bench->inner->path, "freezer.state"), "FROZEN");
	assert_int_equal(manual_freeze(&context, bench->inner, true, &result), 0);
	assert_int_equal(result.before.number, 0);
}

/* The v2 tree of a hybrid host can freeze as well, where a cgroup is only there. */
static void test_freeze_v2(void **state)
{
	struct bench *bench = *state;
	const struct hierarchy *v2 = hierarchies_v2(bench->hierarchies);
	struct knob_context context = context_of(bench);
	_cleanup_(closep) int procs = -1;
	struct node *only_v2;
	struct knob_result result;
	char name[128];
	pid_t burner;

	if (!v2)
		skip();
	burner = spawn(bench, burn);
	snprintf(name, sizeof(name), "%s/cgroup.procs", bench->inner->path + 1);
	procs = openat(v2->fd, name, O_WRONLY);
	assert_true(procs >= 0 && dprintf(procs, "%d", (int)burner) > 0);
	only_v2 = node_new(bench->inner->path, 2, bench->hierarchies->n);
	only_v2->ids[0] = bench->inner->ids[0];
	assert_int_equal(manual_freeze(&context, only_v2, true, &result), 0);
	assert_string_equal(result.file, "cgroup.freeze");
	assert_true(share_of(burner, 0.2) < 0.01);
	assert_int_equal(manual_freeze(&context, only_v2, false, &result), 0);
	assert_true(share_of(burner, 0.5) > 0.05);
	node_unref(only_v2);
}

static void test_guards(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	struct knob_result result;
	char *paths[HIERARCHY_MAX];
	const struct hierarchy *memory = hierarchies_find(bench->hierarchies, "memory");
	struct node *top = node_new("/", 0, bench->hierarchies->n), *own;
	pid_t child;
	int status;

	for (unsigned int i = 0; i < bench->hierarchies->n; i++) {
		struct stat there;

		assert_int_equal(fstat(bench->hierarchies->list[i].fd, &there), 0);
		top->ids[i] = there.st_ino;
	}
	/* A dry run: even if the guard were broken, nothing would be touched. */
	context.dry_run = true;
	assert_int_equal(manual_set(&context, top, "memory.max=1G", &result), -EPERM);
	assert_non_null(strstr(result.text, "root of a hierarchy"));
	node_unref(top);
	assert_int_equal(hierarchies_of_process(bench->hierarchies, bench->root, 0, paths), 0);
	if (paths[memory - bench->hierarchies->list] &&
	    strcmp(paths[memory - bench->hierarchies->list], "/") != 0) {
		own = make_node(bench, paths[memory - bench->hierarchies->list], 1);
		assert_int_equal(manual_set(&context, own, "memory.max=1G", &result), -EPERM);
		assert_non_null(strstr(result.text, "cgwatch itself lives in it"));
		node_unref(own);
	}
	for (unsigned int i = 0; i < HIERARCHY_MAX; i++)
		free(paths[i]);
	/* In the cpu hierarchy only, a level below: refused there, not elsewhere. */
	child = fork();
	if (child == 0) {
		join_cgroup(bench, "cpu", bench->inner->path);
		_exit(manual_set(&context, bench->node, "cpu.quota=20%", &result) == -EPERM &&
				      manual_set(&context, bench->inner, "cpu.quota=20%",
						 &result) == -EPERM &&
				      manual_set(&context, bench->node, "pids.max=100", &result) ==
					      0
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* ---- crashes
 * ------------------------------------------------------------------------------------------ */

/* An agent that holds a quota and a freeze, and is killed in the middle of it. */
static void run_agent(const struct bench *bench, bool guarded, int ready_fd)
{
	struct knob_context context = context_of(bench);
	struct journal *journal = NULL;
	struct watchdog *watchdog = NULL;
	struct enforcer *enforcer;

	assert_int_equal(journal_open(bench->state_dir, 0, &journal, NULL), 0);
	if (guarded)
		assert_int_equal(watchdog_start(journal, &context, &watchdog), 0);
	enforcer = start(bench, journal);
	carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "cpu.quota 20%", NULL);
	carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "memory.max 512M", NULL);
	carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "freeze lease=60s", NULL);
	ready(ready_fd);
	kill(getpid(), SIGKILL);
}

static void kill_agent(struct bench *bench, bool guarded)
{
	int fds[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		run_agent(bench, guarded, fds[1]);
		_exit(1);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void assert_as_before(const struct bench *bench)
{
	const char *path = bench->inner->path;

	assert_string_equal(get(bench, "cpu", path, "cpu.cfs_quota_us"), "-1");
	assert_string_equal(get(bench, "memory", path, "memory.limit_in_bytes"),
			    "9223372036854771712");
	assert_string_equal(get(bench, "freezer", path, "freezer.state"), "THAWED");
}

static void test_killed_and_restarted(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	struct journal_replay replay;
	struct journal *journal = NULL;

	spawn(bench, fork_storm);
	kill_agent(bench, false);
	assert_string_equal(get(bench, "freezer", bench->inner->path, "freezer.state"), "FROZEN");
	assert_string_equal(get(bench, "cpu", bench->inner->path, "cpu.cfs_quota_us"), "20000");
	assert_int_equal(journal_open(bench->state_dir, 1000, &journal, NULL), 0);
	assert_int_equal(journal_count(journal), 3);
	assert_int_equal(journal_restore(journal, &context, false, &replay), 0);
	assert_int_equal(replay.restored, 3);
	assert_as_before(bench);
	assert_int_equal(journal_count(journal), 0);
	journal_free(journal);
}

/* Here nobody starts again: the watchdog does it, and the next agent waits for it. */
static void test_killed_and_guarded(void **state)
{
	struct bench *bench = *state;
	struct journal *journal = NULL;

	spawn(bench, fork_storm);
	for (int i = 0; i < 3; i++) {
		kill_agent(bench, true);
		assert_int_equal(journal_open(bench->state_dir, 20000, &journal, NULL), 0);
		assert_int_equal(journal_count(journal), 0);
		assert_as_before(bench);
		journal_free(journal);
	}
}

/* Applies and releases without end, until it is killed. */
static void run_busy_agent(const struct bench *bench, int ready_fd)
{
	static const char *const actions[] = { "cpu.quota 20%", "memory.max 512M",
					       "freeze lease=60s", "cpu.quota 10%" };
	struct knob_context context = context_of(bench);
	struct journal *journal = NULL;
	struct watchdog *watchdog = NULL;
	struct enforcer *enforcer;

	if (journal_open(bench->state_dir, 0, &journal, NULL) < 0 ||
	    watchdog_start(journal, &context, &watchdog) < 0)
		_exit(1);
	enforcer = start(bench, journal);
	ready(ready_fd);
	for (unsigned int i = 0;; i++) {
		const char *action = actions[i % ARRAY_SIZE(actions)];
		enum decision_op op = i / ARRAY_SIZE(actions) % 2 ? DECISION_RELEASE
								  : DECISION_APPLY;

		carry_out(enforcer, op, bench->inner, i % 4 == 3 ? "q" : "p", action, NULL);
	}
}

/* CGWATCH_TEST_KILLS times (20): killed wherever it is, everything is as before. */
static void test_killed_at_random(void **state)
{
	struct bench *bench = *state;
	const char *wanted = getenv("CGWATCH_TEST_KILLS");
	int kills = wanted ? atoi(wanted) : 20;

	spawn(bench, fork_storm);
	for (int i = 0; i < kills; i++) {
		struct journal *journal = NULL;
		int fds[2];
		char byte;
		pid_t pid;

		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		pid = fork();
		if (pid == 0) {
			close(fds[0]);
			run_busy_agent(bench, fds[1]);
		}
		close(fds[1]);
		assert_int_equal(read(fds[0], &byte, 1), 1);
		close(fds[0]);
		usleep((useconds_t)(rand() % 30000));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(journal_open(bench->state_dir, 20000, &journal, NULL), 0);
		assert_int_equal(journal_count(journal), 0);
		assert_as_before(bench);
		journal_free(journal);
	}
	print_message("%d kills, everything as before\n", kills);
}

/* Stopped (SIGSTOP), the agent cannot thaw: the watchdog does when the lease is over. */
static void test_hanging_agent(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	const char *path = bench->inner->path;
	int status;
	pid_t pid;

	spawn(bench, burn);
	pid = fork();
	if (pid == 0) {
		struct decision decision = { .op = DECISION_APPLY,
					     .node = bench->inner,
					     .policy = (char *)"p",
					     .reason = (char *)"" };
		struct journal *journal = NULL;
		struct watchdog *watchdog = NULL;
		struct enforcer *enforcer;
		struct timespec now;
		char reason[64];

		if (journal_open(bench->state_dir, 0, &journal, NULL) < 0 ||
		    watchdog_start(journal, &context, &watchdog) < 0)
			_exit(1);
		enforcer = start(bench, journal);
		action_parse("freeze lease=1s", &decision.action, reason, sizeof(reason));
		clock_gettime(CLOCK_BOOTTIME, &now);
		decision.lease_until = (uint64_t)now.tv_sec * 1000000 +
				       (uint64_t)now.tv_nsec / 1000 + 1000000;
		enforcer_submit(enforcer, &decision);
		enforcer_drain(enforcer, 5000);
		raise(SIGSTOP);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_string_equal(get(bench, "freezer", path, "freezer.self_freezing"), "1");
	for (int i = 0;
	     i < 1000 && strcmp(get(bench, "freezer", path, "freezer.state"), "THAWED") != 0; i++)
		usleep(20000);
	assert_string_equal(get(bench, "freezer", path, "freezer.state"), "THAWED");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static void test_goodbye(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	struct journal *journal = NULL;
	struct watchdog *watchdog = NULL;
	pid_t pid;

	assert_int_equal(journal_open(bench->state_dir, 0, &journal, NULL), 0);
	assert_int_equal(watchdog_start(journal, &context, &watchdog), 0);
	pid = watchdog_pid(watchdog);
	/* It must outlive what ends the agent politely. */
	kill(pid, SIGTERM);
	kill(pid, SIGINT);
	usleep(100000);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	watchdog_free(watchdog);
	assert_int_equal(kill(pid, 0), -1);
	journal_free(journal);
}

/* Removed and made again while held: the new one is not "restored". */
static void test_recreated(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	struct journal_replay replay;
	struct journal *journal = NULL;
	const char *path = bench->inner->path;

	kill_agent(bench, false);
	put(bench, "freezer", path, "freezer.state", "THAWED");
	for (unsigned int i = 0; i < bench->hierarchies->n; i++)
		unlinkat(bench->hierarchies->list[i].fd, path + 1, AT_REMOVEDIR);
	make_directories(bench, path);
	put(bench, "cpu", path, "cpu.cfs_quota_us", "20000");
	assert_int_equal(journal_open(bench->state_dir, 1000, &journal, NULL), 0);
	assert_int_equal(journal_restore(journal, &context, true, &replay), 0);
	assert_int_equal(replay.gone, 3);
	assert_int_equal(replay.restored, 0);
	assert_string_equal(get(bench, "cpu", path, "cpu.cfs_quota_us"), "20000");
	journal_free(journal);
}

static bool can_run(void)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cpu, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cpu_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cpu_bounds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_memsw, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_freeze, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_frozen_parent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_freeze_v2, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_guards, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_and_restarted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_and_guarded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_at_random, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hanging_agent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_goodbye, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_recreated, set_up, tear_down),
	};

	if (!can_run())
		return SKIP;
	if (!getenv("CGWATCH_TEST_LOG"))
		log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
