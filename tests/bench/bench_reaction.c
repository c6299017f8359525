// SPDX-License-Identifier: MIT
/*
 * How long it takes from something that happens in a cgroup to a limit that is written there: the
 * agent with a policy on an event, the agent with the same policy on samples, and, in the same run,
 * a bare loop that waits for the same event and writes the same file at once, with nothing around
 * it. The agent runs as it always does: journal, guards, last look and reading back, and the nice
 * level of the shipped unit.
 *
 * The moment of the cause is taken by whoever causes it, just before: the process that is put into
 * the cgroup, or the one that touches the page too many. The limit is seen by inotify on the knob's
 * file, which tells of a write after it is done: what that takes counts for all of them.
 *
 * Usage: bench_reaction [RUNS]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collectors/hierarchy.h"
#include "core/clock.h"

enum { RUNS_MOST = 1000, PATIENCE_MS = 60000, PSI_RUNS = 20, UNIT_NICE = -10 };

#define BAR_MS 20.0

enum event { POPULATED, OOM, PSI, EVENTS };

static const char *const event_names[EVENTS] = {
	[POPULATED] = "populated",
	[OOM] = "oom",
	[PSI] = "psi",
};

struct bench {
	unsigned int runs;
	char programs[PATH_MAX / 2];		 /* directory of this one and the agent */
	char name[64];				 /* of the parent of all cgroups */
	char work[64];				 /* files of the agent */
	bool v2;				 /* the only hierarchy */
	char events[512], cpu[512], memory[512]; /* NAME in the v2 tree, and where those are */
	bool made;
	pid_t owner, agent, bare, actor;
	uint64_t *moment; /* shared: when the actor did it, CLOCK_MONOTONIC ns */
	double times[RUNS_MOST];
	int triggers[PSI_RUNS]; /* of our own, to compare with */
};

static struct bench bench;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list arguments;

	fputs("bench_reaction: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static void put(const char *dir, const char *sub, const char *file, const char *text)
{
	char path[1024];
	int fd;

	snprintf(path, sizeof(path), "%s%s%s/%s", dir, *sub ? "/" : "", sub, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s: %s: %s", path, text, strerror(errno));
	close(fd);
}

/* The three directories are one on a v2 host. */
static void each_dir(void (*callback)(const char *dir))
{
	callback(bench.events);
	if (bench.v2)
		return;
	callback(bench.cpu);
	callback(bench.memory);
}

static void make_top(const char *dir)
{
	if (mkdir(dir, 0755) < 0)
		die("%s: %s", dir, strerror(errno));
}

static void make_runs(const char *dir)
{
	char path[1024];

	if (bench.v2)
		put(dir, "", "cgroup.subtree_control", "+cpu +memory");
	for (unsigned int i = 0; i < bench.runs; i++) {
		snprintf(path, sizeof(path), "%s/r%u", dir, i);
		make_top(path);
	}
}

static void remove_dir(const char *path)
{
	for (int i = 0; rmdir(path) < 0 && errno == EBUSY && i < 1000; i++)
		usleep(10000);
}

static void remove_runs(const char *dir)
{
	char path[1024];

	for (unsigned int i = 0; i < bench.runs; i++) {
		snprintf(path, sizeof(path), "%s/r%u", dir, i);
		remove_dir(path);
	}
	remove_dir(dir);
}

static void end_process(pid_t *pid, int signal)
{
	if (*pid <= 0)
		return;
	kill(*pid, signal);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

static void clean(void)
{
	char command[128];

	if (getpid() != bench.owner)
		return;
	end_process(&bench.actor, SIGKILL);
	end_process(&bench.bare, SIGKILL);
	end_process(&bench.agent, SIGTERM);
	if (bench.made)
		each_dir(remove_runs);
	snprintf(command, sizeof(command), "rm -rf '%s'", bench.work);
	if (*bench.work && system(command) != 0)
		fprintf(stderr, "bench_reaction: %s was not removed\n", bench.work);
}

static void find_places(void)
{
	const struct hierarchy *v2, *cpu, *memory;
	struct hierarchies *hierarchies;
	struct root *root;
	ssize_t n = readlink("/proc/self/exe", bench.programs, sizeof(bench.programs) - 1);

	if (n <= 0 || root_new(NULL, &root) < 0 || hierarchies_new(root, &hierarchies) < 0)
		die("no cgroups here");
	*strrchr(bench.programs, '/') = '\0';
	v2 = hierarchies_v2(hierarchies);
	cpu = hierarchies_find(hierarchies, "cpu");
	memory = hierarchies_find(hierarchies, "memory");
	if (!v2 || !cpu || !memory)
		die("this host has no cgroup v2 tree, or no controllers cpu and memory");
	bench.v2 = cpu->v2;
	snprintf(bench.name, sizeof(bench.name), "cgwatch-bench-%d", (int)getpid());
	snprintf(bench.events, sizeof(bench.events), "%s/%s", v2->mountpoint, bench.name);
	snprintf(bench.cpu, sizeof(bench.cpu), "%s/%s", cpu->mountpoint, bench.name);
	snprintf(bench.memory, sizeof(bench.memory), "%s/%s", memory->mountpoint, bench.name);
	/* Where the agent's state is on a real host: in memory. */
	snprintf(bench.work, sizeof(bench.work), "/dev/shm/cgwatch-bench-XXXXXX");
	if (!mkdtemp(bench.work))
		die("/dev/shm: %s", strerror(errno));
	hierarchies_free(hierarchies);
	root_free(root);
}

static void start_agent(const char *when, const char *interval)
{
	char policies[128], path[PATH_MAX], state[128], log[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/cgwatchd", bench.programs);
	snprintf(policies, sizeof(policies), "%s/policies.ini", bench.work);
	snprintf(state, sizeof(state), "%s/state", bench.work);
	snprintf(log, sizeof(log), "%s/log", bench.work);
	file = fopen(policies, "we");
	if (!file)
		die("%s: %s", policies, strerror(errno));
	fprintf(file,
		"[policy react]\nmatch = /%s/*\nwhen = %s\nclear_when = cgroup.procs < 0\n"
		"action = cpu.quota 50%%\nmode = enforce\n",
		bench.name, when);
	fclose(file);
	chmod(policies, 0600);
	bench.agent = fork();
	if (bench.agent == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (setpriority(PRIO_PROCESS, 0, UNIT_NICE) < 0)
			fputs("nice: not permitted, so the agent waits in line\n", stderr);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execl(path, "cgwatchd", "--config", "/dev/null", "--state", state, "--policies",
		      policies, "--interval", interval, "--web.listen-address", "none",
		      (char *)NULL);
		_exit(127);
	}
	/* Two ticks: from the first on it waits for events. */
	sleep(3);
	if (waitpid(bench.agent, NULL, WNOHANG) == bench.agent) {
		bench.agent = 0;
		snprintf(path, sizeof(path), "cat '%s' >&2", log);
		if (system(path) != 0)
			fputs("no log\n", stderr);
		die("cgwatchd ended");
	}
}

/* ---- the bare loop ---------------------------------------------------------------------- */

static const char *quota_file(void)
{
	return bench.v2 ? "cpu.max" : "cpu.cfs_quota_us";
}

static void bare_write(unsigned int i)
{
	char sub[32];

	snprintf(sub, sizeof(sub), "r%u", i);
	put(bench.cpu, sub, quota_file(), "50000");
}

/* What it is told of: the file of run `i`, as a descriptor to poll. */
static int bare_poll(enum event event, unsigned int i, int *ret_file)
{
	char path[1024], text[64];
	int file, control, fd;

	if (event == POPULATED || bench.v2) {
		snprintf(path, sizeof(path), "%s/r%u/%s", bench.events, i,
			 event == POPULATED ? "cgroup.events" : "memory.events");
		*ret_file = open(path, O_RDONLY | O_CLOEXEC);
		if (*ret_file < 0 || pread(*ret_file, text, sizeof(text), 0) < 0)
			die("%s: %s", path, strerror(errno));
		return *ret_file;
	}
	snprintf(path, sizeof(path), "%s/r%u/memory.oom_control", bench.memory, i);
	file = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/r%u/cgroup.event_control", bench.memory, i);
	control = open(path, O_WRONLY | O_CLOEXEC);
	fd = eventfd(0, EFD_CLOEXEC);
	snprintf(text, sizeof(text), "%d %d", fd, file);
	if (write(control, text, strlen(text)) < 0)
		die("%s: %s", path, strerror(errno));
	close(control);
	*ret_file = file;
	return fd;
}

/* Whether it is what is waited for, as far as the file says it. */
static bool bare_look(enum event event, int file)
{
	char text[512];
	ssize_t n = pread(file, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	if (event == POPULATED)
		return strstr(text, "populated 1");
	return bench.v2 ? !strstr(text, "oom 0") : true;
}

static void __attribute__((noreturn)) bare_polled(enum event event)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), files[RUNS_MOST];
	struct epoll_event got;

	for (unsigned int i = 0; i < bench.runs; i++) {
		int fd = bare_poll(event, i, &files[i]);
		struct epoll_event want = { .data.u32 = i };

		want.events = fd == files[i] ? EPOLLPRI : EPOLLIN | EPOLLET;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &want) < 0)
			die("epoll: %s", strerror(errno));
	}
	for (;;) {
		if (epoll_wait(epoll, &got, 1, -1) == 1 && bare_look(event, files[got.data.u32]))
			bare_write(got.data.u32);
	}
}

static void __attribute__((noreturn)) bare_notified(void)
{
	char buffer[4096] __attribute__((aligned(8)));
	int inotify = inotify_init1(IN_CLOEXEC), files[RUNS_MOST], wds[RUNS_MOST];
	char path[1024];

	for (unsigned int i = 0; i < bench.runs; i++) {
		snprintf(path, sizeof(path), "%s/r%u/cgroup.events", bench.events, i);
		files[i] = open(path, O_RDONLY | O_CLOEXEC);
		wds[i] = inotify_add_watch(inotify, path, IN_MODIFY);
	}
	for (;;) {
		ssize_t n = read(inotify, buffer, sizeof(buffer));

		for (char *at = buffer; n > 0 && at < buffer + n;) {
			struct inotify_event *event = (void *)at;

			for (unsigned int i = 0; i < bench.runs; i++) {
				if (wds[i] == event->wd && bare_look(POPULATED, files[i]))
					bare_write(i);
			}
			at += sizeof(*event) + event->len;
		}
	}
}

static void start_bare(enum event event, bool notified)
{
	bench.bare = fork();
	if (bench.bare == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		bench.agent = bench.actor = 0;
		if (notified)
			bare_notified();
		bare_polled(event);
	}
	sleep(1);
}

/* ---- causes ----------------------------------------------------------------------------- */

static void now(void)
{
	__atomic_store_n(bench.moment, clock_ns(CLOCK_MONOTONIC), __ATOMIC_SEQ_CST);
}

static void cause_populated(unsigned int i)
{
	char sub[32], text[32];

	bench.actor = fork();
	if (bench.actor == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	snprintf(sub, sizeof(sub), "r%u", i);
	snprintf(text, sizeof(text), "%d", (int)bench.actor);
	now();
	put(bench.events, sub, "cgroup.procs", text);
}

/*
 * Under v1 without the killer: the process stands still and no report of it goes to the console.
 * What is left in `moment` is the time before the page that was one too many.
 */
static void cause_oom(unsigned int i)
{
	const size_t size = 64 << 20;
	char sub[32];

	snprintf(sub, sizeof(sub), "r%u", i);
	if (bench.v2) {
		put(bench.memory, sub, "memory.max", "8M");
	} else {
		put(bench.memory, sub, "memory.limit_in_bytes", "8M");
		put(bench.memory, sub, "memory.oom_control", "1");
	}
	bench.actor = fork();
	if (bench.actor == 0) {
		char *memory;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		put(bench.memory, sub, "cgroup.procs", "0");
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			      0);
		madvise(memory, size, MADV_NOHUGEPAGE);
		for (size_t at = 0; memory != MAP_FAILED && at < size; at += 4096) {
			now();
			memory[at] = 1;
		}
		_exit(0);
	}
}

static void (*const causes[EVENTS])(unsigned int i) = {
	[POPULATED] = cause_populated, [OOM] = cause_oom
};

/* Milliseconds from the cause of run `i` to its limit. */
static double one_run(enum event event, unsigned int i)
{
	int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd fd = { .fd = inotify, .events = POLLIN };
	char path[1024];
	uint64_t end;

	snprintf(path, sizeof(path), "%s/r%u/%s", bench.cpu, i, quota_file());
	if (inotify_add_watch(inotify, path, IN_MODIFY) < 0)
		die("%s: %s", path, strerror(errno));
	causes[event](i);
	if (poll(&fd, 1, PATIENCE_MS) != 1)
		die("%s: nothing was written within a minute", path);
	end = clock_ns(CLOCK_MONOTONIC);
	close(inotify);
	end_process(&bench.actor, SIGKILL);
	return (double)(end - __atomic_load_n(bench.moment, __ATOMIC_SEQ_CST)) / 1e6;
}

/* Reads a file that its limit lets it not keep, over and over. */
static pid_t thrash_in(const char *sub)
{
	static char block[1 << 20];
	char path[128];
	pid_t pid;
	int fd;

	snprintf(path, sizeof(path), "/var/tmp/%s", bench.name);
	put(bench.memory, sub, bench.v2 ? "memory.max" : "memory.limit_in_bytes", "8M");
	pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	put(bench.memory, sub, "cgroup.procs", "0");
	put(bench.events, sub, "cgroup.procs", "0");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	unlink(path);
	for (off_t at = 0; at < 64; at++)
		if (pwrite(fd, block, sizeof(block), at * (off_t)sizeof(block)) < 0)
			_exit(1);
	for (off_t at = 0;; at = (at + 1) % 64)
		if (pread(fd, block, sizeof(block), at * (off_t)sizeof(block)) < 0)
			_exit(1);
}

/* Before the agent's: triggers that both have been idle for a window begin theirs together. */
static void open_triggers(void)
{
	char path[1024];

	for (unsigned int i = 0; i < bench.runs; i++) {
		snprintf(path, sizeof(path), "%s/r%u/memory.pressure", bench.events, i);
		bench.triggers[i] = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (bench.triggers[i] < 0 || write(bench.triggers[i], "some 50000 2000000", 19) < 0)
			die("%s: %s", path, strerror(errno));
	}
}

/*
 * Pressure has no moment of its own, and the kernel takes its time to tell of it (the window's
 * length, 2 s for those without CAP_SYS_RESOURCE, which a sample would come before): so the time
 * runs from when a trigger of our own on the same cgroup wakes us, on a machine whose processors
 * are all taken.
 */
static double one_psi_run(unsigned int i)
{
	int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd fds[2] = { { .fd = inotify, .events = POLLIN }, { .events = POLLPRI } };
	pid_t pid;
	uint64_t began = 0, end = 0;
	char path[1024], sub[32];

	snprintf(sub, sizeof(sub), "r%u", i);
	snprintf(path, sizeof(path), "%s/%s/%s", bench.cpu, sub, quota_file());
	inotify_add_watch(inotify, path, IN_MODIFY);
	fds[1].fd = bench.triggers[i];
	pid = thrash_in(sub);
	while (!end || !began) {
		if (poll(fds, 2, PATIENCE_MS) < 1)
			die("%s: nothing happened within a minute", path);
		if (!began && (fds[1].revents & POLLPRI))
			began = clock_ns(CLOCK_MONOTONIC);
		if (!end && fds[0].revents) {
			end = clock_ns(CLOCK_MONOTONIC);
			fds[0].fd = -1;
		}
	}
	end_process(&pid, SIGKILL);
	close(inotify);
	return end > began ? (double)(end - began) / 1e6 : 0;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The median; prints it. Pauses of up to `pause_usec`, so that runs do not keep step with ticks. */
static double measure(enum event event, const char *what, unsigned int pause_usec)
{
	double median, p99;

	for (unsigned int i = 0; i < bench.runs; i++) {
		usleep(20000 + (i * 618034u) % pause_usec);
		bench.times[i] = event == PSI ? one_psi_run(i) : one_run(event, i);
	}
	qsort(bench.times, bench.runs, sizeof(*bench.times), compare);
	median = bench.times[bench.runs / 2];
	p99 = bench.times[(bench.runs * 99 + 99) / 100 - 1];
	printf("%-10s %-34s median %9.3f ms  p99 %9.3f ms  (%u runs)\n", event_names[event], what,
	       median, p99, bench.runs);
	fflush(stdout);
	return median;
}

/* Fresh cgroups for each: what is held stays held. */
static double series(enum event event, const char *what, const char *when, bool notified)
{
	/* Events come at any time anyway; samples once a second. */
	bool sampled = when && strncmp(when, "event", 5) != 0;
	double median;

	each_dir(make_top);
	bench.made = true;
	each_dir(make_runs);
	if (event == PSI)
		open_triggers();
	if (when)
		start_agent(when, event == PSI ? "1h" : "1s");
	else
		start_bare(event, notified);
	median = measure(event, what, sampled ? 1000000 : 30000);
	end_process(&bench.agent, SIGTERM);
	end_process(&bench.bare, SIGKILL);
	each_dir(remove_runs);
	bench.made = false;
	return median;
}

static bool compare_with_bare(enum event event, const char *when)
{
	double bare = series(event, "bare loop: epoll, write", NULL, false);
	double agent = series(event, "cgwatchd, policy on the event", when, false);

	printf("%-10s ratio of the medians %.1f; bar: under %.0f ms: %s\n", event_names[event],
	       agent / bare, BAR_MS, agent < BAR_MS ? "met" : "NOT MET");
	fflush(stdout);
	return agent < BAR_MS;
}

static bool psi(void)
{
	double median;

	if (bench.runs > PSI_RUNS)
		bench.runs = PSI_RUNS;
	if (access("/proc/pressure/memory", F_OK) < 0) {
		printf("psi: not measured: this kernel has none\n");
		return true;
	}
	median = series(PSI, "cgwatchd, after a bare waiter woke", "event psi.memory.some 50ms/2s",
			false);
	printf("psi        bar: under %.0f ms: %s\n", BAR_MS, median < BAR_MS ? "met" : "NOT MET");
	return median < BAR_MS;
}

int main(int argc, char **argv)
{
	bool met;

	bench.runs = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 10) : 100;
	if (bench.runs < 1 || bench.runs > RUNS_MOST)
		die("runs: 1 to %d", RUNS_MOST);
	bench.moment = mmap(NULL, sizeof(*bench.moment), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bench.moment == MAP_FAILED)
		die("no memory");
	bench.owner = getpid();
	find_places();
	atexit(clean);
	met = compare_with_bare(POPULATED, "event populated");
	series(POPULATED, "bare loop: inotify, write", NULL, true);
	met &= compare_with_bare(OOM, "event oom");
	series(POPULATED, "cgwatchd, policy on samples of 1 s", "cgroup.populated > 0", false);
	met &= psi();
	return met ? 0 : 1;
}
