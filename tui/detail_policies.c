// SPDX-License-Identifier: MIT
#include "tui/detail.h"

#include <string.h>

#include "core/escape.h"
#include "core/units.h"
#include "tui/policies.h"
#include "tui/report.h"

/* What the agent's report says of one cgroup. */

/* A fact whose name is from outside, too. */
static void take(struct detail *detail, const char *name, struct strbuf *value, enum role role)
{
	char safe[64];

	name = name ? name : "";
	escape_terminal(name, strlen(name), safe, sizeof(safe));
	detail_take_fact(detail, safe, value, role);
}

static void add_hold(struct detail *detail, const struct policy_report *report,
		     const struct report_hold *hold)
{
	struct strbuf value = { 0 };

	policies_add_text(&value, hold->original, ROLE_DEFAULT);
	strbuf_add_string(&value, " before, now ");
	policies_add_text(&value, hold->in_force, ROLE_DEFAULT);
	if (!hold->effective) {
		strbuf_add_string(&value, "; wanted ");
		policies_add_text(&value, hold->wanted, ROLE_DEFAULT);
	}
	strbuf_add_string(&value, hold->by_hand ? ", by hand" : ", by policy ");
	if (!hold->by_hand)
		policies_add_text(&value, hold->policy, ROLE_DEFAULT);
	if (hold->since > 0) {
		strbuf_add_string(&value, " for ");
		format_age(&value, report->time > hold->since ? report->time - hold->since : 0);
	}
	if (hold->until > 0) {
		strbuf_add_string(&value, ", for another ");
		format_age(&value, hold->until > report->time ? hold->until - report->time : 0);
	}
	take(detail, hold->knob, &value, hold->effective ? ROLE_WARN : ROLE_DEFAULT);
	strbuf_done(&value);
}

static void add_track(struct detail *detail, const struct report_track *track)
{
	struct strbuf value = { 0 };

	policies_add_text(&value, track->policy, ROLE_DEFAULT);
	strbuf_add_string(&value, track->shadow ? " (shadow)" : "");
	if (track->trigger) {
		strbuf_add_string(&value, ": ");
		policies_add_text(&value, track->trigger, ROLE_DEFAULT);
	}
	if (track->blocked) {
		strbuf_add_string(&value, "; blocked: ");
		policies_add_text(&value, track->blocked, ROLE_DEFAULT);
	}
	take(detail, track->phase, &value, ROLE_DEFAULT);
	strbuf_done(&value);
}

void detail_add_policies(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	const struct policy_report *report = detail->report;
	const struct node *node = snapshot->tree->nodes[index];
	bool any = false;

	for (uint32_t i = 0; report && i < report->n_holds; i++) {
		const struct report_hold *hold = &report->holds[i];

		if (!report_is_node(node, hold->path, hold->cgroup_id))
			continue;
		if (!any)
			detail_add_section(detail, "Policies");
		any = true;
		add_hold(detail, report, hold);
	}
	for (uint32_t i = 0; report && i < report->n_tracks; i++) {
		const struct report_track *track = &report->tracks[i];

		if (!report_is_node(node, track->path, track->cgroup_id))
			continue;
		if (!any)
			detail_add_section(detail, "Policies");
		any = true;
		add_track(detail, track);
	}
}
