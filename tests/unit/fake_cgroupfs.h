/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/knob.h"

/*
 * A directory tree that looks like cgroup hierarchies, with a reader and writer that do what the
 * kernel would (freezing takes a while, v1 refuses a limit below the use, v2 kills) and fail on
 * request. Nothing here fails by itself: the test ends.
 */
struct fake_fault {
	const char *file;
	bool on_write;
	int error;	    /* -errno to give */
	unsigned int times; /* that often; UINT32_MAX: always */
	unsigned int skip;  /* after as many that go well */
	size_t cut;	    /* instead of an error: so many bytes are read and no more */
};

struct fake_cgroupfs {
	char top[64];
	struct root *root; /* the real machine's: for the guards */
	struct hierarchies hierarchies;
	struct knob_io io;
	struct fake_fault faults[4];
	unsigned int writes;	     /* how many, of all files */
	char written[64][64];	     /* the first of them: "cpu.max 20000 100000" */
	const char *overwrite;	     /* somebody writes this right after the next write... */
	const char *overwrite_file;  /* ...to this file; NULL: to any */
	unsigned int overwrite_skip; /* after as many that are left alone */
	unsigned int freezing_reads; /* v1: that often FREEZING is read before FROZEN */
	bool never_freezes;
	bool freezes_after_thaw; /* v1: FREEZING until it was thawed once in between */
	unsigned int oom_kills;	 /* v2: memory.max was set below the use */
	uint64_t unreclaimable;	 /* memory.reclaim goes no lower, nor a v1 limit, nor memory.high */
	bool v1_reclaims;	 /* a v1 limit below the use brings it down, as the kernel's does */
	unsigned int frozen_reads; /* v2: that often `frozen 0` is read before `frozen 1` */
	uint64_t next_serial;
};

/* v1: a hierarchy each for cpu, memory, freezer, pids, cpuset, blkio; v2: one with all. */
struct fake_cgroupfs *fake_cgroupfs_new(bool v2);
void fake_cgroupfs_free(struct fake_cgroupfs *fs);
/* Makes a cgroup with its files in every hierarchy. The caller owns the reference. */
struct node *fake_cgroupfs_add(struct fake_cgroupfs *fs, const char *path);
/* Removes and makes the directories anew: another cgroup of the same path. */
void fake_cgroupfs_recreate(struct fake_cgroupfs *fs, const char *path);
void fake_cgroupfs_remove(struct fake_cgroupfs *fs, const char *path);
/* A file of a cgroup, in the first hierarchy that has it. The text of get lives until the next one.
 */
void fake_cgroupfs_put(struct fake_cgroupfs *fs, const char *path, const char *file,
		       const char *text);
const char *fake_cgroupfs_get(struct fake_cgroupfs *fs, const char *path, const char *file);
/* A file that is not there by itself (memory.stat), in the hierarchy of a controller. */
void fake_cgroupfs_create(struct fake_cgroupfs *fs, const char *controller, const char *path,
			  const char *file, const char *text);
/* A context that writes to it. */
struct knob_context fake_cgroupfs_context(struct fake_cgroupfs *fs);
