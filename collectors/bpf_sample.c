// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/bpf_sample.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collectors/bpf_fields.h"
#include "collectors/bpf_kernel.h"
#include "collectors/bpf_load.h"
#include "collectors/bpf_sample_private.h"
#include "core/cleanup.h"
#include "core/clock.h"

#include "sample.skel.h"

enum { CAPACITY_FIRST = 1024 };

static const char *const part_types[BPF_PART_COUNT] = {
#define X(ID, id, type) [BPF_PART_##ID] = type,
	BPF_PARTS(X)
#undef X
};

/* What this kernel has of each part and of each field. */
static void ask_kernel(struct bpf_sample *sample, const struct bpf_kernel *kernel)
{
	for (int part = 0; part < BPF_PART_COUNT; part++) {
		const char *controller = bpf_part_controller((enum bpf_part)part);
		char name[64];
		int64_t id = 0;

		snprintf(name, sizeof(name), "%s_cgrp_id", controller);
		if (!bpf_kernel_has_member(kernel, part_types[part]))
			continue;
		if (*controller && !bpf_kernel_enum(kernel, "cgroup_subsys_id", name, &id))
			continue;
		sample->subsys[part] = (uint32_t)id;
		sample->built |= 1U << part;
	}
	for (size_t i = 0; i < SLOT_COUNT; i++)
		sample->has_field[i] = bpf_kernel_has(kernel, bpf_fields[i].needs) &&
				       sample->built >> bpf_fields[i].part & 1;
	for (size_t i = 0; i < SLOT_COUNT; i++)
		sample->absent[i] = sample->built >> bpf_fields[i].part & 1 &&
				    !sample->has_field[i] && strpbrk(bpf_fields[i].needs, "(:");
	if (bpf_kernel_has_function(kernel, "css_rstat_flush"))
		sample->flush = 2;
	else if (bpf_kernel_has_function(kernel, "cgroup_rstat_flush"))
		sample->flush = 1;
	sample->rcu = bpf_kernel_has_function(kernel, "bpf_rcu_read_lock");
	sample->rdonly_cast = bpf_kernel_has_function(kernel, "bpf_rdonly_cast");
}

static struct bpf_object *open_skeleton(void *data)
{
	struct bpf_sample *sample = data;

	sample->skeleton = sample_bpf__open();
	if (!sample->skeleton)
		return NULL;
	sample->skeleton->rodata->parts_built = sample->built;
	sample->skeleton->rodata->flush_kind = sample->flush;
	sample->skeleton->rodata->have_rdonly_cast = sample->rdonly_cast;
	sample->skeleton->rodata->have_rcu = sample->rcu;
	for (int part = 0; part < BPF_PART_COUNT; part++)
		sample->skeleton->rodata->subsys_id[part] = sample->subsys[part];
	if (sample->memstat_kind.size) {
		sample->skeleton->rodata->memstat_at = bpf_memstat_at(sample->memstat);
		sample->skeleton->rodata->memstat_size = sample->memstat_kind.size;
		bpf_map__set_value_size(bpf_map__inner_map(sample->skeleton->maps.memstats),
					sample->memstat_kind.size);
	}
	return sample->skeleton->obj;
}

static int load_skeleton(void *data)
{
	struct bpf_sample *sample = data;

	return sample_bpf__load(sample->skeleton);
}

static void close_skeleton(void *data)
{
	struct bpf_sample *sample = data;

	sample_bpf__destroy(sample->skeleton);
	sample->skeleton = NULL;
}

static int attach(struct bpf_sample *sample, unsigned int h)
{
	union bpf_iter_link_info info = { .cgroup = { .order = BPF_CGROUP_ITER_DESCENDANTS_PRE } };
	DECLARE_LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info,
			    .link_info_len = sizeof(info));
	_cleanup_(closep) int fd = hierarchy_open(&sample->hierarchies->list[h], "/", O_RDONLY);

	if (fd < 0)
		return fd;
	info.cgroup.cgroup_fd = (uint32_t)fd;
	sample->links[h] = bpf_program__attach_iter(sample->skeleton->progs.sample_cgroup,
						    &options);
	return sample->links[h] ? 0 : -errno;
}

static void drop_map(struct bpf_sample *sample, unsigned int h)
{
	struct bpf_records *records = &sample->records[h];

	if (records->list)
		munmap(records->list, records->bytes);
	if (records->fd >= 0)
		close(records->fd);
	*records = (struct bpf_records){ .fd = -1 };
}

/* A map with room for that many cgroups in place of the one there was. */
static int grow(struct bpf_sample *sample, unsigned int h, uint32_t capacity)
{
	DECLARE_LIBBPF_OPTS(bpf_map_create_opts, options,
			    .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (sizeof(struct cg_record) + 7) & ~7UL;
	struct bpf_records records = { .fd = -1, .capacity = capacity };
	int outer = bpf_map__fd(sample->skeleton->maps.records);

	records.fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "cgw_records", sizeof(uint32_t),
				    sizeof(struct cg_record), capacity, &options);
	if (records.fd < 0)
		return -errno;
	records.bytes = (capacity * size + page - 1) / page * page;
	records.list = mmap(NULL, records.bytes, PROT_READ, MAP_SHARED, records.fd, 0);
	if (records.list == MAP_FAILED ||
	    bpf_map_update_elem(outer, &h, &records.fd, BPF_ANY) < 0) {
		int r = -errno;

		if (records.list != MAP_FAILED)
			munmap(records.list, records.bytes);
		close(records.fd);
		return r;
	}
	drop_map(sample, h);
	sample->records[h] = records;
	return 0;
}

/* Parts that lie beside the records: how this kernel keeps them. */
static int learn(struct bpf_sample *sample, const struct bpf_kernel *kernel)
{
	int r = bpf_memstat_new(kernel, &sample->memstat);
	const char *reason;

	if (r == 0)
		r = bpf_io_new(kernel, &sample->io);
	if (r < 0)
		return r;
	sample->io_kind = (struct bpf_area_kind){ "cgw_ios", sizeof(struct cg_io), -1 };
	if (!bpf_io_can(sample->io, true, &reason))
		sample->built &= ~(1U << BPF_PART_IO);
	sample->memstat_kind.name = "cgw_memstats";
	sample->memstat_kind.size = bpf_memstat_size(sample->memstat);
	if (!sample->memstat_kind.size)
		sample->built &= ~(1U << BPF_PART_MEMSTAT);
	return 0;
}

static int load(struct bpf_sample *sample, char *reason, size_t size)
{
	struct bpf_loader loader = { open_skeleton, load_skeleton, close_skeleton, sample };
	struct bpf_kernel *kernel;
	int r;

	bpf_load_init();
	if (!bpf_load_allowed(reason, size))
		return -EPERM;
	r = bpf_kernel_open(&kernel, reason, size);
	if (r < 0)
		return r;
	ask_kernel(sample, kernel);
	r = learn(sample, kernel);
	bpf_kernel_close(kernel);
	if (r < 0)
		return r;
	r = bpf_load(&loader, &sample->program, 1);
	if (r < 0) {
		snprintf(reason, size, "%s", sample->program.reason);
		return r;
	}
	sample->memstat_kind.outer = bpf_map__fd(sample->skeleton->maps.memstats);
	sample->io_kind.outer = bpf_map__fd(sample->skeleton->maps.ios);
	return 0;
}

int bpf_sample_new(const struct root *root, const struct hierarchies *hierarchies,
		   struct bpf_sample **ret_sample, char *reason, size_t size)
{
	struct bpf_sample *sample = calloc(1, sizeof(*sample));
	int r;

	if (!sample)
		return -ENOMEM;
	sample->root = root;
	sample->hierarchies = hierarchies;
	sample->program = (struct bpf_program_status){ "sample_cgroup", "sampling of cgroups" };
	for (unsigned int h = 0; h < HIERARCHY_MAX; h++)
		sample->records[h].fd = -1;
	r = load(sample, reason, size);
	for (unsigned int h = 0; r == 0 && h < hierarchies->n; h++) {
		if (hierarchies->list[h].fd >= 0 && attach(sample, h) == 0)
			sample->can |= 1U << h;
	}
	if (r == 0 && !sample->can) {
		snprintf(reason, size, "no hierarchy can be gone through by a cgroup iterator");
		r = -EOPNOTSUPP;
	}
	if (r < 0) {
		bpf_sample_free(sample);
		return r;
	}
	sample->program.attached = true;
	*ret_sample = sample;
	return 0;
}

void bpf_sample_free(struct bpf_sample *sample)
{
	if (!sample)
		return;
	for (unsigned int h = 0; h < HIERARCHY_MAX; h++) {
		drop_map(sample, h);
		bpf_area_done(&sample->memstats[h]);
		bpf_area_done(&sample->ios[h]);
		bpf_link__destroy(sample->links[h]);
		free(sample->rows[h]);
		free(sample->index[h].buckets);
		free(sample->at[h].list);
	}
	sample_bpf__destroy(sample->skeleton);
	bpf_memstat_free(sample->memstat);
	bpf_io_free(sample->io);
	free(sample);
}

/* One pass as the capacity is. The number of cgroups or -errno. */
static int64_t pass_once(struct bpf_sample *sample, unsigned int h)
{
	struct cg_control *control = &sample->skeleton->bss->control;
	_cleanup_(closep) int fd = bpf_iter_create(bpf_link__fd(sample->links[h]));
	char none[8];
	ssize_t n;

	if (fd < 0)
		return -errno;
	control->hierarchy = h;
	control->want = sample->want[h];
	control->n = 0;
	control->n_io = 0;
	while ((n = read(fd, none, sizeof(none))) != 0) {
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
	}
	return control->n;
}

/* Room for what lies beside the records. */
static int beside(struct bpf_sample *sample, unsigned int h)
{
	int r = 0;

	if (sample->want[h] >> BPF_PART_MEMSTAT & 1)
		r = bpf_area_room(&sample->memstats[h], &sample->memstat_kind, h,
				  sample->records[h].capacity);
	if (r == 0 && sample->want[h] >> BPF_PART_IO & 1 && !sample->ios[h].memory)
		r = bpf_area_room(&sample->ios[h], &sample->io_kind, h, CAPACITY_FIRST);
	return r;
}

/* 1 if the pass has to be repeated: there were more devices than there was room for. */
static int grow_ios(struct bpf_sample *sample, unsigned int h)
{
	uint32_t n = sample->skeleton->bss->control.n_io;

	if (n <= sample->ios[h].capacity)
		return 0;
	return bpf_area_room(&sample->ios[h], &sample->io_kind, h, n + n / 2) < 0 ? -ENOMEM : 1;
}

static int pass(struct bpf_sample *sample, unsigned int h)
{
	struct bpf_records *records = &sample->records[h];

	if (!records->list) {
		int r = grow(sample, h, CAPACITY_FIRST);

		if (r < 0)
			return r;
	}
	for (;;) {
		int r = beside(sample, h);
		int64_t n = r < 0 ? r : pass_once(sample, h);

		if (n < 0)
			return (int)n;
		records->n = (uint32_t)n;
		r = grow_ios(sample, h);
		if (r < 0)
			return r;
		if (r == 0 && records->n <= records->capacity)
			return 0;
		sample->stats.grown++;
		if (records->n <= records->capacity)
			continue;
		r = grow(sample, h, records->n + records->n / 2);
		if (r < 0)
			return r;
	}
}

uint32_t bpf_sample_pass(struct bpf_sample *sample, uint32_t also)
{
	uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	sample->read = 0;
	sample->stats.records = 0;
	for (unsigned int h = 0; h < sample->hierarchies->n; h++) {
		if (!((sample->mask | also) & sample->can & 1U << h))
			continue;
		sample->stats.passes++;
		if (pass(sample, h) < 0) {
			sample->stats.failures++;
			continue;
		}
		sample->read |= 1U << h;
		sample->stats.records += sample->records[h].n;
	}
	sample->stats.last_pass_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	return sample->read;
}

uint32_t bpf_sample_mask(const struct bpf_sample *sample)
{
	return sample->mask;
}

uint32_t bpf_sample_can(const struct bpf_sample *sample)
{
	return sample->can;
}

void bpf_sample_get_stats(const struct bpf_sample *sample, struct bpf_sample_stats *ret_stats)
{
	*ret_stats = sample->stats;
	ret_stats->memory_bytes = 0;
	for (unsigned int h = 0; h < sample->hierarchies->n; h++)
		ret_stats->memory_bytes += sample->records[h].bytes + sample->memstats[h].bytes +
					   sample->ios[h].bytes;
}

const struct bpf_program_status *bpf_sample_programs(const struct bpf_sample *sample, size_t *ret_n)
{
	*ret_n = 1;
	return &sample->program;
}
