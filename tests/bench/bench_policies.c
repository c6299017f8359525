// SPDX-License-Identifier: MIT
/*
 * Takes samples of the machine's cgroups and lets many policies with mixed conditions look at each:
 * prints the CPU time of both and their ratio. Nothing is written to any cgroup.
 * Usage: bench_policies TICKS POLICIES MATCH
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/sampler.h"
#include "core/clock.h"
#include "policies/engine.h"

enum { SECOND_USEC = 1000000, FIRING_EVERY = 10 };

/* What people write: rates, levels, ratios, all of the operators, events. Calm on most machines. */
static const char *const conditions[] = {
	"cpu.usage.rate > 50%",
	"memory.current > 512M and memory.stat.anon > 256M",
	"pids.current > 500 or cpu.usage.rate > 200%",
	"memory.current / memory.max > 80%",
	"cpu.throttled.rate > 10% and cpu.usage.rate > 20%",
	"event oom_kill within 30s",
	"not (pids.current < 1000) and memory.current >= 1G",
	"io.rbytes.rate > 10M/s or io.wbytes.rate > 10M/s",
	"memory.stat.pgfault.rate > 10000/s and memory.current > 64M",
	"memory.current > 1G and event oom_kill within 10s",
};

/* One in ten holds all the time, on a small part of the cgroups: an empty cgroup uses no CPU. */
static void write_policy(FILE *file, int i, const char *match)
{
	size_t n = sizeof(conditions) / sizeof(conditions[0]);

	fprintf(file, "[policy bench-%d]\n", i);
	if (i % FIRING_EVERY == FIRING_EVERY - 1)
		fprintf(file,
			"match = %.*s/g%d/*\nwhen = cpu.usage.rate < 1%% and pids.current < 1\n",
			(int)(strlen(match) - strlen("/**")), match, i / FIRING_EVERY);
	else
		fprintf(file, "match = %s\nwhen = %s\n", match, conditions[(size_t)i % n]);
	fprintf(file, "for = 2s\nclear_for = 10s\ncooldown = 1m\naction = cpu.quota 20%%\n"
		      "then = freeze lease=20s after=1m\nmode = shadow\n");
}

static struct policy_set *make_policies(int n, const char *match)
{
	char path[] = "/tmp/cgwatch-bench-policies-XXXXXX";
	const char *paths[] = { path };
	struct ini_errors errors = { 0 };
	struct policy_set *set = NULL;
	int fd = mkstemp(path);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (!file)
		return NULL;
	for (int i = 0; i < n; i++)
		write_policy(file, i, match);
	fclose(file);
	if (policy_set_load(paths, 1, NULL, &errors, &set) < 0)
		fprintf(stderr, "bench_policies: %s\n",
			errors.n ? errors.list[0].text : "no memory");
	unlink(path);
	ini_errors_done(&errors);
	return set;
}

struct costs {
	uint64_t collect, evaluate, matching; /* nanoseconds of CPU time */
	size_t decisions;
	uint64_t pairs, held;
};

static void count(void *data, const struct engine_track *track)
{
	struct costs *costs = data;

	costs->held += track->phase == ENGINE_HELD;
}

static int tick(struct sampler *sampler, struct engine *engine, uint64_t now, struct costs *costs)
{
	struct metric_set needs = { 0 };
	struct decisions decisions = { 0 };
	struct snapshot *snapshot;
	uint64_t begin, middle;
	int r;

	engine_needs(engine, &needs);
	begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	r = sampler_sample(sampler, &needs, &snapshot);
	if (r < 0)
		return r;
	middle = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	r = engine_tick(engine, snapshot, now, &decisions);
	costs->evaluate += clock_ns(CLOCK_PROCESS_CPUTIME_ID) - middle;
	costs->collect += middle - begin;
	costs->decisions += decisions.n;
	decisions_done(&decisions);
	snapshot_unref(snapshot);
	return r;
}

static int run(struct sampler *sampler, struct engine *engine, struct policy_set *set, int n)
{
	struct costs first = { 0 }, costs = { 0 };
	struct sampler_stats stats;
	uint64_t now = SECOND_USEC;

	/* The first two open what is kept, and match; then nothing is new any more. */
	for (int i = 0; i < 2; i++, now += SECOND_USEC) {
		if (tick(sampler, engine, now, i == 0 ? &first : &(struct costs){ 0 }) < 0)
			return 1;
	}
	for (int i = 0; i < n; i++, now += SECOND_USEC) {
		if (tick(sampler, engine, now, &costs) < 0)
			return 1;
	}
	for (size_t i = 0; i < policy_set_size(set); i++) {
		struct engine_policy_stats policy;

		engine_policy_stats(engine, policy_set_get(set, i)->name, now, &policy);
		costs.pairs += policy.matches;
	}
	engine_each(engine, count, &costs);
	sampler_get_stats(sampler, &stats);
	printf("cgroups %" PRIu64 ", policies %zu, pairs %" PRIu64 ", held %" PRIu64
	       ", decisions %zu\n",
	       stats.nodes, policy_set_size(set), costs.pairs, costs.held, costs.decisions);
	printf("collection: %.2f ms of CPU a tick\n", (double)costs.collect / n / 1e6);
	printf("evaluation: %.2f ms of CPU a tick, %.1f ns a pair (first tick, with matching: %.2f "
	       "ms)\n",
	       (double)costs.evaluate / n / 1e6,
	       costs.pairs ? (double)costs.evaluate / n / (double)costs.pairs : 0,
	       (double)first.evaluate / 1e6);
	printf("ratio: evaluation costs %.3f of the collection of the same tick (bar: below 1)\n",
	       (double)costs.evaluate / (double)costs.collect);
	return costs.evaluate < costs.collect && costs.decisions > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	int ticks = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 20, r;
	int n = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 100;
	const char *match = argc > 3 ? argv[3] : "/**";
	struct policy_set *set = make_policies(n, match);
	struct decisions decisions = { 0 };
	struct sampler *sampler;
	struct engine *engine;
	struct root *root;

	if (!set || ticks < 1 || root_new(NULL, &root) < 0 ||
	    sampler_new(root, NULL, &sampler) < 0 || engine_new(SECOND_USEC, &engine) < 0 ||
	    engine_set_policies(engine, set, 0, &decisions) < 0)
		return 1;
	r = run(sampler, engine, set, ticks);
	engine_free(engine);
	policy_set_unref(set);
	sampler_free(sampler);
	root_free(root);
	return r;
}
