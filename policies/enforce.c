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
#include "policies/hooks.h"

enum { LOOK_AGAIN_USEC = 1000000, HOOKS_MAX = 4, ADOPT_MS = 10000 };

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
	snapshot_unref(command->snapshot);
	free(command);
}

/*
 * Until there is a command, or something to do without one. The condition's clock stands still
 * while the machine sleeps and leases do not: with one under way it looks every second.
 */
static void wait_for_work(struct enforcer *enforcer)
{
	uint64_t next = hold_next_time(enforcer), now = enforce_now(), wait;
	struct timespec until;

	if (next == UINT64_MAX) {
		pthread_cond_wait(&enforcer->work, &enforcer->lock);
		return;
	}
	wait = next > now ? next - now : 0;
	if (wait > LOOK_AGAIN_USEC)
		wait = LOOK_AGAIN_USEC;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(wait / 1000000);
	until.tv_nsec += (long)(wait % 1000000) * 1000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&enforcer->work, &enforcer->lock, &until);
}

static void run_command(struct enforcer *enforcer, struct command *command)
{
	if (command->kind == COMMAND_RELEASE_ALL)
		enforce_release_everything(enforcer, false);
	else if (command->kind == COMMAND_ADOPT)
		enforce_adopt(enforcer, command->snapshot);
	else if (command->kind == COMMAND_BY_HAND)
		enforce_by_hand(enforcer, &command->decision);
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
		enforce_drift(enforcer);
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

/* A hook ended: its result was made when it was started. On the hooks' thread. */
static void on_hook(void *data, void *about, int error, const char *text)
{
	struct enforcer_result *result = about;

	result->error = error;
	result->duration_usec = enforce_now() - result->duration_usec;
	free(result->text);
	result->text = strdup(text);
	enforce_push_result(data, result);
	free(result);
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
		.guards = options->guards,
		.units = options->units,
	};
	enforcer->recheck = options->recheck;
	enforcer->recheck_data = options->recheck_data;
	enforcer->journal = journal;
	enforcer->last = &enforcer->first;
	pthread_mutex_init(&enforcer->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&enforcer->work, &monotonic);
	pthread_cond_init(&enforcer->idle, &monotonic);
	pthread_condattr_destroy(&monotonic);
	enforcer->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = enforcer->event_fd < 0 ? -errno : 0;
	if (r == 0)
		r = hooks_new(options->max_hooks ? options->max_hooks : HOOKS_MAX, on_hook,
			      enforcer, &enforcer->hooks);
	if (r == 0)
		r = start_thread(enforcer);
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

int enforcer_by_hand(struct enforcer *enforcer, struct node *node, bool freeze,
		     uint64_t lease_until)
{
	struct command *command = calloc(1, sizeof(*command));

	if (!command)
		return -ENOMEM;
	command->kind = COMMAND_BY_HAND;
	command->decision = (struct decision){
		.op = freeze ? DECISION_APPLY : DECISION_RELEASE,
		.node = node_ref(node),
		.policy = strdup(ENFORCE_BY_HAND),
		.action = { .id = ACTION_FREEZE, .value = { .number = 1 } },
		.restore_on_exit = true,
		.lease_until = lease_until,
		.reason = strdup(ENFORCE_BY_HAND),
	};
	if (!command->decision.policy || !command->decision.reason) {
		command_free(command);
		return -ENOMEM;
	}
	push_command(enforcer, command);
	return 0;
}

int enforcer_adopt(struct enforcer *enforcer, const struct snapshot *snapshot,
		   struct enforcer_hold **ret_list, size_t *ret_n)
{
	struct command *command = calloc(1, sizeof(*command));
	int r;

	if (!command)
		return -ENOMEM;
	command->kind = COMMAND_ADOPT;
	command->snapshot = snapshot_ref((struct snapshot *)snapshot);
	push_command(enforcer, command);
	r = enforcer_drain(enforcer, ADOPT_MS);
	return r < 0 ? r : enforcer_status(enforcer, ret_list, ret_n);
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
	/* What still runs is ended now, and its results wait for the last collecting. */
	hooks_free(enforcer->hooks);
	enforcer->hooks = NULL;
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
	for (size_t i = 0; i < enforcer->n_conflicts; i++)
		node_unref(enforcer->conflicts[i].node);
	hooks_free(enforcer->hooks);
	enforcer_results_free(enforcer->results, enforcer->n_results);
	pthread_cond_destroy(&enforcer->work);
	pthread_cond_destroy(&enforcer->idle);
	pthread_mutex_destroy(&enforcer->lock);
	closep(&enforcer->event_fd);
	free(enforcer);
}
