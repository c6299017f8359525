// SPDX-License-Identifier: MIT
/*
 * CPU time of one look at all namespaces, beside lsns in the same run: 4,000 processes in 1,000
 * namespaces (125 groups with one of each type and 32 processes). A "fresh" pass is what one call
 * of a program costs, from opening the scanner to freeing it, in a process of its own; a "resident"
 * one that of a scanner that goes on. Usage: bench_ns [ROUNDS]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collectors/ns_scan.h"
#include "ns_scene.h"

enum { PAUSE_SECONDS = 3 };

static double milliseconds(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e3 +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e3;
}

static struct namespaces *pass(struct ns_scanner *scanner, unsigned int flags)
{
	struct namespaces *set;

	if (ns_scanner_read(scanner, flags) < 0 || ns_scanner_finish(scanner, NULL, &set) < 0) {
		fprintf(stderr, "bench_ns: the scan failed\n");
		exit(1);
	}
	return set;
}

static void fresh(unsigned int flags)
{
	struct ns_scanner *scanner;
	struct root *root;

	if (root_new(NULL, &root) < 0 || ns_scanner_new(root, NULL, &scanner) < 0)
		exit(1);
	namespaces_unref(pass(scanner, flags));
	ns_scanner_free(scanner);
	root_free(root);
}

static void list(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(fd, STDOUT_FILENO);
	execlp("lsns", "lsns", (char *)NULL);
	_exit(127);
}

/* CPU time of a child that does it (flags: a pass; else lsns). */
static double cost_of_child(bool lsns, unsigned int flags, int tries)
{
	struct rusage usage;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (lsns)
			list();
		fresh(flags);
		_exit(0);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		exit(1);
	/* lsns gives up when a process ends while it looks. */
	if (lsns && status != 0 && tries < 20)
		return cost_of_child(lsns, flags, tries + 1);
	if (status != 0) {
		fprintf(stderr, "bench_ns: %s failed\n", lsns ? "lsns" : "a pass");
		exit(1);
	}
	return milliseconds(&usage);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), compare);
	return values[n / 2];
}

/* Passes far enough apart that what sleeps is known to sleep. */
static double resident(unsigned int flags, int rounds)
{
	struct ns_scanner *scanner;
	struct root *root;
	double *costs = calloc((size_t)rounds, sizeof(*costs)), result;

	if (!costs || root_new(NULL, &root) < 0 || ns_scanner_new(root, NULL, &scanner) < 0)
		exit(1);
	for (int i = 0; i < 3; i++) {
		namespaces_unref(pass(scanner, flags));
		sleep(PAUSE_SECONDS);
	}
	for (int i = 0; i < rounds; i++) {
		struct rusage before, after;

		getrusage(RUSAGE_SELF, &before);
		namespaces_unref(pass(scanner, flags));
		getrusage(RUSAGE_SELF, &after);
		costs[i] = milliseconds(&after) - milliseconds(&before);
	}
	result = median(costs, rounds);
	free(costs);
	ns_scanner_free(scanner);
	root_free(root);
	return result;
}

static void print(const char *what, double cost, double lsns)
{
	printf("%-44s cpu_ms %8.1f  lsns uses %5.1f times that\n", what, cost, lsns / cost);
}

int main(int argc, char *argv[])
{
	static const unsigned int all = NS_SCAN_HOLDERS | NS_SCAN_DETAILS | NS_SCAN_PROCESSES;
	int rounds = argc > 1 ? atoi(argv[1]) : 9, hold;
	double *costs[3], lsns;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (rounds < 1 || ns_scene_make(&hold) < 0) {
		fprintf(stderr, "bench_ns: no scene (needs root)\n");
		return 1;
	}
	for (size_t i = 0; i < 3; i++)
		costs[i] = calloc((size_t)rounds, sizeof(double));
	/* In turn, so that a busy moment of the machine falls on each alike. */
	for (int i = 0; i < rounds && costs[0] && costs[1] && costs[2]; i++) {
		costs[0][i] = cost_of_child(true, 0, 0);
		costs[1][i] = cost_of_child(false, 0, 0);
		costs[2][i] = cost_of_child(false, all, 0);
	}
	lsns = median(costs[0], rounds);
	printf("== %d processes in %d namespaces, medians of %d\n",
	       NS_SCENE_GROUPS * NS_SCENE_MEMBERS, NS_SCENE_GROUPS * NS_TYPE_COUNT, rounds);
	printf("%-44s cpu_ms %8.1f\n", "lsns", lsns);
	print("cgwatch, fresh (bar: 8)", median(costs[1], rounds), lsns);
	print("cgwatch, fresh, holders, details, all names", median(costs[2], rounds), lsns);
	print("cgwatch, resident", resident(0, rounds), lsns);
	print("cgwatch, resident, with all that", resident(all, rounds), lsns);
	close(hold);
	while (wait(NULL) > 0)
		continue;
	return 0;
}
