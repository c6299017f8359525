// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/enforce.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "policies/enforce_private.h"

enum { LOOK_AGAIN_MS = 200 }; /* how often leases and retries are looked at */

uint64_t enforce_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void result_done(struct enforcer_result *result)
{
	free(result->path);
	free(result->policy);
	free(result->text);
}

void enforcer_results_free(struct enforcer_result *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		result_done(&list[i]);
	free(list);
}

void enforce_push_result(struct enforcer *enforcer, struct enforcer_result *result)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&enforcer->lock);
	if (enforcer->n_results == enforcer->results_capacity) {
		size_t capacity = enforcer->results_capacity ? 2 * enforcer->results_capacity : 16;
		struct enforcer_result *grown = realloc(enforcer->results,
							capacity * sizeof(*grown));

		if (!grown) {
			pthread_mutex_unlock(&enforcer->lock);
			log_error("%s: %s: result lost: no memory",
				  result->path ? result->path : "?",
				  result->text ? result->text : "?");
			result_done(result);
			return;
		}
		enforcer->results = grown;
		enforcer->results_capacity = capacity;
	}
	enforcer->results[enforcer->n_results++] = *result;
	pthread_mutex_unlock(&enforcer->lock);
	/* It can only fail when it is full, and then it is readable already. */
	if (write(enforcer->event_fd, &one, sizeof(one)) < 0)
		return;
}

/* ---- the thread --------------------------------------------------------------------------------
 */

static struct command *take_command(struct enforcer *enforcer)
{
	struct command *command = enforcer->first;

	if (!command)
		return NULL;
	enforcer->first = command->next;
	if (!enforcer->first)
		enforcer->last = &enforcer->first;
	return command;
}

static void command_free(struct command *command)
{
	decision_done(&command->decision);
	free(command);
}

static void wait_for_work(struct enforcer *enforcer)
{
	struct timespec until;

	if (enforcer->n_holds == 0) {
		pthread_cond_wait(&enforcer->work, &enforcer->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_AGAIN_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&enforcer->work, &enforcer->lock, &until);
}

static void run_command(struct enforcer *enforcer, struct command *command)
{
	if (command->kind == COMMAND_RELEASE_ALL)
		enforce_release_everything(enforcer, false);
	else
		enforce_decision(enforcer, &command->decision);
	command_free(command);
}

static void *run(void *data)
{
	struct enforcer *enforcer = data;
	int r;

	pthread_mutex_lock(&enforcer->lock);
	for (;;) {
		struct command *command = take_command(enforcer);

		if (!command && enforcer->stopping)
			break;
		enforcer->busy = true;
		pthread_mutex_unlock(&enforcer->lock);
		if (command)
			run_command(enforcer, command);
		enforce_leases(enforcer);
		enforce_retries(enforcer);
		pthread_mutex_lock(&enforcer->lock);
		enforcer->busy = false;
		if (enforcer->first)
			continue;
		pthread_cond_broadcast(&enforcer->idle);
		if (!enforcer->stopping)
			wait_for_work(enforcer);
	}
	pthread_mutex_unlock(&enforcer->lock);
	r = enforce_release_everything(enforcer, true);
	pthread_mutex_lock(&enforcer->lock);
	enforcer->stop_error = r;
	pthread_mutex_unlock(&enforcer->lock);
	return NULL;
}

/* Signals are for the main loop, not for a thread in the middle of a write. */
static int start_thread(struct enforcer *enforcer)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&enforcer->thread, NULL, run, enforcer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	enforcer->started = error == 0;
	return -error;
}

int enforcer_new(const struct root *root, const struct hierarchies *hierarchies,
		 struct journal *journal, const struct enforcer_options *options,
		 struct enforcer **ret_enforcer)
{
	struct enforcer *enforcer = calloc(1, sizeof(*enforcer));
	pthread_condattr_t monotonic;
	int r;

	if (!enforcer)
		return -ENOMEM;
	enforcer->context = (struct knob_context){
		.root = root,
		.hierarchies = hierarchies,
		/* Nothing is written that could not be put back after a crash. */
		.dry_run = options->dry_run || !journal,
		.watchdog = options->watchdog,
		.timeout_ms = options->timeout_ms,
		.io = options->io,
	};
	enforcer->journal = journal;
	enforcer->last = &enforcer->first;
	pthread_mutex_init(&enforcer->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&enforcer->work, &monotonic);
	pthread_cond_init(&enforcer->idle, &monotonic);
	pthread_condattr_destroy(&monotonic);
	enforcer->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = enforcer->event_fd < 0 ? -errno : start_thread(enforcer);
	if (r < 0) {
		enforcer_free(enforcer);
		return r;
	}
	*ret_enforcer = enforcer;
	return 0;
}

/* ---- from the loop -----------------------------------------------------------------------------
 */

static void push_command(struct enforcer *enforcer, struct command *command)
{
	pthread_mutex_lock(&enforcer->lock);
	*enforcer->last = command;
	enforcer->last = &command->next;
	pthread_cond_signal(&enforcer->work);
	pthread_mutex_unlock(&enforcer->lock);
}

int enforcer_submit(struct enforcer *enforcer, const struct decision *decision)
{
	struct command *command = calloc(1, sizeof(*command));

	if (!command)
		return -ENOMEM;
	command->decision = *decision;
	command->decision.node = node_ref(decision->node);
	command->decision.set = decision->set ? policy_set_ref(decision->set) : NULL;
	command->decision.verdict = verdict_ref(decision->verdict);
	command->decision.policy = strdup(decision->policy);
	command->decision.reason = strdup(decision->reason ? decision->reason : "");
	if (!command->decision.policy || !command->decision.reason) {
		command_free(command);
		return -ENOMEM;
	}
	push_command(enforcer, command);
	return 0;
}

int enforcer_release_all(struct enforcer *enforcer)
{
	struct command *command = calloc(1, sizeof(*command));

	if (!command)
		return -ENOMEM;
	command->kind = COMMAND_RELEASE_ALL;
	push_command(enforcer, command);
	return 0;
}

int enforcer_fd(const struct enforcer *enforcer)
{
	return enforcer->event_fd;
}

int enforcer_collect(struct enforcer *enforcer, struct enforcer_result **ret_list, size_t *ret_n)
{
	uint64_t count;

	pthread_mutex_lock(&enforcer->lock);
	/* Under the lock: a result that comes after this makes the descriptor readable again. */
	if (read(enforcer->event_fd, &count, sizeof(count)) < 0)
		count = 0;
	*ret_list = enforcer->results;
	*ret_n = enforcer->n_results;
	enforcer->results = NULL;
	enforcer->n_results = enforcer->results_capacity = 0;
	pthread_mutex_unlock(&enforcer->lock);
	return 0;
}

void enforcer_holds_free(struct enforcer_hold *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].path);
		free(list[i].policy);
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
		.effective = hold->has_written,
		.since = holder->since,
		.lease_until = holder->lease_until,
	};
	for (size_t i = 0; i < hold->n_holders; i++)
		ret->effective &= !knob_tighter(hold->knob, &hold->holders[i].value,
						&holder->value);
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
	ret_stats->held = ret_stats->frozen = 0;
	for (size_t i = 0; i < enforcer->n_holds; i++) {
		ret_stats->held += enforcer->holds[i]->n_holders;
		ret_stats->frozen += enforcer->holds[i]->knob == KNOB_FREEZE &&
				     enforcer->holds[i]->has_written;
	}
	pthread_mutex_unlock(&enforcer->lock);
}

int enforcer_drain(struct enforcer *enforcer, unsigned int timeout_ms)
{
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&enforcer->lock);
	while (error == 0 && (enforcer->first || enforcer->busy))
		error = pthread_cond_timedwait(&enforcer->idle, &enforcer->lock, &until);
	pthread_mutex_unlock(&enforcer->lock);
	return -error;
}

int enforcer_stop(struct enforcer *enforcer)
{
	if (!enforcer->started || enforcer->joined)
		return enforcer->stop_error;
	pthread_mutex_lock(&enforcer->lock);
	enforcer->stopping = true;
	pthread_cond_signal(&enforcer->work);
	pthread_mutex_unlock(&enforcer->lock);
	pthread_join(enforcer->thread, NULL);
	enforcer->joined = true;
	return enforcer->stop_error;
}

void enforcer_free(struct enforcer *enforcer)
{
	struct command *command;

	if (!enforcer)
		return;
	enforcer_stop(enforcer);
	while ((command = take_command(enforcer)))
		command_free(command);
	for (size_t i = 0; i < enforcer->n_holds; i++)
		hold_free(enforcer->holds[i]);
	free(enforcer->holds);
	enforcer_results_free(enforcer->results, enforcer->n_results);
	pthread_cond_destroy(&enforcer->work);
	pthread_cond_destroy(&enforcer->idle);
	pthread_mutex_destroy(&enforcer->lock);
	closep(&enforcer->event_fd);
	free(enforcer);
}
