// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "tui/policies.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/escape.h"
#include "core/units.h"
#include "tui/report.h"

enum { ITEM_GROUP = 1000 };

const char *policies_reason(const struct browser *browser)
{
	const struct policy_report *report = browser->report;

	if (!report->agent)
		return report->why ? report->why : "no agent answers";
	return NULL;
}

/* ---- items ------------------------------------------------------------------------------ */

struct browser_key policies_key(uint64_t kind, const char *const *words)
{
	struct browser_key key = { .kind = kind };

	for (; *words; words++) {
		struct browser_key word = browser_key_of_text(kind, *words);

		key.id = browser_key_hash(&key) * 31 + word.id;
	}
	return key;
}

int policies_add_below(struct browser *browser, struct browser_item *item, const char *group)
{
	struct browser_item above = { .parent = BROWSER_NONE,
				      .what = ITEM_GROUP,
				      .group = group ? group : "-" };
	int r = 0;

	above.key = browser_key_of_text(ITEM_GROUP, above.group);
	item->parent = BROWSER_NONE;
	/* The latest of a group is likely the one before. */
	for (uint32_t i = browser->n_items; i-- > 0 && item->parent == BROWSER_NONE;) {
		if (browser_key_equal(&browser->items[i].key, &above.key))
			item->parent = i;
		else if (browser->items[i].parent != BROWSER_NONE)
			i = browser->items[i].parent + 1;
	}
	if (item->parent == BROWSER_NONE) {
		r = browser_add(browser, &above);
		item->parent = browser->n_items - 1;
	}
	return r < 0 ? r : browser_add(browser, item);
}

int policies_add(struct browser *browser, struct browser_item *item, const char *policy,
		 const char *path)
{
	item->parent = BROWSER_NONE;
	if (browser->tree == POLICIES_LIST)
		return browser_add(browser, item);
	return policies_add_below(browser, item,
				  browser->tree == POLICIES_BY_POLICY ? policy : path);
}

bool policies_target(const struct browser *browser, const char *path, uint64_t cgroup_id,
		     struct target *ret_target)
{
	uint32_t node = report_find_node(browser->snapshot, path, cgroup_id);

	*ret_target = target_cgroup(browser->snapshot, node);
	return node != NODE_NONE;
}

/* ---- cells ------------------------------------------------------------------------------ */

static enum role add_missing(struct strbuf *text)
{
	strbuf_add_char(text, '-');
	return ROLE_MISSING;
}

enum role policies_add_text(struct strbuf *text, const char *bytes, enum role role)
{
	bool first = true;

	if (!bytes || !*bytes)
		return add_missing(text);
	while (*bytes) {
		size_t length = strcspn(bytes, "\n");

		if (length > 0 && !first)
			strbuf_add_string(text, "; ");
		escape_terminal_append(text, bytes, length);
		first = first && length == 0;
		bytes += length + (bytes[length] == '\n');
	}
	return role;
}

enum role policies_add_group(struct strbuf *text, const struct browser_item *item)
{
	policies_add_text(text, item->group, ROLE_GROUP);
	return ROLE_GROUP;
}

enum role policies_add_count(struct strbuf *text, uint64_t n, enum role role)
{
	strbuf_add_u64(text, n);
	return n ? role : ROLE_ZERO;
}

double policies_since(const struct browser *browser, double moment)
{
	return moment > 0 ? fmax(browser->report->time - moment, 0) : (double)NAN;
}

double policies_left(const struct browser *browser, double moment)
{
	return moment > 0 ? fmax(moment - browser->report->time, 0) : (double)NAN;
}

static enum role add_seconds(struct strbuf *text, double seconds)
{
	if (isnan(seconds))
		return add_missing(text);
	format_age(text, seconds);
	return ROLE_DEFAULT;
}

enum role policies_add_since(const struct browser *browser, struct strbuf *text, double moment)
{
	return add_seconds(text, policies_since(browser, moment));
}

enum role policies_add_left(const struct browser *browser, struct strbuf *text, double moment)
{
	return add_seconds(text, policies_left(browser, moment));
}

/* ---- lines ------------------------------------------------------------------------------ */

void policies_detail_text(struct detail *detail, const char *name, const char *bytes,
			  enum role role)
{
	char safe[64];

	escape_terminal(name, strlen(name), safe, sizeof(safe));
	name = safe;
	while (bytes && *bytes) {
		size_t length = strcspn(bytes, "\n");
		struct strbuf value = { 0 };

		escape_terminal_append(&value, bytes, length);
		detail_take_fact(detail, name, &value, role);
		strbuf_done(&value);
		bytes += length + (bytes[length] == '\n');
		name = "";
	}
}

void policies_detail_section(struct detail *detail, const char *what, const char *name)
{
	struct strbuf text = { 0 };

	strbuf_add_string(&text, what);
	policies_add_text(&text, name, ROLE_SECTION);
	if (!text.failed)
		detail_add_section(detail, text.data);
	strbuf_done(&text);
}

void policies_detail_moment(struct detail *detail, const struct policy_report *report,
			    const char *name, double moment)
{
	time_t seconds = (time_t)moment;
	double ago = report->time - moment;
	struct strbuf value = { 0 };
	struct tm local;
	char clock[64];

	/* Beyond that a year has more than the digits of a date. */
	if (moment <= 0 || moment > 2e11 || !localtime_r(&seconds, &local))
		return;
	strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S", &local);
	strbuf_add_string(&value, clock);
	strbuf_add_string(&value, ago < 0 ? ", in " : ", ");
	format_age(&value, fabs(ago));
	strbuf_add_string(&value, ago < 0 ? "" : " ago");
	detail_take_fact(detail, name, &value, ROLE_DEFAULT);
	strbuf_done(&value);
}

/* "400ms" is a usual time to wait, so that whole seconds would not do. */
static void add_short(struct strbuf *text, double seconds)
{
	if (seconds < 10 && fabs(seconds - rint(seconds)) >= 0.05)
		strbuf_printf(text, "%.1fs", seconds);
	else
		format_age(text, rint(seconds));
}

void policies_add_progress(struct strbuf *text, double seconds, double wanted)
{
	if (wanted <= 0 && seconds <= 0)
		return;
	add_short(text, seconds);
	strbuf_add_string(text, " of ");
	add_short(text, wanted);
}

void policies_detail_rule(struct detail *detail, const struct policy_report *report,
			  const char *name)
{
	const struct report_policy *policy = report_find_policy(report, name);

	if (!policy)
		return;
	policies_detail_text(detail, "Selects", policy->selects, ROLE_DEFAULT);
	policies_detail_text(detail, "When", policy->when, ROLE_DEFAULT);
	policies_detail_text(detail, "Clear when", policy->clear_when, ROLE_DEFAULT);
	policies_detail_text(detail, "Actions", policy->ladder, ROLE_DEFAULT);
	policies_detail_text(detail, "Schedule", policy->schedule, ROLE_DEFAULT);
}
