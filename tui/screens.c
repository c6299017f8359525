// SPDX-License-Identifier: MIT
#include "tui/screen.h"

#include "tui/app.h"

const struct screen *const screens[SCREEN_COUNT] = {
	[SCREEN_CGROUPS] = &screen_cgroups,   [SCREEN_NAMESPACES] = &screen_namespaces,
	[SCREEN_OVERLAYS] = &screen_overlays, [SCREEN_POLICIES] = &screen_policies,
	[SCREEN_EVENTS] = &screen_events,     [SCREEN_EVENT_KINDS] = &screen_event_kinds,
	[SCREEN_DETAIL] = &screen_detail,     [SCREEN_PROCESSES] = &screen_processes,
	[SCREEN_COLUMNS] = &screen_columns,   [SCREEN_SORT] = &screen_sort,
	[SCREEN_HELP] = &screen_help,	      [SCREEN_LIMITS] = &screen_limits,
	[SCREEN_STORAGE] = &screen_storage,   [SCREEN_ROUTES] = &screen_routes,
};

/* clang-format off */
static const struct binding common[] = {
	{ { K_UP, 'k', K_CONTROL('p') }, NULL, app_move, LIST_UP, "one row up, down" },
	{ { K_DOWN, 'j', K_CONTROL('n') }, NULL, app_move, LIST_DOWN, NULL },
	{ { K_PAGE_UP, K_CONTROL('b') }, NULL, app_move, LIST_PAGE_UP, "one page up, down" },
	{ { K_PAGE_DOWN, K_CONTROL('f') }, NULL, app_move, LIST_PAGE_DOWN, NULL },
	{ { K_HOME, 'g' }, NULL, app_move, LIST_FIRST, "to the first, the last row" },
	{ { K_END, 'G' }, NULL, app_move, LIST_LAST, NULL },
	{ { 'p', K_F(9) }, NULL, app_toggle_pause, 0, "pause: no more samples until pressed again" },
	{ { '[' }, NULL, app_step_interval, -1, "shorter, longer interval between samples" },
	{ { ']' }, NULL, app_step_interval, 1, NULL },
	{ { 'd' }, NULL, app_ask_interval, 0, "ask for the interval" },
	{ { K_CONTROL('l') }, NULL, app_repaint, 0, "draw the whole screen anew" },
	{ { K_TAB }, NULL, app_step_tab, 1, "to the next screen: Cgroups, Namespaces, Overlays, Policies, Events" },
	{ { K_SHIFT_TAB }, NULL, app_step_tab, -1, NULL },
	{ { K_F(1), '?', 'h' }, "Help", app_open_screen, SCREEN_HELP, "this help" },
	{ { K_ESCAPE, K_BACKSPACE }, NULL, app_close_screen, 0, "back to where you were" },
	{ { 'q' }, NULL, app_back, 0, "the same; where there is no way back, leave the program" },
	{ { K_F(10), K_CONTROL('c') }, "Quit", app_quit, 0, "leave the program" },
};
/* clang-format on */

const struct keymap screen_common_keys = { common, ARRAY_SIZE(common) };

const struct binding *screen_find_key(const struct screen *screen, uint32_t key)
{
	const struct binding *binding = keymap_find(&screen->keys, key);

	for (size_t i = 0; !binding && i < SCREEN_SHARED_KEYS && screen->shared[i]; i++)
		binding = keymap_find(screen->shared[i], key);
	return binding ? binding : keymap_find(&screen_common_keys, key);
}
