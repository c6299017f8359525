// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "latency_bench.h"

#include "live_bpf.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct latency_shared *latency_shared(void)
{
	static struct latency_shared *shared;

	if (!shared)
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? NULL : shared;
}

void latency_wait_done(void)
{
	latency_shared()->go = 1;
	for (double end = live_now() + LIVE_PATIENCE; !latency_shared()->done && live_now() < end;)
		live_wait(0.05);
	assert_true(latency_shared()->done);
	latency_shared()->go = latency_shared()->done = 0;
}

void bench_init(struct bench *bench)
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

void bench_done(struct bench *bench)
{
	snapshot_unref(bench->snapshot);
	sampler_free(bench->sampler);
	root_free(bench->root);
}

void bench_take(struct bench *bench)
{
	snapshot_unref(bench->snapshot);
	bench->snapshot = NULL;
	assert_int_equal(sampler_sample(bench->sampler, &bench->set, &bench->snapshot), 0);
}

uint32_t bench_node(const struct bench *bench, const struct live *live, const char *name)
{
	char path[256];
	uint32_t node;

	snprintf(path, sizeof(path), "%s/%s", live->top, name);
	node = tree_find(bench->snapshot->tree, path);
	assert_true(node != NODE_NONE);
	return node;
}

/* Watches these cgroups (NULL ends them) for a kind, from the sample taken here on. */
void bench_watch(struct bench *bench, const struct live *live, uint32_t kinds, const char *a,
		 const char *b)
{
	uint64_t serials[2];
	size_t n = 0;

	bench_take(bench);
	if (a)
		serials[n++] = bench->snapshot->tree->nodes[bench_node(bench, live, a)]->serial;
	if (b)
		serials[n++] = bench->snapshot->tree->nodes[bench_node(bench, live, b)]->serial;
	assert_int_equal(sampler_watch(bench->sampler, kinds, serials, n), 0);
	bench_take(bench);
}

const struct distribution_entry *bench_find(const struct bench *bench, const struct live *live,
					    const char *name, enum distribution_kind kind)
{
	return distributions_find(bench->snapshot->distributions, bench_node(bench, live, name),
				  kind);
}

const struct distribution *bench_total(const struct bench *bench, const struct live *live,
				       const char *name, enum distribution_kind kind)
{
	const struct distribution_entry *entry = bench_find(bench, live, name, kind);

	assert_non_null(entry);
	return &entry->total;
}

/* Ends the test if this kernel cannot tell it, with the reason. */
void bench_needs(struct bench *bench, unsigned int kind, const char *word)
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

void print_distribution(const char *name, const struct distribution *distribution)
{
	double p50 = 0, p99 = 0;

	distribution_quantile(distribution, 0.5, &p50);
	distribution_quantile(distribution, 0.99, &p99);
	printf("%s: %llu waits, %.3f s, p50 %.3f ms, p99 %.3f ms\n", name,
	       (unsigned long long)distribution->count, (double)distribution->sum_ns / 1e9,
	       p50 / 1e6, p99 / 1e6);
}

/* What the kernel could not count, as the backend says. */
uint64_t bench_lost(const struct bench *bench)
{
	const char *why;
	struct bpf_latency_stats stats;

	bpf_latency_get_stats(sampler_latency(bench->sampler, &why), &stats);
	return stats.lost;
}

int latency_main(int (*tests)(void))
{
	if (geteuid() != 0) {
		printf("skipped: needs root\n");
		return 77;
	}
	if (!live_bpf_samples())
		return 77;
	return latency_shared() ? tests() : 1;
}
