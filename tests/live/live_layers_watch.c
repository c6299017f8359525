// SPDX-License-Identifier: MIT
/*
 * The keeper as the agent runs it, with its thread: changes are seen without another walk where
 * fanotify can tell, lost events lead to one, and filesystems that do not answer hold nobody up.
 */
#define _GNU_SOURCE
#include "layer_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "collectors/layer_keeper.h"
#include "collectors/layer_watch.h"

enum { PATIENCE_MS = 60000, LOOK_MS = 20 };

static const uint64_t HOUR = UINT64_C(3600000000000);

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static struct layer_keeper *keep(const struct layer_keeper_options *options)
{
	struct layer_keeper *keeper;

	assert_int_equal(layer_keeper_new(options, &keeper), 0);
	return keeper;
}

static struct layer_keeper_stats stats_of(const struct layer_keeper *keeper)
{
	struct layer_keeper_stats stats;

	layer_keeper_get_stats(keeper, &stats);
	return stats;
}

/* Fills until `good` says yes of the scene's usage. */
static void fill_until(struct layer_keeper *keeper, struct scene *scene,
		       bool (*good)(const struct layer_usage *usage, const void *argument),
		       const void *argument)
{
	for (int waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
		assert_int_equal(layer_keeper_fill(keeper, &scene->set), 0);
		if (good(&scene->overlay.usage, argument))
			return;
		pause_ms(LOOK_MS);
	}
	fail_msg("not within a minute: state %s, error %d, %llu files, %llu bytes",
		 layer_state_name(scene->overlay.usage.state), scene->overlay.usage.error,
		 (unsigned long long)scene->overlay.usage.files,
		 (unsigned long long)scene->overlay.usage.bytes);
}

static bool has_state(const struct layer_usage *usage, const void *argument)
{
	return usage->state == *(const enum layer_state *)argument;
}

static void fill_until_state(struct layer_keeper *keeper, struct scene *scene,
			     enum layer_state state)
{
	fill_until(keeper, scene, has_state, &state);
}

static bool counts_as(const struct layer_usage *usage, const void *argument)
{
	const struct layer_usage *counted = argument;

	return usage->bytes == counted->bytes && usage->files == counted->files &&
	       usage->inodes == counted->inodes && usage->directories == counted->directories &&
	       usage->apparent_bytes == counted->apparent_bytes &&
	       usage->whiteouts == counted->whiteouts && usage->opaque == counted->opaque &&
	       usage->copied_up == counted->copied_up;
}

static void fill_until_counted(struct layer_keeper *keeper, struct scene *scene)
{
	struct layer_usage counted = scene_count(scene);

	fill_until(keeper, scene, counts_as, &counted);
	scene_assert_same(&scene->overlay.usage, &counted);
}

static struct scene *begin(void **state)
{
	struct scene *scene = *state;

	scene_reset(scene);
	scene_mkdir(scene, "lower/d");
	scene_write(scene, "lower/d/a", "1");
	scene_write(scene, "lower/d/b", "1");
	scene_mkdir(scene, "lower/gone");
	if (!scene_mount(scene, ""))
		fail();
	return scene;
}

static bool cannot_watch(void)
{
	if (layer_watch_works())
		return false;
	print_message("this kernel does not report what is done through overlays: walks only\n");
	return true;
}

static void a_walk_is_made(void **state)
{
	struct scene *scene = begin(state);
	struct layer_keeper_options options = { .period_ns = HOUR, .no_fanotify = true };
	struct layer_keeper *keeper = keep(&options);

	scene_append(scene, "merged/d/a", "2");
	assert_int_equal(layer_keeper_fill(keeper, &scene->set), 0);
	assert_int_equal(stats_of(keeper).layers, 1);
	fill_until_state(keeper, scene, LAYER_COMPLETE);
	fill_until_counted(keeper, scene);
	assert_false(scene->overlay.usage.incremental);
	assert_false(scene->overlay.usage.growth_known);
	assert_int_equal(stats_of(keeper).walks, 1);
	assert_int_equal(stats_of(keeper).watched, 0);
	scene->set.n = 0;
	assert_int_equal(layer_keeper_fill(keeper, &scene->set), 0);
	assert_int_equal(stats_of(keeper).layers, 0);
	layer_keeper_free(keeper);
}

static void walks_are_made_again(void **state)
{
	struct scene *scene = begin(state);
	struct layer_keeper_options options = { .period_ns = 1, .no_fanotify = true };
	struct layer_keeper *keeper = keep(&options);

	fill_until_state(keeper, scene, LAYER_COMPLETE);
	scene_write(scene, "merged/new", "12345");
	fill_until_counted(keeper, scene);
	assert_true(stats_of(keeper).walks > 1);
	layer_keeper_free(keeper);
}

static void a_change_is_seen_without_a_walk(void **state)
{
	struct scene *scene = begin(state);
	struct layer_keeper_options options = { .period_ns = HOUR };
	struct layer_keeper *keeper = keep(&options);

	fill_until_state(keeper, scene, LAYER_COMPLETE);
	if (cannot_watch()) {
		assert_int_equal(stats_of(keeper).watched, 0);
		assert_false(scene->overlay.usage.incremental);
		layer_keeper_free(keeper);
		return;
	}
	scene_write(scene, "merged/new", "12345");
	fill_until_counted(keeper, scene);
	assert_true(scene->overlay.usage.incremental);
	assert_int_equal(scene->overlay.usage.files, 1);
	assert_int_equal(scene->overlay.usage.created, 1);
	assert_int_equal(stats_of(keeper).walks, 1);
	assert_int_equal(stats_of(keeper).watched, 1);
	assert_true(stats_of(keeper).events > 0);
	layer_keeper_free(keeper);
}

static void all_kinds_of_changes_are_seen(void **state)
{
	struct scene *scene = begin(state);
	struct layer_keeper_options options = { .period_ns = HOUR };
	struct layer_keeper *keeper = keep(&options);

	if (cannot_watch()) {
		layer_keeper_free(keeper);
		return;
	}
	fill_until_state(keeper, scene, LAYER_COMPLETE);
	scene_append(scene, "merged/d/a", "23");
	fill_until_counted(keeper, scene);
	scene_remove(scene, "merged/d/b");
	fill_until_counted(keeper, scene);
	scene_mkdir(scene, "merged/x");
	scene_mkdir(scene, "merged/x/y");
	scene_mkdir(scene, "merged/x/y/z");
	scene_write(scene, "merged/x/y/z/file", "123");
	fill_until_counted(keeper, scene);
	scene_rename(scene, "merged/x/y", "merged/y");
	fill_until_counted(keeper, scene);
	scene_write(scene, "merged/y/z/file", "1");
	fill_until_counted(keeper, scene);
	assert_int_equal(
		link(scene_path(scene, "merged/y/z/file"), scene_path(scene, "merged/y/z/second")),
		0);
	fill_until_counted(keeper, scene);
	scene_remove(scene, "merged/y");
	fill_until_counted(keeper, scene);
	scene_remove(scene, "merged/gone");
	scene_mkdir(scene, "merged/gone");
	fill_until_counted(keeper, scene);
	assert_int_equal(scene->overlay.usage.opaque, 1);
	layer_keeper_free(keeper);
}

/* Only the directory of the new name is told of: the numbers of the other one are not true then. */
static void a_second_name_elsewhere(void **state)
{
	struct scene *scene = begin(state);
	struct layer_keeper_options options = { .period_ns = HOUR };
	struct layer_keeper *keeper = keep(&options);

	if (cannot_watch()) {
		layer_keeper_free(keeper);
		return;
	}
	scene_mkdir(scene, "merged/one");
	scene_mkdir(scene, "merged/two");
	scene_write(scene, "merged/one/file", "12345");
	fill_until_counted(keeper, scene);
	assert_int_equal(
		link(scene_path(scene, "merged/one/file"), scene_path(scene, "merged/two/file")),
		0);
	fill_until_counted(keeper, scene);
	layer_keeper_free(keeper);
}

static void a_file_that_stays_open_grows(void **state)
{
	struct scene *scene = begin(state);
	struct layer_keeper_options options = { .period_ns = HOUR };
	struct layer_keeper *keeper = keep(&options);
	char block[4096] = { 0 };
	int fd;

	if (cannot_watch()) {
		layer_keeper_free(keeper);
		return;
	}
	fill_until_state(keeper, scene, LAYER_COMPLETE);
	fd = open(scene_path(scene, "merged/log"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	fill_until_counted(keeper, scene);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
		fill_until_counted(keeper, scene);
	}
	assert_int_equal(stats_of(keeper).walks, 1);
	close(fd);
	layer_keeper_free(keeper);
}

struct heard {
	uint64_t overflows, others;
};

static void hear(void *argument, const struct layer_event *event)
{
	struct heard *heard = argument;

	if (event->overflow)
		heard->overflows++;
	else
		heard->others++;
}

/* How many events a queue holds. */
static long queue_limit(void)
{
	FILE *file = fopen("/proc/sys/fs/fanotify/max_queued_events", "re");
	long limit = 16384;

	if (file && fscanf(file, "%ld", &limit) != 1)
		limit = 16384;
	if (file)
		fclose(file);
	return limit;
}

/* Names that all differ, so that no two events are one. */
static void flood(const struct scene *scene)
{
	long n = queue_limit() + 100;

	for (long i = 0; i < n; i++) {
		char name[64];

		snprintf(name, sizeof(name), "upper/d/flood-%ld", i);
		assert_int_equal(symlink("x", scene_path(scene, name)), 0);
	}
}

static void too_many_events_are_told_of(void **state)
{
	struct scene *scene = begin(state);
	struct heard heard = { 0 };
	struct layer_watch *watch;
	struct stat status;
	int fd = open(scene_path(scene, "upper"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(mkdir(scene_path(scene, "upper/d"), 0755), 0);
	assert_int_equal(layer_watch_new(&watch), 0);
	if (layer_watch_add(watch, fd, status.st_dev) < 0) {
		print_message("no marks on a filesystem here\n");
	} else {
		flood(scene);
		while (layer_watch_read(watch, hear, &heard) > 0)
			continue;
		assert_int_equal(heard.overflows, 1);
		assert_true(heard.others > 0);
	}
	layer_watch_free(watch);
	close(fd);
}

/* A second overlay of the set, on a filesystem whose server is dead. */
struct dead {
	struct overlay list[2];
	struct overlay_layer layer;
	int fuse;
};

static bool add_dead(struct scene *scene, struct dead *dead, const char *fstype)
{
	static char path[512];

	dead->fuse = scene_mount_dead(scene, "dead");
	if (dead->fuse < 0) {
		print_message("no FUSE here\n");
		return false;
	}
	snprintf(path, sizeof(path), "%s/dead/upper", scene->top);
	dead->layer = (struct overlay_layer){ .kind = OVERLAY_UPPER, .path = path };
	dead->list[0] = (struct overlay){ .device = 2000,
					  .fstype = "overlay",
					  .layers = &dead->layer,
					  .n_layers = 1,
					  .backing_fstype = fstype };
	dead->list[1] = scene->overlay;
	scene->set = (struct overlays){ .list = dead->list, .n = 2 };
	return true;
}

static void release_dead(struct scene *scene, struct dead *dead)
{
	close(dead->fuse);
	umount2(scene_path(scene, "dead"), MNT_DETACH);
}

static void fill_dead_until(struct layer_keeper *keeper, struct scene *scene, struct dead *dead,
			    enum layer_state state)
{
	for (int waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
		assert_int_equal(layer_keeper_fill(keeper, &scene->set), 0);
		if (dead->list[0].usage.state == state)
			return;
		pause_ms(LOOK_MS);
	}
	fail_msg("not %s but %s", layer_state_name(state),
		 layer_state_name(dead->list[0].usage.state));
}

static void lost_events_lead_to_a_walk(void **state)
{
	struct scene *scene = begin(state);
	struct layer_keeper_options options = { .period_ns = HOUR, .stuck_ns = 300000000 };
	struct layer_keeper *keeper = keep(&options);
	struct dead dead;

	if (cannot_watch()) {
		layer_keeper_free(keeper);
		return;
	}
	scene_mkdir(scene, "merged/d/new");
	fill_until_counted(keeper, scene);
	/* The thread itself is made to hang, as on a dead disk: nobody reads events. */
	if (!add_dead(scene, &dead, "ext4")) {
		layer_keeper_free(keeper);
		return;
	}
	fill_dead_until(keeper, scene, &dead, LAYER_STUCK);
	flood(scene);
	release_dead(scene, &dead);
	for (int waited = 0; waited < PATIENCE_MS && stats_of(keeper).walks < 3; waited += LOOK_MS)
		pause_ms(LOOK_MS);
	assert_true(stats_of(keeper).overflows > 0);
	assert_true(stats_of(keeper).walks >= 3);
	scene->set = (struct overlays){ .list = &scene->overlay, .n = 1 };
	fill_until_state(keeper, scene, LAYER_COMPLETE);
	assert_int_equal(scene->overlay.usage.symlinks, queue_limit() + 100);
	layer_keeper_free(keeper);
}

static void a_dead_server_is_left(void **state)
{
	struct scene *scene = begin(state);
	struct layer_keeper_options options = { .period_ns = 1, .stuck_ns = 300000000 };
	struct layer_keeper *keeper = keep(&options);
	struct dead dead;

	if (!add_dead(scene, &dead, "fuse.dead")) {
		layer_keeper_free(keeper);
		return;
	}
	fill_dead_until(keeper, scene, &dead, LAYER_STUCK);
	assert_int_equal(dead.list[0].usage.error, -ETIMEDOUT);
	/* The others are measured none the less. */
	for (int waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
		assert_int_equal(layer_keeper_fill(keeper, &scene->set), 0);
		if (dead.list[1].usage.state == LAYER_COMPLETE)
			break;
		pause_ms(LOOK_MS);
	}
	assert_int_equal(dead.list[1].usage.state, LAYER_COMPLETE);
	assert_true(stats_of(keeper).stuck > 0);
	/* When it is let go, the state is another one. */
	release_dead(scene, &dead);
	fill_dead_until(keeper, scene, &dead, LAYER_FAILED);
	layer_keeper_free(keeper);
}

static void run_comes_back_from_a_dead_server(void **state)
{
	struct scene *scene = begin(state);
	struct layer_keeper_options options = { .no_thread = true, .stuck_ns = 300000000 };
	struct layer_keeper *keeper = keep(&options);
	struct dead dead;

	if (!add_dead(scene, &dead, NULL)) {
		layer_keeper_free(keeper);
		return;
	}
	assert_int_equal(layer_keeper_run(keeper, &scene->set, 0), 0);
	assert_int_equal(dead.list[0].usage.state, LAYER_STUCK);
	assert_int_equal(dead.list[1].usage.state, LAYER_COMPLETE);
	layer_keeper_free(keeper);
	release_dead(scene, &dead);
}

/* A keeper whose own thread hangs can be freed; the thread frees the rest when it can. */
static void a_keeper_that_hangs_is_freed(void **state)
{
	struct scene *scene = begin(state);
	struct layer_keeper_options options = { .stuck_ns = 300000000, .no_fanotify = true };
	struct layer_keeper *keeper = keep(&options);
	struct dead dead;

	if (add_dead(scene, &dead, "ext4")) {
		fill_dead_until(keeper, scene, &dead, LAYER_STUCK);
		layer_keeper_free(keeper);
		release_dead(scene, &dead);
		return;
	}
	layer_keeper_free(keeper);
}

static void a_budget_is_kept_and_a_walk_resumed(void **state)
{
	struct scene *scene = begin(state);
	struct layer_keeper_options options = { .no_thread = true, .entries_per_second = 400 };
	struct layer_keeper *keeper = keep(&options);
	int runs = 0;

	for (int i = 0; i < 300; i++) {
		char name[64];

		snprintf(name, sizeof(name), "merged/file-%d", i);
		scene_write(scene, name, "1");
	}
	do {
		assert_int_equal(layer_keeper_run(keeper, &scene->set, 50000000), 0);
		runs++;
	} while (scene->overlay.usage.state == LAYER_PENDING && runs < 10000);
	assert_true(runs > 1);
	assert_int_equal(scene->overlay.usage.state, LAYER_COMPLETE);
	fill_until_counted(keeper, scene);
	assert_int_equal(stats_of(keeper).walks, 1);
	layer_keeper_free(keeper);
}

static void a_walk_is_cancelled(void **state)
{
	struct scene *scene = begin(state);
	struct layer_keeper_options options = { .entries_per_second = 1 };
	struct layer_keeper *keeper = keep(&options);

	for (int i = 0; i < 300; i++) {
		char name[64];

		snprintf(name, sizeof(name), "merged/file-%d", i);
		scene_write(scene, name, "1");
	}
	for (int waited = 0; waited < PATIENCE_MS && stats_of(keeper).entries == 0;
	     waited += LOOK_MS) {
		assert_int_equal(layer_keeper_fill(keeper, &scene->set), 0);
		pause_ms(LOOK_MS);
	}
	assert_int_equal(scene->overlay.usage.state, LAYER_PENDING);
	layer_keeper_free(keeper);
}

static void an_upper_layer_that_is_gone(void **state)
{
	struct scene *scene = begin(state);
	struct layer_keeper_options options = { .no_thread = true };
	struct layer_keeper *keeper = keep(&options);

	scene_remove(scene, "upper");
	assert_int_equal(layer_keeper_run(keeper, &scene->set, 0), 0);
	assert_int_equal(scene->overlay.usage.state, LAYER_FAILED);
	assert_int_equal(scene->overlay.usage.error, -ENOENT);
	scene_mkdir(scene, "upper");
	scene->layers[0].device = makedev(7, 7);
	assert_int_equal(layer_keeper_run(keeper, &scene->set, 0), 0);
	assert_int_equal(scene->overlay.usage.state, LAYER_FAILED);
	assert_int_equal(scene->overlay.usage.error, -ESTALE);
	layer_keeper_free(keeper);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_walk_is_made),
		cmocka_unit_test(walks_are_made_again),
		cmocka_unit_test(a_change_is_seen_without_a_walk),
		cmocka_unit_test(all_kinds_of_changes_are_seen),
		cmocka_unit_test(a_second_name_elsewhere),
		cmocka_unit_test(a_file_that_stays_open_grows),
		cmocka_unit_test(too_many_events_are_told_of),
		cmocka_unit_test(lost_events_lead_to_a_walk),
		cmocka_unit_test(a_dead_server_is_left),
		cmocka_unit_test(run_comes_back_from_a_dead_server),
		cmocka_unit_test(a_keeper_that_hangs_is_freed),
		cmocka_unit_test(a_budget_is_kept_and_a_walk_resumed),
		cmocka_unit_test(a_walk_is_cancelled),
		cmocka_unit_test(an_upper_layer_that_is_gone),
	};
	int failed;

	failed = cmocka_run_group_tests(tests, scene_setup, scene_teardown);
	scene_wait_threads();
	return failed;
}
