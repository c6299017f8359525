// SPDX-License-Identifier: MIT
#include "policies/policy_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "policies/policy_check.h"
#include "policies/policy_private.h"

static const char *const mode_names[] = {
	[POLICY_OFF] = "off", [POLICY_SHADOW] = "shadow", [POLICY_ENFORCE] = "enforce"
};

const char *policy_mode_name(enum policy_mode mode)
{
	return mode_names[mode];
}

static void free_strings(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

struct policy *policy_new(const char *name, const char *file, unsigned int line)
{
	struct policy *policy = calloc(1, sizeof(*policy));

	if (!policy)
		return NULL;
	policy->name = strdup(name);
	policy->file = strdup(file);
	policy->line = line;
	policy->mode = POLICY_SHADOW;
	policy->restore_on_clear = policy->restore_on_exit = true;
	/* The first rung is that of `action`, wherever in the section it stands. */
	policy->steps = calloc(1, sizeof(*policy->steps));
	policy->n_steps = 1;
	if (!policy->name || !policy->file || !policy->steps ||
	    selectors_new(&policy->selectors) < 0) {
		policy_free(policy);
		return NULL;
	}
	return policy;
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	free(policy->name);
	free(policy->file);
	selectors_free(policy->selectors);
	schedule_free(policy->schedule);
	for (size_t i = 0; i < policy->n_steps && policy->steps; i++)
		action_done(&policy->steps[i].action);
	condition_free(policy->when);
	condition_free(policy->clear_when);
	free(policy->steps);
	free(policy->source);
	free(policy);
}

struct policy_set *policy_set_ref(struct policy_set *set)
{
	atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	return set;
}

void policy_set_unref(struct policy_set *set)
{
	if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < set->n; i++)
		policy_free(set->list[i]);
	free(set->list);
	free(set->global.stop_file);
	free(set);
}
DEFINE_CLEANUP(struct policy_set *, policy_set_unref)

size_t policy_set_size(const struct policy_set *set)
{
	return set->n;
}

const struct policy *policy_set_get(const struct policy_set *set, size_t at)
{
	return set->list[at];
}

const struct policy *policy_set_find(const struct policy_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++) {
		if (strcmp(set->list[i]->name, name) == 0)
			return set->list[i];
	}
	return NULL;
}

void policy_set_needs(const struct policy_set *set, struct metric_set *metrics)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct policy *policy = set->list[i];

		if (policy->mode == POLICY_OFF)
			continue;
		condition_needs(policy->when, metrics);
		if (policy->clear_when)
			condition_needs(policy->clear_when, metrics);
		/* A paused cgroup must not look like one that has calmed down. */
		metric_set_add(metrics, M_FREEZER_FROZEN);
	}
}

const struct policy_global *policy_set_global(const struct policy_set *set)
{
	return &set->global;
}

unsigned int policy_set_inventory(const struct policy_set *set)
{
	struct metric_set metrics = { 0 };
	unsigned int parts = 0;

	for (size_t i = 0; i < set->n; i++) {
		if (set->list[i]->mode != POLICY_OFF)
			parts |= selectors_inventory(set->list[i]->selectors);
	}
	policy_set_needs(set, &metrics);
	metric_set_close(&metrics);
	return parts | metric_set_inventory(&metrics);
}

static void load_file(struct policy_builder *builder, const char *path)
{
	ini_file_parse(path, policy_handle_entry, builder, builder->errors);
	policy_finish(builder);
}

static void load_path(struct policy_builder *builder, const char *path)
{
	struct stat status;
	char **files;
	size_t n;

	if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode)) {
		load_file(builder, path);
		return;
	}
	if (ini_directory_list(path, &files, &n, builder->errors) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		load_file(builder, files[i]);
	free_strings(files, n);
}

int policy_set_load(const char *const *paths, size_t n_paths, const struct policy_check *check,
		    struct ini_errors *errors, struct policy_set **ret_set)
{
	static const struct policy_check nothing_known;
	_cleanup_(policy_set_unrefp) struct policy_set *set = calloc(1, sizeof(*set));
	struct policy_builder builder = { .check = check ? check : &nothing_known,
					  .errors = errors,
					  .set = set };
	size_t before = errors->n_errors;

	if (!set)
		return -ENOMEM;
	atomic_init(&set->refs, 1);
	strbuf_init(&builder.source);
	for (size_t i = 0; i < n_paths; i++)
		load_path(&builder, paths[i]);
	if (!builder.no_memory)
		policy_check_set(set, builder.check, errors);
	strbuf_done(&builder.source);
	free(builder.global_file);
	if (builder.no_memory)
		return -ENOMEM;
	if (errors->n_errors > before)
		return -EINVAL;
	*ret_set = TAKE_PTR(set);
	return 0;
}
