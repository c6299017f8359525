// SPDX-License-Identifier: MIT
#include <stdatomic.h>
#include <stdlib.h>

#include "policies/engine.h"

struct verdict {
	atomic_int refs;
	atomic_bool withdrawn;
};

struct verdict *verdict_new(void)
{
	struct verdict *verdict = calloc(1, sizeof(*verdict));

	if (verdict)
		atomic_init(&verdict->refs, 1);
	return verdict;
}

struct verdict *verdict_ref(struct verdict *verdict)
{
	if (verdict)
		atomic_fetch_add_explicit(&verdict->refs, 1, memory_order_relaxed);
	return verdict;
}

void verdict_unref(struct verdict *verdict)
{
	if (verdict && atomic_fetch_sub_explicit(&verdict->refs, 1, memory_order_acq_rel) == 1)
		free(verdict);
}

void verdict_withdraw(struct verdict *verdict)
{
	if (verdict)
		atomic_store(&verdict->withdrawn, true);
}

bool verdict_stands(const struct verdict *verdict)
{
	return !verdict || !atomic_load(&((struct verdict *)verdict)->withdrawn);
}
