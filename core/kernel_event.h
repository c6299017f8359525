/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/kernel_event_kind.h"
#include "core/ns_type.h"
#include "core/strbuf.h"

/*
 * Something that the kernel told of the moment it happened, by a program of the bpf backend. Texts
 * are NULL where there is none; they live as long as the list, and are bytes from outside.
 */
struct kernel_event {
	enum kernel_event_kind kind;
	uint64_t boottime_ns, realtime_ns;
	/* Where: the id in one hierarchy ("memory", "unified"), and the path if it is known. */
	const char *hierarchy, *path;
	uint64_t cgroup;
	/* Who did it or whom it happened to: as seen in the first pid namespace. */
	pid_t pid, parent_pid;
	uid_t uid;
	const char *comm;
	const char *text; /* exec: the program; write: what was written; attached: the old path */
	const char *file; /* write: "memory.max" */
	/* oom_kill: victim (pid and comm are who asked for memory), use and limit at that moment */
	pid_t victim;
	const char *victim_comm;
	uint64_t memory_bytes, limit_bytes, victim_bytes;
	uid_t victim_uid;
	const char *victim_path; /* where it was; hierarchy, path, cgroup: whose limit was hit */
	/* write: 0, or the errno with which it was refused */
	int error;
	/* exit */
	int exit_code, exit_signal;
	uint64_t lifetime_ns, cpu_ns;
	/* ns_* */
	enum ns_type ns_type;
	uint64_t ns_inode;
};

/* Events in the order of time; immutable, shared by reference. */
struct kernel_events {
	atomic_int refs;
	struct kernel_event *list;
	size_t n;
	uint64_t lost; /* since the source was started: there was no room */
	void *memory;
};

/* Both take NULL; the last reference frees the texts of the events, too. */
struct kernel_events *kernel_events_ref(struct kernel_events *events);
void kernel_events_unref(struct kernel_events *events);
/* "created", … */
const char *kernel_event_name(enum kernel_event_kind kind);
/* KERNEL_EVENT_KIND_COUNT if there is no such kind. */
enum kernel_event_kind kernel_event_find(const char *name);
/* One line for people without time, kind and path: "memory.max 512M, by systemd (1)". */
void kernel_event_describe(const struct kernel_event *event, struct strbuf *buffer);
/* One line of JSON with its end (cgwatch(1), "events"). */
void kernel_event_json(const struct kernel_event *event, struct strbuf *out);
/* "oom_kill,write" as bits (1 << kind). 0, or -EINVAL: an unknown name, or none at all. */
int kernel_events_parse_kinds(const char *text, uint32_t *ret_kinds);
