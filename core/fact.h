/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/metric.h"

/*
 * Metrics that are made from the inventory: each says the value of one cell, or the state that says
 * why there is none. Pure. A part of the inventory that is still on its way is VALUE_FIRST; a
 * snapshot without an inventory has VALUE_ABSENT everywhere.
 *
 * What a walk could only measure in part passes for no value: a policy must not act, nor a sum be
 * made, on a number that is known to be too low. The state says why (VALUE_DENIED for lack of
 * rights), "overlay.scan_complete" is 0, and `cgwatch overlay` shows the numbers as what they are.
 */

/* `detail` is the offset of a text in struct container. */
enum value_state fact_container(const struct fact *fact, union value *ret_value);
/* The same, and for a pod of the first of its containers. */
enum value_state fact_pod(const struct fact *fact, union value *ret_value);
enum value_state fact_user_name(const struct fact *fact, union value *ret_value);
enum value_state fact_user_uid(const struct fact *fact, union value *ret_value);
/* `detail` is the type: "host", "own" or "several"; 1 if "host"; used and limit. */
enum value_state fact_ns_place(const struct fact *fact, union value *ret_value);
enum value_state fact_ns_host(const struct fact *fact, union value *ret_value);
enum value_state fact_ns_used(const struct fact *fact, union value *ret_value);
enum value_state fact_ns_limit(const struct fact *fact, union value *ret_value);
enum value_state fact_ns_count(const struct fact *fact, union value *ret_value);
enum value_state fact_ns_hostname(const struct fact *fact, union value *ret_value);
/* `detail` is the offset of a count in struct layer_usage. */
enum value_state fact_usage(const struct fact *fact, union value *ret_value);
enum value_state fact_overlay_growth(const struct fact *fact, union value *ret_value);
enum value_state fact_overlay_layers(const struct fact *fact, union value *ret_value);
enum value_state fact_overlay_age(const struct fact *fact, union value *ret_value);
enum value_state fact_overlay_complete(const struct fact *fact, union value *ret_value);
enum value_state fact_overlay_free(const struct fact *fact, union value *ret_value);

/* Fills every wanted column of that kind. The snapshot has its inventory and join by then. */
void facts_fill(struct snapshot *snapshot);
