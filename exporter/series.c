// SPDX-License-Identifier: MIT
#include "exporter/series.h"

#include <stdio.h>

#include "core/escape.h"
#include "exporter/family.h"
#include "exporter/label.h"

void series_family(struct series *series, const char *name, const char *help)
{
	series->name = name;
	series->help = help;
	series->headed = false;
}

void series_begin(struct series *series)
{
	if (!series->headed)
		family_add_header(series->out, series->name, "gauge", series->help);
	series->headed = true;
	series->has_labels = false;
	strbuf_add_string(series->out, series->name);
}

static void open_label(struct series *series, const char *name)
{
	strbuf_add_char(series->out, series->has_labels ? ',' : '{');
	series->has_labels = true;
	strbuf_add_string(series->out, name);
	strbuf_add_string(series->out, "=\"");
}

void series_label(struct series *series, const char *name, const char *value)
{
	size_t length = value ? strlen(value) : 0;

	open_label(series, name);
	if (value)
		escape_label(series->out, value, label_cut(value, length, series->max_label));
	strbuf_add_char(series->out, '"');
}

void series_label_word(struct series *series, const char *name, const char *words)
{
	open_label(series, name);
	for (; *words; words++)
		strbuf_add_char(series->out, *words == ' ' ? '_' : *words);
	strbuf_add_char(series->out, '"');
}

void series_label_u64(struct series *series, const char *name, uint64_t value)
{
	open_label(series, name);
	strbuf_add_u64(series->out, value);
	strbuf_add_char(series->out, '"');
}

void series_label_cgroup(struct series *series, const struct node *node)
{
	open_label(series, "cgroup");
	if (node)
		label_add_cgroup(series->out, node, series->max_label);
	strbuf_add_char(series->out, '"');
}

void series_end(struct series *series, double value)
{
	strbuf_add_string(series->out, series->has_labels ? "} " : " ");
	strbuf_add_double(series->out, value);
	strbuf_add_char(series->out, '\n');
	series->n++;
}
