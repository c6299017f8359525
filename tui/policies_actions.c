// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "core/cleanup.h"
#include "tui/policies.h"

/* What was done lately, newest first. */

enum { ITEM_ACTION = 4 };

static const char *const trees[] = {
	[POLICIES_LIST] = "actions",
	[POLICIES_BY_POLICY] = "tree of policies",
	[POLICIES_BY_CGROUP] = "tree of cgroups",
};

static const struct report_action *get(const struct browser *browser,
				       const struct browser_item *item)
{
	return item->what == ITEM_ACTION ? &browser->report->actions[item->index] : NULL;
}

static enum role add_path(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct report_action *action = get(browser, item);

	if (!action)
		return policies_add_group(text, item);
	return policies_add_text(text, action->path, ROLE_DEFAULT);
}

static enum role add_ago(const struct browser *browser, const struct browser_item *item,
			 struct strbuf *text)
{
	const struct report_action *action = get(browser, item);

	return action ? policies_add_since(browser, text, action->time) : ROLE_DEFAULT;
}

/* Of the same moment: in the order of the report. */
static double number_ago(const struct browser *browser, const struct browser_item *item)
{
	const struct report_action *action = get(browser, item);

	return action ? policies_since(browser, action->time) + 1e-6 * item->index : (double)NAN;
}

static enum role result_role(const struct report_action *action)
{
	static const struct {
		const char *result;
		enum role role;
	} roles[] = {
		{ "done", ROLE_OK },
		{ "failed", ROLE_BAD },
		{ "conflict", ROLE_WARN },
		{ "shadow", ROLE_ZERO },
	};

	for (size_t i = 0; action->result && i < ARRAY_SIZE(roles); i++) {
		if (strcmp(action->result, roles[i].result) == 0)
			return roles[i].role;
	}
	return ROLE_DEFAULT;
}

#define TEXT_COLUMN(field, as)                                                             \
	static enum role add_##field(const struct browser *browser,                        \
				     const struct browser_item *item, struct strbuf *text) \
	{                                                                                  \
		const struct report_action *action = get(browser, item);                   \
                                                                                           \
		return action ? policies_add_text(text, action->field, as) : ROLE_DEFAULT; \
	}

TEXT_COLUMN(action, ROLE_DEFAULT)
TEXT_COLUMN(op, ROLE_DEFAULT)
TEXT_COLUMN(result, result_role(action))
TEXT_COLUMN(policy, ROLE_DEFAULT)
TEXT_COLUMN(text, ROLE_DEFAULT)

enum { COLUMN_AGO = 1 };

/* clang-format off */
static const struct browser_column columns[] = {
	{ "CGROUP", "its path", 14, 3, 0, .cut = CUT_START, .add = add_path },
	[COLUMN_AGO] = { "AGO", "how long ago", 6, 0, 0, true, false, .add = add_ago, .number = number_ago },
	{ "ACTION", "what was done", 11, 0, 0, .add = add_action },
	{ "OP", "apply, release (put back) or report", 7, 0, 0, .add = add_op },
	{ "RESULT", "done, failed, shadow (nothing was done), or conflict: somebody else changed it", 8, 0, 0, .add = add_result },
	{ "POLICY", "by which policy", 9, 1, 0, .add = add_policy },
	{ "TEXT", "in words: from what to what, or why not", 9, 5, 0, .add = add_text },
};
/* clang-format on */

static void add_detail(const struct browser *browser, const struct browser_item *item,
		       struct detail *detail)
{
	const struct policy_report *report = browser->report;
	const struct report_action *action = get(browser, item);

	if (!action)
		return;
	policies_detail_section(detail, "Cgroup ", action->path);
	policies_detail_moment(detail, report, "When", action->time);
	policies_detail_text(detail, "Action", action->action, ROLE_DEFAULT);
	policies_detail_text(detail, "Operation", action->op, ROLE_DEFAULT);
	policies_detail_text(detail, "Result", action->result, result_role(action));
	policies_detail_text(detail, "In words", action->text, ROLE_DEFAULT);
	policies_detail_section(detail, "Policy ", action->policy);
	policies_detail_rule(detail, report, action->policy);
}

/* The list slides with every new one: an action is its moment, and its place among equal ones. */
static uint64_t id_of(const struct policy_report *report, uint32_t index)
{
	double time = report->actions[index].time;
	uint64_t later = 0;

	for (uint32_t i = index + 1; i < report->n_actions && report->actions[i].time >= time; i++)
		later++;
	return (uint64_t)fmin(fmax(time, 0) * 1e6, 1e18) * 8 + later;
}

static int fill(struct browser *browser)
{
	const struct policy_report *report = browser->report;
	int r = 0;

	for (uint32_t i = 0; i < report->n_actions && r == 0; i++) {
		const struct report_action *action = &report->actions[i];
		struct browser_item item = { .key = { ITEM_ACTION, id_of(report, i) },
					     .index = i,
					     .what = ITEM_ACTION };

		r = policies_add(browser, &item, action->policy, action->path);
	}
	return r;
}

static bool get_target(const struct browser *browser, const struct browser_item *item,
		       struct target *ret_target)
{
	const struct report_action *action = get(browser, item);

	return action && policies_target(browser, action->path, 0, ret_target);
}

const struct browser_kind policies_actions_kind = {
	.one = "action",
	.many = "actions",
	.reading = "asking the agent",
	.none = "nothing was done since the agent started",
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.trees = trees,
	.n_trees = ARRAY_SIZE(trees),
	.first_sort = COLUMN_AGO,
	.has_detail = true,
	.of_report = true,
	.detail = add_detail,
	.reason = policies_reason,
	.fill = fill,
	.target = get_target,
};
