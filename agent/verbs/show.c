// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "agent/output.h"
#include "agent/verbs/inventory_fetch.h"
#include "agent/verbs/show_join.h"
#include "agent/verbs/show_latency.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/derive.h"
#include "core/escape.h"

/* How long a writable layer is walked for before its numbers are left out. */
#define MEASURE_BUDGET_NS UINT64_C(2000000000)

static void add_line(struct strbuf *out, const char *name, const char *text)
{
	output_pad(out, name, 14, false);
	escape_terminal_append(out, text, strlen(text));
	strbuf_add_char(out, '\n');
}

static void add_identity(struct strbuf *out, const struct snapshot *snapshot, uint32_t index)
{
	const struct tree *tree = snapshot->tree;
	const struct node *node = tree->nodes[index];
	unsigned int n = 0;

	add_line(out, "cgroup", node->path);
	add_line(out, "kind", node_kind_name(node->kind));
	if (node->unit)
		add_line(out, "unit", node->unit);
	if (node->container_id) {
		add_line(out, "container", node->container_id);
		add_line(out, "runtime", node->runtime);
	}
	strbuf_add_string(out, "hierarchies   ");
	for (uint32_t h = 0; h < node->n_ids; h++) {
		if (node->ids[h])
			strbuf_printf(out, "%s%s (id %llu)", n++ ? ", " : "", tree->hierarchies[h],
				      (unsigned long long)node->ids[h]);
	}
	strbuf_add_char(out, '\n');
}

static void add_binding(struct strbuf *out, const struct snapshot *snapshot, uint32_t index)
{
	static const struct {
		enum metric_id id;
		const char *what;
	} limits[] = { { M_MEMORY_LIMIT, "memory limit" },
		       { M_CPU_LIMIT_CORES, "cpu limit" },
		       { M_PIDS_LIMIT, "pids limit" } };

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint32_t binds = derive_binding(snapshot, limits[i].id, index);
		union value value;

		output_pad(out, limits[i].what, 14, false);
		if (binds == NODE_NONE ||
		    snapshot_get(snapshot, limits[i].id, index, &value) != VALUE_OK) {
			strbuf_add_string(out, "none\n");
			continue;
		}
		metric_add_human(limits[i].id, value, VALUE_OK, out);
		strbuf_add_string(out, limits[i].id == M_CPU_LIMIT_CORES ? " cores" : "");
		strbuf_add_string(out, binds == index ? ", its own" : ", set by ");
		if (binds != index)
			escape_terminal_append(out, snapshot->tree->nodes[binds]->path,
					       strlen(snapshot->tree->nodes[binds]->path));
		strbuf_add_char(out, '\n');
	}
}

static void add_parts(struct strbuf *out, const struct snapshot *snapshot, uint32_t index,
		      enum metric_id id)
{
	const struct part *parts;
	uint32_t n = snapshot_parts(snapshot, index, &parts);

	for (uint32_t i = 0; i < n; i++) {
		if (parts[i].metric != id)
			continue;
		strbuf_add_string(out, "    ");
		strbuf_add_string(out, parts[i].key);
		strbuf_add_char(out, ' ');
		metric_add_human(id, parts[i].value, parts[i].state, out);
		strbuf_add_char(out, '\n');
	}
}

static void add_metric(struct strbuf *out, const struct snapshot *snapshot, uint32_t index,
		       enum metric_id id)
{
	enum metric_id rate = metric_rate(id);
	union value value = { 0 };
	enum value_state state = snapshot_get(snapshot, id, index, &value);
	struct strbuf cell;

	strbuf_init(&cell);
	if (state == VALUE_OK)
		metric_add_human(id, value, state, &cell);
	else
		strbuf_printf(&cell, "%s (%s)", value_state_name(state), value_state_reason(state));
	output_pad(out, metric_get(id)->name, 40, false);
	strbuf_add_char(out, ' ');
	escape_terminal_append(out, cell.data, cell.length);
	if (rate != M_NONE && snapshot_get(snapshot, rate, index, &value) == VALUE_OK) {
		strbuf_add_string(out, "  (");
		metric_add_human(rate, value, VALUE_OK, out);
		strbuf_add_string(out, metric_get(id)->unit == UNIT_USEC ? ")" : "/s)");
	}
	strbuf_add_char(out, '\n');
	add_parts(out, snapshot, index, id);
	strbuf_done(&cell);
}

/* What the kernel has first, then, in short, what it has not. */
static void add_metrics(struct strbuf *out, const struct snapshot *snapshot, uint32_t index)
{
	unsigned int absent = 0;

	strbuf_add_char(out, '\n');
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (snapshot_state(snapshot, (enum metric_id)id, index) == VALUE_ABSENT)
			absent++;
		else
			add_metric(out, snapshot, index, (enum metric_id)id);
	}
	strbuf_printf(out,
		      "\n%u more metrics do not exist for this cgroup on this kernel; "
		      "--json lists them under \"absent\".\n",
		      absent);
}

struct show_options {
	const char *path;
	uint64_t interval_usec, budget_ns;
	bool as_json;
};

/* A cgroup of a sample, with what belongs to it beside its metrics. */
struct shown {
	struct snapshot *snapshot;
	uint32_t index;
	struct show_join join; /* without an inventory: nothing is known */
	uint64_t serial;       /* of the cgroup */
	char no_latency[160];  /* why it is not known how long it waited, or "" */
};

static int print(struct context *context, const struct shown *shown,
		 const struct column_list *columns, bool as_json)
{
	struct jsonw json;
	int r;

	jsonw_init(&json);
	if (as_json) {
		output_json_begin(&json, shown->snapshot);
		jsonw_begin(&json, "cgroups", '[');
		jsonw_begin(&json, NULL, '{');
		output_json_members(&json, shown->snapshot, shown->index, columns);
		if (shown->join.join)
			show_join_json(&json, &shown->join);
		show_latency_json(&json, shown->snapshot, shown->index, shown->no_latency);
		jsonw_end(&json, '}');
		jsonw_end(&json, ']');
		jsonw_end(&json, '}');
		strbuf_add_char(&json.out, '\n');
	} else {
		add_identity(&json.out, shown->snapshot, shown->index);
		if (shown->join.join)
			show_join_print(&json.out, &shown->join);
		add_binding(&json.out, shown->snapshot, shown->index);
		show_latency_print(&json.out, shown->snapshot, shown->index, shown->no_latency);
		add_metrics(&json.out, shown->snapshot, shown->index);
	}
	r = context_write(context, &json.out);
	jsonw_done(&json);
	return r;
}

/*
 * What is beside the cgroups: of the layers only that of the cgroup at hand is measured, and not
 * for longer than people wait. `inventory` is not shared yet.
 */
static int find_inventory(struct context *context, struct sampler *sampler,
			  const struct show_options *options, struct shown *shown)
{
	const struct overlay *overlay = NULL;
	struct inventory *inventory = NULL;
	struct snapshot *snapshot = NULL;
	struct metric_set none = { 0 };
	struct join *join = NULL;
	uint32_t index;
	int r;

	r = context_sample(context, sampler, &none, 0, &snapshot);
	if (r != 0)
		return r;
	index = context_find(context, snapshot, options->path, &r);
	if (index != NODE_NONE)
		shown->serial = snapshot->tree->nodes[index]->serial;
	if (index != NODE_NONE)
		r = inventory_fetch(context, sampler_hierarchies(sampler),
				    INVENTORY_NAMESPACES | INVENTORY_OVERLAYS |
					    INVENTORY_CONTAINERS,
				    &inventory);
	if (inventory && join_new(snapshot->tree, inventory, &join) == 0)
		overlay = join_overlay(join, index);
	if (overlay)
		inventory_measure(context, inventory, overlay, options->budget_ns);
	/* What was not measured now will not be by waiting. */
	if (inventory)
		inventory->parts |= INVENTORY_USAGE;
	join_unref(join);
	snapshot_unref(snapshot);
	shown->join.inventory = inventory;
	return r;
}

/* How long it waits is counted only from now on: between the two samples. */
static int start_watch(struct sampler *sampler, struct shown *shown)
{
	bool bpf = sampler_use_bpf(sampler, true);
	int r = sampler_watch(sampler, UINT32_MAX, &shown->serial, 1);
	const char *reason;

	if (bpf)
		sampler_latency(sampler, &reason);
	else
		sampler_bpf(sampler, &reason);
	snprintf(shown->no_latency, sizeof(shown->no_latency), "%s", reason);
	return r;
}

static int take(struct context *context, const struct show_options *options,
		const struct metric_set *set, struct shown *shown)
{
	struct sampler *sampler = NULL;
	int r = context_sampler(context, &sampler);

	if (r == 0)
		r = find_inventory(context, sampler, options, shown);
	if (r == 0 && start_watch(sampler, shown) < 0)
		r = context_fail(context, EXIT_FAILED, "out of memory");
	if (r == 0) {
		sampler_set_inventory(sampler, shown->join.inventory);
		r = context_sample(context, sampler, set, options->interval_usec, &shown->snapshot);
	}
	if (r == 0)
		shown->index = context_find(context, shown->snapshot, options->path, &r);
	sampler_free(sampler);
	return r;
}

static int run(struct context *context, const struct show_options *options)
{
	struct shown shown = { 0 };
	struct column_list columns;
	struct metric_set set = { 0 };
	size_t bad_length;
	const char *bad;
	int r;

	columns.n = (size_t)metric_parse_list("all", &set, columns.ids, ARRAY_SIZE(columns.ids),
					      &bad, &bad_length);
	r = take(context, options, &set, &shown);
	if (r == 0) {
		shown.join.join = join_ref(shown.snapshot->join);
		shown.join.node = shown.index;
		shown.join.labels = labels_new(context->root);
		shown.join.now_ns = clock_ns(CLOCK_BOOTTIME);
		r = print(context, &shown, &columns, options->as_json);
	}
	labels_free(shown.join.labels);
	join_unref(shown.join.join);
	snapshot_unref(shown.snapshot);
	inventory_unref(shown.join.inventory);
	return r;
}

int verb_show(struct context *context, int argc, char **argv)
{
	static const struct option long_options[] = { { "json", no_argument, NULL, 'j' },
						      { "interval", required_argument, NULL, 'i' },
						      { "budget", required_argument, NULL, 'b' },
						      { NULL } };
	struct show_options options = { .interval_usec = 1000000, .budget_ns = MEASURE_BUDGET_NS };
	uint64_t usec;
	int option;

	while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (option == 'j') {
			options.as_json = true;
			continue;
		}
		if (option != 'i' && option != 'b')
			return context_bad_option(context);
		if (parse_duration(optarg, &usec) < 0)
			return context_usage(context, "--%s: %s: give a time with its unit",
					     option == 'i' ? "interval" : "budget", optarg);
		if (option == 'i')
			options.interval_usec = usec;
		else if (usec == 0 || usec > UINT64_MAX / 1000)
			return context_usage(context, "--budget: %s: too short or too long",
					     optarg);
		else
			options.budget_ns = usec * 1000;
	}
	if (optind != argc - 1)
		return context_usage(context, "give one CGROUP");
	options.path = argv[optind];
	return run(context, &options);
}
