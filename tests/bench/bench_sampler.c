// SPDX-License-Identifier: MIT
/*
 * Takes samples in a loop and prints what one costs: CPU time and system calls a cgroup, resident
 * memory. Usage: bench_sampler SAMPLES COLUMNS [MAX_FDS [files|bpf]]
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "collectors/sampler.h"

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static long resident_kb(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%*d %ld", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int take(struct sampler *sampler, const struct metric_set *set, int n)
{
	for (int i = 0; i < n; i++) {
		struct snapshot *snapshot;

		if (sampler_sample(sampler, set, &snapshot) < 0)
			return -1;
		snapshot_unref(snapshot);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 50;
	const char *columns = argc > 2 ? argv[2] : "default", *bad;
	struct sampler_options options = { 0 };
	struct sampler_stats before, after;
	struct metric_set set = { 0 };
	struct sampler *sampler;
	struct root *root;
	size_t bad_length;
	double cpu;

	if (argc > 3)
		options.max_fds = (unsigned int)strtoul(argv[3], NULL, 10);
	options.bpf = argc > 4 && strcmp(argv[4], "bpf") == 0;
	if (n < 1 || metric_parse_list(columns, &set, NULL, 0, &bad, &bad_length) < 0 ||
	    root_new(NULL, &root) < 0 || sampler_new(root, &options, &sampler) < 0)
		return 1;
	/* The first two open what is kept and settle what is missing. */
	if (take(sampler, &set, 2) < 0)
		return 1;
	sampler_get_stats(sampler, &before);
	cpu = cpu_seconds();
	if (take(sampler, &set, n) < 0)
		return 1;
	cpu = cpu_seconds() - cpu;
	sampler_get_stats(sampler, &after);
	if (options.bpf && !after.bpf) {
		const char *reason;

		sampler_bpf(sampler, &reason);
		fprintf(stderr, "bench_sampler: no bpf: %s\n", reason);
		return 1;
	}
	printf("cgroups %llu cpu_us_per_cgroup %.3f syscalls_per_cgroup %.2f kept_fds %llu rss_kb "
	       "%ld\n",
	       (unsigned long long)after.nodes, cpu * 1e6 / n / (double)after.nodes,
	       (double)(after.opens + after.reads + after.stats - before.opens - before.reads -
			before.stats) /
		       n / (double)after.nodes,
	       (unsigned long long)after.kept_fds, resident_kb());
	sampler_free(sampler);
	root_free(root);
	return 0;
}
