/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/root.h"

/* A mount namespace and a way into it. */
struct mount_ns {
	uint64_t inode; /* as in /proc/PID/ns/mnt */
	uint64_t id;	/* NS_GET_ID; 0: not known */
	pid_t pid;	/* a process in it, for /proc/PID/mountinfo; 0: none */
	int fd;		/* an nsfs descriptor to it, borrowed; -1: none */
};

/*
 * A mount that matters to us: an overlay of any kind, or a namespace's bind mount (fstype nsfs,
 * whose `root` is "net:[4026531840]"). Texts are unescaped bytes, the table's.
 */
struct mount_entry {
	uint64_t mount_ns;	/* inode */
	uint64_t id, parent_id; /* unique ids where the kernel has them */
	dev_t device;
	const char *root, *mountpoint, *fstype, *source;
	const char *options; /* of the mount: "rw,relatime" */
	/* Of the superblock, as in mountinfo with its octal escapes (`escaped`); or only "rw" or
	 * "ro", and the others, unescaped, in option_array. overlay_options_parse() reads both. */
	const char *super_options;
	bool escaped;
	const char **option_array; /* statmount's, NULL-terminated; or NULL */
	char propagation;	   /* 's', 'm', 'p', 'u', '?' */
	bool covered;		   /* another mount lies on its mount point */
};

/* One mount namespace as it was read. */
struct mount_ns_info {
	uint64_t inode;
	int64_t n_mounts; /* -1: not known */
	int error;	  /* -errno if it could not be read */
	uint64_t id;	  /* by which listmount() knows it; 0: not known */
};

/*
 * The mounts of many mount namespaces, by listmount() and statmount() where the kernel has them and
 * mountinfo where not: probed, never by version. Kept between refreshes: a namespace whose list of
 * mounts did not change is not read again. One thread uses a table.
 */
struct mount_table;

struct mount_table_stats {
	uint64_t refreshes, namespaces_read, namespaces_same; /* since it was made */
	uint64_t mounts_read;
	bool by_statmount;
};

int mount_table_new(const struct root *root, struct mount_table **ret_table);
void mount_table_free(struct mount_table *table);
/* From now on as on a kernel without listmount(), for tests and benchmarks. Before any refresh. */
void mount_table_use_mountinfo(struct mount_table *table);
/*
 * Reads what changed. `spaces` are the namespaces known from processes and fds; others that the
 * kernel lists (NS_MNT_GET_NEXT) are added: in the first refresh, and new ones a few refreshes late
 * unless `n` is 0. 0 or -errno; one namespace that cannot be read is no error of the whole.
 */
int mount_table_refresh(struct mount_table *table, const struct mount_ns *spaces, size_t n);
/* Only our own mount namespace: for those who look once and must not pay for all of them. */
int mount_table_refresh_own(struct mount_table *table);
/*
 * Entries by mount namespace (our own first), in mount order. They and their texts stay valid,
 * where they are, until a refresh that changes the generation.
 */
const struct mount_entry *mount_table_entries(const struct mount_table *table, size_t *ret_n);
const struct mount_ns_info *mount_table_spaces(const struct mount_table *table, size_t *ret_n);
/* Whether the kernel says that this one is there, now. False where it cannot be asked. */
bool mount_ns_is_there(const struct mount_ns_info *info);
/* Grows whenever an entry came, went or changed. */
uint64_t mount_table_generation(const struct mount_table *table);
void mount_table_get_stats(const struct mount_table *table, struct mount_table_stats *ret_stats);
