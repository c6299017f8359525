// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/bpf_tasks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collectors/bpf_kernel.h"
#include "collectors/bpf_load.h"
#include "collectors/keyed.h"
#include "collectors/ns_private.h"
#include "core/cleanup.h"
#include "core/clock.h"

#include "tasks.skel.h"

enum {
	CAPACITY_FIRST = 1024,
	SPARSE_PASSES =
		64, /* so many that need little of a map, and a smaller one takes its place */
};

struct bpf_tasks {
	const struct root *root;
	const struct hierarchies *hierarchies; /* or NULL */
	struct bpf_program_status program;
	struct tasks_bpf *skeleton;
	struct bpf_link *link;
	struct {
		uint32_t by, number;
	} hierarchy[TASK_HIERARCHIES];
	bool rdonly_cast;
	int64_t boottime_offset_ns;
	unsigned int links; /* bits: the links that /proc/PID/ns has */
	int map_fd;
	struct task_record *records; /* shared with the kernel */
	size_t bytes;
	uint32_t capacity, n, sparse;
	const struct task_record **list; /* in order; room for `room`, and behind it for threads */
	size_t room;
	struct bpf_tasks_stats stats;
};

_Static_assert((int)TASK_NS_COUNT == (int)NS_LINK_COUNT && (int)TASK_NS_TIME == (int)NS_TIME &&
		       (int)TASK_NS_PID_CHILDREN == (int)NS_LINK_PID_CHILDREN,
	       "records and links are in one order");

/* ---- what there is -------------------------------------------------------------------- */

/* v1's names of controllers that the kernel calls otherwise. */
static const char *subsys_of(const char *controller)
{
	return strcmp(controller, "blkio") == 0 ? "io" : controller;
}

static void find_subsys(struct bpf_tasks *tasks, const struct bpf_kernel *kernel, unsigned int h)
{
	const struct hierarchy *hierarchy = &tasks->hierarchies->list[h];

	for (char **controller = hierarchy->controllers; controller && *controller; controller++) {
		char name[64];
		int64_t id;

		snprintf(name, sizeof(name), "%s_cgrp_id", subsys_of(*controller));
		if (!bpf_kernel_enum(kernel, "cgroup_subsys_id", name, &id))
			continue;
		tasks->hierarchy[h].by = TASK_BY_SUBSYS;
		tasks->hierarchy[h].number = (uint32_t)id;
		return;
	}
}

/* "12:name=systemd:/path": numbers of hierarchies that have no controllers. */
static void find_named(struct bpf_tasks *tasks)
{
	char *rest, *line;
	struct strbuf text;

	strbuf_init(&text);
	if (root_read(tasks->root, ROOT_PROC, "self/cgroup", &text) < 0 || !text.data) {
		strbuf_done(&text);
		return;
	}
	rest = text.data;
	while ((line = strsep(&rest, "\n"))) {
		unsigned long number = strtoul(line, &line, 10);
		size_t length = *line == ':' ? strcspn(++line, ":") : 0;

		if (number >= TASK_NAMED_NUMBERS)
			continue;

		for (unsigned int h = 0; h < tasks->hierarchies->n && h < TASK_HIERARCHIES; h++) {
			const char *name = tasks->hierarchies->list[h].name;

			if (tasks->hierarchy[h].by != TASK_BY_NONE || strlen(name) != length ||
			    memcmp(name, line, length) != 0)
				continue;
			tasks->hierarchy[h].by = TASK_BY_HIERARCHY;
			tasks->hierarchy[h].number = (uint32_t)number;
		}
	}
	strbuf_done(&text);
}

static void find_hierarchies(struct bpf_tasks *tasks, const struct bpf_kernel *kernel)
{
	for (unsigned int h = 0; h < tasks->hierarchies->n && h < TASK_HIERARCHIES; h++) {
		if (tasks->hierarchies->list[h].v2)
			tasks->hierarchy[h].by = TASK_BY_DEFAULT;
		else
			find_subsys(tasks, kernel, h);
	}
	find_named(tasks);
}

/* /proc and the iterator have to speak of the same processes, clocks and namespaces. */
static int ask_proc(struct bpf_tasks *tasks, char *reason, size_t size)
{
	char target[32] = "";
	int64_t monotonic_ns;
	struct strbuf text;

	if (root_is_recorded(tasks->root) ||
	    root_readlink(tasks->root, ROOT_PROC, "self", target, sizeof(target)) < 0 ||
	    strtol(target, NULL, 10) != getpid()) {
		snprintf(reason, size, "its /proc is not that of our own pid namespace");
		return -EOPNOTSUPP;
	}
	for (unsigned int link = 0; link < NS_LINK_COUNT; link++) {
		char path[48];
		ssize_t n;

		snprintf(path, sizeof(path), "self/ns/%s", ns_link_name(link));
		n = root_readlink(tasks->root, ROOT_PROC, path, target, sizeof(target));
		/* Of what waits for children there may be none just now. */
		if (n >= 0 || link >= NS_TYPE_COUNT)
			tasks->links |= 1U << link;
	}
	strbuf_init(&text);
	if (root_read(tasks->root, ROOT_PROC, "self/timens_offsets", &text) < 0 || !text.data ||
	    !ns_offsets_parse(text.data, &monotonic_ns, &tasks->boottime_offset_ns))
		tasks->boottime_offset_ns = 0;
	strbuf_done(&text);
	return 0;
}

/* ---- loading -------------------------------------------------------------------------- */

static struct bpf_object *open_skeleton(void *data)
{
	struct bpf_tasks *tasks = data;
	struct tasks_bpf__rodata *rodata;

	tasks->skeleton = tasks_bpf__open();
	if (!tasks->skeleton)
		return NULL;
	rodata = tasks->skeleton->rodata;
	for (unsigned int h = 0; h < TASK_HIERARCHIES; h++) {
		uint32_t by = tasks->hierarchy[h].by, number = tasks->hierarchy[h].number;

		rodata->hierarchy_by[h] = by;
		rodata->hierarchy_number[h] = number;
		if (by != TASK_BY_NONE)
			rodata->n_hierarchies = h + 1;
		if (by != TASK_BY_HIERARCHY)
			continue;
		rodata->named[number] = (uint8_t)(h + 1);
		rodata->n_named++;
	}
#if defined(__x86_64__) || defined(__i386__)
	rodata->loads_in_order = true;
#endif
	rodata->have_rdonly_cast = tasks->rdonly_cast;
	rodata->boottime_offset_ns = tasks->boottime_offset_ns;
	return tasks->skeleton->obj;
}

static int load_skeleton(void *data)
{
	struct bpf_tasks *tasks = data;

	return tasks_bpf__load(tasks->skeleton);
}

static void close_skeleton(void *data)
{
	struct bpf_tasks *tasks = data;

	tasks_bpf__destroy(tasks->skeleton);
	tasks->skeleton = NULL;
}

static int load(struct bpf_tasks *tasks, char *reason, size_t size)
{
	struct bpf_loader loader = { open_skeleton, load_skeleton, close_skeleton, tasks };
	struct bpf_kernel *kernel;
	int r;

	r = ask_proc(tasks, reason, size);
	if (r < 0)
		return r;
	r = bpf_load_begin(&kernel, reason, size);
	if (r < 0)
		return r;
	if (tasks->hierarchies)
		find_hierarchies(tasks, kernel);
	tasks->rdonly_cast = bpf_kernel_has_function(kernel, "bpf_rdonly_cast");
	bpf_kernel_close(kernel);
	r = bpf_load(&loader, &tasks->program, 1);
	if (r < 0) {
		snprintf(reason, size, "%s", tasks->program.reason);
		return r;
	}
	tasks->link = bpf_program__attach_iter(tasks->skeleton->progs.list_tasks, NULL);
	if (!tasks->link) {
		r = errno ? -errno : -EOPNOTSUPP;
		snprintf(reason, size, "no iterator over tasks: %s", strerror(-r));
		return r;
	}
	tasks->program.attached = true;
	return 0;
}

int bpf_tasks_new(const struct root *root, const struct hierarchies *hierarchies,
		  struct bpf_tasks **ret_tasks, char *reason, size_t size)
{
	struct bpf_tasks *tasks = calloc(1, sizeof(*tasks));
	int r;

	if (!tasks)
		return -ENOMEM;
	tasks->root = root;
	tasks->hierarchies = hierarchies;
	tasks->map_fd = -1;
	tasks->program = (struct bpf_program_status){ "list_tasks", "processes and namespaces" };
	r = load(tasks, reason, size);
	if (r < 0) {
		bpf_tasks_free(tasks);
		return r;
	}
	*ret_tasks = tasks;
	return 0;
}

static void drop_map(struct bpf_tasks *tasks)
{
	if (tasks->records)
		munmap(tasks->records, tasks->bytes);
	closep(&tasks->map_fd);
	tasks->map_fd = -1;
	tasks->records = NULL;
}

void bpf_tasks_free(struct bpf_tasks *tasks)
{
	if (!tasks)
		return;
	drop_map(tasks);
	bpf_link__destroy(tasks->link);
	tasks_bpf__destroy(tasks->skeleton);
	free(tasks->list);
	free(tasks);
}

/* ---- a pass --------------------------------------------------------------------------- */

/* A map with room for that many tasks in place of the one there was. */
static int resize(struct bpf_tasks *tasks, uint32_t capacity)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = (capacity * sizeof(struct task_record) + page - 1) / page * page;
	_cleanup_(closep) int fd = bpf_load_map(BPF_MAP_TYPE_ARRAY, "cgw_tasks",
						sizeof(struct task_record), capacity,
						BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	uint32_t zero = 0;
	void *records;

	if (fd < 0)
		return fd;
	records = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (records == MAP_FAILED)
		return -errno;
	if (bpf_map_update_elem(bpf_map__fd(tasks->skeleton->maps.records), &zero, &fd, BPF_ANY) <
	    0) {
		int r = -errno;

		munmap(records, bytes);
		return r;
	}
	drop_map(tasks);
	tasks->records = records;
	tasks->bytes = bytes;
	tasks->capacity = capacity;
	tasks->map_fd = fd;
	tasks->sparse = 0;
	fd = -1;
	return 0;
}

static int pass_once(struct bpf_tasks *tasks)
{
	struct task_control *control = &tasks->skeleton->bss->control;
	_cleanup_(closep) int fd = bpf_iter_create(bpf_link__fd(tasks->link));
	char none[8];
	ssize_t n;

	if (fd < 0)
		return -errno;
	control->n = 0;
	while ((n = read(fd, none, sizeof(none))) != 0) {
		/* Of a million tasks the kernel takes a breath in between. */
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
	}
	tasks->n = control->n;
	return 0;
}

static int make_room(struct bpf_tasks *tasks)
{
	if (!tasks->records)
		return resize(tasks, CAPACITY_FIRST);
	if (tasks->capacity <= CAPACITY_FIRST || tasks->n >= tasks->capacity / 8)
		tasks->sparse = 0;
	else if (++tasks->sparse > SPARSE_PASSES)
		/* If it cannot be had, the large one stays. */
		(void)resize(tasks, 2 * tasks->n < CAPACITY_FIRST ? CAPACITY_FIRST : 2 * tasks->n);
	return 0;
}

static int pass(struct bpf_tasks *tasks)
{
	int r = make_room(tasks);

	while (r == 0) {
		r = pass_once(tasks);
		if (r < 0 || tasks->n <= tasks->capacity)
			return r;
		tasks->stats.grown++;
		r = resize(tasks, tasks->n + tasks->n / 2);
	}
	return r;
}

static int by_process(const void *a, const void *b)
{
	const struct task_record *x = *(const struct task_record *const *)a;
	const struct task_record *y = *(const struct task_record *const *)b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (x->tid > y->tid) - (x->tid < y->tid);
}

/* The pass goes by number, so leaders are in order; threads are put behind theirs. */
static int put_in_order(struct bpf_tasks *tasks, size_t *ret_n)
{
	size_t n = 0, n_threads = 0, at = 0;
	const struct task_record **threads;

	if (tasks->n > tasks->room) {
		const struct task_record **list = realloc(tasks->list,
							  2 * (size_t)tasks->n * sizeof(*list));

		if (!list)
			return -ENOMEM;
		tasks->list = list;
		tasks->room = tasks->n;
	}
	threads = tasks->list + tasks->room;
	for (uint32_t i = 0; i < tasks->n; i++) {
		const struct task_record *record = &tasks->records[i];

		if (record->pid != record->tid && record->pid && record->tid)
			threads[n_threads++] = record;
	}
	if (n_threads > 1)
		qsort(threads, n_threads, sizeof(*threads), by_process);
	for (uint32_t i = 0; i < tasks->n; i++) {
		const struct task_record *record = &tasks->records[i];

		if (record->pid != record->tid || !record->pid)
			continue;
		/* One number met twice: its process ended, and another one came. */
		if (n > 0 && tasks->list[n - 1]->pid >= record->pid)
			continue;
		tasks->list[n++] = record;
		while (at < n_threads && threads[at]->pid < record->pid)
			at++;
		for (; at < n_threads && threads[at]->pid == record->pid; at++)
			tasks->list[n++] = threads[at];
	}
	*ret_n = n;
	return 0;
}

int bpf_tasks_read(struct bpf_tasks *tasks, const struct task_record *const **ret_list,
		   size_t *ret_n)
{
	uint64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	size_t n = 0;
	int r = pass(tasks);

	if (r == 0)
		r = put_in_order(tasks, &n);
	tasks->stats.passes++;
	tasks->stats.last_pass_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
	if (r < 0) {
		tasks->stats.failures++;
		return r;
	}
	tasks->stats.tasks = n;
	*ret_list = tasks->list;
	*ret_n = n;
	return 0;
}

bool bpf_tasks_has_hierarchy(const struct bpf_tasks *tasks, unsigned int hierarchy)
{
	return hierarchy < TASK_HIERARCHIES && tasks->hierarchy[hierarchy].by != TASK_BY_NONE;
}

bool bpf_tasks_has_link(const struct bpf_tasks *tasks, unsigned int link)
{
	return tasks->links >> link & 1;
}

void bpf_tasks_get_stats(const struct bpf_tasks *tasks, struct bpf_tasks_stats *ret_stats)
{
	*ret_stats = tasks->stats;
	ret_stats->memory_bytes = tasks->bytes;
}

const struct bpf_program_status *bpf_tasks_programs(const struct bpf_tasks *tasks, size_t *ret_n)
{
	*ret_n = 1;
	return &tasks->program;
}
