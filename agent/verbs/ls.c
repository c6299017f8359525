// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

#include <getopt.h>
#include <stdio.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/output.h"
#include "collectors/inventory.h"
#include "core/cleanup.h"
#include "core/glob.h"
#include "core/query.h"

DEFINE_CLEANUP(struct inventory_keeper *, inventory_keeper_free)

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };

struct ls_options {
	struct column_list columns;
	struct metric_set set;
	struct query query;
	enum format format;
	bool watch, everything; /* --columns all: what takes long may be missing */
	uint64_t interval_usec;
};

static int parse_columns(struct context *context, const char *list, struct ls_options *options)
{
	const char *bad;
	size_t bad_length;
	int n;

	options->set = (struct metric_set){ 0 };
	n = metric_parse_list(list, &options->set, options->columns.ids,
			      ARRAY_SIZE(options->columns.ids), &bad, &bad_length);
	if (n < 0)
		return context_usage(
			context, "--columns: %.*s: no such metric; 'cgwatch metrics' lists them",
			(int)bad_length, bad);
	if (n == 0)
		return context_usage(context, "--columns: the list is empty");
	options->columns.n = (size_t)n;
	options->everything = strcmp(list, "all") == 0;
	return 0;
}

/* "-memory.current" or "memory.current": smallest or largest first; "path". */
static int parse_sort(struct context *context, const char *text, struct query *query)
{
	query->ascending = *text == '-';
	text += query->ascending;
	query->by_path = strcmp(text, "path") == 0;
	if (query->by_path)
		return 0;
	query->column = metric_find(text);
	if (query->column == M_NONE)
		return context_usage(
			context, "--sort: %s: no such metric; 'cgwatch metrics' lists them", text);
	return 0;
}

static int parse_interval(struct context *context, const char *text, uint64_t *ret_usec)
{
	if (parse_duration(text, ret_usec) < 0 || *ret_usec < 10000 || *ret_usec > 3600000000u)
		return context_usage(
			context,
			"--interval: %s: give a time with its unit from 10ms to 1h, as in "
			"500ms or 2s",
			text);
	return 0;
}

enum {
	OPT_TREE = 256,
	OPT_LIST,
	OPT_JSON,
	OPT_CSV,
	OPT_COLUMNS,
	OPT_SORT,
	OPT_INTERVAL,
	OPT_WATCH
};

static const struct option long_options[] = {
	{ "tree", no_argument, NULL, OPT_TREE },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "csv", no_argument, NULL, OPT_CSV },
	{ "columns", required_argument, NULL, OPT_COLUMNS },
	{ "sort", required_argument, NULL, OPT_SORT },
	{ "interval", required_argument, NULL, OPT_INTERVAL },
	{ "watch", no_argument, NULL, OPT_WATCH },
	{ NULL },
};

static int parse_option(struct context *context, int option, struct ls_options *options)
{
	switch (option) {
	case OPT_TREE:
	case OPT_LIST:
		options->query.tree = option == OPT_TREE;
		return 0;
	case OPT_JSON:
		options->format = FORMAT_JSON;
		return 0;
	case OPT_CSV:
		options->format = FORMAT_CSV;
		return 0;
	case OPT_COLUMNS:
		return parse_columns(context, optarg, options);
	case OPT_SORT:
		return parse_sort(context, optarg, &options->query);
	case OPT_INTERVAL:
		return parse_interval(context, optarg, &options->interval_usec);
	case OPT_WATCH:
		options->watch = true;
		return 0;
	default:
		return context_bad_option(context);
	}
}

static int parse_arguments(struct context *context, int argc, char **argv,
			   struct ls_options *options)
{
	const char *reason;
	int option, r = parse_columns(context, "default", options);

	options->query = (struct query){ .tree = true, .by_path = true };
	options->interval_usec = 1000000;
	while (r == 0 && (option = getopt_long(argc, argv, ":", long_options, NULL)) != -1)
		r = parse_option(context, option, options);
	if (r != 0)
		return r;
	if (optind < argc - 1)
		return context_usage(context, "%s: one GLOB at most", argv[optind + 1]);
	if (optind < argc) {
		options->query.glob = argv[optind];
		if (glob_check(options->query.glob, &reason) < 0)
			return context_usage(context, "%s: not a cgroup glob: %s", argv[optind],
					     reason);
	}
	if (options->query.column != M_NONE)
		metric_set_add(&options->set, options->query.column);
	return 0;
}

static void print_json(struct jsonw *json, const struct snapshot *snapshot, const uint32_t *rows,
		       uint32_t n, const struct column_list *columns)
{
	output_json_begin(json, snapshot);
	jsonw_begin(json, "cgroups", '[');
	for (uint32_t i = 0; i < n; i++)
		output_json_node(json, snapshot, rows[i], columns);
	jsonw_end(json, ']');
	jsonw_end(json, '}');
	strbuf_add_char(&json->out, '\n');
}

static int print_snapshot(struct context *context, const struct snapshot *snapshot,
			  const struct ls_options *options)
{
	_cleanup_(freep) uint32_t *rows = malloc((snapshot->tree->n + 1) * sizeof(*rows));
	struct query query = options->query;
	struct jsonw json;
	uint32_t n;
	int r;

	if (!rows)
		return context_fail(context, EXIT_FAILED, "out of memory");
	/* Machines get what matches; ancestors that only carry a match are for the eye. */
	query.tree &= options->format == FORMAT_TABLE;
	n = query_run(&query, snapshot, rows, NULL);
	if (n == 0 && query.glob)
		return context_fail(context, EXIT_FAILED, "%s: no cgroup matches", query.glob);
	jsonw_init(&json);
	if (options->format == FORMAT_JSON)
		print_json(&json, snapshot, rows, n, &options->columns);
	else if (options->format == FORMAT_CSV)
		output_csv(&json.out, snapshot, rows, n, &options->columns);
	else
		output_table(&json.out, snapshot, rows, n, &options->columns, query.tree);
	r = context_write(context, &json.out);
	jsonw_done(&json);
	return r;
}

static void wait_interval(uint64_t usec)
{
	struct timespec pause = { (time_t)(usec / 1000000), (long)(usec % 1000000) * 1000 };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

/* Who asks for the size of layers by name waits for them; who asks for everything, a little. */
static int look_around(struct context *context, struct sampler *sampler,
		       const struct ls_options *options, struct inventory_keeper **keeper)
{
	unsigned int parts = metric_set_inventory(&options->set);
	struct inventory *inventory;
	int r = 0;

	/* In a recorded tree there is nothing to look into. */
	if (parts == 0 || root_is_recorded(context->root))
		return 0;
	if (!*keeper)
		r = inventory_keeper_new(context->root, sampler_hierarchies(sampler), NULL, keeper);
	if (r < 0)
		return context_fail(context, EXIT_FAILED, "inventory: %s", strerror(-r));
	/* What could not be read has a state that says so. */
	inventory_keeper_pass(*keeper, parts, options->everything ? UINT64_C(2000000000) : 0);
	inventory = inventory_keeper_latest(*keeper);
	sampler_set_inventory(sampler, inventory);
	inventory_unref(inventory);
	return 0;
}

/* Whose waiting and traffic is shown is watched for it, from the first sample on. */
static int watch_shown(struct context *context, struct sampler *sampler,
		       const struct ls_options *options)
{
	const struct metric_set none = { 0 };
	struct snapshot *snapshot;
	uint64_t serials[BPF_WATCHED_MAX + 1];
	uint32_t *rows, n;
	int r;

	if (options->everything || !metric_set_watched(&options->set) ||
	    root_is_recorded(context->root))
		return 0;
	if (!sampler_use_bpf(sampler, true))
		return 0; /* the cells say that there is nothing */
	r = sampler_sample(sampler, &none, &snapshot);
	if (r < 0)
		return context_fail(context, EXIT_FAILED, "sampling: %s", strerror(-r));
	rows = malloc((snapshot->tree->n ? snapshot->tree->n : 1) * sizeof(*rows));
	n = rows ? query_run(&options->query, snapshot, rows, NULL) : 0;
	n = n < ARRAY_SIZE(serials) ? n : ARRAY_SIZE(serials);
	for (uint32_t i = 0; i < n; i++)
		serials[i] = snapshot->tree->nodes[rows[i]]->serial;
	r = rows ? sampler_watch(sampler, 0, serials, n) : -ENOMEM;
	free(rows);
	snapshot_unref(snapshot);
	return r < 0 ? context_fail(context, EXIT_FAILED, "watching: %s", strerror(-r)) : 0;
}

static int run(struct context *context, struct sampler *sampler, const struct ls_options *options)
{
	_cleanup_(inventory_keeper_freep) struct inventory_keeper *keeper = NULL;

	for (bool first = true;; first = false) {
		struct snapshot *snapshot;
		int r = look_around(context, sampler, options, &keeper);

		if (r != 0)
			return r;
		if (first) {
			r = context_sample(context, sampler, &options->set, options->interval_usec,
					   &snapshot);
		} else {
			wait_interval(options->interval_usec);
			r = sampler_sample(sampler, &options->set, &snapshot);
			if (r < 0)
				r = context_fail(context, EXIT_FAILED, "sampling: %s",
						 strerror(-r));
		}
		if (r != 0)
			return r;
		r = print_snapshot(context, snapshot, options);
		snapshot_unref(snapshot);
		if (r != 0 || !options->watch)
			return r;
	}
}

int verb_ls(struct context *context, int argc, char **argv)
{
	struct ls_options options = { 0 };
	struct sampler *sampler = NULL;
	int r = parse_arguments(context, argc, argv, &options);

	context->goes_on = options.watch;
	if (r == 0)
		r = context_sampler(context, &sampler);
	if (r == 0)
		r = watch_shown(context, sampler, &options);
	if (r == 0)
		r = run(context, sampler, &options);
	sampler_free(sampler);
	return r;
}
