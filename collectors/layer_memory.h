/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Memory that is the kernel's, not malloc()'s: a walk may go on in a process forked from one with
 * threads, where another thread may have held the heap's lock. What is pushed never moves.
 */
struct layer_stack {
	char *base;
	size_t used, size;
};

/* Reserves room for `size` bytes; pages are taken when they are first used. 0 or -ENOMEM. */
int layer_stack_init(struct layer_stack *stack, size_t size);
void layer_stack_done(struct layer_stack *stack);
/* Zeroed, aligned to 8. NULL if it is full. */
void *layer_stack_push(struct layer_stack *stack, size_t size);
/* A copy with its NUL, not aligned. Its offset in `base`, or SIZE_MAX if it is full. */
size_t layer_stack_push_text(struct layer_stack *stack, const char *text, size_t length);
/* Forgets all that was pushed after `used`. */
void layer_stack_cut(struct layer_stack *stack, size_t used);

#define LAYER_MAP_NONE UINT32_MAX

/* Numbers of 32 bits by keys of 64, which are never 0. All zeros is an empty one. */
struct layer_map {
	struct layer_map_slot {
		uint64_t key;
		uint32_t value; /* LAYER_MAP_NONE: removed */
	} * slots;
	size_t size, used;
};

void layer_map_done(struct layer_map *map);
/* LAYER_MAP_NONE if it is not there. */
uint32_t layer_map_get(const struct layer_map *map, uint64_t key);
/* 0 or -ENOMEM. LAYER_MAP_NONE as value removes it. */
int layer_map_set(struct layer_map *map, uint64_t key, uint32_t value);
