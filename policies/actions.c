// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/actions.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/units.h"

struct action_option {
	const char *name;
	int (*parse)(const char *text, struct action *action, const char **ret_reason);
};

static int parse_lease(const char *text, struct action *action, const char **ret_reason)
{
	*ret_reason = "it is not a time such as 30s";
	if (parse_duration(text, &action->lease_usec) < 0)
		return -EINVAL;
	*ret_reason = "it must be from 100ms to 1d";
	return action->lease_usec < 100000 || action->lease_usec > UINT64_C(86400000000) ? -ERANGE
											 : 0;
}

static int parse_allow_oom(const char *text, struct action *action, const char **ret_reason)
{
	*ret_reason = "it is neither yes nor no";
	action->allow_oom = strcmp(text, "yes") == 0;
	return action->allow_oom || strcmp(text, "no") == 0 ? 0 : -EINVAL;
}

static const struct action_option option_lease = { "lease", parse_lease };
static const struct action_option option_allow_oom = { "allow_oom", parse_allow_oom };

struct action_row {
	const char *name;
	enum knob_id knob;
	const char *fixed; /* the value, where none is written */
	const char *example;
	bool needs_lease;
	const struct action_option *options[3];
};

static const struct action_row actions[ACTION_COUNT] = {
	[ACTION_CPU_QUOTA] = { "cpu.quota",
			       KNOB_CPU_QUOTA,
			       NULL,
			       "cpu.quota 20%",
			       false,
			       { NULL } },
	[ACTION_MEMORY_HIGH] = { "memory.high",
				 KNOB_MEMORY_HIGH,
				 NULL,
				 "memory.high 512M",
				 false,
				 { NULL } },
	[ACTION_MEMORY_MAX] = { "memory.max",
				KNOB_MEMORY_MAX,
				NULL,
				"memory.max 1G",
				false,
				{ &option_allow_oom } },
	/* Without an end a freeze is an outage: the lease is not optional. */
	[ACTION_FREEZE] = { "freeze",
			    KNOB_FREEZE,
			    "frozen",
			    "freeze lease=30s",
			    true,
			    { &option_lease } },
};

static int fail(char *reason, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(char *reason, size_t size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, size, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static const struct action_option *find_option(const struct action_row *row, const char *name,
					       size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(row->options) && row->options[i]; i++) {
		if (strlen(row->options[i]->name) == length &&
		    memcmp(row->options[i]->name, name, length) == 0)
			return row->options[i];
	}
	return NULL;
}

static int parse_option(const struct action_row *row, const char *word, struct action *action,
			char *reason, size_t size)
{
	size_t length = strcspn(word, "=");
	const struct action_option *option = find_option(row, word, length);
	const char *why;

	if (!option)
		return fail(reason, size, "%s has no option \"%.*s\"", row->name, (int)length,
			    word);
	if (option->parse(word + length + 1, action, &why) < 0)
		return fail(reason, size, "%s: %s", word, why);
	return 0;
}

static int parse_argument(const struct action_row *row, const char *word, struct action *action,
			  char *reason, size_t size)
{
	const char *why;

	if (knob_parse(row->knob, word, &action->value, &why) < 0)
		return fail(reason, size, "\"%s\": %s", word, why);
	if (action->value.number == KNOB_UNLIMITED)
		return fail(reason, size, "\"max\" is no limit, and an action must be one");
	return 0;
}

static int parse_words(const struct action_row *row, char *words, struct action *action,
		       char *reason, size_t size)
{
	bool has_value = row->fixed != NULL;
	char *word, *save = NULL;
	int r = 0;

	if (row->fixed)
		r = parse_argument(row, row->fixed, action, reason, size);
	for (word = strtok_r(words, " \t", &save); word && r == 0;
	     word = strtok_r(NULL, " \t", &save)) {
		if (strchr(word, '='))
			r = parse_option(row, word, action, reason, size);
		else if (has_value)
			r = fail(reason, size, "\"%s\" is too much; write it as in \"%s\"", word,
				 row->example);
		else
			r = parse_argument(row, word, action, reason, size);
		has_value |= !strchr(word, '=');
	}
	if (r == 0 && !has_value)
		return fail(reason, size, "the value is missing, as in \"%s\"", row->example);
	if (r == 0 && row->needs_lease && !action->lease_usec)
		return fail(reason, size, "it needs a lease, as in \"%s\"", row->example);
	return r;
}

int action_parse(const char *text, struct action *ret_action, char *reason, size_t size)
{
	_cleanup_(freep) char *copy = strdup(text);
	struct action action = { 0 };
	size_t length = strcspn(text, " \t");
	int id, r;

	if (!copy)
		return -ENOMEM;
	for (id = 0; id < ACTION_COUNT; id++) {
		if (actions[id].name && strlen(actions[id].name) == length &&
		    memcmp(actions[id].name, text, length) == 0)
			break;
	}
	if (id == ACTION_COUNT || !actions[id].name)
		return fail(
			reason, size,
			"\"%.*s\" is no action: cpu.quota, memory.high, memory.max and freeze are",
			(int)length, text);
	action.id = (enum action_id)id;
	r = parse_words(&actions[id], copy + length, &action, reason, size);
	if (r == 0)
		*ret_action = action;
	return r;
}

int action_check_host(const struct action *action, const struct hierarchies *hierarchies,
		      char *reason, size_t size)
{
	const char *why;
	int r = knob_check_host(actions[action->id].knob, hierarchies, &why);

	if (r < 0)
		snprintf(reason, size, "%s: this machine cannot do it: %s",
			 actions[action->id].name, why);
	return r;
}

const char *action_name(enum action_id id)
{
	return actions[id].name;
}

enum action_kind action_kind(enum action_id id)
{
	return id >= ACTION_MEMORY_RECLAIM ? ACTION_KIND_ONCE : ACTION_KIND_KNOB;
}

enum knob_id action_knob(const struct action *action, const struct hierarchies *hierarchies,
			 struct knob_value *ret_value)
{
	(void)hierarchies;
	*ret_value = action->value;
	return actions[action->id].knob;
}

void action_done(struct action *action)
{
	free(action->text);
	free(action->target);
	*action = (struct action){ 0 };
}

const char *action_names(void)
{
	return "cpu.quota, memory.high, memory.max, freeze";
}

void action_format(const struct action *action, struct strbuf *buffer)
{
	const struct action_row *row = &actions[action->id];

	strbuf_add_string(buffer, row->name);
	if (!row->fixed) {
		strbuf_add_char(buffer, ' ');
		if (row->knob == KNOB_CPU_QUOTA)
			knob_format(row->knob, &action->value, buffer);
		else
			knob_format_human(row->knob, &action->value, buffer);
	}
	if (action->lease_usec) {
		strbuf_add_string(buffer, " lease=");
		strbuf_add_fixed(buffer, action->lease_usec, 6);
		strbuf_add_char(buffer, 's');
	}
	if (action->allow_oom)
		strbuf_add_string(buffer, " allow_oom=yes");
}
