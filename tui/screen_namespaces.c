// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "core/ns_text.h"
#include "core/units.h"
#include "tui/browser_screen.h"
#include "tui/jump.h"

enum { TREE_LIST, TREE_OWNER, TREE_PARENT, TREE_PROCESS };

static const char *const trees[] = {
	[TREE_LIST] = "list",
	[TREE_OWNER] = "tree of owners",
	[TREE_PARENT] = "tree of parents",
	[TREE_PROCESS] = "tree of processes",
};

static const struct ns_namespace *get(const struct browser *browser,
				      const struct browser_item *item)
{
	return &browser->inventory->namespaces->list[item->index];
}

static bool is_alive(const struct ns_namespace *ns)
{
	return ns->processes > 0 || strcmp(ns_state_name(ns), "live") == 0;
}

/* ---- the columns ------------------------------------------------------------------------ */

static enum role add_name(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct ns_namespace *ns = get(browser, item);

	ns_name_text(text, ns);
	return ns->host ? ROLE_GROUP : ROLE_CONTAINER;
}

static double number_type(const struct browser *browser, const struct browser_item *item)
{
	/* Those of one type by inode, as identity has it. */
	return get(browser, item)->type;
}

static enum role add_count(struct strbuf *text, uint64_t count)
{
	strbuf_add_u64(text, count);
	return count ? ROLE_DEFAULT : ROLE_ZERO;
}

static enum role add_missing(struct strbuf *text)
{
	strbuf_add_char(text, '-');
	return ROLE_MISSING;
}

/* Nobody was seen in it, but other users' processes are hidden. */
static bool is_undecided(const struct browser *browser, const struct browser_item *item)
{
	return get(browser, item)->threads == 0 &&
	       browser->inventory->namespaces->n_denied_others > 0;
}

static enum role add_processes(const struct browser *browser, const struct browser_item *item,
			       struct strbuf *text)
{
	return is_undecided(browser, item) ? add_missing(text)
					   : add_count(text, get(browser, item)->processes);
}

static double number_processes(const struct browser *browser, const struct browser_item *item)
{
	return get(browser, item)->processes;
}

static enum role add_threads(const struct browser *browser, const struct browser_item *item,
			     struct strbuf *text)
{
	return is_undecided(browser, item) ? add_missing(text)
					   : add_count(text, get(browser, item)->threads);
}

static double number_threads(const struct browser *browser, const struct browser_item *item)
{
	return get(browser, item)->threads;
}

static enum role add_pid(const struct browser *browser, const struct browser_item *item,
			 struct strbuf *text)
{
	const struct ns_namespace *ns = get(browser, item);

	if (ns->pid <= 0)
		return add_missing(text);
	strbuf_printf(text, "%d", (int)ns->pid);
	return ns->processes ? ROLE_DEFAULT : ROLE_ZERO;
}

static double number_pid(const struct browser *browser, const struct browser_item *item)
{
	return get(browser, item)->pid > 0 ? get(browser, item)->pid : (double)NAN;
}

static enum role add_user(const struct browser *browser, const struct browser_item *item,
			  struct strbuf *text)
{
	const struct ns_namespace *ns = get(browser, item);

	if (ns->pid <= 0)
		return add_missing(text);
	strbuf_add_string(text, users_name(browser->users, ns->uid));
	return ROLE_DEFAULT;
}

static enum role add_state(const struct browser *browser, const struct browser_item *item,
			   struct strbuf *text)
{
	const struct ns_namespace *ns = get(browser, item);

	strbuf_add_string(text, ns->host ? "host" : ns_state_name(ns));
	return ns->host			     ? ROLE_GROUP
	       : is_alive(ns)		     ? ROLE_OK
	       : is_undecided(browser, item) ? ROLE_DEFAULT
					     : ROLE_WARN;
}

static enum role add_command(const struct browser *browser, const struct browser_item *item,
			     struct strbuf *text)
{
	const struct ns_namespace *ns = get(browser, item);

	/* Nobody is in it: what keeps it tells more than who that is. */
	if (!is_alive(ns) && ns->n_holders > 0) {
		ns_holder_text(text, &ns->holders[0]);
		if (ns->n_holders > 1)
			strbuf_printf(text, " and %u more", ns->n_holders - 1);
		return ROLE_WARN;
	}
	if (!ns->command)
		return add_missing(text);
	escape_terminal_append(text, ns->command, strlen(ns->command));
	return ROLE_DEFAULT;
}

/* "web", "ssh.service", "4 cgroups" */
static enum role add_where(const struct browser *browser, const struct browser_item *item,
			   struct strbuf *text)
{
	const struct join *join = browser->snapshot->join;
	const struct container *container;
	const uint32_t *nodes = NULL;
	uint32_t n = join ? join_ns_nodes(join, item->index, &nodes) : 0;

	if (n == 0)
		return add_missing(text);
	container = join_container(join, nodes[0]);
	for (uint32_t i = 1; i < n && container; i++) {
		if (join_container(join, nodes[i]) != container)
			container = NULL;
	}
	if (container && container->name) {
		escape_terminal_append(text, container->name, strlen(container->name));
		return ROLE_CONTAINER;
	}
	if (n > 1) {
		strbuf_printf(text, "%u cgroups", n);
		return ROLE_DEFAULT;
	}
	/* The detail has the whole path. */
	strbuf_add_string(text, browser->snapshot->tree->nodes[nodes[0]]->label);
	return ROLE_DEFAULT;
}

static double number_age(const struct browser *browser, const struct browser_item *item)
{
	uint64_t oldest = get(browser, item)->oldest_ns;

	return oldest == 0 || oldest > browser->now_ns ? (double)NAN
						       : (double)(browser->now_ns - oldest) / 1e9;
}

static enum role add_age(const struct browser *browser, const struct browser_item *item,
			 struct strbuf *text)
{
	double age = number_age(browser, item);

	if (isnan(age))
		return add_missing(text);
	format_age(text, age);
	return ROLE_DEFAULT;
}

static enum role add_relative(const struct browser *browser, uint32_t index, struct strbuf *text)
{
	if (index == NS_NONE)
		return add_missing(text);
	strbuf_printf(text, "%llu",
		      (unsigned long long)browser->inventory->namespaces->list[index].inode);
	return ROLE_DEFAULT;
}

static enum role add_owner(const struct browser *browser, const struct browser_item *item,
			   struct strbuf *text)
{
	return add_relative(browser, get(browser, item)->owner, text);
}

static enum role add_parent(const struct browser *browser, const struct browser_item *item,
			    struct strbuf *text)
{
	return add_relative(browser, get(browser, item)->parent, text);
}

enum { COLUMN_NAME, COLUMN_PROCESSES };

/* clang-format off */
static const struct browser_column columns[] = {
	[COLUMN_NAME] = { "NAMESPACE", "type and inode", 21, 1, 0, .add = add_name, .number = number_type },
	[COLUMN_PROCESSES] = { "PROCS", "processes in it", 5, 0, 0, true, true, .add = add_processes, .number = number_processes },
	{ "THR", "threads in it", 5, 0, 2, true, true, .add = add_threads, .number = number_threads },
	{ "PID", "its lowest process, or who holds it", 7, 0, 0, true, .add = add_pid, .number = number_pid },
	{ "USER", "whose process that is", 8, 0, 0, .add = add_user },
	{ "STATE", "host: it is the machine's own; else what keeps it: live (somebody is in it), fd, socket, mount, child, children", 8, 0, 0, .add = add_state },
	{ "AGE", "it is at least that old", 7, 0, 1, true, true, .add = add_age, .number = number_age },
	{ "WHERE", "the container or cgroup of its processes", 10, 2, 0, .add = add_where },
	{ "OWNER", "inode of the user namespace that owns it", 10, 0, 3, true, .add = add_owner },
	{ "PARENT", "inode of its parent", 10, 0, 3, true, .add = add_parent },
	{ "COMMAND", "of the lowest process; of an empty one, what holds it", 10, 5, 0, .add = add_command },
};
/* clang-format on */

/* ---- the rows --------------------------------------------------------------------------- */

static bool is_there(const struct inventory *inventory)
{
	return inventory->namespaces;
}

static uint64_t read_at(const struct inventory *inventory)
{
	return inventory->namespaces->boottime_ns;
}

static uint32_t denied(const struct inventory *inventory)
{
	return inventory->namespaces->n_denied;
}

static uint32_t parent_of(const struct namespaces *set, uint32_t index, int tree)
{
	if (tree == TREE_OWNER)
		return set->list[index].owner;
	if (tree == TREE_PARENT)
		return set->list[index].parent;
	return tree == TREE_PROCESS ? namespaces_process_parent(set, index, NULL) : NS_NONE;
}

static int fill(struct browser *browser)
{
	const struct namespaces *set = browser->inventory->namespaces;

	for (uint32_t i = 0; i < set->n; i++) {
		const struct ns_namespace *ns = &set->list[i];
		int r = browser_add(browser, &(struct browser_item){
						     .key = { ns->type, ns->inode },
						     .parent = parent_of(set, i, browser->tree),
						     .index = i,
					     });

		if (r < 0)
			return r;
	}
	return 0;
}

/* Items stand in the order of the set. */
static void mark(struct browser *browser, bool *marks)
{
	target_mark_namespaces(browser->snapshot, &browser->scope, marks);
}

static bool is_below(const struct browser *browser, const struct browser_item *item,
		     const char *word, size_t length)
{
	const struct join *join = browser->snapshot->join;
	const uint32_t *nodes = NULL;
	uint32_t n = join ? join_ns_nodes(join, item->index, &nodes) : 0;

	for (uint32_t i = 0; i < n; i++) {
		const char *path = browser->snapshot->tree->nodes[nodes[i]]->path;

		if (memmem(path, strlen(path), word, length))
			return true;
	}
	return false;
}

/* A type is only that type; other words may also stand in the path of a cgroup in it. */
static int fits_word(const struct browser *browser, const struct browser_item *item,
		     const char *word, size_t length)
{
	enum ns_type type = ns_type_find(word, length);

	if (type != NS_TYPE_COUNT)
		return get(browser, item)->type == type;
	return is_below(browser, item, word, length) ? 1 : -1;
}

static bool get_target(const struct browser *browser, const struct browser_item *item,
		       struct target *ret_target)
{
	*ret_target = target_namespace(get(browser, item));
	return true;
}

static const struct browser_kind kind = {
	.one = "namespace",
	.many = "namespaces",
	.reading = "reading the namespaces of all processes",
	.none = "no namespace can be seen",
	.parts = INVENTORY_NAMESPACES | INVENTORY_HOLDERS | INVENTORY_OVERLAYS |
		 INVENTORY_CONTAINERS,
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.trees = trees,
	.n_trees = ARRAY_SIZE(trees),
	.first_tree = TREE_OWNER,
	.first_sort = COLUMN_NAME,
	.has_detail = true,
	.is_there = is_there,
	.fill = fill,
	.mark = mark,
	.word = fits_word,
	.target = get_target,
	.denied = denied,
	.read_at = read_at,
};

/* ---- keys ------------------------------------------------------------------------------- */

/* Only one type: each in turn, then all again. The rest of the filter stays. */
static void step_type(struct app *app, int unused)
{
	struct browser *browser = browser_on_top(app);
	const char *rest = browser->filter;
	size_t length = strcspn(rest, " ");
	enum ns_type type = ns_type_find(rest, length);
	int next = type == NS_TYPE_COUNT ? 0 : (int)type + 1;
	char filter[VIEW_FILTER + 16];

	(void)unused;
	if (type != NS_TYPE_COUNT)
		rest += length + strspn(rest + length, " ");
	if (next < NS_TYPE_COUNT)
		snprintf(filter, sizeof(filter), "%s%s%s", ns_type_name((enum ns_type)next),
			 *rest ? " " : "", rest);
	else
		snprintf(filter, sizeof(filter), "%s", rest);
	memcpy(browser->filter, filter, sizeof(browser->filter));
	browser->filter[sizeof(browser->filter) - 1] = '\0';
	browser_screen_refresh(app, browser);
}

/* clang-format off */
static const struct binding keys[] = {
	{ { 'y' }, NULL, step_type, 0, "only one type, each in turn; the filter \"net\" does the same" },
	{ { K_F(7), 'l' }, "Limit", app_open_screen, SCREEN_LIMITS, "limits of namespaces and how much of them is used" },
};
/* clang-format on */

const struct screen screen_namespaces = {
	.name = "Namespaces",
	.short_name = "Ns",
	BROWSER_SCREEN,
	.browser = &kind,
	.keys = { keys, ARRAY_SIZE(keys) },
	.shared = { &browser_keys, &jump_cgroup_keys, &jump_keys },
};
