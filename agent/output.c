// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/output.h"

#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "core/cleanup.h"
#include "core/derive.h"
#include "core/escape.h"

/* Derived limits whose binding ancestor is told. */
static const enum metric_id binding_metrics[] = { M_MEMORY_LIMIT, M_CPU_LIMIT_CORES, M_PIDS_LIMIT };

static void name_of(enum metric_id id, struct strbuf *name)
{
	strbuf_clear(name);
	metric_name(id, name);
}

static void json_identity(struct jsonw *json, const struct snapshot *snapshot, uint32_t index)
{
	const struct tree *tree = snapshot->tree;
	const struct node *node = tree->nodes[index];

	jsonw_string(json, "path", node->path);
	jsonw_u64(json, "id", node_id(node));
	jsonw_string(json, "kind", node_kind_name(node->kind));
	if (node->unit)
		jsonw_string(json, "unit", node->unit);
	if (node->container_id) {
		jsonw_string(json, "container_id", node->container_id);
		jsonw_string(json, "runtime", node->runtime);
	}
	jsonw_begin(json, "ids", '{');
	for (uint32_t h = 0; h < node->n_ids && h < tree->n_hierarchies; h++) {
		if (node->ids[h])
			jsonw_u64(json, tree->hierarchies[h], node->ids[h]);
	}
	jsonw_end(json, '}');
}

static void json_metrics(struct jsonw *json, const struct snapshot *snapshot, uint32_t index,
			 const struct column_list *columns)
{
	struct strbuf name, number;

	strbuf_init(&name);
	strbuf_init(&number);
	jsonw_begin(json, "metrics", '{');
	for (size_t i = 0; i < columns->n; i++) {
		enum metric_id id = columns->ids[i];
		union value value;

		if (metric_get(id)->kind == KIND_TEXT ||
		    snapshot_get(snapshot, id, index, &value) != VALUE_OK)
			continue;
		name_of(id, &name);
		strbuf_clear(&number);
		metric_add_number(id, value, &number);
		jsonw_raw(json, name.data, number.data);
	}
	jsonw_end(json, '}');
	strbuf_done(&name);
	strbuf_done(&number);
}

static void json_attributes(struct jsonw *json, const struct snapshot *snapshot, uint32_t index,
			    const struct column_list *columns)
{
	bool any = false;

	for (size_t i = 0; i < columns->n; i++) {
		enum metric_id id = columns->ids[i];
		union value value;

		if (metric_get(id)->kind != KIND_TEXT ||
		    snapshot_get(snapshot, id, index, &value) != VALUE_OK)
			continue;
		if (!any)
			jsonw_begin(json, "attributes", '{');
		any = true;
		jsonw_string(json, metric_get(id)->name, value.text);
	}
	if (any)
		jsonw_end(json, '}');
}

static void json_parts_of(struct jsonw *json, enum metric_id id, const struct part *parts,
			  uint32_t n)
{
	struct strbuf number;

	strbuf_init(&number);
	jsonw_begin(json, metric_get(id)->name, '{');
	for (uint32_t i = 0; i < n; i++) {
		if (parts[i].metric != id || parts[i].state != VALUE_OK)
			continue;
		strbuf_clear(&number);
		metric_add_number(id, parts[i].value, &number);
		jsonw_raw(json, parts[i].key, number.data);
	}
	jsonw_end(json, '}');
	strbuf_done(&number);
}

static void json_parts(struct jsonw *json, const struct snapshot *snapshot, uint32_t index,
		       const struct column_list *columns)
{
	const struct part *parts;
	uint32_t n = snapshot_parts(snapshot, index, &parts);
	bool any = false;

	for (size_t i = 0; i < columns->n && n > 0; i++) {
		enum metric_id id = columns->ids[i];
		bool has = false;

		for (uint32_t p = 0; p < n && !metric_is_rate(id); p++)
			has |= parts[p].metric == id && parts[p].state == VALUE_OK;
		if (!has)
			continue;
		if (!any)
			jsonw_begin(json, "parts", '{');
		any = true;
		json_parts_of(json, id, parts, n);
	}
	if (any)
		jsonw_end(json, '}');
}

static void json_binding(struct jsonw *json, const struct snapshot *snapshot, uint32_t index)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(binding_metrics); i++) {
		uint32_t binds = derive_binding(snapshot, binding_metrics[i], index);

		if (binds == NODE_NONE)
			continue;
		if (!any)
			jsonw_begin(json, "binding", '{');
		any = true;
		jsonw_string(json, metric_get(binding_metrics[i])->name,
			     snapshot->tree->nodes[binds]->path);
	}
	if (any)
		jsonw_end(json, '}');
}

static void json_absent(struct jsonw *json, const struct snapshot *snapshot, uint32_t index,
			const struct column_list *columns)
{
	struct strbuf name;

	strbuf_init(&name);
	jsonw_begin(json, "absent", '{');
	for (size_t i = 0; i < columns->n; i++) {
		enum value_state state = snapshot_state(snapshot, columns->ids[i], index);

		if (state == VALUE_OK)
			continue;
		name_of(columns->ids[i], &name);
		jsonw_string(json, name.data, value_state_name(state));
	}
	jsonw_end(json, '}');
	strbuf_done(&name);
}

void output_json_members(struct jsonw *json, const struct snapshot *snapshot, uint32_t index,
			 const struct column_list *columns)
{
	json_identity(json, snapshot, index);
	json_metrics(json, snapshot, index, columns);
	json_attributes(json, snapshot, index, columns);
	json_parts(json, snapshot, index, columns);
	json_binding(json, snapshot, index);
	json_absent(json, snapshot, index, columns);
}

void output_json_node(struct jsonw *json, const struct snapshot *snapshot, uint32_t index,
		      const struct column_list *columns)
{
	jsonw_begin(json, NULL, '{');
	output_json_members(json, snapshot, index, columns);
	jsonw_end(json, '}');
}

void output_json_envelope(struct jsonw *json, uint64_t realtime_ns)
{
	struct strbuf number;
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	strbuf_init(&number);
	jsonw_begin(json, NULL, '{');
	jsonw_u64(json, "schema", 1);
	strbuf_add_fixed(&number, realtime_ns / 1000, 6);
	jsonw_raw(json, "time", number.data);
	jsonw_string(json, "host", host);
	strbuf_done(&number);
}

void output_json_begin(struct jsonw *json, const struct snapshot *snapshot)
{
	struct strbuf number;

	output_json_envelope(json, snapshot->realtime_ns);
	strbuf_init(&number);
	strbuf_add_fixed(&number, snapshot->interval_ns / 1000, 6);
	jsonw_raw(json, "interval", number.data);
	strbuf_done(&number);
}

size_t output_terminal_width(void)
{
	struct winsize size;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col
										     : 0;
}

size_t output_width(const char *text)
{
	size_t length = strlen(text), width = 0;

	while (length > 0) {
		uint32_t codepoint;
		size_t n = utf8_decode(text, length, &codepoint);
		int w = n > 0 ? wcwidth((wchar_t)codepoint) : 1;

		width += w > 0 ? (size_t)w : 0;
		text += n ? n : 1;
		length -= n ? n : 1;
	}
	return width;
}

void output_pad(struct strbuf *out, const char *text, size_t width, bool right)
{
	size_t used = output_width(text), fill = used < width ? width - used : 0;

	for (size_t i = 0; right && i < fill; i++)
		strbuf_add_char(out, ' ');
	strbuf_add_string(out, text);
	for (size_t i = 0; !right && i < fill; i++)
		strbuf_add_char(out, ' ');
}

/* True if a later row is a sibling of row `at`, seen at level `depth`. */
static bool continues(const struct snapshot *snapshot, const uint32_t *rows, uint32_t n_rows,
		      uint32_t at, uint32_t depth)
{
	for (uint32_t i = at + 1; i < n_rows; i++) {
		uint32_t other = snapshot->tree->nodes[rows[i]]->depth;

		if (other <= depth)
			return other == depth;
	}
	return false;
}

static void add_label(struct strbuf *out, const struct snapshot *snapshot, const uint32_t *rows,
		      uint32_t n_rows, uint32_t at, bool tree)
{
	const struct node *node = snapshot->tree->nodes[rows[at]];

	if (!tree) {
		escape_terminal_append(out, node->path, strlen(node->path));
		return;
	}
	for (uint32_t level = 1; level < node->depth; level++)
		strbuf_add_string(out, continues(snapshot, rows, n_rows, at, level) ? "│ " : "  ");
	if (node->depth > 0)
		strbuf_add_string(out,
				  continues(snapshot, rows, n_rows, at, node->depth) ? "├─" : "└─");
	strbuf_add_string(out, node->label);
}

/* Texts stand to the left, numbers to the right. */
static void add_cell(struct strbuf *out, enum metric_id id, const char *text)
{
	const struct metric *metric = metric_get(id);

	strbuf_add_char(out, ' ');
	output_pad(out, text, metric->width, metric->kind != KIND_TEXT);
}

static void end_line(struct strbuf *out)
{
	while (out->length > 0 && out->data[out->length - 1] == ' ')
		out->data[--out->length] = '\0';
	strbuf_add_char(out, '\n');
}

static void add_cells(struct strbuf *out, const struct snapshot *snapshot, uint32_t index,
		      const struct column_list *columns)
{
	struct strbuf cell, safe;

	strbuf_init(&cell);
	strbuf_init(&safe);
	for (size_t i = 0; i < columns->n; i++) {
		enum metric_id id = columns->ids[i];
		union value value = { 0 };
		enum value_state state = snapshot_get(snapshot, id, index, &value);

		strbuf_clear(&cell);
		strbuf_clear(&safe);
		metric_add_human(id, value, state, &cell);
		if (cell.data)
			escape_terminal_append(&safe, cell.data, cell.length);
		add_cell(out, id, safe.data && safe.length ? safe.data : "-");
	}
	strbuf_done(&cell);
	strbuf_done(&safe);
	end_line(out);
}

void output_table(struct strbuf *out, const struct snapshot *snapshot, const uint32_t *rows,
		  uint32_t n_rows, const struct column_list *columns, bool tree)
{
	size_t width = strlen("CGROUP");
	struct strbuf label;

	strbuf_init(&label);
	for (uint32_t i = 0; i < n_rows; i++) {
		strbuf_clear(&label);
		add_label(&label, snapshot, rows, n_rows, i, tree);
		if (label.data && output_width(label.data) > width)
			width = output_width(label.data);
	}
	output_pad(out, "CGROUP", width, false);
	for (size_t i = 0; i < columns->n; i++)
		add_cell(out, columns->ids[i], metric_title(columns->ids[i]));
	end_line(out);
	for (uint32_t i = 0; i < n_rows; i++) {
		strbuf_clear(&label);
		add_label(&label, snapshot, rows, n_rows, i, tree);
		output_pad(out, label.data, width, false);
		add_cells(out, snapshot, rows[i], columns);
	}
	strbuf_done(&label);
}

void output_csv(struct strbuf *out, const struct snapshot *snapshot, const uint32_t *rows,
		uint32_t n_rows, const struct column_list *columns)
{
	strbuf_add_string(out, "path,id,kind");
	for (size_t i = 0; i < columns->n; i++) {
		strbuf_add_char(out, ',');
		metric_name(columns->ids[i], out);
	}
	strbuf_add_string(out, "\r\n");
	for (uint32_t row = 0; row < n_rows; row++) {
		const struct node *node = snapshot->tree->nodes[rows[row]];

		escape_csv(out, node->path, strlen(node->path));
		strbuf_printf(out, ",%llu,%s", (unsigned long long)node_id(node),
			      node_kind_name(node->kind));
		for (size_t i = 0; i < columns->n; i++) {
			enum metric_id id = columns->ids[i];
			union value value;

			strbuf_add_char(out, ',');
			if (snapshot_get(snapshot, id, rows[row], &value) != VALUE_OK)
				continue;
			if (metric_get(id)->kind == KIND_TEXT)
				escape_csv(out, value.text, strlen(value.text));
			else
				metric_add_number(id, value, out);
		}
		strbuf_add_string(out, "\r\n");
	}
}
