// SPDX-License-Identifier: MIT
/*
 * What programs in the kernel cost those whom they look at: a storm of fork and exec, and a load of
 * block I/O, with the programs off and on in turn. Waiting times and traffic with every cgroup
 * watched (the root is: all that happens is counted) and with another one watched than those of the
 * load, and events of all kinds.
 * Usage: bench_bpf_events [ROUNDS]. Exit code 1 if something costs more than the bar.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collectors/bpf_events.h"
#include "collectors/sampler.h"
#include "core/cleanup.h"
#include "core/distribution.h"

enum { SPAWNS = 120, READS = 1500, READ_BYTES = 4096, FILE_BYTES = 16 << 20, ROUNDS_MOST = 101 };

static const double bar = 2; /* % */

struct bench {
	struct sampler *sampler;
	struct metric_set set;
	struct bpf_events *events;
	int disk;
	uint64_t root, other; /* a cgroup in which nothing happens */
};

/* CPU time of this process and of those it started. */
static double cpu_seconds(void)
{
	double sum = 0;

	for (int who = RUSAGE_CHILDREN; who <= RUSAGE_SELF; who++) {
		struct rusage usage;

		getrusage(who, &usage);
		sum += (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
		       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	}
	return sum;
}

static void storm(struct bench *bench)
{
	char *words[] = { "true", NULL }, *none[] = { NULL };

	(void)bench;
	for (int i = 0; i < SPAWNS; i++) {
		pid_t pid;

		if (posix_spawn(&pid, "/bin/true", NULL, NULL, words, none) == 0)
			waitpid(pid, NULL, 0);
	}
}

static void read_blocks(struct bench *bench)
{
	static char buffer[READ_BYTES] __attribute__((aligned(READ_BYTES)));

	for (int i = 0; i < READS; i++) {
		off_t at = (off_t)(i * 8 % (FILE_BYTES / READ_BYTES)) * READ_BYTES;

		if (pread(bench->disk, buffer, READ_BYTES, at) != READ_BYTES)
			return;
	}
}

static int open_disk(void)
{
	char name[] = "/var/tmp/cgwatch-bench-XXXXXX";
	int fd = mkstemp(name), direct = -1;
	static char block[1 << 20];

	if (fd < 0)
		return open("/dev/vda", O_RDONLY | O_DIRECT | O_CLOEXEC);
	for (int i = 0; i < FILE_BYTES >> 20; i++) {
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			break;
	}
	if (fsync(fd) == 0)
		direct = open(name, O_RDONLY | O_DIRECT | O_CLOEXEC);
	unlink(name);
	close(fd);
	return direct;
}

static void sample(struct bench *bench)
{
	struct snapshot *snapshot;

	if (sampler_sample(bench->sampler, &bench->set, &snapshot) < 0)
		return;
	bench->root = snapshot->tree->nodes[0]->serial;
	bench->other = snapshot->tree->nodes[snapshot->tree->n - 1]->serial;
	snapshot_unref(snapshot);
}

static void turn_latency(struct bench *bench, bool on)
{
	sampler_watch(bench->sampler, on ? 2 * DISTRIBUTION_NET - 1 : 0, &bench->root, on);
	sample(bench);
}

static void turn_other(struct bench *bench, bool on)
{
	sampler_watch(bench->sampler, on ? 2 * DISTRIBUTION_NET - 1 : 0, &bench->other, on);
	sample(bench);
}

static void turn_events(struct bench *bench, bool on)
{
	struct kernel_events *events;

	bpf_events_want(bench->events, on ? (1U << KERNEL_EVENT_KIND_COUNT) - 1 : 0);
	if (bpf_events_read(bench->events, &events) == 0)
		kernel_events_unref(events);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The median of a sorted list, and within what it lies with some 95 % certainty. */
struct estimate {
	double median, low, high;
};

static struct estimate estimate(double *list, int n)
{
	/* By ranks, whatever the distribution: of n halves, 1.96 standard deviations. */
	int low = (int)((double)n / 2 - 0.98 * sqrt(n));

	low = low < 0 ? 0 : low;
	qsort(list, (size_t)n, sizeof(*list), compare);
	return (struct estimate){ (list[(n - 1) / 2] + list[n / 2]) / 2, list[low],
				  list[n - 1 - low] };
}

static double wall_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/*
 * Off and on in turn, each first every other time; each pair, close together in time, has its own
 * ratio, and the cost is the median of these. True if within the bar.
 */
static bool measure(struct bench *bench, const char *name, void (*turn)(struct bench *, bool),
		    void (*load)(struct bench *), int rounds)
{
	double cpu[2], wall[2], by_cpu[ROUNDS_MOST], by_wall[ROUNDS_MOST];
	struct estimate cost, longer;

	load(bench);
	for (int i = 0; i < 2 * rounds; i++) {
		bool is_on = (i & 1) ^ (i >> 1 & 1);
		double cpu_before, before;

		turn(bench, is_on);
		cpu_before = cpu_seconds();
		before = wall_seconds();
		load(bench);
		cpu[is_on] = cpu_seconds() - cpu_before;
		wall[is_on] = wall_seconds() - before;
		if (i & 1) {
			by_cpu[i / 2] = 100 * (cpu[1] / cpu[0] - 1);
			by_wall[i / 2] = 100 * (wall[1] / wall[0] - 1);
		}
	}
	turn(bench, false);
	cost = estimate(by_cpu, rounds);
	longer = estimate(by_wall, rounds);
	printf("%-32s CPU %+.2f %% (95 %%: %+.2f to %+.2f; bar %.0f %%: %s); wall %+.2f %% "
	       "(%+.2f to %+.2f)\n",
	       name, cost.median, cost.low, cost.high, bar,
	       cost.high <= bar	 ? "kept"
	       : cost.low <= bar ? "not certain"
				 : "passed",
	       longer.median, longer.low, longer.high);
	return cost.median <= bar;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 41;
	const struct sampler_options options = { .bpf = true };
	struct bench bench = { .disk = open_disk() };
	char reason[BPF_REASON_SIZE] = "";
	const char *why;
	struct root *root;
	bool good = true;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (rounds < 1 || rounds > ROUNDS_MOST)
		return 2;
	if (root_new(NULL, &root) < 0 || sampler_new(root, &options, &bench.sampler) < 0)
		return 1;
	sample(&bench);
	turn_latency(&bench, true);
	if (sampler_latency(bench.sampler, &why)) {
		turn_latency(&bench, false);
		good &= measure(&bench, "all watched, fork and exec", turn_latency, storm, rounds);
		good &= measure(&bench, "another watched, fork and exec", turn_other, storm,
				rounds);
		if (bench.disk >= 0) {
			good &= measure(&bench, "all watched, block I/O", turn_latency, read_blocks,
					rounds);
			good &= measure(&bench, "another watched, block I/O", turn_other,
					read_blocks, rounds);
		}
	} else {
		printf("waiting times: none: %s\n", why);
	}
	if (bpf_events_new(root, sampler_hierarchies(bench.sampler), &bench.events, reason,
			   sizeof(reason)) == 0) {
		good &= measure(&bench, "events, fork and exec", turn_events, storm, rounds);
		if (bench.disk >= 0)
			good &= measure(&bench, "events, block I/O", turn_events, read_blocks,
					rounds);
		bpf_events_free(bench.events);
	} else {
		printf("events: none: %s\n", reason);
	}
	sampler_free(bench.sampler);
	root_free(root);
	return good ? 0 : 1;
}
