/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/kernel_event.h"

/* One event as a line for people, with its end: time, kind, cgroup, what happened. */
void event_format_line(const struct kernel_event *event, struct strbuf *out);
/* One event as one line of JSON (see cgwatch(1), "events"), with its end. */
void event_format_json(const struct kernel_event *event, struct strbuf *out);
