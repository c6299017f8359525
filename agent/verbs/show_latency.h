/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/jsonw.h"
#include "core/snapshot.h"

/*
 * How long a watched cgroup waited. `none` is why nothing is known of it, or "". Pure.
 */
void show_latency_print(struct strbuf *out, const struct snapshot *snapshot, uint32_t index,
			const char *none);
/*
 * The member "waiting" of the object that is open: by kind, either count, sum_seconds, quantiles
 * and the buckets that are not empty (each by itself; the last one has no "le"), or "absent" with
 * the reason.
 */
void show_latency_json(struct jsonw *json, const struct snapshot *snapshot, uint32_t index,
		       const char *none);
