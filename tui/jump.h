/* SPDX-License-Identifier: MIT */
#pragma once

#include "tui/app.h"

/*
 * From what is selected on one screen to what has to do with it on another: n, o, c, z lead to
 * namespaces, overlays, cgroups, processes from wherever there is something selected.
 */
extern const struct keymap jump_keys;
/* That to cgroups, for the screens that are not theirs. */
extern const struct keymap jump_cgroup_keys;
