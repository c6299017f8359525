/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/cgroup_file.h"
#include "collectors/hierarchy.h"
#include "core/metric.h"

/* A value in a file: where it goes and how it is scaled. */
struct plan_field {
	enum metric_id id;
	const char *key;
	size_t key_length;
	uint32_t mul, div;
	bool bpf; /* the sampling pass of the bpf backend has it (collectors/bpf_sample.h) */
};

/* What stood in line n of a flat file last time: the kernel keeps the order of lines. */
struct plan_hint {
	char *key;
	size_t length;
	int field; /* index, or -1 for a line nobody wants */
};

/* One file to read in every cgroup of one hierarchy. */
struct plan_file {
	const struct cgroup_file *file;
	char *name; /* as in the directory: a '*' is filled in */
	char *part; /* what stands for the '*', or NULL */
	unsigned int hierarchy;
	bool bpf;	    /* it has all fields: the file is read only where it could not tell */
	uint32_t bpf_parts; /* the parts of those: bits by enum bpf_part */
	/* Its number among the files that are read in every cgroup, those that are worth keeping
	 * open; UINT_MAX for the others. */
	unsigned int rank;
	bool any; /* more than one hierarchy may know it: the first with something counts */
	struct plan_field *fields;
	size_t n_fields;
	struct plan_hint *hints;
	size_t n_hints;
};

struct plan {
	struct plan_file *files;
	size_t n;
	/* For each metric what a cgroup shows that no file of the plan speaks of. */
	uint8_t missing[METRIC_COUNT];
	struct metric_set raw; /* metrics that come from files */
};

/*
 * Works out which files hold the metrics in `wanted`, v1 before v2 where both could. `parts` are
 * the huge page sizes that replace a '*'. 0 or -ENOMEM.
 */
int plan_init(struct plan *plan, const struct hierarchies *hierarchies,
	      const struct metric_set *wanted, char *const *parts, size_t n_parts);
void plan_done(struct plan *plan);
/* The field that a key of line `line` in a flat file belongs to, or NULL. */
const struct plan_field *plan_match(struct plan_file *file, size_t line, const char *key,
				    size_t length);
