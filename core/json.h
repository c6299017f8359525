/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/strbuf.h"

/*
 * Writes JSON as a stream, so that ten thousand cgroups need no document in memory. Commas and
 * nesting are kept here; names and texts are escaped. `json_flush` hands out what is there so far.
 */
struct json {
	struct strbuf out;
	unsigned int depth;
	uint64_t filled; /* one bit a level: something stands before */
};

void json_init(struct json *json);
void json_done(struct json *json);
/* Opens an object or array, as a member if `name` is not NULL. At most 63 levels. */
void json_begin(struct json *json, const char *name, char bracket);
void json_end(struct json *json, char bracket);
void json_string(struct json *json, const char *name, const char *text);
void json_u64(struct json *json, const char *name, uint64_t value);
void json_double(struct json *json, const char *name, double value);
void json_bool(struct json *json, const char *name, bool value);
/* `text` as it stands: a number already written as decimal. */
void json_raw(struct json *json, const char *name, const char *text);
void json_null(struct json *json, const char *name);
