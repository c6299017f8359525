// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "agent/field_filter.h"
#include "agent/output.h"
#include "agent/verbs/inventory_fetch.h"
#include "agent/verbs/ps_view.h"
#include "core/cleanup.h"

DEFINE_CLEANUP(struct inventory *, inventory_unref)
DEFINE_CLEANUP(struct labels *, labels_free)

struct ps_options {
	const char *cgroup, *columns, *filter_text, *sort;
	struct field_list chosen;
	struct field_filter *filter;
	const struct field *sort_field;
	bool json, notruncate, help_columns;
	struct field_format format;
};

/* Processes of one cgroup: it is looked up in a snapshot without columns. */
static int of_cgroup(struct context *context, const char *path, struct process_list *ret_processes)
{
	struct sampler *sampler = NULL;
	struct snapshot *snapshot = NULL;
	struct metric_set none = { 0 };
	uint32_t index;
	int r = context_sampler(context, &sampler);

	if (r == 0)
		r = context_sample(context, sampler, &none, 0, &snapshot);
	if (r == 0 && (index = context_find(context, snapshot, path, &r)) != NODE_NONE) {
		r = processes_of_cgroup(context->root, sampler_hierarchies(sampler),
					snapshot->tree->nodes[index], ret_processes);
		if (r < 0)
			r = context_fail(context, EXIT_FAILED, "%s: cgroup.procs: %s", path,
					 strerror(-r));
		for (size_t i = 0; r == 0 && i < ret_processes->n; i++)
			ret_processes->list[i].cgroup = strdup(snapshot->tree->nodes[index]->path);
	}
	snapshot_unref(snapshot);
	sampler_free(sampler);
	return r;
}

static int of_all(struct context *context, struct process_list *ret_processes)
{
	struct sampler *sampler = NULL;
	int r = context_sampler(context, &sampler);

	if (r != 0)
		return r;
	r = processes_all(context->root, sampler_hierarchies(sampler), ret_processes);
	if (r < 0)
		r = context_fail(context, EXIT_FAILED, "processes: %s", strerror(-r));
	sampler_free(sampler);
	return r;
}

static void json_rows(struct jsonw *json, const struct ps_options *options,
		      const struct field_rows *rows)
{
	const struct ps_view *view = rows->view;

	output_json_envelope(json, context_now(CLOCK_REALTIME));
	jsonw_begin(json, "processes", '[');
	for (uint32_t i = 0; i < rows->n; i++) {
		const struct process *process = &view->processes->list[rows->rows[i]];
		const struct ns_process *found = ps_find(view, rows->rows[i]);
		bool outside = process->cgroup && ps_is_outside(process->cgroup);

		jsonw_begin(json, NULL, '{');
		for (size_t c = 0; c < options->chosen.n; c++) {
			const struct field *field = options->chosen.list[c];

			if (outside && strcmp(field->name, "CGROUP") == 0)
				jsonw_null(json, "cgroup");
			else
				field_json_member(json, field, view, rows->rows[i]);
		}
		if (outside)
			jsonw_bool(json, "outside", true);
		if (found && !options->columns)
			ps_json_namespaces(json, view->namespaces, found);
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
	jsonw_end(json, '}');
	strbuf_add_char(&json->out, '\n');
}

static int print(struct context *context, const struct ps_view *view,
		 const struct ps_options *options)
{
	uint32_t n = (uint32_t)view->processes->n;
	_cleanup_(freep) uint32_t *numbers = malloc(((size_t)n + 1) * sizeof(*numbers));
	struct field_rows rows = { .view = view, .rows = numbers };
	struct jsonw json;
	int r = numbers ? 0 : -ENOMEM;

	for (uint32_t i = 0; numbers && i < n; i++) {
		if (!options->filter || field_filter_match(options->filter, view, i))
			numbers[rows.n++] = i;
	}
	if (r == 0 && options->sort_field)
		r = field_sort(options->sort_field, *options->sort == '-', view, numbers, rows.n);
	if (r < 0)
		return context_fail(context, EXIT_FAILED, "%s", strerror(-r));
	jsonw_init(&json);
	if (options->json)
		json_rows(&json, options, &rows);
	else
		field_table(&json.out, &options->chosen, &rows, &options->format);
	r = context_write(context, &json.out);
	jsonw_done(&json);
	return r;
}

static int choose(struct context *context, struct ps_options *options)
{
	const char *text = options->json     ? "all"
			   : options->cgroup ? "PID,USER,STATE,THREADS,RSS,CPU,NS,CONTAINER,COMMAND"
					     : "PID,USER,STATE,THREADS,RSS,CPU,NS,CONTAINER,CGROUP,"
					       "COMMAND";
	const char *bad, *sort = options->sort;
	char reason[256];
	size_t length;
	int r;

	field_parse_list(&ps_fields, text, &options->chosen, &bad, &length);
	r = options->columns ? field_parse_list(&ps_fields, options->columns, &options->chosen,
						&bad, &length)
			     : 0;
	if (r == -EINVAL)
		return context_usage(context, "--output: %.*s: no such column; -H lists them",
				     (int)length, bad);
	if (sort && !(options->sort_field = field_find(&ps_fields, sort + (*sort == '-'),
						       strlen(sort + (*sort == '-')))))
		return context_usage(context, "--sort: %s: no such column; -H lists them", sort);
	if (!options->filter_text)
		return 0;
	r = field_filter_parse(&ps_fields, options->filter_text, &options->filter, reason,
			       sizeof(reason));
	return r < 0 ? context_usage(context, "--filter: %s", r == -EINVAL ? reason : strerror(-r))
		     : 0;
}

/* Without them there are processes nevertheless: those columns are empty then. */
static struct inventory *find_namespaces(struct context *context, const struct ps_options *options)
{
	struct namespaces_want want = { 0 };
	unsigned int needs = field_needs(&options->chosen);
	struct inventory *inventory = NULL;

	if (options->filter)
		needs |= field_filter_needs(options->filter);
	if (options->sort_field)
		needs |= options->sort_field->needs;
	want.containers = needs & PS_NEEDS_CONTAINERS;
	if (!needs || namespaces_fetch(context, &want, &inventory) != 0)
		return NULL;
	return inventory;
}

static int run(struct context *context, const struct ps_options *options)
{
	_cleanup_(inventory_unrefp) struct inventory *inventory = NULL;
	_cleanup_(labels_freep) struct labels *labels = NULL;
	struct process_list processes = { 0 };
	struct ps_view view = { .processes = &processes };
	int r;

	r = options->cgroup ? of_cgroup(context, options->cgroup, &processes)
			    : of_all(context, &processes);
	if (r == 0) {
		inventory = find_namespaces(context, options);
		labels = labels_new(context->root);
		view.labels = labels;
		view.namespaces = inventory ? inventory->namespaces : NULL;
		view.containers = inventory ? inventory->containers : NULL;
		r = print(context, &view, options);
	}
	process_list_done(&processes);
	return r;
}

static int list_columns(struct context *context)
{
	struct strbuf out;
	int r;

	strbuf_init(&out);
	field_describe(&ps_fields, &out);
	r = context_write(context, &out);
	strbuf_done(&out);
	return r;
}

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'J' },
	{ "noheadings", no_argument, NULL, 'n' },
	{ "output", required_argument, NULL, 'o' },
	{ "columns", required_argument, NULL, 'o' },
	{ "filter", required_argument, NULL, 'Q' },
	{ "raw", no_argument, NULL, 'r' },
	{ "notruncate", no_argument, NULL, 'u' },
	{ "list-columns", no_argument, NULL, 'H' },
	{ "sort", required_argument, NULL, 's' },
	{ "bytes", no_argument, NULL, 'b' },
	{ NULL },
};

/* False if it is no option of ours. */
static bool set_option(struct ps_options *options, int option)
{
	static const size_t flags[][2] = {
		{ 'J', offsetof(struct ps_options, json) },
		{ 'n', offsetof(struct ps_options, format.no_headings) },
		{ 'r', offsetof(struct ps_options, format.raw) },
		{ 'b', offsetof(struct ps_options, format.bytes) },
		{ 'u', offsetof(struct ps_options, notruncate) },
		{ 'H', offsetof(struct ps_options, help_columns) },
	};

	if (option == 'o' || option == 'Q' || option == 's') {
		*(option == 'o'	  ? &options->columns
		  : option == 'Q' ? &options->filter_text
				  : &options->sort) = optarg;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if ((size_t)option == flags[i][0]) {
			*(bool *)((char *)options + flags[i][1]) = true;
			return true;
		}
	}
	return false;
}

int verb_ps(struct context *context, int argc, char **argv)
{
	struct ps_options options = { .format.one_line = true };
	int option, r;

	while ((option = getopt_long(argc, argv, ":Jno:Q:ruHs:b", long_options, NULL)) != -1) {
		if (!set_option(&options, option))
			return context_bad_option(context);
	}
	if (optind < argc - 1)
		return context_usage(context, "%s: one CGROUP at most", argv[optind + 1]);
	if (options.help_columns)
		return list_columns(context);
	options.cgroup = optind < argc ? argv[optind] : NULL;
	options.format.width = options.notruncate ? 0 : output_terminal_width();
	r = choose(context, &options);
	if (r == 0)
		r = run(context, &options);
	field_filter_free(options.filter);
	return r;
}
