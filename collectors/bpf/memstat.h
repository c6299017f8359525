/* SPDX-License-Identifier: MIT */
#pragma once

#include <linux/types.h>

/*
 * Where this kernel keeps the numbers of memory.stat, as the program in memstat.bpf.c found it and
 * collectors/bpf_memstat.c reads it.
 */

enum { MEMSTAT_ITEMS = 512, MEMSTAT_TABLE = 4 * MEMSTAT_ITEMS };

struct memstat_layout {
	/* Of struct memcg_vmstats, in bytes. */
	__u32 state_at, state_size, events_at, events_size;
	/* Tables from items to places in these arrays; whether the kernel has them, and shows them.
	 */
	__u32 has_state_table, has_events_table;
	__u8 state_table[MEMSTAT_TABLE], events_table[MEMSTAT_TABLE];
};
