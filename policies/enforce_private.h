/* SPDX-License-Identifier: MIT */
#pragma once

#include <pthread.h>

#include "policies/enforce.h"

/* One policy's wish for one knob. */
struct holder {
	char *policy;
	unsigned int step;
	enum action_id action;
	struct knob_value value;
	bool allow_oom, keep;
	uint64_t since, lease_until;
};

/*
 * One knob of one cgroup. Without a holder: the original could not be put back yet, and is tried
 * again.
 */
struct hold {
	struct node *node;
	enum knob_id knob;
	struct knob_value original, written;
	bool has_written;	   /* what stands there is ours */
	uint64_t seq, squeeze_seq; /* journal entries; 0: none */
	struct holder *holders;
	size_t n_holders;
	uint64_t retry_at;
};

enum command_kind { COMMAND_DECISION, COMMAND_RELEASE_ALL };

struct command {
	enum command_kind kind;
	struct decision decision;
	struct command *next;
};

struct enforcer {
	struct knob_context context;
	struct journal *journal;
	pthread_t thread;
	bool started, joined;
	int event_fd;

	/* Below: under the lock; `holds` is changed by the thread alone, which may read it without.
	 */
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	struct command *first, **last;
	bool busy, stopping;
	struct hold **holds;
	size_t n_holds;
	struct enforcer_result *results;
	size_t n_results, results_capacity;
	struct enforcer_stats stats;
	int stop_error;
};

/* Times of the enforcer: CLOCK_BOOTTIME in microseconds. */
uint64_t enforce_now(void);
/* Carry out, on the thread; they queue their results. */
void enforce_decision(struct enforcer *enforcer, const struct decision *decision);
void enforce_leases(struct enforcer *enforcer);
void enforce_retries(struct enforcer *enforcer);
/* Releases everything in the order of restoring; `exiting` leaves what is to be kept. First -errno.
 */
int enforce_release_everything(struct enforcer *enforcer, bool exiting);
/* Queues a result; takes over its strings. */
void enforce_push_result(struct enforcer *enforcer, struct enforcer_result *result);
void hold_free(struct hold *hold);
