/* SPDX-License-Identifier: MIT */
#pragma once

#include <pthread.h>

#include "policies/enforce.h"
#include "policies/journal.h"

struct hooks;

/* The name of the policy that freezes from the terminal stand under. */
#define ENFORCE_BY_HAND "by hand"

enum {
	ENFORCE_RETRY_USEC = 1000000,
	ENFORCE_RETRY_MAX_USEC = 60000000,
	ENFORCE_DRIFT_USEC = 5000000,
	ENFORCE_CONFLICTS_MAX = 64,
};

/* One policy's wish for one knob. */
struct holder {
	char *policy, *file;
	unsigned int step, line;
	enum action_id action;
	struct knob_value value;
	bool allow_oom, allow_below_working_set, allow_protected, keep;
	double share; /* to lower memory limits by at a time */
	int priority;
	uint64_t since, lease_until;
	char uuid[ENFORCER_UUID_SIZE];
};

/*
 * One knob of one cgroup (of KNOB_IO_MAX: one device, named by original.text). Without a holder:
 * the original could not be put back yet, and is tried again.
 */
struct hold {
	struct node *node;
	enum knob_id knob;
	struct knob_value original, written;
	bool has_written;	   /* what stands there is ours */
	uint64_t seq, squeeze_seq; /* journal entries; 0: none */
	uint64_t cgroup_id;
	char *unit; /* of systemd, or NULL */
	struct holder *holders;
	size_t n_holders;
	uint64_t retry_at;
	unsigned int n_retries; /* that failed */
};

/* Processes that a policy moved and that are to go back (move … back=yes). */
struct moved {
	struct node *node;
	char *policy;
	unsigned int step;
	struct journal_move *list;
	size_t n;
	char *target;
	uint64_t seq;
	char uuid[ENFORCER_UUID_SIZE];
	struct moved *next;
};

/* Where somebody else's value stands since a conflict. */
struct conflict_place {
	struct node *node;
	enum knob_id knob;
	struct knob_value place;
};

enum command_kind { COMMAND_DECISION, COMMAND_RELEASE_ALL, COMMAND_ADOPT, COMMAND_BY_HAND };

struct command {
	enum command_kind kind;
	struct decision decision; /* by hand: its op says whether to freeze */
	struct snapshot *snapshot;
	struct command *next;
};

struct enforcer {
	struct knob_context context;
	struct journal *journal;
	int (*recheck)(void *data, const struct decision *decision, char *reason, size_t size);
	void *recheck_data;
	struct hooks *hooks;
	pthread_t thread;
	bool started, joined;
	int event_fd;
	/* Of the thread alone. */
	struct moved *moved;
	uint64_t drift_at;
	struct conflict_place conflicts[ENFORCE_CONFLICTS_MAX];
	size_t n_conflicts;

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

/* What is to be told of a decision beside itself. */
struct account {
	const struct decision *decision;
	uint64_t started;
	const struct knob_result *knob; /* may be NULL */
	int error;
	bool conflict, cancelled;
	const char *text; /* NULL: the knob's */
	const char *uuid, *restore_of, *file;
	uint32_t processes;
	uint64_t cgroup_id;
};

/* Times of the enforcer: CLOCK_BOOTTIME in microseconds. */
uint64_t enforce_now(void);
/* A random UUID as text. All zeros if there is no randomness. */
void enforce_make_uuid(char uuid[ENFORCER_UUID_SIZE]);

/* ---- enforce_report.c: results, thread-safe ---- */

/* Fills a result; its strings are copies, what could not be copied is NULL. */
void enforce_fill_result(const struct enforcer *enforcer, const struct account *account,
			 struct enforcer_result *ret_result);
/* Queues a result and counts it; takes over its strings. */
void enforce_push_result(struct enforcer *enforcer, struct enforcer_result *result);
/* Both. */
void enforce_tell(struct enforcer *enforcer, const struct account *account);

/* ---- enforce_list.c: the list of holds, whose changes other threads may be copying ---- */

struct hold *hold_find(const struct enforcer *enforcer, const struct node *node, enum knob_id knob,
		       const struct knob_value *value);
struct hold *hold_add(struct enforcer *enforcer, struct node *node, enum knob_id knob,
		      const struct knob_value *original);
/* Forgets a hold and its journal entries. */
void hold_drop(struct enforcer *enforcer, struct hold *hold);
void hold_free(struct hold *hold);
struct holder *hold_find_holder(const struct hold *hold, const char *policy, unsigned int step);
/* Adds or changes the decision's holder. 0 or -ENOMEM. */
int hold_set_holder(struct enforcer *enforcer, struct hold *hold, const struct decision *decision,
		    const char *uuid);
void hold_remove_holder(struct enforcer *enforcer, struct hold *hold, struct holder *holder);
/* The earliest time something has to be done by itself; UINT64_MAX: never. Under the lock. */
uint64_t hold_next_time(const struct enforcer *enforcer);

/* ---- enforce_hold.c: bringing a knob to what its holders want ---- */

/*
 * Writes what holds of original and wishes, if it does not stand there already. `loosen`: on the
 * way back, where the guards do not apply. 0 or -errno, as in the result.
 */
int hold_settle(struct enforcer *enforcer, struct hold *hold, bool loosen,
		struct knob_result *result);
/*
 * After a holder went: what the others want, or the original. 0 also where there is nothing left to
 * do (then the hold is dropped): the cgroup is gone, or somebody else has changed the value and it
 * is theirs now.
 */
int hold_loosen(struct enforcer *enforcer, struct hold *hold, struct knob_result *result);
/* True if the value of `holder` is what is in force. */
bool hold_is_effective(const struct hold *hold, const struct holder *holder);
/* True if a burst is lower than ours because a quota that we hold beside it is. */
bool hold_is_pushed_down(const struct enforcer *enforcer, const struct hold *hold,
			 const struct knob_value *present);
/* True if of two values one can be tighter: else the holder's priority decides. */
bool hold_has_order(enum knob_id knob);
/* Not the cgroup we knew: nothing to put back. */
bool hold_is_gone(const struct knob_result *result);
bool hold_is_conflict(const struct knob_result *result);
/* Remembers or forgets that somebody else's value stands there. */
void hold_note_conflict(struct enforcer *enforcer, const struct hold *hold);
void hold_forget_conflict(struct enforcer *enforcer, const struct hold *hold);

/* ---- enforce_decide.c ---- */

void enforce_decision(struct enforcer *enforcer, const struct decision *decision);
/*
 * Releases one holder as if its policy had decided so, and tells it, also that it was `taken` from
 * the policy. May drop the hold. 0 or -errno of what could not be put back.
 */
int enforce_release_holder(struct enforcer *enforcer, struct hold *hold, struct holder *holder,
			   const char *why, bool taken);
/* Freezes or thaws by hand. */
void enforce_by_hand(struct enforcer *enforcer, const struct decision *decision);

/* ---- enforce_own.c: what the enforcer does by itself, on the thread ---- */

/* Also called between the steps of what takes long. May drop holds. */
void enforce_leases(struct enforcer *enforcer);
void enforce_retries(struct enforcer *enforcer);
/* Reads what is held every few seconds: what somebody else changed is theirs. */
void enforce_drift(struct enforcer *enforcer);
/* Releases everything in the order of restoring; `exiting` leaves what is to be kept. First -errno.
 */
int enforce_release_everything(struct enforcer *enforcer, bool exiting);

/* ---- enforce_adopt.c ---- */

void enforce_adopt(struct enforcer *enforcer, const struct snapshot *snapshot);
