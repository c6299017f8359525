// SPDX-License-Identifier: MIT
/*
 * CPU time of one look at all processes and their namespaces: the kernel's own pass, readlinkat
 * over /proc/PID/ns of the same processes, and lsns, in turn in one run; and what that makes of a
 * pass of the scanner that the inventory uses. 4,000 processes in 1,000 namespaces. Usage:
 * bench_bpf_tasks [ROUNDS]
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "collectors/bpf_tasks.h"
#include "collectors/ns_scan.h"
#include "ns_scene.h"

enum { PAUSE_SECONDS = 3 };

static const char *const links[] = { "mnt",
				     "net",
				     "pid",
				     "user",
				     "uts",
				     "ipc",
				     "cgroup",
				     "time",
				     "pid_for_children",
				     "time_for_children" };

static double cpu_us(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static double thread_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static __attribute__((noreturn)) void fail(const char *what)
{
	fprintf(stderr, "bench_bpf_tasks: %s\n", what);
	exit(1);
}

/* As cheaply as it can be done: nothing is parsed or kept. The number of processes. */
static size_t read_links(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	size_t n = 0;

	while (proc && (entry = readdir(proc))) {
		char path[300], text[64];
		int fd;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%s/ns", entry->d_name);
		fd = openat(dirfd(proc), path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
			if (readlinkat(fd, links[i], text, sizeof(text)) < 0)
				continue;
		}
		close(fd);
		n++;
	}
	if (!proc || n == 0)
		fail("no /proc");
	closedir(proc);
	return n;
}

/* CPU time of one lsns; 0 if it gave up, as it does when a process ends while it looks. */
static double run_lsns(void)
{
	double before = cpu_us(RUSAGE_CHILDREN);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
		execlp("lsns", "lsns", (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fail("lsns");
	return status == 0 ? cpu_us(RUSAGE_CHILDREN) - before : 0;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

/* A scanner that goes on, by records or by /proc, far enough apart that sleepers are known to
 * sleep. */
static double scan(const struct root *root, const struct hierarchies *hierarchies,
		   struct bpf_tasks *tasks, size_t rounds)
{
	unsigned int flags = NS_SCAN_CGROUPS | NS_SCAN_PROCESSES;
	double *costs = calloc(rounds, sizeof(*costs)), result;
	struct ns_scanner *scanner;

	if (!costs || ns_scanner_new(root, hierarchies, &scanner) < 0)
		fail("no scanner");
	ns_scanner_use(scanner, tasks);
	for (size_t i = 0; i < 3 + rounds; i++) {
		double before = thread_us();
		struct namespaces *set;

		if (ns_scanner_read(scanner, flags) < 0 ||
		    ns_scanner_finish(scanner, NULL, &set) < 0)
			fail("the scan failed");
		if (i >= 3)
			costs[i - 3] = thread_us() - before;
		else
			sleep(PAUSE_SECONDS);
		namespaces_unref(set);
	}
	result = median(costs, rounds);
	ns_scanner_free(scanner);
	free(costs);
	return result;
}

static void print(const char *what, double cost, size_t n, double own)
{
	printf("%-42s cpu_us_per_process %7.3f  %6.1f times the pass\n", what, cost / (double)n,
	       cost / own);
}

/* In turn, so that a busy moment of the machine falls on each alike. */
static void compare_passes(struct bpf_tasks *tasks, size_t rounds)
{
	double *passes = calloc(rounds, sizeof(*passes)), *reads = calloc(rounds, sizeof(*reads));
	double *lists = calloc(rounds, sizeof(*lists)), own;
	const struct task_record *const *list;
	size_t n_links = 0, n_lists = 0, n = 0, leaders = 0;

	for (size_t i = 0; passes && reads && lists && i < rounds; i++) {
		double before = thread_us();

		if (bpf_tasks_read(tasks, &list, &n) < 0)
			fail("the pass failed");
		passes[i] = thread_us() - before;
		before = thread_us();
		n_links = read_links();
		reads[i] = thread_us() - before;
		lists[n_lists] = run_lsns();
		n_lists += lists[n_lists] > 0;
	}
	for (size_t i = 0; i < n; i++)
		leaders += list[i]->pid == list[i]->tid;
	own = median(passes, rounds);
	printf("== %zu processes, %zu tasks, medians of %zu\n", leaders, n, rounds);
	print("the kernel's own pass", own, leaders, own);
	print("readlinkat over /proc/PID/ns (bar: 20)", median(reads, rounds), n_links, own);
	if (n_lists > 0)
		print("lsns", median(lists, n_lists), n_links, own);
	free(passes);
	free(reads);
	free(lists);
}

int main(int argc, char *argv[])
{
	size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 11;
	struct hierarchies *hierarchies;
	struct bpf_tasks *tasks;
	char reason[BPF_REASON_SIZE];
	struct root *root;
	double by_records, by_proc;
	int hold;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (rounds < 1 || root_new(NULL, &root) < 0 || hierarchies_new(root, &hierarchies) < 0)
		fail("no cgroups");
	if (bpf_tasks_new(root, hierarchies, &tasks, reason, sizeof(reason)) < 0)
		fail(reason);
	if (ns_scene_make(&hold) < 0)
		fail("no scene (needs root)");
	compare_passes(tasks, rounds);
	by_records = scan(root, hierarchies, tasks, rounds);
	by_proc = scan(root, hierarchies, NULL, rounds);
	printf("scanner with cgroups and names: by records cpu_ms %.1f, by /proc %.1f: %.1f "
	       "times\n",
	       by_records / 1e3, by_proc / 1e3, by_proc / by_records);
	close(hold);
	while (wait(NULL) > 0)
		continue;
	bpf_tasks_free(tasks);
	hierarchies_free(hierarchies);
	root_free(root);
	return 0;
}
