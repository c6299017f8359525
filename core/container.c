// SPDX-License-Identifier: MIT
#include "core/container.h"

#include <stdlib.h>
#include <string.h>

struct containers *containers_new(void)
{
	struct containers *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	atomic_init(&set->refs, 1);
	arena_init(&set->arena);
	return set;
}

struct containers *containers_ref(struct containers *set)
{
	if (set)
		atomic_fetch_add(&set->refs, 1);
	return set;
}

void containers_unref(struct containers *set)
{
	if (!set || atomic_fetch_sub(&set->refs, 1) != 1)
		return;
	arena_done(&set->arena);
	free(set);
}

const struct container *containers_find(const struct containers *set, const char *id)
{
	uint32_t low = 0, high = set && id ? set->n : 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(set->list[middle].id, id);

		if (order == 0)
			return &set->list[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const char *orphan_reason_name(enum orphan_reason reason)
{
	static const char *const names[ORPHAN_REASON_COUNT] = {
		[ORPHAN_NO_RECORD] = "no record", [ORPHAN_NO_LAYER] = "no layer",
		[ORPHAN_REMOVING] = "removing",	  [ORPHAN_INIT] = "init layer",
		[ORPHAN_LINK] = "dangling link",  [ORPHAN_MOUNTED] = "still mounted",
	};

	return names[reason];
}
