/* SPDX-License-Identifier: MIT */
#pragma once

/* Cgroups on the real kernel with a watch over their events, for the tests of events. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectors/event_watch.h"
#include "collectors/sampler.h"
#include "live.h"

enum { MANY = 1000, MANY_TRIGGERS = 200 };

/* The subtree of live.h, with the v2 tree of a hybrid host as well, and a watch over it. */
struct scene {
	struct live *live;
	struct root *root;
	struct sampler *sampler;
	struct snapshot *now;
	struct event_watch *watch;
	char v2[512]; /* TOP in the v2 tree, or "" */
	char made[8][64];
	size_t n_made;
	bool many;
};

static inline void v2_path(const struct scene *scene, const char *name, const char *file,
			   char path[1024])
{
	snprintf(path, 1024, "%s%s%s%s%s", scene->v2, *name ? "/" : "", name, *file ? "/" : "",
		 file);
}

static inline void v2_write(const struct scene *scene, const char *name, const char *file,
			    const char *text)
{
	char path[1024];
	int fd;

	v2_path(scene, name, file, path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail_msg("%s: %s: %s", path, text, strerror(errno));
	close(fd);
}

static inline bool v2_has(const struct scene *scene, const char *name, const char *file)
{
	char path[1024];

	v2_path(scene, name, file, path);
	return *scene->v2 && access(path, F_OK) == 0;
}

/* On a hybrid host the v2 tree is not one of those that live.h makes cgroups in. */
static inline void v2_mkdir(struct scene *scene, const char *name)
{
	char path[1024];

	if (scene->live->v2 || !*scene->v2)
		return;
	v2_path(scene, name, "", path);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		fail_msg("%s: %s", path, strerror(errno));
}

static inline void v2_rmdir(const struct scene *scene, const char *name)
{
	char path[1024];

	v2_path(scene, name, "", path);
	for (double end = live_now() + LIVE_PATIENCE;
	     rmdir(path) < 0 && errno == EBUSY && live_now() < end;)
		live_wait(0.01);
}

static inline void cgroup(struct scene *scene, const char *name)
{
	live_cgroup(scene->live, name);
	v2_mkdir(scene, name);
	snprintf(scene->made[scene->n_made++], sizeof(scene->made[0]), "%s", name);
}

static inline pid_t start(struct scene *scene, const char *name, void (*work)(void))
{
	pid_t pid = live_start(scene->live, name, work);
	char text[24];

	snprintf(text, sizeof(text), "%d", (int)pid);
	if (!scene->live->v2 && *scene->v2)
		v2_write(scene, name, "cgroup.procs", text);
	return pid;
}

static inline void look(struct scene *scene)
{
	struct metric_set wanted = { 0 };

	metric_set_add(&wanted, M_CGROUP_PROCS);
	snapshot_unref(scene->now);
	scene->now = NULL;
	assert_int_equal(sampler_sample(scene->sampler, &wanted, &scene->now), 0);
}

static inline struct node *node(struct scene *scene, const char *name)
{
	char path[256];
	uint32_t index;

	snprintf(path, sizeof(path), "%s/%s", scene->live->top, name);
	index = tree_find(scene->now->tree, path);
	if (index == NODE_NONE)
		fail_msg("%s is not in the tree", path);
	return scene->now->tree->nodes[index];
}

static inline void open_watch(struct scene *scene, unsigned int max_fds)
{
	event_watch_free(scene->watch);
	scene->watch = NULL;
	assert_int_equal(event_watch_new(scene->root, sampler_hierarchies(scene->sampler), max_fds,
					 &scene->watch),
			 0);
}

static inline struct event_want want(struct scene *scene, const char *name, const char *text)
{
	struct event_want want = { .node = node(scene, name) };
	char reason[128];

	if (event_parse(text, &want.spec, reason, sizeof(reason)) < 0)
		fail_msg("%s", reason);
	return want;
}

static inline struct event_watch_stats stats(const struct scene *scene)
{
	struct event_watch_stats stats;

	event_watch_get_stats(scene->watch, &stats);
	return stats;
}

/* Watches these events ("" ends them) of one cgroup; all must be possible. */
static inline void watch_all(struct scene *scene, const char *name, const char *const *events)
{
	struct event_want list[16];
	size_t n = 0;

	look(scene);
	open_watch(scene, 1000);
	for (; events[n]; n++)
		list[n] = want(scene, name, events[n]);
	assert_int_equal(event_watch_set(scene->watch, list, n), 0);
	if (stats(scene).watched != n)
		fail_msg("%s: %u of %zu are watched", events[0], stats(scene).watched, n);
}

#define watch_events(scene, name, ...) \
	watch_all(scene, name, (const char *const[]){ __VA_ARGS__, NULL })

/*
 * Waits until an event of that cgroup arrives and returns how often it happened; others that come
 * before it are passed over. Polled as a loop does it that has the watch's descriptor in its own.
 */
static inline uint64_t await(struct scene *scene, const char *name, const char *text)
{
	struct event_want wanted = want(scene, name, text);
	struct pollfd fd = { .fd = event_watch_fd(scene->watch), .events = POLLIN };

	for (double end = live_now() + LIVE_PATIENCE; live_now() < end;) {
		struct event *list = NULL;
		uint64_t count = 0;
		size_t n = 0;

		if (poll(&fd, 1, 1000) != 1)
			continue;
		assert_int_equal(event_watch_read(scene->watch, &list, &n), 0);
		for (size_t i = 0; i < n; i++) {
			if (list[i].serial == wanted.node->serial &&
			    event_equal(&list[i].spec, &wanted.spec))
				count += list[i].count;
		}
		free(list);
		if (count > 0)
			return count;
	}
	fail_msg("%s: %s did not arrive", name, text);
	return 0;
}

/* Reads, at least once, until so many events are waited for. */
static inline void await_watched(struct scene *scene, uint32_t watched)
{
	for (double end = live_now() + LIVE_PATIENCE;;) {
		struct event *list = NULL;
		size_t n = 0;

		assert_int_equal(event_watch_read(scene->watch, &list, &n), 0);
		free(list);
		if (stats(scene).watched == watched)
			return;
		if (live_now() > end)
			fail_msg("%u are watched, not %u", stats(scene).watched, watched);
		live_wait(0.01);
	}
}

static inline int scene_setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	const struct hierarchy *v2;
	void *live = NULL;

	if (!scene || live_setup(&live) < 0)
		return -1;
	*state = scene;
	scene->live = live;
	if (root_new(NULL, &scene->root) < 0 || sampler_new(scene->root, NULL, &scene->sampler) < 0)
		return -1;
	v2 = hierarchies_v2(sampler_hierarchies(scene->sampler));
	if (v2)
		snprintf(scene->v2, sizeof(scene->v2), "%s%s", v2->mountpoint, scene->live->top);
	v2_mkdir(scene, "");
	return 0;
}

static inline void remove_many(struct scene *scene)
{
	for (int i = 0; scene->many && i < MANY; i++) {
		char name[32];

		snprintf(name, sizeof(name), "many%d", i);
		v2_rmdir(scene, name);
	}
}

static inline int scene_teardown(void **state)
{
	struct scene *scene = *state;
	void *live = scene->live;

	event_watch_free(scene->watch);
	snapshot_unref(scene->now);
	sampler_free(scene->sampler);
	root_free(scene->root);
	for (size_t i = 0; i < scene->live->n_children; i++)
		kill(scene->live->children[i], SIGKILL);
	if (!scene->live->v2 && *scene->v2) {
		for (size_t i = scene->n_made; i-- > 0;) {
			if (v2_has(scene, scene->made[i], "cgroup.freeze"))
				v2_write(scene, scene->made[i], "cgroup.freeze", "0");
		}
		for (size_t i = 0; i < scene->live->n_children; i++)
			waitpid(scene->live->children[i], NULL, 0);
	}
	remove_many(scene);
	for (size_t i = scene->n_made; !scene->live->v2 && i-- > 0;)
		v2_rmdir(scene, scene->made[i]);
	if (!scene->live->v2 && *scene->v2)
		v2_rmdir(scene, "");
	free(scene);
	return live_teardown(&live);
}

static inline bool no_v2(const struct scene *scene)
{
	if (*scene->v2)
		return false;
	printf("not tried: this host has no cgroup v2 tree\n");
	return true;
}

/* More busy processes than there are processors. */
static inline void start_busy(struct scene *scene, const char *name)
{
	for (long i = sysconf(_SC_NPROCESSORS_ONLN); i >= 0; i--)
		start(scene, name, live_burn);
}

static inline bool no_psi(const struct scene *scene)
{
	char path[1024];
	int fd;

	v2_path(scene, "a", "cpu.pressure", path);
	fd = *scene->v2 ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd >= 0)
		close(fd);
	else
		printf("not tried: no cpu.pressure to write to (psi=0, or no cgroup v2)\n");
	return fd < 0;
}

static inline void limit_memory(struct scene *scene, const char *v2, const char *text)
{
	assert_int_equal(live_write(scene->live, "memory", "a",
				    scene->live->v2 ? v2 : "memory.limit_in_bytes", text),
			 0);
}
