// SPDX-License-Identifier: MIT
#include "tui/jump.h"

#include <stdlib.h>

#include "core/cleanup.h"

/* What is selected, with a word for the user if that is nothing. */
static bool get_target(struct app *app, struct target *ret_target)
{
	if (app_target(app, ret_target))
		return true;
	app_set_status(app, ROLE_STATUS, "nothing is selected that leads anywhere");
	return false;
}

/* Everything is below the root: asked about it, the other screens show all. */
static bool is_root(const struct app *app, const struct target *target)
{
	return target_find_node(app->snapshot, target) == 0;
}

/* An inventory that is still to come may have it: only then the other screen can tell. */
static bool is_empty(const struct app *app, const struct target *target,
		     uint32_t (*mark)(const struct snapshot *, const struct target *, bool *),
		     uint32_t n)
{
	_cleanup_(freep) bool *marks = calloc((size_t)n + 1, sizeof(*marks));

	return marks && mark(app->snapshot, target, marks) == 0;
}

static void jump_namespaces(struct app *app, int unused)
{
	const struct namespaces *set = snapshot_namespaces(app->snapshot);
	struct target target;

	(void)unused;
	if (!get_target(app, &target))
		return;
	/* Processes of a cgroup may have come after the inventory: the next one shows them. */
	if (is_root(app, &target)) {
		target.kind = TARGET_NONE;
	} else if (set && target.kind != TARGET_CGROUP &&
		   is_empty(app, &target, target_mark_namespaces, set->n)) {
		app_set_status(app, ROLE_STATUS, "none is known to have to do with it");
		return;
	}
	app_open_for(app, SCREEN_NAMESPACES, &target);
}

static void jump_overlays(struct app *app, int unused)
{
	const struct overlays *set = snapshot_overlays(app->snapshot);
	struct target target;

	(void)unused;
	if (!get_target(app, &target))
		return;
	if (is_root(app, &target)) {
		target.kind = TARGET_NONE;
	} else if (set && is_empty(app, &target, target_mark_overlays, set->n)) {
		app_set_status(app, ROLE_STATUS, "it has no overlay");
		return;
	}
	app_open_for(app, SCREEN_OVERLAYS, &target);
}

static void jump_cgroups(struct app *app, int unused)
{
	uint32_t n_nodes = app->snapshot ? app->snapshot->tree->n : 0, n, node = 0;
	_cleanup_(freep) bool *marks = calloc((size_t)n_nodes + 1, sizeof(*marks));
	struct target target;

	(void)unused;
	if (!marks || !app->snapshot || !get_target(app, &target))
		return;
	n = target_mark_nodes(app->snapshot, &target, marks);
	if (n == 0) {
		app_set_status(app, ROLE_STATUS, "no cgroup is known to have to do with it");
	} else if (n > 1) {
		app_open_for(app, SCREEN_ROUTES, &target);
	} else {
		while (!marks[node])
			node++;
		target = target_cgroup(app->snapshot, node);
		app_open_for(app, SCREEN_CGROUPS, &target);
	}
}

static void jump_processes(struct app *app, int unused)
{
	struct target target;

	(void)unused;
	if (get_target(app, &target))
		app_open_for(app, SCREEN_PROCESSES, &target);
}

static void jump_events(struct app *app, int unused)
{
	struct target target;

	(void)unused;
	if (!get_target(app, &target))
		return;
	if (is_root(app, &target))
		target.kind = TARGET_NONE;
	else if (target.kind != TARGET_CGROUP && target.kind != TARGET_PROCESS) {
		app_set_status(app, ROLE_STATUS, "events are of cgroups and processes");
		return;
	}
	app_open_for(app, SCREEN_EVENTS, &target);
}

/* clang-format off */
static const struct binding keys[] = {
	{ { 'n' }, "Ns", jump_namespaces, 0, "namespaces of what is selected" },
	{ { 'o' }, "Overlay", jump_overlays, 0, "overlays of what is selected" },
	{ { K_F(5), 'z' }, "Procs", jump_processes, 0, "processes of what is selected" },
	{ { 'E' }, NULL, jump_events, 0, "what the kernel tells of the selected cgroup or process" },
};

static const struct binding cgroup_keys[] = {
	{ { 'c' }, "Cgroup", jump_cgroups, 0, "cgroups of what is selected" },
};
/* clang-format on */

const struct keymap jump_keys = { keys, ARRAY_SIZE(keys) };
const struct keymap jump_cgroup_keys = { cgroup_keys, ARRAY_SIZE(cgroup_keys) };
