// SPDX-License-Identifier: MIT
#include "agent/verbs/policy.h"

int policy_simulate(struct context *context, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return context_usage(context, "simulate: not yet");
}
