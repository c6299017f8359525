/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/kernel_event.h"
#include "core/policy_report.h"
#include "core/process.h"
#include "core/snapshot.h"

/* What the source of kernel events says of itself. */
struct tui_events {
	bool ready;    /* it is known what can be told */
	uint32_t told; /* kinds that are (bits by enum kernel_event_kind) */
	uint64_t lost; /* since it was started: there was no room */
	char why[160]; /* nothing is told: why */
	/* Of kinds that are wanted and not told: why, or "". */
	char missing[KERNEL_EVENT_KIND_COUNT][96];
};

enum { TUI_WATCHED_MOST = 256 };

/* Where the terminal gets its data and sends its wishes; the agent fills it in. */
struct tui_source {
	void *data;
	int event_fd; /* eventfd, readable when a newer snapshot is there */
	/* A reference to the latest snapshot, or NULL if there is none yet. */
	struct snapshot *(*latest)(void *data);
	/* The columns that screens need from now on; also takes effect at once (a new sample). */
	void (*want)(void *data, const struct metric_set *columns);
	/*
	 * The parts of the inventory (enum inventory_parts) that screens need from now on;
	 * snapshots carry it. May be NULL: then there is no inventory.
	 */
	void (*want_inventory)(void *data, unsigned int parts);
	/* The memory of the host, in bytes. NULL, or false: unknown. */
	bool (*host_memory)(void *data, uint64_t *ret_used, uint64_t *ret_total);
	void (*set_interval)(void *data, uint64_t usec);
	void (*set_paused)(void *data, bool paused);
	/* Processes of one cgroup. 0 or -errno. */
	int (*processes)(void *data, const struct node *node, struct process_list *ret_processes);
	/*
	 * The agent's report is wanted from now on, or no more. May be NULL, as the two below: then
	 * there is nobody to ask.
	 */
	void (*want_policies)(void *data, bool wanted);
	/* A reference to its latest one, or NULL while none came. event_fd tells of it too. */
	struct policy_report *(*policies)(void *data);
	/*
	 * Kernel events of these kinds (bits by enum kernel_event_kind) are wanted from now on; 0:
	 * none. May be NULL, as the next one.
	 */
	void (*want_events)(void *data, uint32_t kinds);
	/*
	 * What happened since the last call: true with a reference, once for each list; event_fd
	 * tells of it. What the source says of itself is filled in always.
	 */
	bool (*events)(void *data, struct tui_events *ret_state, struct kernel_events **ret_events);
	/*
	 * Snapshots carry what is counted in watched cgroups of these (by serial, at most
	 * TUI_WATCHED_MOST) from now on. May be NULL.
	 */
	void (*watch)(void *data, const uint64_t *serials, size_t n);
	/* Why there are no distributions and will be none; "" if that is not so. May be NULL. */
	void (*no_latency)(void *data, char *text, size_t size);
	/*
	 * What became of a freeze or thaw that was on its way: true once, with a message (caller
	 * frees, may be NULL). event_fd tells of it.
	 */
	bool (*outcome)(void *data, bool *ret_failed, char **ret_message);
	/*
	 * Freezes or thaws by hand. With `lease_seconds` by asking the agent (which thaws it again
	 * after that time), else directly: then nobody does. 1 if it is on its way; else 0 or
	 * -errno, with a message for the status line in `ret_message` (caller frees).
	 */
	int (*freeze)(void *data, const struct node *node, bool frozen, unsigned int lease_seconds,
		      char **ret_message);
};

struct tui_options {
	const char *glob; /* show only this, or NULL */
	uint64_t interval_usec;
	bool ascii; /* no line-drawing characters */
	bool no_color;
	const char *hostname, *kernel, *modes; /* header texts: "hybrid: 9 v1 + v2" */
	unsigned int n_cpus;		       /* of the host, for the bars; 0 if unknown */
	uint64_t memory_bytes;		       /* of the host; 0 if unknown */
};

/*
 * Runs the interactive terminal until the user leaves it. The terminal is restored on every way
 * out, signals included. 0, or -errno if there is no usable terminal.
 */
int tui_run(const struct tui_source *source, const struct tui_options *options);
