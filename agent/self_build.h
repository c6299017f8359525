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
	struct self_metric overflow; /* takes what would not fit */
};

/* The new entry, for its labels; never NULL. */
struct self_metric *self_add(struct self_builder *builder, const char *name, const char *help,
			     enum self_type type, double value);
/* What policies did and hold. */
void self_add_policies(struct self_builder *builder, struct agent *agent);

#endif
