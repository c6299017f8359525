/* SPDX-License-Identifier: MIT */
#pragma once

#include "tui/canvas.h"
#include "tui/view.h"

/* Where a column of the view stands. */
struct placed_column {
	enum metric_id id;
	int x, width;
};

struct table_layout {
	int name_width;
	int spark_x, spark_width; /* width 0: none */
	struct placed_column columns[VIEW_COLUMNS];
	int n_columns;
	bool more_left, more_right;
};

/* Lays the columns out in `width` columns of the screen and corrects view->column_offset. */
void view_table_lay_out(struct view *view, int width, struct table_layout *layout);
/* Draws the headings into the first row of `area` and the rows below. */
void view_table_draw(struct view *view, struct canvas *canvas, struct rect area,
		     const struct snapshot *snapshot, uint64_t now_ns);
/*
 * The heading of a column, in `room` where it is not a text of the metric's row: a rate without a
 * heading of its own gets that of its counter with "/s".
 */
#define TABLE_TITLE 24
const char *view_table_title(enum metric_id id, char room[TABLE_TITLE]);
