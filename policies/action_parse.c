// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/units.h"
#include "policies/action_private.h"

enum { TEXT_MAX = 1024 };

int action_fail(const struct action_reason *reason, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason->text, reason->size, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* ---- words ----------------------------------------------------------------------------------- */

/*
 * Copies one word from `*text` to `*to`. Double quotes keep blanks; inside them a backslash stands
 * before a quote or another backslash. There is no shell: nothing else has a meaning.
 */
static int take_word(const char **text, char **to, bool *ret_quoted,
		     const struct action_reason *reason)
{
	const char *at = *text;
	bool quoted = false;

	*ret_quoted = *at == '"';
	for (; *at && (quoted || (*at != ' ' && *at != '\t')); at++) {
		if (*at == '"') {
			quoted = !quoted;
			continue;
		}
		if (quoted && *at == '\\' && (at[1] == '"' || at[1] == '\\'))
			at++;
		*(*to)++ = *at;
	}
	if (quoted)
		return action_fail(reason, "a '\"' is not closed");
	*(*to)++ = '\0';
	*text = at;
	return 0;
}

static int cut_words(const char *text, struct action_words *words,
		     const struct action_reason *reason)
{
	/* Each word is no longer than what it was cut from, and takes the place of its blank. */
	char *to = words->storage = malloc(strlen(text) + 2);

	if (!to)
		return -ENOMEM;
	for (;;) {
		struct action_word *word = &words->list[words->n];
		int r;

		text += strspn(text, " \t");
		if (!*text)
			return 0;
		if (words->n == ACTION_WORDS_MAX)
			return action_fail(reason, "it has more than %d words", ACTION_WORDS_MAX);
		word->text = to;
		r = take_word(&text, &to, &word->quoted, reason);
		if (r < 0)
			return r;
		words->n++;
	}
}

void action_add_word(struct strbuf *buffer, const char *word, bool quote)
{
	if (!quote && *word && !strpbrk(word, " \t\"\\")) {
		strbuf_add_string(buffer, word);
		return;
	}
	strbuf_add_char(buffer, '"');
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			strbuf_add_char(buffer, '\\');
		strbuf_add_char(buffer, *word);
	}
	strbuf_add_char(buffer, '"');
}

/* ---- what stands behind the name --------------------------------------------------------------
 */

static int missing(const struct action_row *row, const struct action_reason *reason)
{
	return action_fail(reason, "the value is missing, as in \"%s\"", row->example);
}

static int too_much(const struct action_row *row, const char *word,
		    const struct action_reason *reason)
{
	return action_fail(reason, "\"%s\" is too much; write it as in \"%s\"", word, row->example);
}

static int parse_value(const struct action_row *row, const char *text, struct action *action,
		       const struct action_reason *reason)
{
	const char *why;

	if (!knob_name(row->knob))
		return action_fail(reason, "this build has no %s", row->name);
	if (knob_parse(row->knob, text, &action->value, &why) < 0)
		return action_fail(reason, "\"%s\": %s", text, why);
	if (action->value.number == KNOB_UNLIMITED)
		return action_fail(reason, "\"max\" is no limit, and an action must be one");
	return 0;
}

int action_parse_knob(const struct action_row *row, const struct action_words *words,
		      struct action *action, const struct action_reason *reason)
{
	if (words->n == 0)
		return missing(row, reason);
	if (words->n > 1)
		return too_much(row, words->list[1].text, reason);
	return parse_value(row, words->list[0].text, action, reason);
}

int action_parse_io(const struct action_row *row, const struct action_words *words,
		    struct action *action, const struct action_reason *reason)
{
	_cleanup_(freep) char *text = NULL;
	struct strbuf buffer;
	int r;

	if (words->n < 2)
		return missing(row, reason);
	strbuf_init(&buffer);
	for (size_t i = 0; i < words->n; i++) {
		if (strstr(words->list[i].text, "=max")) {
			strbuf_done(&buffer);
			return action_fail(reason, "\"%s\": that is no limit: leave it out",
					   words->list[i].text);
		}
		strbuf_printf(&buffer, "%s%s", i ? " " : "", words->list[i].text);
	}
	text = strbuf_take(&buffer);
	if (!text)
		return -ENOMEM;
	r = parse_value(row, text, action, reason);
	return r;
}

int action_parse_freeze(const struct action_row *row, const struct action_words *words,
			struct action *action, const struct action_reason *reason)
{
	action->value.number = 1;
	return action_parse_nothing(row, words, action, reason);
}

int action_parse_size(const struct action_row *row, const struct action_words *words,
		      struct action *action, const struct action_reason *reason)
{
	if (words->n == 0)
		return missing(row, reason);
	if (words->n > 1)
		return too_much(row, words->list[1].text, reason);
	if (parse_size(words->list[0].text, &action->value.number) < 0)
		return action_fail(reason, "\"%s\": it is not a size with its unit (256M)",
				   words->list[0].text);
	return action->value.number > 0 ? 0 : action_fail(reason, "it is nothing");
}

int action_parse_nothing(const struct action_row *row, const struct action_words *words,
			 struct action *action, const struct action_reason *reason)
{
	(void)action;
	return words->n == 0 ? 0 : too_much(row, words->list[0].text, reason);
}

/* A path of a cgroup: absolute, each component a name. */
static bool is_cgroup_path(const char *path)
{
	if (path[0] != '/' || !path[1])
		return false;
	while (*path) {
		size_t length = strcspn(++path, "/");

		if (length == 0 || (length == 1 && path[0] == '.') ||
		    (length == 2 && memcmp(path, "..", 2) == 0))
			return false;
		path += length;
	}
	return true;
}

int action_parse_target(const struct action_row *row, const struct action_words *words,
			struct action *action, const struct action_reason *reason)
{
	if (words->n == 0)
		return missing(row, reason);
	if (words->n > 1)
		return too_much(row, words->list[1].text, reason);
	if (!is_cgroup_path(words->list[0].text))
		return action_fail(reason, "\"%s\" is not the path of a cgroup such as /quarantine",
				   words->list[0].text);
	action->target = strdup(words->list[0].text);
	return action->target ? 0 : -ENOMEM;
}

int action_parse_text(const struct action_row *row, const struct action_words *words,
		      struct action *action, const struct action_reason *reason)
{
	const char *text = words->storage;
	size_t length = strlen(text);

	if (length == 0)
		return missing(row, reason);
	if (length > TEXT_MAX)
		return action_fail(reason, "it is longer than %d bytes", TEXT_MAX);
	action->text = strdup(text);
	action->text_length = length;
	return action->text ? 0 : -ENOMEM;
}

int action_parse_command(const struct action_row *row, const struct action_words *words,
			 struct action *action, const struct action_reason *reason)
{
	struct strbuf buffer;

	if (words->n == 0)
		return missing(row, reason);
	if (words->list[0].text[0] != '/')
		return action_fail(reason,
				   "\"%s\" is not an absolute path, and no PATH is searched",
				   words->list[0].text);
	strbuf_init(&buffer);
	for (size_t i = 0; i < words->n; i++)
		strbuf_add(&buffer, words->list[i].text, strlen(words->list[i].text) + 1);
	action->text_length = buffer.length;
	action->text = strbuf_take(&buffer);
	return action->text ? 0 : -ENOMEM;
}

/* ---- the line ---------------------------------------------------------------------------------
 */

static const struct action_option *find_option(const struct action_row *row, const char *word)
{
	size_t length = strcspn(word, "=");

	for (size_t i = 0; i < ARRAY_SIZE(row->options) && row->options[i]; i++) {
		if (strlen(row->options[i]->name) == length &&
		    memcmp(row->options[i]->name, word, length) == 0)
			return row->options[i];
	}
	return NULL;
}

static int parse_option(const struct action_row *row, const char *word, struct action *action,
			const struct action_reason *reason)
{
	const struct action_option *option = find_option(row, word);
	const char *why = "";
	int r;

	if (!option)
		return action_fail(reason, "%s has no option \"%.*s\"", row->name,
				   (int)strcspn(word, "="), word);
	r = option->parse(strchr(word, '=') + 1, action, &why);
	return r < 0 && r != -ENOMEM ? action_fail(reason, "%s: %s", word, why) : r;
}

static bool is_option(const struct action_word *word)
{
	return !word->quoted && strchr(word->text, '=');
}

/* Reads the options and leaves the other words. A command's own words may look like options: there
 * it is the last word alone. */
static int take_options(const struct action_row *row, struct action_words *words,
			struct action *action, const struct action_reason *reason)
{
	size_t n = words->n, first = 0;
	int r = 0;

	if (row->parse == action_parse_io)
		return 0;
	if (row->parse == action_parse_command)
		first = n > 0 && is_option(&words->list[n - 1]) &&
					find_option(row, words->list[n - 1].text)
				? n - 1
				: n;
	words->n = first;
	for (size_t i = first; i < n && r == 0; i++) {
		if (is_option(&words->list[i]))
			r = parse_option(row, words->list[i].text, action, reason);
		else
			words->list[words->n++] = words->list[i];
	}
	return r;
}

static int parse_rest(const struct action_row *row, const char *text, struct action *action,
		      const struct action_reason *reason)
{
	struct action_words words = { .n = 0 };
	int r;

	text += strspn(text, " \t");
	if (row->raw) {
		words.storage = strdup(text);
		r = words.storage ? 0 : -ENOMEM;
	} else {
		r = cut_words(text, &words, reason);
		if (r == 0)
			r = take_options(row, &words, action, reason);
	}
	if (r == 0)
		r = row->parse(row, &words, action, reason);
	if (r == 0 && row->needs_lease && !action->lease_usec)
		r = action_fail(reason, "it needs a lease, as in \"%s\"", row->example);
	free(words.storage);
	return r;
}

int action_parse(const char *text, struct action *ret_action, char *reason, size_t size)
{
	const struct action_reason where = { reason, size };
	struct action action = { 0 };
	size_t length = strcspn(text, " \t");
	int id = 0, r;

	while (id < ACTION_COUNT && (strlen(action_rows[id].name) != length ||
				     memcmp(action_rows[id].name, text, length) != 0))
		id++;
	if (id == ACTION_COUNT)
		return action_fail(&where, "\"%.*s\" is no action: there are %s", (int)length, text,
				   action_names());
	action.id = (enum action_id)id;
	r = parse_rest(&action_rows[id], text + length, &action, &where);
	if (r == 0)
		*ret_action = action;
	else
		action_done(&action);
	return r;
}
