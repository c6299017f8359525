// SPDX-License-Identifier: MIT
/* Waiting for disks and memory in watched cgroups against what the kernel accounts for itself. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collectors/bpf/latency.h"

#include "latency_bench.h"

/* ---- block I/O ------------------------------------------------------------------------------- */

enum { READS = 200, READ_BYTES = 4096 };
static int disk = -1;

/*
 * A file of this machine's disk, or the emulated machine's disk itself (only read). A descriptor
 * for reads that go past the cache, or -1.
 */
static int open_disk(void)
{
	char name[] = "/var/tmp/cgwatch-test-XXXXXX";
	int fd = mkstemp(name), direct;
	static char block[8 * READ_BYTES];

	if (fd < 0)
		return open("/dev/vda", O_RDONLY | O_DIRECT | O_CLOEXEC);
	direct = open(name, O_RDONLY | O_DIRECT | O_CLOEXEC);
	unlink(name);
	for (int i = 0; i < READS; i++)
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	assert_int_equal(fsync(fd), 0);
	close(fd);
	return direct;
}

/* One after the other, so that no two become one request; each time that the test says so. */
static void read_disk(void)
{
	void *buffer = NULL;

	if (posix_memalign(&buffer, READ_BYTES, READ_BYTES) != 0)
		buffer = NULL;
	for (;;) {
		while (!latency_shared()->go || latency_shared()->done)
			usleep(1000);
		for (int i = 0; buffer && i < READS; i++) {
			if (pread(disk, buffer, READ_BYTES, (off_t)i * 8 * READ_BYTES) !=
			    READ_BYTES)
				break;
		}
		latency_shared()->done = 1;
	}
}

/* Operations of all devices by the kernel's own count. */
static uint64_t operations(const struct live *live, const char *name)
{
	char *text = live_read(live, live->v2 ? "io" : "blkio", name,
			       live->v2 ? "io.stat" : "blkio.throttle.io_serviced");
	uint64_t sum = 0;

	for (char *at = text; at && *at; at++) {
		if (live->v2 && (strncmp(at, "rios=", 5) == 0 || strncmp(at, "wios=", 5) == 0))
			sum += strtoull(at + 5, NULL, 10);
		else if (!live->v2 && strncmp(at, "\nTotal ", 7) == 0)
			sum = strtoull(at + 7, NULL, 10);
	}
	free(text);
	return sum;
}

/* All waits of a number are told or said to be lost: of some it shows only after a while. */
static void expect_waits(struct bench *bench, const struct live *live, uint64_t expected)
{
	uint64_t told, lost;
	double end = live_now() + LIVE_PATIENCE;

	for (;;) {
		told = bench_total(bench, live, "reader", DISTRIBUTION_BLOCK_IO)->count;
		lost = bench_lost(bench);
		if (told + lost >= expected || live_now() >= end)
			break;
		live_wait(1);
		bench_take(bench);
	}
	printf("told %llu, lost %llu of %llu\n", (unsigned long long)told, (unsigned long long)lost,
	       (unsigned long long)expected);
	assert_true(told > 0);
	assert_true(told <= expected);
	assert_true(told + lost >= expected);
}

static void start_reader(struct bench *bench, struct live *live)
{
	disk = open_disk();
	if (disk < 0) {
		printf("skipped: no disk that can be read past the cache\n");
		skip();
	}
	bench_init(bench);
	live_cgroup(live, "reader");
	live_start(live, "reader", read_disk);
	bench_watch(bench, live, 1U << DISTRIBUTION_BLOCK_IO, "reader", NULL);
	bench_needs(bench, DISTRIBUTION_BLOCK_IO, "block");
}

static void test_block_io(void **state)
{
	struct live *live = *state;
	const struct distribution *ours;
	struct bench bench;
	uint64_t before, after;

	start_reader(&bench, live);
	before = operations(live, "reader");
	latency_wait_done();
	after = operations(live, "reader");
	bench_take(&bench);
	ours = bench_total(&bench, live, "reader", DISTRIBUTION_BLOCK_IO);
	print_distribution("reader", ours);
	printf("the kernel's count: %llu\n", (unsigned long long)(after - before));
	assert_int_equal(after - before, READS);
	assert_true(ours->sum_ns > 0);
	expect_waits(&bench, live, READS);
	close(disk);
	bench_done(&bench);
}

/* This process's map of requests that are under way: the newest of that name. */
static int requests_map(void)
{
	int found = -1;

	for (uint32_t id = 0; bpf_map_get_next_id(id, &id) == 0;) {
		struct bpf_map_info info = { 0 };
		uint32_t size = sizeof(info);
		int fd = bpf_map_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ||
		    strcmp(info.name, "requests") != 0) {
			close(fd);
			continue;
		}
		if (found >= 0)
			close(found);
		found = fd;
	}
	return found;
}

/* A request whose end is not seen is lost: when it is used again, or after half a minute. */
static void test_missed_end(void **state)
{
	struct live *live = *state;
	struct lat_started started = { 0 };
	uint64_t key = 0, nobody = 1, before;
	struct bench bench;
	int map;

	start_reader(&bench, live);
	map = requests_map();
	assert_true(map >= 0);
	/* As if it had begun when the machine did: nothing is done any more that this is of. */
	started.at = 1;
	before = bench_lost(&bench);
	assert_int_equal(bpf_map_update_elem(map, &nobody, &started, BPF_ANY), 0);
	bench_take(&bench);
	assert_true(bench_lost(&bench) > before);
	assert_true(bpf_map_lookup_elem(map, &nobody, &started) < 0);
	/* One of the reader's: the next time it is as if its end had been missed. */
	latency_shared()->go = 1;
	while (!latency_shared()->done && !started.key.id) {
		if (bpf_map_get_next_key(map, NULL, &key) == 0 &&
		    bpf_map_lookup_elem(map, &key, &started) < 0)
			started.key.id = 0;
	}
	latency_wait_done();
	bench_take(&bench);
	if (started.key.id) {
		before = bench_lost(&bench);
		bpf_map_update_elem(map, &key, &started, BPF_ANY);
		/* Which request the kernel takes next is its own business: age ends this one. */
		for (double end = live_now() + LIVE_PATIENCE;
		     bench_lost(&bench) == before && live_now() < end;) {
			latency_wait_done();
			bench_take(&bench);
		}
		printf("a request of before: %llu lost\n",
		       (unsigned long long)(bench_lost(&bench) - before));
		assert_true(bench_lost(&bench) > before);
	} else {
		printf("no request was seen while it was under way\n");
	}
	close(map);
	close(disk);
	bench_done(&bench);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void fill_and_drop(void)
{
	while (!latency_shared()->go)
		usleep(1000);
	for (int round = 0; round < 3; round++) {
		size_t size = 24U << 20;
		char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				    -1, 0);

		for (size_t i = 0; memory != MAP_FAILED && i < size; i += 4096)
			memory[i] = 1;
		munmap(memory, size);
	}
	latency_shared()->done = 1;
	live_sleep();
}

static void test_memory_high(void **state)
{
	struct live *live = *state;
	const uint32_t kinds = 1U << DISTRIBUTION_MEMORY_HIGH | 1U << DISTRIBUTION_RECLAIM;
	const struct distribution *high, *reclaim;
	struct bench bench;
	uint64_t events;

	if (!live->v2) {
		printf("skipped: v1 has no memory.high\n");
		skip();
	}
	bench_init(&bench);
	live_cgroup(live, "above");
	live_start(live, "above", fill_and_drop);
	assert_int_equal(live_write(live, "memory", "above", "memory.high", "16M"), 0);
	bench_watch(&bench, live, kinds, "above", NULL);
	bench_needs(&bench, DISTRIBUTION_MEMORY_HIGH, "memory_high");
	latency_wait_done();
	live_wait(0.2);
	bench_take(&bench);
	high = bench_total(&bench, live, "above", DISTRIBUTION_MEMORY_HIGH);
	reclaim = bench_total(&bench, live, "above", DISTRIBUTION_RECLAIM);
	events = live_number(live, "memory", "above", "memory.events", "high");
	print_distribution("above memory.high", high);
	print_distribution("reclaim", reclaim);
	printf("memory.events: high %llu\n", (unsigned long long)events);
	assert_true(high->count > 0 && high->sum_ns > 0);
	assert_true(reclaim->count > 0);
	/* The reclaim was done while it was held back. */
	assert_true(high->sum_ns >= reclaim->sum_ns);
	bench_done(&bench);
}

/* A limit of v1 or v2 reached by page cache: what is above has to go first. */
static void write_much(void)
{
	char name[] = "/var/tmp/cgwatch-test-XXXXXX";
	int fd = mkstemp(name);
	static char block[1 << 20];

	unlink(name);
	while (!latency_shared()->go)
		usleep(1000);
	for (int i = 0; fd >= 0 && i < 64; i++) {
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			break;
	}
	latency_shared()->done = 1;
	live_sleep();
}

static void test_reclaim(void **state)
{
	struct live *live = *state;
	const struct distribution *ours;
	struct bench bench;

	if (live->v2) {
		printf("skipped: no disk to write to in the emulated machine; see memory.high\n");
		skip();
	}
	bench_init(&bench);
	live_cgroup(live, "full");
	live_start(live, "full", write_much);
	assert_int_equal(live_write(live, "memory", "full", "memory.limit_in_bytes", "16777216"),
			 0);
	bench_watch(&bench, live, 1U << DISTRIBUTION_RECLAIM, "full", NULL);
	bench_needs(&bench, DISTRIBUTION_RECLAIM, "reclaim");
	latency_wait_done();
	bench_take(&bench);
	ours = bench_total(&bench, live, "full", DISTRIBUTION_RECLAIM);
	print_distribution("full", ours);
	assert_true(ours->count > 0 && ours->sum_ns > 0);
	bench_done(&bench);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_block_io, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_missed_end, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_memory_high, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_reclaim, live_setup, live_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return latency_main(run);
}
