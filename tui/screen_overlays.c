// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "core/overlay_text.h"
#include "core/units.h"
#include "tui/browser_screen.h"
#include "tui/jump.h"

enum { TREE_LIST, TREE_CGROUP, TREE_RUNTIME };

static const char *const trees[] = {
	[TREE_LIST] = "list",
	[TREE_CGROUP] = "tree of cgroups",
	[TREE_RUNTIME] = "tree of runtimes",
};

/* Sorts of items, which are also the first half of their keys. */
enum { ITEM_OVERLAY = 1, ITEM_CGROUP, ITEM_RUNTIME };

/* NULL for one that only groups others. */
static const struct overlay *get(const struct browser *browser, const struct browser_item *item)
{
	if (item->what != ITEM_OVERLAY)
		return NULL;
	return &browser->inventory->overlays->list[item->index];
}

/* ---- what a cell shows where there is no number ------------------------------------------ */

/* A layer without numbers says why; a group says nothing. */
static const struct layer_usage *usage_of(const struct browser *browser,
					  const struct browser_item *item, struct strbuf *text,
					  enum role *ret_role)
{
	const struct overlay *overlay = get(browser, item);

	*ret_role = ROLE_MISSING;
	if (!overlay)
		return NULL;
	if (!overlay_upper(overlay)) {
		strbuf_add_string(text, "ro");
		return NULL;
	}
	if (layer_has_numbers(&overlay->usage))
		return &overlay->usage;
	strbuf_add_string(text, layer_state_name(overlay->usage.state));
	if (overlay->usage.state == LAYER_STUCK || overlay->usage.state == LAYER_FAILED)
		*ret_role = ROLE_BAD;
	return NULL;
}

static double usage_number(const struct browser *browser, const struct browser_item *item,
			   size_t offset)
{
	const struct overlay *overlay = get(browser, item);

	if (!overlay || !overlay_upper(overlay) || !layer_has_numbers(&overlay->usage))
		return (double)NAN;
	return (double)*(const uint64_t *)(const void *)((const char *)&overlay->usage + offset);
}

static enum role add_usage(const struct browser *browser, const struct browser_item *item,
			   struct strbuf *text, size_t offset)
{
	double number = usage_number(browser, item, offset);
	enum role role;

	if (!usage_of(browser, item, text, &role))
		return role;
	if (offset == offsetof(struct layer_usage, bytes))
		format_human(text, UNIT_BYTES, number, false);
	else
		format_human(text, UNIT_NONE, number, false);
	return number > 0 ? ROLE_DEFAULT : ROLE_ZERO;
}

#define USAGE_COLUMN(field)                                                                 \
	static enum role add_##field(const struct browser *browser,                         \
				     const struct browser_item *item, struct strbuf *text)  \
	{                                                                                   \
		return add_usage(browser, item, text, offsetof(struct layer_usage, field)); \
	}                                                                                   \
	static double number_##field(const struct browser *browser,                         \
				     const struct browser_item *item)                       \
	{                                                                                   \
		return usage_number(browser, item, offsetof(struct layer_usage, field));    \
	}

USAGE_COLUMN(bytes)
USAGE_COLUMN(inodes)
USAGE_COLUMN(created)
USAGE_COLUMN(copied_up)
USAGE_COLUMN(whiteouts)

/* ---- the other columns ------------------------------------------------------------------ */

static enum role add_name(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct overlay *overlay = get(browser, item);
	const char *name = overlay ? overlay_mountpoint(overlay) : item->group;

	escape_terminal_append(text, name, strlen(name));
	return overlay ? ROLE_DEFAULT : ROLE_GROUP;
}

static uint32_t node_of(const struct browser *browser, const struct overlay *overlay)
{
	const struct join *join = browser->snapshot->join;

	return overlay && join ? join_overlay_node(join, overlay) : NODE_NONE;
}

static enum role add_container(const struct browser *browser, const struct browser_item *item,
			       struct strbuf *text)
{
	const struct overlay *overlay = get(browser, item);
	uint32_t node = node_of(browser, overlay);
	const struct container *container = NULL;

	if (!overlay)
		return ROLE_DEFAULT;
	if (node != NODE_NONE)
		container = join_container(browser->snapshot->join, node);
	if (!container && overlay->container_id)
		container = containers_find(browser->inventory->containers, overlay->container_id);
	if (container && container->name) {
		escape_terminal_append(text, container->name, strlen(container->name));
		return ROLE_CONTAINER;
	}
	if (overlay->container_id) {
		/* As runtimes shorten them. */
		escape_terminal_append(text, overlay->container_id,
				       strnlen(overlay->container_id, 12));
		return ROLE_CONTAINER;
	}
	strbuf_add_char(text, '-');
	return ROLE_MISSING;
}

static enum role add_cgroup(const struct browser *browser, const struct browser_item *item,
			    struct strbuf *text)
{
	const struct overlay *overlay = get(browser, item);
	uint32_t node = node_of(browser, overlay);
	const char *path = NULL;

	if (!overlay)
		return ROLE_DEFAULT;
	/* The last part of the path: the detail has it whole. */
	if (node != NODE_NONE) {
		strbuf_add_string(text, browser->snapshot->tree->nodes[node]->label);
	} else if (overlay->cgroup) {
		path = strrchr(overlay->cgroup, '/');
		path = path && path[1] ? path + 1 : overlay->cgroup;
		escape_terminal_append(text, path, strlen(path));
	} else {
		strbuf_add_char(text, '-');
		return ROLE_MISSING;
	}
	return ROLE_DEFAULT;
}

static enum role add_layers(const struct browser *browser, const struct browser_item *item,
			    struct strbuf *text)
{
	const struct overlay *overlay = get(browser, item);

	if (overlay)
		strbuf_printf(text, "%u", overlay->n_layers);
	return ROLE_DEFAULT;
}

static double number_layers(const struct browser *browser, const struct browser_item *item)
{
	const struct overlay *overlay = get(browser, item);

	return overlay ? overlay->n_layers : (double)NAN;
}

static double number_growth(const struct browser *browser, const struct browser_item *item)
{
	const struct overlay *overlay = get(browser, item);

	return overlay && overlay->usage.growth_known ? overlay->usage.growth : (double)NAN;
}

static enum role add_growth(const struct browser *browser, const struct browser_item *item,
			    struct strbuf *text)
{
	double growth = number_growth(browser, item);
	enum role role;

	if (!usage_of(browser, item, text, &role)) {
		strbuf_clear(text);
		strbuf_add_string(text, get(browser, item) ? "-" : "");
		return ROLE_MISSING;
	}
	if (isnan(growth)) {
		strbuf_add_string(text, "..");
		return ROLE_MISSING;
	}
	if (growth < 0)
		strbuf_add_char(text, '-');
	format_human(text, UNIT_BYTES, fabs(growth), false);
	return fabs(growth) < 1 ? ROLE_ZERO : ROLE_DEFAULT;
}

static double number_age(const struct browser *browser, const struct browser_item *item)
{
	const struct overlay *overlay = get(browser, item);

	if (!overlay || !layer_has_numbers(&overlay->usage) ||
	    overlay->usage.boottime_ns > browser->now_ns)
		return (double)NAN;
	return (double)(browser->now_ns - overlay->usage.boottime_ns) / 1e9;
}

/* How far the numbers can be trusted, in a word. */
static enum role add_measured(const struct browser *browser, const struct browser_item *item,
			      struct strbuf *text)
{
	const struct layer_usage *usage;
	enum role role;

	usage = usage_of(browser, item, text, &role);
	if (!usage)
		return role;
	strbuf_add_string(text, layer_state_name(usage->state));
	return usage->state == LAYER_COMPLETE ? ROLE_OK : ROLE_WARN;
}

static enum role add_age(const struct browser *browser, const struct browser_item *item,
			 struct strbuf *text)
{
	double age = number_age(browser, item);

	if (isnan(age)) {
		strbuf_add_string(text, get(browser, item) ? "-" : "");
		return ROLE_MISSING;
	}
	format_age(text, age);
	return ROLE_DEFAULT;
}

static enum role add_flags(const struct browser *browser, const struct browser_item *item,
			   struct strbuf *text)
{
	const struct overlay *overlay = get(browser, item);

	if (!overlay)
		return ROLE_DEFAULT;
	overlay_flags_text(text, overlay->flags);
	if (overlay->usage.volatile_dirty)
		strbuf_add_string(text, overlay->flags ? ", volatile" : "volatile");
	return ROLE_WARN;
}

static enum role add_users(const struct browser *browser, const struct browser_item *item,
			   struct strbuf *text)
{
	const struct overlay *overlay = get(browser, item);

	if (!overlay)
		return ROLE_DEFAULT;
	if (!overlay->processes) {
		strbuf_add_char(text, '-');
		return ROLE_MISSING;
	}
	strbuf_printf(text, "%u", overlay->n_processes);
	return overlay->n_processes ? ROLE_DEFAULT : ROLE_ZERO;
}

static double number_users(const struct browser *browser, const struct browser_item *item)
{
	const struct overlay *overlay = get(browser, item);

	return overlay && overlay->processes ? overlay->n_processes : (double)NAN;
}

enum { COLUMN_NAME, COLUMN_CONTAINER, COLUMN_UPPER };

/* clang-format off */
static const struct browser_column columns[] = {
	[COLUMN_NAME] = { "MOUNTED AT", "where it is mounted, the host's view first", 16, 3, 0, .cut = CUT_START, .add = add_name },
	[COLUMN_CONTAINER] = { "CONTAINER", "whose root it is: name, or the id's beginning", 9, 1, 0, .add = add_container },
	[COLUMN_UPPER] = { "UPPER", "bytes allocated in its writable layer", 7, 0, 0, true, true, .add = add_bytes, .number = number_bytes },
	{ "INODES", "inodes in it", 7, 0, 0, true, true, .add = add_inodes, .number = number_inodes },
	{ "GROW/s", "bytes a second between the last two measurements", 7, 0, 1, true, true, .add = add_growth, .number = number_growth },
	{ "MEASURED", "complete, or what these numbers are short of", 8, 0, 0, .add = add_measured },
	{ "AGE", "how old they are", 6, 0, 0, true, true, .add = add_age, .number = number_age },
	{ "LAYERS", "layers, the writable one too", 6, 0, 1, true, true, .add = add_layers, .number = number_layers },
	{ "PROCS", "processes that have it as root", 5, 0, 1, true, true, .add = add_users, .number = number_users },
	{ "CREATED", "files that no lower layer has", 7, 0, 2, true, true, .add = add_created, .number = number_created },
	{ "COPIED", "files that came up from a lower layer", 7, 0, 2, true, true, .add = add_copied_up, .number = number_copied_up },
	{ "WHITEOUT", "names of lower layers that are hidden", 8, 0, 2, true, true, .add = add_whiteouts, .number = number_whiteouts },
	{ "CGROUP", "the cgroup of the container, or of its lowest process", 12, 2, 3, .add = add_cgroup },
	{ "FLAGS", "what is wrong with it", 9, 1, 0, .add = add_flags },
};
/* clang-format on */

/* ---- the rows --------------------------------------------------------------------------- */

static bool is_there(const struct inventory *inventory)
{
	return inventory->overlays;
}

static uint64_t read_at(const struct inventory *inventory)
{
	return inventory->overlays->boottime_ns;
}

static uint32_t denied(const struct inventory *inventory)
{
	return inventory->overlays->n_denied;
}

/* The item of that key, which is added if it is new. -ENOMEM. */
static int64_t find_or_add(struct browser *browser, const struct browser_item *item)
{
	int r;

	for (uint32_t i = 0; i < browser->n_items; i++) {
		if (browser_key_equal(&browser->items[i].key, &item->key))
			return i;
	}
	r = browser_add(browser, item);
	return r < 0 ? r : (int64_t)browser->n_items - 1;
}

/* A cgroup and the ones above it. A container's own is left out: the overlay stands for it. */
static int64_t add_node(struct browser *browser, uint32_t node)
{
	const struct tree *tree = browser->snapshot->tree;
	struct browser_item item = {
		.key = { ITEM_CGROUP, tree->nodes[node]->serial },
		.parent = BROWSER_NONE,
		.index = node,
		.what = ITEM_CGROUP,
		.group = node == 0 ? "/" : tree->nodes[node]->name,
	};

	if (node != 0) {
		int64_t up = add_node(browser, tree->parent[node]);

		if (up < 0)
			return up;
		item.parent = (uint32_t)up;
	}
	return find_or_add(browser, &item);
}

static int64_t add_group(struct browser *browser, const struct overlay *overlay)
{
	const struct tree *tree = browser->snapshot->tree;
	uint32_t node = node_of(browser, overlay);
	struct browser_item item = { .parent = BROWSER_NONE, .what = ITEM_RUNTIME };

	if (browser->tree == TREE_CGROUP && node != NODE_NONE) {
		while (tree->nodes[node]->container_id && tree->parent[node] != NODE_NONE)
			node = tree->parent[node];
		return add_node(browser, node);
	}
	item.group = browser->tree == TREE_CGROUP ? "in no cgroup"
		     : overlay->runtime		  ? overlay->runtime
						  : "of no runtime";
	item.key = browser_key_of_text(ITEM_RUNTIME, item.group);
	return find_or_add(browser, &item);
}

static int fill(struct browser *browser)
{
	const struct overlays *set = browser->inventory->overlays;

	for (uint32_t i = 0; i < set->n; i++) {
		struct browser_item item = { .key = { ITEM_OVERLAY, set->list[i].device },
					     .parent = BROWSER_NONE,
					     .index = i,
					     .what = ITEM_OVERLAY };
		int64_t r = browser->tree ? add_group(browser, &set->list[i]) : BROWSER_NONE;

		if (r < 0)
			return (int)r;
		item.parent = (uint32_t)r;
		r = browser_add(browser, &item);
		if (r < 0)
			return (int)r;
	}
	return 0;
}

static void mark(struct browser *browser, bool *marks)
{
	const struct overlays *set = browser->inventory->overlays;
	_cleanup_(freep) bool *overlays = calloc((size_t)set->n + 1, sizeof(*overlays));

	if (!overlays)
		return;
	target_mark_overlays(browser->snapshot, &browser->scope, overlays);
	for (uint32_t i = 0; i < browser->n_items; i++)
		marks[i] = browser->items[i].what == ITEM_OVERLAY &&
			   overlays[browser->items[i].index];
}

static bool has_word(const char *text, const char *word, size_t length)
{
	return text && memmem(text, strlen(text), word, length);
}

/* Words may also stand in what the row has no room for: the cgroup, layers, other mount points. */
static int fits_word(const struct browser *browser, const struct browser_item *item,
		     const char *word, size_t length)
{
	const struct overlay *overlay = get(browser, item);

	if (!overlay)
		return -1;
	if (has_word(overlay->cgroup, word, length) || has_word(overlay->runtime, word, length))
		return 1;
	for (uint32_t i = 0; i < overlay->n_layers; i++) {
		if (has_word(overlay->layers[i].path, word, length))
			return 1;
	}
	for (uint32_t i = 0; i < overlay->n_mounts; i++) {
		if (has_word(overlay->mounts[i].mountpoint, word, length))
			return 1;
	}
	return -1;
}

static bool get_target(const struct browser *browser, const struct browser_item *item,
		       struct target *ret_target)
{
	if (item->what == ITEM_CGROUP)
		*ret_target = target_cgroup(browser->snapshot, item->index);
	else if (item->what == ITEM_OVERLAY)
		*ret_target = target_overlay(get(browser, item));
	return item->what != ITEM_RUNTIME;
}

static const struct browser_kind kind = {
	.one = "overlay",
	.many = "overlays",
	.reading = "reading the overlay mounts of all mount namespaces",
	.none = "no overlay is mounted",
	.parts = INVENTORY_NAMESPACES | INVENTORY_OVERLAYS | INVENTORY_USAGE | INVENTORY_CONTAINERS,
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.trees = trees,
	.n_trees = ARRAY_SIZE(trees),
	.first_tree = TREE_LIST,
	.first_sort = COLUMN_UPPER,
	.has_detail = true,
	.is_there = is_there,
	.fill = fill,
	.mark = mark,
	.word = fits_word,
	.target = get_target,
	.denied = denied,
	.read_at = read_at,
};

/* clang-format off */
static const struct binding keys[] = {
	{ { K_F(7), 'r' }, "Stores", app_open_screen, SCREEN_STORAGE, "storage drivers of the runtimes, and what they left behind" },
};
/* clang-format on */

const struct screen screen_overlays = {
	.name = "Overlays",
	.short_name = "Ovl",
	BROWSER_SCREEN,
	.browser = &kind,
	.keys = { keys, ARRAY_SIZE(keys) },
	.shared = { &browser_keys, &jump_cgroup_keys, &jump_keys },
};
