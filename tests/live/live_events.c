// SPDX-License-Identifier: MIT
/* Every kind of event really happens in a cgroup here, and arrives. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectors/node_sample.h"
#include "event_scene.h"

static void test_populated(void **state)
{
	struct scene *scene = *state;
	pid_t pid;

	if (no_v2(scene))
		return;
	cgroup(scene, "a");
	watch_events(scene, "a", "populated", "empty");
	for (int round = 0; round < 3; round++) {
		pid = start(scene, "a", live_sleep);
		assert_int_equal(await(scene, "a", "populated"), 1);
		live_end(scene->live, pid);
		assert_int_equal(await(scene, "a", "empty"), 1);
	}
}

static void test_frozen(void **state)
{
	struct scene *scene = *state;

	if (no_v2(scene))
		return;
	cgroup(scene, "a");
	start(scene, "a", live_sleep);
	watch_events(scene, "a", "frozen", "thawed");
	v2_write(scene, "a", "cgroup.freeze", "1");
	assert_int_equal(await(scene, "a", "frozen"), 1);
	v2_write(scene, "a", "cgroup.freeze", "0");
	assert_int_equal(await(scene, "a", "thawed"), 1);
}

static void test_oom_kill(void **state)
{
	struct scene *scene = *state;
	const char *file = scene->live->v2 ? "memory.events" : "memory.oom_control";
	uint64_t told = 0;

	cgroup(scene, "a");
	limit_memory(scene, "memory.max", "16M");
	watch_events(scene, "a", "oom");
	start(scene, "a", live_allocate);
	assert_true(await(scene, "a", "oom") >= 1);
	while (live_number(scene->live, "memory", "a", file, "oom_kill") == 0)
		live_wait(0.01);
	watch_events(scene, "a", "oom", "oom_kill");
	for (uint64_t round = 1; round <= 3; round++) {
		start(scene, "a", live_allocate);
		while (told < round)
			told += await(scene, "a", "oom_kill");
		assert_int_equal(told + 1,
				 live_number(scene->live, "memory", "a", file, "oom_kill"));
	}
}

/* cgroup v1 has nothing that tells. */
static void check_absent(struct scene *scene, const char *event)
{
	struct event_want one;

	look(scene);
	open_watch(scene, 1000);
	one = want(scene, "a", event);
	assert_int_equal(event_watch_set(scene->watch, &one, 1), 0);
	assert_int_equal(stats(scene).absent, 1);
	assert_int_equal(stats(scene).watched, 0);
}

static void refused_forks(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		live_wait(0.05);
	}
}

static void test_pids_max(void **state)
{
	struct scene *scene = *state;

	cgroup(scene, "a");
	assert_int_equal(live_write(scene->live, "pids", "a", "pids.max", "1"), 0);
	if (!scene->live->v2) {
		check_absent(scene, "pids.max");
		return;
	}
	watch_events(scene, "a", "pids.max");
	start(scene, "a", refused_forks);
	assert_true(await(scene, "a", "pids.max") >= 1);
	assert_true(await(scene, "a", "pids.max") >= 1);
}

/* Memory that is given back and taken again, so that it runs against limits without end. */
static void churn(void)
{
	const size_t size = 24 << 20;
	char path[] = "/tmp/cgwatch-test-churn-XXXXXX";
	int fd = mkstemp(path);
	char *block = malloc(1 << 20);

	unlink(path);
	if (fd < 0 || !block)
		_exit(98);
	memset(block, 1, 1 << 20);
	for (;;) {
		for (size_t at = 0; at < size; at += 1 << 20) {
			if (pwrite(fd, block, 1 << 20, (off_t)at) < 0)
				_exit(97);
		}
		fdatasync(fd);
	}
}

static void test_memory_limits(void **state)
{
	struct scene *scene = *state;
	pid_t pid;

	cgroup(scene, "a");
	if (!scene->live->v2) {
		check_absent(scene, "memory.high");
		check_absent(scene, "memory.max");
		check_absent(scene, "memory.low");
		return;
	}
	limit_memory(scene, "memory.high", "8M");
	watch_events(scene, "a", "memory.high", "memory.max");
	pid = start(scene, "a", live_allocate);
	assert_true(await(scene, "a", "memory.high") >= 1);
	live_end(scene->live, pid);
	limit_memory(scene, "memory.high", "max");
	limit_memory(scene, "memory.max", "8M");
	/* /tmp may be in memory, then nothing can be given back: an OOM kill comes after it. */
	start(scene, "a", churn);
	assert_true(await(scene, "a", "memory.max") >= 1);
}

static void test_psi(void **state)
{
	struct scene *scene = *state;

	cgroup(scene, "a");
	cgroup(scene, "b");
	if (no_psi(scene))
		return;
	watch_events(scene, "a", "psi.cpu.some 50ms/2s", "psi.cpu.some 200ms/4s",
		     "psi.memory.full 1900ms/2s");
	/* A trigger that is only made tells of nothing. */
	live_wait(0.2);
	await_watched(scene, 3);
	assert_int_equal(stats(scene).events, 0);
	start_busy(scene, "b"); /* not there */
	start_busy(scene, "a");
	/* Again and again while it lasts. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(await(scene, "a", "psi.cpu.some 50ms/2s"), 1);
	assert_true(stats(scene).events >= 3);
}

/* Descriptors say so when their cgroup is removed; an inotify watch of a file just falls silent. */
static void test_removed(void **state)
{
	struct scene *scene = *state;
	static const char *const kinds[] = { "oom", "populated", "psi.cpu.some 50ms/2s" };
	struct event_want list[3];
	uint32_t n = 0, silent = 0;

	cgroup(scene, "a");
	look(scene);
	open_watch(scene, 1000);
	list[n++] = want(scene, "a", kinds[0]);
	silent += scene->live->v2;
	if (*scene->v2) {
		list[n++] = want(scene, "a", kinds[1]);
		silent++;
	}
	if (!no_psi(scene))
		list[n++] = want(scene, "a", kinds[2]);
	assert_int_equal(event_watch_set(scene->watch, list, n), 0);
	assert_int_equal(stats(scene).watched, n);
	live_remove(scene->live, "a");
	if (!scene->live->v2 && *scene->v2)
		v2_rmdir(scene, "a");
	await_watched(scene, silent);
	assert_int_equal(stats(scene).events, 0);
	/* Another cgroup of that path is not what was asked for. */
	live_cgroup(scene->live, "a");
	v2_mkdir(scene, "a");
	open_watch(scene, 1000);
	assert_int_equal(event_watch_set(scene->watch, list, n), 0);
	assert_int_equal(stats(scene).watched, 0);
	assert_int_equal(stats(scene).absent, n);
}

/* A window that is no multiple of 2 s is for those with CAP_SYS_RESOURCE. */
static void test_short_window(void **state)
{
	struct scene *scene = *state;
	struct event_want one;

	cgroup(scene, "a");
	if (no_psi(scene))
		return;
	look(scene);
	open_watch(scene, 1000);
	one = want(scene, "a", "psi.cpu.some 50ms/1s");
	assert_int_equal(event_watch_set(scene->watch, &one, 1), 0);
	assert_int_equal(stats(scene).watched + stats(scene).denied, 1);
	if (stats(scene).denied) {
		printf("without CAP_SYS_RESOURCE: denied\n");
		return;
	}
	start_busy(scene, "a");
	for (int i = 0; i < 3; i++)
		assert_int_equal(await(scene, "a", "psi.cpu.some 50ms/1s"), 1);
}

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void test_budget(void **state)
{
	struct scene *scene = *state;
	struct event_want list[6];
	unsigned int before;

	cgroup(scene, "a");
	if (no_psi(scene))
		return;
	look(scene);
	before = open_fds();
	open_watch(scene, 10);
	for (unsigned int i = 0; i < 6; i++) {
		list[i] = want(scene, "a", "psi.cpu.some 50ms/2s");
		list[i].spec.stall_usec += i * 1000;
	}
	assert_int_equal(event_watch_set(scene->watch, list, 6), 0);
	assert_int_equal(stats(scene).watched, 4);
	assert_int_equal(stats(scene).over, 2);
	assert_true(open_fds() - before <= 10);
	/* What is freed goes to those that had none. */
	assert_int_equal(event_watch_set(scene->watch, list + 3, 3), 0);
	assert_int_equal(stats(scene).watched, 3);
	assert_int_equal(stats(scene).over, 0);
	start_busy(scene, "a");
	assert_int_equal(await(scene, "a", "psi.cpu.some 55ms/2s"), 1);
}

static void add_many(struct scene *scene)
{
	scene->many = true;
	for (int i = 0; i < MANY; i++) {
		char name[32], path[1024];

		snprintf(name, sizeof(name), "many%d", i);
		v2_path(scene, name, "", path);
		if (mkdir(path, 0755) < 0)
			fail_msg("%s: %s", path, strerror(errno));
	}
}

/* A thousand cgroups cost no descriptor each; hundreds of triggers one each. */
static void test_many(void **state)
{
	struct scene *scene = *state;
	struct event_want *list = calloc(MANY + MANY_TRIGGERS, sizeof(*list));
	size_t n = 0;
	unsigned int before;
	pid_t pid;
	char text[24];

	if (no_v2(scene)) {
		free(list);
		return;
	}
	assert_non_null(list);
	cgroup(scene, "a");
	add_many(scene);
	look(scene);
	for (; n < MANY; n++) {
		snprintf(text, sizeof(text), "many%zu", n);
		list[n] = want(scene, text, "populated");
	}
	for (unsigned int i = 0; i < MANY_TRIGGERS && !no_psi(scene); i++) {
		list[n] = want(scene, "a", "psi.cpu.some 50ms/2s");
		list[n++].spec.stall_usec += i * 1000;
	}
	before = open_fds();
	open_watch(scene, 4096);
	assert_int_equal(event_watch_set(scene->watch, list, n), 0);
	assert_int_equal(stats(scene).watched, n);
	assert_true(open_fds() - before <= n - MANY + 6);
	pid = start(scene, "a", live_sleep);
	snprintf(text, sizeof(text), "%d", (int)pid);
	v2_write(scene, "many777", "cgroup.procs", text);
	assert_int_equal(await(scene, "many777", "populated"), 1);
	start_busy(scene, "a");
	if (n > MANY)
		assert_int_equal(await(scene, "a", "psi.cpu.some 60ms/2s"), 1);
	live_end(scene->live, pid);
	free(list);
}

static struct snapshot *sample(struct scene *scene, const struct metric_set *wanted)
{
	struct snapshot *snapshot = NULL;

	assert_int_equal(sampler_sample(scene->sampler, wanted, &snapshot), 0);
	return snapshot;
}

static bool same_cell(enum metric_id id, const struct snapshot *a, uint32_t i,
		      const struct snapshot *b, uint32_t j)
{
	union value x = { 0 }, y = { 0 };
	enum value_state state = snapshot_get(a, id, i, &x);

	if (state != snapshot_get(b, id, j, &y))
		return false;
	if (state != VALUE_OK)
		return true;
	return metric_get(id)->kind == KIND_TEXT ? strcmp(x.text, y.text) == 0 : x.u64 == y.u64;
}

/* True if what is the same in a sample before and one after is the same in between. */
static bool agrees(struct scene *scene, const struct metric_set *wanted, unsigned int *ret_compared)
{
	struct snapshot *before = sample(scene, wanted), *fresh = NULL, *after;
	char path[256];
	uint32_t index;
	bool same = true;

	snprintf(path, sizeof(path), "%s/a", scene->live->top);
	index = tree_find(before->tree, path);
	assert_int_not_equal(index, NODE_NONE);
	assert_int_equal(node_sample(scene->root, sampler_hierarchies(scene->sampler), before,
				     index, wanted, &fresh),
			 0);
	after = sample(scene, wanted);
	*ret_compared = 0;
	for (int i = M_NONE + 1; i < METRIC_COUNT; i++) {
		enum metric_id id = (enum metric_id)i;
		uint32_t at = tree_find(after->tree, path);

		if (!same_cell(id, before, index, after, at))
			continue;
		*ret_compared += snapshot_state(before, id, index) == VALUE_OK;
		if (same_cell(id, before, index, fresh, 0))
			continue;
		printf("%s: not the same\n", metric_get(id)->name);
		same = false;
	}
	snapshot_unref(before);
	snapshot_unref(fresh);
	snapshot_unref(after);
	return same;
}

/* What the kernel counts in batches may move and move back: then it is tried again. */
static void test_node_sample(void **state)
{
	struct scene *scene = *state;
	struct metric_set wanted = { 0 };
	unsigned int compared = 0;
	bool same = false;

	cgroup(scene, "a");
	start(scene, "a", live_allocate);
	limit_memory(scene, "memory.max", "256M");
	metric_set_add_all(&wanted);
	/* Rates need two. */
	snapshot_unref(sample(scene, &wanted));
	for (int attempt = 0; attempt < 20 && !same; attempt++) {
		live_wait(0.25);
		same = agrees(scene, &wanted, &compared);
	}
	printf("%u values compared\n", compared);
	assert_true(same);
	assert_true(compared >= 50);
}

#define in_scene(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_scene(test_populated), in_scene(test_frozen),	in_scene(test_oom_kill),
		in_scene(test_pids_max),  in_scene(test_memory_limits), in_scene(test_psi),
		in_scene(test_removed),	  in_scene(test_short_window),	in_scene(test_budget),
		in_scene(test_many),	  in_scene(test_node_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
