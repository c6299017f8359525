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

enum { SPAWNS = 300, READS = 3000, READ_BYTES = 4096, FILE_BYTES = 16 << 20, ROUNDS_MOST = 101 };

static const double bar = 0.02;

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

static double median(double *list, int n)
{
	qsort(list, (size_t)n, sizeof(*list), compare);
	return list[n / 2];
}

/* Off and on in turn, each first every other time; the costs are medians. True if within the bar.
 */
static bool measure(struct bench *bench, const char *name, void (*turn)(struct bench *, bool),
		    void (*load)(struct bench *), int rounds)
{
	double cpu[2][ROUNDS_MOST], wall[2][ROUNDS_MOST], off, on;

	load(bench);
	for (int i = 0; i < 2 * rounds; i++) {
		bool is_on = (i & 1) ^ (i >> 1 & 1);
		struct timespec start, end;
		double before;

		turn(bench, is_on);
		before = cpu_seconds();
		clock_gettime(CLOCK_MONOTONIC, &start);
		load(bench);
		clock_gettime(CLOCK_MONOTONIC, &end);
		cpu[is_on][i / 2] = cpu_seconds() - before;
		wall[is_on][i / 2] = (double)(end.tv_sec - start.tv_sec) +
				     (double)(end.tv_nsec - start.tv_nsec) / 1e9;
	}
	turn(bench, false);
	off = median(cpu[0], rounds);
	on = median(cpu[1], rounds);
	printf("%-34s CPU %.4f s off, %.4f s on: %+.2f %% (bar %.0f %%); wall %+.2f %%\n", name,
	       off, on, 100 * (on / off - 1), 100 * bar,
	       100 * (median(wall[1], rounds) / median(wall[0], rounds) - 1));
	return on / off - 1 <= bar;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 21;
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
