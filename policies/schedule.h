/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/strbuf.h"

/*
 * When a policy may act: "Mon..Fri 08:00-20:00", "Sat,Sun", "22:00-06:00" (over midnight: the day
 * is that of its beginning), "daily"; several are OR; "not" before one takes time away. By local
 * time: an hour that is skipped in spring is not there, one that comes twice in autumn counts
 * twice. Pure but for the time zone (TZ).
 */
struct schedule;

/* Adds one line to `*schedule`, which is made if it is NULL. -EINVAL with the reason; -ENOMEM. */
int schedule_add(struct schedule **schedule, const char *text, char *reason, size_t size);
void schedule_free(struct schedule *schedule);
/* Whether it is on at that time (CLOCK_REALTIME, seconds). NULL is always on. */
bool schedule_is_on(const struct schedule *schedule, int64_t realtime);
/* When it next goes on or off after that time, in seconds of CLOCK_REALTIME; 0: never (8 days). */
int64_t schedule_next_change(const struct schedule *schedule, int64_t realtime);
/* As written, ", " between lines. */
void schedule_format(const struct schedule *schedule, struct strbuf *buffer);
