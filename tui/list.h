/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A cursor on rows of which a window is visible. A list without a cursor only scrolls. */
struct list {
	int64_t n, cursor, top;
	int page; /* rows that the last drawing had room for */
	bool no_cursor;
};

enum list_move {
	LIST_UP,
	LIST_DOWN,
	LIST_PAGE_UP,
	LIST_PAGE_DOWN,
	LIST_FIRST,
	LIST_LAST,
	LIST_WHEEL_UP,
	LIST_WHEEL_DOWN,
};

void list_move(struct list *list, enum list_move move);
/* Says how many rows there are and how many are visible; brings cursor and top into range. */
void list_fit(struct list *list, int64_t n, int page);
