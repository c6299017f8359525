// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/bpf_area.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collectors/bpf_load.h"

void bpf_area_done(struct bpf_area *area)
{
	if (area->memory) {
		munmap((void *)area->memory, area->bytes);
		close(area->fd);
	}
	area->memory = NULL;
	area->capacity = 0;
	area->bytes = 0;
}

int bpf_area_room(struct bpf_area *area, uint32_t capacity)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct bpf_area grown = *area;
	uint32_t key = 0;
	void *memory;

	if (area->memory && area->capacity >= capacity && area->capacity / 4 <= capacity)
		return 0;
	grown.capacity = capacity;
	grown.stride = (area->size + 7) & ~7UL;
	grown.bytes = (capacity * grown.stride + page - 1) / page * page;
	grown.fd = bpf_load_map(BPF_MAP_TYPE_ARRAY, area->name, area->size, capacity,
				BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	if (grown.fd < 0)
		return grown.fd;
	memory = mmap(NULL, grown.bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, grown.fd, 0);
	if (memory == MAP_FAILED ||
	    bpf_map_update_elem(area->outer, &key, &grown.fd, BPF_ANY) < 0) {
		int r = -errno;

		if (memory != MAP_FAILED)
			munmap(memory, grown.bytes);
		close(grown.fd);
		return r;
	}
	bpf_area_done(area);
	grown.memory = memory;
	*area = grown;
	return 0;
}
