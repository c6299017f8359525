/* SPDX-License-Identifier: MIT */
#pragma once

#include "tui/app.h"

/* Lines that the header takes on a screen of that height. */
int header_height(int height);
void header_draw(struct app *app, struct canvas *canvas, struct rect area);
/* The tab whose name stands there in the header, or SCREEN_TABS. */
enum screen_id header_tab_at(const struct app *app, int width, int x, int y);
/* The metrics of the root that the header shows. */
void header_needs(struct metric_set *set);
/* "1s", "250ms", "1m": an interval for people. */
void header_add_interval(struct strbuf *buffer, uint64_t usec);

/* The bottom line: a question, a message or the keys. */
void footer_draw(const struct app *app, struct canvas *canvas, int y);
/* The key whose hint stands at column x of a line of that width, or K_NONE. */
uint32_t footer_key_at(const struct app *app, int width, int x);
