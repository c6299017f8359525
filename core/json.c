// SPDX-License-Identifier: MIT
#include "core/json.h"

#include <math.h>

#include "core/escape.h"

void json_init(struct json *json)
{
	*json = (struct json){ 0 };
	strbuf_init(&json->out);
}

void json_done(struct json *json)
{
	strbuf_done(&json->out);
}

static void member(struct json *json, const char *name)
{
	uint64_t bit = UINT64_C(1) << json->depth;

	if (json->depth > 0) {
		if (json->filled & bit)
			strbuf_add_char(&json->out, ',');
		json->filled |= bit;
	}
	if (!name)
		return;
	strbuf_add_char(&json->out, '"');
	escape_json(&json->out, name, strlen(name));
	strbuf_add_string(&json->out, "\":");
}

void json_begin(struct json *json, const char *name, char bracket)
{
	member(json, name);
	strbuf_add_char(&json->out, bracket);
	json->depth++;
	json->filled &= ~(UINT64_C(1) << json->depth);
}

void json_end(struct json *json, char bracket)
{
	strbuf_add_char(&json->out, bracket);
	json->depth--;
}

void json_string(struct json *json, const char *name, const char *text)
{
	member(json, name);
	strbuf_add_char(&json->out, '"');
	escape_json(&json->out, text, strlen(text));
	strbuf_add_char(&json->out, '"');
}

void json_u64(struct json *json, const char *name, uint64_t value)
{
	member(json, name);
	strbuf_add_u64(&json->out, value);
}

void json_double(struct json *json, const char *name, double value)
{
	if (isfinite(value)) {
		member(json, name);
		strbuf_add_double(&json->out, value);
	} else {
		json_null(json, name);
	}
}

void json_bool(struct json *json, const char *name, bool value)
{
	json_raw(json, name, value ? "true" : "false");
}

void json_raw(struct json *json, const char *name, const char *text)
{
	member(json, name);
	strbuf_add_string(&json->out, text);
}

void json_null(struct json *json, const char *name)
{
	json_raw(json, name, "null");
}
