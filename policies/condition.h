/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/event.h"
#include "core/snapshot.h"

/*
 * A condition over the metrics of one cgroup: `metric op value`, joined by and, or, not and
 * brackets; or `event NAME [within TIME]` (core/event.h), true from the moment it happened until
 * the end of that tick, or for TIME. Operators: > >= < <= == !=. Values carry the unit of the
 * metric: "50%" for ratios and for the rate of CPU time (of one core), "512M" for bytes, "10M/s"
 * for their rate, "2s" for times, "5/s" for the rate of a count, a plain number for a count. Pure.
 */
struct condition;

/* Unknown: a value is missing (state not OK). It is never taken for 0. */
enum outcome { OUTCOME_FALSE, OUTCOME_TRUE, OUTCOME_UNKNOWN };

/* One comparison with what stands behind it now. */
struct condition_operand {
	enum metric_id metric;
	enum metric_id over;  /* what it is divided by, or M_NONE; the value is a ratio then */
	const char *operator; /* ">": static text */
	const char *text;     /* the value as written: lives as long as the condition */
	double threshold;     /* in the base unit */
	enum value_state state;
	double value; /* with VALUE_OK, or +infinity with VALUE_UNLIMITED */
	enum outcome outcome;
};

/*
 * Parses. -EINVAL with the reason ("what: why", with the offset's word) in `reason`; -ENOMEM. At
 * most 64 comparisons and 32 levels.
 */
int condition_parse(const char *text, struct condition **ret_condition, char *reason, size_t size);
void condition_free(struct condition *condition);
/* The text it was parsed from. */
const char *condition_text(const struct condition *condition);
/*
 * Three-valued logic (Kleene): "false and unknown" is false, "true or unknown" is true. A limit
 * that is not set compares as infinity; a ratio to a limit that is not set is unknown.
 */
enum outcome condition_evaluate(const struct condition *condition, const struct snapshot *snapshot,
				uint32_t index);
/*
 * The same where some of its events have just happened: bit n of `happened` stands for event number
 * n. Without a bit an event did not happen (false, never unknown).
 */
enum outcome condition_evaluate_events(const struct condition *condition,
				       const struct snapshot *snapshot, uint32_t index,
				       uint64_t happened);
/*
 * condition_evaluate() for `n` nodes at a time, along the columns: much faster. Fills `outcomes`
 * (enum outcome), one a node.
 */
void condition_evaluate_column(const struct condition *condition, const struct snapshot *snapshot,
			       const uint32_t *indices, uint32_t n, uint8_t *outcomes);
/* The events it waits for (at most 64), each once; NULL and 0 if none. */
const struct event_spec *condition_events(const struct condition *condition, size_t *ret_n);
/* How long event number `at` counts as having just happened; 0: until the end of the tick. */
uint64_t condition_event_within(const struct condition *condition, size_t at);
/*
 * How far it is from coming true, 0..1, by its comparisons alone (1: true now; the least of an OR,
 * the most of an AND), for "distance to the trigger". NAN if it cannot be said.
 */
double condition_nearness(const struct condition *condition, const struct snapshot *snapshot,
			  uint32_t index);
/* Adds the columns it looks at, also those in which its events show. */
void condition_needs(const struct condition *condition, struct metric_set *set);
/* Number of comparisons, and the present state of the one at `at` (from 0) for node `index`. */
size_t condition_operands(const struct condition *condition);
void condition_operand(const struct condition *condition, size_t at,
		       const struct snapshot *snapshot, uint32_t index,
		       struct condition_operand *ret_operand);
/* Its left side, "cpu.usage.rate" or "memory.current / memory.max". */
void condition_operand_name(const struct condition_operand *operand, struct strbuf *buffer);
/* Its value for people, or the name of its state ("absent"). */
void condition_operand_value(const struct condition_operand *operand, struct strbuf *buffer);
/* Event number `at` as it is written: "event oom_kill within 30s". */
void condition_format_event(const struct condition *condition, size_t at, struct strbuf *buffer);
/*
 * "cpu.usage.rate 63.1% > 50%: true, event oom_kill (2 so far): not now": every operand with its
 * present value.
 */
void condition_explain(const struct condition *condition, const struct snapshot *snapshot,
		       uint32_t index, struct strbuf *buffer);
/* The same where some events have just happened, as for condition_evaluate_events(). */
void condition_explain_events(const struct condition *condition, const struct snapshot *snapshot,
			      uint32_t index, uint64_t happened, struct strbuf *buffer);
/*
 * True if it holds for no longer than a moment: never without an event that has no `within`. Such a
 * trigger can never hold for a time.
 */
bool condition_is_momentary(const struct condition *condition);
/* True if both say the same, up to spaces. */
bool condition_equal(const struct condition *a, const struct condition *b);
/* The same for all that condition_equal() finds equal: for looking through many. */
uint64_t condition_hash(const struct condition *condition);
/*
 * Looks whether `clear` could hold while `when` does, for the metrics that both compare: -EINVAL
 * with the reason if the clear level is not on the safe side of the trigger.
 */
int condition_check_clear(const struct condition *when, const struct condition *clear, char *reason,
			  size_t size);
/* The known metric name nearest to a misspelt one, or NULL if none is near. Written into `buffer`.
 */
const char *condition_suggest(const char *name, char *buffer, size_t size);
