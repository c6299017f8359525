// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/act.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policies/knob_private.h"

typedef int (*act_function)(struct act *act);

static const act_function acts[ACTION_COUNT] = {
	[ACTION_MEMORY_RECLAIM] = act_reclaim, [ACTION_KILL] = act_kill, [ACTION_MOVE] = act_move,
	[ACTION_NOTIFY] = act_notify,	       [ACTION_EXEC] = act_exec,
};

int act_say(struct act *act, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(act->text, sizeof(act->text), format, arguments);
	va_end(arguments);
	return error;
}

uint64_t act_deadline_ms(const struct act *act)
{
	const unsigned int usual = act->enforcer->context.timeout_ms;
	const uint64_t own = act->decision->action.timeout_usec;

	if (own)
		return knob_clock_ms() + own / 1000;
	return knob_clock_ms() + (usual ? usual : KNOB_TIMEOUT_MS);
}

bool act_allows_protected(const struct act *act)
{
	return act->decision->rule && act->decision->rule->allow_protected;
}

void act_once(struct enforcer *enforcer, const struct decision *decision, uint64_t started)
{
	struct act act = { .enforcer = enforcer,
			   .decision = decision,
			   .started = started,
			   .rehearse = decision->shadow || enforcer->context.dry_run };
	char undone[ENFORCER_UUID_SIZE] = "";
	struct account account = { .decision = decision, .started = started, .text = act.text };

	enforce_make_uuid(act.uuid);
	account.uuid = act.uuid;
	if (decision->op == DECISION_APPLY) {
		account.error = acts[decision->action.id](&act);
	} else {
		act_say(&act, 0, "it was done once: nothing to put back");
		if (act_move_back(&act, &account.error)) {
			/* The uuid of the move stands there now. */
			memcpy(undone, act.uuid, sizeof(undone));
			account.uuid = NULL;
			account.restore_of = undone;
		}
	}
	account.processes = act.processes;
	account.cgroup_id = act.cgroup_id;
	if (!act.later)
		enforce_tell(enforcer, &account);
}

/* ---- a knob changed for a moment ---------------------------------------------------------------
 */

static int write_entry(void *data, const struct knob_result *result)
{
	/* So that a watchdog thaws also when we hang in between. */
	static const uint64_t lease_usec = 30000000;
	struct act_moment *moment = data;
	const struct act *act = moment->act;
	const struct knob_context *context = &act->enforcer->context;
	struct journal_entry entry = {
		.seq = moment->seq,
		.knob = result->knob,
		.hierarchy = context->hierarchies->list[result->hierarchy].name,
		.cgroup_id = result->cgroup_id,
		.path = act->decision->node->path,
		.old = result->before,
		.written = result->requested,
		.before = result->before,
		.holders = act->decision->policy,
		.lease_until = enforce_now() + lease_usec,
		.unit = result->unit[0] ? (char *)result->unit : NULL,
	};
	int r = journal_put(act->enforcer->journal, &entry);

	if (r == 0)
		moment->seq = entry.seq;
	return r;
}

int act_moment_begin(struct act *act, enum knob_id knob, const struct knob_value *value,
		     struct act_moment *ret_moment)
{
	struct knob_request request = { .knob = knob,
					.node = act->decision->node,
					.value = *value,
					.allow_protected = act_allows_protected(act),
					.accept_frozen = true,
					.about_to_write = write_entry,
					.data = ret_moment };
	struct knob_result result;
	int r;

	*ret_moment = (struct act_moment){ .act = act, .knob = knob };
	r = knob_write(&act->enforcer->context, &request, &result);
	ret_moment->before = result.before;
	ret_moment->after = result.after;
	ret_moment->cgroup_id = result.cgroup_id;
	ret_moment->changed = result.changed;
	/* It failed half way, or was undone at once: nothing stays to be undone. */
	if (!result.changed && ret_moment->seq) {
		journal_remove(act->enforcer->journal, ret_moment->seq);
		ret_moment->seq = 0;
	}
	return r;
}

/* It goes on like a hold that nobody holds: tried again until it is back. */
static bool hand_over(struct act_moment *moment)
{
	struct enforcer *enforcer = moment->act->enforcer;
	struct hold *hold = hold_add(enforcer, moment->act->decision->node, moment->knob,
				     &moment->before);

	if (!hold)
		return false;
	pthread_mutex_lock(&enforcer->lock);
	hold->written = moment->after;
	hold->has_written = true;
	hold->seq = moment->seq;
	hold->retry_at = enforce_now() + ENFORCE_RETRY_USEC;
	pthread_mutex_unlock(&enforcer->lock);
	return true;
}

void act_moment_end(struct act_moment *moment)
{
	struct knob_request request = { .knob = moment->knob, .value = moment->before };
	struct knob_result result;
	int r;

	if (!moment->changed)
		return;
	moment->changed = false;
	request.node = moment->act->decision->node;
	request.restore = true;
	request.expected = &moment->after;
	r = knob_write(&moment->act->enforcer->context, &request, &result);
	if (r < 0 && !hold_is_gone(&result) && !hold_is_conflict(&result) && hand_over(moment))
		return;
	if (moment->seq)
		journal_remove(moment->act->enforcer->journal, moment->seq);
}
