/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/jsonw.h"
#include "core/snapshot.h"

/* The columns somebody asked for, in order. */
struct column_list {
	enum metric_id ids[COLUMN_COUNT];
	size_t n;
};

/* The object of one cgroup as in `ls --json` and `show --json` (see cgwatch(1), "JSON"). */
void output_json_node(struct jsonw *json, const struct snapshot *snapshot, uint32_t index,
		      const struct column_list *columns);
/* The members of that object alone: the caller opens it, may add some, and closes it. */
void output_json_members(struct jsonw *json, const struct snapshot *snapshot, uint32_t index,
			 const struct column_list *columns);
/* Opens {"schema":1,"time":…,"host":…; the caller adds members and closes it. */
void output_json_begin(struct jsonw *json, const struct snapshot *snapshot);
/* The same without an interval: for what is no series of samples. */
void output_json_envelope(struct jsonw *json, uint64_t realtime_ns);
/* Columns of the terminal on standard output; 0 if it is none. */
size_t output_terminal_width(void);
/*
 * A table for people: the cgroup first (with tree lines if `tree`), then the columns,
 * right-aligned. `rows` as query_run() gave them.
 */
void output_table(struct strbuf *out, const struct snapshot *snapshot, const uint32_t *rows,
		  uint32_t n_rows, const struct column_list *columns, bool tree);
/* RFC 4180: a header and a line a cgroup, numbers in base units, empty where there is no value. */
void output_csv(struct strbuf *out, const struct snapshot *snapshot, const uint32_t *rows,
		uint32_t n_rows, const struct column_list *columns);
/* Pads `text` of `columns` display columns into a field, left- or right-aligned. */
void output_pad(struct strbuf *out, const char *text, size_t width, bool right);
/* Display columns of a safe UTF-8 text. */
size_t output_width(const char *text);
