/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/context.h"
#include "collectors/inventory.h"
#include "policies/engine.h"
#include "policies/guards.h"

/* The words of `cgwatch policy`; argv[0] is the word. Exit codes. */
int policy_check(struct context *context, int argc, char **argv);
int policy_explain(struct context *context, int argc, char **argv);
int policy_status(struct context *context, int argc, char **argv);
int policy_simulate(struct context *context, int argc, char **argv);
int policy_release_all(struct context *context, int argc, char **argv);

/* Policies and this machine at one moment. Zeroed is empty. */
struct policy_scene {
	struct sampler *sampler;
	struct inventory_keeper *keeper;
	struct guards *guards;
	struct snapshot *snapshot;
	struct policy_set *set;
	struct ini_errors errors;
};

/*
 * Reads policies and checks them against this machine: its knobs, its cgroups, and who is
 * protected. 0; -EINVAL with the errors in `scene->errors` (warnings are there in any case); or an
 * exit code
 * (> 0) after saying why. policy_scene_done() afterwards in any case.
 */
int policy_scene_load(struct context *context, char **paths, size_t n, struct policy_scene *scene);
/*
 * Takes what the policies look at: the columns, with two samples where one is a rate, and the parts
 * of the inventory. 0, or an exit code after saying why.
 */
int policy_scene_sample(struct context *context, struct policy_scene *scene);
void policy_scene_done(struct policy_scene *scene);
/* Errors and warnings on stderr, a line each. */
void policy_print_errors(const struct ini_errors *errors);
/* Prints what was found wrong; EXIT_FAILED after an error (`r` < 0), otherwise `r`. */
int policy_report_errors(struct context *context, const struct policy_scene *scene, int r);
