/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/labels.h"
#include "core/join.h"
#include "core/jsonw.h"

/* A cgroup and what an inventory says of it. */
struct show_join {
	struct inventory *inventory;
	struct join *join;
	uint32_t node;
	struct labels *labels;
	uint64_t now_ns; /* CLOCK_BOOTTIME */
};

/* Lines "name  value": container, user, namespaces, overlay, processes. Pure but for labels. */
void show_join_print(struct strbuf *out, const struct show_join *show);
/* Members of the object that is open: container, user, hostname, namespaces, overlay, processes. */
void show_join_json(struct jsonw *json, const struct show_join *show);
