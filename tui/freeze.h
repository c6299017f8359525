/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct app;

/* The agent thaws after that time what was frozen by hand. */
#define FREEZE_LEASE_SECONDS 300

/* What a question is about: rows may move below it. */
struct freeze_order {
	uint64_t serial; /* of the cgroup */
	bool freeze, by_agent;
};

/* A key: freezes the cgroup that is selected, or thaws it. Asks first. */
void freeze_ask(struct app *app, int unused);
/* Says what became of an order that was on its way, if the source knows. */
void freeze_take_outcome(struct app *app);
