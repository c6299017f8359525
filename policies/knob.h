/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectors/hierarchy.h"
#include "collectors/root.h"
#include "core/node.h"
#include "core/strbuf.h"

/*
 * What can be written to a cgroup: a compiled-in table of knobs, each with its file on v1 and on
 * v2, and the one function that writes (style rule 14). File names never come from a configuration.
 * Follows Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/{memory,freezer-subsystem,cpusets}.rst
 * and scheduler/sched-bwc.rst.
 */
enum knob_id {
	KNOB_CPU_QUOTA,	      /* cpu.max; cpu.cfs_quota_us with cpu.cfs_period_us */
	KNOB_CPU_WEIGHT,      /* cpu.weight (v2 only) */
	KNOB_CPU_SHARES,      /* cpu.shares (v1 only) */
	KNOB_MEMORY_HIGH,     /* memory.high (v2 only) */
	KNOB_MEMORY_MAX,      /* memory.max; memory.limit_in_bytes */
	KNOB_MEMORY_LOW,      /* memory.low (v2 only) */
	KNOB_MEMORY_MIN,      /* memory.min (v2 only) */
	KNOB_MEMORY_SWAP_MAX, /* memory.swap.max (v2 only: swap alone) */
	KNOB_MEMORY_MEMSW,    /* memory.memsw.limit_in_bytes (v1 only: memory and swap together) */
	KNOB_PIDS_MAX,	      /* pids.max */
	KNOB_CPUSET_CPUS,     /* cpuset.cpus */
	KNOB_CPUSET_MEMS,     /* cpuset.mems */
	KNOB_IO_WEIGHT,	      /* io.weight; blkio.weight or blkio.bfq.weight */
	KNOB_FREEZE,	      /* cgroup.freeze; freezer.state */
	KNOB_CPU_BURST,	      /* cpu.max.burst; cpu.cfs_burst_us: microseconds */
	KNOB_IO_MAX,	      /* io.max; blkio.throttle.*: one device of it */
	KNOB_COUNT,
};

#define KNOB_UNLIMITED UINT64_MAX

/* Of io.max: bytes and operations a second. KNOB_UNLIMITED: none; KNOB_IO_LEAVE: as it is. */
enum knob_io_limit { KNOB_IO_RBPS, KNOB_IO_WBPS, KNOB_IO_RIOPS, KNOB_IO_WIOPS, KNOB_IO_COUNT };
#define KNOB_IO_LEAVE (UINT64_MAX - 1)

struct guards;
struct unit_bus;

/*
 * A value of a knob, the same for v1 and v2.
 * KNOB_CPU_QUOTA: `number` microseconds of CPU time in each `period` microseconds. A period of 0 in
 * a request means: `number` is per second (1000000 is one core) and the present period stays.
 * Memory: bytes. KNOB_FREEZE: 0 or 1. cpuset: `text`, a list like "0-3,8". KNOB_IO_MAX: `text` is
 * the device ("8:0") and says which of the knob's lines is meant, also when it is read; `io` its
 * limits.
 */
struct knob_value {
	uint64_t number;
	uint64_t period;
	char text[256];
	uint64_t io[KNOB_IO_COUNT];
	/*
	 * KNOB_CPU_QUOTA as it was read: the burst that stood beside it. A quota below the burst is
	 * refused by the kernel, so the burst is lowered with it; a restore puts it back too. 0 in
	 * a request: as it is. Does not count where quotas are compared; but where a restore finds
	 * the quota back and the burst not (it was killed between the two), that is put back alone.
	 */
	uint64_t burst;
};

/*
 * How the files are reached; NULL in a context means the kernel. For tests that inject errors.
 * Both return 0 or -errno; `file` is a name inside the directory.
 */
struct knob_io {
	int (*read)(void *data, int dir_fd, const char *file, struct strbuf *ret_text);
	int (*write)(void *data, int dir_fd, const char *file, const char *text, bool nonblock);
	void *data;
};

/* Where and how to write. Everything is borrowed. */
struct knob_context {
	const struct root *root;
	const struct hierarchies *hierarchies;
	bool dry_run;		 /* do everything but write */
	pid_t watchdog;		 /* guarded like ourselves; 0: none */
	unsigned int timeout_ms; /* bound for freezing and for reclaim; 0 means 2000 */
	const struct knob_io *io;
	struct guards *guards;	/* NULL: only what ownership_check() refuses is refused */
	struct unit_bus *units; /* NULL: files are written whoever the cgroup belongs to */
};

struct knob_result;

struct knob_request {
	enum knob_id knob;
	const struct node *node;
	struct knob_value value;
	bool restore; /* puts back what was: the guards do not apply */
	/*
	 * v2 memory.max may go below what is in use, and below the working set, at the price of an
	 * OOM kill, if reclaim does not get there.
	 */
	bool allow_oom;
	bool allow_below_working_set; /* memory limits: see struct action */
	bool allow_protected;	      /* the policy says that it may touch what guards.h protects */
	double step;		      /* memory limits: share to lower by at a time; 0: 10 % */
	/* KNOB_FREEZE: accept a cgroup that is frozen already (otherwise -EALREADY: not ours) */
	bool accept_frozen;
	/* Compare and set: write only if the present value is this one, else -ESTALE. May be NULL.
	 */
	const struct knob_value *expected;
	/*
	 * Called when a value is about to be written, with `before` (what stands there now) and
	 * `requested` filled in: the place to write the journal. An error (-errno) stops the write.
	 * Not called in a dry run. What is lowered step by step, or is in several files, is written
	 * in several steps: then it is called before each, with what will stand there after it.
	 */
	int (*about_to_write)(void *data, const struct knob_result *result);
	/*
	 * Lowering memory.max on v2 moves memory.high for a moment, lowering cpu.quota may lower
	 * cpu.burst first. about_to_write() is called for that too (result->knob tells), and this
	 * one when it is back, or, for the burst, when the quota is written, whose value remembers
	 * it from then on.
	 */
	void (*put_back)(void *data, const struct knob_result *result);
	void *data;
};

/* What came of it. Filled in on success and on failure alike. */
struct knob_result {
	enum knob_id knob;
	int error;    /* 0 or -errno */
	bool changed; /* something was written (or would be, in a dry run) */
	bool has_before;
	bool adjusted; /* the value had to be adjusted to what the kernel takes; see text */
	struct knob_value before, requested, after;
	int hierarchy;	    /* index, or -1 if none was found */
	uint64_t cgroup_id; /* in that hierarchy */
	const char *file;   /* "cpu.cfs_quota_us": static text, or NULL */
	char unit[256];	    /* the systemd unit that was asked to change it, or empty */
	char text[384];	    /* what happened or why not, for people: may hold bytes from outside */
};

/* The knob called "cpu.quota", "cpu.max", "memory.limit", … -ENOENT. */
int knob_find(const char *name, enum knob_id *ret_knob);
/* The public name: "cpu.quota". Static text. */
const char *knob_name(enum knob_id knob);
/*
 * Reads what people write: "20%" or "max" or "50000 100000" (microseconds) for cpu.quota, "512M" or
 * "max" for memory, numbers for weights and pids, lists for cpusets, "frozen"/"thawed" for the
 * freezer. -EINVAL or -ERANGE with the reason (static text).
 */
int knob_parse(enum knob_id knob, const char *text, struct knob_value *ret_value,
	       const char **ret_reason);
/* The value exactly, in words that knob_parse() and the journal read back: "20000 100000", "max".
 */
void knob_format(enum knob_id knob, const struct knob_value *value, struct strbuf *buffer);
/* The value for people: "20% of one core (20ms of 100ms)", "512M", "frozen". */
void knob_format_human(enum knob_id knob, const struct knob_value *value, struct strbuf *buffer);
/* True if the two mean the same to the kernel (memory is rounded to pages). */
bool knob_equal(enum knob_id knob, const struct knob_value *a, const struct knob_value *b);
/* True if `a` allows less than `b`. Always false for what has no such order (cpusets, weights). */
bool knob_tighter(enum knob_id knob, const struct knob_value *a, const struct knob_value *b);
/*
 * 0 if some hierarchy of this machine has the knob; -EOPNOTSUPP with the reason (static text) if
 * not: "memory.high does not exist on cgroup v1; use memory.max". -ENODEV: no such controller.
 */
int knob_check_host(enum knob_id knob, const struct hierarchies *hierarchies,
		    const char **ret_reason);

/*
 * True if both speak of the same thing to hold: always, but for KNOB_IO_MAX, where the device has
 * to be the same.
 */
bool knob_same_place(enum knob_id knob, const struct knob_value *a, const struct knob_value *b);
/*
 * What allows least of both, limit by limit (KNOB_IO_MAX has four), or the tighter one: what is in
 * force where several hold it. Where there is no order (weights, cpusets) the first.
 */
void knob_tightest(enum knob_id knob, const struct knob_value *a, const struct knob_value *b,
		   struct knob_value *ret_value);

/*
 * Reads the present value into `result->before`. `place` says which line of KNOB_IO_MAX (its
 * `text`); NULL for the others. 0 or -errno, as in result->error.
 */
int knob_read_at(const struct knob_context *context, enum knob_id knob, const struct node *node,
		 const struct knob_value *place, struct knob_result *result);
/* The same without a place. */
int knob_read(const struct knob_context *context, enum knob_id knob, const struct node *node,
	      struct knob_result *result);
/*
 * The one way to write to a cgroup. Finds the hierarchy that has the knob and the cgroup, opens the
 * directory without following links, checks that it is still the cgroup with the node's id, asks
 * ownership_check() and guards_check(), reads the present value, writes only if it differs (by
 * systemd, if it manages the cgroup), reads back, and logs before → after. Blocks for at most about
 * the context's timeout: never call it from the main loop.
 *
 * Memory limits are lowered in steps (cgroup-v2.rst, "Memory Interface Files"; memory.rst), after
 * reclaim and not below the working set (in use less inactive page cache). memory.max and the v1
 * limits are all or nothing: what cannot be reached in time is put back (-EBUSY).
 *
 * Returns 0 or -errno (also in ret->error):
 *   -ENOENT      the cgroup is gone      -ESTALE  it is another one, or not the `expected` value,
 *                or another value than was written: somebody else wrote after us
 *   -EPERM       a guard refuses, or the kernel does
 *   -EOPNOTSUPP  no such knob there      -EALREADY  frozen by somebody else
 *   -EBUSY       memory in use is above the limit   -ETIMEDOUT  it did not freeze; it was thawed
 */
int knob_write(const struct knob_context *context, const struct knob_request *request,
	       struct knob_result *ret);
