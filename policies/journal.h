/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/knob.h"

/*
 * The write-ahead journal: one small JSON file for each knob that is held, written, synced and
 * renamed before the cgroup is written, and removed after the original value is back. Whoever reads
 * it after a crash can put everything back. Lives in /run: a reboot clears cgroups and journal
 * alike.
 *
 * A lock (flock on STATE_DIR/lock) keeps it to one process at a time; a forked watchdog shares it.
 */
struct journal;

struct journal_holder {
	char *policy;
	unsigned int step;
	struct knob_value wanted;
	uint64_t since, lease_until; /* CLOCK_BOOTTIME microseconds */
	char uuid[37];		     /* of the change in the audit log */
	bool keep;
	int action; /* enum action_id, or -1: not known */
	int priority;
};

/* A process that was moved and is to go back: known by pid and start time. */
struct journal_move {
	int pid;
	uint64_t start;	    /* in clock ticks since boot, as in /proc/PID/stat */
	char *hierarchy;    /* its name */
	char *from;	    /* path of the cgroup it was in */
	uint64_t cgroup_id; /* of that cgroup */
};

struct journal_entry {
	uint64_t seq; /* names the file; 0: to be given by journal_put() */
	enum knob_id knob;
	char *hierarchy;    /* its name: "memory", "unified" */
	uint64_t cgroup_id; /* in that hierarchy */
	char *path;
	struct knob_value old;	     /* to be put back */
	struct knob_value written;   /* what we write */
	struct knob_value before;    /* what stood there just before this write (of us, or old) */
	char *holders;		     /* names of the policies, comma-separated */
	char *unit;		     /* of systemd, if it is to be put back through it, or NULL */
	struct journal_holder *list; /* who holds it, for the agent that takes it over */
	size_t n_list;
	uint64_t lease_until; /* CLOCK_BOOTTIME microseconds; 0: none */
	bool keep;	      /* the policies do not want it back on exit */
	/* Processes to move back (`target` is where they are); then there is no knob: KNOB_COUNT.
	 */
	struct journal_move *moves;
	size_t n_moves;
	char *target;
};

/* What a replay did. */
struct journal_replay {
	unsigned int restored, unchanged, gone, other_boot, conflicts, kept, broken, failed;
};

/*
 * Opens (makes, 0700) the state directory and takes the lock, waiting up to `wait_ms` for it.
 * -EBUSY with the holder's pid (0: not known) if another process has it: then ask that one (the
 * agent's control socket) to release. -EPERM if the directory is not ours alone.
 */
int journal_open(const char *state_dir, unsigned int wait_ms, struct journal **ret_journal,
		 pid_t *ret_holder);
/* Closes; the lock goes with the last process that shares it. */
void journal_free(struct journal *journal);
/* Writes (seq 0: a new one, given in entry->seq) or replaces an entry; on disk when it returns. */
int journal_put(struct journal *journal, struct journal_entry *entry);
int journal_remove(struct journal *journal, uint64_t seq);
/*
 * What is on disk, for the agent that takes it over: entries that are kept over an exit, and those
 * whose restoring failed. Free with journal_list_free(). 0 or -errno.
 */
int journal_list(struct journal *journal, struct journal_entry **ret_list, size_t *ret_n);
void journal_list_free(struct journal_entry *list, size_t n);
void journal_moves_free(struct journal_move *list, size_t n);
/* Number of entries on disk. */
int journal_count(struct journal *journal);
void journal_entry_done(struct journal_entry *entry);
/*
 * Puts back what the entries say: on start, from the watchdog, and for `cgwatch policy
 * release-all`. An entry of another boot is dropped; of a cgroup that is gone or another one,
 * dropped with a log line; where the present value is not what we wrote, somebody changed it:
 * logged as a conflict, dropped. Those marked keep stay, for enforcer_adopt(); where only some of
 * the holders keep it, their value is written and the entry made theirs. What cannot be read
 * is moved aside (broken-N) and the others are still done. Thaws first, then limits, parents before
 * children. `force` also restores what is marked keep. What was changed through systemd goes back
 * through it, or, if that does not answer, by the file. 0, or the first -errno of a restore that
 * failed (its entry stays).
 */
int journal_restore(struct journal *journal, const struct knob_context *context, bool force,
		    struct journal_replay *ret_replay);
/*
 * The same for entries whose lease is over by `now` (thaw only): for the watchdog, in case the
 * agent hangs. Entries of what is not frozen (yet) stay: the agent may be about to freeze it.
 */
int journal_expire(struct journal *journal, const struct knob_context *context, uint64_t now,
		   struct journal_replay *ret_replay);
