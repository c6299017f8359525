/* SPDX-License-Identifier: MIT */
#pragma once

#include "test_tui_scene.h"
#include "tui/browser.h"

/* What the tests of screens with rows from the inventory have in common. */

#define OWN(n) (FAKE_OWN_NS + (n))

static inline struct browser *top(struct scene *scene)
{
	enum screen_id id = scene->app.stack[scene->app.depth];

	assert_non_null(screens[id]->browser);
	app_draw(&scene->app, &scene->canvas);
	return app_state(&scene->app, id);
}

/* The first cell of the selected row. */
static inline void assert_selected(struct scene *scene, const char *name)
{
	struct browser *browser = top(scene);
	const struct browser_item *item = browser_selected(browser);
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	assert_non_null(item);
	browser->kind->columns[0].add(browser, item, &text);
	assert_string_equal(text.data, name);
}

/* Moves the cursor to the row with that name. */
static inline void select_row(struct scene *scene, const char *name)
{
	struct browser *browser = top(scene);

	press(scene, K_HOME);
	for (uint32_t row = 0; row < browser->n_rows; row++) {
		_cleanup_(strbuf_done) struct strbuf text = { 0 };

		browser->kind->columns[0].add(browser, browser_selected(browser), &text);
		if (strcmp(text.data, name) == 0)
			return;
		press(scene, K_DOWN);
	}
	fail_msg("no row %s", name);
}

static inline void select_cgroup(struct scene *scene, const char *path)
{
	press(scene, K_HOME);
	for (uint32_t row = 0; row < scene->app.view.n_rows; row++) {
		if (strcmp(selected_path(scene), path) == 0)
			return;
		press(scene, K_DOWN);
	}
	fail_msg("no row %s", path);
}

static inline void assert_screen(const struct scene *scene, enum screen_id id)
{
	assert_string_equal(screens[scene->app.stack[scene->app.depth]]->name, screens[id]->name);
}

/* Takes the inventory away, or gives a new one; only what comes with the next snapshot counts. */
static inline void set_inventory(struct scene *scene, struct inventory *inventory)
{
	inventory_unref(scene->inventory);
	scene->inventory = inventory;
	scene->fake.namespaces = inventory ? inventory->namespaces : NULL;
	feed(scene);
}

static inline bool is_drawn(struct scene *scene, const char *text)
{
	_cleanup_(strbuf_done) struct strbuf all = { 0 };

	app_draw(&scene->app, &scene->canvas);
	for (int y = 0; y < scene->canvas.height; y++)
		add_text_row(&scene->canvas, y, &all);
	return strstr(all.data, text);
}
