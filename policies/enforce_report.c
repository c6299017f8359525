// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/enforce_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-id128.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "policies/hooks.h"

uint64_t enforce_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void enforce_make_uuid(char uuid[ENFORCER_UUID_SIZE])
{
	sd_id128_t id = SD_ID128_NULL;

	if (sd_id128_randomize(&id) < 0)
		id = SD_ID128_NULL;
	snprintf(uuid, ENFORCER_UUID_SIZE, SD_ID128_UUID_FORMAT_STR, SD_ID128_FORMAT_VAL(id));
}

/* ---- results ----------------------------------------------------------------------------------
 */

static void result_done(struct enforcer_result *result)
{
	free(result->path);
	free(result->policy);
	free(result->text);
	free(result->file);
	free(result->trigger);
	free(result->unit);
}

void enforcer_results_free(struct enforcer_result *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		result_done(&list[i]);
	free(list);
}

static char *copy_or_null(const char *text)
{
	return text && *text ? strdup(text) : NULL;
}

void enforce_fill_result(const struct enforcer *enforcer, const struct account *account,
			 struct enforcer_result *ret_result)
{
	static const struct knob_result none = { .hierarchy = -1 };
	const struct decision *decision = account->decision;
	const struct knob_result *knob = account->knob ? account->knob : &none;
	const char *file = decision->rule ? decision->rule->file : account->file;
	struct knob_value value;

	*ret_result = (struct enforcer_result){
		.op = decision->op,
		.node_serial = decision->node->serial,
		.path = strdup(decision->node->path),
		.policy = strdup(decision->policy),
		.step = decision->step,
		.action = decision->action.id,
		.shadow = decision->shadow || enforcer->context.dry_run,
		.error = account->error,
		.conflict = account->conflict,
		.cancelled = account->cancelled,
		.taken = decision->taken,
		.changed = knob->changed,
		.has_before = knob->has_before,
		.before = knob->before,
		.after = knob->after,
		.requested = knob->requested,
		.knob = action_knob(&decision->action, enforcer->context.hierarchies, &value),
		.duration_usec = enforce_now() - account->started,
		.text = strdup(account->text ? account->text : knob->text),
		.line = decision->line,
		.file = copy_or_null(file),
		.trigger = copy_or_null(decision->reason),
		.unit = copy_or_null(knob->unit),
		.cgroup_id = knob->cgroup_id	  ? knob->cgroup_id
			     : account->cgroup_id ? account->cgroup_id
						  : node_id(decision->node),
		.breach_usec = decision->breach_usec,
		.lease_until = decision->lease_until,
		.processes = account->processes,
	};
	if (action_kind(decision->action.id) == ACTION_KIND_ONCE)
		ret_result->knob = KNOB_COUNT;
	if (account->uuid)
		memcpy(ret_result->uuid, account->uuid, ENFORCER_UUID_SIZE);
	else
		enforce_make_uuid(ret_result->uuid);
	if (account->restore_of)
		memcpy(ret_result->restore_of, account->restore_of, ENFORCER_UUID_SIZE);
}

static void count(struct enforcer_stats *stats, const struct enforcer_result *result)
{
	if (result->cancelled)
		stats->cancelled++;
	else if (result->error < 0)
		stats->failed++;
	else if (result->shadow)
		stats->shadowed++;
	else if (result->op == DECISION_APPLY)
		stats->applied++;
	else if (result->op == DECISION_RELEASE &&
		 (result->knob != KNOB_COUNT || result->restore_of[0]))
		stats->released++; /* of what is done once only a move may be put back */
}

static bool append(struct enforcer *enforcer, const struct enforcer_result *result)
{
	if (enforcer->n_results == enforcer->results_capacity) {
		size_t capacity = enforcer->results_capacity ? 2 * enforcer->results_capacity : 16;
		struct enforcer_result *grown = realloc(enforcer->results,
							capacity * sizeof(*grown));

		if (!grown)
			return false;
		enforcer->results = grown;
		enforcer->results_capacity = capacity;
	}
	enforcer->results[enforcer->n_results++] = *result;
	return true;
}

void enforce_push_result(struct enforcer *enforcer, struct enforcer_result *result)
{
	const uint64_t one = 1;
	bool queued;

	pthread_mutex_lock(&enforcer->lock);
	count(&enforcer->stats, result);
	queued = append(enforcer, result);
	pthread_mutex_unlock(&enforcer->lock);
	if (!queued) {
		log_error("%s: %s: result lost: no memory", result->path ? result->path : "?",
			  result->text ? result->text : "?");
		result_done(result);
		return;
	}
	/* It can only fail when it is full, and then it is readable already. */
	if (write(enforcer->event_fd, &one, sizeof(one)) < 0)
		return;
}

void enforce_tell(struct enforcer *enforcer, const struct account *account)
{
	struct enforcer_result result;

	enforce_fill_result(enforcer, account, &result);
	enforce_push_result(enforcer, &result);
}

int enforcer_collect(struct enforcer *enforcer, struct enforcer_result **ret_list, size_t *ret_n)
{
	uint64_t sum;

	pthread_mutex_lock(&enforcer->lock);
	/* Under the lock: a result that comes after this makes the descriptor readable again. */
	if (read(enforcer->event_fd, &sum, sizeof(sum)) < 0)
		sum = 0;
	*ret_list = enforcer->results;
	*ret_n = enforcer->n_results;
	enforcer->results = NULL;
	enforcer->n_results = enforcer->results_capacity = 0;
	pthread_mutex_unlock(&enforcer->lock);
	return 0;
}

/* ---- what is held ------------------------------------------------------------------------------
 */

void enforcer_holds_free(struct enforcer_hold *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].path);
		free(list[i].policy);
		free(list[i].unit);
	}
	free(list);
}

static bool fill_hold(const struct hold *hold, const struct holder *holder,
		      struct enforcer_hold *ret)
{
	*ret = (struct enforcer_hold){
		.path = strdup(hold->node->path),
		.policy = strdup(holder->policy),
		.node_serial = hold->node->serial,
		.knob = hold->knob,
		.step = holder->step,
		.original = hold->original,
		.wanted = holder->value,
		.written = hold->has_written ? hold->written : hold->original,
		.cgroup_id = hold->cgroup_id ? hold->cgroup_id : node_id(hold->node),
		.unit = copy_or_null(hold->unit),
		.by_hand = strcmp(holder->policy, ENFORCE_BY_HAND) == 0,
		.effective = hold_is_effective(hold, holder),
		.since = holder->since,
		.lease_until = holder->lease_until,
	};
	memcpy(ret->uuid, holder->uuid, sizeof(ret->uuid));
	return ret->path && ret->policy;
}

int enforcer_status(struct enforcer *enforcer, struct enforcer_hold **ret_list, size_t *ret_n)
{
	struct enforcer_hold *list;
	size_t n = 0, room = 1;
	bool good = true;

	pthread_mutex_lock(&enforcer->lock);
	for (size_t i = 0; i < enforcer->n_holds; i++)
		room += enforcer->holds[i]->n_holders;
	list = calloc(room, sizeof(*list));
	for (size_t i = 0; list && i < enforcer->n_holds; i++) {
		const struct hold *hold = enforcer->holds[i];

		for (size_t j = 0; j < hold->n_holders; j++)
			good &= fill_hold(hold, &hold->holders[j], &list[n++]);
	}
	pthread_mutex_unlock(&enforcer->lock);
	if (!list || !good) {
		enforcer_holds_free(list, n);
		return -ENOMEM;
	}
	*ret_list = list;
	*ret_n = n;
	return 0;
}

void enforcer_get_stats(struct enforcer *enforcer, struct enforcer_stats *ret_stats)
{
	pthread_mutex_lock(&enforcer->lock);
	*ret_stats = enforcer->stats;
	ret_stats->held = ret_stats->frozen = ret_stats->pending_restores = 0;
	ret_stats->conflicts_now = enforcer->n_conflicts;
	for (size_t i = 0; i < enforcer->n_holds; i++) {
		const struct hold *hold = enforcer->holds[i];

		ret_stats->held += hold->n_holders;
		ret_stats->frozen += hold->knob == KNOB_FREEZE && hold->has_written;
		/* Not yet back, though nobody holds it or the next value could not be written. */
		ret_stats->pending_restores += hold->retry_at != 0 || hold->n_holders == 0;
	}
	pthread_mutex_unlock(&enforcer->lock);
	ret_stats->hooks_running = hooks_running(enforcer->hooks);
}
