/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/names.h"
#include "collectors/runtime_private.h"

/*
 * What runtimes left behind. One rule above all: never a false orphan. State that cannot be read or
 * is not understood ends the search with nothing; what is mounted, named by any record, or younger
 * than the grace time is none; and what is found must still be so a moment later.
 */

/* One find: a path relative to the store, and where it is said why. */
struct orphan_find {
	enum orphan_reason reason;
	char *path;
	uint64_t bytes;
	bool bytes_known;
};

struct orphan_list {
	struct orphan_find *list;
	uint32_t n, capacity;
};

/* One search in one store. */
struct orphan_search {
	struct runtime_pass *pass;
	const char *root; /* of the store, without links */
	int fd;
	int64_t grace_ns;
	struct names uppers, lowers; /* layers mounted anywhere, as names below the store */
	struct orphan_list found;
	bool young; /* something was left out for its youth alone: another search may find it */
};

/* A kind of store: how to tell that nothing changed, and how to look. */
struct orphan_kind {
	const char *runtime;
	const char *root; /* without links: what the descriptor is of */
	/* The directory whose entries are layers, relative to the store. */
	const char *layers;
	/* Directories (relative) whose change means another search; NULL at the end. */
	const char *const *watched;
	/* Adds to search->found. 0; -ENOMEM; another -errno: it cannot be told, nothing is said. */
	int (*search)(struct orphan_search *search, void *data);
	void *data;
};

/* Looks for orphans of the store if that was asked for, and adds them. 0 or -ENOMEM. */
int orphans_find(struct runtime_pass *pass, struct runtime_store *store, int fd,
		 const struct orphan_kind *kind);
void orphans_kept_free(struct orphans_kept *kept);

/* A find, unless it is too young: `changed_ns` is when it came to be so. 0 or -ENOMEM. */
int orphan_add(struct orphan_search *search, enum orphan_reason reason, int64_t changed_ns,
	       const char *format, ...) __attribute__((format(printf, 4, 5)));
/* True if a file or directory is there: relative to the store, not through a last link. */
bool orphan_stat(const struct orphan_search *search, struct stat *ret_status, const char *format,
		 ...) __attribute__((format(printf, 3, 4)));
/* Names of the directories in a relative path. 0 or -errno. */
int orphan_directories(const struct orphan_search *search, const char *path, struct names *names);

/* Adds the short names ("l/LINK") of what a layer has below it. */
void overlay_use_lower(struct orphan_search *search, const char *layers, const char *id,
		       struct names *links);
/* Whether a mount anywhere, or one of `links`, stands on this layer. */
bool overlay_is_below(struct orphan_search *search, const char *layers, const char *id,
		      struct names *links);
/* Finds the short links that point nowhere, or at a layer that goes by another. */
int overlay_judge_links(struct orphan_search *search, const char *layers);

/* Docker's overlay2 and fuse-overlayfs, which have one layout; `data` is a struct driver_form. */
int orphans_search_docker(struct orphan_search *search, void *data);
/* The overlay driver of containers/storage; `data` is the descriptor (int) of its run root, or -1.
 */
int orphans_search_storage(struct orphan_search *search, void *data);
