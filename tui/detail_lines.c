// SPDX-License-Identifier: MIT
#include "tui/detail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/derive.h"
#include "core/escape.h"
#include "tui/meaning.h"

/* The limits that an ancestor may set, each with the share of it in use. */
static const struct {
	enum metric_id limit, used;
	const char *name, *unit;
} limits[] = {
	{ M_CPU_LIMIT_CORES, M_CPU_LIMIT_USED, "CPU", " cores" },
	{ M_MEMORY_LIMIT, M_MEMORY_LIMIT_USED, "Memory", "" },
	{ M_PIDS_LIMIT, M_PIDS_LIMIT_USED, "Processes", "" },
};

static void add_ids(struct detail *detail, const struct tree *tree, const struct node *node)
{
	struct strbuf value;

	strbuf_init(&value);
	for (uint32_t i = 0; i < node->n_ids; i++) {
		const char *name = i < tree->n_hierarchies ? tree->hierarchies[i] : NULL;

		if (!node->ids[i])
			continue;
		if (value.length > 0)
			strbuf_add_string(&value, "  ");
		if (name && *name) {
			escape_terminal_append(&value, name, strlen(name));
			strbuf_add_char(&value, ' ');
		}
		strbuf_add_u64(&value, node->ids[i]);
	}
	detail_take_fact(detail, "Ids", &value, ROLE_DEFAULT);
}

static void add_identity(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	const struct tree *tree = snapshot->tree;
	const struct node *node = tree->nodes[index];
	struct strbuf value;
	uint32_t children = 0;

	detail_add_text(detail, "Path", node->path);
	detail_add_text(detail, "Kind", node_kind_name(node->kind));
	detail_add_text(detail, "Unit", node->unit);
	detail_add_owner(detail, snapshot, index);
	add_ids(detail, tree, node);
	strbuf_init(&value);
	for (uint32_t i = index + 1; i < tree->end[index]; i = tree->end[i])
		children++;
	strbuf_printf(&value, "%u children, %u below", children, tree->end[index] - index - 1);
	detail_take_fact(detail, "Tree", &value, ROLE_DEFAULT);
}

/* "512M, set by /batch; 45.0% of it in use" */
static void add_limit(struct detail *detail, const struct snapshot *snapshot, uint32_t index,
		      size_t which)
{
	enum metric_id id = limits[which].limit;
	const struct tree *tree = snapshot->tree;
	union value value = { 0 };
	enum value_state state = meaning_state(snapshot, id, index, &value);
	uint32_t owner = NODE_NONE;
	enum role role = ROLE_DEFAULT;
	struct strbuf text;
	double used;

	strbuf_init(&text);
	if (state != VALUE_OK) {
		strbuf_add_string(&text, value_state_reason(state));
		detail_take_fact(detail, limits[which].name, &text, ROLE_MISSING);
		return;
	}
	metric_add_human(id, value, state, &text);
	strbuf_add_string(&text, limits[which].unit);
	owner = derive_binding(snapshot, id, index);
	if (owner == index)
		strbuf_add_string(&text, ", its own limit");
	else if (owner != NODE_NONE) {
		strbuf_add_string(&text, ", set by ");
		escape_terminal_append(&text, tree->nodes[owner]->path,
				       strlen(tree->nodes[owner]->path));
	}
	if (snapshot_number(snapshot, limits[which].used, index, &used) == VALUE_OK) {
		strbuf_add_string(&text, "; this cgroup uses ");
		format_human(&text, UNIT_RATIO, used, false);
		role = meaning_of_ratio(used);
	}
	detail_take_fact(detail, limits[which].name, &text, role);
}

static char *take_cell(const struct snapshot *snapshot, enum metric_id id, uint32_t index,
		       const char *suffix, enum role *ret_role)
{
	struct strbuf text;

	strbuf_init(&text);
	*ret_role = meaning_cell(snapshot, id, index, &text);
	strbuf_add_string(&text, suffix);
	return strbuf_take(&text);
}

/* Words too long for the line of their metric go onto the lines below it. */
static void give_room(struct detail *detail, struct detail_line *line)
{
	char *text = line->value;

	if (canvas_text_width(detail->canvas, text) <= detail->width - DETAIL_NAME_WIDTH)
		return;
	line->value = NULL;
	detail_add_fact(detail, "", text, ROLE_DEFAULT);
	free(text);
}

static void add_metric(struct detail *detail, const struct snapshot *snapshot, enum metric_id id,
		       uint32_t index)
{
	const struct metric *metric = metric_get(id);
	struct detail_line *line = detail_add(detail, metric->name);
	enum metric_id rate = metric_rate(id);
	union value value;
	enum value_state state = meaning_state(snapshot, id, index, &value);

	if (!line)
		return;
	line->value = take_cell(snapshot, id, index, "", &line->role);
	if (metric->kind == KIND_TEXT && state == VALUE_OK && line->value) {
		give_room(detail, line);
		return;
	}
	if (state != VALUE_OK) {
		line->note = strdup(value_state_reason(state));
		return;
	}
	/* Seconds a second are shown as a percentage already. */
	if (rate != M_NONE && meaning_state(snapshot, rate, index, &value) == VALUE_OK)
		line->rate = take_cell(snapshot, rate, index, metric->unit == UNIT_USEC ? "" : "/s",
				       &line->rate_role);
}

static void add_parts(struct detail *detail, const struct snapshot *snapshot, enum metric_id id,
		      uint32_t index)
{
	const struct part *part = NULL;
	uint32_t n = snapshot_parts(snapshot, index, &part);

	for (; n > 0; n--, part++) {
		struct detail_line *line;
		struct strbuf text;

		if (part->metric != id)
			continue;
		strbuf_init(&text);
		strbuf_add_string(&text, "    ");
		escape_terminal_append(&text, part->key, strlen(part->key));
		line = text.failed ? NULL : detail_add(detail, text.data);
		strbuf_clear(&text);
		if (line) {
			line->role = meaning_value(id, part->value, part->state, &text);
			line->value = strbuf_take(&text);
			if (part->state != VALUE_OK)
				line->note = strdup(value_state_reason(part->state));
		}
		strbuf_done(&text);
	}
}

static bool same_group(const char *a, const char *b)
{
	size_t length = strcspn(a, ".");

	return length == strcspn(b, ".") && memcmp(a, b, length) == 0;
}

static void add_group_heading(struct detail *detail, const char *name)
{
	char group[32];

	snprintf(group, sizeof(group), "%.*s", (int)strcspn(name, "."), name);
	detail_add_section(detail, group);
}

/* What the screen leaves out unless asked: what this kernel does not have. */
static bool is_left_out(const struct detail *detail, const struct snapshot *snapshot,
			enum metric_id id, uint32_t index)
{
	union value value;

	return !detail->show_absent && meaning_state(snapshot, id, index, &value) == VALUE_ABSENT;
}

/*
 * The one reason why a group has no value at all: VALUE_DISABLED where its controller is off. A
 * limit that nobody set tells nothing beside it. VALUE_OK if there is a value, or more than one
 * reason.
 */
static enum value_state common_reason(const struct snapshot *snapshot, int from, int to,
				      uint32_t index)
{
	enum value_state reason = VALUE_OK;

	for (int i = from; i < to; i++) {
		union value value;
		enum value_state state = meaning_state(snapshot, (enum metric_id)i, index, &value);

		if (state == VALUE_ABSENT || state == VALUE_UNLIMITED)
			continue;
		if (state == VALUE_OK || (reason != VALUE_OK && reason != state))
			return VALUE_OK;
		reason = state;
	}
	return reason;
}

/* The metrics [from, to), which have one first word. Returns how many were left out. */
static unsigned int add_group(struct detail *detail, const struct snapshot *snapshot, int from,
			      int to, uint32_t index)
{
	enum value_state reason = common_reason(snapshot, from, to, index);
	unsigned int left_out = 0;
	bool headed = false;

	for (int i = from; i < to; i++) {
		enum metric_id id = (enum metric_id)i;

		if (is_left_out(detail, snapshot, id, index)) {
			left_out++;
			continue;
		}
		if (!headed)
			add_group_heading(detail, metric_get(id)->name);
		headed = true;
		if (reason != VALUE_OK && !detail->show_absent) {
			detail_add_fact(detail, "all", value_state_reason(reason), ROLE_MISSING);
			break;
		}
		add_metric(detail, snapshot, id, index);
		add_parts(detail, snapshot, id, index);
	}
	return left_out;
}

static void add_metrics(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	unsigned int left_out = 0;
	char note[80];

	for (int from = M_NONE + 1, to; from < METRIC_COUNT; from = to) {
		const char *name = metric_get((enum metric_id)from)->name;

		for (to = from + 1; to < METRIC_COUNT; to++) {
			if (!same_group(name, metric_get((enum metric_id)to)->name))
				break;
		}
		left_out += add_group(detail, snapshot, from, to, index);
	}
	if (left_out == 0)
		return;
	snprintf(note, sizeof(note), "%u more have no value on this kernel (m shows them)",
		 left_out);
	detail_add_section(detail, note);
}

void detail_build_cgroup(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	add_identity(detail, snapshot, index);
	detail_add_policies(detail, snapshot, index);
	detail_add_join(detail, snapshot, index);
	detail_add_section(detail, "binding limits");
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		add_limit(detail, snapshot, index, i);
	detail_add_latency(detail, snapshot, index);
	add_metrics(detail, snapshot, index);
}
