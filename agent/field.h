/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/jsonw.h"
#include "core/strbuf.h"

/*
 * Lists of things (namespaces, overlays, processes, …) as rows of named fields: one table of struct
 * field drives headings, JSON keys and types, the names in a filter, the sort, --list-columns and
 * what has to be collected at all. Pure.
 */
enum field_type {
	FIELD_TEXT,    /* bytes from outside */
	FIELD_LIST,    /* several, with a NUL between them */
	FIELD_NUMBER,  /* a decimal number */
	FIELD_BYTES,   /* a decimal number of them */
	FIELD_SECONDS, /* a decimal number of them */
	FIELD_RATIO,   /* a decimal number, 1 is the whole */
	FIELD_BOOL,    /* "1" or "0" */
};

struct field {
	const char *name; /* "NPROCS": the heading; in lower case, with _ for -, the JSON key */
	const char *help;
	enum field_type type;
	unsigned int needs; /* bits that the owner of the table gives a meaning */
	/* Appends the raw value of a row. False if there is none: null in JSON, else empty. */
	bool (*get)(const void *view, uint32_t row, struct strbuf *out);
};

struct fields {
	const struct field *list;
	size_t n;
};

enum { FIELD_MAX = 64 };

/* The fields somebody asked for, in order. */
struct field_list {
	const struct field *list[FIELD_MAX];
	size_t n;
};

/* By name, ignoring ASCII case, '-' and '_' alike; NULL if there is none. */
const struct field *field_find(const struct fields *fields, const char *name, size_t length);
/*
 * A list of names with commas, "all", or with a leading '+' names to add to `chosen`. -EINVAL with
 * the name nobody knows; -E2BIG.
 */
int field_parse_list(const struct fields *fields, const char *text, struct field_list *chosen,
		     const char **ret_bad, size_t *ret_length);
void field_choose_all(const struct fields *fields, struct field_list *chosen);
bool field_is_chosen(const struct field_list *chosen, const struct field *field);
/* All the `needs` of them. */
unsigned int field_needs(const struct field_list *chosen);
bool field_is_number(const struct field *field);
/* Lines of name, type and help. */
void field_describe(const struct fields *fields, struct strbuf *out);

/* For `get` functions: append the value if there is one, and return that. */
static inline bool field_add_u64(struct strbuf *out, bool known, uint64_t value)
{
	if (known)
		strbuf_add_u64(out, value);
	return known;
}
static inline bool field_add_text(struct strbuf *out, const char *text)
{
	if (text)
		strbuf_add_string(out, text);
	return text != NULL;
}
static inline bool field_add_bool(struct strbuf *out, bool known, bool value)
{
	if (known)
		strbuf_add_char(out, value ? '1' : '0');
	return known;
}
/* Nanoseconds as seconds. */
static inline bool field_add_seconds(struct strbuf *out, bool known, uint64_t ns)
{
	if (known)
		strbuf_add_fixed(out, ns / 1000, 6);
	return known;
}

/* The next item of a list's raw value; NULL at its end. `at` begins with 0. */
static inline const char *field_list_next(const struct strbuf *value, size_t *at)
{
	const char *item = value->data;

	if (!item || value->length == 0 || *at > value->length)
		return NULL;
	item += *at;
	*at += strlen(item) + 1;
	return item;
}

/* The fields as members of the object that is open. */
void field_json(struct jsonw *json, const struct field_list *chosen, const void *view,
		uint32_t row);
/* One field under its key. */
void field_json_member(struct jsonw *json, const struct field *field, const void *view,
		       uint32_t row);

/*
 * Sorts rows by a field: text in order, numbers the largest first, the other way round with
 * `reverse`; rows without a value last; equal ones stay in their order. -ENOMEM.
 */
int field_sort(const struct field *field, bool reverse, const void *view, uint32_t *rows,
	       uint32_t n);

/* Rows to print, in order. */
struct field_rows {
	const void *view;
	const uint32_t *rows;
	uint32_t n;
	const uint32_t *depth;		/* of each row in a tree, parents first; NULL: a list */
	const struct field *tree_field; /* that carries the lines of the tree */
};

struct field_format {
	bool no_headings;
	bool raw;      /* one blank between cells, \x20 in them; numbers in base units */
	bool bytes;    /* numbers in base units */
	bool one_line; /* a list with commas instead of a line each */
	bool ascii;    /* tree lines without box characters */
	size_t width;  /* display columns at most; 0: any */
};

/* A table for people (or with `raw` for awk). Texts are made safe. */
void field_table(struct strbuf *out, const struct field_list *chosen, const struct field_rows *rows,
		 const struct field_format *format);
/* One row, a line a field: "name  value"; fields without a value are left out. */
void field_card(struct strbuf *out, const struct field_list *chosen, const void *view, uint32_t row,
		const struct field_format *format);
