/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/arena.h"

/* How far the measuring of a writable layer has come. */
enum layer_state {
	LAYER_NONE,	/* there is nothing to measure: no upper layer, or not asked for */
	LAYER_PENDING,	/* not measured yet */
	LAYER_COMPLETE, /* as of `boottime_ns` */
	LAYER_PARTIAL,	/* some directories could not be read: `error` says why; too low */
	LAYER_STUCK,	/* the filesystem does not answer */
	LAYER_FAILED,	/* `error` says why */
	LAYER_STATE_COUNT,
};

/*
 * What a writable layer holds, by a walk of its directory. Numbers are of the last walk that ended
 * (state COMPLETE or PARTIAL); they stay, and age, while the next one runs.
 */
struct layer_usage {
	enum layer_state state;
	int error;	      /* -errno of PARTIAL and FAILED */
	uint64_t boottime_ns; /* when the numbers were true (the walk's end, or the last event) */
	uint64_t duration_ns; /* of the walk, its pauses included */
	uint64_t cpu_ns;      /* CPU time of the walk */
	bool incremental;     /* kept up to date by fanotify since the walk */
	uint64_t bytes;	      /* allocated (st_blocks), hard links once, directories too */
	uint64_t apparent_bytes; /* st_size of what is no directory, hard links once: `docker ps -s`
				  */
	uint64_t inodes; /* hard links once; all char-device whiteouts that share one: once */
	uint64_t files, directories, symlinks, specials; /* names; without whiteouts */
	uint64_t created;   /* files of any kind (no directories, no whiteouts) that no lower layer
			       had */
	uint64_t copied_up; /* files that came from a lower layer (overlay.origin) */
	uint64_t copied_up_bytes; /* apparent size of those that have their data here */
	uint64_t metacopy;	  /* copied up without data (overlay.metacopy); part of copied_up */
	uint64_t whiteouts;	  /* both kinds */
	uint64_t xattr_whiteouts; /* empty file with overlay.whiteout; part of whiteouts */
	uint64_t opaque;	  /* directories that hide what is below them */
	uint64_t redirected;	  /* directories and metacopies with overlay.redirect */
	uint64_t work_leftovers;  /* "#…" in work: an interrupted copy-up */
	uint64_t index_entries;	  /* in work/index */
	bool volatile_dirty; /* work/incompat/volatile: not synced, not to be mounted after a crash
			      */
	bool growth_known;
	double growth; /* bytes a second between the last two walks */
};

enum overlay_layer_kind { OVERLAY_UPPER, OVERLAY_LOWER, OVERLAY_DATA /* data-only lower */ };

struct overlay_layer {
	enum overlay_layer_kind kind;
	const char *path;     /* as given at mount time, unescaped: may be relative or stale */
	const char *resolved; /* the absolute path found for it, or NULL */
	dev_t device;	      /* of the directory; 0: it was not found */
	uint64_t inode;
	uint32_t shared; /* how many overlays of this machine use it, this one too */
	bool missing;	 /* not found under its path */
};

/* What is wrong with an overlay mount. */
enum overlay_flags {
	OVERLAY_UPPER_DELETED = 1 << 0, /* the upper directory was unlinked while mounted */
	OVERLAY_UPPER_SHARED = 1 << 1, /* another overlay has the same upper: undefined behaviour */
	OVERLAY_WORK_SHARED = 1 << 2,
	OVERLAY_LOWER_MISSING = 1 << 3, /* a lower path is not there (any more) */
	OVERLAY_STACKED = 1 << 4,	/* more than one overlay on one mount point */
	OVERLAY_FOREIGN = 1 << 5,	/* mounted only in other mount namespaces than the host's */
	OVERLAY_UPPER_AS_LOWER = 1 << 6, /* its upper is the lower of another overlay */
};

/* One place where an overlay is mounted. */
struct overlay_mount {
	uint64_t mount_ns;	/* inode of the mount namespace */
	uint64_t id;		/* unique mount id where the kernel has it, else the reused one */
	const char *mountpoint; /* as seen in that namespace */
	const char *root;	/* what of it is mounted, "/" as a rule */
	bool read_only;
	char propagation; /* 's'hared, 'm'aster, 'p'rivate, 'u'nbindable; '?' */
};

/* One overlay filesystem (superblock): fstype overlay or fuse.fuse-overlayfs. */
struct overlay {
	dev_t device;	    /* of its superblock: its identity while it is mounted */
	const char *fstype; /* "overlay", "fuse.fuse-overlayfs" */
	const char *source;
	const char *options;	      /* superblock options but the layers */
	struct overlay_layer *layers; /* from the top: upper (if any), lowers, data-only */
	uint32_t n_layers, n_lower;   /* n_lower: without the upper, data-only ones too */
	const char *work;	      /* NULL: read-only */
	bool read_only, userxattr, metacopy, redirect_dir, index, is_volatile;
	uint32_t option_bytes; /* length of the layers in the mount options: 4096 is a page */
	struct overlay_mount *mounts; /* the host's namespace first */
	uint32_t n_mounts, n_mount_ns;
	unsigned int flags; /* enum overlay_flags */
	uint32_t *
		processes; /* indices into namespaces->processes: whose root it is; NULL: unknown */
	uint32_t n_processes;
	const char *cgroup;		    /* of the lowest such process, or NULL */
	const char *container_id, *runtime; /* NULL: none, or not known; runtime is static */
	const char *backing_fstype;	    /* of the upper layer's filesystem, or NULL */
	uint64_t backing_free_bytes, backing_free_inodes; /* 0 without backing_fstype */
	struct layer_usage usage;
};

/* The overlay mounts of a machine at one time. Immutable and shared once returned. By device. */
struct overlays {
	atomic_int refs;
	struct arena arena;
	/* References to sets that hold texts and layers of this one, so that sets can share them.
	 */
	struct overlays **held;
	uint32_t n_held;
	uint64_t boottime_ns, cost_ns;
	struct overlay *list;
	uint32_t n;
	uint32_t n_mount_ns; /* mount namespaces looked into */
	uint32_t n_denied;   /* those that could not be */
	bool by_statmount;   /* false: mountinfo */
};

struct overlays *overlays_new(void);
/* Keeps `other` alive as long as `set`. False if there is no memory. */
bool overlays_hold(struct overlays *set, struct overlays *other);
struct overlays *overlays_ref(struct overlays *set);
void overlays_unref(struct overlays *set);
/* The overlay with that superblock, or NULL. */
const struct overlay *overlays_find_device(const struct overlays *set, dev_t device);
/* The overlay mounted there in any namespace (the host's first), or NULL. */
const struct overlay *overlays_find_path(const struct overlays *set, const char *mountpoint);
/* Its upper layer, or NULL. */
const struct overlay_layer *overlay_upper(const struct overlay *overlay);
/* Where it is mounted first: never NULL for an overlay of a set. */
const char *overlay_mountpoint(const struct overlay *overlay);
/* "complete", "pending", …: static text. */
const char *layer_state_name(enum layer_state state);
/* Name of one bit of enum overlay_flags ("upper deleted"); NULL for no such bit. */
const char *overlay_flag_name(unsigned int flag);
