/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/agent.h"

/* Publishes the latest snapshot with what the agent says of itself. */
void self_publish(struct agent *agent);
