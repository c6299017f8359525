// SPDX-License-Identifier: MIT
#include "agent/recording.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/recording_private.h"
#include "core/cleanup.h"
#include "core/derive.h"
#include "core/rates.h"

int recording_fault(struct recording *recording, const char *format, ...)
{
	va_list arguments;

	/* The first one is told. */
	if (recording->stats.bad > 0)
		return -EINVAL;
	va_start(arguments, format);
	vsnprintf(recording->stats.reason, sizeof(recording->stats.reason), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int list_columns(struct recording *recording)
{
	recording->columns = calloc(COLUMN_COUNT, sizeof(*recording->columns));
	if (!recording->columns)
		return -ENOMEM;
	for (int id = M_NONE + 1; id < COLUMN_COUNT; id++) {
		struct strbuf name;

		if (!metric_set_has(&recording->wanted, (enum metric_id)id) ||
		    !metric_get((enum metric_id)id))
			continue;
		strbuf_init(&name);
		metric_name((enum metric_id)id, &name);
		recording->columns[recording->n_columns].name = strbuf_take(&name);
		if (!recording->columns[recording->n_columns].name)
			return -ENOMEM;
		recording->columns[recording->n_columns++].id = (enum metric_id)id;
	}
	return 0;
}

int recording_new(FILE *file, const struct metric_set *wanted, struct recording **ret_recording)
{
	struct recording *recording = calloc(1, sizeof(*recording));
	int r;

	if (!recording)
		return -ENOMEM;
	recording->file = file;
	recording->wanted = *wanted;
	metric_set_close(&recording->wanted);
	recording->strings = strpool_new();
	r = recording->strings ? list_columns(recording) : -ENOMEM;
	if (r < 0) {
		recording_free(recording);
		return r;
	}
	*ret_recording = recording;
	return 0;
}

void recording_free(struct recording *recording)
{
	if (!recording)
		return;
	for (size_t i = 0; i < recording->n_columns; i++)
		free(recording->columns[i].name);
	free(recording->columns);
	snapshot_unref(recording->previous);
	strpool_unref(recording->strings);
	free(recording->line);
	free(recording);
}

/* A number in base units as the cell stores it. False for what is none. */
static bool to_value(enum metric_id id, const json_t *number, union value *ret_value)
{
	unsigned int digits;
	double base;

	if (!json_is_number(number))
		return false;
	base = json_number_value(number);
	if (metric_is_double(id)) {
		ret_value->number = base;
		return true;
	}
	if (metric_get(id)->kind == KIND_SIGNED) {
		ret_value->i64 = json_is_integer(number) ? json_integer_value(number)
							 : (int64_t)base;
		return true;
	}
	if (base < 0 || base >= 0x1p64)
		return false;
	digits = unit_digits(metric_get(id)->unit);
	if (digits == 0 && json_is_integer(number))
		ret_value->u64 = (uint64_t)json_integer_value(number);
	else
		ret_value->u64 = (uint64_t)llround(base * pow(10, digits));
	return true;
}

static enum value_state state_named(const char *name)
{
	for (int state = 0; name && state < VALUE_STATE_COUNT; state++) {
		if (state != VALUE_OK &&
		    strcmp(value_state_name((enum value_state)state), name) == 0)
			return (enum value_state)state;
	}
	return VALUE_ABSENT;
}

static int fill_text(struct snapshot *snapshot, enum metric_id id, uint32_t index,
		     const json_t *value)
{
	const char *text = json_string_value(value), *copy;

	copy = text ? strpool_add(snapshot->tree->strings, text, strlen(text)) : NULL;
	if (text && !copy)
		return -ENOMEM;
	if (copy)
		snapshot_set(snapshot, id, index, (union value){ .text = copy });
	return 0;
}

/* One cell, if the line has it. */
static int fill_cell(struct recorded_column *column, struct snapshot *snapshot, uint32_t index,
		     const json_t *row)
{
	bool is_text = metric_get(column->id)->kind == KIND_TEXT;
	const json_t *values = json_object_get(row, is_text ? "attributes" : "metrics");
	const json_t *value = json_object_get(values, column->name);
	const json_t *why = json_object_get(json_object_get(row, "absent"), column->name);
	union value cell;

	column->seen |= value || why;
	if (value && is_text)
		return fill_text(snapshot, column->id, index, value);
	if (value && to_value(column->id, value, &cell))
		snapshot_set(snapshot, column->id, index, cell);
	else if (value)
		snapshot_set_state(snapshot, column->id, index, VALUE_FAILED);
	else if (why)
		snapshot_set_state(snapshot, column->id, index,
				   state_named(json_string_value(why)));
	return 0;
}

static int fill_cells(struct recording *recording, struct snapshot *snapshot, const json_t **rows)
{
	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		for (size_t c = 0; c < recording->n_columns && rows[i]; c++) {
			int r = fill_cell(&recording->columns[c], snapshot, i, rows[i]);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* What could be computed though no line had it. */
static void note_computed(struct recording *recording, const struct snapshot *snapshot)
{
	for (size_t c = 0; c < recording->n_columns; c++) {
		struct recorded_column *column = &recording->columns[c];

		for (uint32_t i = 0; i < snapshot->tree->n && !column->seen; i++)
			column->seen = snapshot_state(snapshot, column->id, i) == VALUE_OK;
	}
}

/* Seconds as they are written, with microseconds. */
static uint64_t to_ns(const json_t *value)
{
	double seconds = json_number_value(value);

	return seconds > 0 && seconds < 1e10 ? (uint64_t)llround(seconds * 1e6) * 1000 : 0;
}

/* The moment of a line: the recorded one, but for a clock that was set back. */
static void set_time(struct recording *recording, struct snapshot *snapshot, const json_t *line)
{
	uint64_t realtime = to_ns(json_object_get(line, "time"));
	uint64_t interval = to_ns(json_object_get(line, "interval"));
	struct recording_stats *stats = &recording->stats;

	if (stats->interval_ns == 0)
		stats->interval_ns = interval;
	snapshot->sequence = stats->snapshots + 1;
	snapshot->realtime_ns = realtime;
	snapshot->boottime_ns = realtime;
	if (recording->previous) {
		uint64_t step = realtime - recording->last_realtime_ns;

		if (realtime <= recording->last_realtime_ns) {
			step = interval ? interval : 1000000000;
			stats->backwards++;
		}
		snapshot->boottime_ns = recording->previous->boottime_ns + step;
	}
	snapshot->interval_ns = interval;
	recording->last_realtime_ns = realtime;
}

/*
 * Cells are filled twice: once for what is computed from them, and again as computing also went
 * over those that were recorded, which count.
 */
static int fill(struct recording *recording, struct snapshot *snapshot, const json_t **rows)
{
	uint64_t interval = snapshot->interval_ns;
	int r = fill_cells(recording, snapshot, rows);

	if (r < 0)
		return r;
	rates_compute(snapshot, recording->previous);
	if (interval > 0)
		snapshot->interval_ns = interval;
	derive_all(snapshot);
	note_computed(recording, snapshot);
	return fill_cells(recording, snapshot, rows);
}

static int read_snapshot(struct recording *recording, const json_t *line,
			 struct snapshot **ret_snapshot)
{
	const json_t *cgroups = json_object_get(line, "cgroups");
	_cleanup_(freep) const json_t **rows = NULL;
	struct snapshot *snapshot;
	struct tree *tree;
	int r;

	if (json_integer_value(json_object_get(line, "schema")) != 1)
		return recording_fault(recording, "no line of 'cgwatch ls --json' of schema 1");
	if (!json_is_array(cgroups) || to_ns(json_object_get(line, "time")) == 0)
		return recording_fault(recording, "it has no time or no list of cgroups");
	r = recording_tree(recording, cgroups, &tree, &rows);
	if (r < 0)
		return r;
	snapshot = snapshot_new(tree, &recording->wanted);
	tree_unref(tree);
	if (!snapshot)
		return -ENOMEM;
	set_time(recording, snapshot, line);
	r = fill(recording, snapshot, rows);
	if (r < 0) {
		snapshot_unref(snapshot);
		return r;
	}
	*ret_snapshot = snapshot;
	return 0;
}

/* -EINVAL with the reason kept. */
static int parse_line(struct recording *recording, size_t length, json_t **ret_line)
{
	const char *text = recording->line;
	json_error_t error;

	if (length >= 2 && text[0] == '\x1f' && (unsigned char)text[1] == 0x8b)
		return recording_fault(recording,
				       "it is compressed: 'zcat FILE |' and '--from -' read it");
	*ret_line = json_loadb(text, length, 0, &error);
	/* A number beyond 64 bits with a sign, as an id may be. */
	if (!*ret_line && json_error_code(&error) == json_error_numeric_overflow)
		*ret_line = json_loadb(text, length, JSON_DECODE_INT_AS_REAL, &error);
	if (!*ret_line)
		return recording_fault(recording, "no JSON: %s", error.text);
	return 0;
}

static void keep(struct recording *recording, struct snapshot *snapshot)
{
	recording->stats.snapshots++;
	snapshot_unref(recording->previous);
	recording->previous = snapshot_ref(snapshot);
}

/* 1 and a snapshot, or 0 for a line that is none. */
static int take_line(struct recording *recording, size_t length, struct snapshot **ret_snapshot)
{
	bool ended = length > 0 && recording->line[length - 1] == '\n';
	json_t *line = NULL;
	int r;

	if (strspn(recording->line, " \t\r\n") == length)
		return 0;
	r = parse_line(recording, length, &line);
	if (r == 0)
		r = read_snapshot(recording, line, ret_snapshot);
	json_decref(line);
	if (r == -EINVAL && !ended) {
		recording->stats.cut_short = true;
		return 0;
	}
	if (r == -EINVAL) {
		if (recording->stats.bad++ == 0)
			recording->stats.first_bad = recording->stats.lines;
		return 0;
	}
	if (r < 0)
		return r;
	keep(recording, *ret_snapshot);
	return 1;
}

int recording_next(struct recording *recording, struct snapshot **ret_snapshot)
{
	for (;;) {
		ssize_t length;
		int r;

		errno = 0;
		length = getline(&recording->line, &recording->line_size, recording->file);
		if (length < 0)
			return feof(recording->file) ? 0 : errno ? -errno : -EIO;
		recording->stats.lines++;
		r = take_line(recording, (size_t)length, ret_snapshot);
		if (r != 0)
			return r;
	}
}

void recording_get_stats(const struct recording *recording, struct recording_stats *ret_stats)
{
	*ret_stats = recording->stats;
}

bool recording_has(const struct recording *recording, enum metric_id id)
{
	for (size_t c = 0; c < recording->n_columns; c++) {
		if (recording->columns[c].id == id)
			return recording->columns[c].seen;
	}
	return false;
}
