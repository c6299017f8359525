// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_keeper.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "collectors/layer_worker.h"

static const uint64_t MS = 1000000, SECOND = 1000000000, DEFAULT_STUCK = 15 * SECOND;

enum {
	LOCK_MS = 2,	  /* a worker of the idle class may be stopped while it has the lock */
	LOOK_MS = 50,	  /* how often run looks whether a filesystem is stuck */
	JOIN_SECONDS = 5, /* to end a thread that is not stuck, on a machine that is busy */
};

struct layer_keeper {
	struct layer_worker *worker;
	struct layer_records records; /* of the set filled last; the worker has them too */
	pthread_t thread;
	bool started;
	uint32_t fills;
	uint64_t stuck_ns;
};

static int start_thread(struct layer_keeper *keeper)
{
	sigset_t all, before;
	int r;

	if (keeper->started)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	r = pthread_create(&keeper->thread, NULL, layer_worker_run, keeper->worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	keeper->started = r == 0;
	return -r;
}

static int new_worker(const struct layer_keeper_options *options, struct layer_worker **ret_worker)
{
	struct layer_worker *worker = calloc(1, sizeof(*worker));
	pthread_condattr_t attributes;

	if (!worker)
		return -ENOMEM;
	if (options)
		worker->options = *options;
	worker->active = !worker->options.no_thread;
	worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake < 0) {
		int r = -errno;

		free(worker);
		return r;
	}
	pthread_mutex_init(&worker->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&worker->idle, &attributes);
	pthread_condattr_destroy(&attributes);
	*ret_worker = worker;
	return 0;
}

int layer_keeper_new(const struct layer_keeper_options *options, struct layer_keeper **ret_keeper)
{
	struct layer_keeper *keeper = calloc(1, sizeof(*keeper));
	struct layer_worker *worker = NULL;
	int r;

	if (!keeper)
		return -ENOMEM;
	r = new_worker(options, &worker);
	if (r < 0 || !worker) {
		free(keeper);
		return r;
	}
	keeper->worker = worker;
	keeper->stuck_ns = worker->options.stuck_ns ? worker->options.stuck_ns : DEFAULT_STUCK;
	r = worker->options.no_thread ? 0 : start_thread(keeper);
	if (r < 0) {
		layer_worker_free(worker);
		free(keeper);
		return r;
	}
	*ret_keeper = keeper;
	return 0;
}

/* 0: it ended; else it is left to itself, and frees what is its own when it can. */
static int end_thread(struct layer_keeper *keeper)
{
	struct layer_worker *worker = keeper->worker;
	struct sched_param parameter = { 0 };
	struct timespec until;
	bool ended;

	if (!keeper->started)
		return 0;
	pthread_mutex_lock(&worker->lock);
	worker->stop = true;
	pthread_mutex_unlock(&worker->lock);
	layer_worker_wake(worker);
	/* Out of the idle class, or a busy machine would not let it come to its end. */
	pthread_setschedparam(keeper->thread, SCHED_OTHER, &parameter);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += JOIN_SECONDS;
	if (pthread_timedjoin_np(keeper->thread, NULL, &until) == 0)
		return 0;
	pthread_mutex_lock(&worker->lock);
	ended = worker->ended;
	worker->abandoned = true;
	pthread_mutex_unlock(&worker->lock);
	if (ended) {
		pthread_join(keeper->thread, NULL);
		return 0;
	}
	pthread_detach(keeper->thread);
	return -EBUSY;
}

void layer_keeper_free(struct layer_keeper *keeper)
{
	if (!keeper)
		return;
	for (size_t i = 0; i < keeper->records.n; i++) {
		if (!keeper->records.list[i]->handed_over)
			layer_record_free(keeper->records.list[i]);
	}
	if (end_thread(keeper) == 0)
		layer_worker_free(keeper->worker);
	free(keeper->records.list);
	free(keeper);
}

static struct layer_record *find(const struct layer_keeper *keeper, const struct overlay *overlay)
{
	for (size_t i = 0; i < keeper->records.n; i++) {
		if (layer_record_is(keeper->records.list[i], overlay))
			return keeper->records.list[i];
	}
	return NULL;
}

/* A record for each overlay with an upper layer; those not among them are marked otherwise. */
static int match(struct layer_keeper *keeper, const struct overlays *overlays)
{
	keeper->fills++;
	for (uint32_t i = 0; i < overlays->n; i++) {
		const struct overlay *overlay = &overlays->list[i];
		struct layer_record *record;

		if (!overlay_upper(overlay))
			continue;
		record = find(keeper, overlay);
		if (!record) {
			record = layer_record_new(overlay);
			if (!record)
				return -ENOMEM;
			if (!layer_records_add(&keeper->records, record)) {
				layer_record_free(record);
				return -ENOMEM;
			}
		}
		record->mark = keeper->fills;
	}
	return 0;
}

/* With the lock: takes what the worker knows, gives it what is new, and lets go what is gone. */
static void exchange(struct layer_keeper *keeper)
{
	struct layer_worker *worker = keeper->worker;
	uint64_t now = layer_now_ns();

	for (size_t i = 0; i < keeper->records.n;) {
		struct layer_record *record = keeper->records.list[i];

		if (record->mark != keeper->fills) {
			record->gone = true;
			if (!record->handed_over)
				layer_record_free(record);
			keeper->records.list[i] = keeper->records.list[--keeper->records.n];
			continue;
		}
		if (!record->handed_over)
			record->handed_over = layer_records_add(&worker->inbox, record);
		record->seen = record->usage;
		if (worker->busy == record && now > worker->busy_ns + keeper->stuck_ns) {
			record->seen.state = LAYER_STUCK;
			record->seen.error = -ETIMEDOUT;
			record->seen.incremental = false;
		}
		i++;
	}
	worker->stats.layers = keeper->records.n;
}

static void copy_usage(const struct layer_keeper *keeper, struct overlays *overlays)
{
	for (uint32_t i = 0; i < overlays->n; i++) {
		struct overlay *overlay = &overlays->list[i];
		const struct layer_record *record = NULL;

		if (overlay_upper(overlay))
			record = find(keeper, overlay);
		if (record)
			overlay->usage = record->seen;
		else
			overlay->usage.state = overlay_upper(overlay) ? LAYER_PENDING : LAYER_NONE;
	}
}

int layer_keeper_fill(struct layer_keeper *keeper, struct overlays *overlays)
{
	struct timespec until;
	int r = match(keeper, overlays);

	if (r < 0)
		return r;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)(LOCK_MS * MS);
	if (until.tv_nsec >= (long)SECOND) {
		until.tv_nsec -= (long)SECOND;
		until.tv_sec++;
	}
	if (pthread_mutex_timedlock(&keeper->worker->lock, &until) == 0) {
		exchange(keeper);
		pthread_mutex_unlock(&keeper->worker->lock);
		layer_worker_wake(keeper->worker);
	}
	copy_usage(keeper, overlays);
	return 0;
}

/* With the lock: waits until the worker has nothing left, time is up, or it is stuck itself. */
static void wait_idle(struct layer_keeper *keeper, uint64_t budget_ns)
{
	struct layer_worker *worker = keeper->worker;
	uint64_t end = budget_ns ? layer_now_ns() + budget_ns : UINT64_MAX;

	while (!worker->is_idle || worker->inbox.n > 0) {
		uint64_t now = layer_now_ns();
		struct timespec until;

		if (now >= end || (worker->busy && now > worker->busy_ns + keeper->stuck_ns))
			return;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += (long)(LOOK_MS * MS);
		if (until.tv_nsec >= (long)SECOND) {
			until.tv_nsec -= (long)SECOND;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&worker->idle, &worker->lock, &until);
	}
}

int layer_keeper_run(struct layer_keeper *keeper, struct overlays *overlays, uint64_t budget_ns)
{
	struct layer_worker *worker = keeper->worker;
	int r = match(keeper, overlays);

	if (r >= 0)
		r = start_thread(keeper);
	if (r < 0)
		return r;
	pthread_mutex_lock(&worker->lock);
	exchange(keeper);
	worker->active = true;
	worker->is_idle = false;
	layer_worker_wake(worker);
	wait_idle(keeper, budget_ns);
	worker->active = !worker->options.no_thread;
	exchange(keeper);
	pthread_mutex_unlock(&worker->lock);
	copy_usage(keeper, overlays);
	return 0;
}

void layer_keeper_get_stats(const struct layer_keeper *keeper, struct layer_keeper_stats *ret_stats)
{
	pthread_mutex_lock(&keeper->worker->lock);
	*ret_stats = keeper->worker->stats;
	pthread_mutex_unlock(&keeper->worker->lock);
}
