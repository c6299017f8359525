// SPDX-License-Identifier: MIT
#include <string.h>

#include "core/cleanup.h"
#include "exporter/inventory_private.h"

/* What runtimes say a container does; anything else is "other", so that no file makes families. */
static const char *const states[] = { "created", "running", "paused", "restarting", "removing",
				      "exited",	 "stopped", "dead",   "other" };
static const char *const runtimes[] = { "docker", "containerd", "cri-o", "podman",
					"lxc",	  "nspawn",	"other" };

static size_t word_of(const char *word, const char *const *words, size_t n)
{
	size_t at = 0;

	while (at + 1 < n && !(word && strcmp(words[at], word) == 0))
		at++;
	return at;
}

static void add_counts(struct inventory_render *render)
{
	const struct containers *set = render->inventory->containers;
	uint64_t counts[ARRAY_SIZE(runtimes)][ARRAY_SIZE(states)] = { { 0 } };
	struct series *series = &render->series;

	for (uint32_t i = 0; i < set->n; i++)
		counts[word_of(set->list[i].runtime, runtimes, ARRAY_SIZE(runtimes))]
		      [word_of(set->list[i].state, states, ARRAY_SIZE(states))]++;
	series_family(series, "cgwatch_containers",
		      "Containers that runtimes keep, by the state on disk.");
	for (size_t runtime = 0; runtime < ARRAY_SIZE(runtimes); runtime++) {
		for (size_t state = 0; state < ARRAY_SIZE(states); state++) {
			if (counts[runtime][state] == 0)
				continue;
			series_begin(series);
			series_label(series, "runtime", runtimes[runtime]);
			series_label(series, "state", states[state]);
			series_end(series, (double)counts[runtime][state]);
		}
	}
}

/* On the highest cgroup of each container that is exported. */
static void add_info(struct inventory_render *render)
{
	const struct tree *tree = render->snapshot->tree;
	const struct join *join = render->snapshot->join;
	struct series *series = &render->series;

	series_family(series, "cgwatch_container_info",
		      "What a cgroup's container is; the value is always 1.");
	for (uint32_t i = 0; i < tree->n; i++) {
		const struct container *container = join_container(join, i);
		uint32_t parent = tree->parent[i];

		if (!container || !render->export->shown[i] ||
		    (parent != NODE_NONE && join_container(join, parent) == container) ||
		    !inventory_render_take(render, 1))
			continue;
		series_begin(series);
		series_label_cgroup(series, tree->nodes[i]);
		series_label(series, "container_id", container->id);
		series_label(series, "name", container->name);
		series_label(series, "image", container->image);
		series_label(series, "runtime", container->runtime);
		series_label(series, "pod", container->pod);
		series_label(series, "namespace", container->pod_namespace);
		series_end(series, 1);
	}
}

static double fs_bytes(const struct storage_driver *driver)
{
	return (double)driver->fs_bytes;
}

static double fs_free_bytes(const struct storage_driver *driver)
{
	return (double)driver->fs_free_bytes;
}

static double layers(const struct storage_driver *driver)
{
	return driver->n_layers;
}

static void add_drivers(struct inventory_render *render)
{
	static const struct {
		const char *name, *help;
		double (*get)(const struct storage_driver *driver);
	} families[] = {
		{ "cgwatch_storage_driver_size_bytes", "Size of the filesystem below the store.",
		  fs_bytes },
		{ "cgwatch_storage_driver_free_bytes",
		  "Free bytes of the filesystem below the store.", fs_free_bytes },
		{ "cgwatch_storage_driver_layers", "Layers that the store knows of.", layers },
	};
	const struct containers *set = render->inventory->containers;
	struct series *series = &render->series;

	series_family(series, "cgwatch_storage_driver_info",
		      "A container runtime's store; the value is always 1.");
	for (uint32_t i = 0; i < set->n_drivers; i++) {
		const struct storage_driver *driver = &set->drivers[i];

		series_begin(series);
		series_label(series, "runtime", driver->runtime);
		series_label(series, "root", driver->root);
		series_label(series, "driver", driver->driver);
		series_label(series, "fstype", driver->fstype);
		series_label(series, "d_type",
			     !driver->d_type_known ? ""
			     : driver->d_type	   ? "1"
						   : "0");
		series_label(series, "project_quota", driver->project_quota ? "1" : "0");
		series_end(series, 1);
	}
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		series_family(series, families[f].name, families[f].help);
		for (uint32_t i = 0; i < set->n_drivers; i++) {
			series_begin(series);
			series_label(series, "runtime", set->drivers[i].runtime);
			series_label(series, "root", set->drivers[i].root);
			series_end(series, families[f].get(&set->drivers[i]));
		}
	}
}

static void add_orphans(struct inventory_render *render, bool bytes)
{
	const struct containers *set = render->inventory->containers;
	double counts[ARRAY_SIZE(runtimes)][ORPHAN_REASON_COUNT] = { { 0 } };
	struct series *series = &render->series;

	for (uint32_t i = 0; i < set->n_orphans; i++) {
		const struct orphan *orphan = &set->orphans[i];
		size_t runtime = word_of(orphan->runtime, runtimes, ARRAY_SIZE(runtimes));

		if (!bytes)
			counts[runtime][orphan->reason]++;
		else if (orphan->bytes_known)
			counts[runtime][orphan->reason] += (double)orphan->bytes;
	}
	for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++) {
		bool has_store = false;

		for (uint32_t d = 0; d < set->n_drivers; d++)
			has_store |= word_of(set->drivers[d].runtime, runtimes,
					     ARRAY_SIZE(runtimes)) == i;
		for (int reason = 0; reason < ORPHAN_REASON_COUNT; reason++) {
			if (!has_store && counts[i][reason] <= 0)
				continue;
			series_begin(series);
			series_label(series, "runtime", runtimes[i]);
			series_label_word(series, "reason",
					  orphan_reason_name((enum orphan_reason)reason));
			series_end(series, counts[i][reason]);
		}
	}
}

void inventory_render_containers(struct inventory_render *render)
{
	add_counts(render);
	add_info(render);
	add_drivers(render);
	if (!render->inventory->containers->orphans_searched)
		return;
	series_family(&render->series, "cgwatch_overlay_orphaned",
		      "Layers, links and records that runtimes left behind.");
	add_orphans(render, false);
	series_family(&render->series, "cgwatch_overlay_orphaned_bytes",
		      "Bytes allocated by these, as far as they were measured.");
	add_orphans(render, true);
}
