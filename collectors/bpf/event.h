/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the event programs and their user agree on: the records of the ring buffer. Included by
 * both: the kernel's side has the types from kernel.bpf.h, ours from <linux/types.h>.
 */

#include <linux/types.h>

enum {
	KE_COMM = 16,
	KE_TEXT = 256,	 /* as long as a name can be, with its NUL */
	KE_WRITTEN = 64, /* of what was written to a file, a power of 2, with its NUL */
	KE_FILE = 48,
	KE_SUBSYSTEMS = 16,
	KE_NAMESPACES = 16384, /* whose creator is remembered until they end */
	KE_KINDS = 16,	       /* at least as many as enum kernel_event_kind has */
	KE_NO_HIERARCHY = 0xffffffff,
};

/* Where something happened: by the number that the kernel has for a hierarchy (0: v2). */
struct ke_place {
	__u64 cgroup;
	__u32 hierarchy;
	__u32 reserved;
};

/* Who did it. */
struct ke_who {
	__u32 pid, uid;
	char comm[KE_COMM];
};

struct ke_head {
	__u64 time; /* CLOCK_BOOTTIME */
	__u32 kind; /* enum kernel_event_kind */
	__u32 reserved;
	struct ke_place place;
	struct ke_who who;
};

/* created (with its name), removed, attached (`other` is where it was), freeze, thaw */
struct ke_cgroup {
	struct ke_head head;
	__u64 other; /* created: the parent; attached: the cgroup before in the same hierarchy */
};

struct ke_created {
	struct ke_cgroup cgroup;
	char name[KE_TEXT];
};

struct ke_fork {
	struct ke_head head;
	__u32 parent_pid, reserved;
};

struct ke_exec {
	struct ke_head head;
	__u32 parent_pid, length; /* length with the NUL; KE_TEXT: it may go on */
	char program[KE_TEXT];
};

struct ke_exit {
	struct ke_head head;
	__u32 parent_pid, status; /* as of wait(2) */
	__u64 lifetime, cpu;
};

struct ke_oom {
	struct ke_head head; /* place: whose limit was hit; who: who asked for memory */
	struct ke_place victim_place;
	struct ke_who victim;
	__u64 usage, limit, rss; /* pages; usage and limit 0: the machine ran out of memory */
};

struct ke_ns {
	struct ke_head head;
	__u32 inode, type; /* enum ns_type */
};

struct ke_write {
	struct ke_head head;
	__s32 result; /* bytes, or -errno: it was refused */
	__u32 length; /* of what was written, of which the first part is here */
	char file[KE_FILE];
	char text[KE_WRITTEN];
};

/* By inode of a namespace: what will be said when it ends. */
struct ke_namespace {
	struct ke_place place;
	struct ke_who who; /* pid 0: it was there before we were */
	__u32 type, reserved;
};
