// SPDX-License-Identifier: MIT
#include "agent/verbs/policy.h"

#include <stdio.h>
#include <string.h>

#include "agent/defaults.h"
#include "agent/verbs/verbs.h"
#include "core/cleanup.h"

/* Layers are walked for a policy that looks at their size, but not for ever. */
#define WALK_BUDGET_NS UINT64_C(2000000000)

void policy_print_errors(const struct ini_errors *errors)
{
	struct strbuf line;

	strbuf_init(&line);
	for (size_t i = 0; i < errors->n; i++) {
		strbuf_clear(&line);
		ini_errors_format(&errors->list[i], &line);
		fprintf(stderr, "%s\n", line.data ? line.data : "out of memory");
	}
	strbuf_done(&line);
}

int policy_report_errors(struct context *context, const struct policy_scene *scene, int r)
{
	policy_print_errors(&scene->errors);
	if (r >= 0)
		return r;
	return context_fail(context, EXIT_FAILED, "%zu error%s; nothing loaded",
			    scene->errors.n_errors, scene->errors.n_errors == 1 ? "" : "s");
}

int policy_scene_load(struct context *context, char **paths, size_t n, struct policy_scene *scene)
{
	struct policy_check check = { .interval_usec = DEFAULT_INTERVAL_USEC };
	const struct metric_set none = { 0 };
	int r = context_sampler(context, &scene->sampler);

	if (r != 0)
		return r;
	check.hierarchies = sampler_hierarchies(scene->sampler);
	r = context_sample(context, scene->sampler, &none, 0, &scene->snapshot);
	if (r != 0)
		return r;
	check.snapshot = scene->snapshot;
	check.root = context->root;
	if (guards_new(context->root, check.hierarchies, &scene->guards) < 0)
		return context_fail(context, EXIT_FAILED, "out of memory");
	r = guards_refresh(scene->guards, 0);
	if (r == 0)
		check.guards = scene->guards;
	else
		ini_errors_add(&scene->errors, "processes", 0, true,
			       "%s: it cannot be told which cgroups are protected", strerror(-r));
	return policy_set_load((const char *const *)paths, n, &check, &scene->errors, &scene->set);
}

/* Who is in which namespace, container and image: one pass, as `cgwatch ls` does it. */
static int look_around(struct context *context, struct policy_scene *scene, unsigned int parts)
{
	struct inventory *inventory;
	int r;

	if (parts == 0 || root_is_recorded(context->root))
		return 0;
	r = inventory_keeper_new(context->root, sampler_hierarchies(scene->sampler), NULL,
				 &scene->keeper);
	if (r < 0)
		return context_fail(context, EXIT_FAILED, "inventory: %s", strerror(-r));
	/* What could not be read has a state that says so. */
	inventory_keeper_pass(scene->keeper, inventory_expand(parts), WALK_BUDGET_NS);
	inventory = inventory_keeper_latest(scene->keeper);
	sampler_set_inventory(scene->sampler, inventory);
	inventory_unref(inventory);
	return 0;
}

int policy_scene_sample(struct context *context, struct policy_scene *scene)
{
	struct metric_set needs = { 0 };
	struct snapshot *snapshot;
	int r;

	policy_set_needs(scene->set, &needs);
	r = look_around(context, scene,
			metric_set_inventory(&needs) | policy_set_inventory(scene->set));
	if (r == 0)
		r = context_sample(context, scene->sampler, &needs, DEFAULT_INTERVAL_USEC,
				   &snapshot);
	if (r != 0)
		return r;
	snapshot_unref(scene->snapshot);
	scene->snapshot = snapshot;
	return 0;
}

void policy_scene_done(struct policy_scene *scene)
{
	policy_set_unref(scene->set);
	snapshot_unref(scene->snapshot);
	guards_free(scene->guards);
	inventory_keeper_free(scene->keeper);
	sampler_free(scene->sampler);
	ini_errors_done(&scene->errors);
}

int verb_policy(struct context *context, int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct context *context, int argc, char **argv);
	} words[] = {
		{ "check", policy_check },
		{ "explain", policy_explain },
		{ "status", policy_status },
		{ "simulate", policy_simulate },
		{ "release-all", policy_release_all },
	};

	if (argc < 2)
		return context_usage(context,
				     "say what: check, explain, status, simulate or release-all");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(argv[1], words[i].name) == 0)
			return words[i].run(context, argc - 1, argv + 1);
	}
	return context_usage(context,
			     "%s: no such word: check, explain, status, simulate or release-all",
			     argv[1]);
}
