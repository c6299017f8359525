// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "core/units.h"
#include "tui/browser_screen.h"
#include "tui/jump.h"

/* The runtimes' stores with their drivers, and below each what it left behind. */

static const char *const trees[] = { "list", "tree of stores" };

enum { ITEM_DRIVER = 1, ITEM_ORPHAN };

static const struct storage_driver *driver_of(const struct browser *browser,
					      const struct browser_item *item)
{
	return item->what == ITEM_DRIVER ? &browser->inventory->containers->drivers[item->index]
					 : NULL;
}

static const struct orphan *orphan_of(const struct browser *browser,
				      const struct browser_item *item)
{
	return item->what == ITEM_ORPHAN ? &browser->inventory->containers->orphans[item->index]
					 : NULL;
}

/* ---- the columns ------------------------------------------------------------------------ */

static enum role add_name(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct storage_driver *driver = driver_of(browser, item);
	const char *path = driver ? driver->root : orphan_of(browser, item)->path;

	escape_terminal_append(text, path, strlen(path));
	return driver ? ROLE_GROUP : ROLE_DEFAULT;
}

static enum role add_runtime(const struct browser *browser, const struct browser_item *item,
			     struct strbuf *text)
{
	const struct storage_driver *driver = driver_of(browser, item);
	const char *runtime = driver ? driver->runtime : orphan_of(browser, item)->runtime;

	strbuf_add_string(text, runtime ? runtime : "-");
	return runtime ? ROLE_CONTAINER : ROLE_MISSING;
}

static enum role add_what(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct storage_driver *driver = driver_of(browser, item);

	if (!driver) {
		strbuf_add_string(text, orphan_reason_name(orphan_of(browser, item)->reason));
		return ROLE_WARN;
	}
	if (!driver->driver) {
		strbuf_add_string(text, "unknown");
		return ROLE_MISSING;
	}
	escape_terminal_append(text, driver->driver, strlen(driver->driver));
	return ROLE_TITLE;
}

static bool is_below(const char *path, const char *root)
{
	size_t length = strlen(root);

	return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* What is left behind below a store, where it is known of each. */
static double orphaned(const struct browser *browser, const struct storage_driver *driver)
{
	const struct containers *set = browser->inventory->containers;
	double bytes = 0;

	for (uint32_t i = 0; i < set->n_orphans; i++) {
		if (set->orphans[i].bytes_known && is_below(set->orphans[i].path, driver->root))
			bytes += (double)set->orphans[i].bytes;
	}
	return bytes;
}

static double number_bytes(const struct browser *browser, const struct browser_item *item)
{
	const struct storage_driver *driver = driver_of(browser, item);
	const struct orphan *orphan = orphan_of(browser, item);

	if (driver)
		return orphaned(browser, driver);
	return orphan && orphan->bytes_known ? (double)orphan->bytes : (double)NAN;
}

static enum role add_bytes(const struct browser *browser, const struct browser_item *item,
			   struct strbuf *text)
{
	double bytes = number_bytes(browser, item);

	if (!browser->inventory->containers->orphans_searched) {
		strbuf_add_string(text, "pending");
		return ROLE_MISSING;
	}
	if (isnan(bytes)) {
		strbuf_add_string(text, "unknown");
		return ROLE_MISSING;
	}
	format_human(text, UNIT_BYTES, bytes, false);
	return bytes > 0 ? ROLE_WARN : ROLE_ZERO;
}

static double number_free(const struct browser *browser, const struct browser_item *item)
{
	const struct storage_driver *driver = driver_of(browser, item);

	return driver && driver->fstype ? (double)driver->fs_free_bytes : (double)NAN;
}

static enum role add_free(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct storage_driver *driver = driver_of(browser, item);

	if (!driver)
		return ROLE_DEFAULT;
	if (!driver->fstype) {
		strbuf_add_char(text, '-');
		return ROLE_MISSING;
	}
	format_human(text, UNIT_BYTES, (double)driver->fs_free_bytes, false);
	return ROLE_DEFAULT;
}

/* "ext4", "xfs no d_type", "xfs pquota" */
static enum role add_filesystem(const struct browser *browser, const struct browser_item *item,
				struct strbuf *text)
{
	const struct storage_driver *driver = driver_of(browser, item);
	bool bad = driver && driver->d_type_known && !driver->d_type;

	if (!driver)
		return ROLE_DEFAULT;
	if (driver->fstype)
		escape_terminal_append(text, driver->fstype, strlen(driver->fstype));
	else
		strbuf_add_char(text, '-');
	strbuf_add_string(text, bad ? " no d_type" : "");
	strbuf_add_string(text, driver->project_quota ? " pquota" : "");
	return bad ? ROLE_BAD : driver->fstype ? ROLE_DEFAULT : ROLE_MISSING;
}

static double number_layers(const struct browser *browser, const struct browser_item *item)
{
	const struct storage_driver *driver = driver_of(browser, item);

	return driver ? driver->n_layers : (double)NAN;
}

static enum role add_layers(const struct browser *browser, const struct browser_item *item,
			    struct strbuf *text)
{
	const struct storage_driver *driver = driver_of(browser, item);

	if (driver)
		strbuf_printf(text, "%u", driver->n_layers);
	return ROLE_DEFAULT;
}

static double number_containers(const struct browser *browser, const struct browser_item *item)
{
	const struct storage_driver *driver = driver_of(browser, item);

	return driver ? driver->n_containers : (double)NAN;
}

static enum role add_containers(const struct browser *browser, const struct browser_item *item,
				struct strbuf *text)
{
	const struct storage_driver *driver = driver_of(browser, item);

	if (driver)
		strbuf_printf(text, "%u", driver->n_containers);
	return ROLE_DEFAULT;
}

static enum role add_note(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct storage_driver *driver = driver_of(browser, item);

	if (driver && driver->note)
		escape_terminal_append(text, driver->note, strlen(driver->note));
	return ROLE_WARN;
}

enum { COLUMN_LEFT = 3 };

/* clang-format off */
static const struct browser_column columns[] = {
	{ "STORE", "where the runtime keeps its layers; what was left behind there", 28, 3, 0, .cut = CUT_START, .add = add_name },
	{ "RUNTIME", "whose it is", 10, 0, 0, .add = add_runtime },
	{ "DRIVER", "the storage driver; for what was left behind, why it counts as that", 14, 0, 0, .add = add_what },
	[COLUMN_LEFT] = { "LEFT", "bytes that were left behind", 7, 0, 0, true, true, .add = add_bytes, .number = number_bytes },
	{ "FREE", "free bytes of the filesystem below", 7, 0, 0, true, true, .add = add_free, .number = number_free },
	{ "FS", "that filesystem; overlay needs d_type", 9, 0, 1, .add = add_filesystem },
	{ "LAYERS", "layers in the store", 6, 0, 1, true, true, .add = add_layers, .number = number_layers },
	{ "CTRS", "containers in the store", 5, 0, 1, true, true, .add = add_containers, .number = number_containers },
	{ "NOTE", "what is odd about it", 10, 1, 2, .add = add_note },
};
/* clang-format on */

/* ---- the rows --------------------------------------------------------------------------- */

static bool is_there(const struct inventory *inventory)
{
	return inventory->containers;
}

static uint64_t read_at(const struct inventory *inventory)
{
	return inventory->containers->boottime_ns;
}

/* The store with the longest root above the path. */
static uint32_t store_of(const struct containers *set, const char *path)
{
	uint32_t best = BROWSER_NONE;
	size_t best_length = 0;

	for (uint32_t i = 0; i < set->n_drivers; i++) {
		size_t length = strlen(set->drivers[i].root);

		if (is_below(path, set->drivers[i].root) && length > best_length) {
			best = i;
			best_length = length;
		}
	}
	return best;
}

static int fill(struct browser *browser)
{
	const struct containers *set = browser->inventory->containers;
	int r = 0;

	for (uint32_t i = 0; i < set->n_drivers && r == 0; i++)
		r = browser_add(browser,
				&(struct browser_item){ .key = browser_key_of_text(
								ITEM_DRIVER, set->drivers[i].root),
							.parent = BROWSER_NONE,
							.index = i,
							.what = ITEM_DRIVER });
	for (uint32_t i = 0; i < set->n_orphans && r == 0; i++)
		r = browser_add(browser, &(struct browser_item){
						 .key = browser_key_of_text(ITEM_ORPHAN,
									    set->orphans[i].path),
						 .parent = store_of(set, set->orphans[i].path),
						 .index = i,
						 .what = ITEM_ORPHAN });
	return r;
}

static const struct browser_kind kind = {
	.one = "store or remnant",
	.many = "stores and remnants",
	.reading = "reading what container runtimes keep on this machine",
	.none = "no container runtime keeps anything on this machine",
	.parts = INVENTORY_CONTAINERS | INVENTORY_OVERLAYS | INVENTORY_ORPHANS,
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.trees = trees,
	.n_trees = ARRAY_SIZE(trees),
	.first_tree = 1,
	.first_sort = COLUMN_LEFT,
	.is_there = is_there,
	.fill = fill,
	.read_at = read_at,
};

/* clang-format off */
static const struct binding keys[] = {
	{ { K_F(7), 'r' }, "Back", app_close_screen, 0, "back to the overlays" },
};
/* clang-format on */

const struct screen screen_storage = {
	.name = "Storage",
	BROWSER_SCREEN,
	.browser = &kind,
	.keys = { keys, ARRAY_SIZE(keys) },
	.shared = { &browser_keys },
};
