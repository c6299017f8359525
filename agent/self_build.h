/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/agent.h"

#if CGWATCH_HAVE_EXPORTER

/*
 * The agent's own metrics on their way to the exporter. A family is one run of entries. Texts of
 * labels are borrowed until self_publish() returns.
 */
struct self_builder {
	struct self_metric *list;
	size_t n, capacity;
	struct self_metric overflow;	   /* takes what would not fit */
	struct bpf_metric_status *metrics; /* texts of labels; freed with the list */
};

/* The new entry, for its labels; never NULL. */
struct self_metric *self_add(struct self_builder *builder, const char *name, const char *help,
			     enum self_type type, double value);
/* Where samples come from, and the programs that sample. */
void self_add_bpf(struct self_builder *builder, const struct agent *agent);
/* Programs for the kernel, whoever has them. All calls of it one after another: they are a family.
 */
void self_add_programs(struct self_builder *builder, const struct bpf_program_status *programs,
		       size_t n);
/* What policies did and hold. */
void self_add_policies(struct self_builder *builder, struct agent *agent);

#endif
