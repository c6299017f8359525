/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/distribution.h"
#include "core/strbuf.h"

/* Distributions in the words of screens and commands. */

/* The last bucket with anything in it, or -1. */
int distribution_last(const struct distribution *distribution);
/* "1us", "3.1us", "33ms", "1.2s", "18m": a time for people. */
void distribution_add_time(struct strbuf *buffer, double ns);
/* The bound of a bucket: "<= 8us", "> 18m". */
void distribution_add_bound(struct strbuf *buffer, unsigned int bucket);
/* "632  p50 3us  p90 6.5us  p99 3.9ms  max <= 8.2ms"; "none" of nothing. */
void distribution_add_summary(struct strbuf *buffer, const struct distribution *distribution);
/*
 * Why there is no such entry, or NULL. `none` is why there are no distributions at all; NULL or "":
 * they are still to come.
 */
const char *distributions_why(const struct distributions *distributions,
			      const struct distribution_entry *entry, enum distribution_kind kind,
			      const char *none);
