// SPDX-License-Identifier: MIT
#include "collectors/config_text.h"

#include <stdbool.h>
#include <string.h>

#include "collectors/state_file.h"
#include "core/cleanup.h"

struct span {
	const char *at;
	size_t length;
};

static struct span trim(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	return (struct span){ at, (size_t)(end - at) };
}

static bool span_is(struct span span, const char *text)
{
	return strlen(text) == span.length && memcmp(span.at, text, span.length) == 0;
}

/* A quoted text up to its quote (escapes are left alone), or what stands before a comment. */
static struct span value_of(struct span span)
{
	char quote = span.length > 0 ? *span.at : '\0';
	const char *end;

	if (quote == '"' || quote == '\'') {
		end = memchr(span.at + 1, quote, span.length - 1);
		return (struct span){ span.at + 1,
				      end ? (size_t)(end - span.at - 1) : span.length - 1 };
	}
	end = memchr(span.at, '#', span.length);
	return end ? trim(span.at, end) : span;
}

static void take(struct span section, struct span key, struct span value,
		 const struct config_wanted *wanted)
{
	for (; wanted->key; wanted++) {
		if (!span_is(section, wanted->section) || !span_is(key, wanted->key) ||
		    value.length == 0 || value.length >= wanted->size)
			continue;
		memcpy(wanted->value, value.at, value.length);
		wanted->value[value.length] = '\0';
	}
}

void config_parse(const char *text, const struct config_wanted *wanted)
{
	struct span section = { "", 0 };

	while (*text) {
		const char *end = text + strcspn(text, "\n");
		struct span line = trim(text, end);
		const char *equals = line.length ? memchr(line.at, '=', line.length) : NULL;

		text = *end ? end + 1 : end;
		if (line.length == 0 || *line.at == '#')
			continue;
		if (*line.at == '[') {
			const char *close = memchr(line.at, ']', line.length);

			section = trim(line.at + 1, close ? close : line.at + line.length);
		} else if (equals) {
			take(section, trim(line.at, equals),
			     value_of(trim(equals + 1, line.at + line.length)), wanted);
		}
	}
}

int config_read_at(int dir_fd, const char *name, const struct config_wanted *wanted)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	int r;

	r = state_read_at(dir_fd, name, STATE_FILE_MAX, &text);
	if (r == 0 && text.data)
		config_parse(text.data, wanted);
	return r;
}
