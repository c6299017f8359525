/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/overlays.h"
#include "core/strbuf.h"

/* Facts about overlays in words, for people: the same in the terminal and in verbs. Appended. */

/* "foreign, lower missing", or nothing. */
void overlay_flags_text(struct strbuf *text, unsigned int flags);
/*
 * How far the numbers of its writable layer can be trusted at `now_ns` (CLOCK_BOOTTIME):
 * "complete, 3s old", "pending", "partial, 5m00s old: Permission denied".
 */
void layer_freshness_text(struct strbuf *text, const struct layer_usage *usage, uint64_t now_ns);
/* True if the usage has numbers to show, be they partial. */
bool layer_has_numbers(const struct layer_usage *usage);
/* "upper", "lower", "data only" */
const char *layer_kind_name(enum overlay_layer_kind kind);
