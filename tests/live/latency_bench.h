/* SPDX-License-Identifier: MIT */
#pragma once

/* For live_bpf_latency: a sampler with the bpf backend, and what it says of watched cgroups. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "collectors/sampler.h"
#include "core/distribution.h"

#include "live.h"

struct bench {
	struct root *root;
	struct sampler *sampler;
	struct metric_set set;
	struct snapshot *snapshot;
};

static inline void bench_init(struct bench *bench)
{
	const struct sampler_options options = { .bpf = true };
	const char *bad, *reason;
	size_t length;

	*bench = (struct bench){ NULL };
	assert_int_equal(root_new(NULL, &bench->root), 0);
	assert_int_equal(sampler_new(bench->root, &options, &bench->sampler), 0);
	assert_true(metric_parse_list("latency.runqueue.p99,latency.runqueue.count,"
				      "net.tcp.rx_bytes,net.tcp.tx_bytes,net.udp.rx_bytes,"
				      "net.udp.tx_bytes",
				      &bench->set, NULL, 0, &bad, &length) >= 0);
	if (!sampler_bpf(bench->sampler, &reason)) {
		printf("skipped: no bpf backend: %s\n", reason);
		sampler_free(bench->sampler);
		root_free(bench->root);
		skip();
	}
}

static inline void bench_done(struct bench *bench)
{
	snapshot_unref(bench->snapshot);
	sampler_free(bench->sampler);
	root_free(bench->root);
}

static inline void take(struct bench *bench)
{
	snapshot_unref(bench->snapshot);
	bench->snapshot = NULL;
	assert_int_equal(sampler_sample(bench->sampler, &bench->set, &bench->snapshot), 0);
}

static inline uint32_t node_of(const struct bench *bench, const struct live *live, const char *name)
{
	char path[256];
	uint32_t node;

	snprintf(path, sizeof(path), "%s/%s", live->top, name);
	node = tree_find(bench->snapshot->tree, path);
	assert_true(node != NODE_NONE);
	return node;
}

/* Watches these cgroups (NULL ends them) for a kind, from the sample taken here on. */
static inline void watch(struct bench *bench, const struct live *live, uint32_t kinds,
			 const char *a, const char *b)
{
	uint64_t serials[2];
	size_t n = 0;

	take(bench);
	if (a)
		serials[n++] = bench->snapshot->tree->nodes[node_of(bench, live, a)]->serial;
	if (b)
		serials[n++] = bench->snapshot->tree->nodes[node_of(bench, live, b)]->serial;
	assert_int_equal(sampler_watch(bench->sampler, kinds, serials, n), 0);
	take(bench);
}

static inline const struct distribution_entry *find(const struct bench *bench,
						    const struct live *live, const char *name,
						    enum distribution_kind kind)
{
	return distributions_find(bench->snapshot->distributions, node_of(bench, live, name), kind);
}

static inline const struct distribution *total(const struct bench *bench, const struct live *live,
					       const char *name, enum distribution_kind kind)
{
	const struct distribution_entry *entry = find(bench, live, name, kind);

	assert_non_null(entry);
	return &entry->total;
}

/* Ends the test if this kernel cannot tell it, with the reason. */
static inline void needs_kind(struct bench *bench, unsigned int kind, const char *word)
{
	const struct distributions *distributions = bench->snapshot->distributions;
	const char *why;
	const struct bpf_latency *latency = sampler_latency(bench->sampler, &why);
	const struct bpf_program_status *programs;
	size_t n;

	if (!latency) {
		printf("skipped: %s\n", why);
		bench_done(bench);
		skip();
	}
	assert_non_null(distributions);
	if (!(distributions->missing >> kind & 1))
		return;
	programs = bpf_latency_programs(latency, &n);
	for (size_t i = 0; i < n; i++) {
		if (strstr(programs[i].name, word) == programs[i].name && programs[i].reason[0])
			printf("skipped: %s: %s\n", programs[i].name, programs[i].reason);
	}
	bench_done(bench);
	skip();
}
