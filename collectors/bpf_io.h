/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "collectors/bpf_kernel.h"
#include "collectors/bpf_sample.h"
#include "collectors/devices.h"
#include "collectors/plan.h"

/*
 * io.stat in the sampling pass: bytes and operations by device. v2 only: v1's recursive counters
 * are kept by CPU and cgroup, and summed over the subtree when the file is read.
 */
struct bpf_area;
struct bpf_io;
struct cg_io;
struct cg_record;

/* -ENOMEM. */
int bpf_io_new(const struct bpf_kernel *kernel, struct bpf_io **ret_io);
void bpf_io_free(struct bpf_io *io);
/* Whether this kernel's io.stat can be told; if not, `*ret_reason` is one line about why. */
bool bpf_io_can(const struct bpf_io *io, bool v2, const char **ret_reason);
/* The metric is one of io.stat's that has rows here. */
bool bpf_io_knows(enum metric_id id);

/* Whether all fields of the file can come from the pass; then they do from now on. */
bool bpf_io_plan(struct bpf_io *io, bool v2, const struct plan_file *file);
void bpf_io_plan_begin(struct bpf_io *io);

/* After a pass over `n` cgroups: remembers where in `area` their devices are. -ENOMEM. */
int bpf_io_keep(struct bpf_io *io, const struct bpf_area *area, const struct cg_record *records,
		uint32_t n);
/* Whether the devices of that record are in the area: there may have been no room. */
bool bpf_io_is_whole(const struct bpf_io *io, uint32_t record);

/* Before columns are filled: of a tree of `n`. -ENOMEM. */
int bpf_io_begin(struct bpf_io *io, uint32_t n);
/* The node is that of that record; `off`: it has no such controller. */
void bpf_io_found(struct bpf_io *io, uint32_t node, uint32_t record, bool off);
/* Puts the parts and cells of that node into the snapshot: nodes in rising order. */
void bpf_io_put(struct bpf_io *io, struct devices *devices, struct snapshot *snapshot,
		uint32_t node);
