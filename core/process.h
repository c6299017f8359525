/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One process as the screens and `ps` show it. Text fields are bytes from outside. */
struct process {
	pid_t pid, ppid;
	uid_t uid;
	char state; /* R S D T Z … as in /proc/PID/stat */
	uint32_t threads;
	uint64_t start_time; /* in clock ticks since boot; with pid, the process's identity */
	uint64_t cpu_usec;   /* user and system together */
	uint64_t rss_bytes;
	char comm[64];
	char *command; /* command line with spaces for NULs, or "[comm]" */
	char *cgroup;  /* path, or NULL if not asked for */
};

struct process_list {
	struct process *list;
	size_t n;
};

void process_list_done(struct process_list *processes);
