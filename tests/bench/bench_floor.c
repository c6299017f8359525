// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "bench_floor.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/bpf_load.h"
#include "collectors/bpf/record.h"

#include "floor.skel.h"

struct floor {
	struct floor_bpf *skeleton;
	struct bpf_link *links[HIERARCHY_MAX];
};

static struct bpf_link *attach(struct floor *floor, const struct hierarchy *hierarchy)
{
	union bpf_iter_link_info info = { .cgroup = { .order = BPF_CGROUP_ITER_DESCENDANTS_PRE } };
	BPF_OPTIONS(bpf_iter_attach_opts, options);
	int fd = hierarchy_open(hierarchy, "/", O_RDONLY);
	struct bpf_link *link;

	if (fd < 0)
		return NULL;
	info.cgroup.cgroup_fd = (uint32_t)fd;
	options.link_info = &info;
	options.link_info_len = sizeof(info);
	link = bpf_program__attach_iter(floor->skeleton->progs.fill_nothing, &options);
	close(fd);
	return link;
}

struct floor *floor_new(const struct hierarchies *hierarchies, uint32_t mask, uint32_t beside,
			uint32_t capacity)
{
	struct floor *floor = calloc(1, sizeof(*floor));

	if (!floor)
		return NULL;
	floor->skeleton = floor_bpf__open();
	if (floor->skeleton)
		floor->skeleton->rodata->n_beside = beside / 8;
	if (!floor->skeleton ||
	    bpf_map__set_value_size(floor->skeleton->maps.records,
				    (uint32_t)sizeof(struct cg_record) + beside / 8 * 8) < 0 ||
	    bpf_map__set_max_entries(floor->skeleton->maps.records, capacity) < 0 ||
	    floor_bpf__load(floor->skeleton) < 0) {
		fprintf(stderr, "bench: the floor's program cannot be loaded\n");
		floor_free(floor);
		return NULL;
	}
	for (unsigned int h = 0; h < hierarchies->n; h++) {
		if (mask >> h & 1)
			floor->links[h] = attach(floor, &hierarchies->list[h]);
	}
	return floor;
}

void floor_free(struct floor *floor)
{
	if (!floor)
		return;
	for (unsigned int h = 0; h < HIERARCHY_MAX; h++)
		bpf_link__destroy(floor->links[h]);
	floor_bpf__destroy(floor->skeleton);
	free(floor);
}

int64_t floor_pass(struct floor *floor)
{
	int64_t records = 0;

	for (unsigned int h = 0; h < HIERARCHY_MAX; h++) {
		char none[8];
		ssize_t n;
		int fd;

		if (!floor->links[h])
			continue;
		floor->skeleton->bss->n = 0;
		fd = bpf_iter_create(bpf_link__fd(floor->links[h]));
		if (fd < 0)
			return -errno;
		while ((n = read(fd, none, sizeof(none))) > 0)
			;
		close(fd);
		if (n < 0)
			return -errno;
		records += floor->skeleton->bss->n;
	}
	return records;
}
