/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Kinds of events from the kernel, apart because the programs for it include it too. A kind is a
 * row of a table (kernel_event.c).
 */
enum kernel_event_kind {
	KERNEL_EVENT_CREATED,  /* "created": a cgroup */
	KERNEL_EVENT_REMOVED,  /* "removed": a cgroup */
	KERNEL_EVENT_ATTACHED, /* "attached": a task moved into a cgroup */
	KERNEL_EVENT_FORK,     /* "fork": a process (not a thread) */
	KERNEL_EVENT_EXEC,     /* "exec" */
	KERNEL_EVENT_EXIT,     /* "exit": a process, with what it used */
	KERNEL_EVENT_OOM_KILL, /* "oom_kill" */
	KERNEL_EVENT_FREEZE, /* "freeze", "thaw": v2 (v1: a write of freezer.state is a "write") */
	KERNEL_EVENT_THAW,
	KERNEL_EVENT_NS_CREATED,   /* "ns_created", with its creator */
	KERNEL_EVENT_NS_DESTROYED, /* "ns_destroyed", with its creator */
	KERNEL_EVENT_WRITE,	   /* "write": a limit file, by whom */
	KERNEL_EVENT_KIND_COUNT,
};
