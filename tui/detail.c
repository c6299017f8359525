// SPDX-License-Identifier: MIT
#include "tui/detail.h"

#include <stdlib.h>
#include <string.h>

#include "core/escape.h"
#include "core/inventory.h"

#define NAME_WIDTH_NARROW 26
#define NARROW		  70
#define VALUE_WIDTH	  9
#define FACT_NAME_WIDTH	  14

static void clear(struct detail *detail)
{
	for (size_t i = 0; i < detail->n; i++) {
		free(detail->lines[i].name);
		free(detail->lines[i].value);
		free(detail->lines[i].rate);
		free(detail->lines[i].note);
	}
	detail->n = 0;
}

void detail_done(struct detail *detail)
{
	clear(detail);
	free(detail->lines);
	*detail = (struct detail){ .users = detail->users, .no_latency = detail->no_latency };
}

void detail_needs(enum target_kind kind, struct metric_set *set)
{
	if (kind == TARGET_CGROUP)
		metric_set_add_all(set);
}

unsigned int detail_inventory(enum target_kind kind)
{
	const unsigned int join = INVENTORY_NAMESPACES | INVENTORY_OVERLAYS | INVENTORY_USAGE |
				  INVENTORY_CONTAINERS;

	return kind == TARGET_NAMESPACE ? join | INVENTORY_HOLDERS : join;
}

/* NULL if there is no memory: the line is left out. */
struct detail_line *detail_add(struct detail *detail, const char *name)
{
	struct detail_line *line;

	if (detail->n == detail->capacity) {
		size_t capacity = detail->capacity ? 2 * detail->capacity : 128;
		struct detail_line *grown = realloc(detail->lines, capacity * sizeof(*grown));

		if (!grown)
			return NULL;
		detail->lines = grown;
		detail->capacity = capacity;
	}
	line = &detail->lines[detail->n];
	*line = (struct detail_line){ .name = strdup(name) };
	if (!line->name)
		return NULL;
	detail->n++;
	return line;
}

void detail_add_fact(struct detail *detail, const char *name, const char *text, enum role role)
{
	do {
		size_t fit = canvas_text_fit(detail->canvas, text, detail->width - FACT_NAME_WIDTH);
		struct detail_line *line = detail_add(detail, name);

		if (!line)
			return;
		line->fact = true;
		line->role = role;
		line->value = strndup(text, fit);
		text += fit;
		name = "";
	} while (*text);
}

void detail_add_section(struct detail *detail, const char *name)
{
	struct detail_line *line;

	if (detail->n > 0)
		detail_add(detail, "");
	line = detail_add(detail, name);
	if (line)
		line->section = true;
}

void detail_take_fact(struct detail *detail, const char *name, struct strbuf *value, enum role role)
{
	if (!value->failed)
		detail_add_fact(detail, name, value->data ? value->data : "", role);
	strbuf_done(value);
	strbuf_init(value);
}

void detail_add_text(struct detail *detail, const char *name, const char *text)
{
	struct strbuf value;

	if (!text)
		return;
	strbuf_init(&value);
	escape_terminal_append(&value, text, strlen(text));
	detail_take_fact(detail, name, &value, ROLE_DEFAULT);
}

static void build(struct detail *detail, const struct snapshot *snapshot,
		  const struct target *target)
{
	uint32_t node = target_find_node(snapshot, target);
	uint32_t ns = target_find_namespace(snapshot, target);
	const struct overlay *overlay = target_find_overlay(snapshot, target);

	if (node != NODE_NONE)
		detail_build_cgroup(detail, snapshot, node);
	else if (ns != NS_NONE)
		detail_build_namespace(detail, snapshot, ns);
	else if (overlay)
		detail_build_overlay(detail, snapshot, overlay);
}

bool detail_update(struct detail *detail, const struct snapshot *snapshot,
		   const struct target *target, const struct canvas *canvas, int width)
{
	bool same = target_equal(&detail->target, target);

	if (!target_is_there(snapshot, target)) {
		/* The last lines of the same thing stay; those of another one would be lies. */
		if (!same)
			clear(detail);
		detail->target = *target;
		return false;
	}
	if (detail->n > 0 && same && detail->sequence == snapshot->sequence &&
	    detail->made_with_absent == detail->show_absent &&
	    detail->made_with_kind == detail->latency_kind && detail->width == width)
		return true;
	if (!same)
		detail->list.top = 0;
	clear(detail);
	detail->target = *target;
	detail->sequence = snapshot->sequence;
	detail->made_with_absent = detail->show_absent;
	detail->made_with_kind = detail->latency_kind;
	detail->canvas = canvas;
	detail->width = width;
	build(detail, snapshot, target);
	detail->canvas = NULL;
	return true;
}

void detail_make(struct detail *detail, const struct canvas *canvas, int width, uint64_t key,
		 void (*lines)(struct detail *detail, const void *data), const void *data)
{
	if (detail->target.kind != TARGET_NONE || detail->key != key)
		detail->list.top = 0;
	clear(detail);
	detail->target = (struct target){ .kind = TARGET_NONE };
	detail->key = key;
	detail->canvas = canvas;
	detail->width = width;
	lines(detail, data);
	detail->canvas = NULL;
}

static void draw_line(const struct detail_line *line, struct canvas *canvas, int x, int y,
		      int width)
{
	int name = width < NARROW ? NAME_WIDTH_NARROW : DETAIL_NAME_WIDTH, note;

	if (line->section) {
		canvas_text_cut(canvas, x, y, width, line->name, CUT_END, ROLE_SECTION);
		return;
	}
	if (line->whole) {
		canvas_text_cut(canvas, x, y, width, line->value ? line->value : "", CUT_END,
				line->role);
		return;
	}
	if (line->fact) {
		name = FACT_NAME_WIDTH;
		canvas_text_cut(canvas, x + 1, y, name - 2, line->name, CUT_END, ROLE_LABEL);
		canvas_text_cut(canvas, x + name, y, width - name, line->value ? line->value : "",
				CUT_END, line->role);
		return;
	}
	canvas_text_cut(canvas, x + 1, y, name - 2, line->name, CUT_END, ROLE_LABEL);
	x += name;
	width -= name;
	if (line->value && canvas_text_width(canvas, line->value) > VALUE_WIDTH) {
		canvas_text_cut(canvas, x, y, width, line->value, CUT_END, line->role);
		return;
	}
	if (line->value)
		canvas_text_right(canvas, x, y, VALUE_WIDTH, line->value, line->role);
	note = VALUE_WIDTH + 2;
	if (line->rate) {
		canvas_text_right(canvas, x + note, y, VALUE_WIDTH, line->rate, line->rate_role);
		note += VALUE_WIDTH + 2;
	}
	if (line->note)
		canvas_text_cut(canvas, x + note, y, width - note, line->note, CUT_END, ROLE_ZERO);
}

void detail_draw(struct detail *detail, struct canvas *canvas, struct rect area)
{
	detail->list.no_cursor = true;
	list_fit(&detail->list, (int64_t)detail->n, area.height);
	for (int i = 0; i < area.height && detail->list.top + i < (int64_t)detail->n; i++)
		draw_line(&detail->lines[detail->list.top + i], canvas, area.x, area.y + i,
			  area.width);
}
