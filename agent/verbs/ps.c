// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
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

enum { OPTION_OWN = 256 };

struct ps_options {
	const char *cgroup;
	bool own; /* not of those below it */
	struct list_options list;
};

static int compare_pids(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	if (x->pid != y->pid || !x->cgroup || !y->cgroup)
		return (x->pid > y->pid) - (x->pid < y->pid);
	return strcmp(y->cgroup, x->cgroup);
}

/* A process that several of the cgroups have, by hierarchies or threads, is in the one furthest
 * down. */
static void sort_processes(struct process_list *processes)
{
	size_t n = 0;

	if (processes->n > 1)
		qsort(processes->list, processes->n, sizeof(*processes->list), compare_pids);
	for (size_t i = 0; i < processes->n; i++) {
		struct process *process = &processes->list[i];

		if (n > 0 && processes->list[n - 1].pid == process->pid) {
			free(process->command);
			free(process->cgroup);
			continue;
		}
		processes->list[n++] = *process;
	}
	processes->n = n;
}

/* Adds those of one cgroup, and takes them over. */
static int add_cgroup(const struct context *context, struct sampler *sampler,
		      const struct node *node, struct process_list *processes)
{
	struct process_list own = { 0 };
	struct process *grown;
	int r = processes_of_cgroup(context->root, sampler_hierarchies(sampler), node, &own);

	if (r < 0)
		return r;
	grown = reallocarray(processes->list, processes->n + own.n + 1, sizeof(*grown));
	if (!grown) {
		process_list_done(&own);
		return -ENOMEM;
	}
	processes->list = grown;
	for (size_t i = 0; i < own.n; i++) {
		grown[processes->n] = own.list[i];
		grown[processes->n++].cgroup = strdup(node->path);
	}
	free(own.list);
	return 0;
}

/* Processes of a cgroup and those below it: it is looked up in a snapshot without columns. */
static int of_cgroup(struct context *context, const struct ps_options *options,
		     struct process_list *ret_processes)
{
	struct sampler *sampler = NULL;
	struct snapshot *snapshot = NULL;
	struct metric_set none = { 0 };
	uint32_t index = NODE_NONE;
	int r = context_sampler(context, &sampler);

	if (r == 0)
		r = context_sample(context, sampler, &none, 0, &snapshot);
	if (r == 0 && (index = context_find(context, snapshot, options->cgroup, &r)) != NODE_NONE) {
		const struct tree *tree = snapshot->tree;
		uint32_t end = options->own ? index + 1 : tree->end[index];

		for (uint32_t i = index; r >= 0 && i < end; i++) {
			r = add_cgroup(context, sampler, tree->nodes[i], ret_processes);
			/* One below it may end meanwhile. */
			if (i > index && (r == -ENOENT || r == -ENODEV))
				r = 0;
		}
		if (r < 0)
			r = context_fail(context, EXIT_FAILED, "%s: cgroup.procs: %s",
					 options->cgroup, strerror(-r));
	}
	sort_processes(ret_processes);
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
	return options->cgroup && options->own
		       ? "PID,USER,STATE,THREADS,RSS,CPU,NS,CONTAINER,COMMAND"
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

/* Where all are in one cgroup, a column for it says nothing. */
static void hide_cgroup(struct ps_options *options, const struct process_list *processes)
{
	struct field_list *chosen = &options->list.chosen;
	size_t n = 0;

	if (!options->cgroup || options->list.json || options->list.columns ||
	    options->list.all_columns)
		return;
	for (size_t i = 1; i < processes->n; i++) {
		const char *a = processes->list[i - 1].cgroup, *b = processes->list[i].cgroup;

		if (!a || !b || strcmp(a, b) != 0)
			return;
	}
	for (size_t i = 0; i < chosen->n; i++) {
		if (strcmp(chosen->list[i]->name, "CGROUP") != 0)
			chosen->list[n++] = chosen->list[i];
	}
	chosen->n = n;
}

static int run(struct context *context, struct ps_options *options)
{
	_cleanup_(inventory_unrefp) struct inventory *inventory = NULL;
	_cleanup_(labels_freep) struct labels *labels = NULL;
	struct process_list processes = { 0 };
	struct ps_view view = { .processes = &processes };
	int r;

	r = options->cgroup ? of_cgroup(context, options, &processes) : of_all(context, &processes);
	if (r == 0) {
		hide_cgroup(options, &processes);
		inventory = find_namespaces(context, options);
		labels = labels_new(context->root);
		view.labels = labels;
		view.namespaces = inventory ? inventory->namespaces : NULL;
		view.containers = inventory ? inventory->containers : NULL;
		r = print(context, &view, options);
	}
	if (r == 0 && options->cgroup && processes.n == 0 && !options->list.json)
		context_fail(context, 0, "%s: no process in it%s", options->cgroup,
			     options->own ? " itself" : " or below it");
	process_list_done(&processes);
	return r;
}

int verb_ps(struct context *context, int argc, char **argv)
{
	static const struct option long_options[] = {
		LIST_LONG_OPTIONS,
		{ "own", no_argument, NULL, OPTION_OWN },
		{ NULL },
	};
	struct ps_options options = { .list.format.one_line = true };
	int option, r;

	while ((option = getopt_long(argc, argv, LIST_LETTERS, long_options, NULL)) != -1) {
		if (option == OPTION_OWN)
			options.own = true;
		else if (!list_options_set(&options.list, option, optarg))
			return context_bad_option(context);
	}
	if (optind < argc - 1)
		return context_usage(context, "%s: one CGROUP at most", argv[optind + 1]);
	if (options.own && optind == argc && !options.list.help_columns)
		return context_usage(context, "--own: of which CGROUP?");
	if (options.list.help_columns)
		return list_options_describe(context, &ps_fields);
	options.cgroup = optind < argc ? argv[optind] : NULL;
	r = list_options_choose(context, &options.list, &ps_fields, default_columns(&options));
	if (r == 0)
		r = run(context, &options);
	list_options_done(&options.list);
	return r;
}
