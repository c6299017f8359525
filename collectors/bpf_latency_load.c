// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collectors/bpf_kernel.h"
#include "collectors/bpf_latency_private.h"
#include "collectors/bpf_load.h"
#include "core/cleanup.h"
#include "core/clock.h"

#include "latency.skel.h"

#define KIND(kind) (1U << DISTRIBUTION_##kind)

/* What a program is for and what of the kernel's it needs. */
struct row {
	const char *name, *purpose;
	uint32_t kinds;
	const char *tracepoint, *function, *function_before;
	const char *member;
	/* One of two ways of counting: of kernels with tracepoints of sockets, and before. */
	enum { EVERYWHERE, WITH_SOCK, WITHOUT_SOCK } where;
	bool optional; /* does without if the kernel does */
};

static const struct row rows[LATENCY_PROGRAMS] = {
	{ "watched_mkdir", "new cgroups below watched ones", LATENCY_TREE, "cgroup_mkdir" },
	{ "watched_rmdir", "removed cgroups below watched ones", LATENCY_TREE, "cgroup_rmdir" },
	{ "runqueue_switch", "run-queue latency", KIND(RUNQUEUE), "sched_switch",
	  .member = "task_struct.sched_info.run_delay" },
	{ "runqueue_free", "run-queue latency", KIND(RUNQUEUE), "sched_process_free" },
	{ "block_issue", "block I/O latency", KIND(BLOCK_IO), "block_rq_issue",
	  .member = "bio.bi_blkg" },
	{ "block_requeue", "block I/O latency", KIND(BLOCK_IO), "block_rq_requeue" },
	{ "block_complete", "block I/O latency", KIND(BLOCK_IO), "block_rq_complete" },
	{ "throttle_enter", "throttling by the CPU quota", KIND(THROTTLE),
	  .function = "unthrottle_cfs_rq", .member = "cfs_rq.throttled_clock" },
	{ "throttle_exit", "throttling by the CPU quota", KIND(THROTTLE),
	  .function = "unthrottle_cfs_rq", .member = "cfs_rq.throttled_clock" },
	{ "memory_high_enter", "stalls above memory.high", KIND(MEMORY_HIGH),
	  .function = "__mem_cgroup_handle_over_high",
	  .function_before = "mem_cgroup_handle_over_high",
	  .member = "task_struct.memcg_nr_pages_over_high" },
	{ "memory_high_exit", "stalls above memory.high", KIND(MEMORY_HIGH),
	  .function = "__mem_cgroup_handle_over_high",
	  .function_before = "mem_cgroup_handle_over_high" },
	{ "reclaim_memcg_begin", "direct reclaim", KIND(RECLAIM), "mm_vmscan_memcg_reclaim_begin" },
	{ "reclaim_memcg_end", "direct reclaim", KIND(RECLAIM), "mm_vmscan_memcg_reclaim_end" },
	{ "reclaim_direct_begin", "direct reclaim", KIND(RECLAIM),
	  "mm_vmscan_direct_reclaim_begin" },
	{ "reclaim_direct_end", "direct reclaim", KIND(RECLAIM), "mm_vmscan_direct_reclaim_end" },
	{ "net_sock_send", "bytes of TCP and UDP", LATENCY_NET, "sock_send_length",
	  .where = WITH_SOCK },
	{ "net_sock_recv", "bytes of TCP and UDP", LATENCY_NET, "sock_recv_length",
	  .where = WITH_SOCK },
	{ "net_tcp_read_sock", "bytes of TCP by splice", LATENCY_NET, .function = "tcp_read_sock",
	  .optional = true },
	{ "net_tcp_sendmsg", "bytes of TCP", LATENCY_NET, .function = "tcp_sendmsg",
	  .where = WITHOUT_SOCK },
	{ "net_tcp_sendpage", "bytes of TCP by sendfile", LATENCY_NET, .function = "tcp_sendpage",
	  .where = WITHOUT_SOCK, .optional = true },
	{ "net_tcp_recvmsg", "bytes of TCP", LATENCY_NET, .function = "tcp_recvmsg",
	  .where = WITHOUT_SOCK },
	{ "net_udp_sendmsg", "bytes of UDP", LATENCY_NET, .function = "udp_sendmsg",
	  .where = WITHOUT_SOCK },
	{ "net_udp_recvmsg", "bytes of UDP", LATENCY_NET, .function = "udp_recvmsg",
	  .where = WITHOUT_SOCK },
	{ "net_udpv6_sendmsg", "bytes of UDP", LATENCY_NET, .function = "udpv6_sendmsg",
	  .where = WITHOUT_SOCK, .optional = true },
	{ "net_udpv6_recvmsg", "bytes of UDP", LATENCY_NET, .function = "udpv6_recvmsg",
	  .where = WITHOUT_SOCK, .optional = true },
};

/* Which controller's hierarchy a kind goes by. */
static const char *const controllers[DISTRIBUTION_KIND_COUNT + 1] = {
	[DISTRIBUTION_RUNQUEUE] = "cpu",   [DISTRIBUTION_BLOCK_IO] = "io",
	[DISTRIBUTION_THROTTLE] = "cpu",   [DISTRIBUTION_MEMORY_HIGH] = "memory",
	[DISTRIBUTION_RECLAIM] = "memory", [DISTRIBUTION_KIND_COUNT] = "memory",
};

static const char *function_of(const struct row *row, const struct bpf_kernel *kernel)
{
	if (bpf_kernel_has_function(kernel, row->function) || !row->function_before)
		return row->function;
	return row->function_before;
}

static void ask_program(struct bpf_program_status *status, const struct row *row,
			const struct bpf_kernel *kernel, const char *no_functions)
{
	char *reason = status->reason;
	size_t size = sizeof(status->reason);

	if (row->tracepoint && !bpf_kernel_has_tracepoint(kernel, row->tracepoint))
		snprintf(reason, size, "this kernel has no tracepoint %s", row->tracepoint);
	else if (row->function && !bpf_kernel_has_function(kernel, function_of(row, kernel)))
		snprintf(reason, size, "this kernel has no function %s", row->function);
	else if (row->member && !bpf_kernel_has_member(kernel, row->member))
		snprintf(reason, size, "this kernel has no %s", row->member);
	else if (row->function && *no_functions)
		snprintf(reason, size, "%s", no_functions);
}

static bool is_needed(const struct row *row, const struct bpf_kernel *kernel, bool sock)
{
	if (row->where == (sock ? WITHOUT_SOCK : WITH_SOCK))
		return false;
	return !row->optional || bpf_kernel_has_function(kernel, row->function);
}

static void ask_kernel(struct bpf_latency *latency, const struct bpf_kernel *kernel)
{
	bool sock = bpf_kernel_has_tracepoint(kernel, "sock_send_length");
	char no_functions[BPF_REASON_SIZE] = "";

	/* Where functions cannot be watched all of these have one reason; without this one each
	 * tells by itself. */
	if (bpf_kernel_has_function(kernel, "tcp_sendmsg"))
		bpf_load_functions_allowed("tcp_sendmsg", no_functions, sizeof(no_functions));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bpf_program_status *status = &latency->programs[latency->n_programs];

		if (!is_needed(&rows[i], kernel, sock))
			continue;
		*status = (struct bpf_program_status){ rows[i].name, rows[i].purpose };
		latency->row[latency->n_programs++] = (uint8_t)i;
		ask_program(status, &rows[i], kernel, no_functions);
		if (rows[i].function_before && !status->reason[0] &&
		    !bpf_kernel_has_function(kernel, rows[i].function))
			latency->high_before = true;
	}
	for (size_t k = 0; k <= DISTRIBUTION_KIND_COUNT; k++) {
		char name[64];

		snprintf(name, sizeof(name), "%s_cgrp_id", controllers[k]);
		if (!bpf_kernel_enum(kernel, "cgroup_subsys_id", name, &latency->subsys[k]))
			latency->subsys[k] = 0;
	}
}

/* The tree that has the controller; without one, v2 has every task. */
static void find_hierarchies(struct bpf_latency *latency)
{
	const struct hierarchies *all = latency->hierarchies;
	const struct hierarchy *v2 = hierarchies_v2(all);

	for (size_t k = 0; k <= DISTRIBUTION_KIND_COUNT; k++) {
		const char *name = controllers[k];
		const struct hierarchy *found = hierarchies_find(all, name);

		if (!found && strcmp(name, "io") == 0)
			found = hierarchies_find(all, "blkio");
		if (!found)
			found = v2;
		latency->hierarchy[k] = found ? (int)(found - all->list) : -1;
	}
	for (unsigned int i = 0; i < all->n_controllers; i++) {
		const struct controller *controller = &all->controllers[i];

		if (controller->hierarchy >= 0 && !all->list[controller->hierarchy].v2)
			latency->hierarchy_id[controller->hierarchy] = controller->hierarchy_id;
	}
}

#define SET_TREE(latency, member, kind)                                                         \
	do {                                                                                    \
		int h_ = (latency)->hierarchy[kind];                                            \
		(latency)->skeleton->rodata->member.v2 = h_ < 0 ||                              \
							 (latency)->hierarchies->list[h_].v2;   \
		(latency)->skeleton->rodata->member.subsys = (uint32_t)(latency)->subsys[kind]; \
	} while (0)

static struct bpf_object *open_skeleton(void *data)
{
	struct bpf_latency *latency = data;
	struct bpf_program *program;

	latency->skeleton = latency_bpf__open();
	if (!latency->skeleton)
		return NULL;
	/* Those of the list are for the loader to say. */
	bpf_object__for_each_program(program, latency->skeleton->obj)
		bpf_program__set_autoload(program, false);
	SET_TREE(latency, cpu_tree, DISTRIBUTION_RUNQUEUE);
	SET_TREE(latency, memory_tree, DISTRIBUTION_MEMORY_HIGH);
	SET_TREE(latency, net_tree, DISTRIBUTION_KIND_COUNT);
	if (latency->high_before) {
		bpf_program__set_attach_target(latency->skeleton->progs.memory_high_enter, 0,
					       "mem_cgroup_handle_over_high");
		bpf_program__set_attach_target(latency->skeleton->progs.memory_high_exit, 0,
					       "mem_cgroup_handle_over_high");
	}
	return latency->skeleton->obj;
}

static int load_skeleton(void *data)
{
	struct bpf_latency *latency = data;

	return latency_bpf__load(latency->skeleton);
}

static void close_skeleton(void *data)
{
	struct bpf_latency *latency = data;

	latency_bpf__destroy(latency->skeleton);
	latency->skeleton = NULL;
}

static const struct row *row_of(const struct bpf_latency *latency, size_t i)
{
	return &rows[latency->row[i]];
}

/* A kind can be told if all its programs are there. */
static uint32_t what_it_can(const struct bpf_latency *latency)
{
	uint32_t can = (LATENCY_NET << 1) - 1;

	for (size_t i = 0; i < latency->n_programs; i++) {
		if (!latency->programs[i].loaded && !row_of(latency, i)->optional)
			can &= ~row_of(latency, i)->kinds;
	}
	return can;
}

static struct bpf_program *program_of(struct bpf_latency *latency, const char *name)
{
	return bpf_object__find_program_by_name(latency->skeleton->obj, name);
}

static int share(struct bpf_latency *latency)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = LAT_SLOTS * ((sizeof(struct lat_slot) + 7) & ~7UL);

	latency->shared_bytes = (size + page - 1) / page * page;
	latency->shared = mmap(NULL, latency->shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			       bpf_map__fd(latency->skeleton->maps.slots), 0);
	if (latency->shared == MAP_FAILED) {
		latency->shared = NULL;
		return -errno;
	}
	return 0;
}

int bpf_latency_load(struct bpf_latency *latency, char *reason, size_t size)
{
	struct bpf_loader loader = { open_skeleton, load_skeleton, close_skeleton, latency };
	struct bpf_kernel *kernel;
	int r;

	r = bpf_load_begin(&kernel, reason, size);
	if (r < 0)
		return r;
	ask_kernel(latency, kernel);
	bpf_kernel_close(kernel);
	find_hierarchies(latency);
	r = bpf_load(&loader, latency->programs, latency->n_programs);
	if (r == 0)
		r = share(latency);
	if (r < 0)
		snprintf(reason, size, "no program for it can be loaded: %s", strerror(-r));
	else
		latency->can = what_it_can(latency);
	for (size_t i = 0; r == 0 && i < latency->n_programs; i++) {
		if (latency->programs[i].loaded)
			latency->fds[i] = bpf_program__fd(
				program_of(latency, latency->programs[i].name));
	}
	return r;
}

/* What was begun before somebody asked again is not to be ended now. */
static void forget(int map)
{
	uint64_t key;

	while (bpf_map_get_next_key(map, NULL, &key) == 0) {
		if (bpf_map_delete_elem(map, &key) < 0)
			break;
	}
}

/* A program that cannot run makes what it is for unknown: half the events would be a wrong number.
 */
static void attach(struct bpf_latency *latency, size_t i)
{
	struct bpf_program_status *status = &latency->programs[i];

	latency->links[i] = bpf_program__attach(program_of(latency, status->name));
	status->attached = latency->links[i] != NULL;
	if (status->attached)
		return;
	snprintf(status->reason, sizeof(status->reason), "attaching it failed: %s",
		 strerror(errno));
	if (!row_of(latency, i)->optional)
		latency->can &= ~row_of(latency, i)->kinds;
}

void bpf_latency_attach(struct bpf_latency *latency, uint32_t wanted)
{
	uint32_t begins = wanted & ~latency->running;

	if (begins & KIND(RUNQUEUE))
		forget(bpf_map__fd(latency->skeleton->maps.tasks));
	if (begins & KIND(BLOCK_IO))
		forget(bpf_map__fd(latency->skeleton->maps.requests));
	if (begins & (KIND(MEMORY_HIGH) | KIND(RECLAIM)))
		forget(bpf_map__fd(latency->skeleton->maps.stalls));
	for (size_t i = 0; i < latency->n_programs; i++) {
		struct bpf_program_status *status = &latency->programs[i];
		bool run = status->loaded && row_of(latency, i)->kinds & wanted;

		if (run && !latency->links[i]) {
			attach(latency, i);
		} else if (!run && latency->links[i]) {
			bpf_link__destroy(latency->links[i]);
			latency->links[i] = NULL;
			status->attached = false;
		}
	}
	latency->running = wanted & (latency->can | LATENCY_TREE);
}

void bpf_latency_unload(struct bpf_latency *latency)
{
	for (size_t i = 0; i < latency->n_programs; i++)
		bpf_link__destroy(latency->links[i]);
	if (latency->shared)
		munmap(latency->shared, latency->shared_bytes);
	latency_bpf__destroy(latency->skeleton);
}

int bpf_latency_map(const struct bpf_latency *latency)
{
	return bpf_map__fd(latency->skeleton->maps.watched);
}

/*
 * Requests whose end was not seen. The struct is used again soon, which the kernel's side counts;
 * this is for those that are not.
 */
void bpf_latency_give_up(struct bpf_latency *latency)
{
	enum { MOST = 256 };
	/* After which time the block layer itself asks what became of a request. */
	const uint64_t patience = 30 * 1000000000ULL;
	uint64_t keys[MOST], now = clock_ns(CLOCK_MONOTONIC);
	int map = bpf_map__fd(latency->skeleton->maps.requests), r = 0;
	struct lat_started started[MOST];
	uint32_t place = 0;

	if (!(latency->running & KIND(BLOCK_IO)))
		return;
	for (bool more = false; r == 0; more = true) {
		uint32_t n = MOST;

		r = bpf_map_lookup_batch(map, more ? &place : NULL, &place, keys, started, &n,
					 NULL);
		/* ENOENT: these were the last. */
		if (r < 0 && r != -ENOENT)
			return;
		for (uint32_t i = 0; i < n; i++) {
			if (started[i].at + patience < now &&
			    bpf_map_delete_elem(map, &keys[i]) == 0)
				latency->stats.lost++;
		}
	}
}

uint64_t bpf_latency_lost(const struct bpf_latency *latency)
{
	uint64_t lost = latency->skeleton->bss->lost;

	/*
	 * A program that is preempted or interrupted is not entered once more on its CPU
	 * (ca06f55b9002, 5.12): such events are missed, of whichever cgroup they were.
	 */
	for (size_t i = 0; i < latency->n_programs; i++) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);

		if (latency->programs[i].loaded &&
		    bpf_obj_get_info_by_fd(latency->fds[i], &info, &size) == 0)
			lost += info.recursion_misses;
	}
	return lost;
}

const struct bpf_program_status *bpf_latency_programs(const struct bpf_latency *latency,
						      size_t *ret_n)
{
	*ret_n = latency->n_programs;
	return latency->programs;
}
