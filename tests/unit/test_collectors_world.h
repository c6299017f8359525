/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/sampler.h"
#include "core/cleanup.h"
#include "tests/unit/test_collectors_tree.h"

/*
 * The sampler on a cgroup v2 tree of plain files that changes between samples. With a budget of one
 * descriptor nothing is kept open: plain files do not die with their directory as the kernel's do.
 */
struct world {
	struct fake_machine machine;
	struct root *root;
	struct sampler *sampler;
	struct metric_set wanted;
	struct snapshot *before, *now;
	unsigned int made;
};

static inline void write_in(struct world *world, const char *path, const char *file,
			    const char *text)
{
	char name[8192];

	snprintf(name, sizeof(name), "%s/%s", path, file);
	machine_write(&world->machine, name, text);
}

/* A cgroup directory with its files, anywhere below the machine. */
static inline void fill(struct world *world, const char *path, unsigned int usage)
{
	char text[256];

	snprintf(text, sizeof(text), "usage_usec %u\nuser_usec %u\nsystem_usec 0\n", usage, usage);
	write_in(world, path, "cpu.stat", text);
	snprintf(text, sizeof(text), "%u\n", usage * 10);
	write_in(world, path, "memory.current", text);
	write_in(world, path, "memory.max", "max\n");
	write_in(world, path, "cgroup.controllers", "cpu memory\n");
	write_in(world, path, "cgroup.procs", "");
}

static inline void add(struct world *world, const char *path, unsigned int usage)
{
	char full[4096];

	snprintf(full, sizeof(full), "sys/fs/cgroup%s", path);
	fill(world, full, usage);
}

static inline void drop(struct world *world, const char *path)
{
	char full[4096];

	snprintf(full, sizeof(full), "sys/fs/cgroup%s", path);
	machine_remove(&world->machine, full);
}

/*
 * Another directory under the same name. It is made elsewhere before the old one goes, as file
 * systems, other than the kernel's cgroups, give a freed inode number out again at once.
 */
static inline void replace(struct world *world, const char *path, unsigned int usage)
{
	char full[4096];

	fill(world, "staging", usage);
	drop(world, path);
	snprintf(full, sizeof(full), "sys/fs/cgroup%s", path);
	machine_rename(&world->machine, "staging", full);
}

static inline void start(struct world *world, unsigned int max_fds)
{
	struct sampler_options options = { max_fds };

	world->root = machine_root(&world->machine);
	assert_int_equal(sampler_new(world->root, &options, &world->sampler), 0);
}

static inline int try_sample(struct world *world)
{
	struct snapshot *snapshot = NULL;
	int r = sampler_sample(world->sampler, &world->wanted, &snapshot);

	if (r < 0)
		return r;
	snapshot_unref(world->before);
	world->before = world->now;
	world->now = snapshot;
	return 0;
}

static inline void sample(struct world *world)
{
	assert_int_equal(try_sample(world), 0);
}

static inline uint32_t find(struct world *world, const char *path)
{
	uint32_t index = tree_find(world->now->tree, path);

	if (index == NODE_NONE)
		fail_msg("%s is not in the tree", path);
	return index;
}

static inline uint64_t serial(struct world *world, const char *path)
{
	return world->now->tree->nodes[find(world, path)]->serial;
}

static inline void check_gone(struct world *world, const char *path)
{
	if (tree_find(world->now->tree, path) != NODE_NONE)
		fail_msg("%s is still in the tree", path);
}

static inline void check_state(struct world *world, const char *path, enum metric_id id,
			       enum value_state wanted)
{
	enum value_state state = snapshot_state(world->now, id, find(world, path));

	if (state != wanted)
		fail_msg("%s %s: %s, wanted %s", path, metric_get(id)->name,
			 value_state_name(state), value_state_name(wanted));
}

static inline void check_memory(struct world *world, const char *path, double wanted)
{
	double number = -1;

	check_state(world, path, M_MEMORY_CURRENT, VALUE_OK);
	snapshot_number(world->now, M_MEMORY_CURRENT, find(world, path), &number);
	if (number != wanted)
		fail_msg("%s: %g bytes, wanted %g", path, number, wanted);
}

static inline void check_paths(struct world *world, const char *wanted)
{
	struct strbuf text;

	strbuf_init(&text);
	for (uint32_t i = 0; i < world->now->tree->n; i++)
		strbuf_printf(&text, "%s%s", i ? " " : "", world->now->tree->nodes[i]->path);
	assert_string_equal(text.data, wanted);
	strbuf_done(&text);
}

static inline int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct stat info;
	char full[4096];

	machine_init(&world->machine);
	machine_write(&world->machine, "proc/self/mountinfo",
		      "30 1 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	add(world, "", 1000);
	add(world, "/a", 100);
	add(world, "/a/x", 10);
	add(world, "/b", 200);
	metric_set_add(&world->wanted, M_CPU_USAGE_RATE);
	metric_set_add(&world->wanted, M_MEMORY_CURRENT);
	metric_set_add(&world->wanted, M_MEMORY_LIMIT);
	*state = world;
	/* A file system that does not count directories in links (btrfs) cannot play the kernel. */
	machine_path(&world->machine, "sys/fs/cgroup/a", full);
	assert_int_equal(stat(full, &info), 0);
	if (info.st_nlink != 3)
		print_error(
			"the temporary directory does not count links: changes cannot be seen\n");
	return 0;
}

static inline int teardown(void **state)
{
	struct world *world = *state;

	snapshot_unref(world->before);
	snapshot_unref(world->now);
	sampler_free(world->sampler);
	root_free(world->root);
	machine_done(&world->machine);
	free(world);
	return 0;
}
