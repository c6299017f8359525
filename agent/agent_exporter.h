/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/agent.h"

/* The HTTP side; all do nothing in a build without it. 0 or -errno; errors have been logged. */
int agent_exporter_start(struct agent *agent);
int agent_exporter_configure(struct agent *agent, const struct config *config);
void agent_exporter_stop(struct agent *agent);
