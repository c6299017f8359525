/* SPDX-License-Identifier: MIT */
#pragma once

struct app;

/*
 * Tells the source in which cgroups it shall count what is counted in watched ones only: the one
 * whose details are shown, and those with rows while a column shows something of it.
 */
void watch_sync(struct app *app);
