// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "agent/field_filter.h"
#include "agent/output.h"
#include "agent/verbs/inventory_fetch.h"
#include "agent/verbs/overlay_view.h"
#include "core/cleanup.h"

DEFINE_CLEANUP(struct inventory *, inventory_unref)
DEFINE_CLEANUP(struct labels *, labels_free)

enum overlay_mode { MODE_LIST, MODE_ONE, MODE_LAYERS, MODE_ORPHANS, MODE_DRIVERS, MODE_COUNT };

struct overlay_options {
	enum overlay_mode mode;
	const char *name; /* of MODE_ONE */
	const char *columns, *filter_text, *sort;
	struct field_list chosen;
	struct field_filter *filter;
	const struct field *sort_field;
	uint64_t budget_ns;
	bool json, all_columns, sizes, notruncate, help_columns;
	struct field_format format;
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

enum { OPTION_LAYERS = 256, OPTION_ORPHANS, OPTION_DRIVERS, OPTION_ALL_COLUMNS, OPTION_BUDGET };

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'J' },
	{ "noheadings", no_argument, NULL, 'n' },
	{ "output", required_argument, NULL, 'o' },
	{ "columns", required_argument, NULL, 'o' },
	{ "output-all", no_argument, NULL, OPTION_ALL_COLUMNS },
	{ "filter", required_argument, NULL, 'Q' },
	{ "raw", no_argument, NULL, 'r' },
	{ "notruncate", no_argument, NULL, 'u' },
	{ "nowrap", no_argument, NULL, 'W' },
	{ "list-columns", no_argument, NULL, 'H' },
	{ "sort", required_argument, NULL, 's' },
	{ "bytes", no_argument, NULL, 'b' },
	{ "sizes", no_argument, NULL, 'S' },
	{ "budget", required_argument, NULL, OPTION_BUDGET },
	{ "layers", no_argument, NULL, OPTION_LAYERS },
	{ "orphans", no_argument, NULL, OPTION_ORPHANS },
	{ "drivers", no_argument, NULL, OPTION_DRIVERS },
	{ NULL },
};

static bool set_flag(struct overlay_options *options, int option)
{
	static const size_t flags[][2] = {
		{ 'J', offsetof(struct overlay_options, json) },
		{ 'n', offsetof(struct overlay_options, format.no_headings) },
		{ 'r', offsetof(struct overlay_options, format.raw) },
		{ 'b', offsetof(struct overlay_options, format.bytes) },
		{ 'u', offsetof(struct overlay_options, notruncate) },
		{ 'W', offsetof(struct overlay_options, format.one_line) },
		{ 'S', offsetof(struct overlay_options, sizes) },
		{ 'H', offsetof(struct overlay_options, help_columns) },
		{ OPTION_ALL_COLUMNS, offsetof(struct overlay_options, all_columns) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if ((size_t)option == flags[i][0]) {
			*(bool *)((char *)options + flags[i][1]) = true;
			return true;
		}
	}
	return false;
}

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
	case 'o':
		options->columns = optarg;
		return 0;
	case 'Q':
		options->filter_text = optarg;
		return 0;
	case 's':
		options->sort = optarg;
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
	       (option = getopt_long(argc, argv, ":Jno:Q:ruWHs:bS", long_options, NULL)) != -1) {
		if (!set_flag(options, option))
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

static int choose(struct context *context, struct overlay_options *options)
{
	const struct fields *fields = modes[options->mode].fields;
	const char *text = modes[options->mode].columns, *bad, *sort = options->sort;
	char reason[256];
	size_t length;
	int r;

	if (options->mode == MODE_LIST && options->sizes)
		text = size_columns;
	if (options->json || options->all_columns)
		text = "all";
	field_parse_list(fields, text, &options->chosen, &bad, &length);
	r = options->columns
		    ? field_parse_list(fields, options->columns, &options->chosen, &bad, &length)
		    : 0;
	if (r == -EINVAL)
		return context_usage(context, "--output: %.*s: no such column; -H lists them",
				     (int)length, bad);
	if (sort && !(options->sort_field = field_find(fields, sort + (*sort == '-'),
						       strlen(sort + (*sort == '-')))))
		return context_usage(context, "--sort: %s: no such column; -H lists them", sort);
	if (!options->filter_text)
		return 0;
	r = field_filter_parse(fields, options->filter_text, &options->filter, reason,
			       sizeof(reason));
	return r < 0 ? context_usage(context, "--filter: %s", r == -EINVAL ? reason : strerror(-r))
		     : 0;
}

/*
 * Layers are walked only where somebody asks for what is in them: by --sizes, by a column, or by
 * looking at one overlay. JSON of the list has those members anyway, null without --sizes.
 */
static bool wants_usage(const struct overlay_options *options)
{
	unsigned int needs = 0;

	if (options->mode == MODE_LAYERS || options->mode == MODE_ORPHANS ||
	    options->mode == MODE_DRIVERS)
		return false;
	if (options->columns || options->all_columns)
		needs |= field_needs(&options->chosen);
	if (options->filter)
		needs |= field_filter_needs(options->filter);
	if (options->sort_field)
		needs |= options->sort_field->needs;
	return options->sizes || options->mode == MODE_ONE || (needs & OVERLAY_NEEDS_USAGE);
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
		field_json(json, &options->chosen, rows->view, rows->rows[i]);
		if (modes[options->mode].fields == &overlay_fields && !options->columns)
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
		    (!options->filter || field_filter_match(options->filter, view, i)))
			rows[(*ret_n)++] = i;
	}
	return options->sort_field
		       ? field_sort(options->sort_field, *options->sort == '-', view, rows, *ret_n)
		       : 0;
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
	if (options->json) {
		output_json_envelope(&json, realtime_ns);
		json_rows(&json, options, &rows);
		if (view->set->n_denied > 0)
			jsonw_u64(&json, "denied", view->set->n_denied);
		jsonw_end(&json, '}');
		strbuf_add_char(&json.out, '\n');
	} else if (only && !options->columns) {
		overlay_print_one(&json.out, view, numbers[0], &options->format);
	} else {
		field_table(&json.out, &options->chosen, &rows, &options->format);
	}
	r = context_write(context, &json.out);
	jsonw_done(&json);
	return r;
}

static int show(struct context *context, const struct overlay_options *options,
		struct inventory *inventory, struct overlay_view *view)
{
	uint64_t realtime_ns = context_now(CLOCK_REALTIME);
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
	view->now_ns = context_now(CLOCK_BOOTTIME);
	return r ? r : print(context, view, options, only, realtime_ns);
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
	if (r == 0 && !options->json && view.set->n_denied > 0)
		context_fail(context, 0, "%u mount namespace%s could not be looked into",
			     view.set->n_denied, view.set->n_denied == 1 ? "" : "s");
	overlay_view_done(&view);
	return r;
}

static int list_columns(struct context *context, const struct overlay_options *options)
{
	struct strbuf out;
	int r;

	strbuf_init(&out);
	field_describe(modes[options->mode].fields, &out);
	r = context_write(context, &out);
	strbuf_done(&out);
	return r;
}

int verb_overlay(struct context *context, int argc, char **argv)
{
	struct overlay_options options = { .mode = MODE_LIST };
	int r;

	if (argc > 1 && strcmp(argv[1], "diff") == 0)
		return verb_overlay_diff(context, argc - 1, argv + 1);
	r = parse(context, argc, argv, &options);
	if (r == 0 && options.help_columns)
		return list_columns(context, &options);
	if (r == 0)
		r = choose(context, &options);
	options.format.width = options.notruncate ? 0 : output_terminal_width();
	if (r == 0)
		r = run(context, &options);
	field_filter_free(options.filter);
	return r;
}
