// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "agent/output.h"
#include "agent/verbs/inventory_fetch.h"
#include "agent/verbs/list_options.h"
#include "agent/verbs/ps_view.h"
#include "core/cleanup.h"
#include "core/clock.h"

DEFINE_CLEANUP(struct inventory *, inventory_unref)
DEFINE_CLEANUP(struct labels *, labels_free)

struct ps_options {
	const char *cgroup;
	struct list_options list;
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

	output_json_envelope(json, clock_ns(CLOCK_REALTIME));
	jsonw_begin(json, "processes", '[');
	for (uint32_t i = 0; i < rows->n; i++) {
		const struct process *process = &view->processes->list[rows->rows[i]];
		const struct ns_process *found = ps_find(view, rows->rows[i]);
		bool outside = process->cgroup && ps_is_outside(process->cgroup);

		jsonw_begin(json, NULL, '{');
		for (size_t c = 0; c < options->list.chosen.n; c++) {
			const struct field *field = options->list.chosen.list[c];

			if (outside && strcmp(field->name, "CGROUP") == 0)
				jsonw_null(json, "cgroup");
			else
				field_json_member(json, field, view, rows->rows[i]);
		}
		if (outside)
			jsonw_bool(json, "outside", true);
		if (found && !options->list.columns)
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
		if (list_options_match(&options->list, view, i))
			numbers[rows.n++] = i;
	}
	if (r == 0)
		r = list_options_sort(&options->list, view, numbers, rows.n);
	if (r < 0)
		return context_fail(context, EXIT_FAILED, "%s", strerror(-r));
	jsonw_init(&json);
	if (options->list.json)
		json_rows(&json, options, &rows);
	else
		field_table(&json.out, &options->list.chosen, &rows, &options->list.format);
	r = context_write(context, &json.out);
	jsonw_done(&json);
	return r;
}

static const char *default_columns(const struct ps_options *options)
{
	if (options->list.json || options->list.all_columns)
		return "all";
	return options->cgroup ? "PID,USER,STATE,THREADS,RSS,CPU,NS,CONTAINER,COMMAND"
			       : "PID,USER,STATE,THREADS,RSS,CPU,NS,CONTAINER,CGROUP,COMMAND";
}

/* Without them there are processes nevertheless: those columns are empty then. */
static struct inventory *find_namespaces(struct context *context, const struct ps_options *options)
{
	struct namespaces_want want = { 0 };
	unsigned int needs = list_options_needs(&options->list);
	struct inventory *inventory = NULL;

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

int verb_ps(struct context *context, int argc, char **argv)
{
	static const struct option long_options[] = { LIST_LONG_OPTIONS, { NULL } };
	struct ps_options options = { .list.format.one_line = true };
	int option, r;

	while ((option = getopt_long(argc, argv, LIST_LETTERS, long_options, NULL)) != -1) {
		if (!list_options_set(&options.list, option, optarg))
			return context_bad_option(context);
	}
	if (optind < argc - 1)
		return context_usage(context, "%s: one CGROUP at most", argv[optind + 1]);
	if (options.list.help_columns)
		return list_options_describe(context, &ps_fields);
	options.cgroup = optind < argc ? argv[optind] : NULL;
	r = list_options_choose(context, &options.list, &ps_fields, default_columns(&options));
	if (r == 0)
		r = run(context, &options);
	list_options_done(&options.list);
	return r;
}
