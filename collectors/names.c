// SPDX-License-Identifier: MIT
#include "collectors/names.h"

#include <stdlib.h>
#include <string.h>

void names_init(struct names *names)
{
	*names = (struct names){ 0 };
	arena_init(&names->memory);
}

void names_done(struct names *names)
{
	arena_done(&names->memory);
	free(names->list);
}

void names_add(struct names *names, const char *name, size_t length)
{
	if (names->n == names->capacity) {
		uint32_t capacity = names->capacity ? 2 * names->capacity : 64;
		const char **list = realloc(names->list, capacity * sizeof(*list));

		if (!list) {
			names->memory.failed = true;
			return;
		}
		names->list = list;
		names->capacity = capacity;
	}
	name = arena_copy(&names->memory, name, length);
	if (!name)
		return;
	names->list[names->n++] = name;
	names->sorted = false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool names_have(struct names *names, const char *name)
{
	if (names->n == 0)
		return false;
	if (!names->sorted)
		qsort(names->list, names->n, sizeof(*names->list), compare);
	names->sorted = true;
	return bsearch(&name, names->list, names->n, sizeof(*names->list), compare) != NULL;
}
