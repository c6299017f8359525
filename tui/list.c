// SPDX-License-Identifier: MIT
#include "tui/list.h"

#define WHEEL_ROWS 3

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
	if (value > high)
		value = high;
	return value < low ? low : value;
}

void list_fit(struct list *list, int64_t n, int page)
{
	list->n = n;
	list->page = page > 0 ? page : 1;
	list->cursor = clamp(list->cursor, 0, n - 1);
	if (!list->no_cursor)
		list->top = clamp(list->top, list->cursor - list->page + 1, list->cursor);
	list->top = clamp(list->top, 0, n - list->page);
}

static void scroll(struct list *list, int64_t rows)
{
	list->top = clamp(list->top + rows, 0, list->n - list->page);
	if (!list->no_cursor)
		list->cursor = clamp(list->cursor, list->top, list->top + list->page - 1);
}

void list_move(struct list *list, enum list_move move)
{
	int64_t step = list->page > 1 ? list->page - 1 : 1;
	const int64_t by[] = {
		[LIST_UP] = -1,
		[LIST_DOWN] = 1,
		[LIST_PAGE_UP] = -step,
		[LIST_PAGE_DOWN] = step,
		[LIST_FIRST] = -list->n,
		[LIST_LAST] = list->n,
		[LIST_WHEEL_UP] = -WHEEL_ROWS,
		[LIST_WHEEL_DOWN] = WHEEL_ROWS,
	};

	if (list->no_cursor || move == LIST_WHEEL_UP || move == LIST_WHEEL_DOWN) {
		scroll(list, by[move]);
		list_fit(list, list->n, list->page);
		return;
	}
	if (move == LIST_PAGE_UP || move == LIST_PAGE_DOWN)
		list->top = clamp(list->top + by[move], 0, list->n - list->page);
	list->cursor += by[move];
	list_fit(list, list->n, list->page);
}
