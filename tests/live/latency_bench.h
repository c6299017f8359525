/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "collectors/sampler.h"
#include "core/distribution.h"

#include "live.h"

/* What the tests of waiting times and traffic have in common: live_bpf_latency*.c. */

/* Between the test and its processes. */
struct latency_shared {
	atomic_int go, done;
};

struct bench {
	struct root *root;
	struct sampler *sampler;
	struct metric_set set;
	struct snapshot *snapshot;
};

/* Memory that the test and its processes share; the same for all that ask. NULL: none. */
struct latency_shared *latency_shared(void);
/* Lets the processes go, and waits until one says that it is done. */
void latency_wait_done(void);

/* Skips the test where there is no backend. */
void bench_init(struct bench *bench);
void bench_done(struct bench *bench);
/* A sample, in place of the last one. */
void bench_take(struct bench *bench);
uint32_t bench_node(const struct bench *bench, const struct live *live, const char *name);
/* Watches these cgroups (NULL ends them) for a kind, from the sample taken here on. */
void bench_watch(struct bench *bench, const struct live *live, uint32_t kinds, const char *a,
		 const char *b);
const struct distribution_entry *bench_find(const struct bench *bench, const struct live *live,
					    const char *name, enum distribution_kind kind);
const struct distribution *bench_total(const struct bench *bench, const struct live *live,
				       const char *name, enum distribution_kind kind);
/* Ends the test if this kernel cannot tell it, with the reason. */
void bench_needs(struct bench *bench, unsigned int kind, const char *word);
/* What the kernel could not count, as the backend says. */
uint64_t bench_lost(const struct bench *bench);
void print_distribution(const char *name, const struct distribution *distribution);
/* `tests`, if there are the rights for them; the program's exit code. */
int latency_main(int (*tests)(void));
