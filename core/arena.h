/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Memory for things that are made together and go together: nothing is freed alone. Addresses stay
 * valid. After an allocation failed, `failed` stays set: check once at the end.
 */
struct arena {
	struct arena_block *blocks;
	size_t size; /* bytes taken from the heap */
	bool failed;
};

void arena_init(struct arena *arena);
void arena_done(struct arena *arena);
/* Zeroed and aligned for any type. NULL if there is no memory. */
void *arena_alloc(struct arena *arena, size_t size);
/* An array of `n` zeroed elements. NULL if there is no memory or n * size overflows. */
void *arena_array(struct arena *arena, size_t n, size_t size);
/* A copy with a NUL behind it; NULL for NULL or without memory. */
char *arena_copy(struct arena *arena, const char *text, size_t length);
char *arena_string(struct arena *arena, const char *text);
