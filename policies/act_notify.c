// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/act.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "policies/hooks.h"

static const uint64_t hook_timeout_usec = 10000000;

/* "KEY=value" with a NUL behind. What would end the text early ends it. */
static void add_variable(struct strbuf *buffer, const char *key, const char *value)
{
	strbuf_add_string(buffer, key);
	strbuf_add_char(buffer, '=');
	strbuf_add_string(buffer, value ? value : "");
	strbuf_add_char(buffer, '\0');
}

static void add_number(struct strbuf *buffer, const char *key, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	add_variable(buffer, key, text);
}

/* The same for the hook's environment and the journal's fields. */
static void describe(const struct act *act, struct strbuf *buffer)
{
	const struct decision *decision = act->decision;
	char seconds[48];

	snprintf(seconds, sizeof(seconds), "%.3f", (double)decision->breach_usec / 1e6);
	add_variable(buffer, "CGWATCH_POLICY", decision->policy);
	add_variable(buffer, "CGWATCH_CGROUP", decision->node->path);
	add_number(buffer, "CGWATCH_CGROUP_ID", node_id(decision->node));
	add_variable(buffer, "CGWATCH_ACTION", action_name(decision->action.id));
	add_variable(buffer, "CGWATCH_REASON", decision->reason);
	add_variable(buffer, "CGWATCH_UUID", act->uuid);
	add_number(buffer, "CGWATCH_STEP", decision->step);
	add_number(buffer, "CGWATCH_LINE", decision->line);
	add_variable(buffer, "CGWATCH_BREACH_SECONDS", seconds);
	add_variable(buffer, "CGWATCH_SYSTEMD_UNIT", decision->node->unit);
	add_variable(buffer, "CGWATCH_CONTAINER", decision->node->container_id);
}

/* A result that waits for the end of its job. */
static int keep_result(const struct act *act, struct enforcer_result **ret_result)
{
	struct enforcer_result *result = calloc(1, sizeof(*result));
	const struct account account = { .decision = act->decision,
					 .started = act->started,
					 .uuid = act->uuid };

	if (!result)
		return -ENOMEM;
	enforce_fill_result(act->enforcer, &account, result);
	result->duration_usec = act->started; /* until it is over: see on_hook() */
	*ret_result = result;
	return 0;
}

static void drop_result(struct enforcer_result *result)
{
	enforcer_results_free(result, 1);
}

/* Queues it; the result comes when it is over. Takes over what the hook holds. */
static int queue(struct act *act, struct hook *hook)
{
	struct enforcer_result *result = NULL;
	int r = hook->environment && (hook->words || hook->call) ? 0 : -ENOMEM;

	if (r == 0)
		r = keep_result(act, &result);
	hook->about = result;
	if (r == 0)
		r = hooks_push(act->enforcer->hooks, hook);
	if (r == 0) {
		act->later = true;
		return 0;
	}
	free(hook->words);
	free(hook->environment);
	drop_result(result);
	return act_say(act, r, "not started: %s",
		       r == -EAGAIN ? "too many hooks wait" : strerror(-r));
}

/* ---- exec --------------------------------------------------------------------------------------
 */

int act_exec(struct act *act)
{
	static const char path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	const struct action *action = &act->decision->action;
	struct hook hook = { .length = action->text_length,
			     .timeout_usec = action->timeout_usec ? action->timeout_usec
								  : hook_timeout_usec };
	struct strbuf environment;

	if (!action->text || !action->text_length)
		return act_say(act, -EINVAL, "no command");
	if (act->rehearse)
		return act_say(act, 0, "it would run %s", action->text);
	strbuf_init(&environment);
	describe(act, &environment);
	add_variable(&environment, "PATH", path);
	add_variable(&environment, "LANG", "C.UTF-8");
	hook.environment_length = environment.length;
	hook.environment = strbuf_take(&environment);
	hook.words = malloc(action->text_length);
	if (hook.words)
		memcpy(hook.words, action->text, action->text_length);
	return queue(act, &hook);
}

/* ---- notify ------------------------------------------------------------------------------------
 */

enum { FIELDS_MAX = 20 };

/* On the hooks' thread: a frozen or overloaded journald must not hold up the enforcer. */
static int send_to_journal(const struct hook *hook, char *text, size_t size)
{
	struct iovec fields[FIELDS_MAX];
	int n = 0, r;

	for (size_t at = 0; at < hook->environment_length && n < FIELDS_MAX;) {
		size_t length = strlen(hook->environment + at);

		fields[n++] = (struct iovec){ hook->environment + at, length };
		at += length + 1;
	}
	r = sd_journal_sendv(fields, n);
	snprintf(text, size, "%s%s", r < 0 ? "the journal: " : "told", r < 0 ? strerror(-r) : "");
	return r;
}

int act_notify(struct act *act)
{
	const struct decision *decision = act->decision;
	const char *words = decision->action.text ? decision->action.text : "the condition holds";
	_cleanup_(freep) char *message = NULL;
	struct hook hook = { .call = send_to_journal };
	struct strbuf fields;

	if (act->rehearse)
		return act_say(act, 0, "it would say: %s", words);
	if (asprintf(&message, "%s: policy %s: %s (%s)", decision->node->path, decision->policy,
		     words, decision->reason ? decision->reason : "") < 0) {
		message = NULL;
		return act_say(act, -ENOMEM, "no memory");
	}
	log_warning("%s", message);
	strbuf_init(&fields);
	add_variable(&fields, "MESSAGE", message);
	add_variable(&fields, "PRIORITY", "4");
	add_variable(&fields, "SYSLOG_IDENTIFIER", "cgwatchd");
	describe(act, &fields);
	hook.environment_length = fields.length;
	hook.environment = strbuf_take(&fields);
	return queue(act, &hook);
}
