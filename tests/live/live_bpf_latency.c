// SPDX-License-Identifier: MIT
/* Waiting for a CPU and bytes of watched cgroups against what the kernel accounts for itself. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "latency_bench.h"

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
	bench_watch(&bench, live, kinds, "busy", "idle");
	bench_needs(&bench, DISTRIBUTION_RUNQUEUE, "runqueue");
	live_wait(0.5); /* each was seen once */
	outer[0] = run_delay(pids, 2);
	bench_take(&bench);
	inner[0] = run_delay(pids, 2);
	first = bench_total(&bench, live, "busy", DISTRIBUTION_RUNQUEUE)->sum_ns;
	live_wait(3);
	inner[1] = run_delay(pids, 2);
	bench_take(&bench);
	outer[1] = run_delay(pids, 2);
	ours = bench_total(&bench, live, "busy", DISTRIBUTION_RUNQUEUE);
	before = inner[1] - inner[0];
	after = outer[1] - outer[0];
	print_distribution("busy",
			   &bench_find(&bench, live, "busy", DISTRIBUTION_RUNQUEUE)->interval);
	print_distribution("idle",
			   &bench_find(&bench, live, "idle", DISTRIBUTION_RUNQUEUE)->interval);
	printf("schedstat: %.6f to %.6f s, ours %.6f s\n", (double)before / 1e9,
	       (double)after / 1e9, (double)(ours->sum_ns - first) / 1e9);
	assert_true(before > 0);
	assert_in_range(ours->sum_ns - first, before, after);
	/* Two share a CPU: each waits for the other for a time slice at least. */
	assert_true(distribution_quantile(
		&bench_find(&bench, live, "busy", DISTRIBUTION_RUNQUEUE)->interval, 0.99, &p99));
	assert_true(p99 >= 1e6);
	assert_true(bench_total(&bench, live, "idle", DISTRIBUTION_RUNQUEUE)->count > 0);
	assert_true(bench_total(&bench, live, "idle", DISTRIBUTION_RUNQUEUE)->sum_ns <
		    ours->sum_ns / 4);
	/* Nobody watches it: there is nothing, and it says so. */
	assert_null(bench_find(&bench, live, "other", DISTRIBUTION_RUNQUEUE));
	assert_int_equal(snapshot_state(bench.snapshot, M_LATENCY_RUNQUEUE_P99,
					bench_node(&bench, live, "other")),
			 VALUE_UNWATCHED);
	assert_int_equal(snapshot_state(bench.snapshot, M_LATENCY_RUNQUEUE_P99,
					bench_node(&bench, live, "busy")),
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
	bench_watch(&bench, live, kinds, "outer", "outer/inner");
	bench_needs(&bench, DISTRIBUTION_RUNQUEUE, "runqueue");
	live_cgroup(live, "outer/inner/new");
	live_start(live, "outer/inner/new", nap);
	live_wait(1);
	bench_take(&bench);
	seen = bench_total(&bench, live, "outer/inner", DISTRIBUTION_RUNQUEUE)->count;
	printf("new: %llu waits before it was seen in a sample\n", (unsigned long long)seen);
	assert_true(seen >= 10);
	assert_true(bench_total(&bench, live, "outer", DISTRIBUTION_RUNQUEUE)->count >= seen);
	/* No longer watched: what it had is gone, and the outer one goes on. */
	bench_watch(&bench, live, kinds, "outer", NULL);
	live_wait(0.5);
	bench_take(&bench);
	assert_null(bench_find(&bench, live, "outer/inner", DISTRIBUTION_RUNQUEUE));
	assert_true(bench_total(&bench, live, "outer", DISTRIBUTION_RUNQUEUE)->count > seen);
	/* Nobody at all: the programs are off. */
	bench_watch(&bench, live, kinds, NULL, NULL);
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
	bench_watch(&bench, live, 1U << DISTRIBUTION_THROTTLE, "limited", NULL);
	bench_needs(&bench, DISTRIBUTION_THROTTLE, "throttle");
	outer[0] = throttled_ns(live, "limited");
	bench_take(&bench);
	inner[0] = throttled_ns(live, "limited");
	first = bench_total(&bench, live, "limited", DISTRIBUTION_THROTTLE)->sum_ns;
	live_wait(5);
	inner[1] = throttled_ns(live, "limited");
	bench_take(&bench);
	outer[1] = throttled_ns(live, "limited");
	ours = bench_total(&bench, live, "limited", DISTRIBUTION_THROTTLE);
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
	while (!latency_shared()->go)
		usleep(1000);
	tcp_traffic();
	udp_traffic(false);
	udp_traffic(true);
	latency_shared()->done = 1;
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
	bench_watch(&bench, live, 0, "talker", NULL);
	bench_needs(&bench, 31, "net");
	node = bench_node(&bench, live, "talker");
	if (snapshot_state(bench.snapshot, M_NET_TCP_TX, node) == VALUE_ABSENT) {
		printf("skipped: this kernel cannot tell\n");
		bench_done(&bench);
		skip();
	}
	latency_wait_done();
	bench_take(&bench);
	node = bench_node(&bench, live, "talker");
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

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_runqueue, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_below, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_throttle, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_net, live_setup, live_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return latency_main(run);
}
