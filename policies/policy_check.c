// SPDX-License-Identifier: MIT
#include "policies/policy_check.h"

#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"

static void tell(struct policy_builder *builder, unsigned int line, bool warning, const char *what,
		 const char *why)
{
	ini_errors_add(builder->errors, builder->policy->file, line, warning, "%s: %s", what, why);
}

static void check_missing(struct policy_builder *builder)
{
	static const enum policy_key needed[] = { KEY_WHEN, KEY_ACTION };
	const struct policy *policy = builder->policy;

	if (selectors_is_empty(policy->selectors))
		ini_errors_add(
			builder->errors, policy->file, policy->line, false,
			"policy %s: the key \"match\" is missing (or another that says for which "
			"cgroups it is: unit, container, image, kind, user, process, namespace)",
			policy->name);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (!builder->lines[needed[i]])
			ini_errors_add(builder->errors, policy->file, policy->line, false,
				       "policy %s: the key \"%s\" is missing", policy->name,
				       policy_keys[needed[i]].name);
	}
}

/* True if the policy does nothing but tell: there is nothing that could be undone. */
static bool only_tells(const struct policy *policy)
{
	for (size_t i = 0; i < policy->n_steps; i++) {
		if (policy->steps[i].action.id != ACTION_NOTIFY)
			return false;
	}
	return true;
}

static void check_clear(struct policy_builder *builder)
{
	const struct policy *policy = builder->policy;
	enum policy_key key = builder->lines[KEY_CLEAR] ? KEY_CLEAR : KEY_CLEAR_WHEN;
	char reason[POLICY_REASON_SIZE];

	if (policy->when && policy->clear_when &&
	    condition_check_clear(policy->when, policy->clear_when, reason, sizeof(reason)) < 0)
		tell(builder, builder->lines[key], false, policy_keys[key].name, reason);
	if (!policy->clear_when && !policy->clear_for_usec && !policy->cooldown_usec &&
	    !only_tells(policy))
		ini_errors_add(
			builder->errors, policy->file, policy->line, true,
			"policy %s: without clear_when, clear_for and cooldown an action that "
			"works is undone at once and done again",
			policy->name);
}

static void check_times(struct policy_builder *builder)
{
	static const enum policy_key timed[] = { KEY_FOR, KEY_CLEAR_FOR, KEY_EFFECT_AFTER };
	const struct policy *policy = builder->policy;
	const uint64_t values[] = { policy->for_usec, policy->clear_for_usec,
				    policy->effect_after_usec };

	for (size_t i = 0; i < ARRAY_SIZE(timed); i++) {
		if (values[i] > 0 && values[i] < builder->check->interval_usec)
			ini_errors_add(
				builder->errors, policy->file, builder->lines[timed[i]], true,
				"%s: it is shorter than the sampling interval of %llu ms, so "
				"one more sample decides",
				policy_keys[timed[i]].name,
				(unsigned long long)builder->check->interval_usec / 1000);
	}
}

/* A moment cannot last. */
static void check_moments(struct policy_builder *builder)
{
	const struct policy *policy = builder->policy;

	if (policy->when && policy->for_usec > 0 && condition_is_momentary(policy->when))
		tell(builder, builder->lines[KEY_FOR], false, "for",
		     "the condition holds only at the moment of an event, never for a time: write "
		     "\"event NAME within TIME\", or leave \"for\" out");
	if (policy->clear_when && policy->clear_for_usec > 0 &&
	    condition_is_momentary(policy->clear_when))
		tell(builder, builder->lines[KEY_CLEAR_FOR], false, "clear_for",
		     "the clear condition holds only at the moment of an event, never for a time");
}

static void check_ineffective(struct policy_builder *builder)
{
	const struct policy *policy = builder->policy;

	if (!builder->lines[KEY_INEFFECTIVE])
		return;
	if (!policy->effect_after_usec)
		tell(builder, builder->lines[KEY_INEFFECTIVE], false, "ineffective",
		     "without effect_after nobody looks whether an action helped");
	if (policy->ineffective == INEFFECTIVE_ESCALATE && policy->n_steps == 1)
		tell(builder, builder->lines[KEY_INEFFECTIVE], true, "ineffective",
		     "there is no further rung to go to: write one with \"then\"");
}

/* A rung that takes back what one before it did. */
static void check_ladder(struct policy_builder *builder)
{
	const struct hierarchies *hierarchies = builder->check->hierarchies;
	const struct policy *policy = builder->policy;
	struct knob_value early, late;

	for (size_t i = 1; i < policy->n_steps; i++) {
		enum knob_id knob = action_knob(&policy->steps[i].action, hierarchies, &late);

		for (size_t j = 0; j < i && knob != KNOB_COUNT && knob_name(knob); j++) {
			if (policy->steps[j].line == 0 ||
			    action_knob(&policy->steps[j].action, hierarchies, &early) != knob ||
			    !knob_same_place(knob, &early, &late) ||
			    !knob_tighter(knob, &early, &late))
				continue;
			ini_errors_add(builder->errors, policy->file, policy->steps[i].line, true,
				       "then: it allows more than the rung of line %u, which stays "
				       "in force",
				       policy->steps[j].line);
			break;
		}
	}
}

void policy_check_one(struct policy_builder *builder)
{
	check_missing(builder);
	check_clear(builder);
	check_times(builder);
	check_moments(builder);
	check_ineffective(builder);
	check_ladder(builder);
}
