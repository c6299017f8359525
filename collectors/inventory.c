// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/inventory.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "collectors/inventory_pass.h"
#include "core/cleanup.h"
#include "core/clock.h"

#define SECOND_NS UINT64_C(1000000000)

/* Time between passes that is left alone for each unit of CPU time that one takes: 1 %. */
enum { COST_SHARE = 100, LINGER_S = 60, DEFAULT_PERIOD_S = 5 };

/* The same for taking in what was measured meanwhile: 5 %, since it ends soon. */
enum { REFILL_SHARE = 20 };

struct inventory_keeper {
	struct inventory_pass *pass; /* of the thread, or of the one caller */
	uint64_t period_ns;
	bool threaded;
	pthread_t thread;
	pthread_mutex_t mutex; /* guards what is below */
	pthread_cond_t wake;
	bool stop, now;
	unsigned int wanted, lingering;
	uint64_t linger_until_ns;
	struct inventory *latest;
	uint64_t refill_cpu_ns; /* of the last one */
	struct inventory_stats stats;
};

unsigned int inventory_expand(unsigned int parts)
{
	if (parts & INVENTORY_ORPHANS)
		parts |= INVENTORY_CONTAINERS | INVENTORY_OVERLAYS;
	if (parts & INVENTORY_USAGE)
		parts |= INVENTORY_OVERLAYS;
	/* Which cgroup and which mount namespace: from the processes. Whose: from the runtimes. */
	if (parts & INVENTORY_OVERLAYS)
		parts |= INVENTORY_CONTAINERS;
	if (parts & (INVENTORY_HOLDERS | INVENTORY_CONTAINERS))
		parts |= INVENTORY_NAMESPACES;
	return parts;
}

/* What the next pass is to make. Called with the mutex held. */
static unsigned int parts_now(struct inventory_keeper *keeper)
{
	if (keeper->lingering && clock_ns(CLOCK_MONOTONIC) >= keeper->linger_until_ns)
		keeper->lingering = 0;
	return inventory_expand(keeper->wanted | keeper->lingering);
}

/* Called with the mutex held, which it gives up while it works. */
static int run_pass(struct inventory_keeper *keeper, unsigned int parts, uint64_t budget_ns)
{
	struct inventory *inventory = NULL, *old;
	struct inventory_stats stats = keeper->stats;
	uint64_t cpu;
	int r;

	pthread_mutex_unlock(&keeper->mutex);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	r = inventory_pass_run(keeper->pass, parts, budget_ns, &stats, &inventory);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	pthread_mutex_lock(&keeper->mutex);
	stats.passes++;
	stats.errors += r < 0;
	stats.cpu_ns += cpu;
	stats.last_cpu_ns = cpu;
	keeper->stats = stats;
	if (!inventory)
		return r;
	old = keeper->latest;
	keeper->latest = inventory;
	inventory_unref(old);
	return r;
}

static bool still_measuring(const struct inventory *inventory)
{
	const struct overlays *overlays = inventory ? inventory->overlays : NULL;

	for (uint32_t i = 0; overlays && i < overlays->n; i++) {
		if (overlays->list[i].usage.state == LAYER_PENDING)
			return true;
	}
	return false;
}

/* Called with the mutex held, which it gives up while it works. */
static void refill(struct inventory_keeper *keeper)
{
	struct inventory *old = inventory_ref(keeper->latest), *inventory = NULL;
	uint64_t cpu;
	int r;

	pthread_mutex_unlock(&keeper->mutex);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	r = inventory_pass_refill(keeper->pass, old, &inventory);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	inventory_unref(old);
	pthread_mutex_lock(&keeper->mutex);
	keeper->stats.cpu_ns += cpu;
	keeper->refill_cpu_ns = cpu;
	if (r < 0)
		return;
	inventory_unref(keeper->latest);
	keeper->latest = inventory;
}

/*
 * How long after its start a pass is followed by the next. The first one fills what the others only
 * compare with, so what it cost says little.
 */
static uint64_t period_of(const struct inventory_keeper *keeper)
{
	uint64_t period = keeper->stats.passes > 1 ? keeper->stats.last_cpu_ns * COST_SHARE : 0;

	return period > keeper->period_ns ? period : keeper->period_ns;
}

static bool timed_out(struct inventory_keeper *keeper, uint64_t due_ns)
{
	struct timespec until = { (time_t)(due_ns / SECOND_NS), (long)(due_ns % SECOND_NS) };

	return pthread_cond_timedwait(&keeper->wake, &keeper->mutex, &until) == ETIMEDOUT;
}

/*
 * Waits until the next pass is due. Numbers of layers come in from another thread: while some are
 * still awaited, they are taken in meanwhile.
 */
static void wait_due(struct inventory_keeper *keeper, uint64_t began_ns)
{
	const uint64_t due = began_ns + period_of(keeper);

	while (!keeper->stop && !keeper->now) {
		uint64_t pause = keeper->refill_cpu_ns * REFILL_SHARE;
		uint64_t soon = clock_ns(CLOCK_MONOTONIC) + (pause > SECOND_NS ? pause : SECOND_NS);

		if (parts_now(keeper) == 0 && keeper->latest)
			return; /* to let go of it */
		if (parts_now(keeper) == 0)
			pthread_cond_wait(&keeper->wake, &keeper->mutex);
		else if (!still_measuring(keeper->latest) || soon >= due) {
			if (timed_out(keeper, due))
				return;
		} else if (timed_out(keeper, soon)) {
			refill(keeper);
		}
	}
}

static void *keep(void *data)
{
	struct inventory_keeper *keeper = data;

	pthread_mutex_lock(&keeper->mutex);
	while (!keeper->stop) {
		uint64_t began_ns = clock_ns(CLOCK_MONOTONIC);
		unsigned int parts = parts_now(keeper);

		keeper->now = false;
		if (parts) {
			run_pass(keeper, parts, 0);
		} else {
			inventory_unref(keeper->latest);
			keeper->latest = NULL;
		}
		wait_due(keeper, began_ns);
	}
	pthread_mutex_unlock(&keeper->mutex);
	return NULL;
}

/* Signals are for the threads of the program that made us. */
static int start_thread(struct inventory_keeper *keeper)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&keeper->thread, NULL, keep, keeper);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return -r;
	pthread_setname_np(keeper->thread, "cgw-inventory");
	keeper->threaded = true;
	return 0;
}

int inventory_keeper_new(const struct root *root, const struct hierarchies *hierarchies,
			 const struct inventory_options *options,
			 struct inventory_keeper **ret_keeper)
{
	static const struct inventory_options none;
	struct inventory_keeper *keeper = calloc(1, sizeof(*keeper));
	pthread_condattr_t attributes;
	int r;

	if (!keeper)
		return -ENOMEM;
	if (!options)
		options = &none;
	keeper->period_ns = options->period_ns ? options->period_ns : DEFAULT_PERIOD_S * SECOND_NS;
	pthread_mutex_init(&keeper->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&keeper->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	r = inventory_pass_new(root, hierarchies, options, &keeper->pass);
	if (r == 0 && options->thread)
		r = start_thread(keeper);
	if (r < 0) {
		inventory_keeper_free(keeper);
		return r;
	}
	*ret_keeper = keeper;
	return 0;
}

void inventory_keeper_free(struct inventory_keeper *keeper)
{
	if (!keeper)
		return;
	if (keeper->threaded) {
		pthread_mutex_lock(&keeper->mutex);
		keeper->stop = true;
		inventory_pass_stop(keeper->pass);
		pthread_cond_signal(&keeper->wake);
		pthread_mutex_unlock(&keeper->mutex);
		pthread_join(keeper->thread, NULL);
	}
	inventory_pass_free(keeper->pass);
	inventory_unref(keeper->latest);
	pthread_cond_destroy(&keeper->wake);
	pthread_mutex_destroy(&keeper->mutex);
	free(keeper);
}

void inventory_keeper_want(struct inventory_keeper *keeper, unsigned int parts)
{
	unsigned int dropped, before;

	pthread_mutex_lock(&keeper->mutex);
	before = parts_now(keeper);
	dropped = keeper->wanted & ~parts;
	if (dropped) {
		keeper->lingering |= dropped;
		keeper->linger_until_ns = clock_ns(CLOCK_MONOTONIC) + LINGER_S * SECOND_NS;
	}
	keeper->wanted = parts;
	if (parts_now(keeper) & ~before) {
		keeper->now = true;
		pthread_cond_signal(&keeper->wake);
	}
	pthread_mutex_unlock(&keeper->mutex);
}

int inventory_keeper_pass(struct inventory_keeper *keeper, unsigned int parts, uint64_t budget_ns)
{
	int r;

	if (keeper->threaded)
		return -EBUSY;
	pthread_mutex_lock(&keeper->mutex);
	keeper->wanted = parts;
	r = run_pass(keeper, inventory_expand(parts), budget_ns);
	pthread_mutex_unlock(&keeper->mutex);
	return r;
}

struct inventory *inventory_keeper_latest(struct inventory_keeper *keeper)
{
	struct inventory *inventory;

	pthread_mutex_lock(&keeper->mutex);
	inventory = inventory_ref(keeper->latest);
	pthread_mutex_unlock(&keeper->mutex);
	return inventory;
}

void inventory_keeper_get_stats(struct inventory_keeper *keeper, struct inventory_stats *ret_stats)
{
	pthread_mutex_lock(&keeper->mutex);
	*ret_stats = keeper->stats;
	pthread_mutex_unlock(&keeper->mutex);
}
