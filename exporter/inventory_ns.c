// SPDX-License-Identifier: MIT
#include <string.h>

#include "core/cleanup.h"
#include "exporter/inventory_private.h"

/*
 * A namespace that nobody is in may be in use by somebody (a pinned one waits for its container) or
 * be just going away: after this time it counts as left behind.
 */
#define LEAK_AGE_NS UINT64_C(600000000000)

/* Every word that ns_state_name() has. */
static const char *const states[] = { "live",  "children", "fd",     "socket",
				      "mount", "child",	   "unknown" };

struct tally {
	uint64_t all[ARRAY_SIZE(states)], old[ARRAY_SIZE(states)];
};

static size_t state_of(const struct ns_namespace *ns)
{
	const char *name = ns_state_name(ns);
	size_t at = 0;

	while (at + 1 < ARRAY_SIZE(states) && strcmp(states[at], name) != 0)
		at++;
	return at;
}

static void count(const struct inventory_render *render, enum ns_type type, struct tally *tally)
{
	const struct namespaces *set = render->inventory->namespaces;

	*tally = (struct tally){ 0 };
	for (uint32_t i = set->first[type]; i < set->first[type + 1]; i++) {
		const struct ns_namespace *ns = &set->list[i];
		size_t state = state_of(ns);

		tally->all[state]++;
		tally->old[state] += ns->oldest_ns > 0 &&
				     set->boottime_ns >= ns->oldest_ns + LEAK_AGE_NS;
	}
}

static bool exists(const struct namespaces *set, int type)
{
	return set->first[type + 1] > set->first[type];
}

enum which { ALL, HELD, LEAKED };

static const struct {
	const char *name, *help, *label;
} counts[] = {
	[ALL] = { "cgwatch_namespaces",
		  "Namespaces by what keeps them: live is a process or thread in it.", "state" },
	[HELD] = { "cgwatch_namespace_held",
		   "Namespaces without a process, by the strongest thing that holds them.",
		   "reason" },
	[LEAKED] = { "cgwatch_namespace_leaked",
		     "Of these, those older than ten minutes: nobody may remember them.",
		     "reason" },
};

static void add_counts(struct inventory_render *render, enum which which)
{
	const struct namespaces *set = render->inventory->namespaces;
	struct series *series = &render->series;

	series_family(series, counts[which].name, counts[which].help);
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		struct tally tally;

		if (!exists(set, type))
			continue;
		count(render, (enum ns_type)type, &tally);
		for (size_t i = which == ALL ? 0 : 1; i < ARRAY_SIZE(states); i++) {
			series_begin(series);
			series_label(series, "ns_type", ns_type_name((enum ns_type)type));
			series_label(series, counts[which].label, states[i]);
			series_end(series, (double)(which == LEAKED ? tally.old[i] : tally.all[i]));
		}
	}
}

/* They are sorted by how tight they are: the first of a type is the one. */
static const struct ns_limit *tightest(const struct namespaces *set, int type)
{
	for (uint32_t i = 0; i < set->n_limits; i++) {
		if ((int)set->limits[i].type == type && set->limits[i].limit_known)
			return &set->limits[i];
	}
	return NULL;
}

static double limit_ratio(const struct ns_limit *limit)
{
	return ns_limit_ratio(limit);
}

static double limit_used(const struct ns_limit *limit)
{
	return (double)limit->used;
}

static double limit_limit(const struct ns_limit *limit)
{
	return (double)limit->limit;
}

static void add_limits(struct inventory_render *render)
{
	static const struct {
		const char *name, *help;
		double (*get)(const struct ns_limit *limit);
	} families[] = {
		{ "cgwatch_namespaces_limit_ratio",
		  "Use of the limit (/proc/sys/user/max_*_namespaces) nearest to being reached.",
		  limit_ratio },
		{ "cgwatch_namespaces_limit_used", "Namespaces counted against that limit.",
		  limit_used },
		{ "cgwatch_namespaces_limit", "That limit.", limit_limit },
	};
	const struct namespaces *set = render->inventory->namespaces;
	struct series *series = &render->series;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		series_family(series, families[i].name, families[i].help);
		for (int type = 0; type < NS_TYPE_COUNT; type++) {
			const struct ns_limit *limit = tightest(set, type);

			if (!limit)
				continue;
			series_begin(series);
			series_label(series, "ns_type", ns_type_name((enum ns_type)type));
			series_end(series, families[i].get(limit));
		}
	}
	series_family(series, "cgwatch_namespaces_limit_info",
		      "Whose limit that is: the user and the user namespace.");
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		const struct ns_limit *limit = tightest(set, type);

		if (!limit || limit->user_ns >= set->n)
			continue;
		series_begin(series);
		series_label(series, "ns_type", ns_type_name((enum ns_type)type));
		series_label_u64(series, "uid", limit->uid);
		series_label(series, "user", user_names_find(render->inventory->users, limit->uid));
		series_label_u64(series, "userns", set->list[limit->user_ns].inode);
		series_end(series, 1);
	}
}

/* One series for each namespace that is not the machine's own: only where it is asked for. */
static void add_info(struct inventory_render *render)
{
	const struct namespaces *set = render->inventory->namespaces;
	struct series *series = &render->series;

	series_family(series, "cgwatch_namespace_info",
		      "A namespace that is not the machine's own; the value is always 1.");
	for (uint32_t i = 0; i < set->n; i++) {
		const struct ns_namespace *ns = &set->list[i];
		const uint32_t *nodes = NULL;
		const struct node *node = NULL;

		if (ns->host || !inventory_render_take(render, 1))
			continue;
		if (join_ns_nodes(render->snapshot->join, i, &nodes) > 0)
			node = inventory_render_node(render, nodes[0]);
		series_begin(series);
		series_label(series, "ns_type", ns_type_name(ns->type));
		series_label_u64(series, "ns", ns->inode);
		if (ns->owner < set->n)
			series_label_u64(series, "userns", set->list[ns->owner].inode);
		else
			series_label(series, "userns", "");
		series_label_cgroup(series, node);
		series_end(series, 1);
	}
}

static void add_one(struct inventory_render *render, const char *name, const char *help,
		    double value)
{
	series_family(&render->series, name, help);
	series_begin(&render->series);
	series_end(&render->series, value);
}

void inventory_render_namespaces(struct inventory_render *render)
{
	const struct namespaces *set = render->inventory->namespaces;
	uint32_t deepest = 0;

	for (uint32_t i = set->first[NS_USER]; i < set->first[NS_USER + 1]; i++) {
		if (set->list[i].depth > deepest)
			deepest = set->list[i].depth;
	}
	add_counts(render, ALL);
	add_counts(render, HELD);
	add_counts(render, LEAKED);
	add_limits(render);
	add_one(render, "cgwatch_userns_depth_max",
		"How deep user namespaces are nested; the kernel allows 32.", deepest);
	add_one(render, "cgwatch_namespaces_scan_timestamp_seconds",
		"When namespaces were looked for.",
		inventory_render_time(render, set->boottime_ns));
	add_one(render, "cgwatch_namespaces_scan_complete",
		"1 if every process could be looked into.", set->n_denied == 0);
	add_one(render, "cgwatch_namespaces_holders_searched",
		"1 if open files and sockets were looked at: else unknown says little.",
		set->holders_searched);
	if (render->export->namespace_info)
		add_info(render);
}
