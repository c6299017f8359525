/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/layer_diff.h"
#include "core/jsonw.h"

/* What `cgwatch overlay diff` prints, entry by entry. Pure. */

/* "A /path", as `docker diff`; nothing for what that does not show. Names are made safe. */
void diff_add_docker(struct strbuf *out, const struct layer_diff_entry *entry);
/* "C /path  (content, 1.2K -> 1.3K; mode 0644 -> 0600)": every entry. */
void diff_add_long(struct strbuf *out, const struct layer_diff_entry *entry);
/* An object. */
void diff_json(struct jsonw *json, const struct layer_diff_entry *entry);

enum { DIFF_CHANGE_BITS = 16 };

/* Numbers of entries, and of bytes in regular files. */
struct diff_summary {
	uint64_t entries[LAYER_DIFF_KIND_COUNT], bytes[LAYER_DIFF_KIND_COUNT];
	uint64_t changes[DIFF_CHANGE_BITS]; /* by bit of enum layer_diff_changes */
	uint64_t metacopy;
	int64_t growth; /* of regular files that were changed */
};

void diff_summary_add(struct diff_summary *summary, const struct layer_diff_entry *entry);
void diff_summary_print(struct strbuf *out, const struct diff_summary *summary);
/* A member "summary". */
void diff_summary_json(struct jsonw *json, const struct diff_summary *summary);
