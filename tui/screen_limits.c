// SPDX-License-Identifier: MIT
#include <math.h>

#include "core/cleanup.h"
#include "core/ns_text.h"
#include "core/units.h"
#include "tui/browser_screen.h"
#include "tui/jump.h"
#include "tui/meaning.h"

/* How many namespaces users made, beside how many they may make (/proc/sys/user/max_*). */

#define BAR_WIDTH 20

static const char *const trees[] = { "list", "tree of types" };

static const struct ns_limit *get(const struct browser *browser, const struct browser_item *item)
{
	return &browser->inventory->namespaces->limits[item->index];
}

static enum role add_type(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	strbuf_add_string(text, ns_type_name(get(browser, item)->type));
	return ROLE_DEFAULT;
}

static enum role add_user(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	strbuf_add_string(text, users_name(browser->users, get(browser, item)->uid));
	return ROLE_DEFAULT;
}

static enum role add_user_ns(const struct browser *browser, const struct browser_item *item,
			     struct strbuf *text)
{
	const struct namespaces *set = browser->inventory->namespaces;
	uint32_t index = get(browser, item)->user_ns;

	if (index == NS_NONE) {
		strbuf_add_char(text, '-');
		return ROLE_MISSING;
	}
	ns_name_text(text, &set->list[index]);
	if (set->list[index].host)
		strbuf_add_string(text, " host");
	return ROLE_DEFAULT;
}

static bool is_counted(const struct browser *browser)
{
	return browser->inventory->namespaces->n_denied_others == 0;
}

static enum role add_used(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	/* Other users' processes are hidden: what they are in cannot be counted. */
	if (!is_counted(browser))
		strbuf_add_string(text, ">=");
	strbuf_add_u64(text, get(browser, item)->used);
	return get(browser, item)->used ? ROLE_DEFAULT : ROLE_ZERO;
}

static double number_used(const struct browser *browser, const struct browser_item *item)
{
	return (double)get(browser, item)->used;
}

static enum role add_limit(const struct browser *browser, const struct browser_item *item,
			   struct strbuf *text)
{
	if (!get(browser, item)->limit_known) {
		strbuf_add_string(text, "unknown");
		return ROLE_MISSING;
	}
	strbuf_add_u64(text, get(browser, item)->limit);
	return ROLE_DEFAULT;
}

static double number_limit(const struct browser *browser, const struct browser_item *item)
{
	const struct ns_limit *limit = get(browser, item);

	return limit->limit_known ? (double)limit->limit : (double)NAN;
}

static double number_ratio(const struct browser *browser, const struct browser_item *item)
{
	const struct ns_limit *limit = get(browser, item);

	return limit->limit_known && is_counted(browser) ? ns_limit_ratio(limit) : (double)NAN;
}

static enum role add_ratio(const struct browser *browser, const struct browser_item *item,
			   struct strbuf *text)
{
	double ratio = number_ratio(browser, item);

	if (isnan(ratio)) {
		strbuf_add_char(text, '-');
		return ROLE_MISSING;
	}
	format_human(text, UNIT_RATIO, ratio, false);
	return meaning_of_ratio(ratio);
}

static enum role add_bar(const struct browser *browser, const struct browser_item *item,
			 struct strbuf *text)
{
	double ratio = number_ratio(browser, item);
	int filled;

	if (isnan(ratio))
		return ROLE_MISSING;
	filled = ratio >= 1 ? BAR_WIDTH : (int)(ratio * BAR_WIDTH + 0.5);
	strbuf_add_char(text, '[');
	for (int i = 0; i < BAR_WIDTH; i++)
		strbuf_add_char(text, i < filled ? '|' : ' ');
	strbuf_add_char(text, ']');
	return meaning_of_ratio(ratio);
}

enum { COLUMN_RATIO = 5 };

/* clang-format off */
static const struct browser_column columns[] = {
	{ "TYPE", "of namespaces", 8, 1, 0, .add = add_type },
	{ "USER", "who made them", 10, 1, 0, .add = add_user },
	{ "IN", "the user namespace whose limit it is", 22, 1, 0, .add = add_user_ns },
	{ "USED", "how many there are, as far as can be seen", 7, 0, 0, true, true, .add = add_used, .number = number_used },
	{ "LIMIT", "how many there may be", 10, 0, 0, true, true, .add = add_limit, .number = number_limit },
	[COLUMN_RATIO] = { "USED%", "share of the limit in use", 6, 0, 0, true, true, .add = add_ratio, .number = number_ratio },
	{ "", "the same as a bar", BAR_WIDTH + 2, 0, 1, .add = add_bar, .number = number_ratio },
};
/* clang-format on */

static bool is_there(const struct inventory *inventory)
{
	return inventory->namespaces;
}

static uint64_t read_at(const struct inventory *inventory)
{
	return inventory->namespaces->boottime_ns;
}

static int fill(struct browser *browser)
{
	const struct namespaces *set = browser->inventory->namespaces;
	uint32_t first[NS_TYPE_COUNT];

	for (int type = 0; type < NS_TYPE_COUNT; type++)
		first[type] = BROWSER_NONE;
	for (uint32_t i = 0; i < set->n_limits; i++) {
		const struct ns_limit *limit = &set->limits[i];
		uint64_t inode = limit->user_ns == NS_NONE ? 0 : set->list[limit->user_ns].inode;
		struct browser_item item = {
			.key = { ((uint64_t)limit->type << 32) | limit->uid, inode },
			.parent = browser->tree ? first[limit->type] : BROWSER_NONE,
			.index = i,
		};
		int r = browser_add(browser, &item);

		if (r < 0)
			return r;
		/* The tightest of a type stands for it: the set has it first. */
		if (first[limit->type] == BROWSER_NONE)
			first[limit->type] = i;
	}
	return 0;
}

static bool get_target(const struct browser *browser, const struct browser_item *item,
		       struct target *ret_target)
{
	uint32_t index = get(browser, item)->user_ns;

	if (index == NS_NONE)
		return false;
	*ret_target = target_namespace(&browser->inventory->namespaces->list[index]);
	return true;
}

static const struct browser_kind kind = {
	.one = "limit",
	.many = "limits",
	.reading = "reading the namespaces of all processes",
	.none = "no namespace counts against a limit",
	.parts = INVENTORY_NAMESPACES,
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.trees = trees,
	.n_trees = ARRAY_SIZE(trees),
	.first_sort = COLUMN_RATIO,
	.has_detail = true,
	.is_there = is_there,
	.fill = fill,
	.target = get_target,
	.read_at = read_at,
};

/* clang-format off */
static const struct binding keys[] = {
	{ { K_F(7), 'l' }, "Back", app_close_screen, 0, "back to the namespaces" },
};
/* clang-format on */

const struct screen screen_limits = {
	.name = "Limits",
	BROWSER_SCREEN,
	.browser = &kind,
	.keys = { keys, ARRAY_SIZE(keys) },
	.shared = { &browser_keys, &jump_cgroup_keys, &jump_keys },
};
