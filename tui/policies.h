/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/policy_report.h"
#include "tui/browser.h"
#include "tui/detail.h"

/*
 * The views of the screen "Policies": what is armed, cgroups under way, what holds what, what was
 * done. Each is a kind of the browser and a file; policies_text.c is what they share.
 */
extern const struct browser_kind policies_armed_kind, policies_tracks_kind, policies_holds_kind,
	policies_actions_kind;

/* Why nothing can be shown, whatever the view; or NULL. */
const char *policies_reason(const struct browser *browser);

/* Trees of what belongs to a policy and a cgroup: browser_kind.trees have these in this order. */
enum policies_tree { POLICIES_LIST, POLICIES_BY_POLICY, POLICIES_BY_CGROUP };
/* Adds the item, below the row of its policy or cgroup if that is the order. -ENOMEM. */
int policies_add(struct browser *browser, struct browser_item *item, const char *policy,
		 const char *path);
/* Below a row of that name, which stands for no more than that; NULL is a "-". -ENOMEM. */
int policies_add_below(struct browser *browser, struct browser_item *item, const char *group);
/* The identity of something, from words that tell it from others; NULL ends. */
struct browser_key policies_key(uint64_t kind, const char *const *words);
/* The cgroup as a target; false if it is gone or made anew. */
bool policies_target(const struct browser *browser, const char *path, uint64_t cgroup_id,
		     struct target *ret_target);

/* ---- cells: what is not there is a "-" ---- */

/* Bytes from outside; lines of it one behind the other. */
enum role policies_add_text(struct strbuf *text, const char *bytes, enum role role);
/* The name of a row that groups others. */
enum role policies_add_group(struct strbuf *text, const struct browser_item *item);
/* A count. */
enum role policies_add_count(struct strbuf *text, uint64_t n, enum role role);
/* "5m12s", since a moment and until one, by the clock of the report. */
enum role policies_add_since(const struct browser *browser, struct strbuf *text, double moment);
enum role policies_add_left(const struct browser *browser, struct strbuf *text, double moment);
/* The same as numbers to sort by. */
double policies_since(const struct browser *browser, double moment);
double policies_left(const struct browser *browser, double moment);

/* ---- lines of the pane: what is not there is left out; names may be from outside ---- */

void policies_detail_text(struct detail *detail, const char *name, const char *bytes,
			  enum role role);
void policies_detail_section(struct detail *detail, const char *what, const char *name);
/* "2026-11-28 16:07:09, 5m12s ago" or "…, in 5m12s". */
void policies_detail_moment(struct detail *detail, const struct policy_report *report,
			    const char *name, double moment);
/* "3s of 10s"; nothing if nothing is wanted. */
void policies_add_progress(struct strbuf *text, double seconds, double wanted);
/* What a policy says: conditions and actions, as they were written. */
void policies_detail_rule(struct detail *detail, const struct policy_report *report,
			  const char *name);
