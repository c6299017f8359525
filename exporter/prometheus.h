/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/snapshot.h"
#include "core/strbuf.h"

/*
 * The cgroup families of the Prometheus text format 0.0.4. No timestamps: a cgroup that is gone has
 * no line, and Prometheus marks its series stale at that scrape.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */

/* Which part of a snapshot is exported. Zeroed members mean "no such filter" or "no limit". */
struct prometheus_options {
	struct metric_set metrics;		     /* rates and texts in it are passed over */
	const char *const *include, *const *exclude; /* globs; no include means all */
	size_t n_include, n_exclude;
	uint32_t max_depth;  /* the root has depth 0 */
	uint32_t max_series; /* of cgroups: more drop whole cgroups, deepest and last ones first */
	uint32_t max_label;  /* bytes of a label value before escaping */
	bool inventory;	     /* the families of namespaces, overlays, containers */
	bool namespace_info; /* a series for each namespace that is not the machine's own */
};

/* What one rendering did. */
struct prometheus_stats {
	uint32_t cgroups; /* exported */
	uint64_t series;
	uint64_t dropped_cgroups, dropped_series; /* because of max_series */
};

/* Families and sample texts laid out once for a set of options. Immutable, shared by reference. */
struct prometheus;

/* Every metric of the default export set, limits against runaway cardinality. */
void prometheus_options_init(struct prometheus_options *options);
/* Copies what it needs of the options. -ENOMEM. */
int prometheus_new(const struct prometheus_options *options, struct prometheus **ret_prometheus);
struct prometheus *prometheus_ref(struct prometheus *prometheus);
void prometheus_unref(struct prometheus *prometheus);
/* Appends every exported cgroup of the snapshot. Pure. -ENOMEM; `out` is then cut short. */
int prometheus_render(const struct prometheus *prometheus, const struct snapshot *snapshot,
		      struct strbuf *out, struct prometheus_stats *ret_stats);
