// SPDX-License-Identifier: MIT
#include "tui/process_rows.h"

#include <errno.h>
#include <stdlib.h>

#include "core/cleanup.h"

/* With all below: no more cgroups than that are asked in one go. */
#define BELOW_MAX 2000
/* Over less than that the kernel's clock ticks make no rate: the one before is kept. */
#define ELAPSED_MIN_NS UINT64_C(100000000)

static void free_row(struct process_row *row)
{
	free(row->process.command);
	free(row->process.cgroup);
}

void process_rows_done(struct process_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		free_row(&rows->list[i]);
	free(rows->list);
	*rows = (struct process_rows){ 0 };
}

int process_rows_compare(const void *a, const void *b)
{
	const struct process_row *x = a, *y = b;

	return (x->process.pid > y->process.pid) - (x->process.pid < y->process.pid);
}

/* Moves the processes out of `processes` into rows. -ENOMEM. */
static int take_list(struct process_rows *rows, struct process_list *processes)
{
	size_t need = rows->n + processes->n;

	if (need > rows->capacity) {
		struct process_row *grown = realloc(rows->list, need * 2 * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		rows->list = grown;
		rows->capacity = need * 2;
	}
	for (size_t i = 0; i < processes->n; i++) {
		rows->list[rows->n++] = (struct process_row){ .process = processes->list[i],
							      .cpu = -1 };
		processes->list[i].command = processes->list[i].cgroup = NULL;
	}
	return 0;
}

static int collect_node(struct process_rows *rows, struct app *app, uint32_t node)
{
	struct process_list processes = { 0 };
	int r = app->source->processes(app->source->data, app->snapshot->tree->nodes[node],
				       &processes);

	if (r >= 0)
		r = take_list(rows, &processes);
	process_list_done(&processes);
	return r;
}

static int collect_cgroup(struct process_rows *rows, struct app *app, uint32_t index, bool below)
{
	uint32_t end = below ? app->snapshot->tree->end[index] : index + 1;

	for (uint32_t i = index; i < end && i < index + BELOW_MAX; i++) {
		int r = collect_node(rows, app, i);

		/* A cgroup below that went away meanwhile has no processes to show. */
		if (r < 0 && (i == index || r == -ENOMEM))
			return r;
	}
	return 0;
}

/* Those with a mark stay, each once: v1 hierarchies may have one in several cgroups. */
static void drop_others(struct process_rows *rows, const struct namespaces *set, const bool *marks)
{
	size_t kept = 0;

	if (rows->n > 1)
		qsort(rows->list, rows->n, sizeof(*rows->list), process_rows_compare);
	for (size_t i = 0; i < rows->n; i++) {
		struct process_row *row = &rows->list[i];
		uint32_t index = set ? namespaces_find_process(set, row->process.pid) : NS_NONE;
		bool twice = kept > 0 && process_rows_compare(&rows->list[kept - 1], row) == 0;

		if (twice || (marks && (index == NS_NONE || !marks[index])))
			free_row(row);
		else
			rows->list[kept++] = *row;
	}
	rows->n = kept;
}

/* Those of the cgroups it has to do with, without the ones that are elsewhere. */
static int collect_marked(struct process_rows *rows, struct app *app, const struct target *of)
{
	const struct namespaces *set = snapshot_namespaces(app->snapshot);
	uint32_t n_nodes = app->snapshot->tree->n, n_asked = 0;
	_cleanup_(freep) bool *nodes = calloc((size_t)n_nodes + 1, sizeof(*nodes));
	_cleanup_(freep) bool *marks = calloc((size_t)(set ? set->n_processes : 0) + 1,
					      sizeof(*marks));

	if (!nodes || !marks)
		return -ENOMEM;
	target_mark_nodes(app->snapshot, of, nodes);
	target_mark_processes(app->snapshot, of, marks);
	for (uint32_t i = 0; i < n_nodes && n_asked < BELOW_MAX; i++) {
		n_asked += nodes[i];
		if (nodes[i] && collect_node(rows, app, i) == -ENOMEM)
			return -ENOMEM;
	}
	drop_others(rows, set, marks);
	return 0;
}

static int collect(struct process_rows *rows, struct app *app, const struct target *of, bool below)
{
	uint32_t node = target_find_node(app->snapshot, of);
	int r;

	if (of->kind == TARGET_CGROUP) {
		if (node == NODE_NONE)
			return -ENOENT;
		r = collect_cgroup(rows, app, node, below);
		drop_others(rows, NULL, NULL);
		return r;
	}
	return target_is_there(app->snapshot, of) ? collect_marked(rows, app, of) : -ENOENT;
}

static void compute_cpu(struct process_rows *rows, struct process_rows *before, uint64_t elapsed_ns)
{
	if (before->n == 0)
		return;
	qsort(before->list, before->n, sizeof(*before->list), process_rows_compare);
	for (size_t i = 0; i < rows->n; i++) {
		struct process_row *row = &rows->list[i];
		const struct process_row *old = bsearch(
			row, before->list, before->n, sizeof(*before->list), process_rows_compare);

		if (!old || old->process.start_time != row->process.start_time ||
		    row->process.cpu_usec < old->process.cpu_usec)
			continue;
		if (elapsed_ns < ELAPSED_MIN_NS)
			row->cpu = old->cpu;
		else
			row->cpu = (double)(row->process.cpu_usec - old->process.cpu_usec) * 1e3 /
				   (double)elapsed_ns;
	}
}

int process_rows_update(struct process_rows *rows, struct app *app, const struct target *of,
			bool below)
{
	struct process_rows fresh = { .taken_ns = app->now_ns };
	int r = collect(&fresh, app, of, below);

	if (r == -ENOENT) {
		process_rows_done(&fresh);
		return r;
	}
	compute_cpu(&fresh, rows, rows->taken_ns ? app->now_ns - rows->taken_ns : 0);
	process_rows_done(rows);
	*rows = fresh;
	return r;
}
