// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/units.h"
#include "tui/policies.h"

/* The cgroups under way: on which a policy is not idle. */

enum { ITEM_TRACK = 2 };

static const char *const trees[] = {
	[POLICIES_LIST] = "cgroups",
	[POLICIES_BY_POLICY] = "tree of policies",
	[POLICIES_BY_CGROUP] = "tree of cgroups",
};

static const struct report_track *get(const struct browser *browser,
				      const struct browser_item *item)
{
	return item->what == ITEM_TRACK ? &browser->report->tracks[item->index] : NULL;
}

static enum role add_path(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct report_track *track = get(browser, item);

	if (!track)
		return policies_add_group(text, item);
	return policies_add_text(text, track->path, ROLE_DEFAULT);
}

static bool is_phase(const struct report_track *track, const char *phase)
{
	return track->phase && strcmp(track->phase, phase) == 0;
}

static enum role phase_role(const struct report_track *track)
{
	if (track->shadow || is_phase(track, "cooldown"))
		return ROLE_ZERO;
	return is_phase(track, "held") ? ROLE_WARN : ROLE_DEFAULT;
}

static enum role add_phase(const struct browser *browser, const struct browser_item *item,
			   struct strbuf *text)
{
	const struct report_track *track = get(browser, item);

	if (!track)
		return ROLE_DEFAULT;
	strbuf_add_string(text, track->shadow ? "(" : "");
	policies_add_text(text, track->phase, ROLE_DEFAULT);
	strbuf_add_string(text, track->shadow ? ")" : "");
	return phase_role(track);
}

static enum role add_policy(const struct browser *browser, const struct browser_item *item,
			    struct strbuf *text)
{
	const struct report_track *track = get(browser, item);

	return track ? policies_add_text(text, track->policy, ROLE_DEFAULT) : ROLE_DEFAULT;
}

static void add_rungs(struct strbuf *text, const struct report_track *track)
{
	if (track->of_rungs > 1)
		strbuf_printf(text, "rung %u of %u", track->rungs, track->of_rungs);
}

/* How far it is on its way to the next thing that happens. */
static enum role add_progress(const struct browser *browser, const struct browser_item *item,
			      struct strbuf *text)
{
	const struct report_track *track = get(browser, item);

	if (!track)
		return ROLE_DEFAULT;
	if (is_phase(track, "pending")) {
		policies_add_progress(text, track->breach_seconds, track->breach_wanted);
	} else if (is_phase(track, "cooldown")) {
		policies_add_left(browser, text, track->until);
		strbuf_add_string(text, " left");
	} else if (track->clear_seconds > 0) {
		strbuf_add_string(text, "clear ");
		policies_add_progress(text, track->clear_seconds, track->clear_wanted);
	} else {
		add_rungs(text, track);
	}
	if (text->length == 0)
		return policies_add_text(text, NULL, ROLE_DEFAULT);
	return ROLE_DEFAULT;
}

static enum role add_since(const struct browser *browser, const struct browser_item *item,
			   struct strbuf *text)
{
	const struct report_track *track = get(browser, item);

	return track ? policies_add_since(browser, text, track->held_since) : ROLE_DEFAULT;
}

static double number_since(const struct browser *browser, const struct browser_item *item)
{
	const struct report_track *track = get(browser, item);

	return track ? policies_since(browser, track->held_since) : (double)NAN;
}

static enum role add_left(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct report_track *track = get(browser, item);

	return track ? policies_add_left(browser, text, track->until) : ROLE_DEFAULT;
}

static double number_left(const struct browser *browser, const struct browser_item *item)
{
	const struct report_track *track = get(browser, item);

	return track ? policies_left(browser, track->until) : (double)NAN;
}

static enum role add_trigger(const struct browser *browser, const struct browser_item *item,
			     struct strbuf *text)
{
	const struct report_track *track = get(browser, item);

	return track ? policies_add_text(text, track->trigger, ROLE_DEFAULT) : ROLE_DEFAULT;
}

/* What stands in the way, the worst first. */
static enum role add_blocked(const struct browser *browser, const struct browser_item *item,
			     struct strbuf *text)
{
	const struct report_track *track = get(browser, item);

	if (!track)
		return ROLE_DEFAULT;
	if (track->error)
		return policies_add_text(text, track->error, ROLE_BAD);
	if (track->blocked)
		return policies_add_text(text, track->blocked, ROLE_WARN);
	return policies_add_text(text, track->ineffective ? "no effect" : NULL, ROLE_WARN);
}

enum { COLUMN_PHASE = 1 };

/* clang-format off */
static const struct browser_column columns[] = {
	{ "CGROUP", "its path", 15, 3, 0, .cut = CUT_START, .add = add_path },
	[COLUMN_PHASE] = { "PHASE", "pending, held, or cooldown after that; in brackets: shadow, nothing is done", 9, 0, 0, .add = add_phase },
	{ "POLICY", "whose condition it is about", 9, 1, 0, .add = add_policy },
	{ "PROGRESS", "how long the condition has held of how long it has to; or the rung; or what is left", 15, 0, 0, .add = add_progress },
	{ "SINCE", "how long it has been held", 6, 0, 1, true, false, .add = add_since, .number = number_since },
	{ "LEFT", "of the lease or the cooldown", 6, 0, 1, true, false, .add = add_left, .number = number_left },
	{ "TRIGGER", "what the condition is made of, with its values", 10, 4, 0, .add = add_trigger },
	{ "IN THE WAY", "why it does not act, or what went wrong when it did", 10, 3, 0, .add = add_blocked },
};
/* clang-format on */

/* ---- the pane --------------------------------------------------------------------------- */

static void add_progress_fact(struct detail *detail, const char *name, double seconds,
			      double wanted)
{
	struct strbuf value = { 0 };

	if (seconds > 0)
		policies_add_progress(&value, seconds, wanted);
	if (value.length > 0)
		detail_take_fact(detail, name, &value, ROLE_DEFAULT);
	strbuf_done(&value);
}

static void add_detail(const struct browser *browser, const struct browser_item *item,
		       struct detail *detail)
{
	const struct policy_report *report = browser->report;
	const struct report_track *track = get(browser, item);
	struct strbuf value = { 0 };

	if (!track)
		return;
	policies_detail_section(detail, "Cgroup ", track->path);
	policies_detail_text(detail, "Phase", track->phase, phase_role(track));
	if (track->shadow)
		detail_add_fact(detail, "", "shadow: nothing is done", ROLE_ZERO);
	policies_detail_text(detail, "Trigger", track->trigger, ROLE_DEFAULT);
	policies_detail_text(detail, "Blocked", track->blocked, ROLE_WARN);
	policies_detail_text(detail, "Error", track->error, ROLE_BAD);
	if (track->ineffective)
		detail_add_fact(detail, "Effect", "none was seen: the condition still holds",
				ROLE_WARN);
	add_progress_fact(detail, "Has held", track->breach_seconds, track->breach_wanted);
	add_progress_fact(detail, "Is clear", track->clear_seconds, track->clear_wanted);
	add_rungs(&value, track);
	if (value.length > 0)
		detail_take_fact(detail, "Ladder", &value, ROLE_DEFAULT);
	strbuf_done(&value);
	policies_detail_moment(detail, report, "Held since", track->held_since);
	policies_detail_moment(detail, report, "Until", track->until);
	policies_detail_section(detail, "Policy ", track->policy);
	policies_detail_rule(detail, report, track->policy);
}

/* ---- the rows --------------------------------------------------------------------------- */

static int fill(struct browser *browser)
{
	const struct policy_report *report = browser->report;
	int r = 0;

	for (uint32_t i = 0; i < report->n_tracks && r == 0; i++) {
		const struct report_track *track = &report->tracks[i];
		const char *const words[] = { track->path ? track->path : "-",
					      track->policy ? track->policy : "-", NULL };
		struct browser_item item = { .key = policies_key(ITEM_TRACK, words),
					     .index = i,
					     .what = ITEM_TRACK };

		r = policies_add(browser, &item, track->policy, track->path);
	}
	return r;
}

static bool get_target(const struct browser *browser, const struct browser_item *item,
		       struct target *ret_target)
{
	const struct report_track *track = get(browser, item);

	return track && policies_target(browser, track->path, track->cgroup_id, ret_target);
}

const struct browser_kind policies_tracks_kind = {
	.one = "cgroup",
	.many = "cgroups",
	.reading = "asking the agent",
	.none = "all is quiet: no condition of a policy holds",
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
