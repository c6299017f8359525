// SPDX-License-Identifier: MIT
#include "tui/keymap.h"

#include "core/cleanup.h"

static const struct {
	uint32_t key;
	const char *name;
} names[] = {
	{ K_TAB, "Tab" },
	{ K_ENTER, "Enter" },
	{ K_ESCAPE, "Esc" },
	{ K_BACKSPACE, "Backspace" },
	{ ' ', "Space" },
	{ K_UP, "Up" },
	{ K_DOWN, "Down" },
	{ K_LEFT, "Left" },
	{ K_RIGHT, "Right" },
	{ K_SHIFT_UP, "S-Up" },
	{ K_SHIFT_DOWN, "S-Down" },
	{ K_SHIFT_LEFT, "S-Left" },
	{ K_SHIFT_RIGHT, "S-Right" },
	{ K_PAGE_UP, "PgUp" },
	{ K_PAGE_DOWN, "PgDn" },
	{ K_HOME, "Home" },
	{ K_END, "End" },
	{ K_INSERT, "Ins" },
	{ K_DELETE, "Del" },
	{ K_SHIFT_TAB, "S-Tab" },
	{ K_CLICK, "click" },
	{ K_WHEEL_UP, "wheel up" },
	{ K_WHEEL_DOWN, "wheel down" },
};

const struct binding *keymap_find(const struct keymap *map, uint32_t key)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct binding *binding = &map->list[i];

		for (size_t k = 0; k < ARRAY_SIZE(binding->keys) && binding->keys[k]; k++) {
			if (binding->keys[k] == key)
				return binding;
		}
	}
	return NULL;
}

void keymap_add_key_name(uint32_t key, struct strbuf *buffer)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].key == key) {
			strbuf_add_string(buffer, names[i].name);
			return;
		}
	}
	if (key > K_F0 && key <= K_F12)
		strbuf_printf(buffer, "F%u", key - K_F0);
	else if (key < 0x20)
		strbuf_printf(buffer, "^%c", (char)(key + '@'));
	else if (key < 0x7f)
		strbuf_add_char(buffer, (char)key);
}

void keymap_add_names(const struct binding *binding, struct strbuf *buffer)
{
	for (size_t k = 0; k < ARRAY_SIZE(binding->keys) && binding->keys[k]; k++) {
		if (k > 0)
			strbuf_add_char(buffer, ' ');
		keymap_add_key_name(binding->keys[k], buffer);
	}
}
