/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"

/*
 * A set of names, filled first and asked afterwards. After an allocation failed, `memory.failed`
 * stays set: check once at the end.
 */
struct names {
	struct arena memory;
	const char **list;
	uint32_t n, capacity;
	bool sorted;
};

void names_init(struct names *names);
void names_done(struct names *names);
void names_add(struct names *names, const char *name, size_t length);
bool names_have(struct names *names, const char *name);
