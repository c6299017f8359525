/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A memory-mapped array that the sampling pass fills for one hierarchy: grows, is never copied. */
struct bpf_area {
	int fd;
	uint32_t capacity; /* entries */
	size_t bytes, stride;
	const char *memory; /* NULL: none yet */
};

/* What the maps of one kind have in common. */
struct bpf_area_kind {
	const char *name;
	uint32_t size; /* of an entry */
	int outer;     /* the map of maps, by hierarchy */
};

static inline const void *bpf_area_entry(const struct bpf_area *area, uint32_t at)
{
	return area->memory + at * area->stride;
}

/*
 * Puts a map with room for `capacity` entries in place of what hierarchy `h` had, if that had less.
 * What was in it is lost. 0 or -errno, with the old one still in place.
 */
int bpf_area_room(struct bpf_area *area, const struct bpf_area_kind *kind, unsigned int h,
		  uint32_t capacity);
void bpf_area_done(struct bpf_area *area);
