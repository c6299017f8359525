// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "tui/browser_screen.h"
#include "tui/freeze.h"
#include "tui/jump.h"
#include "tui/policies.h"

/* What the agent's policies do: four views of its report, and a line or two above them. */

enum { VIEW_ARMED, VIEW_TRACKS, VIEW_HOLDS, VIEW_ACTIONS, VIEW_COUNT };

static const struct {
	const char *name;
	const struct browser_kind *kind;
} views[VIEW_COUNT] = {
	[VIEW_ARMED] = { "Policies", &policies_armed_kind },
	[VIEW_TRACKS] = { "Under way", &policies_tracks_kind },
	[VIEW_HOLDS] = { "Held", &policies_holds_kind },
	[VIEW_ACTIONS] = { "Done", &policies_actions_kind },
};

/* How a view was when it was left. */
struct kept {
	bool valid, ascending, pinned;
	int sort, tree;
	struct browser_key selected;
};

struct policies_state {
	struct browser browser; /* first: the screens of browsers share their functions */
	int view;
	struct kept kept[VIEW_COUNT];
};

static struct policies_state *state_of(struct app *app)
{
	return app_state(app, SCREEN_POLICIES);
}

/* ---- views ------------------------------------------------------------------------------ */

static void show_view(struct app *app, int view)
{
	struct policies_state *state = state_of(app);
	struct browser *browser = &state->browser;
	struct kept *kept = &state->kept[state->view];
	bool pane = browser->pane;

	*kept = (struct kept){ .valid = true,
			       .ascending = browser->ascending,
			       .pinned = browser->pinned,
			       .sort = browser->sort,
			       .tree = browser->tree,
			       .selected = browser->selected };
	browser_done(browser);
	state->view = view;
	kept = &state->kept[view];
	browser_init(browser, views[view].kind, &app->users);
	browser->pane = pane;
	if (kept->valid) {
		browser->ascending = kept->ascending;
		browser->pinned = kept->pinned;
		browser->sort = kept->sort;
		browser->tree = kept->tree;
		browser->selected = kept->selected;
	}
	browser_screen_refresh(app, browser);
}

static void step_view(struct app *app, int by)
{
	show_view(app, (state_of(app)->view + by + VIEW_COUNT) % VIEW_COUNT);
}

/* Of a policy: its cgroups. Of the rest: the cgroup among the others. */
static void enter(struct app *app, int unused)
{
	struct browser *browser = &state_of(app)->browser;
	const struct browser_item *item = browser_selected(browser);
	struct target target;
	const char *name = NULL;

	(void)unused;
	if (!item)
		return;
	if (item->group) {
		browser_screen_toggle(app);
	} else if (state_of(app)->view == VIEW_ARMED) {
		char filter[VIEW_FILTER];

		name = browser->report->policies[item->index].name;
		escape_terminal(name ? name : "", name ? strlen(name) : 0, filter, sizeof(filter));
		show_view(app, VIEW_TRACKS);
		memcpy(browser->filter, filter, sizeof(filter));
		browser_screen_refresh(app, browser);
	} else if (app_target(app, &target)) {
		app_open_for(app, SCREEN_CGROUPS, &target);
	} else {
		app_set_status(app, ROLE_STATUS, "the cgroup is gone, or was made anew since");
	}
}

/* ---- the lines above -------------------------------------------------------------------- */

/* Why nothing is done, or NULL. Without an agent the table's place says it. */
static const char *why_not(const struct policy_report *report)
{
	if (!report || !report->agent)
		return NULL;
	if (report->stopped)
		return "stopped by the stop file: nothing is done until that is removed";
	if (!report->enforcing)
		return report->not_enforcing ? report->not_enforcing : "the agent does not enforce";
	return NULL;
}

static int lines_above(const struct app *app)
{
	return why_not(app->report) ? 2 : 1;
}

static const struct {
	const char *one, *many;
	size_t offset;
	enum role role;
} counts[] = {
	{ "frozen", "frozen", offsetof(struct policy_report, frozen), ROLE_FROZEN },
	{ "conflict", "conflicts", offsetof(struct policy_report, conflicts), ROLE_WARN },
	{ "failed", "failed", offsetof(struct policy_report, failed), ROLE_BAD },
	{ "to put back", "to put back", offsetof(struct policy_report, restores_pending),
	  ROLE_WARN },
};

static void draw_state(const struct policy_report *report, struct canvas *canvas, int x, int y,
		       int end)
{
	if (!report || !report->agent) {
		canvas_text(canvas, x, y, end - x, report ? "no agent" : "asking the agent",
			    report ? ROLE_WARN : ROLE_ZERO);
		return;
	}
	x += report->stopped	 ? canvas_text(canvas, x, y, end - x, "stopped", ROLE_BAD)
	     : report->enforcing ? canvas_text(canvas, x, y, end - x, "enforcing", ROLE_OK)
				 : canvas_text(canvas, x, y, end - x, "not enforcing", ROLE_WARN);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		uint64_t n = *(const uint64_t *)(const void *)((const char *)report +
							       counts[i].offset);
		char text[64];

		snprintf(text, sizeof(text), "  %llu %s", (unsigned long long)n,
			 n == 1 ? counts[i].one : counts[i].many);
		if (n > 0 && canvas_text_width(canvas, text) <= end - x)
			x += canvas_text(canvas, x, y, end - x, text, counts[i].role);
	}
}

/* Where the name of a view begins in that line; of the one past the last: the end. */
static int view_x(int view)
{
	int x = 0;

	for (int i = 0; i < view; i++)
		x += (int)strlen(views[i].name) + 2;
	return x;
}

static void draw_above(struct app *app, const struct policies_state *state, struct canvas *canvas,
		       struct rect area)
{
	const char *why = why_not(app->report);
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	for (int i = 0; i < VIEW_COUNT; i++) {
		unsigned int style = i == state->view ? ROLE_HEADING_SORT : ROLE_HINT;
		int x = area.x + view_x(i), width = (int)strlen(views[i].name) + 2;

		canvas_fill(canvas, x, area.y, width, style);
		canvas_text(canvas, x + 1, area.y, width - 1, views[i].name, style);
	}
	draw_state(app->report, canvas, area.x + view_x(VIEW_COUNT) + 1, area.y,
		   area.x + area.width);
	if (!why)
		return;
	policies_add_text(&text, why, ROLE_WARN);
	canvas_text_cut(canvas, area.x + 1, area.y + 1, area.width - 1, text.data ? text.data : "",
			CUT_END, ROLE_WARN);
}

static void draw_policies(struct app *app, void *data, struct canvas *canvas, struct rect area)
{
	int above = lines_above(app);

	draw_above(app, data, canvas, area);
	area.y += above;
	area.height -= above;
	browser_screen_draw(app, data, canvas, area);
}

static void click_policies(struct app *app, void *data, int x, int y)
{
	struct rect body = app->body;
	int above = lines_above(app);

	if (y == body.y) {
		for (int i = 0; i < VIEW_COUNT; i++) {
			if (x - body.x >= view_x(i) && x - body.x < view_x(i + 1))
				show_view(app, i);
		}
		return;
	}
	if (y < body.y + above)
		return;
	/* The table believes that the body is its own. */
	app->body.y += above;
	app->body.height -= above;
	browser_screen_click(app, data, x, y);
	app->body = body;
}

/* clang-format off */
static const struct binding keys[] = {
	{ { K_F(2), 'v' }, "View", step_view, 1, "the next view: policies, cgroups under way, what is held, what was done" },
	{ { 'V' }, NULL, step_view, -1, "the view before" },
	{ { K_ENTER }, NULL, enter, 0, "to the cgroup among the others; of a policy, to its cgroups under way" },
	{ { K_F(7), 'f' }, "Freeze", freeze_ask, 0, "freeze the selected cgroup, or thaw it; asks first" },
};
/* clang-format on */

const struct screen screen_policies = {
	.name = "Policies",
	.short_name = "Pol",
	.state_size = sizeof(struct policies_state),
	.open = browser_screen_open,
	.close = browser_screen_close,
	.draw = draw_policies,
	.update = browser_screen_update,
	.list = browser_screen_list,
	.moved = browser_screen_moved,
	.click = click_policies,
	.inventory = browser_screen_inventory,
	.target = browser_screen_target,
	.save = browser_screen_save,
	.restore = browser_screen_restore,
	.summary = browser_screen_summary,
	.of_policies = true,
	.browser = &policies_armed_kind,
	.keys = { keys, ARRAY_SIZE(keys) },
	.shared = { &browser_keys, &jump_cgroup_keys, &jump_keys },
};
