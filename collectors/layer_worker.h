/* SPDX-License-Identifier: MIT */
#pragma once

#include <pthread.h>

#include "collectors/layer_keeper.h"
#include "collectors/layer_record.h"
#include "collectors/layer_watch.h"

/* The thread that walks. What it shares with the keeper is under `lock`, held only for moments. */
struct layer_records {
	struct layer_record **list;
	size_t n, max;
};

bool layer_records_add(struct layer_records *records, struct layer_record *record);

struct layer_worker {
	struct layer_keeper_options options;
	pthread_mutex_t lock;
	pthread_cond_t idle; /* signalled when nothing is left to be done */
	int wake;	     /* eventfd */
	/* Under lock: */
	bool stop, active, is_idle, abandoned, ended;
	struct layer_records inbox;
	struct layer_keeper_stats stats;
	struct layer_record *busy; /* a step on it began at busy_ns */
	uint64_t busy_ns;
	/* The thread's own: */
	bool own_cwd, watch_tried;
	struct layer_records records;
	struct layer_watch *watch; /* NULL: not possible here */
	struct layer_child **left; /* children left behind */
	size_t n_left;
	uint64_t paid_ns; /* the budget is used up until then */
};

uint64_t layer_now_ns(void);
/* The thread's function; frees the worker at the end if it was abandoned. */
void *layer_worker_run(void *worker);
void layer_worker_wake(struct layer_worker *worker);
void layer_worker_free(struct layer_worker *worker);

/* For its parts in other files. */
uint64_t layer_cpu_ns(void);
/* Entries a second (UINT64_MAX: no limit), and in one go. */
uint64_t layer_worker_rate(const struct layer_worker *worker);
uint64_t layer_worker_slice(const struct layer_worker *worker);
uint64_t layer_worker_stuck_ns(const struct layer_worker *worker);
/* Makes the numbers known. */
void layer_worker_publish(struct layer_worker *worker, struct layer_record *record);
/* A walk ended: `result` is its return value; `usage` only matters if that is 0. */
void layer_worker_ended(struct layer_worker *worker, struct layer_record *record, int result,
			const struct layer_usage *usage);
void layer_worker_add(struct layer_worker *worker, uint64_t entries, uint64_t cpu_ns);
