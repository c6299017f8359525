// SPDX-License-Identifier: MIT
/*
 * Makes cgroups and measures, in one run, what a sample of them costs by the bpf backend, by the
 * files, by systemd-cgtop, and by an iterator that fills records of the same size with nothing (the
 * floor). They take turns, so that a busy machine is as busy for each. Prints a table for each
 * size, and which bars hold. Usage: bench_bpf [--own] [CGROUPS …]; --own leaves files and
 * systemd-cgtop out
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_floor.h"
#include "collectors/bpf_fields.h"
#include "collectors/bpf_kernel.h"
#include "collectors/bpf_sample_private.h"
#include "collectors/sampler.h"
#include "core/clock.h"

enum { PER_PARENT = 100, SIZES_MAX = 8, ROUNDS_MAX = 256 };

static const char four[] = "cpu.usage.rate,memory.current,pids.current,io.rbytes.rate,"
			   "io.wbytes.rate";

/* Ended from outside: the cgroups go nevertheless. */
static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

/* ---- the tree -------------------------------------------------------------------------- */

struct scene {
	const struct hierarchies *hierarchies;
	char name[64];
	unsigned int n; /* cgroups in each hierarchy */
};

static void directory(const struct scene *scene, unsigned int h, unsigned int group, int child,
		      char *path, size_t size)
{
	int length = snprintf(path, size, "%s/%s", scene->hierarchies->list[h].mountpoint,
			      scene->name);

	if (group > 0)
		length += snprintf(path + length, size - (size_t)length, "/g%u", group);
	if (child > 0)
		snprintf(path + length, size - (size_t)length, "/c%d", child);
}

/* The controllers one by one: some may be v1's. */
static void controllers(const char *path)
{
	static const char *const words[] = { "+cpu", "+memory", "+pids", "+io" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char file[512];
		int fd;

		snprintf(file, sizeof(file), "%s/cgroup.subtree_control", path);
		fd = open(file, O_WRONLY | O_CLOEXEC);
		if (fd >= 0 && write(fd, words[i], strlen(words[i])) < 0)
			errno = 0;
		if (fd >= 0)
			close(fd);
	}
}

static void each(const struct scene *scene, unsigned int h, bool make)
{
	bool v2 = scene->hierarchies->list[h].v2;
	char path[512];

	if (v2 && make)
		controllers(scene->hierarchies->list[h].mountpoint);
	directory(scene, h, 0, 0, path, sizeof(path));
	if (make && mkdir(path, 0755) == 0 && v2)
		controllers(path);
	for (unsigned int group = 1; group <= scene->n / PER_PARENT; group++) {
		directory(scene, h, group, 0, path, sizeof(path));
		if (make && mkdir(path, 0755) == 0 && v2)
			controllers(path);
		for (int child = 1; child < PER_PARENT; child++) {
			directory(scene, h, group, child, path, sizeof(path));
			if (make)
				mkdir(path, 0755);
			else
				rmdir(path);
		}
		directory(scene, h, group, 0, path, sizeof(path));
		if (!make)
			rmdir(path);
	}
	directory(scene, h, 0, 0, path, sizeof(path));
	if (!make)
		rmdir(path);
}

static void tree(const struct scene *scene, bool make)
{
	for (unsigned int h = 0; h < scene->hierarchies->n; h++)
		each(scene, h, make);
}

/* ---- what costs how much ----------------------------------------------------------------- */

static double cpu_seconds(void)
{
	return (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9;
}

/*
 * CPU time of systemd-cgtop with so many refreshes; below 0 if it cannot be run. Without "/" it
 * shows what is below the cgroup of process 1.
 */
static double cgtop(int refreshes)
{
	char count[16];
	struct rusage usage;
	pid_t pid = fork();
	int status;

	snprintf(count, sizeof(count), "%d", refreshes);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execlp("systemd-cgtop", "systemd-cgtop", "-b", "--depth=20", "-n", count, "-d",
		       "100ms", NULL);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0)
		return -1;
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/*
 * Means: an emulated machine's CPU clock may stand still between two ticks, so that one sample
 * tells nothing; and where others want the processor too, that adds to all alike in proportion only
 * if nothing is left out.
 */
struct series {
	double list[ROUNDS_MAX];
	size_t n;
};

static void add(struct series *series, double value)
{
	if (series->n < ROUNDS_MAX)
		series->list[series->n++] = value;
}

static double mean(const struct series *series)
{
	double sum = 0;

	for (size_t i = 0; i < series->n; i++)
		sum += series->list[i];
	return series->n ? sum / (double)series->n : 0;
}

/* A sampler of one backend with one set of columns, and what its samples cost so far. */
struct runner {
	struct sampler *sampler;
	struct metric_set set;
	/* Seconds. The backend's part: passes with the comparison, columns, and their sum. */
	struct series whole, pass, fill, backend;
	uint64_t calls;
	unsigned int samples;
};

static uint64_t calls_of(const struct sampler_stats *stats)
{
	/* A pass is bpf(BPF_ITER_CREATE), read and close. */
	return stats->opens + stats->reads + stats->stats + 3 * stats->bpf_stats.passes;
}

static int run(struct runner *runner, bool count)
{
	struct sampler_stats before, after;
	struct snapshot *snapshot;
	double start = cpu_seconds(), pass, fill;
	int r;

	sampler_get_stats(runner->sampler, &before);
	r = sampler_sample(runner->sampler, &runner->set, &snapshot);
	if (r < 0)
		return r;
	snapshot_unref(snapshot);
	if (!count)
		return 0;
	add(&runner->whole, cpu_seconds() - start);
	sampler_get_stats(runner->sampler, &after);
	pass = (double)after.bpf_stats.last_pass_ns / 1e9;
	fill = (double)after.bpf_stats.last_fill_ns / 1e9;
	add(&runner->pass, pass);
	add(&runner->fill, fill);
	add(&runner->backend, pass + fill);
	runner->calls += calls_of(&after) - calls_of(&before);
	runner->samples++;
	return 0;
}

/* What the bpf backend supplies here, and of that what lies in files that all come from it. */
static int full_set(struct sampler *sampler, struct metric_set *ret_set, unsigned int *ret_n)
{
	const char *reason;
	const struct bpf_sample *bpf = sampler_bpf(sampler, &reason);
	struct bpf_metric_status *list;
	size_t n;
	int r;

	if (!bpf) {
		fprintf(stderr, "bench: no bpf backend: %s\n", reason);
		return -EOPNOTSUPP;
	}
	r = bpf_sample_metrics(bpf, &list, &n);
	*ret_n = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!list[i].bpf || metric_set_has(ret_set, list[i].id))
			continue;
		metric_set_add(ret_set, list[i].id);
		(*ret_n)++;
	}
	if (r == 0)
		free(list);
	return r;
}

enum { BPF_FULL, BPF_FOUR, FILES_FULL, FILES_FOUR, RUNNERS };

struct bench {
	const struct root *root;
	struct runner runners[RUNNERS];
	struct floor *floor;
	struct series floor_seconds, cgtop_seconds; /* cgtop: a refresh */
	unsigned int n_metrics;
	bool own; /* nothing but the pass and its floor */
};

/*
 * Bytes of a cgroup's memory.stat, which lies beside its record. With several hierarchies one has
 * it at most: the floor goes without.
 */
static uint32_t beside(const struct sampler *sampler, const struct bpf_sample *bpf)
{
	return sampler_hierarchies(sampler)->n == 1 ? bpf->memstats.size : 0;
}

static int start(struct bench *bench, unsigned int capacity)
{
	struct metric_set full = { 0 }, few = { 0 };
	const char *bad;
	size_t length;
	int r = metric_parse_list(four, &few, NULL, 0, &bad, &length);

	for (int i = 0; i < RUNNERS && r == 0; i++) {
		/* Together they may not open more than 20,000: the one that needs them gets most.
		 */
		struct sampler_options options = {
			.bpf = i == BPF_FULL || i == BPF_FOUR,
			.max_fds = i == FILES_FULL ? 15000 : 1000,
		};

		r = sampler_new(bench->root, &options, &bench->runners[i].sampler);
		if (r == 0 && i == BPF_FULL)
			r = full_set(bench->runners[i].sampler, &full, &bench->n_metrics);
		bench->runners[i].set = i == BPF_FULL || i == FILES_FULL ? full : few;
	}
	/* The first ones open what is kept and settle what is missing. */
	for (int i = 0; i < 4 * RUNNERS && r == 0; i++)
		r = ended ? -EINTR
		    : bench->own && i % RUNNERS >= FILES_FULL
			    ? 0
			    : run(&bench->runners[i % RUNNERS], false);
	if (r == 0) {
		const char *reason;
		const struct sampler *sampler = bench->runners[BPF_FULL].sampler;

		const struct bpf_sample *bpf = sampler_bpf(sampler, &reason);

		bench->floor = floor_new(sampler_hierarchies(sampler), bpf_sample_mask(bpf),
					 beside(sampler, bpf), capacity);
		r = bench->floor && floor_pass(bench->floor) > 0 ? 0 : -EOPNOTSUPP;
	}
	return r;
}

/* Of all that is measured, what one part of the records has. Beside them lie memory.stat and io. */
static bool is_of_part(enum metric_id id, enum bpf_part part)
{
	const struct bpf_field *field = NULL;

	if (bpf_memstat_knows(id))
		return part == BPF_PART_MEMSTAT;
	if (bpf_io_knows(id))
		return part == BPF_PART_IO;
	while ((field = bpf_field_of(id, field))) {
		if (field->part == part)
			return true;
	}
	return false;
}

/* What a sample of that part alone costs, in its passes and its columns. */
static int part_costs(const struct bench *bench, enum bpf_part part)
{
	enum { SETTLE = 3, TIMES = 15 };
	struct runner runner = { .sampler = bench->runners[BPF_FULL].sampler };
	struct sampler_stats stats;
	unsigned int n = 0;
	int r = 0;

	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (!metric_set_has(&bench->runners[BPF_FULL].set, (enum metric_id)id) ||
		    !is_of_part((enum metric_id)id, part))
			continue;
		metric_set_add(&runner.set, (enum metric_id)id);
		n++;
	}
	if (n == 0)
		return 0;
	for (int i = 0; i < SETTLE + TIMES && r == 0; i++)
		r = ended ? -EINTR : run(&runner, i >= SETTLE);
	if (r < 0)
		return r;
	sampler_get_stats(runner.sampler, &stats);
	printf("    %-12s %3u metrics %19.3f %10.3f %10.3f\n", bpf_part_name(part), n,
	       mean(&runner.whole) * 1e6 / (double)stats.nodes,
	       mean(&runner.pass) * 1e6 / (double)stats.nodes,
	       mean(&runner.fill) * 1e6 / (double)stats.nodes);
	return 0;
}

static int measure(struct bench *bench, int rounds)
{
	int r = 0;

	for (int i = 0; i < rounds && r == 0; i++) {
		if (ended)
			return -EINTR;
		/* The files and systemd-cgtop are slow: some of the rounds tell as well. */
		for (int k = 0; k < RUNNERS && r == 0; k++) {
			bool files = k >= FILES_FULL;
			double at;

			if (files && (i % 5 || bench->own))
				continue;
			r = run(&bench->runners[k], true);
			at = cpu_seconds();
			if (r == 0)
				r = floor_pass(bench->floor) > 0 ? 0 : -EIO;
			add(&bench->floor_seconds, cpu_seconds() - at);
		}
		if (!bench->own && i % (rounds / 3) == 0 && r == 0) {
			double one = cgtop(1), many = cgtop(6);

			if (one >= 0 && many >= 0)
				add(&bench->cgtop_seconds, (many - one) / 5);
		}
	}
	return r;
}

static void finish(struct bench *bench)
{
	for (int i = 0; i < RUNNERS; i++)
		sampler_free(bench->runners[i].sampler);
	floor_free(bench->floor);
}

/* ---- the table --------------------------------------------------------------------------- */

/* Microseconds a cgroup and sample. */
static double each_us(const struct series *series, uint64_t nodes)
{
	return mean(series) * 1e6 / (double)nodes;
}

static bool bar(const char *what, double ratio, double limit, bool at_most)
{
	bool holds = at_most ? ratio <= limit : ratio >= limit;

	printf("  %-58s %8.1f   bar: %s %.0f: %s\n", what, ratio, at_most ? "<=" : ">=", limit,
	       holds ? "holds" : "DOES NOT HOLD");
	return holds;
}

struct figures {
	double calls; /* of a full sample */
	bool good;
};

/* A ratio that is only told: its bar is for cgroup v2, where a pass is over one hierarchy. */
static bool tell(const char *what, double ratio)
{
	printf("  %-58s %8.1f   (bar on v2 only)\n", what, ratio);
	return true;
}

static struct figures report(struct bench *bench)
{
	static const char *const names[] = {
		[BPF_FULL] = "bpf, all it supplies",
		[BPF_FOUR] = "bpf, the four numbers of cgtop",
		[FILES_FULL] = "files, all that bpf supplies",
		[FILES_FOUR] = "files, the four numbers of cgtop",
	};
	static const char full[] = "files / bpf, all that bpf supplies, whole sample";
	static const char few[] = "systemd-cgtop / bpf, four numbers, whole sample";
	struct figures figures = { .good = true };
	double whole[RUNNERS], reader, floor, top;
	struct sampler_stats stats;

	sampler_get_stats(bench->runners[BPF_FULL].sampler, &stats);
	printf("== %llu cgroups in %u hierarchies; %u metrics by bpf; %lld records, %llu by files; "
	       "map %llu KiB\n",
	       (unsigned long long)stats.nodes, stats.hierarchies, bench->n_metrics,
	       (long long)stats.bpf_stats.records, (unsigned long long)stats.bpf_stats.by_files,
	       (unsigned long long)stats.bpf_stats.memory_bytes / 1024);
	printf("  %-34s %10s %10s %10s %16s\n", "CPU us a cgroup and sample", "whole", "pass",
	       "columns", "calls a sample");
	for (int i = 0; i < (bench->own ? FILES_FULL : RUNNERS); i++) {
		struct runner *runner = &bench->runners[i];

		whole[i] = each_us(&runner->whole, stats.nodes);
		printf("  %-34s %10.3f %10.3f %10.3f %16.1f\n", names[i], whole[i],
		       each_us(&runner->pass, stats.nodes), each_us(&runner->fill, stats.nodes),
		       (double)runner->calls / runner->samples);
	}
	reader = each_us(&bench->runners[BPF_FULL].backend, stats.nodes);
	floor = each_us(&bench->floor_seconds, stats.nodes);
	top = each_us(&bench->cgtop_seconds, stats.nodes);
	printf("  %-34s %10s %10.3f\n", "floor: records filled with nothing", "", floor);
	if (bench->cgtop_seconds.n > 0)
		printf("  %-34s %10.3f\n", "systemd-cgtop, one refresh", top);
	figures.calls = (double)bench->runners[BPF_FULL].calls / bench->runners[BPF_FULL].samples;
	figures.good &= bar("bpf (pass and columns) / floor", reader / floor, 4, true);
	if (bench->own)
		return figures;
	figures.good &= stats.hierarchies > 1
				? tell(full, whole[FILES_FULL] / whole[BPF_FULL])
				: bar(full, whole[FILES_FULL] / whole[BPF_FULL], 20, false);
	if (bench->cgtop_seconds.n > 0)
		figures.good &= stats.hierarchies > 1 ? tell(few, top / whole[BPF_FOUR])
						      : bar(few, top / whole[BPF_FOUR], 60, false);
	return figures;
}

static int bench_size(const struct root *root, unsigned int n, bool own,
		      struct figures *ret_figures)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	struct hierarchies *hierarchies;
	struct scene scene = { .n = n };
	int r = bench ? hierarchies_new(root, &hierarchies) : -ENOMEM;

	if (r < 0) {
		free(bench);
		return r;
	}
	bench->root = root;
	bench->own = own;
	scene.hierarchies = hierarchies;
	snprintf(scene.name, sizeof(scene.name), "cgwatch-bench-%d", (int)getpid());
	tree(&scene, true);
	r = start(bench, n + n / 4 + 1024);
	if (r == 0)
		r = measure(bench, n > 5000 ? 20 : 50);
	if (r == 0)
		*ret_figures = report(bench);
	if (r == 0)
		printf("  %-34s %10s %10s %10s\n", "each part alone", "whole", "pass", "columns");
	for (int part = 0; part < BPF_PART_COUNT && r == 0; part++)
		r = part_costs(bench, (enum bpf_part)part);
	finish(bench);
	free(bench);
	tree(&scene, false);
	hierarchies_free(hierarchies);
	return r;
}

int main(int argc, char **argv)
{
	unsigned int sizes[SIZES_MAX] = { 1000, 10000 };
	int n_sizes = argc > 1 ? 0 : 2, r = 0;
	struct figures figures[SIZES_MAX];
	struct utsname name;
	struct root *root;
	bool good = true;

	bool own = argc > 1 && strcmp(argv[1], "--own") == 0;

	if (own)
		n_sizes = argc > 2 ? 0 : n_sizes + 2;
	for (int i = 1 + own; i < argc && n_sizes < SIZES_MAX; i++)
		sizes[n_sizes++] = (unsigned int)strtoul(argv[i], NULL, 10);
	/* The files backend keeps many open; where that cannot be raised there is room as a rule.
	 */
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 20000, 20000 });
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	if (root_new(NULL, &root) < 0)
		return 1;
	uname(&name);
	printf("Linux %s\n", name.release);
	for (int i = 0; i < n_sizes && r == 0; i++) {
		r = bench_size(root, sizes[i], own, &figures[i]);
		good &= r == 0 && figures[i].good;
	}
	root_free(root);
	if (r < 0) {
		fprintf(stderr, "bench: %s\n", strerror(-r));
		return 1;
	}
	for (int i = 1; i < n_sizes; i++)
		good &= bar("system calls of a full sample, this size / first size",
			    figures[i].calls / figures[0].calls, 1, true);
	printf("%s\n", good ? "all bars hold" : "not all bars hold");
	return 0;
}
