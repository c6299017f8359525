// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/policy_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

enum { REASON_SIZE = 512 };

/* Returns 0, or -errno with what is wrong in `reason`. */
struct key_row {
	const char *name;
	bool repeats; /* several lines are several entries */
	int (*parse)(struct policy_builder *builder, unsigned int line, const char *value,
		     char *reason);
};

static int parse_match(struct policy_builder *builder, unsigned int line, const char *value,
		       char *reason)
{
	(void)line;
	return selectors_add(builder->policy->selectors, SELECTOR_MATCH, false, value, reason,
			     REASON_SIZE);
}

static int parse_match_not(struct policy_builder *builder, unsigned int line, const char *value,
			   char *reason)
{
	(void)line;
	return selectors_add(builder->policy->selectors, SELECTOR_MATCH, true, value, reason,
			     REASON_SIZE);
}

static int parse_when(struct policy_builder *builder, unsigned int line, const char *value,
		      char *reason)
{
	(void)line;
	return condition_parse(value, &builder->policy->when, reason, REASON_SIZE);
}

static int parse_clear_when(struct policy_builder *builder, unsigned int line, const char *value,
			    char *reason)
{
	(void)line;
	if (builder->policy->clear_when) {
		snprintf(reason, REASON_SIZE,
			 "\"clear\" and \"clear_when\" are the same: write one");
		return -EINVAL;
	}
	return condition_parse(value, &builder->policy->clear_when, reason, REASON_SIZE);
}

static int parse_time(const char *value, uint64_t *ret_usec, char *reason)
{
	uint64_t bare;

	if (strcmp(value, "0") == 0) {
		*ret_usec = 0;
		return 0;
	}
	if (parse_duration(value, ret_usec) == 0)
		return 0;
	if (parse_u64(value, &bare) == 0)
		snprintf(reason, REASON_SIZE, "\"%s\" has no unit: write %ss or %sms", value, value,
			 value);
	else
		snprintf(reason, REASON_SIZE, "\"%s\" is not a time such as 500ms, 2s or 1m",
			 value);
	return -EINVAL;
}

static int parse_for(struct policy_builder *builder, unsigned int line, const char *value,
		     char *reason)
{
	(void)line;
	return parse_time(value, &builder->policy->for_usec, reason);
}

static int parse_clear_for(struct policy_builder *builder, unsigned int line, const char *value,
			   char *reason)
{
	(void)line;
	return parse_time(value, &builder->policy->clear_for_usec, reason);
}

static int parse_cooldown(struct policy_builder *builder, unsigned int line, const char *value,
			  char *reason)
{
	(void)line;
	return parse_time(value, &builder->policy->cooldown_usec, reason);
}

static int parse_step(struct policy_builder *builder, unsigned int line, const char *value,
		      struct policy_step *step, char *reason)
{
	int r = action_parse(value, &step->action, reason, REASON_SIZE);

	step->line = line;
	if (r == 0 && builder->check->hierarchies)
		r = action_check_host(&step->action, builder->check->hierarchies, reason,
				      REASON_SIZE);
	return r;
}

static int parse_action(struct policy_builder *builder, unsigned int line, const char *value,
			char *reason)
{
	return parse_step(builder, line, value, &builder->policy->steps[0], reason);
}

/* Takes the word "after=TIME" out of `text`. */
static int take_after(char *text, uint64_t *ret_usec, char *reason)
{
	char *at = text, *end;
	char last;
	int r;

	while ((at = strstr(at, "after=")) && at > text && at[-1] != ' ' && at[-1] != '\t')
		at++;
	if (!at) {
		snprintf(reason, REASON_SIZE,
			 "it needs after=TIME, as in \"freeze lease=20s after=1m\"");
		return -EINVAL;
	}
	end = at + strcspn(at, " \t");
	last = *end;
	*end = '\0';
	r = parse_time(at + strlen("after="), ret_usec, reason);
	*end = last;
	memmove(at, end, strlen(end) + 1);
	return r;
}

static int parse_then(struct policy_builder *builder, unsigned int line, const char *value,
		      char *reason)
{
	_cleanup_(freep) char *text = strdup(value);
	struct policy *policy = builder->policy;
	struct policy_step *grown, step = { 0 };
	int r;

	if (!text)
		return -ENOMEM;
	if (policy->n_steps == POLICY_STEPS_MAX) {
		snprintf(reason, REASON_SIZE, "a ladder has at most %d rungs", POLICY_STEPS_MAX);
		return -EINVAL;
	}
	r = take_after(text, &step.after_usec, reason);
	if (r == 0)
		r = parse_step(builder, line, text, &step, reason);
	if (r < 0)
		return r;
	grown = realloc(policy->steps, (policy->n_steps + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	policy->steps = grown;
	grown[policy->n_steps++] = step;
	return 0;
}

static int parse_restore(struct policy_builder *builder, unsigned int line, const char *value,
			 char *reason)
{
	struct policy *policy = builder->policy;

	(void)line;
	policy->restore_on_clear = policy->restore_on_exit = false;
	if (strcmp(value, "never") == 0)
		return 0;
	while (*value) {
		size_t length = strcspn(value, ", \t");

		if (length == 8 && memcmp(value, "on-clear", 8) == 0) {
			policy->restore_on_clear = true;
		} else if (length == 7 && memcmp(value, "on-exit", 7) == 0) {
			policy->restore_on_exit = true;
		} else {
			snprintf(reason, REASON_SIZE,
				 "\"%.*s\" is none of on-clear, on-exit (or never)", (int)length,
				 value);
			return -EINVAL;
		}
		value += length;
		value += strspn(value, ", \t");
	}
	if (policy->restore_on_clear || policy->restore_on_exit)
		return 0;
	snprintf(reason, REASON_SIZE, "it is empty; write on-clear, on-exit or never");
	return -EINVAL;
}

static int parse_mode(struct policy_builder *builder, unsigned int line, const char *value,
		      char *reason)
{
	(void)line;
	for (int mode = POLICY_OFF; mode <= POLICY_ENFORCE; mode++) {
		if (strcmp(value, policy_mode_name((enum policy_mode)mode)) == 0) {
			builder->policy->mode = (enum policy_mode)mode;
			return 0;
		}
	}
	snprintf(reason, REASON_SIZE, "\"%s\" is none of off, shadow, enforce", value);
	return -EINVAL;
}

static const struct key_row keys[KEY_COUNT] = {
	[KEY_MATCH] = { "match", true, parse_match },
	[KEY_MATCH_NOT] = { "match_not", true, parse_match_not },
	[KEY_WHEN] = { "when", false, parse_when },
	[KEY_FOR] = { "for", false, parse_for },
	[KEY_CLEAR_WHEN] = { "clear_when", false, parse_clear_when },
	[KEY_CLEAR] = { "clear", false, parse_clear_when },
	[KEY_CLEAR_FOR] = { "clear_for", false, parse_clear_for },
	[KEY_ACTION] = { "action", false, parse_action },
	[KEY_THEN] = { "then", true, parse_then },
	[KEY_COOLDOWN] = { "cooldown", false, parse_cooldown },
	[KEY_RESTORE] = { "restore", false, parse_restore },
	[KEY_MODE] = { "mode", false, parse_mode },
};

static void begin_policy(struct policy_builder *builder, const struct ini_entry *entry)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";
	const char *name = entry->section + strlen("policy");
	const struct policy *same;
	size_t length;

	name += strspn(name, " \t");
	length = strlen(name);
	if (length == 0 || length > 63 || strspn(name, allowed) != length)
		ini_errors_add(
			builder->errors, entry->file, entry->line, false,
			"[%s]: a policy needs a name of 1 to 63 letters, digits, '-', '_', '.'",
			entry->section);
	same = policy_set_find(builder->set, name);
	if (same)
		ini_errors_add(builder->errors, entry->file, entry->line, false,
			       "policy %s: the name is taken already (%s:%u)", name, same->file,
			       same->line);
	builder->policy = policy_new(name, entry->file, entry->line);
	builder->no_memory |= !builder->policy;
}

static void begin_section(struct policy_builder *builder, const struct ini_entry *entry)
{
	policy_finish(builder);
	if (strncmp(entry->section, "policy", 6) == 0 && strchr(" \t", entry->section[6])) {
		begin_policy(builder, entry);
		return;
	}
	ini_errors_add(builder->errors, entry->file, entry->line, false,
		       "[%s]: unknown section; policies are written as [policy NAME]",
		       entry->section);
}

static void parse_key(struct policy_builder *builder, const struct ini_entry *entry, int key)
{
	char reason[REASON_SIZE] = "";
	int r;

	if (builder->lines[key] && !keys[key].repeats) {
		ini_errors_add(builder->errors, entry->file, entry->line, false,
			       "%s: it stands in line %u already", entry->key, builder->lines[key]);
		return;
	}
	builder->lines[key] = entry->line;
	if (!*entry->value) {
		ini_errors_add(builder->errors, entry->file, entry->line, false,
			       "%s: the value is missing", entry->key);
		return;
	}
	r = keys[key].parse(builder, entry->line, entry->value, reason);
	if (r == -ENOMEM)
		builder->no_memory = true;
	else if (r < 0)
		ini_errors_add(builder->errors, entry->file, entry->line, false, "%s: %s",
			       entry->key, reason);
	strbuf_printf(&builder->source, "%s=%s\n", entry->key, entry->value);
}

void policy_handle_entry(void *data, const struct ini_entry *entry)
{
	struct policy_builder *builder = data;

	if (!entry->key) {
		begin_section(builder, entry);
		return;
	}
	if (!builder->policy) {
		if (!*entry->section)
			ini_errors_add(builder->errors, entry->file, entry->line, false,
				       "%s: it stands before the first [policy NAME]", entry->key);
		return;
	}
	for (int key = 0; key < KEY_COUNT; key++) {
		if (strcmp(keys[key].name, entry->key) == 0) {
			parse_key(builder, entry, key);
			return;
		}
	}
	ini_errors_add(builder->errors, entry->file, entry->line, false,
		       "%s: unknown key in policy %s", entry->key, builder->policy->name);
}

static void check_missing(struct policy_builder *builder)
{
	static const enum policy_key needed[] = { KEY_MATCH, KEY_WHEN, KEY_ACTION };
	const struct policy *policy = builder->policy;

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (!builder->lines[needed[i]])
			ini_errors_add(builder->errors, policy->file, policy->line, false,
				       "policy %s: the key \"%s\" is missing", policy->name,
				       keys[needed[i]].name);
	}
}

static void check_clear(struct policy_builder *builder)
{
	const struct policy *policy = builder->policy;
	enum policy_key key = builder->lines[KEY_CLEAR] ? KEY_CLEAR : KEY_CLEAR_WHEN;
	char reason[REASON_SIZE];

	if (policy->when && policy->clear_when &&
	    condition_check_clear(policy->when, policy->clear_when, reason, sizeof(reason)) < 0)
		ini_errors_add(builder->errors, policy->file, builder->lines[key], false, "%s: %s",
			       keys[key].name, reason);
	if (!policy->clear_when && !policy->clear_for_usec && !policy->cooldown_usec)
		ini_errors_add(
			builder->errors, policy->file, policy->line, true,
			"policy %s: without clear_when, clear_for and cooldown an action that "
			"works is undone at once and done again",
			policy->name);
}

static void check_times(struct policy_builder *builder)
{
	static const enum policy_key timed[] = { KEY_FOR, KEY_CLEAR_FOR };
	const struct policy *policy = builder->policy;
	const uint64_t values[] = { policy->for_usec, policy->clear_for_usec };

	for (size_t i = 0; i < ARRAY_SIZE(timed); i++) {
		if (values[i] > 0 && values[i] < builder->check->interval_usec)
			ini_errors_add(
				builder->errors, policy->file, builder->lines[timed[i]], true,
				"%s: it is shorter than the sampling interval of %llu ms, so "
				"one more sample decides",
				keys[timed[i]].name,
				(unsigned long long)builder->check->interval_usec / 1000);
	}
}

void policy_finish(struct policy_builder *builder)
{
	struct policy_set *set = builder->set;
	struct policy **grown;

	if (!builder->policy)
		return;
	check_missing(builder);
	check_clear(builder);
	check_times(builder);
	builder->policy->source = strbuf_take(&builder->source);
	builder->no_memory |= !builder->policy->source;
	memset(builder->lines, 0, sizeof(builder->lines));
	grown = realloc(set->list, (set->n + 1) * sizeof(*grown));
	if (!grown) {
		builder->no_memory = true;
		policy_free(builder->policy);
	} else {
		set->list = grown;
		grown[set->n++] = builder->policy;
	}
	builder->policy = NULL;
}
