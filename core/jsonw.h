/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/strbuf.h"

/*
 * Writes JSON as a stream, so that ten thousand cgroups need no document in memory. Commas and
 * nesting are kept here; names and texts are escaped.
 */
struct jsonw {
	struct strbuf out;
	unsigned int depth;
	uint64_t filled; /* one bit a level: something stands before */
};

void jsonw_init(struct jsonw *json);
void jsonw_done(struct jsonw *json);
/* Opens an object or array, as a member if `name` is not NULL. At most 63 levels. */
void jsonw_begin(struct jsonw *json, const char *name, char bracket);
void jsonw_end(struct jsonw *json, char bracket);
void jsonw_string(struct jsonw *json, const char *name, const char *text);
void jsonw_u64(struct jsonw *json, const char *name, uint64_t value);
void jsonw_double(struct jsonw *json, const char *name, double value);
void jsonw_bool(struct jsonw *json, const char *name, bool value);
/* `text` as it stands: a number already written as decimal. */
void jsonw_raw(struct jsonw *json, const char *name, const char *text);
void jsonw_null(struct jsonw *json, const char *name);
