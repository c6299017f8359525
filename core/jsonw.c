// SPDX-License-Identifier: MIT
#include "core/jsonw.h"

#include <math.h>

#include "core/escape.h"

void jsonw_init(struct jsonw *json)
{
	*json = (struct jsonw){ 0 };
	strbuf_init(&json->out);
}

void jsonw_done(struct jsonw *json)
{
	strbuf_done(&json->out);
}

static void member(struct jsonw *json, const char *name)
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

void jsonw_begin(struct jsonw *json, const char *name, char bracket)
{
	member(json, name);
	strbuf_add_char(&json->out, bracket);
	json->depth++;
	json->filled &= ~(UINT64_C(1) << json->depth);
}

void jsonw_end(struct jsonw *json, char bracket)
{
	strbuf_add_char(&json->out, bracket);
	json->depth--;
}

void jsonw_string(struct jsonw *json, const char *name, const char *text)
{
	member(json, name);
	strbuf_add_char(&json->out, '"');
	escape_json(&json->out, text, strlen(text));
	strbuf_add_char(&json->out, '"');
}

void jsonw_u64(struct jsonw *json, const char *name, uint64_t value)
{
	member(json, name);
	strbuf_add_u64(&json->out, value);
}

void jsonw_double(struct jsonw *json, const char *name, double value)
{
	if (isfinite(value)) {
		member(json, name);
		strbuf_add_double(&json->out, value);
	} else {
		jsonw_null(json, name);
	}
}

void jsonw_bool(struct jsonw *json, const char *name, bool value)
{
	jsonw_raw(json, name, value ? "true" : "false");
}

void jsonw_raw(struct jsonw *json, const char *name, const char *text)
{
	member(json, name);
	strbuf_add_string(&json->out, text);
}

void jsonw_null(struct jsonw *json, const char *name)
{
	jsonw_raw(json, name, "null");
}
