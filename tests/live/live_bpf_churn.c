// SPDX-License-Identifier: MIT
/*
 * The bpf backend while a child process makes and removes nested cgroups, a thousand a second, in
 * several hierarchies. The child notes when each appeared and went and which inode it had; every
 * snapshot is held against that: whatever is in it existed under that path, nothing that was there
 * all the time is missing, nothing that was gone before is left, and the values are its own. Also:
 * a cgroup that is renamed (v1), where nothing comes or goes.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectors/sampler.h"
#include "core/clock.h"

#include "put.h"

enum {
	FAN_OUT = 6,
	PLACES = FAN_OUT + FAN_OUT * FAN_OUT + FAN_OUT * FAN_OUT * FAN_OUT,
	PLACE_DEPTH = 3,
	BIRTHS_MAX = 1 << 16, /* in all hierarchies */
	SAMPLES = 200,
	HIERARCHIES = 3,
	LIMIT_BASE = 1000 /* pids.max of a place is that and its number */
};

/* One cgroup in one hierarchy. Times are 0 until they come. */
struct birth {
	uint64_t inode;
	int place, hierarchy; /* number of ours */
	_Atomic uint64_t made_after, removed_before, removed_after;
};

struct story {
	_Atomic uint32_t n;
	_Atomic uint64_t operations;
	_Atomic bool stop, failed;
	struct birth births[BIRTHS_MAX];
};

struct scene {
	struct root *root;
	struct sampler *sampler;
	struct metric_set set;
	char top[64];
	unsigned int hierarchies[HIERARCHIES]; /* the sampler's numbers */
	int n_hierarchies, pids;	       /* pids: number of ours that has the controller */
	struct story *story;
	pid_t child;
	/* The checker's: births by inode, as far as they were taken in. */
	uint32_t *table, taken;
	uint64_t rows, bracketed, values;
};

enum { TABLE = 4 * BIRTHS_MAX };

static const struct hierarchy *hierarchy_of(const struct scene *scene, int i)
{
	return &sampler_hierarchies(scene->sampler)->list[scene->hierarchies[i]];
}

/* ---- places: paths like /TOP/2/2.4/2.4.0, whose names say which parent they want --------- */

static int parent_of(int place)
{
	return place < FAN_OUT ? -1 : (place - FAN_OUT) / FAN_OUT;
}

static void name_of(int place, char *name, size_t size)
{
	char parent[64];

	if (place < FAN_OUT) {
		snprintf(name, size, "%d", place);
		return;
	}
	name_of(parent_of(place), parent, sizeof(parent));
	snprintf(name, size, "%s.%d", parent, (place - FAN_OUT) % FAN_OUT);
}

static void path_of(const struct scene *scene, int place, char *path, size_t size)
{
	char name[64], parent[192];

	if (place < 0) {
		snprintf(path, size, "%s", scene->top);
		return;
	}
	name_of(place, name, sizeof(name));
	path_of(scene, parent_of(place), parent, sizeof(parent));
	snprintf(path, size, "%s/%s", parent, name);
}

static void full_path(const struct scene *scene, int i, int place, char *path, size_t size)
{
	char relative[256];

	path_of(scene, place, relative, sizeof(relative));
	snprintf(path, size, "%s%s", hierarchy_of(scene, i)->mountpoint, relative);
}

/* ---- the child --------------------------------------------------------------------------- */

struct churn {
	const struct scene *scene;
	bool exists[PLACES];
	uint32_t birth[PLACES][HIERARCHIES];
	int n_children[PLACES];
	unsigned int random;
};

static bool make(struct churn *churn, int place)
{
	struct story *story = churn->scene->story;
	char path[512], limit[16];
	struct stat info;

	snprintf(limit, sizeof(limit), "%d", LIMIT_BASE + place);
	for (int i = 0; i < churn->scene->n_hierarchies; i++) {
		uint32_t n = atomic_load(&story->n);
		struct birth *birth = &story->births[n];

		full_path(churn->scene, i, place, path, sizeof(path));
		if (mkdir(path, 0755) < 0 || stat(path, &info) < 0)
			return false;
		if (i == churn->scene->pids && put(path, "pids.max", limit) < 0)
			return false;
		if (hierarchy_of(churn->scene, i)->v2 && i == churn->scene->pids &&
		    put(path, "cgroup.subtree_control", "+pids") < 0)
			return false;
		birth->inode = info.st_ino;
		birth->place = place;
		birth->hierarchy = i;
		birth->made_after = clock_ns(CLOCK_MONOTONIC);
		churn->birth[place][i] = n;
		atomic_store(&story->n, n + 1);
	}
	churn->exists[place] = true;
	if (parent_of(place) >= 0)
		churn->n_children[parent_of(place)]++;
	return true;
}

static bool unmake(struct churn *churn, int place)
{
	for (int i = 0; i < churn->scene->n_hierarchies; i++) {
		struct birth *birth = &churn->scene->story->births[churn->birth[place][i]];
		char path[512];

		full_path(churn->scene, i, place, path, sizeof(path));
		birth->removed_before = clock_ns(CLOCK_MONOTONIC);
		if (rmdir(path) < 0)
			return false;
		birth->removed_after = clock_ns(CLOCK_MONOTONIC);
	}
	churn->exists[place] = false;
	if (parent_of(place) >= 0)
		churn->n_children[parent_of(place)]--;
	return true;
}

static unsigned int next_random(struct churn *churn)
{
	churn->random = churn->random * 1103515245 + 12345;
	return churn->random >> 8;
}

/* One cgroup made or removed, at a place where that is possible. */
static bool churn_once(struct churn *churn)
{
	for (;;) {
		int place = (int)(next_random(churn) % PLACES), parent = parent_of(place);

		if (churn->exists[place] && churn->n_children[place] == 0)
			return unmake(churn, place);
		if (!churn->exists[place] && (parent < 0 || churn->exists[parent]))
			return make(churn, place);
	}
}

static void churn_child(const struct scene *scene)
{
	struct churn churn = { .scene = scene, .random = 42 };
	struct story *story = scene->story;
	uint64_t next = clock_ns(CLOCK_MONOTONIC);

	while (!story->stop && story->n + HIERARCHIES < BIRTHS_MAX) {
		uint64_t now;

		if (!churn_once(&churn)) {
			fprintf(stderr, "churn: %s\n", strerror(errno));
			story->failed = true;
			return;
		}
		story->operations++;
		next += 1000000;
		now = clock_ns(CLOCK_MONOTONIC);
		if (next > now)
			usleep((useconds_t)((next - now) / 1000));
		else if (now - next > 100000000)
			next = now; /* it cannot keep up here */
	}
}

/* ---- the checker -------------------------------------------------------------------------- */

static uint32_t slot_of(uint64_t inode)
{
	return (uint32_t)(inode * UINT64_C(0x9e3779b97f4a7c15) >> 32) % TABLE;
}

static void take_in(struct scene *scene)
{
	uint32_t n = atomic_load(&scene->story->n);

	for (; scene->taken < n; scene->taken++) {
		uint32_t at = slot_of(scene->story->births[scene->taken].inode);

		while (scene->table[at])
			at = (at + 1) % TABLE;
		scene->table[at] = scene->taken + 1;
	}
}

static const struct birth *find_birth(const struct scene *scene, uint64_t inode, int hierarchy)
{
	for (uint32_t at = slot_of(inode); scene->table[at]; at = (at + 1) % TABLE) {
		const struct birth *birth = &scene->story->births[scene->table[at] - 1];

		if (birth->inode == inode && birth->hierarchy == hierarchy)
			return birth;
	}
	return NULL;
}

static bool there_all_the_time(const struct birth *birth, uint64_t begin, uint64_t end)
{
	return birth->made_after < begin &&
	       (birth->removed_before == 0 || birth->removed_before > end);
}

static void check_values(struct scene *scene, const struct snapshot *snapshot, uint32_t row,
			 const struct birth *birth)
{
	union value value;

	if (birth->hierarchy != scene->pids)
		return;
	assert_int_equal(snapshot_get(snapshot, M_PIDS_MAX, row, &value), VALUE_OK);
	assert_int_equal(value.u64, LIMIT_BASE + birth->place);
	assert_int_equal(snapshot_get(snapshot, M_PIDS_CURRENT, row, &value), VALUE_OK);
	assert_int_equal(value.u64, 0);
	scene->values++;
}

static void check_row(struct scene *scene, const struct snapshot *snapshot, uint32_t row,
		      uint64_t begin, uint64_t end)
{
	const struct node *node = snapshot->tree->nodes[row];
	const struct node *parent = snapshot->tree->nodes[snapshot->tree->parent[row]];
	char path[256];

	/* Parents as the tree has them and as the names want them. */
	assert_int_equal(strncmp(node->path, parent->path, strlen(parent->path)), 0);
	scene->rows++;
	for (int i = 0; i < scene->n_hierarchies; i++) {
		uint64_t inode = node->ids[scene->hierarchies[i]];
		const struct birth *birth = inode ? find_birth(scene, inode, i) : NULL;

		if (!inode)
			continue;
		/* Made while the snapshot was taken, and not noted yet. */
		if (!birth) {
			take_in(scene);
			birth = find_birth(scene, inode, i);
		}
		if (!birth)
			continue;
		path_of(scene, birth->place, path, sizeof(path));
		assert_string_equal(node->path, path);
		if (birth->removed_after && birth->removed_after < begin)
			fail_msg("%s of hierarchy %d was removed %.3f ms before the sample began",
				 path, i, (double)(begin - birth->removed_after) / 1e6);
		if (there_all_the_time(birth, begin, end))
			check_values(scene, snapshot, row, birth);
	}
}

static void check_complete(struct scene *scene, const struct snapshot *snapshot, uint64_t begin,
			   uint64_t end)
{
	for (uint32_t k = 0; k < scene->taken; k++) {
		const struct birth *birth = &scene->story->births[k];
		char path[256];
		uint32_t row;

		if (!there_all_the_time(birth, begin, end))
			continue;
		path_of(scene, birth->place, path, sizeof(path));
		row = tree_find(snapshot->tree, path);
		assert_int_not_equal(row, NODE_NONE);
		assert_int_equal(
			snapshot->tree->nodes[row]->ids[scene->hierarchies[birth->hierarchy]],
			birth->inode);
		scene->bracketed++;
	}
}

static void check(struct scene *scene)
{
	uint64_t begin = clock_ns(CLOCK_MONOTONIC), end;
	struct snapshot *snapshot;

	/* What is taken in before has its notes from before. */
	assert_int_equal(sampler_sample(scene->sampler, &scene->set, &snapshot), 0);
	end = clock_ns(CLOCK_MONOTONIC);
	take_in(scene);
	for (uint32_t row = 0; row < snapshot->tree->n; row++) {
		const char *path = snapshot->tree->nodes[row]->path;

		if (strncmp(path, scene->top, strlen(scene->top)) == 0 &&
		    path[strlen(scene->top)] == '/')
			check_row(scene, snapshot, row, begin, end);
	}
	check_complete(scene, snapshot, begin, end);
	snapshot_unref(snapshot);
}

/* ---- the scene ----------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	(void)info;
	(void)where;
	if (kind == FTW_DP)
		rmdir(path);
	return 0;
}

static void add_hierarchy(struct scene *scene, const char *controller)
{
	const struct hierarchies *all = sampler_hierarchies(scene->sampler);
	const struct hierarchy *found = controller ? hierarchies_find(all, controller)
						   : hierarchies_v2(all);
	unsigned int h;

	if (!found)
		return;
	h = (unsigned int)(found - all->list);
	for (int i = 0; i < scene->n_hierarchies; i++) {
		if (scene->hierarchies[i] == h)
			return;
	}
	if (controller && strcmp(controller, "pids") == 0)
		scene->pids = scene->n_hierarchies;
	scene->hierarchies[scene->n_hierarchies++] = h;
}

static void prepare(struct scene *scene)
{
	for (int i = 0; i < scene->n_hierarchies; i++) {
		const struct hierarchy *hierarchy = hierarchy_of(scene, i);
		char path[512];

		full_path(scene, i, -1, path, sizeof(path));
		if (hierarchy->v2 && i == scene->pids)
			assert_int_equal(
				put(hierarchy->mountpoint, "cgroup.subtree_control", "+pids"), 0);
		assert_int_equal(mkdir(path, 0755), 0);
		if (hierarchy->v2 && i == scene->pids)
			assert_int_equal(put(path, "cgroup.subtree_control", "+pids"), 0);
	}
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct sampler_options options = { .bpf = true };
	const char *reason;

	if (!scene || root_new(NULL, &scene->root) < 0 ||
	    sampler_new(scene->root, &options, &scene->sampler) < 0)
		return -1;
	*state = scene;
	if (!sampler_bpf(scene->sampler, &reason)) {
		printf("skipped: no bpf backend: %s\n", reason);
		exit(77);
	}
	snprintf(scene->top, sizeof(scene->top), "/cgwatch-test-%d", (int)getpid());
	metric_set_add(&scene->set, M_PIDS_MAX);
	metric_set_add(&scene->set, M_PIDS_CURRENT);
	metric_set_add(&scene->set, M_MEMORY_CURRENT);
	scene->table = calloc(TABLE, sizeof(*scene->table));
	scene->story = mmap(NULL, sizeof(*scene->story), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	add_hierarchy(scene, "pids");
	add_hierarchy(scene, "memory");
	add_hierarchy(scene, NULL);
	prepare(scene);
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	if (scene->child > 0) {
		kill(scene->child, SIGKILL);
		waitpid(scene->child, NULL, 0);
	}
	for (int i = 0; i < scene->n_hierarchies; i++) {
		char path[512];

		full_path(scene, i, -1, path, sizeof(path));
		nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	}
	sampler_free(scene->sampler);
	root_free(scene->root);
	munmap(scene->story, sizeof(*scene->story));
	free(scene->table);
	free(scene);
	return 0;
}

static void test_churn(void **state)
{
	struct scene *scene = *state;
	struct sampler_stats stats;
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	double seconds;

	scene->child = fork();
	if (scene->child == 0) {
		churn_child(scene);
		_exit(0);
	}
	assert_true(scene->child > 0);
	for (int i = 0; i < SAMPLES; i++) {
		check(scene);
		usleep(50000);
	}
	seconds = (double)(clock_ns(CLOCK_MONOTONIC) - begin) / 1e9;
	scene->story->stop = true;
	assert_int_equal(waitpid(scene->child, NULL, 0), scene->child);
	scene->child = 0;
	check(scene);
	assert_false(scene->story->failed);
	sampler_get_stats(scene->sampler, &stats);
	printf("%llu cgroups made or removed in each of %d hierarchies, %.0f a second; %d samples: "
	       "%llu rows, %llu found that had to be there, %llu with their values; backend: "
	       "%llu passes, %llu unknown, %llu vanished, %llu by files in the last\n",
	       (unsigned long long)scene->story->operations, scene->n_hierarchies,
	       (double)scene->story->operations / seconds, SAMPLES, (unsigned long long)scene->rows,
	       (unsigned long long)scene->bracketed, (unsigned long long)scene->values,
	       (unsigned long long)stats.bpf_stats.passes,
	       (unsigned long long)stats.bpf_stats.unknown,
	       (unsigned long long)stats.bpf_stats.vanished,
	       (unsigned long long)stats.bpf_stats.by_files);
	assert_true(scene->values > 0 && scene->bracketed > 0);
	assert_true(stats.bpf_stats.unknown > 0 && stats.bpf_stats.vanished > 0);
	assert_int_equal(stats.bpf_stats.failures, 0);
}

/* The row that has this inode in hierarchy `i`. */
static uint32_t find_inode(const struct scene *scene, const struct snapshot *snapshot, int i,
			   uint64_t inode)
{
	for (uint32_t row = 0; row < snapshot->tree->n; row++) {
		if (snapshot->tree->nodes[row]->ids[scene->hierarchies[i]] == inode)
			return row;
	}
	return NODE_NONE;
}

static void test_renamed(void **state)
{
	struct scene *scene = *state;
	char from[512], to[512], path[256];
	struct snapshot *snapshot;
	struct stat info;
	uint32_t row;

	if (hierarchy_of(scene, scene->pids)->v2) {
		print_message("v2 cgroups cannot be renamed\n");
		skip();
	}
	full_path(scene, scene->pids, 0, from, sizeof(from));
	full_path(scene, scene->pids, 1, to, sizeof(to));
	assert_int_equal(mkdir(from, 0755), 0);
	assert_int_equal(put(from, "pids.max", "77"), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(sampler_sample(scene->sampler, &scene->set, &snapshot), 0);
		snapshot_unref(snapshot);
	}
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(stat(to, &info), 0);
	assert_int_equal(sampler_sample(scene->sampler, &scene->set, &snapshot), 0);
	row = find_inode(scene, snapshot, scene->pids, info.st_ino);
	assert_int_not_equal(row, NODE_NONE);
	path_of(scene, 1, path, sizeof(path));
	assert_string_equal(snapshot->tree->nodes[row]->path, path);
	assert_int_equal(snapshot->columns[M_PIDS_MAX].values[row].u64, 77);
	path_of(scene, 0, path, sizeof(path));
	assert_int_equal(tree_find(snapshot->tree, path), NODE_NONE);
	snapshot_unref(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_renamed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_churn, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
