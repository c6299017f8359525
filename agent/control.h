/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/agent.h"

/*
 * The control socket STATE_DIR/control (0600): one request line a connection, answered and closed.
 * Only root and the agent's own user are served (SO_PEERCRED). Requests: ping, status, explain
 * PATH, release-all, reload, freeze SECONDS PATH, thaw PATH. The last two are answered "done[: …]"
 * or "failed: …". 0 or -errno.
 */
int control_start(struct agent *agent);
void control_stop(struct agent *agent);
