// SPDX-License-Identifier: MIT
/*
 * What it costs to know what a writable layer holds: an upper layer of many files, once all made
 * there and once all copied up, walked and measured with `du -s` in turns; and how late a loop of
 * 10 ms comes without and beside walks that never end. Usage: bench_layers [FILES]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collectors/layer_keeper.h"
#include "collectors/layer_walk.h"
#include "core/cleanup.h"

extern char **environ;

enum { TURNS = 7, PER_DIRECTORY = 1000, BEATS = 500, BEAT_NS = 10000000 };

struct layer {
	char upper[64], work[64], lower[64], merged[64];
};

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double cpu_ms(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static int make_files(const char *dir, long n)
{
	for (long i = 0; i < n; i++) {
		char path[128];
		int fd;

		if (i % PER_DIRECTORY == 0) {
			snprintf(path, sizeof(path), "%s/d%ld", dir, i / PER_DIRECTORY);
			if (mkdir(path, 0755) < 0)
				return -errno;
		}
		snprintf(path, sizeof(path), "%s/d%ld/file-%06ld", dir, i / PER_DIRECTORY, i);
		fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, "x", 1) != 1)
			return -errno;
		close(fd);
	}
	return 0;
}

/* Through the overlay, so that the attributes are the kernel's. */
static int copy_up(const char *merged, long n)
{
	for (long i = 0; i < n; i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/d%ld/file-%06ld", merged, i / PER_DIRECTORY, i);
		if (chmod(path, 0600) < 0)
			return -errno;
	}
	return 0;
}

static int mount_layer(struct layer *layer, const char *top, const char *name)
{
	char options[256];

	snprintf(layer->upper, sizeof(layer->upper), "%s/%s-upper", top, name);
	snprintf(layer->work, sizeof(layer->work), "%s/%s-work", top, name);
	snprintf(layer->lower, sizeof(layer->lower), "%s/%s-lower", top, name);
	snprintf(layer->merged, sizeof(layer->merged), "%s/%s-merged", top, name);
	if (mkdir(layer->upper, 0755) < 0 || mkdir(layer->work, 0755) < 0 ||
	    mkdir(layer->lower, 0755) < 0 || mkdir(layer->merged, 0755) < 0)
		return -errno;
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", layer->lower,
		 layer->upper, layer->work);
	return mount("overlay", layer->merged, "overlay", 0, options) < 0 ? -errno : 0;
}

static int du(const char *path)
{
	char *arguments[] = { "du", "-s", (char *)path, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status, r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	r = posix_spawnp(&pid, "du", &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		return -r;
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -EIO;
}

static struct overlays describe(const struct layer *layer, struct overlay *overlay,
				struct overlay_layer layers[2])
{
	layers[0] = (struct overlay_layer){ .kind = OVERLAY_UPPER, .path = layer->upper };
	layers[1] = (struct overlay_layer){ .kind = OVERLAY_LOWER, .path = layer->lower };
	*overlay = (struct overlay){ .device = 1,
				     .fstype = "overlay",
				     .layers = layers,
				     .n_layers = 2,
				     .n_lower = 1,
				     .work = layer->work,
				     .backing_fstype = "ext4" };
	return (struct overlays){ .list = overlay, .n = 1 };
}

/* One walk to the end, by a keeper of its own. */
static int walk(const struct layer *layer, struct layer_usage *ret_usage)
{
	struct layer_keeper_options options = { .no_thread = true };
	struct overlay_layer layers[2];
	struct overlay overlay;
	struct overlays set = describe(layer, &overlay, layers);
	struct layer_keeper *keeper;
	int r = layer_keeper_new(&options, &keeper);

	if (r < 0)
		return r;
	r = layer_keeper_run(keeper, &set, 0);
	layer_keeper_free(keeper);
	*ret_usage = overlay.usage;
	return r;
}

/* A later walk of a keeper that goes on: what it learned before is known. */
static int walk_again(const struct layer *layer, struct layer_known *known)
{
	struct layer_source source = { .upper = layer->upper, .work = layer->work };
	struct layer_walk_options options = { .own_cwd = true, .known = known };
	struct layer_walk *one;
	int r = layer_walk_new(&source, &options, &one);

	while (r >= 0) {
		uint64_t entries = 20000;

		r = layer_walk_step(one, &entries);
		if (r == 0)
			break;
	}
	if (r == 0)
		layer_walk_free(one);
	return r;
}

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void sort(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
}

static int compare(const char *name, const struct layer *layer)
{
	double du_ms[TURNS], du_cpu[TURNS], walk_ms[TURNS], walk_cpu[TURNS], later[TURNS];
	struct layer_known known = { 0 };
	struct layer_usage usage;

	/* What changed just now is not taken for known. */
	sleep(4);
	if (du(layer->upper) < 0 || walk(layer, &usage) < 0 || walk_again(layer, &known) < 0)
		return -EIO;
	for (int i = 0; i < TURNS; i++) {
		double start = now_ms(), before = cpu_ms(RUSAGE_CHILDREN);

		if (du(layer->upper) < 0)
			return -EIO;
		du_ms[i] = now_ms() - start;
		du_cpu[i] = cpu_ms(RUSAGE_CHILDREN) - before;
		start = now_ms();
		before = cpu_ms(RUSAGE_SELF);
		if (walk(layer, &usage) < 0)
			return -EIO;
		walk_ms[i] = now_ms() - start;
		walk_cpu[i] = cpu_ms(RUSAGE_SELF) - before;
		start = now_ms();
		if (walk_again(layer, &known) < 0)
			return -EIO;
		later[i] = now_ms() - start;
	}
	layer_known_done(&known);
	for (size_t i = 0; i < 5; i++)
		sort((double *[]){ du_ms, du_cpu, walk_ms, walk_cpu, later }[i], TURNS);
	printf("%s: files %llu created %llu copied_up %llu; du -s %.1f ms (CPU %.1f)\n", name,
	       (unsigned long long)usage.files, (unsigned long long)usage.created,
	       (unsigned long long)usage.copied_up, du_ms[TURNS / 2], du_cpu[TURNS / 2]);
	printf("  first walk %.1f ms (CPU %.1f): %.2f times as long, %.2f times the CPU (bar: "
	       "1.2)\n",
	       walk_ms[TURNS / 2], walk_cpu[TURNS / 2], walk_ms[TURNS / 2] / du_ms[TURNS / 2],
	       walk_cpu[TURNS / 2] / du_cpu[TURNS / 2]);
	printf("  later walk %.1f ms: %.2f times as long (bar: 1.2)\n", later[TURNS / 2],
	       later[TURNS / 2] / du_ms[TURNS / 2]);
	return 0;
}

/* How late a loop that samples every 10 ms comes; the keeper (or NULL) is kept walking. */
static void beat(const char *name, struct layer_keeper *keeper, struct overlays *set)
{
	static double late[BEATS];
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (int i = 0; i < BEATS; i++) {
		struct timespec now;

		next.tv_nsec += BEAT_NS;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (keeper && set->list[0].usage.state == LAYER_COMPLETE)
			set->list[0].device++; /* another one: to be walked at once */
		if (keeper)
			layer_keeper_fill(keeper, set);
		late[i] = (double)(now.tv_sec - next.tv_sec) * 1e6 +
			  (double)(now.tv_nsec - next.tv_nsec) / 1e3;
	}
	qsort(late, BEATS, sizeof(*late), by_value);
	printf("%s: a 10 ms loop is late by p50 %.0f us, p99 %.0f us, max %.0f us\n", name,
	       late[BEATS / 2], late[BEATS * 99 / 100], late[BEATS - 1]);
}

static int jitter(const struct layer *layer)
{
	struct layer_keeper_options options = { .no_fanotify = true }; /* as in the agent */
	struct layer_keeper_stats before, after;
	struct overlay_layer layers[2];
	struct overlay overlay;
	struct overlays set = describe(layer, &overlay, layers);
	struct layer_keeper *keeper;
	int r = layer_keeper_new(&options, &keeper);

	if (r < 0)
		return r;
	beat("without a walk", NULL, NULL);
	layer_keeper_get_stats(keeper, &before);
	for (int i = 0; i < 3; i++)
		beat("beside walks", keeper, &set);
	beat("without a walk", NULL, NULL);
	layer_keeper_get_stats(keeper, &after);
	printf("walks beside it: %llu, %llu entries\n",
	       (unsigned long long)(after.walks - before.walks),
	       (unsigned long long)(after.entries - before.entries));
	layer_keeper_free(keeper);
	return 0;
}

static int run(const char *top, long n)
{
	struct layer created = { 0 }, copied = { 0 };
	int r = mount_layer(&created, top, "a");

	if (r == 0)
		r = make_files(created.merged, n);
	if (r == 0) {
		snprintf(copied.lower, sizeof(copied.lower), "%s/b-lower", top);
		r = mount_layer(&copied, top, "b");
	}
	if (r == 0)
		r = umount(copied.merged) < 0 ? -errno : make_files(copied.lower, n);
	if (r == 0) {
		char options[256];

		snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s",
			 copied.lower, copied.upper, copied.work);
		r = mount("overlay", copied.merged, "overlay", 0, options) < 0 ? -errno : 0;
	}
	if (r == 0)
		r = copy_up(copied.merged, n);
	if (r == 0)
		r = compare("all created", &created);
	if (r == 0)
		r = compare("all copied up", &copied);
	return r == 0 ? jitter(&created) : r;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_all(const char *top)
{
	static const char *const mounts[] = { "a-merged", "b-merged" };

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", top, mounts[i]);
		umount2(path, MNT_DETACH);
	}
	if (nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0)
		fprintf(stderr, "bench_layers: %s is left behind: %s\n", top, strerror(errno));
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? strtol(argv[1], NULL, 10) : 100000;
	char top[] = "/tmp/cgwatch-bench-XXXXXX";
	int r;

	/* What is mounted here goes with the process. */
	if (n < 1 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !mkdtemp(top)) {
		perror("bench_layers");
		return 1;
	}
	r = run(top, n);
	if (r < 0)
		fprintf(stderr, "bench_layers: %s\n", strerror(-r));
	remove_all(top);
	return r < 0;
}
