/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "collectors/mount_table.h"

/* Shared by the readers behind mount_table.h; nobody else includes it but tests. */

/* A mount that matters; its texts are in the same block of memory. */
struct mount_record {
	struct mount_entry entry;
	uint64_t attributes, propagation; /* statmount's: what a remount changes */
	uint32_t sb_flags;
	bool kept; /* while a draft is taken */
};

/* What has to be known of every other mount, to see what it covers. */
struct mount_brief {
	uint64_t id, parent_id, point_hash;
};

/* One mount namespace and what was last read of it. */
struct mount_space {
	uint64_t inode;
	uint64_t id; /* NS_GET_MNTNS_ID; 0: not known */
	pid_t pid;   /* 0: none */
	int fd;	     /* borrowed for one refresh, or -1 */
	bool own;    /* the one this process is in */
	bool seen;   /* in this refresh, or believed to be there */
	bool given;  /* named by the caller of this refresh */
	int error;
	int64_t n_mounts;	       /* -1: not known */
	struct mount_record **records; /* in mount order */
	size_t n_records;
	struct mount_brief *briefs; /* in mount order: ids rise where statmount gave them */
	size_t n_briefs;
	size_t turn;	 /* whose mount point is compared next, by statmount */
	bool text_known; /* the next two are valid */
	uint64_t text_hash;
	size_t text_length;
	int poll_fd; /* own: mountinfo, polled for changes; -1: not open */
};

/* What is read of a namespace before it takes the place of what was known. */
struct mount_draft {
	struct mount_record **records;
	size_t n_records, records_capacity;
	struct mount_brief *briefs;
	size_t n_briefs, briefs_capacity;
	bool failed; /* no memory */
};

void mount_space_init(struct mount_space *space, uint64_t inode);
/* Forgets all that was read. True if there were records. */
bool mount_space_clear(struct mount_space *space);
void mount_space_done(struct mount_space *space);

/*
 * 1 if mounts of our own namespace came, went or were remounted since the last call, or if that is
 * not known; 0 if not; -errno. Its mountinfo stays open for that. Nobody else's does, since an open
 * mountinfo keeps its namespace, with all that is mounted there, alive.
 */
int mount_space_poll(struct mount_space *space, const struct root *root);

/* True for the types of filesystems that the table keeps. */
bool mount_type_matters(const char *fstype);
/* A copy of all texts of `model`. NULL if there is no memory. Freed by free(). */
struct mount_record *mount_record_new(const struct mount_entry *model);
bool mount_record_equal(const struct mount_record *a, const struct mount_record *b);

/* Adds one; takes the record over if it returns true. */
bool mount_draft_add_record(struct mount_draft *draft, struct mount_record *record);
void mount_draft_add_brief(struct mount_draft *draft, uint64_t id, uint64_t parent_id,
			   const char *mountpoint);
/*
 * Puts the draft, whose records may be the space's own, into the space. 1 if a record came, went or
 * changed; 0 if not: then the records are the same ones as before, at their addresses. -ENOMEM: the
 * space is as it was, the draft gone.
 */
int mount_space_take(struct mount_space *space, struct mount_draft *draft);

/* Reads by listmount() and statmount(). */
struct mount_statmount;

/* -EOPNOTSUPP if the kernel lacks any of what is needed. */
int mount_statmount_new(const struct root *root, struct mount_statmount **ret_reader);
void mount_statmount_free(struct mount_statmount *reader);
/* A refresh begins, of namespaces that have `total` records. */
void mount_statmount_begin(struct mount_statmount *reader, size_t total);
/*
 * 1 if anything that matters changed, 0 if not, -errno: -ENOENT if there is no namespace of that
 * id (any more). What is new in the list of ids is read; of the others only what a remount or a
 * move changes, in turn, and all of our own after an event.
 */
int mount_statmount_read(struct mount_statmount *reader, struct mount_space *space);
/* Mounts looked at so far. */
uint64_t mount_statmount_count(const struct mount_statmount *reader);

/*
 * Reads mountinfo: through poll() and the text of our own, of a process in it, or of a child that
 * enters it. The same results. Adds the lines it parsed to *count.
 */
int mount_text_read(const struct root *root, struct mount_space *space, uint64_t *count);
