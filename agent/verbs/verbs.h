/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/context.h"

/* One function a verb; the table with usage and summary is in agent/cgwatch.c. */
int verb_ls(struct context *context, int argc, char **argv);
int verb_show(struct context *context, int argc, char **argv);
int verb_ps(struct context *context, int argc, char **argv);
int verb_ns(struct context *context, int argc, char **argv);
int verb_overlay(struct context *context, int argc, char **argv);
/* `cgwatch overlay diff`; argv[0] is "diff". */
int verb_overlay_diff(struct context *context, int argc, char **argv);
int verb_events(struct context *context, int argc, char **argv);
int verb_controllers(struct context *context, int argc, char **argv);
int verb_metrics(struct context *context, int argc, char **argv);
int verb_doctor(struct context *context, int argc, char **argv);
int verb_set(struct context *context, int argc, char **argv);
int verb_freeze(struct context *context, int argc, char **argv);
int verb_thaw(struct context *context, int argc, char **argv);
int verb_run(struct context *context, int argc, char **argv);
int verb_policy(struct context *context, int argc, char **argv);
/* The interactive terminal: what `cgwatch` does without a verb. */
int verb_terminal(struct context *context, int argc, char **argv);
