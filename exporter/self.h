/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include "core/strbuf.h"

enum self_type { SELF_GAUGE, SELF_COUNTER };

#define SELF_LABELS 6

struct self_label {
	const char *name, *value;
};

/* One sample about the program itself. A family is a run of entries with the same name. */
struct self_metric {
	const char *name; /* of the family, whole: "cgwatch_sample_duration_seconds" */
	const char *help; /* of the first entry of a family */
	enum self_type type;
	struct self_label labels[SELF_LABELS]; /* up to the first without a name */
	double value;			       /* in base units */
};

/* What the agent says about itself; the exporter knows nothing of the agent. */
struct exporter_self {
	const struct self_metric *list;
	size_t n;
};

/* Appends the samples in text format 0.0.4, HELP and TYPE before the first of each family. */
void self_render(const struct exporter_self *self, struct strbuf *out);
