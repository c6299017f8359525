/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/distribution.h"
#include "core/strbuf.h"

/*
 * The family cgwatch_cgroup_latency_seconds: the distributions of watched cgroups as histograms of
 * the text format, with the same buckets in each, so that they can be added up.
 */

/* Samples of one histogram: buckets, sum, count. */
enum { LATENCY_SERIES = DISTRIBUTION_BUCKETS + 2 };

/* HELP and TYPE. */
void latency_add_header(struct strbuf *out);
/* One histogram of the cgroup with that label value, which is escaped already. */
void latency_add(struct strbuf *out, const struct distribution_entry *entry, const char *label,
		 size_t length);
/* The entries of that node, one after the other; NULL if there are none. */
const struct distribution_entry *latency_of(const struct distributions *distributions,
					    uint32_t node, uint32_t *ret_n);
