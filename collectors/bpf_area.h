/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * A memory-mapped array beside the records of the sampling pass (collectors/bpf/sample.bpf.c). What
 * it holds is only of one hierarchy, the one that has the controller, and stays until its next
 * pass.
 */
struct bpf_area {
	const char *name;
	uint32_t size; /* of an entry */
	int outer;     /* the map of maps that it is put into */
	int fd;
	uint32_t capacity; /* entries */
	size_t bytes, stride;
	const char *memory; /* NULL: none yet */
};

static inline const void *bpf_area_entry(const struct bpf_area *area, uint32_t at)
{
	return area->memory + at * area->stride;
}

/*
 * Makes it anew, for `capacity` entries, if it has fewer or many times as many: what was in it is
 * lost. 0 or -errno, with the old one still in place.
 */
int bpf_area_room(struct bpf_area *area, uint32_t capacity);
void bpf_area_done(struct bpf_area *area);
