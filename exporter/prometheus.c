// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "exporter/prometheus.h"

#include <errno.h>
#include <stdlib.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "core/glob.h"
#include "exporter/family.h"
#include "exporter/inventory.h"
#include "exporter/label.h"
#include "exporter/latency.h"

struct prometheus {
	atomic_int refs;
	uint32_t max_depth, max_series, max_label;
	bool inventory, namespace_info;
	char **include, **exclude; /* NULL-terminated, NULL for none */
	struct family_table table;
};

/* One rendering: the cgroups that are shown and their label text, escaped once. */
struct render {
	const struct prometheus *prometheus;
	const struct snapshot *snapshot;
	struct strbuf *out;
	uint32_t *nodes, n; /* indices in tree order */
	struct strbuf labels;
	size_t *label_start; /* n + 1 offsets */
	uint64_t series;
};

void prometheus_options_init(struct prometheus_options *options)
{
	*options = (struct prometheus_options){ .max_series = 1000000, .max_label = 1024 };
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (metric_get((enum metric_id)id)->flags & METRIC_EXPORT)
			metric_set_add(&options->metrics, (enum metric_id)id);
	}
}

static void free_globs(char **globs)
{
	for (char **glob = globs; glob && *glob; glob++)
		free(*glob);
	free(globs);
}

static int copy_globs(const char *const *globs, size_t n, char ***ret_globs)
{
	char **copy;

	if (n == 0)
		return 0;
	copy = calloc(n + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		copy[i] = strdup(globs[i]);
		if (!copy[i]) {
			free_globs(copy);
			return -ENOMEM;
		}
	}
	*ret_globs = copy;
	return 0;
}

int prometheus_new(const struct prometheus_options *options, struct prometheus **ret_prometheus)
{
	struct prometheus *prometheus = calloc(1, sizeof(*prometheus));
	int r;

	if (!prometheus)
		return -ENOMEM;
	atomic_init(&prometheus->refs, 1);
	prometheus->max_depth = options->max_depth;
	prometheus->max_series = options->max_series;
	prometheus->max_label = options->max_label;
	prometheus->inventory = options->inventory;
	prometheus->namespace_info = options->namespace_info;
	r = copy_globs(options->include, options->n_include, &prometheus->include);
	if (r == 0)
		r = copy_globs(options->exclude, options->n_exclude, &prometheus->exclude);
	if (r == 0)
		r = family_table_init(&prometheus->table, &options->metrics);
	if (r < 0) {
		prometheus_unref(prometheus);
		return r;
	}
	*ret_prometheus = prometheus;
	return 0;
}

struct prometheus *prometheus_ref(struct prometheus *prometheus)
{
	atomic_fetch_add_explicit(&prometheus->refs, 1, memory_order_relaxed);
	return prometheus;
}

void prometheus_unref(struct prometheus *prometheus)
{
	if (!prometheus ||
	    atomic_fetch_sub_explicit(&prometheus->refs, 1, memory_order_acq_rel) != 1)
		return;
	free_globs(prometheus->include);
	free_globs(prometheus->exclude);
	family_table_done(&prometheus->table);
	free(prometheus);
}

static bool any_matches(char *const *globs, const char *path)
{
	for (; *globs; globs++) {
		if (glob_match(*globs, path))
			return true;
	}
	return false;
}

static bool is_shown(const struct prometheus *prometheus, const struct node *node)
{
	if (prometheus->max_depth > 0 && node->depth > prometheus->max_depth)
		return false;
	if (prometheus->include && !any_matches(prometheus->include, node->path))
		return false;
	return !prometheus->exclude || !any_matches(prometheus->exclude, node->path);
}

/* Series of one cgroup, the info series included. */
static uint32_t count_series(const struct render *render, uint32_t node)
{
	const struct family_table *table = &render->prometheus->table;
	const struct part *parts = NULL;
	uint32_t count = 1, n_parts = snapshot_parts(render->snapshot, node, &parts), n;

	latency_of(render->snapshot->distributions, node, &n);
	count += n * LATENCY_SERIES;

	for (uint32_t i = 0; i < table->n_rows; i++) {
		const struct family_row *row = &table->rows[i];

		if (!table->families[row->family].keyed)
			count += snapshot_state(render->snapshot, row->id, node) == VALUE_OK;
	}
	for (uint32_t i = 0; i < n_parts; i++) {
		const struct family_row *row = table->by_metric[parts[i].metric];

		count += row && table->families[row->family].keyed && parts[i].state == VALUE_OK;
	}
	return count;
}

/*
 * Keeps whole cgroups while they fit, from the root down and in tree order on each level, so that
 * the same cgroups are dropped at every scrape. `counts` becomes 0 where a cgroup is dropped.
 */
static void drop_deepest(const struct render *render, uint32_t *counts, uint32_t deepest,
			 struct prometheus_stats *stats)
{
	const struct tree *tree = render->snapshot->tree;
	uint64_t kept = 0;
	bool full = false;

	for (uint32_t depth = 0; depth <= deepest; depth++) {
		for (uint32_t i = 0; i < render->n; i++) {
			if (tree->nodes[render->nodes[i]]->depth != depth)
				continue;
			full = full || kept + counts[i] > render->prometheus->max_series;
			if (!full) {
				kept += counts[i];
				continue;
			}
			stats->dropped_cgroups++;
			stats->dropped_series += counts[i];
			counts[i] = 0;
		}
	}
}

static int limit_series(struct render *render, struct prometheus_stats *stats)
{
	_cleanup_(freep) uint32_t *counts = calloc((size_t)render->n + 1, sizeof(*counts));
	uint32_t deepest = 0, n = 0;
	uint64_t total = 0;

	if (!counts)
		return -ENOMEM;
	for (uint32_t i = 0; i < render->n; i++) {
		uint32_t depth = render->snapshot->tree->nodes[render->nodes[i]]->depth;

		counts[i] = count_series(render, render->nodes[i]);
		total += counts[i];
		deepest = depth > deepest ? depth : deepest;
	}
	if (total <= render->prometheus->max_series)
		return 0;
	drop_deepest(render, counts, deepest, stats);
	for (uint32_t i = 0; i < render->n; i++) {
		if (counts[i] > 0)
			render->nodes[n++] = render->nodes[i];
	}
	render->n = n;
	return 0;
}

/* What is left of the budget is for the objects of the inventory. */
static int add_inventory(struct render *render, struct prometheus_stats *stats)
{
	const struct prometheus *prometheus = render->prometheus;
	struct inventory_export export = {
		.max_label = prometheus->max_label,
		.namespace_info = prometheus->namespace_info,
		.budget = prometheus->max_series ? 0 : UINT64_MAX,
	};
	int r;

	if (!prometheus->inventory || !render->snapshot->join)
		return 0;
	if (prometheus->max_series > render->series)
		export.budget = prometheus->max_series - render->series;
	export.shown = calloc(render->snapshot->tree->n, sizeof(*export.shown));
	if (!export.shown)
		return -ENOMEM;
	for (uint32_t i = 0; i < render->n; i++)
		export.shown[render->nodes[i]] = true;
	r = inventory_export_render(&export, render->snapshot, render->out);
	free(export.shown);
	render->series += export.series;
	stats->dropped_series += export.dropped;
	return r;
}

static int select_nodes(struct render *render, struct prometheus_stats *stats)
{
	const struct tree *tree = render->snapshot->tree;

	render->nodes = malloc(((size_t)tree->n + 1) * sizeof(*render->nodes));
	if (!render->nodes)
		return -ENOMEM;
	for (uint32_t i = 0; i < tree->n; i++) {
		if (is_shown(render->prometheus, tree->nodes[i]))
			render->nodes[render->n++] = i;
	}
	return render->prometheus->max_series > 0 ? limit_series(render, stats) : 0;
}

static int make_labels(struct render *render)
{
	const struct tree *tree = render->snapshot->tree;

	render->label_start = malloc(((size_t)render->n + 1) * sizeof(*render->label_start));
	if (!render->label_start)
		return -ENOMEM;
	for (uint32_t i = 0; i < render->n; i++) {
		render->label_start[i] = render->labels.length;
		label_add_cgroup(&render->labels, tree->nodes[render->nodes[i]],
				 render->prometheus->max_label);
	}
	render->label_start[render->n] = render->labels.length;
	return render->labels.failed ? -ENOMEM : 0;
}

/* Name and cgroup: what a sample of cgroup number `i` begins with. */
static void start_sample(struct render *render, struct family_text head, uint32_t i)
{
	struct strbuf *out = render->out;
	size_t start = render->label_start[i], length = render->label_start[i + 1] - start;
	char *at;

	if (!strbuf_reserve(out, head.length + length))
		return;
	at = mempcpy(out->data + out->length, family_text(&render->prometheus->table, head),
		     head.length);
	at = mempcpy(at, render->labels.data + start, length);
	out->length = (size_t)(at - out->data);
}

static void end_sample(struct render *render, const struct family_row *row, union value value)
{
	struct strbuf *out = render->out;
	char *at;

	if (!strbuf_reserve(out, row->tail.length + NUMBER_MAX + 1))
		return;
	at = mempcpy(out->data + out->length, family_text(&render->prometheus->table, row->tail),
		     row->tail.length);
	at = row->write(at, value, row->digits);
	*at++ = '\n';
	*at = '\0';
	out->length = (size_t)(at - out->data);
	render->series++;
}

static void add_parts(struct render *render, uint32_t index, uint32_t i)
{
	const struct family_table *table = &render->prometheus->table;
	const struct part *parts = NULL;
	uint32_t n = snapshot_parts(render->snapshot, render->nodes[i], &parts);

	for (uint32_t p = 0; p < n; p++) {
		const struct part *part = &parts[p];
		const struct family_row *row = table->by_metric[part->metric];

		if (!row || row->family != index || part->state != VALUE_OK)
			continue;
		start_sample(render, table->families[index].head, i);
		strbuf_add(render->out, family_text(table, row->key_head), row->key_head.length);
		escape_label(render->out, part->key, strlen(part->key));
		end_sample(render, row, part->value);
	}
}

static void add_cells(struct render *render, const struct family *family, uint32_t i)
{
	const struct family_row *row = &render->prometheus->table.rows[family->first];
	union value value;

	for (const struct family_row *end = row + family->n; row < end; row++) {
		if (snapshot_get(render->snapshot, row->id, render->nodes[i], &value) != VALUE_OK)
			continue;
		start_sample(render, family->head, i);
		end_sample(render, row, value);
	}
}

static void add_family(struct render *render, uint32_t index)
{
	const struct family_table *table = &render->prometheus->table;
	const struct family *family = &table->families[index];
	size_t start = render->out->length;
	uint64_t series = render->series;

	strbuf_add(render->out, family_text(table, family->header), family->header.length);
	for (uint32_t i = 0; i < render->n; i++) {
		if (family->keyed)
			add_parts(render, index, i);
		else
			add_cells(render, family, i);
	}
	/* A family without a sample has no business here. */
	if (render->series == series && !render->out->failed) {
		render->out->length = start;
		render->out->data[start] = '\0';
	}
}

/* What does not change about a cgroup, on one series, so that samples need no more than the path.
 */
static void add_info(struct render *render)
{
	static const char name[] = "cgwatch_cgroup_info", open[] = "{cgroup=\"";
	struct strbuf *out = render->out;

	family_add_header(out, name, "gauge", "What a cgroup is; the value is always 1.");
	for (uint32_t i = 0; i < render->n; i++) {
		const struct node *node = render->snapshot->tree->nodes[render->nodes[i]];
		size_t start = render->label_start[i];

		strbuf_add(out, name, sizeof(name) - 1);
		strbuf_add(out, open, sizeof(open) - 1);
		strbuf_add(out, render->labels.data + start, render->label_start[i + 1] - start);
		strbuf_add_string(out, "\",id=\"");
		strbuf_add_u64(out, node_id(node));
		strbuf_add_char(out, '"');
		label_add(out, "kind", node_kind_name(node->kind));
		label_add(out, "unit", node->unit);
		label_add(out, "runtime", node->runtime);
		label_add(out, "container_id", node->container_id);
		strbuf_add_string(out, "} 1\n");
		render->series++;
	}
}

static void add_latency(struct render *render)
{
	uint64_t series = render->series;

	for (uint32_t i = 0; i < render->n; i++) {
		size_t start = render->label_start[i];
		const struct distribution_entry *entry;
		uint32_t n;

		entry = latency_of(render->snapshot->distributions, render->nodes[i], &n);
		for (; n > 0; n--, entry++) {
			if (render->series == series)
				latency_add_header(render->out);
			latency_add(render->out, entry, render->labels.data + start,
				    render->label_start[i + 1] - start);
			render->series += LATENCY_SERIES;
		}
	}
}

static void add_count(struct render *render)
{
	static const char name[] = "cgwatch_cgroups";

	family_add_header(render->out, name, "gauge", "Cgroups in this exposition.");
	strbuf_add_string(render->out, name);
	strbuf_add_char(render->out, ' ');
	strbuf_add_u64(render->out, render->n);
	strbuf_add_char(render->out, '\n');
	render->series++;
}

static void render_done(struct render *render)
{
	free(render->nodes);
	free(render->label_start);
	strbuf_done(&render->labels);
}

int prometheus_render(const struct prometheus *prometheus, const struct snapshot *snapshot,
		      struct strbuf *out, struct prometheus_stats *ret_stats)
{
	_cleanup_(render_done) struct render render = { .prometheus = prometheus,
							.snapshot = snapshot,
							.out = out };
	struct prometheus_stats stats = { 0 };
	int r;

	r = select_nodes(&render, &stats);
	if (r == 0)
		r = make_labels(&render);
	if (r < 0)
		return r;
	add_count(&render);
	if (render.n > 0)
		add_info(&render);
	for (uint32_t i = 0; i < prometheus->table.n_families; i++)
		add_family(&render, i);
	if (snapshot->distributions)
		add_latency(&render);
	r = add_inventory(&render, &stats);
	if (r < 0)
		return r;
	if (out->failed)
		return -ENOMEM;
	stats.cgroups = render.n;
	stats.series = render.series;
	*ret_stats = stats;
	return 0;
}
