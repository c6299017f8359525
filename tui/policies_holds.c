// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "core/cleanup.h"
#include "tui/policies.h"

/* What holds what: which knob of which cgroup, what it was before, what it is now, for how long. */

enum { ITEM_HOLD = 3 };

static const char *const trees[] = {
	[POLICIES_LIST] = "holds",
	[POLICIES_BY_POLICY] = "tree of policies",
	[POLICIES_BY_CGROUP] = "tree of cgroups",
};

static const struct report_hold *get(const struct browser *browser, const struct browser_item *item)
{
	return item->what == ITEM_HOLD ? &browser->report->holds[item->index] : NULL;
}

static const char *holder(const struct report_hold *hold)
{
	return hold->by_hand ? "by hand" : hold->policy;
}

static enum role add_path(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct report_hold *hold = get(browser, item);

	if (!hold)
		return policies_add_group(text, item);
	return policies_add_text(text, hold->path, ROLE_DEFAULT);
}

#define TEXT_COLUMN(name, what, as)                                                       \
	static enum role add_##name(const struct browser *browser,                        \
				    const struct browser_item *item, struct strbuf *text) \
	{                                                                                 \
		const struct report_hold *hold = get(browser, item);                      \
                                                                                          \
		return hold ? policies_add_text(text, what, as) : ROLE_DEFAULT;           \
	}

TEXT_COLUMN(knob, hold->knob, ROLE_DEFAULT)
TEXT_COLUMN(policy, holder(hold), hold->effective ? ROLE_DEFAULT : ROLE_ZERO)
TEXT_COLUMN(unit, hold->unit, ROLE_DEFAULT)

/* "25% of one core (25ms of 100ms)": what stands in brackets is for the pane. */
static enum role add_value(struct strbuf *text, const char *value, enum role role)
{
	size_t start = text->length;
	char *bracket;

	role = policies_add_text(text, value, role);
	bracket = text->data && !text->failed ? strstr(text->data + start, " (") : NULL;
	if (bracket) {
		text->length = (size_t)(bracket - text->data);
		*bracket = '\0';
	}
	return role;
}

static enum role add_original(const struct browser *browser, const struct browser_item *item,
			      struct strbuf *text)
{
	const struct report_hold *hold = get(browser, item);

	return hold ? add_value(text, hold->original, ROLE_DEFAULT) : ROLE_DEFAULT;
}

static enum role add_in_force(const struct browser *browser, const struct browser_item *item,
			      struct strbuf *text)
{
	const struct report_hold *hold = get(browser, item);

	return hold ? add_value(text, hold->in_force, ROLE_WARN) : ROLE_DEFAULT;
}

/* What is weaker than another holder's wish waits until that one lets go. */
static enum role add_wanted(const struct browser *browser, const struct browser_item *item,
			    struct strbuf *text)
{
	const struct report_hold *hold = get(browser, item);

	if (!hold)
		return ROLE_DEFAULT;
	return add_value(text, hold->wanted, hold->effective ? ROLE_DEFAULT : ROLE_ZERO);
}

static enum role add_since(const struct browser *browser, const struct browser_item *item,
			   struct strbuf *text)
{
	const struct report_hold *hold = get(browser, item);

	return hold ? policies_add_since(browser, text, hold->since) : ROLE_DEFAULT;
}

static double number_since(const struct browser *browser, const struct browser_item *item)
{
	const struct report_hold *hold = get(browser, item);

	return hold ? policies_since(browser, hold->since) : (double)NAN;
}

static enum role add_left(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct report_hold *hold = get(browser, item);

	return hold ? policies_add_left(browser, text, hold->until) : ROLE_DEFAULT;
}

static double number_left(const struct browser *browser, const struct browser_item *item)
{
	const struct report_hold *hold = get(browser, item);

	return hold ? policies_left(browser, hold->until) : (double)NAN;
}

/* clang-format off */
static const struct browser_column columns[] = {
	{ "CGROUP", "its path", 15, 3, 0, .cut = CUT_START, .add = add_path },
	{ "KNOB", "what is held of it", 11, 1, 0, .add = add_knob },
	{ "BEFORE", "its value before, which returns with the last holder", 6, 1, 0, .add = add_original },
	{ "IN FORCE", "its value now: the tightest that a holder wants", 8, 4, 0, .add = add_in_force },
	{ "WANTED", "what this holder wants; dim: another one's is in force", 6, 5, 0, .add = add_wanted },
	{ "POLICY", "who holds it", 9, 1, 0, .add = add_policy },
	{ "SINCE", "how long", 6, 0, 0, true, false, .add = add_since, .number = number_since },
	{ "LEFT", "of its lease, after which it is put back in any case", 6, 0, 0, true, false, .add = add_left, .number = number_left },
	{ "UNIT", "of systemd, through which it is changed", 12, 0, 1, .add = add_unit },
};
/* clang-format on */

/* ---- the pane --------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static void add_others(struct detail *detail, const struct policy_report *report,
		       const struct report_hold *hold)
{
	bool first = true;

	for (uint32_t i = 0; i < report->n_holds; i++) {
		const struct report_hold *other = &report->holds[i];
		struct strbuf value = { 0 };

		if (other == hold || !same_text(other->path, hold->path) ||
		    !same_text(other->knob, hold->knob))
			continue;
		policies_add_text(&value, other->wanted, ROLE_DEFAULT);
		strbuf_add_string(&value, " by ");
		policies_add_text(&value, other->by_hand ? "hand" : other->policy, ROLE_DEFAULT);
		strbuf_add_string(&value, other->effective ? ", which is in force" : "");
		detail_take_fact(detail, first ? "Also wanted" : "", &value, ROLE_DEFAULT);
		strbuf_done(&value);
		first = false;
	}
}

/* Why: the track that this is a rung of. */
static void add_trigger(struct detail *detail, const struct policy_report *report,
			const struct report_hold *hold)
{
	for (uint32_t i = 0; i < report->n_tracks; i++) {
		const struct report_track *track = &report->tracks[i];

		if (!same_text(track->path, hold->path) || !same_text(track->policy, hold->policy))
			continue;
		policies_detail_text(detail, "Trigger", track->trigger, ROLE_DEFAULT);
		policies_detail_text(detail, "Blocked", track->blocked, ROLE_WARN);
		policies_detail_text(detail, "Error", track->error, ROLE_BAD);
		if (track->ineffective)
			detail_add_fact(detail, "Effect",
					"none was seen: the condition still holds", ROLE_WARN);
	}
}

static void add_detail(const struct browser *browser, const struct browser_item *item,
		       struct detail *detail)
{
	const struct policy_report *report = browser->report;
	const struct report_hold *hold = get(browser, item);

	if (!hold)
		return;
	policies_detail_section(detail, "Cgroup ", hold->path);
	policies_detail_text(detail, "Knob", hold->knob, ROLE_DEFAULT);
	policies_detail_text(detail, "Before", hold->original, ROLE_DEFAULT);
	policies_detail_text(detail, "In force", hold->in_force, ROLE_WARN);
	policies_detail_text(detail, "Wanted", hold->wanted,
			     hold->effective ? ROLE_DEFAULT : ROLE_ZERO);
	if (!hold->effective)
		detail_add_fact(detail, "", "another holder wants it tighter", ROLE_ZERO);
	add_others(detail, report, hold);
	policies_detail_text(detail, "Unit", hold->unit, ROLE_DEFAULT);
	policies_detail_moment(detail, report, "Since", hold->since);
	policies_detail_moment(detail, report, "Until", hold->until);
	policies_detail_text(detail, "Id", hold->uuid, ROLE_ZERO);
	if (hold->by_hand) {
		detail_add_section(detail, "By hand");
		detail_add_fact(detail, "", "f thaws what is frozen", ROLE_ZERO);
		return;
	}
	policies_detail_section(detail, "Policy ", hold->policy);
	add_trigger(detail, report, hold);
	policies_detail_rule(detail, report, hold->policy);
}

/* ---- the rows --------------------------------------------------------------------------- */

static int fill(struct browser *browser)
{
	const struct policy_report *report = browser->report;
	int r = 0;

	for (uint32_t i = 0; i < report->n_holds && r == 0; i++) {
		const struct report_hold *hold = &report->holds[i];
		const char step[] = { (char)('a' + hold->step % 26), '\0' };
		const char *const words[] = { hold->path ? hold->path : "-",
					      hold->knob ? hold->knob : "-",
					      hold->policy ? hold->policy : "-", step, NULL };
		struct browser_item item = { .key = policies_key(ITEM_HOLD, words),
					     .index = i,
					     .what = ITEM_HOLD };

		r = policies_add(browser, &item, holder(hold), hold->path);
	}
	return r;
}

static bool get_target(const struct browser *browser, const struct browser_item *item,
		       struct target *ret_target)
{
	const struct report_hold *hold = get(browser, item);

	return hold && policies_target(browser, hold->path, hold->cgroup_id, ret_target);
}

const struct browser_kind policies_holds_kind = {
	.one = "hold",
	.many = "holds",
	.reading = "asking the agent",
	.none = "nothing is held: every value is as it was",
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.trees = trees,
	.n_trees = ARRAY_SIZE(trees),
	.has_detail = true,
	.of_report = true,
	.detail = add_detail,
	.reason = policies_reason,
	.fill = fill,
	.target = get_target,
};
