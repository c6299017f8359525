/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

/* What we take from /proc/PID/stat (proc_pid_stat(5)); times in clock ticks. */
struct proc_stat {
	char comm[64];
	char state;
	uint64_t ppid, user_ticks, system_ticks, threads, start_ticks, virtual_bytes,
		resident_pages;
};

/* Parses the text, which it changes. -EINVAL if it has another form. */
int proc_stat_parse(char *text, struct proc_stat *ret_stat);
