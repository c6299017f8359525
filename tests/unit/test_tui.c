// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
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

#include "core/cleanup.h"
#include "core/derive.h"
#include "fake_snapshot.h"
#include "tui/app.h"
#include "tui/header.h"
#include "tui/history.h"
#include "tui/view_table.h"

#ifndef CGWATCH_SOURCE_DIR
#define CGWATCH_SOURCE_DIR "."
#endif

/* ---- a source that only remembers ------------------------------------------------------------ */

struct fake_source {
	struct metric_set wanted;
	unsigned int n_wants;
	uint64_t interval_usec;
	bool paused;
	int freezes;
	bool frozen;
	char frozen_path[256];
	uint64_t cpu_usec; /* that each process has used */
	pid_t swap_pid;	   /* this pid is another process now */
};

static struct snapshot *source_latest(void *data)
{
	(void)data;
	return NULL;
}

static void source_want(void *data, const struct metric_set *columns)
{
	struct fake_source *fake = data;

	fake->wanted = *columns;
	fake->n_wants++;
}

static void source_set_interval(void *data, uint64_t usec)
{
	((struct fake_source *)data)->interval_usec = usec;
}

static void source_set_paused(void *data, bool paused)
{
	((struct fake_source *)data)->paused = paused;
}

static int source_processes(void *data, const struct node *node, struct process_list *ret_processes)
{
	static const char *const commands[] = {
		"/sbin/init", "worker --name \x1b[31m\xff日本語",
		"a long command line that has to be cut at the edge"
	};
	struct fake_source *fake = data;

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

static int source_freeze(void *data, const struct node *node, bool frozen, char **ret_message)
{
	struct fake_source *fake = data;

	fake->freezes++;
	fake->frozen = frozen;
	snprintf(fake->frozen_path, sizeof(fake->frozen_path), "%s", node->path);
	return asprintf(ret_message, "frozen \x1b[7m%s", node->path) < 0 ? -ENOMEM : 0;
}

/* ---- a program with all of it ------------------------------------------------------------------
 */

struct scene {
	struct fake_source fake;
	struct tui_source source;
	struct tui_options options;
	struct app app;
	struct canvas canvas;
	struct tree *tree;
	uint64_t sequence;
	void (*fill)(struct snapshot *snapshot, uint64_t sequence);
};

static void feed(struct scene *scene)
{
	struct snapshot *snapshot = fake_snapshot(tree_ref(scene->tree), &scene->fake.wanted,
						  ++scene->sequence);

	if (scene->fill)
		scene->fill(snapshot, scene->sequence);
	derive_all(snapshot);
	assert_int_equal(snapshot_finish_parts(snapshot), 0);
	scene->app.now_ns = fake_time_ns(scene->sequence) + 300000000;
	app_set_snapshot(&scene->app, snapshot);
}

static void open_scene(struct scene *scene, const char *const *paths, uint32_t n, int width,
		       int height, void (*fill)(struct snapshot *snapshot, uint64_t sequence))
{
	*scene = (struct scene){ 0 };
	scene->source = (struct tui_source){ &scene->fake,	  -1,
					     source_latest,	  source_want,
					     source_set_interval, source_set_paused,
					     source_processes,	  source_freeze };
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

static void close_scene(struct scene *scene)
{
	app_done(&scene->app);
	canvas_done(&scene->canvas);
	tree_unref(scene->tree);
}

/* Keys as text, with the special ones as numbers above Unicode. */
static void press(struct scene *scene, uint32_t key)
{
	struct key_event event = { .key = key };

	app_draw(&scene->app, &scene->canvas);
	app_handle_key(&scene->app, &event);
}

static void type(struct scene *scene, const char *text)
{
	for (; *text; text++)
		press(scene, (unsigned char)*text);
}

static void click(struct scene *scene, int x, int y)
{
	struct key_event event = { K_CLICK, x, y };

	app_draw(&scene->app, &scene->canvas);
	app_handle_key(&scene->app, &event);
}

static void change_tree(struct scene *scene, const char *const *paths, uint32_t n)
{
	struct tree *tree = fake_tree(paths, n, scene->tree);

	tree_unref(scene->tree);
	scene->tree = tree;
}

static const char *selected_path(const struct scene *scene)
{
	uint32_t index = app_selected(&scene->app);

	return index == NODE_NONE ? "" : scene->app.snapshot->tree->nodes[index]->path;
}

/* ---- pictures -----------------------------------------------------------------------------------
 */

static size_t encode(uint32_t code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

static void trim_line(struct strbuf *out, size_t start)
{
	while (out->length > start && out->data[out->length - 1] == ' ')
		out->data[--out->length] = '\0';
	strbuf_add_char(out, '\n');
}

static void add_text_row(const struct canvas *canvas, int y, struct strbuf *out)
{
	size_t start = out->length;

	for (int x = 0; x < canvas->width; x++) {
		const struct cell *cell = canvas_cell(canvas, x, y);

		for (int i = 0; i < CELL_CODES && cell->codes[i]; i++) {
			char bytes[4];

			strbuf_add(out, bytes, encode(cell->codes[i], bytes));
		}
	}
	trim_line(out, start);
}

/* The role of each cell as a letter; "-" in front of the rows that are selected. */
static void add_style_row(const struct canvas *canvas, int y, struct strbuf *out)
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

static void dump(const struct canvas *canvas, struct strbuf *out)
{
	for (int y = 0; y < canvas->height; y++)
		add_text_row(canvas, y, out);
	strbuf_add_string(out, "==== styles\n");
	for (int y = 0; y < canvas->height; y++)
		add_style_row(canvas, y, out);
}

static void write_golden(const char *path, const struct strbuf *text)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text->data, 1, text->length, file), text->length);
}

static void compare_golden(const char *path, const struct strbuf *text)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "r");
	_cleanup_(freep) char *expected = NULL;
	size_t capacity = 0;
	ssize_t length;

	if (!file)
		fail_msg("%s is missing: run with UPDATE_GOLDEN=1", path);
	length = getdelim(&expected, &capacity, EOF, file);
	if (length != (ssize_t)text->length || memcmp(expected, text->data, text->length) != 0)
		fail_msg("%s differs; this is drawn now:\n%s", path, text->data);
}

static void check_golden(struct scene *scene, const char *name)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	char path[512];

	app_draw(&scene->app, &scene->canvas);
	dump(&scene->canvas, &text);
	assert_false(text.failed);
	snprintf(path, sizeof(path), "%s/tests/golden/tui-%s.txt", CGWATCH_SOURCE_DIR, name);
	if (getenv("UPDATE_GOLDEN"))
		write_golden(path, &text);
	else
		compare_golden(path, &text);
}

/* ---- two machines
 * --------------------------------------------------------------------------------- */

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

static void fill_cpu(struct snapshot *snapshot)
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

static void fill_memory(struct snapshot *snapshot)
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

static void fill_rest(struct snapshot *snapshot)
{
	fake_fill_state(snapshot, M_PIDS_CURRENT, VALUE_DISABLED);
	fake_set_u64(snapshot, "/batch", M_PIDS_CURRENT, 12);
	fake_set_u64(snapshot, "/batch/job-1", M_PIDS_CURRENT, 8);
	fake_set_number(snapshot, "/batch/job-1", M_IO_RBYTES_RATE, 123456789);
	fake_set_number(snapshot, "/batch/job-1", M_IO_WBYTES_RATE, 0);
	fake_set_u64(snapshot, "/batch/job-2", M_FREEZER_FROZEN, 1);
}

/* What only the detail pane asks for, of one cgroup. */
static void fill_details(struct snapshot *snapshot)
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

static void fill_machine(struct snapshot *snapshot, uint64_t sequence)
{
	(void)sequence;
	fill_cpu(snapshot);
	fill_memory(snapshot);
	fill_rest(snapshot);
	fill_details(snapshot);
}

static void open_machine(struct scene *scene, int width, int height)
{
	open_scene(scene, machine, ARRAY_SIZE(machine), width, height, fill_machine);
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

/* ---- canvas
 * ---------------------------------------------------------------------------------------- */

static void row_text(const struct canvas *canvas, int y, struct strbuf *out)
{
	strbuf_clear(out);
	add_text_row(canvas, y, out);
	out->data[out->length - 1] = '\0';
}

static void test_canvas_clips(void **state)
{
	_cleanup_(canvas_done) struct canvas canvas;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	assert_int_equal(canvas_init(&canvas, 10, 3, false), 0);
	assert_int_equal(canvas_text(&canvas, 7, 0, 20, "abcdef", 0), 6);
	canvas_text(&canvas, -2, 1, 20, "abcdef", 0);
	canvas_text(&canvas, 0, -1, 20, "x", 0);
	canvas_text(&canvas, 0, 3, 20, "x", 0);
	canvas_set_clip(&canvas, (struct rect){ 2, 2, 3, 9 });
	canvas_text(&canvas, 0, 2, 20, "0123456789", ROLE_BAD);
	canvas_mark(&canvas, 0, 2, 10, STYLE_SELECTED);
	row_text(&canvas, 0, &text);
	assert_string_equal(text.data, "       abc");
	row_text(&canvas, 1, &text);
	assert_string_equal(text.data, "cdef");
	row_text(&canvas, 2, &text);
	assert_string_equal(text.data, "  234");
	assert_int_equal(canvas_cell(&canvas, 4, 2)->style, ROLE_BAD | STYLE_SELECTED);
	assert_int_equal(canvas_cell(&canvas, 5, 2)->style, ROLE_DEFAULT);
}

static void test_canvas_wide(void **state)
{
	_cleanup_(canvas_done) struct canvas canvas;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	assert_int_equal(canvas_init(&canvas, 8, 4, false), 0);
	assert_int_equal(canvas_text_width(&canvas, "a日b"), 4);
	/* Half of a character does not fit. */
	assert_int_equal(canvas_text(&canvas, 0, 0, 3, "日本", 0), 2);
	/* At the clip's edge as well. */
	canvas_text(&canvas, 5, 1, 9, "日本", 0);
	row_text(&canvas, 1, &text);
	assert_string_equal(text.data, "     日");
	/* Drawing over either half leaves a blank for the other. */
	canvas_text(&canvas, 0, 2, 8, "日本日", 0);
	canvas_text(&canvas, 1, 2, 1, "x", 0);
	canvas_text(&canvas, 2, 2, 1, "y", 0);
	row_text(&canvas, 2, &text);
	assert_string_equal(text.data, " xy 日");
	assert_int_equal(canvas_cell(&canvas, 4, 2)->width, 2);
	assert_int_equal(canvas_cell(&canvas, 5, 2)->width, 0);
	canvas_text(&canvas, 5, 2, 2, "日", 0);
	row_text(&canvas, 2, &text);
	assert_string_equal(text.data, " xy  日");
	/* Marks stay on their letter, and there is an end to them. */
	assert_int_equal(canvas_text(&canvas, 0, 3, 8, "\xcc\x81 e\xcc\x81\xcc\x81\xcc\x81!", 0),
			 3);
	assert_int_equal(canvas_cell(&canvas, 0, 3)->codes[1], 0);
	assert_int_equal(canvas_cell(&canvas, 1, 3)->codes[1], 0x301);
	assert_int_equal(canvas_cell(&canvas, 2, 3)->codes[0], '!');
}

static void test_canvas_cuts(void **state)
{
	_cleanup_(canvas_done) struct canvas canvas;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	assert_int_equal(canvas_init(&canvas, 8, 4, false), 0);
	assert_int_equal(canvas_text_cut(&canvas, 0, 0, 5, "abcdef", CUT_END, 0), 5);
	assert_int_equal(canvas_text_cut(&canvas, 0, 1, 5, "abcdef", CUT_START, 0), 5);
	assert_int_equal(canvas_text_cut(&canvas, 0, 2, 6, "日本日本", CUT_START, 0), 5);
	canvas_text_right(&canvas, 0, 3, 8, "日x", 0);
	row_text(&canvas, 0, &text);
	assert_string_equal(text.data, "abcd…");
	row_text(&canvas, 1, &text);
	assert_string_equal(text.data, "…cdef");
	row_text(&canvas, 2, &text);
	assert_string_equal(text.data, "…日本");
	row_text(&canvas, 3, &text);
	assert_string_equal(text.data, "     日x");
	assert_int_equal(canvas_text_fit(&canvas, "日本日", 5), 6);
	assert_int_equal(canvas_text_fit(&canvas, "日", 1), 3);
	assert_int_equal(canvas_text_cut(&canvas, 0, 0, 0, "abc", CUT_END, 0), 0);
}

static void test_canvas_unsafe_bytes(void **state)
{
	_cleanup_(canvas_done) struct canvas canvas, ascii;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	assert_int_equal(canvas_init(&canvas, 30, 2, false), 0);
	assert_int_equal(canvas_init(&ascii, 30, 2, true), 0);
	/* ESC, DEL, C1, a lone byte, a variation selector, a tag. */
	assert_int_equal(canvas_text(&canvas, 0, 0, 30,
				     "a\x1b\x7f\xc2\x9b\xff\xef\xb8\x8f\xf3\xa0\x81\xa1z", 0),
			 8);
	row_text(&canvas, 0, &text);
	assert_string_equal(text.data, "a������z");
	canvas_text(&ascii, 0, 0, 30, "é日\xff\x1b", 0);
	row_text(&ascii, 0, &text);
	assert_string_equal(text.data, "\\u00e9\\u65e5??");
	assert_int_equal(canvas_text_width(&ascii, "é"), 6);
	canvas_text_cut(&ascii, 0, 1, 4, "abcdef", CUT_END, 0);
	row_text(&ascii, 1, &text);
	assert_string_equal(text.data, "abc~");
}

/* ---- the view
 * --------------------------------------------------------------------------------------- */

static void test_cursor_stays(void **state)
{
	static const char *const more[] = {
		"/", "/aaa", "/aaa/new", "/batch", "/batch/job-1", "/batch/job-2", "/system.slice",
	};
	static const char *const fewer[] = { "/", "/aaa", "/batch", "/batch/job-2" };
	struct scene scene;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	app_draw(&scene.app, &scene.canvas);
	press(&scene, K_DOWN);
	press(&scene, 'j');
	assert_string_equal(selected_path(&scene), "/batch/job-1");
	/* Rows come above it. */
	change_tree(&scene, more, ARRAY_SIZE(more));
	feed(&scene);
	assert_string_equal(selected_path(&scene), "/batch/job-1");
	assert_int_equal(scene.app.view.list.cursor, 4);
	/* The order changes. */
	press(&scene, 't');
	press(&scene, 'N');
	assert_string_equal(selected_path(&scene), "/batch/job-1");
	press(&scene, 't');
	/* It goes away: the row stays. */
	change_tree(&scene, fewer, ARRAY_SIZE(fewer));
	feed(&scene);
	assert_int_equal(scene.app.view.list.cursor, 3);
	assert_string_equal(selected_path(&scene), "/batch/job-2");
	close_scene(&scene);
}

static void test_cursor_on_first_row_stays_first(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 24);
	press(&scene, 't');
	assert_string_equal(selected_path(&scene), "/");
	press(&scene, 'I');
	assert_string_equal(selected_path(&scene), "/init.scope");
	press(&scene, K_DOWN);
	assert_string_equal(selected_path(&scene), "/system.slice/docker-0123456789ab.scope");
	press(&scene, 'I');
	assert_string_equal(selected_path(&scene), "/system.slice/docker-0123456789ab.scope");
	press(&scene, K_HOME);
	assert_string_equal(selected_path(&scene), "/");
	close_scene(&scene);
}

static void test_fold(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	assert_int_equal(scene.app.view.n_rows, 12);
	press(&scene, K_DOWN);
	press(&scene, K_DOWN);
	/* From a leaf to its parent, then shut, then open, then in. */
	press(&scene, K_LEFT);
	assert_string_equal(selected_path(&scene), "/batch");
	press(&scene, K_LEFT);
	assert_int_equal(scene.app.view.n_rows, 10);
	press(&scene, K_RIGHT);
	assert_int_equal(scene.app.view.n_rows, 12);
	press(&scene, K_RIGHT);
	assert_string_equal(selected_path(&scene), "/batch/job-1");
	/* What is folded away hands the cursor to what it is folded into. */
	press(&scene, '=');
	assert_int_equal(scene.app.view.n_rows, 5);
	assert_string_equal(selected_path(&scene), "/batch");
	press(&scene, ' ');
	assert_int_equal(scene.app.view.n_rows, 7);
	press(&scene, '2');
	assert_int_equal(scene.app.view.n_rows, 11);
	press(&scene, '*');
	assert_int_equal(scene.app.view.n_rows, 12);
	press(&scene, '-');
	feed(&scene);
	assert_int_equal(scene.app.view.n_rows, 10);
	press(&scene, '+');
	assert_int_equal(scene.app.view.n_rows, 12);
	close_scene(&scene);
}

static void test_sort(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 120, 24);
	/* Siblings are sorted, the tree is kept: system.slice uses most. */
	press(&scene, K_DOWN);
	assert_string_equal(selected_path(&scene), "/system.slice");
	press(&scene, K_DOWN);
	assert_string_equal(selected_path(&scene), "/system.slice/postgresql.service");
	press(&scene, 'M');
	assert_int_equal(scene.app.view.sort, M_MEMORY_CURRENT);
	press(&scene, '>');
	assert_int_equal(scene.app.view.sort, M_MEMORY_LIMIT);
	press(&scene, 'P');
	press(&scene, '<');
	assert_true(scene.app.view.by_path);
	press(&scene, '<');
	assert_true(scene.app.view.by_path);
	press(&scene, '>');
	assert_int_equal(scene.app.view.sort, M_CPU_USAGE_RATE);
	assert_false(scene.app.view.by_path);
	/* From the list of columns: the first is the name. */
	press(&scene, 's');
	press(&scene, K_DOWN);
	press(&scene, K_DOWN);
	press(&scene, K_ENTER);
	assert_int_equal(scene.app.view.sort, M_MEMORY_CURRENT);
	/* By a click on the heading, twice for the other way. */
	click(&scene, 119, 3);
	assert_int_equal(scene.app.view.sort, M_IO_WBYTES_RATE);
	assert_false(scene.app.view.ascending);
	click(&scene, 119, 3);
	assert_true(scene.app.view.ascending);
	click(&scene, 2, 3);
	assert_true(scene.app.view.by_path);
	/* And on a row. */
	click(&scene, 2, 6);
	assert_string_equal(selected_path(&scene), "/batch/job-1");
	close_scene(&scene);
}

static void test_filter(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	press(&scene, '/');
	type(&scene, "POST");
	/* While typing; with what leads to a match. */
	assert_int_equal(scene.app.view.n_matched, 2);
	assert_int_equal(scene.app.view.n_rows, 4);
	press(&scene, K_BACKSPACE);
	press(&scene, K_ENTER);
	assert_false(scene.app.prompt.active);
	assert_int_equal(scene.app.view.n_matched, 2);
	/* Esc at the prompt goes back to the filter before, Esc without one clears it. */
	press(&scene, '/');
	type(&scene, "zzz");
	assert_int_equal(scene.app.view.n_rows, 0);
	feed(&scene);
	app_draw(&scene.app, &scene.canvas);
	press(&scene, K_DOWN);
	press(&scene, K_ESCAPE);
	assert_string_equal(scene.app.view.filter, "POS");
	press(&scene, K_ESCAPE);
	assert_int_equal(scene.app.view.n_rows, 12);
	/* A glob. */
	press(&scene, '/');
	type(&scene, "/batch/*");
	assert_true(scene.app.view.filter_is_glob);
	assert_int_equal(scene.app.view.n_matched, 2);
	/* In a list only matches stand. */
	press(&scene, K_ENTER);
	press(&scene, 't');
	assert_int_equal(scene.app.view.n_rows, 2);
	close_scene(&scene);
}

static void test_new_ones_are_marked_for_a_while(void **state)
{
	static const char *const after[] = { "/", "/batch", "/newcomer" };
	const struct node *node;
	struct scene scene;

	(void)state;
	open_scene(&scene, machine, 2, 80, 24, NULL);
	assert_false(view_is_new(&scene.app.view, scene.tree->nodes[1], scene.app.now_ns));
	change_tree(&scene, after, ARRAY_SIZE(after));
	feed(&scene);
	node = scene.tree->nodes[2];
	assert_true(view_is_new(&scene.app.view, node, scene.app.now_ns));
	assert_false(view_is_new(&scene.app.view, scene.tree->nodes[1], scene.app.now_ns));
	feed(&scene);
	assert_true(view_is_new(&scene.app.view, node, scene.app.now_ns));
	for (int i = 0; i < 4; i++)
		feed(&scene);
	assert_false(view_is_new(&scene.app.view, node, scene.app.now_ns));
	close_scene(&scene);
}

static void fill_procs(struct snapshot *snapshot, uint64_t sequence)
{
	(void)sequence;
	if (!metric_set_has(&snapshot->wanted, M_CGROUP_PROCS))
		return;
	for (uint32_t i = 0; i < snapshot->tree->n; i++)
		snapshot_set(snapshot, M_CGROUP_PROCS, i, (union value){ .u64 = i == 9 });
}

static void test_hide_empty(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, fill_procs);
	assert_false(metric_set_has(&scene.fake.wanted, M_CGROUP_PROCS_SUBTREE));
	press(&scene, 'e');
	assert_true(metric_set_has(&scene.fake.wanted, M_CGROUP_PROCS_SUBTREE));
	/* The numbers are not there yet: nothing is hidden on a guess. */
	assert_int_equal(scene.app.view.n_rows, 12);
	feed(&scene);
	assert_int_equal(scene.app.view.n_rows, 4);
	close_scene(&scene);
}

static void fill_rising(struct snapshot *snapshot, uint64_t sequence)
{
	for (uint32_t i = 0; i < snapshot->tree->n; i++)
		snapshot_set(snapshot, M_CPU_USAGE_RATE, i,
			     (union value){ .number = (double)(sequence * (i + 1)) });
}

static void test_history_follows_the_cgroup(void **state)
{
	static const char *const after[] = { "/", "/aaa", "/batch" };
	struct scene scene;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	open_scene(&scene, machine, 2, 30, 8, fill_rising);
	for (int i = 0; i < 5; i++)
		feed(&scene);
	/* A tree that was never seen lies between. */
	change_tree(&scene, after, ARRAY_SIZE(after));
	change_tree(&scene, after, ARRAY_SIZE(after));
	feed(&scene);
	feed(&scene);
	history_draw(&scene.app.view.history, &scene.canvas, 0, 0, 10, 2, 0);
	history_draw(&scene.app.view.history, &scene.canvas, 0, 1, 10, 1, 0);
	row_text(&scene.canvas, 0, &text);
	assert_string_equal(text.data, " ▁▂▂▃▃▄▅██");
	row_text(&scene.canvas, 1, &text);
	assert_string_equal(text.data, "        ██");
	close_scene(&scene);
}

/* ---- the program
 * ------------------------------------------------------------------------------------- */

static void test_wants_what_is_shown(void **state)
{
	struct scene scene;
	unsigned int wants;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	assert_true(metric_set_has(&scene.fake.wanted, M_MEMORY_CURRENT));
	assert_false(metric_set_has(&scene.fake.wanted, M_MEMORY_STAT_ANON));
	wants = scene.fake.n_wants;
	feed(&scene);
	press(&scene, K_DOWN);
	assert_int_equal(scene.fake.n_wants, wants);
	/* All while the detail is open. */
	press(&scene, 'i');
	assert_true(metric_set_has(&scene.fake.wanted, M_MEMORY_STAT_ANON));
	press(&scene, 'i');
	assert_false(metric_set_has(&scene.fake.wanted, M_MEMORY_STAT_ANON));
	/* A column chosen, and taken away again. */
	press(&scene, 'C');
	press(&scene, '/');
	type(&scene, "memory.stat.anon");
	press(&scene, K_ENTER);
	press(&scene, ' ');
	press(&scene, 'q');
	assert_true(metric_set_has(&scene.fake.wanted, M_MEMORY_STAT_ANON));
	assert_false(scene.app.quit);
	press(&scene, 'q');
	assert_true(scene.app.quit);
	close_scene(&scene);
}

static void test_columns(void **state)
{
	struct scene scene;
	struct view *view = &scene.app.view;
	size_t n;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	app_draw(&scene.app, &scene.canvas);
	n = view->n_columns;
	press(&scene, K_F(2));
	app_draw(&scene.app, &scene.canvas);
	press(&scene, 'd');
	assert_int_equal(view->columns[0], metric_default_columns[1]);
	assert_int_equal(view->columns[1], metric_default_columns[0]);
	press(&scene, K_SHIFT_UP);
	assert_int_equal(view->columns[0], metric_default_columns[0]);
	press(&scene, 'u');
	assert_int_equal(view->columns[0], metric_default_columns[0]);
	press(&scene, ' ');
	assert_int_equal(view->n_columns, n - 1);
	assert_int_equal(view->columns[0], metric_default_columns[1]);
	/* All away, and the table still draws. */
	for (size_t i = 0; i + 1 < n; i++)
		press(&scene, ' ');
	assert_int_equal(view->n_columns, 0);
	press(&scene, K_ESCAPE);
	feed(&scene);
	app_draw(&scene.app, &scene.canvas);
	press(&scene, K_SHIFT_RIGHT);
	app_draw(&scene.app, &scene.canvas);
	/* No more than there is room for. */
	press(&scene, K_F(2));
	for (int i = 0; i < VIEW_COLUMNS + 5; i++)
		press(&scene, ' ');
	assert_int_equal(view->n_columns, VIEW_COLUMNS);
	press(&scene, 'r');
	assert_int_equal(view->n_columns, n);
	close_scene(&scene);
}

static void test_freeze_asks(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 24);
	press(&scene, 'f');
	assert_false(scene.app.prompt.active); /* the root */
	press(&scene, 'N');
	press(&scene, K_DOWN);
	press(&scene, 'f');
	assert_true(scene.app.prompt.active);
	press(&scene, 'n');
	assert_int_equal(scene.fake.freezes, 0);
	press(&scene, 'f');
	/* Rows move under the question: it is still about the same cgroup. */
	press(&scene, K_WHEEL_DOWN);
	press(&scene, 'y');
	assert_int_equal(scene.fake.freezes, 1);
	assert_true(scene.fake.frozen);
	assert_string_equal(scene.fake.frozen_path, "/batch");
	assert_string_equal(scene.app.status, "frozen \\x1b[7m/batch");
	/* What is frozen is thawed. */
	press(&scene, K_HOME);
	press(&scene, '/');
	type(&scene, "job-2");
	press(&scene, K_ENTER);
	press(&scene, K_END);
	press(&scene, 'f');
	press(&scene, 'y');
	assert_false(scene.fake.frozen);
	assert_string_equal(scene.fake.frozen_path, "/batch/job-2");
	close_scene(&scene);
}

static void test_pause_and_interval(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	press(&scene, 'p');
	assert_true(scene.fake.paused);
	press(&scene, 'p');
	assert_false(scene.fake.paused);
	press(&scene, '[');
	assert_int_equal(scene.fake.interval_usec, 500000);
	press(&scene, ']');
	press(&scene, ']');
	assert_int_equal(scene.fake.interval_usec, 2000000);
	press(&scene, 'd');
	type(&scene, "250ms");
	press(&scene, K_ENTER);
	assert_int_equal(scene.fake.interval_usec, 250000);
	press(&scene, 'd');
	type(&scene, "3");
	press(&scene, K_ENTER);
	assert_int_equal(scene.fake.interval_usec, 3000000);
	press(&scene, 'd');
	type(&scene, "nonsense");
	press(&scene, K_ENTER);
	assert_int_equal(scene.fake.interval_usec, 3000000);
	assert_int_equal(scene.app.status_role, ROLE_ERROR);
	/* A message goes away by itself. */
	assert_true(app_timeout_ms(&scene.app) <= 1000);
	scene.app.now_ns += UINT64_C(6000000000);
	app_draw(&scene.app, &scene.canvas);
	assert_string_equal(scene.app.status, "");
	close_scene(&scene);
}

static void test_footer_is_clickable(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	click(&scene, 1, 23);
	assert_true(app_is_on_top(&scene.app, SCREEN_HELP));
	press(&scene, 'q');
	assert_true(app_is_on_top(&scene.app, SCREEN_CGROUPS));
	close_scene(&scene);
}

static void test_before_the_first_sample(void **state)
{
	struct scene scene = { 0 };

	(void)state;
	open_scene(&scene, machine, 1, 80, 24, NULL);
	app_done(&scene.app);
	assert_int_equal(app_init(&scene.app, &scene.source, &scene.options), 0);
	app_set_snapshot(&scene.app, NULL);
	/* Every key of every screen, with nothing to show. */
	for (int id = 0; id < SCREEN_COUNT; id++) {
		for (size_t i = 0; i < screens[id]->keys.n; i++) {
			app_open_screen(&scene.app, id);
			press(&scene, screens[id]->keys.list[i].keys[0]);
			app_draw(&scene.app, &scene.canvas);
			press(&scene, K_ESCAPE);
			app_close_screen(&scene.app, 0);
		}
	}
	close_scene(&scene);
}

static void test_any_size(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, hostile, ARRAY_SIZE(hostile), 80, 24, NULL);
	for (int id = 0; id < SCREEN_COUNT; id++) {
		app_open_screen(&scene.app, id);
		for (int width = 1; width < 200; width += width < 60 ? 1 : 13) {
			for (int height = 1; height < 60; height += height < 16 ? 1 : 9) {
				canvas_done(&scene.canvas);
				assert_int_equal(
					canvas_init(&scene.canvas, width, height, width & 1), 0);
				app_draw(&scene.app, &scene.canvas);
				press(&scene, K_PAGE_DOWN);
				press(&scene, K_WHEEL_UP);
			}
		}
		app_close_screen(&scene.app, 0);
	}
	close_scene(&scene);
}

static void test_processes_cpu(void **state)
{
	struct scene scene;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	press(&scene, 'z');
	app_draw(&scene.app, &scene.canvas);
	row_text(&scene.canvas, 5, &text);
	assert_non_null(strstr(text.data, " .. "));
	/* A second later each has used half a second more, times its number. */
	scene.fake.cpu_usec += 500000;
	scene.fake.swap_pid = 111; /* the second pid is another process now */
	feed(&scene);
	app_draw(&scene.app, &scene.canvas);
	row_text(&scene.canvas, 5, &text);
	assert_non_null(strstr(text.data, "112"));
	assert_non_null(strstr(text.data, "150.0%"));
	row_text(&scene.canvas, 6, &text);
	assert_non_null(strstr(text.data, "110"));
	assert_non_null(strstr(text.data, "50.0%"));
	row_text(&scene.canvas, 7, &text);
	assert_non_null(strstr(text.data, "111"));
	assert_non_null(strstr(text.data, " .. "));
	/* With all below: three of each, but for the one that may not be read. */
	press(&scene, 'a');
	app_draw(&scene.app, &scene.canvas);
	row_text(&scene.canvas, 3, &text);
	assert_non_null(strstr(text.data, "33 processes of /"));
	close_scene(&scene);
}

/* ---- golden pictures
 * ----------------------------------------------------------------------------------- */

static void test_golden_main(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 24);
	press(&scene, K_DOWN);
	check_golden(&scene, "main-80x24");
	press(&scene, K_SHIFT_RIGHT);
	press(&scene, K_SHIFT_RIGHT);
	press(&scene, '1');
	press(&scene, 'p');
	check_golden(&scene, "main-scrolled");
	close_scene(&scene);
	open_machine(&scene, 120, 40);
	check_golden(&scene, "main-120x40");
	press(&scene, 't');
	press(&scene, 'M');
	check_golden(&scene, "list-120x40");
	close_scene(&scene);
}

static void test_golden_filter(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 24);
	press(&scene, '/');
	type(&scene, "job");
	check_golden(&scene, "filter");
	close_scene(&scene);
}

static void test_golden_detail(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 100, 60);
	press(&scene, '/');
	type(&scene, "job-1");
	press(&scene, K_ENTER);
	press(&scene, K_END);
	press(&scene, K_ENTER);
	feed(&scene);
	check_golden(&scene, "detail");
	press(&scene, K_ESCAPE);
	press(&scene, 'i');
	canvas_done(&scene.canvas);
	assert_int_equal(canvas_init(&scene.canvas, 160, 30, false), 0);
	check_golden(&scene, "detail-beside");
	close_scene(&scene);
}

static void test_golden_columns(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 100, 30);
	press(&scene, K_F(2));
	press(&scene, K_DOWN);
	check_golden(&scene, "columns");
	close_scene(&scene);
}

static void test_golden_help(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 100, 90);
	press(&scene, '?');
	check_golden(&scene, "help");
	close_scene(&scene);
}

static void test_golden_sort_and_processes(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 20);
	press(&scene, 's');
	check_golden(&scene, "sort");
	press(&scene, K_ESCAPE);
	press(&scene, 'z');
	scene.fake.cpu_usec += 100000;
	feed(&scene);
	check_golden(&scene, "processes");
	close_scene(&scene);
}

static void test_golden_hostile(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, hostile, ARRAY_SIZE(hostile), 80, 24, NULL);
	check_golden(&scene, "hostile");
	canvas_done(&scene.canvas);
	assert_int_equal(canvas_init(&scene.canvas, 80, 24, true), 0);
	check_golden(&scene, "hostile-ascii");
	close_scene(&scene);
}

static void test_golden_too_small(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 39, 8);
	check_golden(&scene, "too-small");
	close_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canvas_clips),
		cmocka_unit_test(test_canvas_wide),
		cmocka_unit_test(test_canvas_cuts),
		cmocka_unit_test(test_canvas_unsafe_bytes),
		cmocka_unit_test(test_cursor_stays),
		cmocka_unit_test(test_cursor_on_first_row_stays_first),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_new_ones_are_marked_for_a_while),
		cmocka_unit_test(test_hide_empty),
		cmocka_unit_test(test_history_follows_the_cgroup),
		cmocka_unit_test(test_wants_what_is_shown),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_freeze_asks),
		cmocka_unit_test(test_pause_and_interval),
		cmocka_unit_test(test_footer_is_clickable),
		cmocka_unit_test(test_before_the_first_sample),
		cmocka_unit_test(test_any_size),
		cmocka_unit_test(test_processes_cpu),
		cmocka_unit_test(test_golden_main),
		cmocka_unit_test(test_golden_filter),
		cmocka_unit_test(test_golden_detail),
		cmocka_unit_test(test_golden_columns),
		cmocka_unit_test(test_golden_help),
		cmocka_unit_test(test_golden_sort_and_processes),
		cmocka_unit_test(test_golden_hostile),
		cmocka_unit_test(test_golden_too_small),
	};

	/* Widths of characters come from the locale. */
	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
