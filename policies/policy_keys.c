// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/policy_private.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policies/safe_path.h"

int policy_refuse(const struct policy_value *value, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(value->reason, POLICY_REASON_SIZE, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* ---- simple values ----------------------------------------------------------------------------
 */

static void *member(struct policy_builder *builder, const struct policy_key_row *row)
{
	return (char *)builder->policy + row->offset;
}

static int read_time(const struct policy_value *value, const char *text, uint64_t *ret_usec)
{
	uint64_t bare;

	if (strcmp(text, "0") == 0) {
		*ret_usec = 0;
		return 0;
	}
	if (parse_duration(text, ret_usec) == 0)
		return 0;
	if (parse_u64(text, &bare) == 0)
		return policy_refuse(value, "\"%s\" has no unit: write %ss or %sms", text, text,
				     text);
	return policy_refuse(value, "\"%s\" is not a time such as 500ms, 2s or 1m", text);
}

static int parse_time(struct policy_builder *builder, const struct policy_key_row *row,
		      const struct policy_value *value)
{
	return read_time(value, value->text, member(builder, row));
}

/* Bounds: 0 would be none, and whoever writes 0 means that nothing may be done. */
static int read_number(const struct policy_value *value, uint64_t most, uint64_t *ret_number)
{
	uint64_t number;

	if (parse_u64(value->text, &number) < 0)
		return policy_refuse(value, "\"%s\" is not a whole number", value->text);
	if (number == 0)
		return policy_refuse(
			value, "0 would forbid everything: write mode = off, or leave it out for "
			       "no bound");
	if (number > most)
		return policy_refuse(value, "\"%s\" is too large", value->text);
	*ret_number = number;
	return 0;
}

static int read_unsigned(const struct policy_value *value, unsigned int *ret_number)
{
	uint64_t number = 0;
	int r = read_number(value, 1000000000, &number);

	if (r == 0)
		*ret_number = (unsigned int)number;
	return r;
}

static int parse_unsigned(struct policy_builder *builder, const struct policy_key_row *row,
			  const struct policy_value *value)
{
	return read_unsigned(value, member(builder, row));
}

static int parse_processes(struct policy_builder *builder, const struct policy_key_row *row,
			   const struct policy_value *value)
{
	(void)row;
	return read_number(value, INT64_MAX, &builder->policy->limits.max_processes);
}

static int parse_cgroups(struct policy_builder *builder, const struct policy_key_row *row,
			 const struct policy_value *value)
{
	unsigned int number = 0;
	int r = read_unsigned(value, &number);

	(void)row;
	if (r == 0)
		builder->policy->limits.max_cgroups = number;
	return r;
}

static int parse_share(struct policy_builder *builder, const struct policy_key_row *row,
		       const struct policy_value *value)
{
	double share;

	(void)row;
	if (parse_percent(value->text, &share) < 0 || share <= 0 || share > 1)
		return policy_refuse(value, "\"%s\" is not a share of the machine such as 25%%",
				     value->text);
	builder->policy->limits.max_share = share;
	return 0;
}

static int read_yes(const struct policy_value *value, bool *ret_yes)
{
	*ret_yes = strcmp(value->text, "yes") == 0;
	if (*ret_yes || strcmp(value->text, "no") == 0)
		return 0;
	return policy_refuse(value, "\"%s\" is neither yes nor no", value->text);
}

static int parse_yes(struct policy_builder *builder, const struct policy_key_row *row,
		     const struct policy_value *value)
{
	return read_yes(value, member(builder, row));
}

static int parse_priority(struct policy_builder *builder, const struct policy_key_row *row,
			  const struct policy_value *value)
{
	bool negative = value->text[0] == '-';
	uint64_t number;

	(void)row;
	if (parse_u64(value->text + negative, &number) < 0 || number > 1000000)
		return policy_refuse(value, "\"%s\" is not a whole number from -1000000 to 1000000",
				     value->text);
	builder->policy->priority = negative ? -(int)number : (int)number;
	return 0;
}

/* The number of a word in a list, or -EINVAL. */
static int find_word(const struct policy_value *value, const char *const *words, int n)
{
	struct strbuf all;

	for (int i = 0; i < n; i++) {
		if (strcmp(value->text, words[i]) == 0)
			return i;
	}
	strbuf_init(&all);
	for (int i = 0; i < n; i++)
		strbuf_printf(&all, "%s%s", i ? ", " : "", words[i]);
	policy_refuse(value, "\"%s\" is none of %s", value->text, all.failed ? "these" : all.data);
	strbuf_done(&all);
	return -EINVAL;
}

static int parse_mode(struct policy_builder *builder, const struct policy_key_row *row,
		      const struct policy_value *value)
{
	const char *const words[] = { policy_mode_name(POLICY_OFF), policy_mode_name(POLICY_SHADOW),
				      policy_mode_name(POLICY_ENFORCE) };
	int mode = find_word(value, words, ARRAY_SIZE(words));

	(void)row;
	if (mode >= 0)
		builder->policy->mode = (enum policy_mode)mode;
	return mode < 0 ? mode : 0;
}

static int parse_ineffective(struct policy_builder *builder, const struct policy_key_row *row,
			     const struct policy_value *value)
{
	static const char *const words[] = { [INEFFECTIVE_REPORT] = "report",
					     [INEFFECTIVE_ESCALATE] = "escalate",
					     [INEFFECTIVE_ROLLBACK] = "rollback" };
	int what = find_word(value, words, ARRAY_SIZE(words));

	(void)row;
	if (what >= 0)
		builder->policy->ineffective = (enum policy_ineffective)what;
	return what < 0 ? what : 0;
}

/* ---- conditions, schedules --------------------------------------------------------------------
 */

static int parse_when(struct policy_builder *builder, const struct policy_key_row *row,
		      const struct policy_value *value)
{
	(void)row;
	return condition_parse(value->text, &builder->policy->when, value->reason,
			       POLICY_REASON_SIZE);
}

static int parse_clear_when(struct policy_builder *builder, const struct policy_key_row *row,
			    const struct policy_value *value)
{
	(void)row;
	if (builder->policy->clear_when)
		return policy_refuse(value, "\"clear\" and \"clear_when\" are the same: write one");
	return condition_parse(value->text, &builder->policy->clear_when, value->reason,
			       POLICY_REASON_SIZE);
}

static int parse_schedule(struct policy_builder *builder, const struct policy_key_row *row,
			  const struct policy_value *value)
{
	(void)row;
	return schedule_add(&builder->policy->schedule, value->text, value->reason,
			    POLICY_REASON_SIZE);
}

/* ---- the ladder -------------------------------------------------------------------------------
 */

static int parse_step(struct policy_builder *builder, const struct policy_value *value,
		      const char *text, struct policy_step *step)
{
	int r;

	step->line = value->line;
	r = action_parse(text, &step->action, value->reason, POLICY_REASON_SIZE);
	if (r == 0 && step->action.id == ACTION_EXEC)
		r = safe_path_check_command(step->action.text, value->reason, POLICY_REASON_SIZE);
	if (r == 0 && builder->check->hierarchies)
		r = action_check_host(&step->action, builder->check->hierarchies, value->reason,
				      POLICY_REASON_SIZE);
	return r;
}

static int parse_action(struct policy_builder *builder, const struct policy_key_row *row,
			const struct policy_value *value)
{
	(void)row;
	return parse_step(builder, value, value->text, &builder->policy->steps[0]);
}

/* Takes the last word "after=TIME" out of `text`. */
static int take_after(char *text, const struct policy_value *value, uint64_t *ret_usec)
{
	char *at = text, *found = NULL, *end, last;
	int r;

	for (; (at = strstr(at, "after=")); at++) {
		if (at == text || at[-1] == ' ' || at[-1] == '\t')
			found = at;
	}
	if (!found)
		return policy_refuse(value,
				     "it needs after=TIME, as in \"freeze lease=20s after=1m\"");
	end = found + strcspn(found, " \t");
	last = *end;
	*end = '\0';
	r = read_time(value, found + strlen("after="), ret_usec);
	*end = last;
	/* With the blanks before it: a text or an argument must not keep them. */
	while (found > text && (found[-1] == ' ' || found[-1] == '\t'))
		found--;
	memmove(found, end, strlen(end) + 1);
	return r;
}

static int parse_then(struct policy_builder *builder, const struct policy_key_row *row,
		      const struct policy_value *value)
{
	_cleanup_(freep) char *text = strdup(value->text);
	struct policy *policy = builder->policy;
	struct policy_step *grown, step = { 0 };
	int r;

	(void)row;
	if (!text)
		return -ENOMEM;
	if (policy->n_steps == POLICY_STEPS_MAX)
		return policy_refuse(value, "a ladder has at most %d rungs", POLICY_STEPS_MAX);
	r = take_after(text, value, &step.after_usec);
	if (r == 0)
		r = parse_step(builder, value, text, &step);
	grown = r == 0 ? realloc(policy->steps, (policy->n_steps + 1) * sizeof(*grown)) : NULL;
	if (!grown) {
		action_done(&step.action);
		return r < 0 ? r : -ENOMEM;
	}
	policy->steps = grown;
	grown[policy->n_steps++] = step;
	return 0;
}

static int parse_restore(struct policy_builder *builder, const struct policy_key_row *row,
			 const struct policy_value *value)
{
	struct policy *policy = builder->policy;
	const char *text = value->text;

	(void)row;
	policy->restore_on_clear = policy->restore_on_exit = false;
	if (strcmp(text, "never") == 0)
		return 0;
	while (*text) {
		size_t length = strcspn(text, ", \t");

		if (length == 8 && memcmp(text, "on-clear", 8) == 0)
			policy->restore_on_clear = true;
		else if (length == 7 && memcmp(text, "on-exit", 7) == 0)
			policy->restore_on_exit = true;
		else
			return policy_refuse(value,
					     "\"%.*s\" is none of on-clear, on-exit (or never)",
					     (int)length, text);
		text += length;
		text += strspn(text, ", \t");
	}
	return 0;
}

const struct policy_key_row policy_keys[KEY_COUNT] = {
	[KEY_WHEN] = { "when", .parse = parse_when },
	[KEY_FOR] = { "for", .parse = parse_time, .offset = offsetof(struct policy, for_usec) },
	[KEY_CLEAR_WHEN] = { "clear_when", .parse = parse_clear_when },
	[KEY_CLEAR] = { "clear", .parse = parse_clear_when },
	[KEY_CLEAR_FOR] = { "clear_for", .parse = parse_time,
			    .offset = offsetof(struct policy, clear_for_usec) },
	[KEY_ACTION] = { "action", .parse = parse_action },
	[KEY_THEN] = { "then", .repeats = true, .parse = parse_then },
	[KEY_COOLDOWN] = { "cooldown", .parse = parse_time,
			   .offset = offsetof(struct policy, cooldown_usec) },
	[KEY_MAX_PER_HOUR] = { "max_per_hour", .parse = parse_unsigned,
			       .offset = offsetof(struct policy, limits.max_per_hour) },
	[KEY_MAX_CONCURRENT] = { "max_concurrent", .parse = parse_unsigned,
				 .offset = offsetof(struct policy, limits.max_concurrent) },
	[KEY_MAX_PROCESSES] = { "max_processes", .parse = parse_processes },
	[KEY_MAX_CGROUPS] = { "max_cgroups", .parse = parse_cgroups },
	[KEY_MAX_SHARE] = { "max_share", .parse = parse_share },
	[KEY_SCHEDULE] = { "schedule", .repeats = true, .parse = parse_schedule },
	[KEY_PRIORITY] = { "priority", .parse = parse_priority },
	[KEY_EFFECT_AFTER] = { "effect_after", .parse = parse_time,
			       .offset = offsetof(struct policy, effect_after_usec) },
	[KEY_INEFFECTIVE] = { "ineffective", .parse = parse_ineffective },
	[KEY_ALLOW_PROTECTED] = { "allow_protected", .parse = parse_yes,
				  .offset = offsetof(struct policy, allow_protected) },
	[KEY_RESTORE] = { "restore", .parse = parse_restore },
	[KEY_MODE] = { "mode", .parse = parse_mode },
};

/* ---- [global] ---------------------------------------------------------------------------------
 */

static int parse_allow_kill(struct policy_builder *builder, const struct policy_key_row *row,
			    const struct policy_value *value)
{
	(void)row;
	return read_yes(value, &builder->set->global.allow_kill);
}

static int parse_bound(struct policy_builder *builder, const struct policy_key_row *row,
		       const struct policy_value *value)
{
	return read_unsigned(value,
			     (unsigned int *)(void *)((char *)&builder->set->global + row->offset));
}

static int parse_stop_file(struct policy_builder *builder, const struct policy_key_row *row,
			   const struct policy_value *value)
{
	(void)row;
	if (value->text[0] != '/')
		return policy_refuse(value, "\"%s\" is not an absolute path", value->text);
	builder->set->global.stop_file = strdup(value->text);
	return builder->set->global.stop_file ? 0 : -ENOMEM;
}

const struct policy_key_row policy_global_keys[GLOBAL_COUNT] = {
	[GLOBAL_ALLOW_KILL] = { "allow_kill", .parse = parse_allow_kill },
	[GLOBAL_MAX_FROZEN] = { "max_frozen", .parse = parse_bound,
				.offset = offsetof(struct policy_global, max_frozen) },
	[GLOBAL_MAX_HELD] = { "max_held", .parse = parse_bound,
			      .offset = offsetof(struct policy_global, max_held) },
	[GLOBAL_MAX_PER_HOUR] = { "max_per_hour", .parse = parse_bound,
				  .offset = offsetof(struct policy_global, max_per_hour) },
	[GLOBAL_STOP_FILE] = { "stop_file", .parse = parse_stop_file },
};
