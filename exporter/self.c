// SPDX-License-Identifier: MIT
#include "exporter/self.h"

#include <stdbool.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "exporter/family.h"

static const char *const types[] = { [SELF_GAUGE] = "gauge", [SELF_COUNTER] = "counter" };

static void add_labels(struct strbuf *out, const struct self_label *labels)
{
	char open = '{';

	for (size_t i = 0; i < SELF_LABELS && labels[i].name; i++) {
		const char *value = labels[i].value ? labels[i].value : "";

		strbuf_add_char(out, open);
		strbuf_add_string(out, labels[i].name);
		strbuf_add_string(out, "=\"");
		escape_label(out, value, strlen(value));
		strbuf_add_char(out, '"');
		open = ',';
	}
	if (open == ',')
		strbuf_add_char(out, '}');
}

void self_render(const struct exporter_self *self, struct strbuf *out)
{
	const char *family = "";

	for (size_t i = 0; i < self->n; i++) {
		const struct self_metric *metric = &self->list[i];

		if (strcmp(metric->name, family) != 0)
			family_add_header(out, metric->name, types[metric->type], metric->help);
		family = metric->name;
		strbuf_add_string(out, metric->name);
		add_labels(out, metric->labels);
		strbuf_add_char(out, ' ');
		strbuf_add_double(out, metric->value);
		strbuf_add_char(out, '\n');
	}
}
