/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#pragma once

/*
 * Values that are members and nothing else, from the rows of core/metrics.def. A part's function
 * defines BPF_READ_<part>, includes metrics.def, and undefines it again to nothing.
 */

#include "collectors/bpf/kernel.bpf.h"

#include "collectors/bpf/record.h"

#define BPF_READ_memory1(id, member)
#define BPF_READ_memory2(id, member)

/* Of BLOCK_LOAD(). */
__u64 block[BLOCK_BYTES / sizeof(__u64)] SEC(".data.block");

/* The range of each structure that BLOCK_LOAD() copies: from one member to the end of another. */
#define FIRST_task_group  shares
#define LAST_task_group	  cfs_bandwidth.burst_time
#define FIRST_mem_cgroup  memory
#define LAST_mem_cgroup	  swap
#define FIRST_pids_cgroup counter
#define LAST_pids_cgroup  watermark

#define READ_IF_THERE(type, pointer, id, member)                                                 \
	if (bpf_core_field_exists(((struct type *)0)->member))                                   \
		record->values[SLOT_##id] = READ_BLOCK(type, FIRST_##type, LAST_##type, pointer, \
						       member);
