/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/bpf_tasks.h"
#include "collectors/ns_scan.h"
#include "core/arena.h"
#include "core/strbuf.h"

/* What the files of the namespace scanner share. Nobody else includes this. */

/* The links in /proc/PID/ns: first those of enum ns_type, then what children will get. */
enum { NS_LINK_PID_CHILDREN = NS_TYPE_COUNT, NS_LINK_TIME_CHILDREN, NS_LINK_COUNT };

#define NS_LIMIT_UNKNOWN UINT64_MAX

/* A member of a hash table, at the beginning of what it stands for. */
struct ns_node {
	struct ns_node *next;
	uint64_t key;
};

struct ns_hash {
	struct ns_node **buckets;
	size_t n, size; /* size: 0 or a power of two */
};

struct ns_node *ns_hash_find(const struct ns_hash *hash, uint64_t key);
/* -ENOMEM: then it was not added. */
int ns_hash_add(struct ns_hash *hash, struct ns_node *node);
/* Takes out and frees by `release` whatever `keep` does not want to keep; NULL keeps nothing. */
void ns_hash_sweep(struct ns_hash *hash, bool (*keep)(const struct ns_node *node, uint64_t pass),
		   uint64_t pass, void (*release)(struct ns_node *node));
void ns_hash_done(struct ns_hash *hash, void (*release)(struct ns_node *node));

/* What keeps a namespace: a line of a list. Texts are the pass's. */
struct ns_hold {
	struct ns_hold *next;
	struct ns_holder holder;
};

/*
 * A namespace as it is remembered from pass to pass. The kernel gives an inode anew once its
 * namespace is gone, so what is remembered counts in a pass only after it is certain that it is
 * still the same: `checked`.
 */
struct ns_known {
	struct ns_node node;
	enum ns_type type;
	uint64_t inode;
	/* What cannot change. */
	bool asked; /* the following are known */
	bool owner_uid_known;
	uid_t owner_uid;
	uint64_t id;
	struct ns_known *parent, *owner; /* as long as this one lives, so do they */
	uint64_t first_seen_ns;
	uint64_t limits[NS_TYPE_COUNT]; /* of a user namespace, as they were at limits_ns; 0: never
					 */
	uint64_t limits_ns;
	/* What one pass finds. */
	uint64_t pass, checked;
	uint32_t index, processes, threads;
	struct ns_task *lowest;	     /* process in it */
	struct ns_task *thread;	     /* a thread in it whose process is elsewhere */
	struct ns_task *maker;	     /* whose children will be in it */
	size_t lowest_at, thread_at; /* where in `current` these are */
	bool lost;		     /* every way to it has ended since it was found */
	bool young;		     /* somebody entered it after this pass had looked at him */
	int fd;			     /* descriptor to it until the pass ends, or -1 */
	struct ns_hold *holds, **holds_end;
};

/* A descriptor that holds a namespace, as it was when all of its process's were looked at. */
struct ns_fd {
	int number;
	enum ns_type type;
	uint64_t inode;
	uint64_t socket; /* its inode, if it is one */
};

/*
 * A thread, or a process (its leading thread: tid == pid). Only a task itself can change its
 * namespaces, user, name and command line: those of one that certainly did not run since they were
 * read are still true. See ns_task_rested().
 */
struct ns_task {
	struct ns_node node;
	pid_t pid, tid;
	uint64_t pass;
	struct ns_known *ns[NS_LINK_COUNT]; /* NULL: not to be seen */
	bool denied;
	uid_t uid;
	uint32_t threads; /* of the process; 0: not known */
	/* Whether it ran. */
	uint64_t run_ns, slices, rested_since_ns;
	bool rests;
	/* The same by the kernel's records (ns_records.c). */
	uint64_t born_ns, switches; /* born: when it started; 0: there was no record of it yet */
	bool still;
	const struct task_record *record; /* of this pass; NULL: read from /proc */
	bool idle; /* this pass: no thread of the process ran since the pass before */
	/* What holds namespaces among its descriptors. */
	struct ns_fd *fds;
	uint32_t n_fds;
	bool fds_known;
	/* Read when wanted. */
	bool uid_told;
	uint64_t told; /* the pass in which it last was */
	pid_t ppid;
	uint64_t start_ns;
	char *comm, *command;
	struct ns_cgroup *cgroup;
	dev_t root_device;
};

/* A socket made in another net namespace than that of its process. */
struct ns_socket {
	struct ns_node node; /* inode of the socket */
	uint64_t net;	     /* inode of the namespace; 0: could not be found out */
	uint64_t pass;
};

/* Texts of /proc/PID/cgroup and the path each stands for: few texts for many processes. */
struct ns_cgroup {
	struct ns_node node;
	char *text, *path;
	char **others; /* paths in other hierarchies, ended by NULL; or NULL */
	uint64_t pass;
	const char *copy; /* of path in the set that is made in pass `copied` */
	const char **other_copies;
	uint64_t copied;
};

/* What tasks have whose records say the same: asked of one of them in a pass. */
struct ns_place {
	struct ns_node node;
	uint64_t cgroup_ids[TASK_HIERARCHIES];
	struct ns_cgroup *cgroup; /* as of `pass` */
	uint64_t pass;
};

/* A root directory of which stat() says the device that its filesystem has. */
struct ns_root {
	struct ns_node node;
	uint32_t device; /* as in records */
	uint64_t inode;
	uint64_t pass;
};

struct ns_scanner {
	const struct root *root;
	const struct hierarchies *hierarchies;
	bool live; /* this machine, not a recorded tree */
	int proc_fd;
	bool no_ids, no_mount_info, no_pidfd_info; /* this kernel has none: found out by trying */
	const atomic_bool *stop;		   /* NULL: nobody stops us */
	bool nsfs_known;
	dev_t nsfs_device;	   /* all namespaces are files of one filesystem */
	struct bpf_tasks *records; /* NULL: all is read from /proc */
	pid_t *hidden;		   /* processes that no record was made of, as of the last pass */
	size_t n_hidden;
	struct ns_hash known, tasks, sockets, cgroups, places, roots;
	unsigned int flags;
	uint64_t pass, boottime_ns, realtime_ns, cost_ns;
	struct ns_known **seen; /* in this pass */
	size_t n_seen, seen_capacity;
	struct ns_task **current; /* in this pass; by pid once sorted */
	size_t n_current, current_capacity;
	struct ns_known *last[NS_LINK_COUNT]; /* neighbours are often in the same */
	struct mount_ns *mount_ns;
	size_t n_mount_ns;
	struct arena scratch; /* of the pass */
	struct strbuf text;   /* for reading files */
	int netlink;	      /* -1: not open */
	uint32_t netlink_sequence;
};

/* ns_scan.c */
/* -ECANCELED once the pass is to end, else 0. Whatever goes along many things asks before each. */
int ns_stopped(const struct ns_scanner *scanner);

/* ns_table.c */
/* The namespace, marked as seen in this pass. NULL if there is no memory. */
struct ns_known *ns_known_touch(struct ns_scanner *scanner, enum ns_type type, uint64_t inode);
/* The task, marked as current. NULL if there is no memory. `ret_new`: it was not known. */
struct ns_task *ns_task_touch(struct ns_scanner *scanner, pid_t pid, pid_t tid, bool *ret_new);
/* A task of this pass, or NULL. */
struct ns_task *ns_task_find(const struct ns_scanner *scanner, pid_t tid);
/* The last task touched has gone away. */
void ns_task_drop(struct ns_scanner *scanner);
/* Forgets what was not seen in this pass. */
void ns_forget(struct ns_scanner *scanner);
void ns_forget_all(struct ns_scanner *scanner);
/*
 * Closes the descriptors that the pass has opened. It must not end without that: they keep the
 * namespaces, and all that is mounted and plugged in there, alive.
 */
void ns_close_all(struct ns_scanner *scanner);
/* Empties the lists of the pass before. */
void ns_begin_pass(struct ns_scanner *scanner);
/* Another holder, behind those it has. NULL if there is no memory. */
struct ns_holder *ns_known_hold(struct ns_scanner *scanner, struct ns_known *known,
				enum ns_holder_kind kind);

/* ns_links.c */
/* The inode in "net:[4026531840]" if it is of that type, else 0. */
uint64_t ns_link_parse(const char *text, size_t length, enum ns_type type);
/* The same for any type. NS_TYPE_COUNT if it is no such text. */
enum ns_type ns_link_parse_any(const char *text, uint64_t *ret_inode);
/* The type a link in /proc/PID/ns is of, and its name. */
enum ns_type ns_link_type(unsigned int link);
const char *ns_link_name(unsigned int link);
/* Every process and thread. 0 or -errno. */
int ns_links_read(struct ns_scanner *scanner);
/* One process, and its threads if it has more than one, by /proc. 0 (also if it has gone) or
 * -errno. */
int ns_links_read_process(struct ns_scanner *scanner, int proc_fd, const char *pid);
/* What was read of a task before it ran, or of another one with its number, is forgotten. */
void ns_task_untell(struct ns_task *task);

/* ns_records.c */
/* Every process and thread by the kernel's records; -errno: /proc has to be read. */
int ns_records_read(struct ns_scanner *scanner);
/*
 * Cgroup and root of a process: of those whose records say the same, one is looked up in /proc. 0
 * or -ENOMEM.
 */
int ns_records_place(struct ns_scanner *scanner, struct ns_task *task);

/* ns_facts.c */
/*
 * Makes certain that what is remembered of all namespaces seen is of them, asks where not, and adds
 * their parents and owners.
 */
int ns_facts_read(struct ns_scanner *scanner);
/* The same for one that came later, by its descriptor, which stays the caller's. */
int ns_facts_ask(struct ns_scanner *scanner, struct ns_known *known, int fd);
/*
 * A new descriptor to the namespace through a process, thread or holder; -errno: -ESRCH if there is
 * no such way, or all have ended. Processes and threads that have are not its lowest any more.
 */
int ns_known_open(struct ns_scanner *scanner, struct ns_known *known);
/* The inode of an nsfs descriptor (also one by O_PATH); 0 if it is none. */
uint64_t ns_inode_of(struct ns_scanner *scanner, int fd);
/* The namespace that a descriptor by O_PATH leads to, open to be asked; -ESRCH if it is another. */
int ns_reopen(struct ns_scanner *scanner, const struct ns_known *known, int path_fd);

/* ns_holders.c */
/* fds and sockets of every process. */
int ns_holders_read(struct ns_scanner *scanner);
/* A copy of that thread's socket; -errno, -ESRCH if the descriptor is something else by now. */
int ns_copy_socket(pid_t pid, pid_t tid, int fd, uint64_t inode);
/* The namespace a socket was made in, as a descriptor; -errno. */
int ns_socket_net(int socket_fd);
/* Bind mounts, mount namespaces that only the kernel lists, children, and what has nobody. */
int ns_holders_finish(struct ns_scanner *scanner, const struct mount_table *mounts);

/* ns_members.c */
/* The lowest process, or the thread, has gone: the next one that was seen in it, or NULL. */
void ns_members_next_process(struct ns_scanner *scanner, struct ns_known *known);
void ns_members_next_thread(struct ns_scanner *scanner, struct ns_known *known);
/*
 * Whoever stands for a namespace is still there and is known by name; namespaces that have ended
 * since they were found are not listed. 0 or -errno.
 */
int ns_members_settle(struct ns_scanner *scanner, const struct mount_table *mounts);

/* ns_tasks.c */
/* Name, parent, start and command line of a process, once. What cannot be read stays empty. */
void ns_task_tell(struct ns_scanner *scanner, struct ns_task *task);
/* The same without the command line. */
void ns_task_name(struct ns_scanner *scanner, struct ns_task *task);
/* Its effective user, also where /proc belongs to root because it is not dumpable. */
uid_t ns_task_uid(struct ns_scanner *scanner, struct ns_task *task);
/* The same from /proc for one process: -ENOMEM, or 0 with NULL or 0 for what is not known. */
int ns_task_ask_cgroup(struct ns_scanner *scanner, struct ns_task *task);
void ns_task_ask_root(struct ns_scanner *scanner, struct ns_task *task);
/* Cgroup and root of every process. */
int ns_tasks_place(struct ns_scanner *scanner);

/* ns_details.c, ns_inside.c, ns_limits.c: fill in a set that is in the order of `seen`. */
int ns_details_read(struct ns_scanner *scanner, const struct mount_table *mounts,
		    struct namespaces *set);
/*
 * By a thread that enters them: host names of uts namespaces, interfaces of those net namespaces
 * that no process shows. What may not be entered stays unknown.
 */
void ns_inside_read(struct ns_scanner *scanner, struct namespaces *set);
/* max_*_namespaces as seen from within another user namespace, by a child that enters it. */
int ns_inside_limits(struct ns_scanner *scanner, struct ns_known *user,
		     uint64_t ret_limits[NS_TYPE_COUNT]);
/* The same of our own. NS_LIMIT_UNKNOWN where a file is not there. */
void ns_own_limits(struct ns_scanner *scanner, uint64_t ret_limits[NS_TYPE_COUNT]);
/* The names in the text of /proc/PID/net/dev, with spaces between; their number. */
int32_t ns_interfaces_parse(const char *text, struct strbuf *ret_names);
/* The lines of uid_map and gid_map; false if the text has another form. */
bool ns_map_parse(const char *text, struct arena *arena, struct ns_map **ret_map, uint32_t *ret_n);
/* The text of timens_offsets; false likewise. */
bool ns_offsets_parse(const char *text, int64_t *ret_monotonic_ns, int64_t *ret_boottime_ns);
int ns_limits_read(struct ns_scanner *scanner, struct namespaces *set);

/* ns_build.c */
/* The set of what this pass found. */
int ns_build(struct ns_scanner *scanner, struct namespaces **ret_namespaces);
/* Whether that namespace is one the kernel was born with, as its fixed inode tells. */
bool ns_is_initial(enum ns_type type, uint64_t inode);
