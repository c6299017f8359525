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
	 * files do not have the number either; without a member they may.
	 */
	const char *needs;
};

/* In the order of slots: SLOT_COUNT rows. */
extern const struct bpf_field bpf_fields[];
/* The row of a metric, or NULL. */
const struct bpf_field *bpf_field_of(enum metric_id id);
/* The name of a part and of the controller whose state it is ("" for the cgroup's own). */
const char *bpf_part_name(enum bpf_part part);
const char *bpf_part_controller(enum bpf_part part);
/* value = raw * mul / div; raw from `unlimited` on (0: never) stands for no limit. */
struct bpf_scale {
	uint64_t mul, div, unlimited;
};

struct bpf_scale bpf_op_scale(enum bpf_op op);
