// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

int verb_overlay_diff(struct context *context, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return context_fail(context, EXIT_FAILED, "diff: comes with collectors/layer_diff.h");
}
