/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/arena.h"
#include "core/ns_type.h"

/* No such namespace, or one that cannot be seen from here. */
#define NS_NONE UINT32_MAX

/* What keeps a namespace alive, the strongest first. */
enum ns_holder_kind {
	NS_HELD_PROCESS,  /* a process is in it (only counted: see processes) */
	NS_HELD_THREAD,	  /* a thread that is elsewhere than its process: pid, tid */
	NS_HELD_CHILDREN, /* pid_for_children or time_for_children of pid */
	NS_HELD_FD,	  /* an open file: pid, fd */
	NS_HELD_SOCKET,	  /* a socket that was made in it: pid, fd, inode */
	NS_HELD_MOUNT,	  /* a bind mount: path, mount_ns */
	NS_HELD_CHILD,	 /* a namespace that has it as parent or owner: inode, of type child_type */
	NS_HELD_UNKNOWN, /* the kernel has it and no holder was found: in flight, or no right to
			    look */
	NS_HOLDER_KIND_COUNT,
};

struct ns_holder {
	enum ns_holder_kind kind;
	enum ns_type child_type;
	pid_t pid, tid;
	int fd;
	uint64_t inode;	   /* of the socket or the child namespace */
	uint64_t mount_ns; /* inode of the mount namespace that has the bind mount */
	const char *path;  /* of the bind mount, bytes from outside */
	const char *comm;  /* of pid, bytes from outside, or NULL */
};

/* One line of uid_map or gid_map (user_namespaces(7)). */
struct ns_map {
	uint32_t inside, outside, count;
};

/*
 * One namespace. Its identity is type and inode; `id` never comes back, where the kernel has one.
 * Texts are bytes from outside: escape them. All memory is the set's.
 */
struct ns_namespace {
	enum ns_type type;
	uint64_t inode;
	uint64_t id;	  /* NS_GET_ID; 0: this kernel has none */
	uint32_t parent;  /* index of the parent (user and pid), NS_NONE: none or not to be seen */
	uint32_t owner;	  /* index of the user namespace that owns it, NS_NONE likewise */
	uint32_t depth;	  /* user and pid: how many parents are to be seen */
	bool host;	  /* it is the one of the machine's first process */
	bool owner_known; /* owner_uid is valid (user namespaces) or could be found out */
	uid_t owner_uid;  /* who owns it: NS_GET_OWNER_UID of it or of its owner */
	uint32_t processes;  /* thread-group leaders in it */
	uint32_t threads;    /* all threads in it, leaders too */
	pid_t pid, ppid;     /* lowest process in it, or the lowest holder's; 0: none */
	uid_t uid;	     /* of pid */
	const char *command; /* of pid, or NULL */
	uint64_t oldest_ns;  /* CLOCK_BOOTTIME: start of the oldest process in it that was looked
			      * at, or when it was first seen, whichever is earlier. A process that
			      * moved in may be older than it; the kernel tells no age. */
	struct ns_holder *holders; /* beyond the processes in it */
	uint32_t n_holders;
	/* net */
	bool netnsid_known;
	int32_t netnsid;	/* as seen from our own net namespace; -1: none assigned */
	int32_t n_interfaces;	/* -1: not known */
	const char *interfaces; /* names with spaces between, or NULL */
	/* uts */
	const char *nodename, *domainname; /* NULL: not known */
	/* user */
	struct ns_map *uid_map, *gid_map;
	uint32_t n_uid_map, n_gid_map;
	bool setgroups_denied;
	/* pid */
	pid_t init; /* pid (ours) of its process 1; 0: none or not seen */
	/* mnt */
	int64_t n_mounts;  /* -1: not known */
	const char *root;  /* what /proc/PID/root of pid points at, or NULL */
	dev_t root_device; /* st_dev of that root; 0: not known */
	/* time */
	bool offsets_known;
	int64_t monotonic_ns, boottime_ns;
};

/* A process as namespaces see it. `ns` are indices; NS_NONE where it could not be read. */
struct ns_process {
	pid_t pid, ppid;
	uid_t uid;
	uint32_t threads;
	uint64_t start_ns;  /* CLOCK_BOOTTIME; 0: not known or not asked for */
	const char *comm;   /* bytes from outside; "" likewise */
	const char *cgroup; /* path of its node, or NULL if not known */
	/* On v1 and hybrid hosts: where other hierarchies have it elsewhere, ended by NULL; or
	 * NULL.
	 */
	const char *const *other_cgroups;
	dev_t root_device; /* st_dev of /proc/PID/root: which mount it lives on; 0: not known */
	uint32_t ns[NS_TYPE_COUNT];
	uint32_t pid_for_children, time_for_children;
	bool denied; /* no right to read its links */
};

/* A thread with at least one namespace other than its leader's. */
struct ns_thread {
	pid_t pid, tid;
	uint32_t ns[NS_TYPE_COUNT];
};

/*
 * Namespaces of one type that one user made in one user namespace: what /proc/sys/user/max_*
 * limits. Use is counted here, since the kernel does not tell it; each is charged to all ancestor
 * user namespaces too.
 */
struct ns_limit {
	enum ns_type type;
	uint32_t user_ns; /* index */
	uid_t uid;
	uint64_t used;
	uint64_t limit; /* of that user namespace */
	bool limit_known;
};

/*
 * The namespaces of a machine at one time. Immutable and shared by reference once it is returned.
 * Sorted by type, then by inode.
 */
struct namespaces {
	atomic_int refs;
	struct arena arena;		   /* everything below */
	uint64_t boottime_ns, realtime_ns; /* when reading began */
	uint64_t cost_ns;		   /* CPU time it took */
	struct ns_namespace *list;
	uint32_t n;
	uint32_t first[NS_TYPE_COUNT + 1]; /* of each type in list */
	uint32_t host[NS_TYPE_COUNT];	   /* index of the machine's own, or NS_NONE */
	struct ns_process *processes;	   /* by pid */
	uint32_t n_processes;
	struct ns_thread *threads; /* only those that differ; by pid, tid */
	uint32_t n_threads;
	struct ns_limit *limits; /* by used / limit, the tightest first */
	uint32_t n_limits;
	uint32_t n_denied;	  /* processes that could not be looked into */
	uint32_t n_denied_others; /* those of them that are of other users: whoever has no right to
				     look into these cannot say that a namespace has nobody in it */
	bool holders_searched;	  /* false: fds and sockets were not looked at, so "unknown" says
				     little */
};

/* An empty set with one reference. NULL if there is no memory. */
struct namespaces *namespaces_new(void);
struct namespaces *namespaces_ref(struct namespaces *set);
void namespaces_unref(struct namespaces *set);
/* Index of that namespace, or NS_NONE. */
uint32_t namespaces_find(const struct namespaces *set, enum ns_type type, uint64_t inode);
/* Index into processes, or NS_NONE. */
uint32_t namespaces_find_process(const struct namespaces *set, pid_t pid);
/* For a set in which not every process's parent is known: who tells it, 0 if nobody can. */
struct ns_ancestry {
	pid_t (*parent)(const void *data, const struct ns_process *process);
	const void *data;
};
/*
 * The namespace it was left for this one, as the tree of processes tells: that of the nearest
 * ancestor of its lowest process that is in another one of the type, or NS_NONE. `ancestry` may be
 * NULL.
 */
uint32_t namespaces_process_parent(const struct namespaces *set, uint32_t index,
				   const struct ns_ancestry *ancestry);
/* used / limit; 0 where the limit is not known. */
double ns_limit_ratio(const struct ns_limit *limit);
/* "mnt", "net", …; as in /proc/PID/ns. */
const char *ns_type_name(enum ns_type type);
/* The type of that name ("mnt", also "mount"), or NS_TYPE_COUNT. */
enum ns_type ns_type_find(const char *name, size_t length);
/* The CLONE_NEW* flag. */
int ns_type_flag(enum ns_type type);
/* "process", "fd", "bind mount", …: static text. */
const char *ns_holder_name(enum ns_holder_kind kind);
/*
 * Why it is still there, in one word: "live" (processes or threads), else what holds it:
 * "children", "fd", "socket", "mount", "child", "unknown".
 */
const char *ns_state_name(const struct ns_namespace *ns);
