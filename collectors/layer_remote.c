// SPDX-License-Identifier: MIT
#include "collectors/layer_remote.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "core/cleanup.h"

enum {
	SLICE_MS = 10, /* as the worker's */
	MAX_LEFT = 16, /* stuck ones left behind, of layers that are gone */
};

struct child_job {
	const struct layer_source *source;
	uint64_t rate, slice;
};

/* In the child. */
static int child_walk(void *argument, void *result, atomic_uint_fast64_t *progress)
{
	struct child_job job = *(struct child_job *)argument;
	struct layer_walk_options options = { .own_cwd = true, .progress = progress };
	struct layer_usage *usage = result;
	struct layer_walk *walk;
	int r = layer_walk_new(job.source, &options, &walk);

	if (r < 0)
		return r;
	do {
		uint64_t left = job.slice;

		r = layer_walk_step(walk, &left);
		atomic_fetch_add(progress, 1);
		if (r > 0 && job.rate <= UINT64_MAX / 2)
			nanosleep(&(struct timespec){ .tv_nsec = SLICE_MS * 1000000L }, NULL);
	} while (r > 0);
	if (r < 0)
		return r;
	layer_walk_result(walk, usage);
	usage->cpu_ns = layer_cpu_ns();
	return 0;
}

void layer_remote_start(struct layer_worker *worker, struct layer_record *record)
{
	struct child_job job = { &record->source, layer_worker_rate(worker),
				 layer_worker_slice(worker) };
	int r = record->source.upper ? 0 : -ENOENT;

	record->started_ns = layer_now_ns();
	record->cpu_ns = 0;
	record->walking = true;
	if (r == 0)
		r = layer_child_start(child_walk, &job, sizeof(struct layer_usage), -1,
				      &record->child);
	if (r < 0)
		layer_worker_ended(worker, record, r, NULL);
}

/* True while it runs and may still answer. */
bool layer_remote_tend(struct layer_worker *worker, struct layer_record *record, uint64_t now)
{
	struct layer_usage usage;
	int result;

	if (layer_child_poll(record->child, &result) == 1) {
		usage = *(const struct layer_usage *)layer_child_result(record->child);
		record->cpu_ns = usage.cpu_ns;
		layer_remote_leave(worker, record);
		layer_worker_ended(worker, record, result, &usage);
		layer_worker_add(worker, result < 0 ? 0 : usage.inodes, record->cpu_ns);
		return false;
	}
	if (layer_child_silent_ns(record->child, now) < layer_worker_stuck_ns(worker))
		return true;
	if (record->last.state != LAYER_STUCK) {
		record->last.state = LAYER_STUCK;
		record->last.error = -ETIMEDOUT;
		pthread_mutex_lock(&worker->lock);
		worker->stats.stuck++;
		pthread_mutex_unlock(&worker->lock);
		layer_worker_publish(worker, record);
	}
	return false;
}

/* A child that does not answer, or not end, stays behind and is looked after until it does. */
void layer_remote_leave(struct layer_worker *worker, struct layer_record *record)
{
	struct layer_child **left;

	if (!record->child)
		return;
	layer_child_kill(record->child);
	left = worker->n_left < MAX_LEFT
		       ? realloc(worker->left, (worker->n_left + 1) * sizeof(struct layer_child *))
		       : NULL;
	if (!left) {
		layer_child_leave(TAKE_PTR(record->child));
		return;
	}
	worker->left = left;
	worker->left[worker->n_left++] = TAKE_PTR(record->child);
}

void layer_remote_tend_left(struct layer_worker *worker)
{
	for (size_t i = 0; i < worker->n_left;) {
		if (!layer_child_gone(worker->left[i])) {
			i++;
			continue;
		}
		layer_child_leave(worker->left[i]);
		worker->left[i] = worker->left[--worker->n_left];
	}
}
