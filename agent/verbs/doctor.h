/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/context.h"
#include "core/inventory.h"
#include "core/strbuf.h"

/* What the checks of `doctor` look at, and what each of them finds. */
enum verdict { VERDICT_YES, VERDICT_PART, VERDICT_NO };

struct examination {
	struct context *context;
	const struct hierarchies *hierarchies;
	const struct snapshot *snapshot;   /* with every column */
	const struct inventory *inventory; /* all but what is in layers; NULL: it cannot be read */
};

struct finding {
	enum verdict verdict;
	struct strbuf why;
};

/* Of the inventory: doctor_inventory.c. */
void doctor_check_namespaces(const struct examination *examination, struct finding *finding);
void doctor_check_ids(const struct examination *examination, struct finding *finding);
void doctor_check_mounts(const struct examination *examination, struct finding *finding);
void doctor_check_layers(const struct examination *examination, struct finding *finding);
void doctor_check_containers(const struct examination *examination, struct finding *finding);
