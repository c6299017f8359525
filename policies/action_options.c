// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/glob.h"
#include "core/units.h"
#include "policies/action_private.h"

enum { LEAST_USEC = 100000 };

static int parse_time(const char *text, uint64_t most_usec, uint64_t *ret_usec)
{
	uint64_t usec;

	if (parse_duration(text, &usec) < 0)
		return -EINVAL;
	*ret_usec = usec;
	return usec < LEAST_USEC || usec > most_usec ? -ERANGE : 0;
}

static void add_time(const char *name, uint64_t usec, struct strbuf *buffer)
{
	if (!usec)
		return;
	strbuf_printf(buffer, " %s=", name);
	strbuf_add_fixed(buffer, usec, 6);
	strbuf_add_char(buffer, 's');
}

static int parse_lease(const char *text, struct action *action, const char **ret_reason)
{
	int r = parse_time(text, UINT64_C(86400000000), &action->lease_usec);

	*ret_reason = r == -ERANGE ? "it must be from 100ms to 1d" : "it is not a time such as 30s";
	return r;
}

static void format_lease(const struct action *action, struct strbuf *buffer)
{
	add_time("lease", action->lease_usec, buffer);
}

static int parse_timeout(const char *text, struct action *action, const char **ret_reason)
{
	int r = parse_time(text, UINT64_C(3600000000), &action->timeout_usec);

	*ret_reason = r == -ERANGE ? "it must be from 100ms to 1h" : "it is not a time such as 10s";
	return r;
}

static void format_timeout(const struct action *action, struct strbuf *buffer)
{
	add_time("timeout", action->timeout_usec, buffer);
}

static int parse_yes(const char *text, bool *ret_yes, const char **ret_reason)
{
	*ret_reason = "it is neither yes nor no";
	*ret_yes = strcmp(text, "yes") == 0;
	return *ret_yes || strcmp(text, "no") == 0 ? 0 : -EINVAL;
}

static int parse_allow_oom(const char *text, struct action *action, const char **ret_reason)
{
	return parse_yes(text, &action->allow_oom, ret_reason);
}

static void format_allow_oom(const struct action *action, struct strbuf *buffer)
{
	strbuf_add_string(buffer, action->allow_oom ? " allow_oom=yes" : "");
}

static int parse_below(const char *text, struct action *action, const char **ret_reason)
{
	return parse_yes(text, &action->allow_below_working_set, ret_reason);
}

static void format_below(const struct action *action, struct strbuf *buffer)
{
	strbuf_add_string(buffer, action->allow_below_working_set ? " below_working_set=yes" : "");
}

static int parse_step(const char *text, struct action *action, const char **ret_reason)
{
	*ret_reason = "it is not a percentage from 1% to 100%";
	if (parse_percent(text, &action->step) < 0)
		return -EINVAL;
	return action->step < 0.01 || action->step > 1 ? -ERANGE : 0;
}

static void format_step(const struct action *action, struct strbuf *buffer)
{
	if (action->step > 0)
		strbuf_printf(buffer, " step=%.6g%%", action->step * 100);
}

static int parse_process(const char *text, struct action *action, const char **ret_reason)
{
	if (glob_check(text, ret_reason) < 0)
		return -EINVAL;
	free(action->text);
	action->text = strdup(text);
	action->text_length = strlen(text);
	return action->text ? 0 : -ENOMEM;
}

static void format_process(const struct action *action, struct strbuf *buffer)
{
	if (!action->text)
		return;
	strbuf_add_string(buffer, " process=");
	action_add_word(buffer, action->text, false);
}

static int parse_back(const char *text, struct action *action, const char **ret_reason)
{
	return parse_yes(text, &action->back, ret_reason);
}

static void format_back(const struct action *action, struct strbuf *buffer)
{
	strbuf_add_string(buffer, action->back ? " back=yes" : "");
}

const struct action_option action_option_lease = { "lease", parse_lease, format_lease };
const struct action_option action_option_timeout = { "timeout", parse_timeout, format_timeout };
const struct action_option action_option_allow_oom = { "allow_oom", parse_allow_oom,
						       format_allow_oom };
const struct action_option action_option_below_working_set = { "below_working_set", parse_below,
							       format_below };
const struct action_option action_option_step = { "step", parse_step, format_step };
const struct action_option action_option_process = { "process", parse_process, format_process };
const struct action_option action_option_back = { "back", parse_back, format_back };
