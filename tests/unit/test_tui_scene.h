/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The terminal without a terminal, for its tests: a source that remembers what was asked of it, a
 * machine to show, and pictures as text.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/escape.h"
#include "core/cleanup.h"
#include "core/derive.h"
#include "core/join.h"
#include "fake_inventory.h"
#include "fake_snapshot.h"
#include "tui/app.h"

/* ---- a source that only remembers ---- */

struct fake_source {
	struct metric_set wanted;
	unsigned int n_wants;
	unsigned int parts, n_part_wants; /* of the inventory */
	uint64_t interval_usec;
	bool paused;
	int freezes;
	bool frozen;
	unsigned int lease_seconds;
	const char *outcome; /* of an order, until it is asked for */
	bool outcome_failed;
	struct policy_report *report; /* the agent's, or NULL */
	bool wants_policies;
	struct kernel_events *events; /* until they are taken */
	struct tui_events event_state;
	uint32_t wanted_events;
	uint64_t watched;	/* serial */
	const char *no_latency; /* or NULL */
	char frozen_path[256];
	uint64_t cpu_usec;		     /* that each process has used */
	pid_t swap_pid;			     /* this pid is another process now */
	const struct namespaces *namespaces; /* NULL: processes are made up */
};

static inline struct snapshot *source_latest(void *data)
{
	(void)data;
	return NULL;
}

static inline void source_want(void *data, const struct metric_set *columns)
{
	struct fake_source *fake = data;

	fake->wanted = *columns;
	fake->n_wants++;
}

static inline void source_want_inventory(void *data, unsigned int parts)
{
	struct fake_source *fake = data;

	fake->parts = parts;
	fake->n_part_wants++;
}

static inline void source_set_interval(void *data, uint64_t usec)
{
	((struct fake_source *)data)->interval_usec = usec;
}

static inline void source_set_paused(void *data, bool paused)
{
	((struct fake_source *)data)->paused = paused;
}

/* The processes of the inventory that are in that cgroup. */
static inline int source_known_processes(const struct namespaces *set, const struct node *node,
					 struct process_list *ret_processes)
{
	ret_processes->list = calloc(set->n_processes, sizeof(*ret_processes->list));
	for (uint32_t i = 0; i < set->n_processes; i++) {
		const struct ns_process *process = &set->processes[i];

		if (process->cgroup && strcmp(process->cgroup, node->path) == 0)
			ret_processes->list[ret_processes->n++] =
				(struct process){ .pid = process->pid,
						  .uid = process->uid,
						  .state = 'S',
						  .threads = process->threads,
						  .start_time = 77,
						  .command = strdup(process->comm) };
	}
	return 0;
}

static inline int source_processes(void *data, const struct node *node,
				   struct process_list *ret_processes)
{
	static const char *const commands[] = {
		"/sbin/init", "worker --name \x1b[31m\xff日本語",
		"a long command line that has to be cut at the edge"
	};
	struct fake_source *fake = data;

	if (fake->namespaces)
		return source_known_processes(fake->namespaces, node, ret_processes);
	if (strcmp(node->path, "/init.scope") == 0)
		return -EACCES;
	ret_processes->n = ARRAY_SIZE(commands);
	ret_processes->list = calloc(ret_processes->n, sizeof(*ret_processes->list));
	for (size_t i = 0; i < ret_processes->n; i++) {
		struct process *process = &ret_processes->list[i];

		*process = (struct process){ .pid = (pid_t)(100 + 10 * node->serial + i),
					     .uid = 4000000001u + (uid_t)i,
					     .state = "SRD"[i],
					     .threads = (uint32_t)(3 - i),
					     .start_time = 77,
					     .cpu_usec = fake->cpu_usec * (i + 1),
					     .rss_bytes = UINT64_C(1) << (20 + 4 * i) };
		if (process->pid == fake->swap_pid)
			process->start_time++;
		process->command = strdup(commands[i]);
	}
	return 0;
}

static inline int source_freeze(void *data, const struct node *node, bool frozen,
				unsigned int lease_seconds, char **ret_message)
{
	struct fake_source *fake = data;

	fake->freezes++;
	fake->frozen = frozen;
	fake->lease_seconds = lease_seconds;
	snprintf(fake->frozen_path, sizeof(fake->frozen_path), "%s", node->path);
	if (lease_seconds)
		return 1;
	return asprintf(ret_message, "frozen \x1b[7m%s", node->path) < 0 ? -ENOMEM : 0;
}

static inline void source_want_policies(void *data, bool wanted)
{
	((struct fake_source *)data)->wants_policies = wanted;
}

static inline struct policy_report *source_policies(void *data)
{
	return policy_report_ref(((struct fake_source *)data)->report);
}

static inline bool source_outcome(void *data, bool *ret_failed, char **ret_message)
{
	struct fake_source *fake = data;

	if (!fake->outcome)
		return false;
	*ret_failed = fake->outcome_failed;
	*ret_message = strdup(fake->outcome);
	fake->outcome = NULL;
	return true;
}

static inline void source_want_events(void *data, uint32_t kinds)
{
	((struct fake_source *)data)->wanted_events = kinds;
}

static inline bool source_events(void *data, struct tui_events *ret_state,
				 struct kernel_events **ret_events)
{
	struct fake_source *fake = data;

	*ret_state = fake->event_state;
	*ret_events = fake->events;
	fake->events = NULL;
	return *ret_events != NULL;
}

static inline void source_watch(void *data, uint64_t serial)
{
	((struct fake_source *)data)->watched = serial;
}

static inline void source_no_latency(void *data, char *text, size_t size)
{
	const struct fake_source *fake = data;

	snprintf(text, size, "%s", fake->no_latency ? fake->no_latency : "");
}

/* ---- a program with all of it ---- */

struct scene {
	struct fake_source fake;
	struct tui_source source;
	struct tui_options options;
	struct app app;
	struct canvas canvas;
	struct tree *tree;
	uint64_t sequence;
	struct inventory *inventory; /* NULL: none yet */
	uint64_t shift_ns;	     /* the clock is that far ahead: ages fit the inventory */
	void (*fill)(struct snapshot *snapshot, uint64_t sequence);
};

static inline void feed(struct scene *scene)
{
	struct snapshot *snapshot = fake_snapshot(tree_ref(scene->tree), &scene->fake.wanted,
						  ++scene->sequence);

	if (scene->fill)
		scene->fill(snapshot, scene->sequence);
	derive_all(snapshot);
	assert_int_equal(snapshot_finish_parts(snapshot), 0);
	snapshot->boottime_ns += scene->shift_ns;
	if (scene->inventory) {
		snapshot->inventory = inventory_ref(scene->inventory);
		assert_int_equal(join_new(snapshot->tree, scene->inventory, &snapshot->join), 0);
	}
	scene->app.now_ns = snapshot->boottime_ns + 300000000;
	app_set_snapshot(&scene->app, snapshot);
}

static inline void open_scene(struct scene *scene, const char *const *paths, uint32_t n, int width,
			      int height,
			      void (*fill)(struct snapshot *snapshot, uint64_t sequence))
{
	*scene = (struct scene){ 0 };
	scene->source = (struct tui_source){ .data = &scene->fake,
					     .event_fd = -1,
					     .latest = source_latest,
					     .want = source_want,
					     .want_inventory = source_want_inventory,
					     .set_interval = source_set_interval,
					     .set_paused = source_set_paused,
					     .processes = source_processes,
					     .want_policies = source_want_policies,
					     .policies = source_policies,
					     .outcome = source_outcome,
					     .want_events = source_want_events,
					     .events = source_events,
					     .watch = source_watch,
					     .no_latency = source_no_latency,
					     .freeze = source_freeze };
	scene->options = (struct tui_options){ .interval_usec = 1000000,
					       .hostname = "host\x1b[31m",
					       .kernel = "Linux 6.18",
					       .modes = "hybrid: 9 v1 + v2",
					       .n_cpus = 4,
					       .memory_bytes = UINT64_C(8) << 30 };
	scene->fill = fill;
	scene->tree = fake_tree(paths, n, NULL);
	assert_int_equal(app_init(&scene->app, &scene->source, &scene->options), 0);
	assert_int_equal(canvas_init(&scene->canvas, width, height, false), 0);
	scene->app.now_ns = fake_time_ns(0);
	app_set_snapshot(&scene->app, NULL);
	feed(scene);
	feed(scene);
}

static inline void close_scene(struct scene *scene)
{
	app_done(&scene->app);
	canvas_done(&scene->canvas);
	tree_unref(scene->tree);
	inventory_unref(scene->inventory);
	policy_report_unref(scene->fake.report);
	kernel_events_unref(scene->fake.events);
}

/* Keys as text, with the special ones as numbers above Unicode. */
static inline void press(struct scene *scene, uint32_t key)
{
	struct key_event event = { .key = key };

	app_draw(&scene->app, &scene->canvas);
	app_handle_key(&scene->app, &event);
}

static inline void type(struct scene *scene, const char *text)
{
	for (; *text; text++)
		press(scene, (unsigned char)*text);
}

static inline void click(struct scene *scene, int x, int y)
{
	struct key_event event = { K_CLICK, x, y };

	app_draw(&scene->app, &scene->canvas);
	app_handle_key(&scene->app, &event);
}

static inline void change_tree(struct scene *scene, const char *const *paths, uint32_t n)
{
	struct tree *tree = fake_tree(paths, n, scene->tree);

	tree_unref(scene->tree);
	scene->tree = tree;
}

static inline const char *selected_path(const struct scene *scene)
{
	uint32_t index = app_selected(&scene->app);

	return index == NODE_NONE ? "" : scene->app.snapshot->tree->nodes[index]->path;
}

/* ---- pictures ---- */

static inline void trim_line(struct strbuf *out, size_t start)
{
	while (out->length > start && out->data[out->length - 1] == ' ')
		out->data[--out->length] = '\0';
	strbuf_add_char(out, '\n');
}

static inline void add_text_row(const struct canvas *canvas, int y, struct strbuf *out)
{
	size_t start = out->length;

	for (int x = 0; x < canvas->width; x++) {
		const struct cell *cell = canvas_cell(canvas, x, y);

		for (int i = 0; i < CELL_CODES && cell->codes[i]; i++) {
			char bytes[4];

			strbuf_add(out, bytes, utf8_encode(cell->codes[i], bytes));
		}
	}
	trim_line(out, start);
}

/* The role of each cell as a letter; "-" in front of the rows that are selected. */
static inline void add_style_row(const struct canvas *canvas, int y, struct strbuf *out)
{
	size_t start = out->length;

	for (int x = 0; x < canvas->width; x++) {
		unsigned int style = canvas_cell(canvas, x, y)->style;
		char letter = theme_role_letter((enum role)(style & STYLE_ROLE));

		if (style & STYLE_SELECTED)
			letter = letter == '.' ? '#' : (char)(letter - 'a' + 'A');
		strbuf_add_char(out, letter == '.' ? ' ' : letter);
	}
	trim_line(out, start);
}

static inline void dump(const struct canvas *canvas, struct strbuf *out)
{
	for (int y = 0; y < canvas->height; y++)
		add_text_row(canvas, y, out);
	strbuf_add_string(out, "==== styles\n");
	for (int y = 0; y < canvas->height; y++)
		add_style_row(canvas, y, out);
}

static inline void row_text(const struct canvas *canvas, int y, struct strbuf *out)
{
	strbuf_clear(out);
	add_text_row(canvas, y, out);
	out->data[out->length - 1] = '\0';
}

/* ---- two machines ---- */

static const char *const machine[] = {
	"/",
	"/batch",
	"/batch/job-1",
	"/batch/job-2",
	"/init.scope",
	"/system.slice",
	"/system.slice/docker-0123456789ab.scope",
	"/system.slice/nginx.service",
	"/system.slice/postgresql.service",
	"/system.slice/postgresql.service/workers",
	"/user.slice",
	"/user.slice/user-1000.slice",
};

static inline void fill_cpu(struct snapshot *snapshot)
{
	static const struct {
		const char *path;
		double rate, throttled;
	} rows[] = {
		{ "/", 1.834, 0 },
		{ "/batch", 0.5, 0.8 },
		{ "/batch/job-1", 0.25, 0 },
		{ "/batch/job-2", 0.25, 0 },
		{ "/init.scope", 0, 0 },
		{ "/system.slice", 1.31, 0 },
		{ "/system.slice/docker-0123456789ab.scope", 0.061, 0 },
		{ "/system.slice/nginx.service", 0.35, 0.02 },
		{ "/system.slice/postgresql.service", 0.9, 0 },
		{ "/system.slice/postgresql.service/workers", 0.9, 0 },
	};

	fake_fill_state(snapshot, M_CPU_USAGE_RATE, VALUE_FIRST);
	fake_fill_state(snapshot, M_CPU_NR_PERIODS_RATE, VALUE_DISABLED);
	fake_fill_state(snapshot, M_CPU_NR_THROTTLED_RATE, VALUE_DISABLED);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_set_number(snapshot, rows[i].path, M_CPU_USAGE_RATE, rows[i].rate);
		if (rows[i].throttled <= 0)
			continue;
		fake_set_number(snapshot, rows[i].path, M_CPU_NR_PERIODS_RATE, 10);
		fake_set_number(snapshot, rows[i].path, M_CPU_NR_THROTTLED_RATE,
				rows[i].throttled * 10);
	}
}

static inline void fill_memory(struct snapshot *snapshot)
{
	const uint64_t mib = 1 << 20;

	fake_fill_state(snapshot, M_MEMORY_MAX, VALUE_UNLIMITED);
	fake_set_u64(snapshot, "/", M_MEMORY_CURRENT, 3000 * mib);
	fake_set_u64(snapshot, "/batch", M_MEMORY_CURRENT, 480 * mib);
	fake_set_u64(snapshot, "/batch", M_MEMORY_MAX, 512 * mib);
	fake_set_u64(snapshot, "/batch/job-1", M_MEMORY_CURRENT, 380 * mib);
	fake_set_u64(snapshot, "/batch/job-2", M_MEMORY_CURRENT, 100 * mib);
	fake_set_u64(snapshot, "/batch/job-2", M_MEMORY_MAX, 1024 * mib);
	fake_set_state(snapshot, "/init.scope", M_MEMORY_CURRENT, VALUE_DENIED);
	fake_set_u64(snapshot, "/system.slice", M_MEMORY_CURRENT, 2000 * mib);
	fake_set_u64(snapshot, "/system.slice/nginx.service", M_MEMORY_CURRENT, 0);
	fake_set_u64(snapshot, "/system.slice/postgresql.service", M_MEMORY_CURRENT, 1800 * mib);
	fake_set_state(snapshot, "/user.slice/user-1000.slice", M_MEMORY_CURRENT, VALUE_GONE);
	fake_set_state(snapshot, "/user.slice/user-1000.slice", M_MEMORY_MAX, VALUE_GONE);
}

static inline void fill_rest(struct snapshot *snapshot)
{
	fake_fill_state(snapshot, M_PIDS_CURRENT, VALUE_DISABLED);
	fake_set_u64(snapshot, "/batch", M_PIDS_CURRENT, 12);
	fake_set_u64(snapshot, "/batch/job-1", M_PIDS_CURRENT, 8);
	fake_set_number(snapshot, "/batch/job-1", M_IO_RBYTES_RATE, 123456789);
	fake_set_number(snapshot, "/batch/job-1", M_IO_WBYTES_RATE, 0);
	fake_set_u64(snapshot, "/batch/job-2", M_FREEZER_FROZEN, 1);
}

/* What only the detail pane asks for, of one cgroup. */
static inline void fill_details(struct snapshot *snapshot)
{
	const char *path = "/batch/job-1";
	struct part part = { .node = tree_find(snapshot->tree, path),
			     .metric = M_IO_RBYTES,
			     .key = "8:0 sd\x1b[31ma",
			     .state = VALUE_OK,
			     .value.u64 = 1 << 30 };

	if (!metric_set_has(&snapshot->wanted, M_PIDS_MAX))
		return;
	fake_set_u64(snapshot, path, M_CPU_USAGE, 3725000000);
	fake_set_state(snapshot, path, M_CPU_QUOTA, VALUE_UNLIMITED);
	fake_set_u64(snapshot, path, M_CPU_PERIOD, 100000);
	fake_set_u64(snapshot, "/batch", M_CPU_QUOTA, 50000);
	fake_set_u64(snapshot, "/batch", M_CPU_PERIOD, 100000);
	fake_set_state(snapshot, path, M_CPUSET_CPUS, VALUE_DENIED);
	fake_set_state(snapshot, path, M_PIDS_MAX, VALUE_DISABLED);
	fake_set_state(snapshot, "/batch", M_PIDS_MAX, VALUE_DISABLED);
	fake_set_u64(snapshot, path, M_MEMORY_STAT_PGFAULT, 123456);
	fake_set_number(snapshot, path, M_MEMORY_STAT_PGFAULT_RATE, 42);
	fake_set_u64(snapshot, path, M_IO_RBYTES, UINT64_C(3) << 30);
	fake_set_text(
		snapshot, path, M_CGROUP_CONTROLLERS,
		"cpuset cpu io memory hugetlb pids rdma misc and more than one line has room for");
	fake_set_text(snapshot, path, M_CGROUP_TYPE, "domain");
	assert_true(snapshot_add_part(snapshot, &part));
	part.key = "8:16 sdb";
	part.value.u64 = UINT64_C(2) << 30;
	assert_true(snapshot_add_part(snapshot, &part));
}

static inline void fill_machine(struct snapshot *snapshot, uint64_t sequence)
{
	(void)sequence;
	fill_cpu(snapshot);
	fill_memory(snapshot);
	fill_rest(snapshot);
	fill_details(snapshot);
}

static inline void open_machine(struct scene *scene, int width, int height)
{
	open_scene(scene, machine, ARRAY_SIZE(machine), width, height, fill_machine);
}

/* The machine of fake_inventory.h. Before the inventory is there: set it to NULL and feed. */
static inline void open_inventory(struct scene *scene, int width, int height)
{
	open_scene(scene, fake_inventory_paths, fake_inventory_n_paths, width, height, NULL);
	users_set(&scene->app.users, 0, "root");
	users_set(&scene->app.users, 33, "www-data");
	users_set(&scene->app.users, 1000, "ann");
	scene->inventory = fake_inventory();
	scene->fake.namespaces = scene->inventory->namespaces;
	scene->shift_ns = FAKE_NOW_NS - fake_time_ns(0);
	feed(scene);
}

static const char *const hostile[] = {
	"/",
	"/\x1b[2J\x1b]0;owned\x07",
	"/%s%n%d",
	"/Nul is \xff\xfe not here",
	"/a\nb\tc",
	"/back\\slash",
	"/e\xcc\x81\xcc\x81\xcc\x81\xcc\x81 marks",
	"/flip-\xe2\x80\xae-txt",
	"/heart \xe2\x9d\xa4\xef\xb8\x8f selector",
	"/日本語コンテナのとても長い名前がここにあります-日本語コンテナのとても長い名前",
	"/日本語コンテナのとても長い名前がここにあります-日本語コンテナのとても長い名前/"
	"👩‍👩‍👧",
	"/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	"xxxx",
};
