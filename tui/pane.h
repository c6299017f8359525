/* SPDX-License-Identifier: MIT */
#pragma once

#include "tui/app.h"

/* Takes the pane's part off an area: beside it where there is room, else below. Returns it. */
struct rect pane_split(struct rect *area);
/* The line that parts the two. */
void pane_draw_edge(struct canvas *canvas, struct rect pane);
/* Everything about the target (of kind TARGET_NONE: nothing), with that line. */
void pane_draw(struct app *app, const struct target *target, struct canvas *canvas,
	       struct rect pane);
