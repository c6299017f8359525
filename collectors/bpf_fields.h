/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/bpf/record.h"
#include "core/metric.h"

/* How a value of a record becomes what the file prints, in the unit of the metric's row. */
enum bpf_op {
	BPF_OP_COUNT,	    /* as it is */
	BPF_OP_NSEC,	    /* ns to us */
	BPF_OP_NSEC_LIMIT,  /* the same; all ones: unlimited (RUNTIME_INF) */
	BPF_OP_PAGES,	    /* pages to bytes */
	BPF_OP_KIB,	    /* KiB to bytes */
	BPF_OP_PAGES_LIMIT, /* the same; PAGE_COUNTER_MAX: unlimited */
	BPF_OP_INT_LIMIT,   /* INT_MAX: unlimited */
	BPF_OP_PIDS_LIMIT,  /* PIDS_MAX (pids.c): unlimited */
	BPF_OP_USER,	    /* ns to us, never back from one sample to the next */
	BPF_OP_SYSTEM,
	BPF_OP_USER_TICKS, /* the same; v1 prints hundredths of a second */
	BPF_OP_SYSTEM_TICKS,
	BPF_OP_WEIGHT_NICE,   /* weight of the scheduler to nice value */
	BPF_OP_FREEZER_STATE, /* 1: FROZEN, 0: THAWED */
	BPF_OP_SUBSYS,	      /* CG_NONE: absent */
	BPF_OP_OPS,
};

/* A row of core/metrics.def that the bpf backend can supply. */
struct bpf_field {
	enum metric_id id;
	enum bpf_slot slot;
	enum bpf_part part;
	enum bpf_op op;
	/*
	 * What the kernel must have (bpf_kernel_has()). Without a function or an enumerator its
	 * files do not have the number either; without a member they may, unless it is optional.
	 */
	const char *needs; /* as in the table: bpf_field_needs() */
};

/* In the order of slots: SLOT_COUNT rows. */
extern const struct bpf_field bpf_fields[];
/* The first row of a metric behind `after` (NULL: of all), or NULL: v1 may have one of its own. */
const struct bpf_field *bpf_field_of(enum metric_id id, const struct bpf_field *after);
/* A member of the kernel's structures without which there is none. */
const char *bpf_field_needs(const struct bpf_field *field);
/* Without that member the kernel's file has no such line: the value is known to be absent. */
bool bpf_field_is_optional(const struct bpf_field *field);
/* The name of a part and of the controller whose state it is ("" for the cgroup's own). */
const char *bpf_part_name(enum bpf_part part);
const char *bpf_part_controller(enum bpf_part part);
/* value = raw * mul / div; raw from `unlimited` on (0: never) stands for no limit. */
struct bpf_scale {
	uint64_t mul, div, unlimited;
	enum bpf_special {
		BPF_SCALED, /* nothing special */
		BPF_SPECIAL_USER,
		BPF_SPECIAL_SYSTEM,
		BPF_SPECIAL_NICE,
		BPF_SPECIAL_FREEZER,
		BPF_SPECIAL_SUBSYS,
		BPF_SPECIALS,
	} special;
};

/* How the kernel's number becomes that of the metric. */
struct bpf_scale bpf_op_scale(enum bpf_op op);
/* What cpu.weight.nice prints for a weight (cpu_weight_nice_read_s64()). */
int64_t bpf_weight_to_nice(uint64_t weight);
