// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/output.h"
#include "agent/verbs/inventory_fetch.h"
#include "agent/verbs/list_options.h"
#include "agent/verbs/overlay_view.h"
#include "core/cleanup.h"
#include "core/clock.h"

DEFINE_CLEANUP(struct inventory *, inventory_unref)
DEFINE_CLEANUP(struct labels *, labels_free)

enum overlay_mode { MODE_LIST, MODE_ONE, MODE_LAYERS, MODE_ORPHANS, MODE_DRIVERS, MODE_COUNT };

struct overlay_options {
	enum overlay_mode mode;
	const char *name; /* of MODE_ONE */
	struct list_options list;
	uint64_t budget_ns;
	bool sizes;
};

/* The lists that are not of overlays, and what each is in JSON. */
static const struct {
	const char *key, *columns;
	const struct fields *fields;
	unsigned int parts;
} modes[MODE_COUNT] = {
	[MODE_LIST] = { "overlays", "CONTAINER,RUNTIME,NLAYERS,SHARED,NPROCS,NMNTNS,FLAGS,MOUNT",
			&overlay_fields, INVENTORY_OVERLAYS },
	[MODE_ONE] = { "overlays", "all", &overlay_fields, INVENTORY_OVERLAYS },
	[MODE_LAYERS] = { "layers", "KIND,USERS,MISSING,PATH,USED-BY", &overlay_layer_fields,
			  INVENTORY_OVERLAYS },
	[MODE_ORPHANS] = { "orphans", "all", &overlay_orphan_fields, INVENTORY_ORPHANS },
	[MODE_DRIVERS] = { "drivers", "all", &overlay_driver_fields,
			   INVENTORY_OVERLAYS | INVENTORY_CONTAINERS },
};

static const char size_columns[] = "CONTAINER,SIZE,INODES,CREATED,COPIED,DELETED,OPAQUE,STATE,"
				   "FLAGS,MOUNT";

enum { OPTION_LAYERS = 256, OPTION_ORPHANS, OPTION_DRIVERS, OPTION_BUDGET };

static const struct option long_options[] = {
	LIST_LONG_OPTIONS,
	{ "sizes", no_argument, NULL, 'S' },
	{ "budget", required_argument, NULL, OPTION_BUDGET },
	{ "layers", no_argument, NULL, OPTION_LAYERS },
	{ "orphans", no_argument, NULL, OPTION_ORPHANS },
	{ "drivers", no_argument, NULL, OPTION_DRIVERS },
	{ NULL },
};

static int set_mode(struct context *context, struct overlay_options *options,
		    enum overlay_mode mode)
{
	if (options->mode != MODE_LIST && options->mode != mode)
		return context_usage(context, "only one of --layers, --orphans, --drivers");
	options->mode = mode;
	return 0;
}

static int set_value(struct context *context, int option, struct overlay_options *options)
{
	uint64_t usec;

	switch (option) {
	case 'S':
		options->sizes = true;
		return 0;
	case OPTION_BUDGET:
		if (parse_duration(optarg, &usec) < 0 || usec == 0 || usec > UINT64_MAX / 1000)
			return context_usage(context, "--budget: %s: give a time with its unit",
					     optarg);
		options->budget_ns = usec * 1000;
		return 0;
	case OPTION_LAYERS:
		return set_mode(context, options, MODE_LAYERS);
	case OPTION_ORPHANS:
		return set_mode(context, options, MODE_ORPHANS);
	case OPTION_DRIVERS:
		return set_mode(context, options, MODE_DRIVERS);
	default:
		return context_bad_option(context);
	}
}

static int parse(struct context *context, int argc, char **argv, struct overlay_options *options)
{
	int option, r = 0;

	while (r == 0 &&
	       (option = getopt_long(argc, argv, LIST_LETTERS "S", long_options, NULL)) != -1) {
		if (!list_options_set(&options->list, option, optarg))
			r = set_value(context, option, options);
	}
	if (r != 0)
		return r;
	if (optind < argc - 1 || (optind < argc && options->mode != MODE_LIST))
		return context_usage(context, "%s: one overlay at most, and then no other list",
				     argv[argc - 1]);
	if (optind < argc) {
		options->mode = MODE_ONE;
		options->name = argv[optind];
	}
	return 0;
}

static const char *default_columns(const struct overlay_options *options)
{
	if (options->list.json || options->list.all_columns)
		return "all";
	return options->mode == MODE_LIST && options->sizes ? size_columns
							    : modes[options->mode].columns;
}

/*
 * Layers are walked only where somebody asks for what is in them: by --sizes, by a column, or by
 * looking at one overlay. JSON of the list has those members anyway, null without --sizes.
 */
static bool wants_usage(const struct overlay_options *options)
{
	struct list_options list = options->list;

	if (options->mode == MODE_LAYERS || options->mode == MODE_ORPHANS ||
	    options->mode == MODE_DRIVERS)
		return false;
	if (list.json && !list.columns && !list.all_columns)
		list.chosen.n = 0;
	return options->sizes || options->mode == MODE_ONE ||
	       (list_options_needs(&list) & OVERLAY_NEEDS_USAGE);
}

static uint32_t count_rows(const struct overlay_view *view, enum overlay_mode mode)
{
	const struct containers *containers = view->containers;

	if (mode == MODE_LAYERS)
		return view->n_layers;
	if (mode == MODE_ORPHANS)
		return containers ? containers->n_orphans : 0;
	if (mode == MODE_DRIVERS)
		return containers ? containers->n_drivers : 0;
	return view->set->n;
}

static void json_rows(struct jsonw *json, const struct overlay_options *options,
		      const struct field_rows *rows)
{
	jsonw_begin(json, modes[options->mode].key, '[');
	for (uint32_t i = 0; i < rows->n; i++) {
		jsonw_begin(json, NULL, '{');
		field_json(json, &options->list.chosen, rows->view, rows->rows[i]);
		if (modes[options->mode].fields == &overlay_fields && !options->list.columns)
			overlay_json_lists(json, rows->view, rows->rows[i]);
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
}

static int select_rows(const struct overlay_view *view, const struct overlay_options *options,
		       const struct overlay *only, uint32_t *rows, uint32_t *ret_n)
{
	uint32_t n = count_rows(view, options->mode);

	*ret_n = 0;
	for (uint32_t i = 0; i < n; i++) {
		if ((!only || &view->set->list[i] == only) &&
		    list_options_match(&options->list, view, i))
			rows[(*ret_n)++] = i;
	}
	return list_options_sort(&options->list, view, rows, *ret_n);
}

static int print(struct context *context, const struct overlay_view *view,
		 const struct overlay_options *options, const struct overlay *only,
		 uint64_t realtime_ns)
{
	size_t room = (size_t)count_rows(view, options->mode) + 1;
	_cleanup_(freep) uint32_t *numbers = malloc(room * sizeof(*numbers));
	struct field_rows rows = { .view = view, .rows = numbers };
	struct jsonw json;
	int r = numbers ? select_rows(view, options, only, numbers, &rows.n) : -ENOMEM;

	if (r < 0)
		return context_fail(context, EXIT_FAILED, "%s", strerror(-r));
	jsonw_init(&json);
	if (options->list.json) {
		output_json_envelope(&json, realtime_ns);
		json_rows(&json, options, &rows);
		if (view->set->n_denied > 0)
			jsonw_u64(&json, "denied", view->set->n_denied);
		jsonw_end(&json, '}');
		strbuf_add_char(&json.out, '\n');
	} else if (only && !options->list.columns) {
		overlay_print_one(&json.out, view, numbers[0], &options->list.format);
	} else {
		field_table(&json.out, &options->list.chosen, &rows, &options->list.format);
	}
	r = context_write(context, &json.out);
	jsonw_done(&json);
	return r;
}

static int show(struct context *context, const struct overlay_options *options,
		struct inventory *inventory, struct overlay_view *view)
{
	uint64_t realtime_ns = clock_ns(CLOCK_REALTIME);
	const struct overlay *only = NULL;
	const char *reason = "";
	int r = 0;

	if (options->mode == MODE_ONE) {
		only = overlay_view_find(view, options->name, &reason);
		if (!only)
			return context_fail(context, EXIT_FAILED, "%s: %s", options->name, reason);
	}
	if (wants_usage(options))
		r = inventory_measure(context, inventory, only, options->budget_ns);
	view->now_ns = clock_ns(CLOCK_BOOTTIME);
	return r ? r : print(context, view, options, only, realtime_ns);
}

/* The stores of runtimes are root's: an empty list says little to others. */
static void note_unread(struct context *context, const struct overlay_options *options,
			const struct overlay_view *view)
{
	if ((options->mode != MODE_ORPHANS && options->mode != MODE_DRIVERS) || geteuid() == 0)
		return;
	context_fail(context, 0, "stores that only root may read are not looked at: %s",
		     count_rows(view, options->mode) > 0 ? "not all is here"
							 : "there may be some nevertheless");
}

static int run(struct context *context, const struct overlay_options *options)
{
	_cleanup_(inventory_unrefp) struct inventory *inventory = NULL;
	_cleanup_(labels_freep) struct labels *labels = NULL;
	struct overlay_view view;
	int r;

	r = inventory_fetch(context, NULL, modes[options->mode].parts, &inventory);
	if (r != 0)
		return r;
	labels = labels_new(context->root);
	r = overlay_view_init(&view, inventory, labels);
	if (r < 0)
		return context_fail(context, EXIT_FAILED, "the mounts could not be read: %s",
				    strerror(-r));
	r = show(context, options, inventory, &view);
	if (r == 0 && !options->list.json && view.set->n_denied > 0)
		context_fail(context, 0, "%u mount namespace%s could not be looked into",
			     view.set->n_denied, view.set->n_denied == 1 ? "" : "s");
	if (r == 0)
		note_unread(context, options, &view);
	overlay_view_done(&view);
	return r;
}

int verb_overlay(struct context *context, int argc, char **argv)
{
	struct overlay_options options = { .mode = MODE_LIST };
	int r;

	if (argc > 1 && strcmp(argv[1], "diff") == 0)
		return verb_overlay_diff(context, argc - 1, argv + 1);
	r = parse(context, argc, argv, &options);
	if (r == 0 && options.list.help_columns)
		return list_options_describe(context, modes[options.mode].fields);
	if (r == 0)
		r = list_options_choose(context, &options.list, modes[options.mode].fields,
					default_columns(&options));
	if (r == 0)
		r = run(context, &options);
	list_options_done(&options.list);
	return r;
}
