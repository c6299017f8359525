// SPDX-License-Identifier: MIT
#include "tui/pane.h"

/* From that width on the pane stands beside the table, not below. */
#define PANE_BESIDE_FROM 150
#define PANE_WIDTH	 74

struct rect pane_split(struct rect *area)
{
	struct rect pane = *area;

	if (area->width >= PANE_BESIDE_FROM) {
		area->width -= PANE_WIDTH + 1;
		pane.x += area->width + 1;
		pane.width = PANE_WIDTH;
	} else {
		area->height = (area->height - 1) / 2;
		pane.y += area->height + 1;
		pane.height -= area->height + 1;
	}
	return pane;
}

void pane_draw_edge(struct canvas *canvas, struct rect pane)
{
	bool beside = pane.x > 0;

	for (int i = 0; beside && i < pane.height; i++)
		canvas_text(canvas, pane.x - 1, pane.y + i, 1, canvas_glyph(canvas, GLYPH_WALL),
			    ROLE_TREE);
	for (int i = 0; !beside && i < pane.width; i++)
		canvas_text(canvas, pane.x + i, pane.y - 1, 1, canvas_glyph(canvas, GLYPH_RULE),
			    ROLE_TREE);
}

void pane_draw(struct app *app, const struct target *target, struct canvas *canvas,
	       struct rect pane)
{
	pane_draw_edge(canvas, pane);
	if (target->kind == TARGET_NONE || !app->snapshot)
		return;
	detail_update(&app->detail, app->snapshot, target, canvas, pane.width);
	detail_draw(&app->detail, canvas, pane);
}
