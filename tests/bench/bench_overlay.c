// SPDX-License-Identifier: MIT
/*
 * Mounts many overlays of many layers in a mount namespace of its own and prints what a pass over
 * them costs: the first, one where nothing changed, one with a mount more; beside them the floor of
 * anything that reads it all: mountinfo read and parsed once. CPU milliseconds.
 * Usage: bench_overlay [OVERLAYS [LAYERS]]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/mount_table.h"
#include "collectors/mountinfo.h"
#include "collectors/overlay_options.h"
#include "collectors/overlay_scan.h"

enum { PASSES = 50, MORE = 20 };

struct scene {
	struct root *root;
	int overlays, layers, mounted;
};

struct cost {
	double table, scanner;
};

static void die(const char *what)
{
	fprintf(stderr, "bench_overlay: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Children too: looking up what is not cached is their work. */
static double cpu_ms(void)
{
	double sum = 0;

	for (int who = RUSAGE_CHILDREN; who <= RUSAGE_SELF; who++) {
		struct rusage usage;

		getrusage(who, &usage);
		sum += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
		       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
	}
	return sum;
}

static void make_dir(const char *path)
{
	if (mkdir(path, 0755) < 0)
		die(path);
}

/* Each overlay has layers of its own: nothing is found twice in a cache of ours. */
static void add_overlay(struct scene *scene)
{
	int n = scene->mounted++;
	char path[64];
	struct strbuf options;

	strbuf_init(&options);
	strbuf_add_string(&options, "lowerdir=");
	for (int i = 0; i < scene->layers; i++) {
		snprintf(path, sizeof(path), "l/%dx%d", n, i);
		make_dir(path);
		strbuf_printf(&options, "%s%s", i ? ":" : "", path);
	}
	snprintf(path, sizeof(path), "%d", n);
	make_dir(path);
	for (const char *const *name = (const char *const[]){ "diff", "work", "merged", NULL };
	     *name; name++) {
		snprintf(path, sizeof(path), "%d/%s", n, *name);
		make_dir(path);
	}
	strbuf_printf(&options, ",upperdir=/tmp/%d/diff,workdir=/tmp/%d/work", n, n);
	snprintf(path, sizeof(path), "/tmp/%d/merged", n);
	if (mount("overlay", path, "overlay", 0, options.data) < 0)
		die(path);
	strbuf_done(&options);
}

static void make_scene(struct scene *scene)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/tmp", "tmpfs", 0, "nr_inodes=0") < 0 || chdir("/tmp") < 0)
		die("own mount namespace");
	make_dir("l");
	while (scene->mounted < scene->overlays)
		add_overlay(scene);
}

static double floor_ms(const struct scene *scene)
{
	double start = cpu_ms();

	for (int i = 0; i < PASSES; i++) {
		struct mount_line line;
		struct strbuf text;
		char *at;

		strbuf_init(&text);
		if (root_read(scene->root, ROOT_PROC, "self/mountinfo", &text) < 0)
			die("mountinfo");
		for (at = text.data; mountinfo_next(&at, &line);) {
			const struct mount_entry entry = { .super_options = line.super_options,
							   .escaped = true };
			struct overlay_options options;

			if (strcmp(line.fstype, "overlay") != 0)
				continue;
			if (overlay_options_parse(&entry, NULL, &options) < 0)
				die("options");
			overlay_options_done(&options);
		}
		strbuf_done(&text);
	}
	return (cpu_ms() - start) / PASSES;
}

/* Adds what its two halves cost. */
static void pass(struct mount_table *table, struct overlay_scanner *scanner, int want,
		 struct cost *cost)
{
	double start = cpu_ms(), middle;
	struct overlays *set;

	if (mount_table_refresh(table, NULL, 0) < 0)
		die("table");
	middle = cpu_ms();
	if (overlay_scanner_build(scanner, table, NULL, NULL, &set) < 0)
		die("scanner");
	cost->table += middle - start;
	cost->scanner += cpu_ms() - middle;
	/* Others may have some, too. */
	if (set->n < (uint32_t)want)
		fprintf(stderr, "bench_overlay: %u overlays instead of %d\n", set->n, want);
	overlays_unref(set);
}

static void print(const char *what, const struct cost *cost, int n, double floor)
{
	printf("  %-10s %7.3f + %7.3f = %7.3f (%.2f)\n", what, cost->table / n, cost->scanner / n,
	       (cost->table + cost->scanner) / n, (cost->table + cost->scanner) / n / floor);
}

static void measure(struct scene *scene, bool mountinfo, double floor)
{
	struct overlay_scanner *scanner = NULL;
	struct mount_table *table = NULL;
	struct mount_table_stats stats;
	struct cost first = { 0 }, same = { 0 }, more = { 0 };

	if (mount_table_new(scene->root, &table) < 0 ||
	    overlay_scanner_new(scene->root, &scanner) < 0)
		die("scanner");
	if (mountinfo)
		mount_table_use_mountinfo(table);
	pass(table, scanner, scene->mounted, &first);
	for (int i = 0; i < PASSES; i++)
		pass(table, scanner, scene->mounted, &same);
	for (int i = 0; i < MORE; i++) {
		add_overlay(scene);
		pass(table, scanner, scene->mounted, &more);
	}
	mount_table_get_stats(table, &stats);
	printf("by %s, mount table + scanner (ratio to the floor):\n",
	       stats.by_statmount ? "listmount and statmount" : "mountinfo");
	print("first", &first, 1, floor);
	print("unchanged", &same, PASSES, floor);
	print("one more", &more, MORE, floor);
	overlay_scanner_free(scanner);
	mount_table_free(table);
}

int main(int argc, char **argv)
{
	struct scene scene = { .overlays = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 500,
			       .layers = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 20 };
	double floor;

	if (scene.overlays < 1 || scene.layers < 1 || root_new(NULL, &scene.root) < 0)
		return 2;
	make_scene(&scene);
	floor = floor_ms(&scene);
	printf("== %d overlays of %d layers; CPU ms a pass; floor: mountinfo read and parsed "
	       "once\n",
	       scene.overlays, scene.layers);
	measure(&scene, false, floor);
	measure(&scene, true, floor_ms(&scene));
	root_free(scene.root);
	return 0;
}
