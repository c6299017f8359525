// SPDX-License-Identifier: MIT
#include "exporter/family.h"

#include <errno.h>
#include <stdlib.h>

#include "core/cleanup.h"
#include "core/escape.h"

static const char prefix[] = "cgwatch_cgroup_";

bool family_exists(enum metric_id id)
{
	const struct metric *metric = metric_is_rate(id) ? NULL : metric_get(id);

	return metric && metric->kind != KIND_TEXT;
}

/* "_ratio", unless the name says so already, as "cpu.throttled.ratio" does. */
static void add_suffix(struct strbuf *buffer, const char *word)
{
	size_t length = strlen(word);

	if (!buffer->failed && buffer->length > length &&
	    buffer->data[buffer->length - length - 1] == '_' &&
	    memcmp(buffer->data + buffer->length - length, word, length) == 0)
		return;
	strbuf_add_char(buffer, '_');
	strbuf_add(buffer, word, length);
}

void family_add_name(struct strbuf *buffer, enum metric_id id)
{
	static const char doubled[] = "cgroup."; /* the prefix says that already */
	const struct metric *metric = metric_get(id);
	const char *name = metric->name;

	strbuf_add_string(buffer, prefix);
	if (metric->family) {
		strbuf_add_string(buffer, metric->family);
		return;
	}
	if (strncmp(name, doubled, strlen(doubled)) == 0)
		name += strlen(doubled);
	for (; *name; name++)
		strbuf_add_char(buffer, *name == '.' ? '_' : *name);
	if (unit_name(metric->unit))
		add_suffix(buffer, unit_name(metric->unit));
	if (metric->kind == KIND_COUNTER)
		add_suffix(buffer, "total");
}

const char *family_type(enum metric_id id)
{
	return metric_get(id)->kind == KIND_COUNTER ? "counter" : "gauge";
}

const char *family_help(enum metric_id id)
{
	const struct metric *metric = metric_get(id);

	return metric->family_help ? metric->family_help : metric->help;
}

void family_add_header(struct strbuf *buffer, const char *name, const char *type, const char *help)
{
	strbuf_add_string(buffer, "# HELP ");
	strbuf_add_string(buffer, name);
	strbuf_add_char(buffer, ' ');
	for (; *help; help++) {
		if (*help == '\\' || *help == '\n') {
			strbuf_add_char(buffer, '\\');
			strbuf_add_char(buffer, *help == '\n' ? 'n' : '\\');
		} else {
			strbuf_add_char(buffer, *help);
		}
	}
	strbuf_add_string(buffer, "\n# TYPE ");
	strbuf_add_string(buffer, name);
	strbuf_add_char(buffer, ' ');
	strbuf_add_string(buffer, type);
	strbuf_add_char(buffer, '\n');
}

/* Everything appended to the text since `at`. */
static struct family_text text_since(const struct family_table *table, size_t at)
{
	return (struct family_text){ (uint32_t)at, (uint32_t)(table->text.length - at) };
}

static void add_label(struct strbuf *text, const char *label, const char *value)
{
	if (!label)
		return;
	strbuf_add_char(text, ',');
	strbuf_add_string(text, label);
	strbuf_add_string(text, "=\"");
	escape_label(text, value, strlen(value));
	strbuf_add_char(text, '"');
}

/* The bytes after the cgroup's path, or after the part's key, up to the value. */
static void add_row(struct family_table *table, struct family *family, enum metric_id id)
{
	const struct metric *metric = metric_get(id);
	struct family_row *row = &table->rows[table->n_rows++];
	struct strbuf *text = &table->text;
	size_t at = text->length;

	*row = (struct family_row){ .id = id,
				    .family = (uint32_t)(family - table->families),
				    .digits = unit_digits(metric->unit),
				    .write = number_writer_of(id) };
	if (family->keyed) {
		strbuf_add_string(text, "\",");
		strbuf_add_string(text, metric->key_label);
		strbuf_add_string(text, "=\"");
	}
	row->key_head = text_since(table, at);
	at = text->length;
	strbuf_add_char(text, '"');
	add_label(text, metric->label, metric->label_value);
	add_label(text, metric->label2, metric->label2_value);
	strbuf_add_string(text, "} ");
	row->tail = text_since(table, at);
	table->by_metric[id] = row;
	family->n++;
}

static bool same_family(enum metric_id a, enum metric_id b)
{
	const char *x = metric_get(a)->family, *y = metric_get(b)->family;

	return a == b || (x && y && strcmp(x, y) == 0);
}

static void add_family(struct family_table *table, const struct metric_set *set, enum metric_id id)
{
	struct family *family = &table->families[table->n_families++];
	_cleanup_(strbuf_done) struct strbuf name;
	size_t at = table->text.length;

	strbuf_init(&name);
	family_add_name(&name, id);
	if (name.failed) {
		table->text.failed = true;
		return;
	}
	family->first = table->n_rows;
	family->keyed = metric_get(id)->key_label;
	family_add_header(&table->text, name.data, family_type(id), family_help(id));
	family->header = text_since(table, at);
	at = table->text.length;
	strbuf_add_string(&table->text, name.data);
	strbuf_add_string(&table->text, "{cgroup=\"");
	family->head = text_since(table, at);
	for (int other = (int)id; other < METRIC_COUNT; other++) {
		if (metric_set_has(set, (enum metric_id)other) &&
		    family_exists((enum metric_id)other) && same_family(id, (enum metric_id)other))
			add_row(table, family, (enum metric_id)other);
	}
}

int family_table_init(struct family_table *table, const struct metric_set *set)
{
	*table = (struct family_table){ 0 };
	table->families = calloc(METRIC_COUNT, sizeof(*table->families));
	table->rows = calloc(METRIC_COUNT, sizeof(*table->rows));
	if (!table->families || !table->rows) {
		family_table_done(table);
		return -ENOMEM;
	}
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (metric_set_has(set, (enum metric_id)id) && family_exists((enum metric_id)id) &&
		    !table->by_metric[id])
			add_family(table, set, (enum metric_id)id);
	}
	if (!table->text.failed)
		return 0;
	family_table_done(table);
	return -ENOMEM;
}

void family_table_done(struct family_table *table)
{
	free(table->families);
	free(table->rows);
	strbuf_done(&table->text);
	*table = (struct family_table){ 0 };
}
