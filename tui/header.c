// SPDX-License-Identifier: MIT
#include "tui/header.h"

#include <stdio.h>
#include <string.h>

#include "core/escape.h"
#include "tui/meaning.h"
#include "tui/view_table.h"

#define FULL_FROM_HEIGHT 14
#define FULL_LINES	 3
#define TABS_FROM_WIDTH	 70
#define TABS_WHOLE_FROM	 110

int header_height(int height)
{
	return height >= FULL_FROM_HEIGHT ? FULL_LINES : 1;
}

void header_needs(struct metric_set *set)
{
	metric_set_add(set, M_CPU_USAGE_RATE);
	metric_set_add(set, M_MEMORY_CURRENT);
}

void header_add_interval(struct strbuf *buffer, uint64_t usec)
{
	if (usec < 1000000)
		strbuf_printf(buffer, "%ums", (unsigned int)(usec / 1000));
	else
		strbuf_printf(buffer, "%gs", (double)usec / 1e6);
}

static void add_age(const struct app *app, struct strbuf *text, enum role *ret_role)
{
	uint64_t taken = app->snapshot->boottime_ns;
	double age = app->now_ns > taken ? (double)(app->now_ns - taken) / 1e9 : 0;
	double interval = (double)app->interval_usec / 1e6;

	strbuf_printf(text, "age %.1fs / ", age);
	header_add_interval(text, app->interval_usec);
	*ret_role = !app->paused && age > 2 * interval + 1 ? ROLE_WARN : ROLE_DEFAULT;
}

static double own_cost(const struct app *app)
{
	uint64_t interval = app->snapshot->interval_ns;

	if (interval == 0)
		interval = app->interval_usec * 1000;
	return interval ? (double)app->snapshot->cost_ns / (double)interval : 0;
}

/* The right side of the first line; returns where it begins. */
static int draw_sample(const struct app *app, struct canvas *canvas, struct rect area)
{
	const char *paused = app->paused ? " PAUSED " : "";
	enum role role = ROLE_DEFAULT;
	struct strbuf text;
	int x = area.x + area.width - (int)strlen(paused);

	canvas_text(canvas, x, area.y, area.width, paused, ROLE_PAUSED);
	if (!app->snapshot)
		return x;
	strbuf_init(&text);
	strbuf_printf(&text, "%u cgroups  ", app->snapshot->tree->n);
	add_age(app, &text, &role);
	strbuf_printf(&text, "  own %.1f%%%s", own_cost(app) * 100, app->paused ? " " : "");
	if (!text.failed) {
		x -= (int)text.length;
		canvas_text(canvas, x, area.y, (int)text.length, text.data, role);
	}
	strbuf_done(&text);
	return x;
}

static void draw_host(const struct app *app, struct canvas *canvas, struct rect area, int right)
{
	const struct tui_options *options = app->options;
	const char *const parts[] = { options->hostname, options->kernel, options->modes };
	int x = area.x + canvas_text(canvas, area.x, area.y, right - area.x, "cgwatch", ROLE_TITLE);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		char safe[256];

		if (!parts[i] || x + 4 >= right)
			continue;
		escape_terminal(parts[i], strlen(parts[i]), safe, sizeof(safe));
		x += 2;
		x += canvas_text_cut(canvas, x, area.y, right - 2 - x, safe, CUT_END,
				     i == 0 ? ROLE_TITLE : ROLE_LABEL);
	}
}

/* "CPU[||||    45.1% of 2]": the text stands inside, at the right. */
static void draw_bar(struct canvas *canvas, int x, int y, int width, const char *label,
		     double ratio, const char *text)
{
	int used = canvas_text(canvas, x, y, width, label, ROLE_LABEL);
	int inside = width - used - 2, filled = 0;
	enum role role = meaning_of_ratio(ratio);

	if (inside < 1)
		return;
	x += used;
	if (ratio > 0)
		filled = ratio < 1 ? (int)(ratio * inside + 0.5) : inside;
	canvas_text(canvas, x, y, 1, "[", ROLE_TITLE);
	for (int i = 0; i < filled; i++)
		canvas_text(canvas, x + 1 + i, y, 1, "|", role);
	canvas_text_right(canvas, x + 1, y, inside, text, ROLE_ZERO);
	canvas_text(canvas, x + 1 + inside, y, 1, "]", ROLE_TITLE);
}

/* A value of the host and the whole of which it is a part (0: unknown), for draw_total(). */
struct total {
	const char *label, *of;
	enum metric_id id;
	enum value_state state;
	union value value;
	double whole;
};

/* A bar where the whole is known, else only the number. */
static void draw_total(struct canvas *canvas, struct rect area, const struct total *total)
{
	struct strbuf text;
	int x;

	strbuf_init(&text);
	metric_add_human(total->id, total->value, total->state, &text);
	if (total->state == VALUE_OK && total->whole > 0) {
		strbuf_add_string(&text, total->of);
		if (!text.failed)
			draw_bar(canvas, area.x, area.y, area.width, total->label,
				 metric_to_double(total->id, total->value) / total->whole,
				 text.data);
	} else if (!text.failed) {
		x = area.x +
		    canvas_text(canvas, area.x, area.y, area.width, total->label, ROLE_LABEL);
		canvas_text(canvas, x + 1, area.y, area.width, text.data,
			    total->state == VALUE_OK ? ROLE_DEFAULT : ROLE_MISSING);
	}
	strbuf_done(&text);
}

/* The root of v2 has no memory.current: there it is what the kernel says of the machine. */
static void take_memory(const struct app *app, struct total *total)
{
	uint64_t used, whole;

	total->state = meaning_state(app->snapshot, total->id, 0, &total->value);
	if (total->state == VALUE_OK || !app->source->host_memory ||
	    !app->source->host_memory(app->source->data, &used, &whole))
		return;
	total->state = VALUE_OK;
	total->value.u64 = used;
	total->whole = (double)whole;
}

static void draw_totals(const struct app *app, struct canvas *canvas, struct rect area)
{
	struct rect half = { area.x, area.y, area.width / 2 - 1, 1 };
	const struct tui_options *options = app->options;
	struct total cpu = { .label = "CPU", .id = M_CPU_USAGE_RATE, .whole = options->n_cpus };
	struct total memory = { .label = "Mem",
				.id = M_MEMORY_CURRENT,
				.whole = (double)options->memory_bytes };
	struct strbuf of;

	if (!app->snapshot || app->snapshot->tree->n == 0) {
		canvas_text(canvas, area.x, area.y, area.width, "waiting for the first sample",
			    ROLE_STATUS);
		return;
	}
	strbuf_init(&of);
	strbuf_printf(&of, " of %u00%%", options->n_cpus);
	cpu.of = of.data;
	cpu.state = meaning_state(app->snapshot, cpu.id, 0, &cpu.value);
	if (!of.failed)
		draw_total(canvas, half, &cpu);
	take_memory(app, &memory);
	half.x += area.width / 2 + 1;
	half.width = area.x + area.width - half.x;
	strbuf_clear(&of);
	strbuf_add_string(&of, " of ");
	format_human(&of, UNIT_BYTES, memory.whole, false);
	memory.of = of.data;
	if (!of.failed)
		draw_total(canvas, half, &memory);
	strbuf_done(&of);
}

/* What is shown of the cgroups: the order, the filter, what is left out. */
static void draw_view(const struct app *app, struct canvas *canvas, struct rect area)
{
	const struct view *view = &app->view;
	char room[TABLE_TITLE];
	const char *title = view->by_path ? "name" : view_table_title(view->sort, room);
	int x = area.x, end = area.x + area.width;
	char safe[VIEW_FILTER * 4];

	x += canvas_printf(canvas, x, area.y, end - x, ROLE_LABEL, "%s by ",
			   view->tree ? "tree" : "list");
	x += canvas_printf(canvas, x, area.y, end - x, ROLE_DEFAULT, "%s%s", title,
			   view->ascending && !view->by_path ? ", smallest first" : "");
	if (view->hide_empty)
		x += canvas_text(canvas, x, area.y, end - x, "  without empty ones", ROLE_STATUS);
	if (view->folds.depth != FOLDS_NONE && view->tree)
		x += canvas_printf(canvas, x, area.y, end - x, ROLE_STATUS, "  depth %u",
				   view->folds.depth);
	if (!*view->filter)
		return;
	escape_terminal(view->filter, strlen(view->filter), safe, sizeof(safe));
	x += canvas_text(canvas, x, area.y, end - x, "  filter ", ROLE_LABEL);
	x += canvas_text_cut(canvas, x, area.y, end - x, safe, CUT_END, ROLE_STATUS);
	canvas_printf(canvas, x, area.y, end - x, ROLE_DEFAULT, "  %u match", view->n_matched);
}

/* Where room is scarce only the one that one is on has its whole name. */
static const char *tab_name(const struct app *app, int tab, int width)
{
	return width >= TABS_WHOLE_FROM || tab == (int)app_tab(app) ? screens[tab]->name
								    : screens[tab]->short_name;
}

/* Where the names of the tabs begin; past the edge if there is no room for them. */
static int tabs_x(const struct app *app, int width)
{
	int need = 0;

	if (width < TABS_FROM_WIDTH)
		return width;
	for (int i = 0; i < SCREEN_TABS; i++)
		need += (int)strlen(tab_name(app, i, width)) + 2;
	return width - need;
}

enum screen_id header_tab_at(const struct app *app, int width, int x, int y)
{
	int left = tabs_x(app, width);

	if (y != FULL_LINES - 1 || app->body.y < FULL_LINES)
		return SCREEN_TABS;
	for (int i = 0; i < SCREEN_TABS; i++) {
		int right = left + (int)strlen(tab_name(app, i, width)) + 2;

		if (x >= left && x < right)
			return (enum screen_id)i;
		left = right;
	}
	return SCREEN_TABS;
}

static void draw_tabs(const struct app *app, struct canvas *canvas, int y)
{
	int x = tabs_x(app, canvas->width);

	for (int i = 0; i < SCREEN_TABS && x < canvas->width; i++) {
		unsigned int style = i == (int)app_tab(app) ? ROLE_HEADING_SORT : ROLE_HINT;
		const char *name = tab_name(app, i, canvas->width);
		int width = (int)strlen(name) + 2;

		canvas_fill(canvas, x, y, width, style);
		canvas_text(canvas, x + 1, y, width - 1, name, style);
		x += width;
	}
}

void header_draw(struct app *app, struct canvas *canvas, struct rect area)
{
	enum screen_id shown = screens[app->stack[app->depth]]->summary ? app->stack[app->depth]
									: app_tab(app);
	struct rect line = { area.x, area.y + FULL_LINES - 1, tabs_x(app, area.width) - 1, 1 };

	draw_host(app, canvas, area, draw_sample(app, canvas, area));
	if (area.height < FULL_LINES)
		return;
	draw_totals(app, canvas, (struct rect){ area.x, area.y + 1, area.width, 1 });
	if (screens[shown]->summary)
		screens[shown]->summary(app, app_state(app, shown), canvas, line);
	else
		draw_view(app, canvas, line);
	draw_tabs(app, canvas, line.y);
}
