// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_worker.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "collectors/layer_refresh.h"
#include "collectors/layer_remote.h"
#include "core/cleanup.h"

enum {
	SLICE_MS = 10,	    /* of the budget in one go */
	CHILD_POLL_MS = 20, /* how often a child is looked after */
	SETTLE_MS = 50,	    /* events are let gather for that long */
	MAX_CHILDREN = 4,   /* running at the same time */
};

static const uint64_t MS = 1000000, SECOND = 1000000000, DEFAULT_RATE = 50000,
		      DEFAULT_PERIOD = 60 * SECOND, DEFAULT_STUCK = 15 * SECOND, PERIODS = 20;

uint64_t layer_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

uint64_t layer_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

bool layer_records_add(struct layer_records *records, struct layer_record *record)
{
	if (records->n == records->max) {
		size_t max = records->max ? records->max * 2 : 16;
		struct layer_record **list = realloc(records->list,
						     max * sizeof(struct layer_record *));

		if (!list)
			return false;
		records->list = list;
		records->max = max;
	}
	records->list[records->n++] = record;
	return true;
}

uint64_t layer_worker_rate(const struct layer_worker *worker)
{
	if (worker->options.entries_per_second)
		return worker->options.entries_per_second;
	return worker->options.no_thread ? UINT64_MAX : DEFAULT_RATE;
}

uint64_t layer_worker_stuck_ns(const struct layer_worker *worker)
{
	return worker->options.stuck_ns ? worker->options.stuck_ns : DEFAULT_STUCK;
}

void layer_worker_wake(struct layer_worker *worker)
{
	uint64_t one = 1;

	if (write(worker->wake, &one, sizeof(one)) < 0)
		return; /* it has not been read since: that is enough to wake it */
}

/* Makes the numbers known. */
void layer_worker_publish(struct layer_worker *worker, struct layer_record *record)
{
	pthread_mutex_lock(&worker->lock);
	record->usage = record->last;
	pthread_mutex_unlock(&worker->lock);
}

static void set_growth(struct layer_record *record, uint64_t now)
{
	struct layer_usage *usage = &record->last;

	if (record->base_ns == 0 || now < record->base_ns + SECOND / 10)
		return;
	usage->growth_known = true;
	usage->growth = ((double)usage->bytes - (double)record->base_bytes) /
			((double)(now - record->base_ns) / 1e9);
}

static uint64_t period_after(const struct layer_worker *worker, uint64_t duration_ns)
{
	uint64_t least = worker->options.period_ns ? worker->options.period_ns : DEFAULT_PERIOD;

	return duration_ns > least / PERIODS ? duration_ns * PERIODS : least;
}

/* A walk ended, here or in a child: `result` is its return value. */
void layer_worker_ended(struct layer_worker *worker, struct layer_record *record, int result,
			const struct layer_usage *usage)
{
	uint64_t now = layer_now_ns();
	struct layer_usage before = record->last;

	record->walking = false;
	if (result < 0) {
		record->last.state = LAYER_FAILED;
		record->last.error = result;
		record->last.incremental = false;
	} else {
		record->last = *usage;
		record->last.boottime_ns = now;
		record->last.cpu_ns = record->cpu_ns;
		record->last.growth_known = before.growth_known;
		record->last.growth = before.growth;
		set_growth(record, now);
		record->base_bytes = record->last.bytes;
		record->base_ns = now;
	}
	record->last.duration_ns = now - record->started_ns;
	record->next_ns = now + period_after(worker, record->last.duration_ns);
	pthread_mutex_lock(&worker->lock);
	worker->stats.walks++;
	pthread_mutex_unlock(&worker->lock);
	layer_worker_publish(worker, record);
}

void layer_worker_add(struct layer_worker *worker, uint64_t entries, uint64_t cpu)
{
	pthread_mutex_lock(&worker->lock);
	worker->stats.entries += entries;
	worker->stats.cpu_ns += cpu;
	pthread_mutex_unlock(&worker->lock);
}

static void set_busy(struct layer_worker *worker, struct layer_record *record)
{
	pthread_mutex_lock(&worker->lock);
	worker->busy = record;
	worker->busy_ns = layer_now_ns();
	pthread_mutex_unlock(&worker->lock);
}

uint64_t layer_worker_slice(const struct layer_worker *worker)
{
	uint64_t rate = layer_worker_rate(worker);

	if (rate > UINT64_MAX / 2)
		return 20000;
	return rate * SLICE_MS / 1000 > 16 ? rate * SLICE_MS / 1000 : 16;
}

static void pay(struct layer_worker *worker, uint64_t entries)
{
	uint64_t rate = layer_worker_rate(worker), now = layer_now_ns();

	if (rate > UINT64_MAX / 2)
		return;
	if (worker->paid_ns < now)
		worker->paid_ns = now;
	worker->paid_ns += entries * SECOND / rate;
}

static int begin_walk(struct layer_worker *worker, struct layer_record *record)
{
	struct layer_walk_options options = { .keep_nodes = worker->watch != NULL,
					      .own_cwd = worker->own_cwd,
					      .known = &record->known };
	uint64_t none = 0;
	int r;

	layer_walk_free(TAKE_PTR(record->walk));
	record->watched = record->refreshing = false;
	record->n_dirty = 0;
	if (!record->source.upper)
		return -ENOENT;
	r = layer_walk_new(&record->source, &options, &record->walk);
	if (r < 0)
		return r;
	/* Opens the top: the mark has to be there before the first directory is read. */
	r = layer_walk_step(record->walk, &none);
	if (r >= 0 && worker->watch)
		record->watched = layer_watch_add(worker->watch, layer_walk_top(record->walk),
						  layer_walk_device(record->walk)) == 0;
	return r;
}

static void publish_refreshed(struct layer_worker *worker, struct layer_record *record)
{
	if (record->watched)
		set_growth(record, record->last.boottime_ns);
	layer_worker_publish(worker, record);
}

/* One slice of a walk, or of reading directories again. */
static void step(struct layer_worker *worker, struct layer_record *record)
{
	uint64_t slice = layer_worker_slice(worker), left = slice, cpu = layer_cpu_ns();
	struct layer_usage usage;
	int r = 1;

	set_busy(worker, record);
	if (!record->walking && !record->refreshing) {
		record->walking = true;
		record->started_ns = layer_now_ns();
		record->cpu_ns = 0;
		r = begin_walk(worker, record);
	}
	if (r >= 0)
		r = layer_walk_step(record->walk, &left);
	set_busy(worker, NULL);
	cpu = layer_cpu_ns() - cpu;
	record->cpu_ns += cpu;
	layer_worker_add(worker, slice - left, cpu);
	pay(worker, slice - left);
	if (r > 0)
		return;
	if (r == 0)
		layer_walk_result(record->walk, &usage);
	if (!record->refreshing) {
		layer_worker_ended(worker, record, r, &usage);
		if (r < 0 || !record->watched)
			layer_walk_free(TAKE_PTR(record->walk));
	} else if (layer_refresh_next(record, r) == 0) {
		layer_refresh_ended(record, layer_now_ns());
		publish_refreshed(worker, record);
	}
}

/* Takes over new records and gives up those that are gone. False: to stop. */
static bool take_over(struct layer_worker *worker)
{
	bool go_on;
	size_t kept = 0;

	pthread_mutex_lock(&worker->lock);
	go_on = !worker->stop;
	if (worker->inbox.n > 0)
		worker->is_idle = false;
	for (size_t i = 0; i < worker->inbox.n; i++) {
		if (!layer_records_add(&worker->records, worker->inbox.list[i]))
			worker->inbox.list[kept++] = worker->inbox.list[i];
	}
	worker->inbox.n = kept;
	pthread_mutex_unlock(&worker->lock);
	for (size_t i = 0; i < worker->records.n;) {
		struct layer_record *record = worker->records.list[i];
		bool gone;

		pthread_mutex_lock(&worker->lock);
		gone = record->gone;
		pthread_mutex_unlock(&worker->lock);
		if (!gone) {
			i++;
			continue;
		}
		layer_remote_leave(worker, record);
		layer_record_free(record);
		worker->records.list[i] = worker->records.list[--worker->records.n];
	}
	return go_on;
}

static void heard(void *argument, const struct layer_event *event)
{
	struct layer_worker *worker = argument;
	uint64_t now = layer_now_ns();

	for (size_t i = 0; i < worker->records.n; i++) {
		struct layer_record *record = worker->records.list[i];

		if (!record->watched || !record->walk ||
		    layer_walk_device(record->walk) != event->device)
			continue;
		if (!event->overflow) {
			layer_refresh_hear(record, event, now);
			continue;
		}
		/* What was lost can only be found by a walk; soon, but not all the time. */
		layer_refresh_lost(record, now);
		layer_worker_publish(worker, record);
	}
	if (event->overflow) {
		pthread_mutex_lock(&worker->lock);
		worker->stats.overflows++;
		pthread_mutex_unlock(&worker->lock);
	}
}

/* Reads events; marks of filesystems that nothing is on any more go. */
static void listen_to_events(struct layer_worker *worker)
{
	dev_t devices[64];
	size_t n = 0, watched = 0;
	uint64_t events;

	events = layer_watch_read(worker->watch, heard, worker);
	for (size_t i = 0; i < worker->records.n; i++) {
		const struct layer_record *record = worker->records.list[i];

		if (!record->watched || !record->walk)
			continue;
		watched++;
		if (n < ARRAY_SIZE(devices))
			devices[n++] = layer_walk_device(record->walk);
	}
	if (n < ARRAY_SIZE(devices))
		layer_watch_keep(worker->watch, devices, n);
	pthread_mutex_lock(&worker->lock);
	worker->stats.events += events;
	worker->stats.watched = watched;
	pthread_mutex_unlock(&worker->lock);
}

/* Children left waiting for a filesystem that does not answer: they cannot even be ended. */
enum { MAX_STUCK = 32 };

static unsigned int count_stuck(const struct layer_worker *worker)
{
	unsigned int n = 0;

	for (size_t i = 0; i < worker->records.n; i++) {
		const struct layer_record *record = worker->records.list[i];

		n += record->child && record->last.state == LAYER_STUCK;
	}
	return n;
}

/* What is to be done next; NULL: nothing. `wait_ns` is reduced to when something will be. */
static struct layer_record *next_record(struct layer_worker *worker, uint64_t now,
					uint64_t *wait_ns)
{
	struct layer_record *best = NULL;
	unsigned int stuck = count_stuck(worker), children = 0;

	/* One that does not answer holds up nobody else, until there are too many of them. */
	for (size_t i = 0; i < worker->records.n; i++)
		children += worker->records.list[i]->child != NULL;
	children = stuck < MAX_STUCK ? children - stuck : MAX_CHILDREN;
	for (size_t i = 0; i < worker->records.n; i++) {
		struct layer_record *record = worker->records.list[i];
		uint64_t due = record->next_ns;

		if (record->child) {
			layer_remote_tend(worker, record, now);
			if (record->child && *wait_ns > CHILD_POLL_MS * MS)
				*wait_ns = CHILD_POLL_MS * MS;
			continue;
		}
		if (record->walking || record->refreshing)
			return record;
		if (!record->local && children >= MAX_CHILDREN)
			continue;
		due = layer_refresh_due(record, due);
		if (due <= now && (!best || due < best->next_ns))
			best = record;
		else if (due > now && due - now < *wait_ns)
			*wait_ns = due - now;
	}
	return best;
}

/* Everything known has been walked, or will not answer: the caller of run may go. */
static bool all_done(const struct layer_worker *worker, uint64_t now)
{
	bool children = count_stuck(worker) < MAX_STUCK;

	for (size_t i = 0; i < worker->records.n; i++) {
		const struct layer_record *record = worker->records.list[i];

		/* Without children, what needs one stays as it is. */
		if (record->child ? record->last.state != LAYER_STUCK
				  : record->walking ||
					    (record->next_ns <= now && (record->local || children)))
			return false;
	}
	return true;
}

static void sleep_for(struct layer_worker *worker, uint64_t wait_ns, bool events)
{
	struct pollfd fds[65] = { { .fd = worker->wake, .events = POLLIN } };
	struct timespec timeout = { .tv_sec = (time_t)(wait_ns / SECOND),
				    .tv_nsec = (long)(wait_ns % SECOND) };
	nfds_t n = 1;
	uint64_t count;

	if (worker->watch && events) {
		int list[ARRAY_SIZE(fds) - 1];
		size_t more = layer_watch_fds(worker->watch, list, ARRAY_SIZE(list));

		for (size_t i = 0; i < more; i++)
			fds[n++] = (struct pollfd){ .fd = list[i], .events = POLLIN };
	}
	ppoll(fds, n, &timeout, NULL);
	if (read(worker->wake, &count, sizeof(count)) < 0)
		return; /* nobody woke us */
}

/* The idle classes of CPU and I/O; what cannot be set is left. */
static void be_idle(void)
{
	struct sched_param parameter = { 0 };

	sched_setscheduler(0, SCHED_IDLE, &parameter);
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

static void prepare(struct layer_worker *worker)
{
	if (!worker->options.no_thread)
		be_idle();
	worker->own_cwd = unshare(CLONE_FS) == 0;
}

/* Only when there is something to watch: it makes a mount namespace. */
static void try_watch(struct layer_worker *worker)
{
	if (worker->watch_tried || worker->options.no_fanotify || worker->options.no_thread)
		return;
	worker->watch_tried = true;
	if (layer_watch_works() && layer_watch_new(&worker->watch) < 0)
		worker->watch = NULL;
}

static void refresh(struct layer_worker *worker, struct layer_record *record, uint64_t now)
{
	bool fresh;

	set_busy(worker, record);
	fresh = layer_refresh_begin(record, now);
	set_busy(worker, NULL);
	if (fresh || !record->watched)
		publish_refreshed(worker, record);
}

/* One thing to do, or a wait for it. */
static void turn(struct layer_worker *worker, bool active)
{
	uint64_t now = layer_now_ns(), wait_ns = 3600 * SECOND;
	struct layer_record *record = NULL;
	bool settle = false;

	if (worker->watch) {
		listen_to_events(worker);
		settle = true;
	}
	layer_remote_tend_left(worker);
	if (worker->n_left > 0)
		wait_ns = SECOND;
	if (active)
		record = next_record(worker, now, &wait_ns);
	pthread_mutex_lock(&worker->lock);
	worker->is_idle = worker->active == active && (!active || all_done(worker, now));
	if (worker->is_idle)
		pthread_cond_broadcast(&worker->idle);
	pthread_mutex_unlock(&worker->lock);
	if (record && now >= worker->paid_ns) {
		if (!record->local && !record->refreshing) {
			layer_remote_start(worker, record);
			return;
		}
		try_watch(worker);
		if (record->walking || record->refreshing || record->next_ns <= now)
			step(worker, record);
		else
			refresh(worker, record, now);
		return;
	}
	if (record && worker->paid_ns - now < wait_ns)
		wait_ns = worker->paid_ns - now;
	if (settle && wait_ns > SETTLE_MS * MS) {
		sleep_for(worker, SETTLE_MS * MS, false);
		wait_ns -= SETTLE_MS * MS;
	}
	sleep_for(worker, wait_ns, true);
}

void layer_worker_free(struct layer_worker *worker)
{
	for (size_t i = 0; i < worker->records.n; i++)
		layer_record_free(worker->records.list[i]);
	for (size_t i = 0; i < worker->inbox.n; i++)
		layer_record_free(worker->inbox.list[i]);
	for (size_t i = 0; i < worker->n_left; i++)
		layer_child_leave(worker->left[i]);
	free(worker->records.list);
	free(worker->inbox.list);
	free(worker->left);
	layer_watch_free(worker->watch);
	closep(&worker->wake);
	pthread_cond_destroy(&worker->idle);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}

void *layer_worker_run(void *argument)
{
	struct layer_worker *worker = argument;
	bool active, abandoned;

	prepare(worker);
	while (take_over(worker)) {
		pthread_mutex_lock(&worker->lock);
		active = worker->active;
		pthread_mutex_unlock(&worker->lock);
		turn(worker, active);
	}
	pthread_mutex_lock(&worker->lock);
	abandoned = worker->abandoned;
	worker->ended = true;
	pthread_mutex_unlock(&worker->lock);
	if (abandoned)
		layer_worker_free(worker);
	return NULL;
}
