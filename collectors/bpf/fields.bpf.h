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

#define READ_IF_THERE(type, pointer, id, member)        \
	if (bpf_core_field_exists(((type *)0)->member)) \
		record->values[SLOT_##id] = READ_FIELD(type, pointer, member);
