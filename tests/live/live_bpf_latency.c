// SPDX-License-Identifier: MIT
/* Waiting times and traffic of watched cgroups against what the kernel accounts for itself. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"

#include "latency_bench.h"
#include "live_bpf.h"

/* Between the test and its processes. */
struct shared {
	atomic_int go, done;
};

static struct shared *shared;

static void print_distribution(const char *name, const struct distribution *distribution)
{
	double p50 = 0, p99 = 0;

	distribution_quantile(distribution, 0.5, &p50);
	distribution_quantile(distribution, 0.99, &p99);
	printf("%s: %llu waits, %.3f s, p50 %.3f ms, p99 %.3f ms\n", name,
	       (unsigned long long)distribution->count, (double)distribution->sum_ns / 1e9,
	       p50 / 1e6, p99 / 1e6);
}

/* What the kernel could not count, as the backend says. */
static uint64_t lost_events(const struct bench *bench)
{
	const char *why;
	struct bpf_latency_stats stats;

	bpf_latency_get_stats(sampler_latency(bench->sampler, &why), &stats);
	return stats.lost;
}

/* ---- run queue ----------------------------------------------------------------------------- */

static void burn_on_first(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	live_burn();
}

static void nap(void)
{
	for (;;)
		usleep(20000);
}

/* What the scheduler says that these processes waited, in ns. */
static uint64_t run_delay(const pid_t *pids, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned long long waited = 0;
		char path[64];
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pids[i]);
		file = fopen(path, "re");
		assert_non_null(file);
		assert_int_equal(fscanf(file, "%*u %llu", &waited), 1);
		fclose(file);
		sum += waited;
	}
	return sum;
}

static void test_runqueue(void **state)
{
	struct live *live = *state;
	const uint32_t kinds = 1U << DISTRIBUTION_RUNQUEUE;
	const struct distribution *ours;
	struct bench bench;
	uint64_t before, after, first, outer[2], inner[2];
	pid_t pids[2];
	double p99;

	bench_init(&bench);
	live_cgroup(live, "busy");
	live_cgroup(live, "idle");
	live_cgroup(live, "other");
	for (int i = 0; i < 2; i++)
		pids[i] = live_start(live, "busy", burn_on_first);
	live_start(live, "idle", nap);
	live_start(live, "other", nap);
	watch(&bench, live, kinds, "busy", "idle");
	needs_kind(&bench, DISTRIBUTION_RUNQUEUE, "runqueue");
	live_wait(0.5); /* each was seen once */
	outer[0] = run_delay(pids, 2);
	take(&bench);
	inner[0] = run_delay(pids, 2);
	first = total(&bench, live, "busy", DISTRIBUTION_RUNQUEUE)->sum_ns;
	live_wait(3);
	inner[1] = run_delay(pids, 2);
	take(&bench);
	outer[1] = run_delay(pids, 2);
	ours = total(&bench, live, "busy", DISTRIBUTION_RUNQUEUE);
	before = inner[1] - inner[0];
	after = outer[1] - outer[0];
	print_distribution("busy", &find(&bench, live, "busy", DISTRIBUTION_RUNQUEUE)->interval);
	print_distribution("idle", &find(&bench, live, "idle", DISTRIBUTION_RUNQUEUE)->interval);
	printf("schedstat: %.6f to %.6f s, ours %.6f s\n", (double)before / 1e9,
	       (double)after / 1e9, (double)(ours->sum_ns - first) / 1e9);
	assert_true(before > 0);
	assert_in_range(ours->sum_ns - first, before, after);
	/* Two share a CPU: each waits for the other for a time slice at least. */
	assert_true(distribution_quantile(
		&find(&bench, live, "busy", DISTRIBUTION_RUNQUEUE)->interval, 0.99, &p99));
	assert_true(p99 >= 1e6);
	assert_true(total(&bench, live, "idle", DISTRIBUTION_RUNQUEUE)->count > 0);
	assert_true(total(&bench, live, "idle", DISTRIBUTION_RUNQUEUE)->sum_ns < ours->sum_ns / 4);
	/* Nobody watches it: there is nothing, and it says so. */
	assert_null(find(&bench, live, "other", DISTRIBUTION_RUNQUEUE));
	assert_int_equal(snapshot_state(bench.snapshot, M_LATENCY_RUNQUEUE_P99,
					node_of(&bench, live, "other")),
			 VALUE_UNWATCHED);
	assert_int_equal(snapshot_state(bench.snapshot, M_LATENCY_RUNQUEUE_P99,
					node_of(&bench, live, "busy")),
			 VALUE_OK);
	bench_done(&bench);
}

/* What is made below a watched cgroup counts from its first moment; both levels have it. */
static void test_below(void **state)
{
	struct live *live = *state;
	const uint32_t kinds = 1U << DISTRIBUTION_RUNQUEUE;
	struct bench bench;
	uint64_t seen;

	bench_init(&bench);
	live_cgroup(live, "outer");
	live_cgroup(live, "outer/inner");
	watch(&bench, live, kinds, "outer", "outer/inner");
	needs_kind(&bench, DISTRIBUTION_RUNQUEUE, "runqueue");
	live_cgroup(live, "outer/inner/new");
	live_start(live, "outer/inner/new", nap);
	live_wait(1);
	take(&bench);
	seen = total(&bench, live, "outer/inner", DISTRIBUTION_RUNQUEUE)->count;
	printf("new: %llu waits before it was seen in a sample\n", (unsigned long long)seen);
	assert_true(seen >= 10);
	assert_true(total(&bench, live, "outer", DISTRIBUTION_RUNQUEUE)->count >= seen);
	/* No longer watched: what it had is gone, and the outer one goes on. */
	watch(&bench, live, kinds, "outer", NULL);
	live_wait(0.5);
	take(&bench);
	assert_null(find(&bench, live, "outer/inner", DISTRIBUTION_RUNQUEUE));
	assert_true(total(&bench, live, "outer", DISTRIBUTION_RUNQUEUE)->count > seen);
	/* Nobody at all: the programs are off. */
	watch(&bench, live, kinds, NULL, NULL);
	assert_int_equal(bench.snapshot->distributions->n, 0);
	bench_done(&bench);
}

/* ---- quota ----------------------------------------------------------------------------------- */

static uint64_t throttled_ns(const struct live *live, const char *name)
{
	return live->v2 ? 1000 * live_number(live, "cpu", name, "cpu.stat", "throttled_usec")
			: live_number(live, "cpu", name, "cpu.stat", "throttled_time");
}

static void test_throttle(void **state)
{
	struct live *live = *state;
	const struct distribution *ours;
	uint64_t outer[2], inner[2], first;
	struct bench bench;
	double p50;

	bench_init(&bench);
	live_cgroup(live, "limited");
	assert_int_equal(live->v2 ? live_write(live, "cpu", "limited", "cpu.max", "20000 100000")
				  : live_write(live, "cpu", "limited", "cpu.cfs_quota_us", "20000"),
			 0);
	live_start(live, "limited", burn_on_first);
	watch(&bench, live, 1U << DISTRIBUTION_THROTTLE, "limited", NULL);
	needs_kind(&bench, DISTRIBUTION_THROTTLE, "throttle");
	outer[0] = throttled_ns(live, "limited");
	take(&bench);
	inner[0] = throttled_ns(live, "limited");
	first = total(&bench, live, "limited", DISTRIBUTION_THROTTLE)->sum_ns;
	live_wait(5);
	inner[1] = throttled_ns(live, "limited");
	take(&bench);
	outer[1] = throttled_ns(live, "limited");
	ours = total(&bench, live, "limited", DISTRIBUTION_THROTTLE);
	print_distribution("limited", ours);
	printf("cpu.stat: %.6f to %.6f s, ours %.6f s\n", (double)(inner[1] - inner[0]) / 1e9,
	       (double)(outer[1] - outer[0]) / 1e9, (double)(ours->sum_ns - first) / 1e9);
	assert_true(inner[1] > inner[0]);
	/* v2 prints whole microseconds. */
	assert_in_range(ours->sum_ns - first, inner[1] - inner[0] - 1000,
			outer[1] - outer[0] + 1000);
	/* Period less quota; a slow machine overshoots, and pays for it afterwards. */
	assert_true(distribution_quantile(ours, 0.5, &p50));
	assert_true(p50 >= 40e6);
	bench_done(&bench);
}

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

/* One after the other, so that no two become one request. */
static void read_disk(void)
{
	void *buffer = NULL;

	if (posix_memalign(&buffer, READ_BYTES, READ_BYTES) != 0)
		buffer = NULL;
	while (!shared->go)
		usleep(1000);
	for (int i = 0; buffer && i < READS; i++) {
		if (pread(disk, buffer, READ_BYTES, (off_t)i * 8 * READ_BYTES) != READ_BYTES)
			break;
	}
	shared->done = 1;
	live_sleep();
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

static void wait_done(void)
{
	shared->go = 1;
	for (double end = live_now() + LIVE_PATIENCE; !shared->done && live_now() < end;)
		live_wait(0.05);
	assert_true(shared->done);
	shared->go = shared->done = 0;
}

static void test_block_io(void **state)
{
	struct live *live = *state;
	const struct distribution *ours;
	struct bench bench;
	uint64_t before, after, lost;

	disk = open_disk();
	if (disk < 0) {
		printf("skipped: no disk that can be read past the cache\n");
		skip();
	}
	bench_init(&bench);
	live_cgroup(live, "reader");
	live_start(live, "reader", read_disk);
	watch(&bench, live, 1U << DISTRIBUTION_BLOCK_IO, "reader", NULL);
	needs_kind(&bench, DISTRIBUTION_BLOCK_IO, "block");
	before = operations(live, "reader");
	wait_done();
	after = operations(live, "reader");
	take(&bench);
	ours = total(&bench, live, "reader", DISTRIBUTION_BLOCK_IO);
	print_distribution("reader", ours);
	printf("the kernel's count: %llu\n", (unsigned long long)(after - before));
	assert_int_equal(after - before, READS);
	/* On a busy machine some are missed, never without saying so. */
	lost = lost_events(&bench);
	printf("lost: %llu\n", (unsigned long long)lost);
	assert_in_range(ours->count, READS > lost ? READS - lost : 0, READS);
	assert_true(ours->sum_ns > 0);
	close(disk);
	bench_done(&bench);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void fill_and_drop(void)
{
	while (!shared->go)
		usleep(1000);
	for (int round = 0; round < 3; round++) {
		size_t size = 24U << 20;
		char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				    -1, 0);

		for (size_t i = 0; memory != MAP_FAILED && i < size; i += 4096)
			memory[i] = 1;
		munmap(memory, size);
	}
	shared->done = 1;
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
	watch(&bench, live, kinds, "above", NULL);
	needs_kind(&bench, DISTRIBUTION_MEMORY_HIGH, "memory_high");
	wait_done();
	live_wait(0.2);
	take(&bench);
	high = total(&bench, live, "above", DISTRIBUTION_MEMORY_HIGH);
	reclaim = total(&bench, live, "above", DISTRIBUTION_RECLAIM);
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
	while (!shared->go)
		usleep(1000);
	for (int i = 0; fd >= 0 && i < 64; i++) {
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			break;
	}
	shared->done = 1;
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
	watch(&bench, live, 1U << DISTRIBUTION_RECLAIM, "full", NULL);
	needs_kind(&bench, DISTRIBUTION_RECLAIM, "reclaim");
	wait_done();
	take(&bench);
	ours = total(&bench, live, "full", DISTRIBUTION_RECLAIM);
	print_distribution("full", ours);
	assert_true(ours->count > 0 && ours->sum_ns > 0);
	bench_done(&bench);
}

/* ---- network --------------------------------------------------------------------------------- */

enum { TCP_BYTES = 1 << 20, DATAGRAMS = 100, DATAGRAM_BYTES = 1000 };

/* A network of its own with loopback up. */
static void own_network(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		return;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd >= 0) {
		ioctl(fd, SIOCSIFFLAGS, &request);
		close(fd);
	}
}

static void tcp_traffic(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), from = socket(AF_INET, SOCK_STREAM, 0), to;
	static char block[4096];

	bind(listener, (struct sockaddr *)&address, sizeof(address));
	listen(listener, 1);
	getsockname(listener, (struct sockaddr *)&address, &length);
	connect(from, (struct sockaddr *)&address, sizeof(address));
	to = accept(listener, NULL, NULL);
	for (int sent = 0; sent < TCP_BYTES; sent += (int)sizeof(block)) {
		if (send(from, block, sizeof(block), 0) != (ssize_t)sizeof(block))
			return;
		/* A look is no taking. */
		if (recv(to, block, sizeof(block), MSG_PEEK) <= 0 ||
		    recv(to, block, sizeof(block), MSG_WAITALL) != (ssize_t)sizeof(block))
			return;
	}
}

/* `mapped`: through an IPv6 socket to an IPv4 address, which goes through both protocols. */
static void udp_traffic(bool mapped)
{
	struct sockaddr_in4or6 {
		union {
			struct sockaddr_in v4;
			struct sockaddr_in6 v6;
		};
	} address = { .v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof(address);
	int to = socket(AF_INET, SOCK_DGRAM, 0);
	int from = socket(mapped ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
	static char block[DATAGRAM_BYTES];

	bind(to, (struct sockaddr *)&address.v4, sizeof(address.v4));
	getsockname(to, (struct sockaddr *)&address.v4, &length);
	if (mapped) {
		in_port_t port = address.v4.sin_port;

		address.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port };
		inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.v6.sin6_addr);
	}
	for (int i = 0; i < DATAGRAMS; i++) {
		if (sendto(from, block, sizeof(block), 0, (struct sockaddr *)&address,
			   mapped ? sizeof(address.v6) : sizeof(address.v4)) < 0 ||
		    recv(to, block, sizeof(block), 0) < 0)
			return;
	}
}

static void traffic(void)
{
	own_network();
	while (!shared->go)
		usleep(1000);
	tcp_traffic();
	udp_traffic(false);
	udp_traffic(true);
	shared->done = 1;
	live_sleep();
}

static uint64_t bytes_of(const struct bench *bench, uint32_t node, enum metric_id id)
{
	union value value = { 0 };

	assert_int_equal(snapshot_get(bench->snapshot, id, node, &value), VALUE_OK);
	return value.u64;
}

static void test_net(void **state)
{
	struct live *live = *state;
	struct bench bench;
	uint32_t node;

	bench_init(&bench);
	live_cgroup(live, "talker");
	live_start(live, "talker", traffic);
	watch(&bench, live, 0, "talker", NULL);
	needs_kind(&bench, 31, "net");
	node = node_of(&bench, live, "talker");
	if (snapshot_state(bench.snapshot, M_NET_TCP_TX, node) == VALUE_ABSENT) {
		printf("skipped: this kernel cannot tell\n");
		bench_done(&bench);
		skip();
	}
	wait_done();
	take(&bench);
	node = node_of(&bench, live, "talker");
	printf("tcp: %llu sent, %llu taken; udp: %llu, %llu\n",
	       (unsigned long long)bytes_of(&bench, node, M_NET_TCP_TX),
	       (unsigned long long)bytes_of(&bench, node, M_NET_TCP_RX),
	       (unsigned long long)bytes_of(&bench, node, M_NET_UDP_TX),
	       (unsigned long long)bytes_of(&bench, node, M_NET_UDP_RX));
	assert_int_equal(bytes_of(&bench, node, M_NET_TCP_TX), TCP_BYTES);
	assert_int_equal(bytes_of(&bench, node, M_NET_TCP_RX), TCP_BYTES);
	assert_int_equal(bytes_of(&bench, node, M_NET_UDP_TX), 2 * DATAGRAMS * DATAGRAM_BYTES);
	assert_int_equal(bytes_of(&bench, node, M_NET_UDP_RX), 2 * DATAGRAMS * DATAGRAM_BYTES);
	bench_done(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_runqueue, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_below, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_throttle, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_block_io, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_memory_high, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_reclaim, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_net, live_setup, live_teardown),
	};

	if (geteuid() != 0) {
		printf("skipped: needs root\n");
		return 77;
	}
	if (!live_bpf_samples())
		return 77;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
