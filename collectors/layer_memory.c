// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { SMALLEST_STACK = 1 << 20, SMALLEST_MAP = 256 };

static void *reserve(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int layer_stack_init(struct layer_stack *stack, size_t size)
{
	*stack = (struct layer_stack){ 0 };
	/* Where memory is not given on credit (overcommit_memory=2) less has to do. */
	while (!(stack->base = reserve(size))) {
		size /= 2;
		if (size < SMALLEST_STACK)
			return -ENOMEM;
	}
	stack->size = size;
	return 0;
}

void layer_stack_done(struct layer_stack *stack)
{
	if (stack->base)
		munmap(stack->base, stack->size);
	*stack = (struct layer_stack){ 0 };
}

void *layer_stack_push(struct layer_stack *stack, size_t size)
{
	size_t at = (stack->used + 7) & ~(size_t)7;

	if (at > stack->size || size > stack->size - at)
		return NULL;
	stack->used = at + size;
	return memset(stack->base + at, 0, size);
}

size_t layer_stack_push_text(struct layer_stack *stack, const char *text, size_t length)
{
	size_t at = stack->used;

	if (length >= stack->size - at)
		return SIZE_MAX;
	memcpy(stack->base + at, text, length);
	stack->base[at + length] = '\0';
	stack->used = at + length + 1;
	return at;
}

void layer_stack_cut(struct layer_stack *stack, size_t used)
{
	enum { KEEP = 1 << 20 };

	/* One huge directory must not hold its memory for as long as the walk takes. */
	if (stack->used > used + KEEP) {
		size_t from = (used + KEEP) & ~(size_t)4095, to = stack->used & ~(size_t)4095;

		if (to > from)
			madvise(stack->base + from, to - from, MADV_DONTNEED);
	}
	stack->used = used;
}

void layer_map_done(struct layer_map *map)
{
	if (map->slots)
		munmap(map->slots, map->size * sizeof(*map->slots));
	*map = (struct layer_map){ 0 };
}

static size_t slot_of(const struct layer_map *map, uint64_t key)
{
	size_t at = (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (map->size - 1);

	while (map->slots[at].key != 0 && map->slots[at].key != key)
		at = (at + 1) & (map->size - 1);
	return at;
}

uint32_t layer_map_get(const struct layer_map *map, uint64_t key)
{
	size_t at;

	if (!map->slots)
		return LAYER_MAP_NONE;
	at = slot_of(map, key);
	return map->slots[at].key == key ? map->slots[at].value : LAYER_MAP_NONE;
}

/* Removed entries are left behind in the old table. */
static int grow(struct layer_map *map)
{
	struct layer_map bigger = { 0 };
	size_t live = 0;

	for (size_t i = 0; i < map->size; i++)
		live += map->slots[i].key != 0 && map->slots[i].value != LAYER_MAP_NONE;
	bigger.size = SMALLEST_MAP;
	while (bigger.size < live * 4)
		bigger.size *= 2;
	bigger.slots = reserve(bigger.size * sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < map->size; i++) {
		if (map->slots[i].key != 0 && map->slots[i].value != LAYER_MAP_NONE)
			bigger.slots[slot_of(&bigger, map->slots[i].key)] = map->slots[i];
	}
	bigger.used = live;
	layer_map_done(map);
	*map = bigger;
	return 0;
}

int layer_map_set(struct layer_map *map, uint64_t key, uint32_t value)
{
	size_t at;

	if (map->used * 2 >= map->size) {
		int r = grow(map);

		if (r < 0)
			return r;
	}
	at = slot_of(map, key);
	if (map->slots[at].key == 0) {
		if (value == LAYER_MAP_NONE)
			return 0;
		map->slots[at].key = key;
		map->used++;
	}
	map->slots[at].value = value;
	return 0;
}
