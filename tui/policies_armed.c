// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/units.h"
#include "tui/policies.h"

/* Which policies are armed, what they select and wait for, how often they acted. */

/* Reasons and cgroups that the pane lists; more are counted. */
#define LISTED 16

enum { ITEM_POLICY = 1 };
enum { TREE_LIST, TREE_MODE, TREE_FILE };

static const char *const trees[] = {
	[TREE_LIST] = "policies",
	[TREE_MODE] = "tree of modes",
	[TREE_FILE] = "tree of files",
};

/* NULL for one that only groups others. */
static const struct report_policy *get(const struct browser *browser,
				       const struct browser_item *item)
{
	return item->what == ITEM_POLICY ? &browser->report->policies[item->index] : NULL;
}

/* ---- columns ---------------------------------------------------------------------------- */

static enum role add_name(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct report_policy *policy = get(browser, item);

	if (!policy)
		return policies_add_group(text, item);
	return policies_add_text(text, policy->name, ROLE_DEFAULT);
}

static bool is_mode(const struct report_policy *policy, const char *mode)
{
	return policy->mode && strcmp(policy->mode, mode) == 0;
}

/* Armed is only what would act now. */
static enum role mode_role(const struct browser *browser, const struct report_policy *policy)
{
	if (!is_mode(policy, "enforce") || policy->asleep)
		return ROLE_ZERO;
	return browser->report->enforcing && !browser->report->stopped ? ROLE_OK : ROLE_WARN;
}

static enum role add_mode(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct report_policy *policy = get(browser, item);

	if (!policy)
		return ROLE_DEFAULT;
	if (policy->asleep && !is_mode(policy, "off"))
		return policies_add_text(text, "asleep", ROLE_ZERO);
	return policies_add_text(text, policy->mode, mode_role(browser, policy));
}

#define TEXT_COLUMN(field)                                                                        \
	static enum role add_##field(const struct browser *browser,                               \
				     const struct browser_item *item, struct strbuf *text)        \
	{                                                                                         \
		const struct report_policy *policy = get(browser, item);                          \
                                                                                                  \
		return policy ? policies_add_text(text, policy->field, ROLE_DEFAULT) : ROLE_ZERO; \
	}

#define COUNT_COLUMN(field, as)                                                            \
	static enum role add_##field(const struct browser *browser,                        \
				     const struct browser_item *item, struct strbuf *text) \
	{                                                                                  \
		const struct report_policy *policy = get(browser, item);                   \
                                                                                           \
		return policy ? policies_add_count(text, policy->field, as) : ROLE_ZERO;   \
	}                                                                                  \
	static double number_##field(const struct browser *browser,                        \
				     const struct browser_item *item)                      \
	{                                                                                  \
		const struct report_policy *policy = get(browser, item);                   \
                                                                                           \
		return policy ? (double)policy->field : (double)NAN;                       \
	}

TEXT_COLUMN(selects)
TEXT_COLUMN(when)
TEXT_COLUMN(ladder)
TEXT_COLUMN(schedule)
COUNT_COLUMN(matches, ROLE_DEFAULT)
COUNT_COLUMN(pending, ROLE_WARN)
COUNT_COLUMN(held, ROLE_WARN)
COUNT_COLUMN(cooldown, ROLE_DEFAULT)
COUNT_COLUMN(blocked, ROLE_BAD)
COUNT_COLUMN(fired, ROLE_DEFAULT)
COUNT_COLUMN(failed, ROLE_BAD)

static enum role add_priority(const struct browser *browser, const struct browser_item *item,
			      struct strbuf *text)
{
	const struct report_policy *policy = get(browser, item);

	if (policy)
		strbuf_printf(text, "%d", policy->priority);
	return policy && policy->priority ? ROLE_DEFAULT : ROLE_ZERO;
}

static double number_priority(const struct browser *browser, const struct browser_item *item)
{
	const struct report_policy *policy = get(browser, item);

	return policy ? policy->priority : (double)NAN;
}

static enum role add_last(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct report_policy *policy = get(browser, item);

	return policy ? policies_add_since(browser, text, policy->last_fired) : ROLE_ZERO;
}

static double number_last(const struct browser *browser, const struct browser_item *item)
{
	const struct report_policy *policy = get(browser, item);

	return policy ? policies_since(browser, policy->last_fired) : (double)NAN;
}

/* clang-format off */
static const struct browser_column columns[] = {
	{ "POLICY", "its name", 12, 2, 0, .add = add_name },
	{ "MODE", "enforce, shadow (nothing is done), off, or asleep: outside of its schedule", 7, 0, 0, .add = add_mode },
	{ "MATCH", "cgroups that its selectors match", 5, 0, 0, true, true, .add = add_matches, .number = number_matches },
	{ "PEND", "of them, whose condition holds, but not for long enough yet", 4, 0, 0, true, true, .add = add_pending, .number = number_pending },
	{ "HELD", "on which it acted and holds on", 4, 0, 0, true, true, .add = add_held, .number = number_held },
	{ "COOL", "released, and left alone for a while", 4, 0, 1, true, true, .add = add_cooldown, .number = number_cooldown },
	{ "BLOCK", "on which it would act if something did not forbid it", 5, 0, 0, true, true, .add = add_blocked, .number = number_blocked },
	{ "FIRED", "how often its condition held for long enough, since the agent started", 5, 0, 0, true, true, .add = add_fired, .number = number_fired },
	{ "FAIL", "actions that failed", 4, 0, 1, true, true, .add = add_failed, .number = number_failed },
	{ "LAST", "how long ago it fired last", 6, 0, 0, true, false, .add = add_last, .number = number_last },
	{ "WHEN", "its condition", 14, 4, 0, .add = add_when },
	{ "SELECTS", "which cgroups", 16, 3, 1, .add = add_selects },
	{ "ACTIONS", "what it does, rung by rung", 16, 3, 1, .add = add_ladder },
	{ "SCHEDULE", "when it is awake", 10, 1, 2, .add = add_schedule },
	{ "PRIO", "between policies that want the same knob", 4, 0, 2, true, true, .add = add_priority, .number = number_priority },
};
/* clang-format on */

/* ---- the pane --------------------------------------------------------------------------- */

static void add_counts(struct detail *detail, const struct policy_report *report,
		       const struct report_policy *policy)
{
	struct strbuf value = { 0 };

	strbuf_printf(&value,
		      "%llu match, %llu pending, %llu held, %llu cooling down, %llu blocked",
		      (unsigned long long)policy->matches, (unsigned long long)policy->pending,
		      (unsigned long long)policy->held, (unsigned long long)policy->cooldown,
		      (unsigned long long)policy->blocked);
	detail_take_fact(detail, "Cgroups", &value, ROLE_DEFAULT);
	strbuf_printf(&value, "%llu time%s since the agent started, %llu in the last hour",
		      (unsigned long long)policy->fired, policy->fired == 1 ? "" : "s",
		      (unsigned long long)policy->fired_last_hour);
	detail_take_fact(detail, "Fired", &value, ROLE_DEFAULT);
	policies_detail_moment(detail, report, "Last", policy->last_fired);
	strbuf_printf(&value, "%llu, of these %llu failed and %llu without effect",
		      (unsigned long long)policy->actions, (unsigned long long)policy->failed,
		      (unsigned long long)policy->ineffective);
	detail_take_fact(detail, "Actions done", &value,
			 policy->failed || policy->ineffective ? ROLE_WARN : ROLE_DEFAULT);
	strbuf_done(&value);
}

static void add_state(struct detail *detail, const struct browser *browser,
		      const struct report_policy *policy)
{
	const struct policy_report *report = browser->report;

	policies_detail_text(detail, "Mode", policy->mode, mode_role(browser, policy));
	if (policy->asleep)
		detail_add_fact(detail, "", "asleep: it is outside of its schedule", ROLE_WARN);
	if (is_mode(policy, "shadow"))
		detail_add_fact(detail, "", "it only says what it would do", ROLE_ZERO);
	if (is_mode(policy, "enforce") && report->stopped)
		detail_add_fact(detail, "", "it does nothing: stopped by the stop file", ROLE_WARN);
	else if (is_mode(policy, "enforce") && !report->enforcing)
		policies_detail_text(detail, "",
				     report->not_enforcing ? report->not_enforcing
							   : "the agent does not enforce",
				     ROLE_WARN);
}

/* Its cgroups that are not idle, with the reason of those that are blocked. */
static void add_tracks(struct detail *detail, const struct policy_report *report,
		       const struct report_policy *policy)
{
	struct strbuf value = { 0 };
	uint32_t n = 0;

	for (uint32_t i = 0; policy->name && i < report->n_tracks; i++) {
		const struct report_track *track = &report->tracks[i];

		if (!track->policy || strcmp(track->policy, policy->name) != 0)
			continue;
		if (n++ == 0)
			detail_add_section(detail, "Cgroups under way");
		if (n > LISTED)
			continue;
		policies_detail_text(detail, track->phase ? track->phase : "", track->path,
				     ROLE_DEFAULT);
		if (!track->blocked)
			continue;
		strbuf_add_string(&value, "blocked: ");
		policies_add_text(&value, track->blocked, ROLE_BAD);
		detail_take_fact(detail, "", &value, ROLE_BAD);
	}
	if (n > LISTED) {
		strbuf_printf(&value, "and %u more", n - LISTED);
		detail_take_fact(detail, "", &value, ROLE_ZERO);
	}
	strbuf_done(&value);
}

static void add_detail(const struct browser *browser, const struct browser_item *item,
		       struct detail *detail)
{
	const struct policy_report *report = browser->report;
	const struct report_policy *policy = get(browser, item);
	struct strbuf value = { 0 };

	if (!policy)
		return;
	policies_detail_section(detail, "Policy ", policy->name);
	add_state(detail, browser, policy);
	policies_detail_rule(detail, report, policy->name);
	if (policy->priority) {
		strbuf_printf(&value, "%d", policy->priority);
		detail_take_fact(detail, "Priority", &value, ROLE_DEFAULT);
	}
	if (policy->file) {
		policies_add_text(&value, policy->file, ROLE_DEFAULT);
		strbuf_printf(&value, ":%u", policy->line);
		detail_take_fact(detail, "From", &value, ROLE_DEFAULT);
	}
	strbuf_done(&value);
	add_counts(detail, report, policy);
	add_tracks(detail, report, policy);
}

/* ---- the rows --------------------------------------------------------------------------- */

static int fill(struct browser *browser)
{
	const struct policy_report *report = browser->report;
	int r = 0;

	for (uint32_t i = 0; i < report->n_policies && r == 0; i++) {
		const struct report_policy *policy = &report->policies[i];
		const char *const words[] = { policy->name ? policy->name : "-", NULL };
		struct browser_item item = { .key = policies_key(ITEM_POLICY, words),
					     .parent = BROWSER_NONE,
					     .index = i,
					     .what = ITEM_POLICY };

		if (browser->tree == TREE_LIST)
			r = browser_add(browser, &item);
		else
			r = policies_add_below(browser, &item,
					       browser->tree == TREE_MODE ? policy->mode
									  : policy->file);
	}
	return r;
}

const struct browser_kind policies_armed_kind = {
	.one = "policy",
	.many = "policies",
	.reading = "asking the agent",
	.none = "no policy is loaded: see cgwatch-policies(5)",
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.trees = trees,
	.n_trees = ARRAY_SIZE(trees),
	.has_detail = true,
	.of_report = true,
	.detail = add_detail,
	.reason = policies_reason,
	.fill = fill,
};
