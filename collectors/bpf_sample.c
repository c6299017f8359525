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
#include "core/log.h"

#include "sample.skel.h"

/* In cgroups. More than the last are left to the files: some 300 MB of memory that cannot be
 * swapped. */
enum { CAPACITY_FIRST = 1024, CAPACITY_MAX = 256 * 1024 };

/* The map is made smaller after that many samples in a row that needed a quarter of it. */
enum { ROOMY_SAMPLES = 64 };

static const char *const part_types[BPF_PART_COUNT] = {
#define X(ID, id, type) [BPF_PART_##ID] = type,
	BPF_PARTS(X)
#undef X
};

/* Sums over CPUs are made for so many, and the kinds of CPU time have to be in this order. */
static void ask_cpus(struct bpf_sample *sample, const struct bpf_kernel *kernel)
{
	static const char *const kinds[] = { "CPUTIME_USER", "CPUTIME_NICE", "CPUTIME_SYSTEM",
					     "CPUTIME_SOFTIRQ", "CPUTIME_IRQ" };
	int n = libbpf_num_possible_cpus();

	if (n <= 0 || n > CG_CPUS)
		sample->built &= ~(1U << BPF_PART_CPUACCT | 1U << BPF_PART_CPULOCAL);
	else
		sample->facts.n_cpus = (uint32_t)n;
	/* As one pointer for all CPUs it would be a number of another kind. */
	if (!bpf_kernel_is_array(kernel, "task_group.cfs_rq"))
		sample->built &= ~(1U << BPF_PART_CPULOCAL);
	if (!bpf_kernel_has_member(kernel, "bpf_array.pptrs") ||
	    !bpf_kernel_has_member(kernel, "bpf_array.aux"))
		sample->built &= ~(1U << BPF_PART_CPUACCT);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int64_t value;

		if (!bpf_kernel_enum(kernel, "cpu_usage_stat", kinds[i], &value) ||
		    value != (int64_t)i)
			sample->built &= ~(1U << BPF_PART_CPUACCT);
	}
}

static void ask_facts(struct bpf_sample *sample, const struct bpf_kernel *kernel)
{
	static const char *const controllers[CG_SUBSYS_COUNT] = {
#define X(ID, id) [CG_SUBSYS_##ID] = #id "_cgrp_id",
		CG_SUBSYS(X)
#undef X
	};
	int64_t frozen, freeze, value;

	ask_cpus(sample, kernel);
	if (bpf_kernel_enum(kernel, "", "CGRP_FROZEN", &frozen) &&
	    bpf_kernel_enum(kernel, "", "CGRP_FREEZE", &freeze)) {
		sample->facts.bit_frozen = (uint32_t)frozen;
		sample->facts.bit_freeze = (uint32_t)freeze;
	} else {
		sample->built &= ~(1U << BPF_PART_CGROUP);
	}
	if (bpf_kernel_enum(kernel, "", "CGRP_ROOT_PIDS_LOCAL_EVENTS", &value))
		sample->facts.pids_local_events = (uint32_t)value;
	for (int i = 0; i < CG_SUBSYS_COUNT; i++)
		sample->facts.subsys[i] = bpf_kernel_enum(kernel, "cgroup_subsys_id",
							  controllers[i], &value)
						  ? (uint32_t)value
						  : UINT32_MAX;
}

/* What this kernel has of each field. */
static void ask_fields(struct bpf_sample *sample, const struct bpf_kernel *kernel)
{
	for (size_t i = 0; i < SLOT_COUNT; i++) {
		const struct bpf_field *field = &bpf_fields[i];
		bool built = sample->built >> field->part & 1;

		sample->has_field[i] = built && bpf_kernel_has(kernel, bpf_field_needs(field));
		sample->absent[i] = built && !sample->has_field[i] && bpf_field_is_optional(field);
	}
}

/* Without it these would be as old as the last one who read a file. */
static void lose_flushed(struct bpf_sample *sample)
{
	static const enum bpf_part flushed[] = { BPF_PART_CPUTIME, BPF_PART_MEMSTAT, BPF_PART_IO };

	for (size_t i = 0; i < ARRAY_SIZE(flushed); i++) {
		sample->built &= ~(1U << flushed[i]);
		snprintf(sample->lost[flushed[i]], BPF_REASON_SIZE,
			 "this kernel lets no program bring the counters up to date");
	}
}

/* What this kernel has of each part. */
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
	if (bpf_kernel_has_function(kernel, "css_rstat_flush"))
		sample->flush = 2;
	else if (bpf_kernel_has_function(kernel, "cgroup_rstat_flush"))
		sample->flush = 1;
	else
		lose_flushed(sample);
	ask_facts(sample, kernel);
	ask_fields(sample, kernel);
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
	memcpy((void *)(uintptr_t)&sample->skeleton->rodata->facts, &sample->facts,
	       sizeof(sample->facts));
	sample->skeleton->rodata->flush_kind = sample->flush;
	sample->skeleton->rodata->have_rdonly_cast = sample->rdonly_cast;
	sample->skeleton->rodata->have_rcu = sample->rcu;
	for (int part = 0; part < BPF_PART_COUNT; part++)
		sample->skeleton->rodata->subsys_id[part] = sample->subsys[part];
	if (sample->memstats.size) {
		sample->skeleton->rodata->memstat_at = bpf_memstat_at(sample->memstat);
		sample->skeleton->rodata->memstat_size = sample->memstats.size;
		bpf_map__set_value_size(bpf_map__inner_map(sample->skeleton->maps.memstats),
					sample->memstats.size);
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
	BPF_OPTIONS(bpf_iter_attach_opts, options);
	_cleanup_(closep) int fd = hierarchy_open(&sample->hierarchies->list[h], "/", O_RDONLY);

	if (fd < 0)
		return fd;
	info.cgroup.cgroup_fd = (uint32_t)fd;
	options.link_info = &info;
	options.link_info_len = sizeof(info);
	sample->list[h].link = bpf_program__attach_iter(sample->skeleton->progs.sample_cgroup,
							&options);
	return sample->list[h].link ? 0 : -errno;
}

static void drop_map(struct bpf_records *records)
{
	if (records->list)
		munmap(records->list, records->bytes);
	if (records->fd >= 0)
		close(records->fd);
	*records = (struct bpf_records){ .fd = -1 };
}

/*
 * A map with room for that many cgroups in place of the one there was, which stays if there can be
 * none: making one takes CAP_BPF where unprivileged programs are forbidden
 * (kernel.unprivileged_bpf_disabled).
 */
static int resize(struct bpf_sample *sample, uint32_t capacity)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (sizeof(struct cg_record) + 7) & ~7UL;
	struct bpf_records records = { .fd = -1, .capacity = capacity };
	int outer = bpf_map__fd(sample->skeleton->maps.records);
	uint32_t key = 0;

	records.fd = bpf_load_map(BPF_MAP_TYPE_ARRAY, "cgw_records", sizeof(struct cg_record),
				  capacity, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	if (records.fd < 0)
		return records.fd;
	records.bytes = (capacity * size + page - 1) / page * page;
	records.list = mmap(NULL, records.bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, records.fd,
			    0);
	if (records.list == MAP_FAILED ||
	    bpf_map_update_elem(outer, &key, &records.fd, BPF_ANY) < 0) {
		int r = -errno;

		if (records.list == MAP_FAILED)
			records.list = NULL;
		drop_map(&records);
		return r;
	}
	drop_map(&sample->records);
	sample->records = records;
	return 0;
}

/* The part that is read by the most exotic means first. */
static const enum bpf_part shed[] = {
	BPF_PART_CPUACCT,   BPF_PART_CPULOCAL, BPF_PART_IO,	 BPF_PART_MEMSTAT,
	BPF_PART_MEMEVENTS, BPF_PART_MEMLOCAL, BPF_PART_MEMORY1, BPF_PART_MEMORY2,
	BPF_PART_CPUSET,    BPF_PART_SUBSYS,   BPF_PART_FREEZER, BPF_PART_CPUTIME,
	BPF_PART_PIDS,	    BPF_PART_MEMORY,   BPF_PART_CPU,
};

static void lose(struct bpf_sample *sample, enum bpf_part part, const char *why)
{
	sample->built &= ~(1U << part);
	snprintf(sample->lost[part], sizeof(sample->lost[part]), "%s", why);
	for (size_t i = 0; i < SLOT_COUNT; i++)
		sample->has_field[i] &= bpf_fields[i].part != part;
	for (size_t i = 0; i < SLOT_COUNT; i++)
		sample->absent[i] &= bpf_fields[i].part != part;
	if (part == BPF_PART_MEMSTAT)
		sample->memstats.size = 0;
}

/*
 * If the verifier refuses the program, it may be one part's fault: each alone is tried without, and
 * if that does not help, one after the other is given up.
 */
static int load_parts(struct bpf_sample *sample, const struct bpf_loader *loader)
{
	const uint32_t built = sample->built;
	struct bpf_program_status first;
	int r = bpf_load(loader, &sample->program, 1);

	first = sample->program;
	for (size_t i = 0; r < 0 && r != -ENOMEM && i < 2 * ARRAY_SIZE(shed); i++) {
		enum bpf_part part = shed[i % ARRAY_SIZE(shed)];

		if (i <= ARRAY_SIZE(shed))
			sample->built = built;
		if (!(sample->built >> part & 1))
			continue;
		sample->built &= ~(1U << part);
		sample->program.reason[0] = '\0';
		r = bpf_load(loader, &sample->program, 1);
	}
	for (int part = 0; r == 0 && part < BPF_PART_COUNT; part++) {
		if ((built & ~sample->built) >> part & 1)
			lose(sample, (enum bpf_part)part, first.reason);
	}
	return r;
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
	sample->memstats = (struct bpf_area){ .name = "cgw_memstats" };
	sample->memstats.size = bpf_memstat_size(sample->memstat);
	sample->ios = (struct bpf_area){ .name = "cgw_ios", .size = sizeof(struct cg_io) };
	if (!sample->memstats.size)
		sample->built &= ~(1U << BPF_PART_MEMSTAT);
	if (!bpf_io_can(sample->io, true, &reason))
		sample->built &= ~(1U << BPF_PART_IO);
	return 0;
}

static int load(struct bpf_sample *sample, char *reason, size_t size)
{
	struct bpf_loader loader = { open_skeleton, load_skeleton, close_skeleton, sample };
	struct bpf_kernel *kernel;
	int r;

	r = bpf_load_begin(&kernel, reason, size);
	if (r < 0)
		return r;
	ask_kernel(sample, kernel);
	r = learn(sample, kernel);
	bpf_kernel_close(kernel);
	if (r == 0)
		r = load_parts(sample, &loader);
	if (r < 0) {
		snprintf(reason, size, "%s", sample->program.reason);
		return r;
	}
	sample->memstats.outer = bpf_map__fd(sample->skeleton->maps.memstats);
	sample->ios.outer = bpf_map__fd(sample->skeleton->maps.ios);
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
	sample->records.fd = -1;
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
		struct bpf_hierarchy *hierarchy = &sample->list[h];

		bpf_link__destroy(hierarchy->link);
		free(hierarchy->rows);
		free(hierarchy->index.buckets);
		free(hierarchy->places);
		free(hierarchy->copy);
	}
	drop_map(&sample->records);
	bpf_area_done(&sample->memstats);
	bpf_area_done(&sample->ios);
	sample_bpf__destroy(sample->skeleton);
	bpf_memstat_free(sample->memstat);
	bpf_io_free(sample->io);
	free(sample->asks);
	free(sample);
}

/* One pass over as many cgroups as the map has room for. The number that there are, or -errno. */
static int64_t pass_once(struct bpf_sample *sample, unsigned int h)
{
	struct cg_control *control = &sample->skeleton->bss->control;
	_cleanup_(closep) int fd = bpf_iter_create(bpf_link__fd(sample->list[h].link));
	char none[8];
	ssize_t n;

	if (fd < 0)
		return -errno;
	control->hierarchy = 0;
	control->v2 = sample->hierarchies->list[h].v2;
	control->want = sample->list[h].want;
	control->n = 0;
	control->n_io = 0;
	while ((n = read(fd, none, sizeof(none))) != 0) {
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
	}
	return control->n;
}

/* Room for what lies beside the records. Where there is none, the files are asked. */
static void make_beside(struct bpf_sample *sample, unsigned int h)
{
	uint32_t want = sample->list[h].want;

	if (want >> BPF_PART_MEMSTAT & 1)
		bpf_area_room(&sample->memstats, sample->records.capacity);
	if (want >> BPF_PART_IO & 1 && !sample->ios.memory)
		bpf_area_room(&sample->ios, CAPACITY_FIRST);
}

/* True if the pass has to be repeated, as there is room now for the devices that were met. */
static bool grow_ios(struct bpf_sample *sample, unsigned int h)
{
	uint32_t n = sample->skeleton->bss->control.n_io;
	uint64_t room = (uint64_t)n + n / 4;

	if (!(sample->list[h].want >> BPF_PART_IO & 1) || n <= sample->ios.capacity ||
	    sample->ios.capacity >= CAPACITY_MAX)
		return false;
	if (room > CAPACITY_MAX)
		room = CAPACITY_MAX;
	if (bpf_area_room(&sample->ios, (uint32_t)room) < 0)
		return false;
	sample->stats.grown++;
	return true;
}

/* The same; the map grows to the number of cgroups if it can. */
static int64_t pass_grown(struct bpf_sample *sample, unsigned int h)
{
	for (;;) {
		int64_t n;
		uint64_t room;

		make_beside(sample, h);
		n = pass_once(sample, h);
		room = (uint64_t)n + (uint64_t)n / 4;
		if (n >= 0 && grow_ios(sample, h))
			continue;
		if (n <= sample->records.capacity || sample->records.capacity >= CAPACITY_MAX)
			return n;
		if (room > CAPACITY_MAX)
			room = CAPACITY_MAX;
		if (resize(sample, (uint32_t)room) < 0)
			return n;
		sample->stats.grown++;
	}
}

/* Once, and not for each sample. */
static void tell(struct bpf_sample *sample, unsigned int h, int r)
{
	const char *name = sample->hierarchies->list[h].name;

	if (r == sample->list[h].error)
		return;
	sample->list[h].error = r;
	if (r < 0)
		log_warning("sampling of %s by bpf: %s: files take over", name,
			    r == -E2BIG ? "no room for all its cgroups" : strerror(-r));
	else
		log_info("sampling of %s by bpf works again", name);
}

/* Devices for which there was no room are left to the files. */
static int keep_ios(struct bpf_sample *sample, unsigned int h, uint32_t n)
{
	struct bpf_place *places = sample->list[h].places;
	int r;

	if (!(sample->list[h].want >> BPF_PART_IO & 1))
		return 0;
	r = bpf_io_keep(sample->io, &sample->ios, sample->records.list, n);
	for (uint32_t i = 0; i < n && r == 0; i++) {
		if (!bpf_io_is_whole(sample->io, i))
			places[i].ask |= 1U << BPF_PART_IO;
	}
	return r;
}

/* 0, -E2BIG if there are more than could be read, or -errno. */
static int pass(struct bpf_sample *sample, struct walk *walk, unsigned int h)
{
	struct bpf_hierarchy *hierarchy = &sample->list[h];
	int64_t met = pass_grown(sample, h);
	uint32_t n = sample->records.capacity;
	bool complete = met <= n;
	int r = met < 0 ? (int)met : 0;

	sample->stats.passes++;
	if (r == 0) {
		n = complete ? (uint32_t)met : n;
		r = bpf_sample_meet(sample, walk, h, n, complete);
		if (r == 0)
			r = keep_ios(sample, h, n);
	}
	if (r < 0) {
		hierarchy->n = hierarchy->found = 0;
		return r;
	}
	hierarchy->records = sample->records.list;
	sample->stats.records += n;
	if (n > sample->records.largest)
		sample->records.largest = n;
	return complete ? 0 : -E2BIG;
}

/* Gives memory back when the tree has been much smaller for a while. */
static void shrink(struct bpf_sample *sample)
{
	struct bpf_records *records = &sample->records;
	uint32_t capacity = records->largest + records->largest / 4;

	if (records->capacity <= CAPACITY_FIRST || records->largest > records->capacity / 4)
		records->n_roomy = 0;
	else if (++records->n_roomy >= ROOMY_SAMPLES) {
		records->n_roomy = 0;
		if (resize(sample, capacity < CAPACITY_FIRST ? CAPACITY_FIRST : capacity) == 0)
			sample->stats.shrunk++;
	}
	records->largest = 0;
}

/*
 * What stands in the map after the last pass is read there; of the others what is wanted is copied.
 * A hierarchy that was not read to its end counts as one that was not read, but what was met of it
 * is filled in.
 */
uint32_t bpf_sample_pass(struct bpf_sample *sample, struct walk *walk, uint32_t also)
{
	uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	uint32_t todo = (sample->mask | also) & sample->can;
	int room = 0;

	if (sample->records.list)
		shrink(sample);
	else
		room = resize(sample, CAPACITY_FIRST);
	sample->read = 0;
	sample->stats.records = 0;
	for (unsigned int i = 0; i < sample->hierarchies->n; i++) {
		unsigned int h = sample->order[i];
		int r;

		todo &= ~(1U << h);
		if (!((sample->mask | also) & sample->can & 1U << h) || room < 0)
			sample->list[h].n = sample->list[h].found = 0;
		if (!((sample->mask | also) & sample->can & 1U << h))
			continue;
		r = room < 0 ? room : pass(sample, walk, h);
		if ((r == 0 || r == -E2BIG) && todo && bpf_sample_copy(sample, h) < 0)
			r = -ENOMEM;
		tell(sample, h, r);
		if (r == 0)
			sample->read |= 1U << h;
		else
			sample->stats.failures++;
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
	ret_stats->memory_bytes = sample->records.bytes + sample->memstats.bytes +
				  sample->ios.bytes;
}

const struct bpf_program_status *bpf_sample_programs(const struct bpf_sample *sample, size_t *ret_n)
{
	*ret_n = 1;
	return &sample->program;
}
