// SPDX-License-Identifier: MIT
/*
 * Memory and I/O of the bpf backend against the kernel's files where something happens: reclaim at
 * a limit, an OOM kill, reading and writing a disk. Counters lie between two readings of their
 * file, for io.stat device by device; and those that the scene is about must have counted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "collectors/sampler.h"
#include "core/cleanup.h"
#include "live.h"

enum { FAULTS_SHOWN = 20, SECONDS = 6 };

/* What must have counted where the backend supplies it: by reading a disk, by writing to it. */
static const enum metric_id expected[] = {
	M_MEMORY_CURRENT,    M_MEMORY_PEAK,	  M_MEMORY_MAX,		 M_MEMORY_FAILCNT,
	M_MEMORY_EVENTS_MAX, M_MEMORY_EVENTS_OOM, M_MEMORY_HIGH,	 M_MEMORY_EVENTS_OOM_KILL,
	M_MEMORY_STAT_ANON,  M_MEMORY_STAT_SLAB,  M_MEMORY_STAT_PGFAULT,
};
static const enum metric_id expected_reading[] = {
	M_MEMORY_EVENTS_HIGH,  M_MEMORY_EVENTS_LOCAL_HIGH,
	M_MEMORY_STAT_FILE,    M_MEMORY_STAT_PGSCAN,
	M_MEMORY_STAT_PGSTEAL, M_MEMORY_STAT_PGSCAN_DIRECT,
	M_IO_RBYTES,	       M_IO_RIOS,
};
static const enum metric_id expected_writing[] = { M_IO_WBYTES, M_IO_WIOS };

struct scene {
	struct live *live;
	struct root *root;
	struct sampler *files, *bpf;
	struct metric_set wanted;
	bool supplied[METRIC_COUNT];
	unsigned int compared[METRIC_COUNT], above_zero[METRIC_COUNT], parts;
	unsigned int faults;
	bool disk, writes;
};

/* ---- what happens ------------------------------------------------------------------------ */

/* A directory on a block device, or NULL. */
static const char *on_disk(void)
{
	static const char *const places[] = { "/data", "/var/tmp", "/tmp", "/root" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct stat info;

		if (stat(places[i], &info) == 0 && S_ISDIR(info.st_mode) && major(info.st_dev) != 0)
			return places[i];
	}
	return NULL;
}

/* A disk to read only, where there is no such directory, or NULL. */
static const char *a_disk(void)
{
	static const char *const disks[] = { "/dev/vda", "/dev/sda", "/dev/nvme0n1" };

	for (size_t i = 0; i < ARRAY_SIZE(disks); i++) {
		if (access(disks[i], R_OK) == 0)
			return disks[i];
	}
	return NULL;
}

static void read_all(int fd)
{
	char block[65536];

	for (off_t at = 0; at < 24 << 20; at += (off_t)sizeof(block)) {
		if (pread(fd, block, sizeof(block), at) < 0)
			_exit(1);
	}
}

static void work_reading(void)
{
	int fd = open(a_disk(), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		_exit(1);
	for (;;) {
		read_all(fd);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		read_all(fd);
	}
}

/* Writes more than the cgroup may hold, and reads it back: from the disk, if there is one. */
static void work_files(void)
{
	char name[128], block[65536] = { 1 };
	int fd;

	snprintf(name, sizeof(name), "%s/cgwatch-test-XXXXXX", on_disk());
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		_exit(1);
	unlink(name);
	for (;;) {
		for (off_t at = 0; at < 24 << 20; at += (off_t)sizeof(block)) {
			if (pwrite(fd, block, sizeof(block), at) < 0)
				_exit(1);
		}
		fdatasync(fd);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		read_all(fd);
	}
}

static void limit(const struct live *live, const char *name, const char *high, const char *max)
{
	if (live->v2)
		assert_int_equal(live_write(live, "memory", name, "memory.high", high), 0);
	assert_int_equal(live_write(live, "memory", name,
				    live->v2 ? "memory.max" : "memory.limit_in_bytes", max),
			 0);
}

static void make_scene(struct scene *scene)
{
	live_cgroup(scene->live, "files");
	live_cgroup(scene->live, "files/inner");
	live_cgroup(scene->live, "kill");
	live_cgroup(scene->live, "still");
	limit(scene->live, "files", "12M", "16M");
	limit(scene->live, "kill", "max", "8M");
	scene->disk = on_disk() || a_disk();
	scene->writes = on_disk() != NULL;
	if (scene->disk)
		live_start(scene->live, "files/inner", on_disk() ? work_files : work_reading);
	live_start(scene->live, "kill", live_allocate);
	live_start(scene->live, "still", live_sleep);
}

/* ---- comparing ----------------------------------------------------------------------------- */

static uint32_t find(const struct snapshot *snapshot, const char *path)
{
	uint32_t i = 0;

	while (i < snapshot->tree->n && strcmp(snapshot->tree->nodes[i]->path, path) != 0)
		i++;
	return i;
}

static void fault(struct scene *scene, enum metric_id id, const char *path, const char *part,
		  const uint64_t *values)
{
	if (scene->faults++ < FAULTS_SHOWN)
		printf("%s of %s %s: files %llu, bpf %llu, files %llu\n", metric_get(id)->name,
		       path, part, (unsigned long long)values[0], (unsigned long long)values[1],
		       (unsigned long long)values[2]);
}

/* The value of one part in a snapshot; false if there is none. */
static bool part_of(const struct snapshot *snapshot, uint32_t index, enum metric_id id,
		    const char *key, uint64_t *ret_value)
{
	const struct part *list;
	uint32_t n = snapshot_parts(snapshot, index, &list);

	for (uint32_t i = 0; i < n; i++) {
		if (list[i].metric == id && strcmp(list[i].key, key) == 0) {
			*ret_value = list[i].value.u64;
			return true;
		}
	}
	return false;
}

/* Each device that the files told of at first. */
static void compare_parts(struct scene *scene, struct snapshot *const *at, const uint32_t *index,
			  enum metric_id id, const char *path)
{
	const struct part *list;
	uint32_t n = snapshot_parts(at[0], index[0], &list);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t values[3] = { list[i].value.u64, 0, 0 };

		if (list[i].metric != id)
			continue;
		if (!part_of(at[1], index[1], id, list[i].key, &values[1]) ||
		    !part_of(at[2], index[2], id, list[i].key, &values[2]) ||
		    values[1] < values[0] || values[1] > values[2])
			fault(scene, id, path, list[i].key, values);
		scene->parts++;
	}
}

/* Gauges move all the time here: that they can be right at all is what they are asked. */
static void compare_cell(struct scene *scene, struct snapshot *const *at, const uint32_t *index,
			 enum metric_id id, const char *path)
{
	bool counter = metric_get(id)->kind == KIND_COUNTER;
	uint64_t values[3];
	enum value_state states[3];

	for (int i = 0; i < 3; i++) {
		union value value = { 0 };

		states[i] = snapshot_get(at[i], id, index[i], &value);
		values[i] = value.u64;
	}
	if (states[0] != states[2])
		return;
	if (states[1] != states[0]) {
		fault(scene, id, path, value_state_name(states[1]), values);
		return;
	}
	if (states[0] != VALUE_OK)
		return;
	if (counter && (values[1] < values[0] || values[1] > values[2]))
		fault(scene, id, path, "", values);
	if (!counter && (values[0] != values[2] || values[1] != values[0]))
		return;
	scene->compared[id]++;
	scene->above_zero[id] += values[1] > 0;
	if (metric_get(id)->key_label)
		compare_parts(scene, at, index, id, path);
}

static void compare(struct scene *scene)
{
	struct snapshot *at[3];

	assert_int_equal(sampler_sample(scene->files, &scene->wanted, &at[0]), 0);
	assert_int_equal(sampler_sample(scene->bpf, &scene->wanted, &at[1]), 0);
	assert_int_equal(sampler_sample(scene->files, &scene->wanted, &at[2]), 0);
	for (uint32_t i = 0; i < at[1]->tree->n; i++) {
		const char *path = at[1]->tree->nodes[i]->path;
		uint32_t index[3] = { find(at[0], path), i, find(at[2], path) };

		if (strncmp(path, scene->live->top, strlen(scene->live->top)) != 0 ||
		    index[0] == at[0]->tree->n || index[2] == at[2]->tree->n)
			continue;
		for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
			if (scene->supplied[id])
				compare_cell(scene, at, index, (enum metric_id)id, path);
		}
	}
	for (int i = 0; i < 3; i++)
		snapshot_unref(at[i]);
}

static bool have_counted(const struct scene *scene, const enum metric_id *ids, size_t n, bool say)
{
	bool all = true;

	for (size_t i = 0; i < n; i++) {
		if (!scene->supplied[ids[i]] || scene->above_zero[ids[i]])
			continue;
		all = false;
		if (say)
			printf("%s: compared %u times, never above 0\n", metric_get(ids[i])->name,
			       scene->compared[ids[i]]);
	}
	return all;
}

static bool is_done(const struct scene *scene, bool say)
{
	bool done = have_counted(scene, expected, ARRAY_SIZE(expected), say);

	if (scene->disk)
		done &= have_counted(scene, expected_reading, ARRAY_SIZE(expected_reading), say);
	if (scene->writes)
		done &= have_counted(scene, expected_writing, ARRAY_SIZE(expected_writing), say);
	return done;
}

static void test_memory(void **state)
{
	struct scene *scene = *state;
	unsigned int n = 0;
	double start = live_now();

	make_scene(scene);
	while (live_now() < start + SECONDS ||
	       (!is_done(scene, false) && live_now() < start + LIVE_PATIENCE))
		compare(scene);
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++)
		n += scene->supplied[id] && scene->compared[id] > 0;
	printf("%u metrics by bpf, %u devices compared%s\n", n, scene->parts,
	       scene->disk ? "" : "; no disk here");
	assert_int_equal(scene->faults, 0);
	assert_true(is_done(scene, true));
	assert_true(n > 0);
	assert_true(!scene->disk || !scene->supplied[M_IO_RBYTES] || scene->parts > 0);
}

/* ---- setting up ------------------------------------------------------------------------------ */

static int teardown(void **state)
{
	struct scene *scene = *state;
	void *live = scene ? scene->live : NULL;

	if (!scene)
		return -1;
	sampler_free(scene->files);
	sampler_free(scene->bpf);
	root_free(scene->root);
	free(scene);
	return live_teardown(&live);
}

static int want(struct scene *scene, const struct bpf_sample *bpf)
{
	_cleanup_(freep) struct bpf_metric_status *list = NULL;
	size_t n;
	int r = bpf_sample_metrics(bpf, &list, &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		const char *name = metric_get(list[i].id)->name;

		if (!list[i].bpf ||
		    (strncmp(name, "memory.", 7) != 0 && strncmp(name, "io.", 3) != 0))
			continue;
		scene->supplied[list[i].id] = true;
		metric_set_add(&scene->wanted, list[i].id);
	}
	return r;
}

static int setup(void **state)
{
	struct sampler_options options = { .bpf = true }, files = { 0 };
	struct scene *scene = calloc(1, sizeof(*scene));
	const char *reason = "";
	void *live = NULL;

	/* Two samplers share the descriptors. */
	files.max_fds = options.max_fds = 4096;
	if (!scene || live_setup(&live) < 0) {
		free(scene);
		return -1;
	}
	scene->live = live;
	*state = scene;
	if (root_new(NULL, &scene->root) < 0 ||
	    sampler_new(scene->root, &files, &scene->files) < 0 ||
	    sampler_new(scene->root, &options, &scene->bpf) < 0)
		return -1;
	if (sampler_bpf(scene->bpf, &reason))
		return want(scene, sampler_bpf(scene->bpf, &reason));
	printf("skipped: no bpf backend: %s\n", reason);
	teardown(state);
	exit(77);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_memory) };

	return cmocka_run_group_tests_name("bpf memory", tests, setup, teardown);
}
