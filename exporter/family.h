/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/metric.h"
#include "core/strbuf.h"
#include "exporter/number.h"

/*
 * How metrics become Prometheus families: their names, and the constant text of every sample, laid
 * out once so that rendering only copies. Naming follows
 * https://prometheus.io/docs/practices/naming/ and what promtool checks.
 */

/* False for what is never exported: rates (Prometheus makes its own) and texts. */
bool family_exists(enum metric_id id);
/* Appends the family of an exported metric: "cgwatch_cgroup_cpu_usage_seconds_total". */
void family_add_name(struct strbuf *buffer, enum metric_id id);
/* "counter" or "gauge". */
const char *family_type(enum metric_id id);
/* The HELP text of the family. */
const char *family_help(enum metric_id id);
/* Appends the HELP and TYPE lines. */
void family_add_header(struct strbuf *buffer, const char *name, const char *type, const char *help);

/* A run of bytes in the table's text. */
struct family_text {
	uint32_t at, length;
};

/*
 * One metric in its family. A sample is, `label` being the escaped cgroup path,
 *   head label tail value              and with one series for each part
 *   head label key_head key tail value
 */
struct family_row {
	enum metric_id id;
	uint32_t family;
	unsigned int digits;
	number_writer *write;
	struct family_text key_head, tail;
};

struct family {
	struct family_text header, head;
	uint32_t first, n; /* rows */
	bool keyed;	   /* all rows of a family are alike in this */
};

struct family_table {
	struct family *families;
	uint32_t n_families;
	struct family_row *rows; /* by family */
	uint32_t n_rows;
	struct family_row *by_metric[METRIC_COUNT]; /* NULL where a metric is not in the table */
	struct strbuf text;
};

static inline const char *family_text(const struct family_table *table, struct family_text text)
{
	return table->text.data + text.at;
}

/* Families of the exported metrics in `set`, in the order of the metric table. -ENOMEM. */
int family_table_init(struct family_table *table, const struct metric_set *set);
void family_table_done(struct family_table *table);
