// SPDX-License-Identifier: MIT
/* `cgwatch policy status`: what is armed, what holds what since when, what was done. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/control_client.h"
#include "agent/verbs/policy.h"
#include "core/cleanup.h"
#include "core/escape.h"
#include "core/units.h"

/* Of each list; --json has all. */
enum { SHOWN_MAX = 20, SAFE_MAX = 1024 };

struct page {
	const json_t *status;
	double now;
};

/* A text of the answer, made safe for a terminal; `fallback` if it has none. */
static const char *text_of(const json_t *object, const char *name, const char *fallback,
			   char *buffer)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (!text)
		return fallback;
	escape_terminal(text, strlen(text), buffer, SAFE_MAX);
	return buffer;
}

static double number_of(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

static bool is_true(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

/* "5m12s" between now and a moment, either way. */
static const char *span(const struct page *page, double moment, char *buffer, size_t size)
{
	double seconds = moment > page->now ? moment - page->now : page->now - moment;
	struct strbuf text;

	strbuf_init(&text);
	format_age(&text, seconds);
	snprintf(buffer, size, "%s", text.data ? text.data : "?");
	strbuf_done(&text);
	return buffer;
}

static void print_state(const struct page *page)
{
	char why[SAFE_MAX];

	if (is_true(page->status, "stopped"))
		printf("STOPPED: the kill-switch file is there, nothing is done\n");
	else if (is_true(page->status, "enforcing"))
		printf("enforcing\n");
	else
		printf("not enforcing: %s\n",
		       text_of(page->status, "not_enforcing", "no reason given", why));
	printf("frozen %.0f, restores pending %.0f, conflicts %.0f, failed %.0f\n",
	       number_of(page->status, "frozen"), number_of(page->status, "restores_pending"),
	       number_of(page->status, "conflicts"), number_of(page->status, "failed"));
}

static void print_policy(const struct page *page, const json_t *row)
{
	double last = number_of(row, "last_fired");
	char name[SAFE_MAX], ago[32];

	printf("policy %-20s %-8s %6.0f %7.0f %5.0f %8.0f %7.0f %6.0f  %s%s%s\n",
	       text_of(row, "name", "-", name), json_string_value(json_object_get(row, "mode")),
	       number_of(row, "matches"), number_of(row, "pending"), number_of(row, "held"),
	       number_of(row, "blocked"), number_of(row, "fired"), number_of(row, "failed"),
	       last > 0 ? span(page, last, ago, sizeof(ago)) : "never", last > 0 ? " ago" : "",
	       is_true(row, "asleep") ? ", asleep by its schedule" : "");
}

static void print_track(const struct page *page, const json_t *row)
{
	char policy[SAFE_MAX], path[SAFE_MAX], text[SAFE_MAX], time[32];
	double until = number_of(row, "until"), wanted = number_of(row, "breach_wanted");

	printf("%-8s %s  by %s", text_of(row, "phase", "-", text), text_of(row, "path", "-", path),
	       text_of(row, "policy", "-", policy));
	if (strcmp(text, "pending") == 0) {
		printf(", for %.1fs", number_of(row, "breach_seconds"));
		if (wanted > 0)
			printf(" of %gs", wanted);
	}
	if (number_of(row, "rungs") > 0)
		printf(", rung %.0f of %.0f", number_of(row, "rungs"), number_of(row, "of_rungs"));
	if (number_of(row, "held_since") > 0)
		printf(", since %s", span(page, number_of(row, "held_since"), time, sizeof(time)));
	if (until > page->now)
		printf(", %s left", span(page, until, time, sizeof(time)));
	if (is_true(row, "shadow"))
		printf(", shadow");
	if (json_object_get(row, "blocked"))
		printf(", blocked by %s", text_of(row, "blocked", "", text));
	if (is_true(row, "ineffective"))
		printf(", did not help");
	if (json_object_get(row, "error"))
		printf(", failed: %s", text_of(row, "error", "", text));
	printf("\n");
}

static void print_hold(const struct page *page, const json_t *row)
{
	char policy[SAFE_MAX], path[SAFE_MAX], wanted[SAFE_MAX], original[SAFE_MAX], time[32];
	const char *by = text_of(row, "policy", "-", policy);
	double until = number_of(row, "until");

	printf("held     %s  %s = %s", text_of(row, "path", "-", path),
	       json_string_value(json_object_get(row, "knob")),
	       text_of(row, "wanted", "-", wanted));
	printf(" (was %s) %s%s for %s", text_of(row, "original", "-", original),
	       strcmp(by, "by hand") == 0 ? "" : "by ", by,
	       span(page, number_of(row, "since"), time, sizeof(time)));
	if (until > page->now)
		printf(", %s left", span(page, until, time, sizeof(time)));
	if (json_object_get(row, "unit"))
		printf(", through systemd");
	printf("%s\n", is_true(row, "effective") ? "" : "; a tighter one holds");
}

static void print_action(const struct page *page, const json_t *row)
{
	char policy[SAFE_MAX], path[SAFE_MAX], action[SAFE_MAX], text[SAFE_MAX], time[32];

	printf("%6s ago %s: %s %s %s: %s", span(page, number_of(row, "time"), time, sizeof(time)),
	       text_of(row, "policy", "-", policy), text_of(row, "path", "-", path),
	       json_string_value(json_object_get(row, "op")), text_of(row, "action", "", action),
	       json_string_value(json_object_get(row, "result")));
	if (json_object_get(row, "text"))
		printf(" (%s)", text_of(row, "text", "", text));
	printf("\n");
}

static void print_list(const struct page *page, const char *name, const char *none,
		       void (*print)(const struct page *page, const json_t *row))
{
	const json_t *row, *list = json_object_get(page->status, name);
	size_t i, more = 0;
	char left_out[32];

	json_array_foreach(list, i, row)
	{
		if (i < SHOWN_MAX)
			print(page, row);
	}
	snprintf(left_out, sizeof(left_out), "%s_left_out", name);
	if (json_array_size(list) > SHOWN_MAX)
		more = json_array_size(list) - SHOWN_MAX +
		       (size_t)number_of(page->status, left_out);
	if (more > 0)
		printf("  and %zu more (see --json)\n", more);
	if (json_array_size(list) == 0 && none)
		printf("%s\n", none);
}

static void print_status(const json_t *status)
{
	const struct page page = { status, number_of(status, "time") };

	print_state(&page);
	if (json_array_size(json_object_get(status, "policies")) > 0)
		printf("\n       %-20s %-8s %6s %7s %5s %8s %7s %6s  %s\n", "NAME", "MODE",
		       "CGROUPS", "PENDING", "HELD", "BLOCKED", "FIRED", "FAILED", "LAST");
	print_list(&page, "policies", "no policy is loaded", print_policy);
	print_list(&page, "tracks", NULL, print_track);
	print_list(&page, "holds", "nothing is held", print_hold);
	if (json_array_size(json_object_get(status, "actions")) > 0)
		printf("\nlast actions:\n");
	print_list(&page, "actions", NULL, print_action);
}

int policy_status(struct context *context, int argc, char **argv)
{
	bool as_json = argc == 2 && strcmp(argv[1], "--json") == 0;
	struct strbuf answer;
	json_t *parsed;
	int r;

	if (argc > 1 && !as_json)
		return context_usage(context, "status: %s: takes only --json", argv[1]);
	strbuf_init(&answer);
	r = control_ask_within(context->state_dir, "status", CONTROL_QUICK_MS, &answer);
	if (r < 0) {
		strbuf_done(&answer);
		return context_fail(context, EXIT_FAILED, "status: %s/control: %s",
				    context->state_dir, control_error_text(r));
	}
	if (as_json) {
		r = context_write(context, &answer);
	} else {
		parsed = json_loadb(answer.data, answer.length, 0, NULL);
		if (json_is_object(parsed))
			print_status(parsed);
		else
			r = context_fail(context, EXIT_FAILED,
					 "status: the agent's answer is no JSON");
		json_decref(parsed);
	}
	strbuf_done(&answer);
	return r;
}
