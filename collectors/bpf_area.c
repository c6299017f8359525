// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/bpf_area.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

void bpf_area_done(struct bpf_area *area)
{
	if (area->memory) {
		munmap((void *)area->memory, area->bytes);
		close(area->fd);
	}
	*area = (struct bpf_area){ .fd = -1 };
}

int bpf_area_room(struct bpf_area *area, const struct bpf_area_kind *kind, unsigned int h,
		  uint32_t capacity)
{
	DECLARE_LIBBPF_OPTS(bpf_map_create_opts, options,
			    .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct bpf_area grown = { .capacity = capacity, .stride = (kind->size + 7) & ~7UL };
	void *memory;

	if (area->memory && area->capacity >= capacity)
		return 0;
	grown.fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, kind->name, sizeof(uint32_t), kind->size,
				  capacity, &options);
	if (grown.fd < 0)
		return -errno;
	grown.bytes = (capacity * grown.stride + page - 1) / page * page;
	memory = mmap(NULL, grown.bytes, PROT_READ, MAP_SHARED, grown.fd, 0);
	if (memory == MAP_FAILED || bpf_map_update_elem(kind->outer, &h, &grown.fd, BPF_ANY) < 0) {
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
