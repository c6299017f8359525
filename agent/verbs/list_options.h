/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/context.h"
#include "agent/field_filter.h"

/* The options of every verb that prints a list of fields, and what they come to. */
struct list_options {
	const char *columns, *filter_text, *sort; /* as they were given, or NULL */
	bool json, all_columns, notruncate, help_columns;
	struct field_format format;
	/* list_options_choose() fills them in. */
	struct field_list chosen;
	struct field_filter *filter;
	const struct field *sort_field;
};

enum { OPTION_ALL_COLUMNS = 1000 };

/* Rows for getopt_long() and the letters to go with them. */
/* clang-format off */
#define LIST_LONG_OPTIONS                                                                          \
	{ "json", no_argument, NULL, 'J' },                                                        \
	{ "noheadings", no_argument, NULL, 'n' },                                                  \
	{ "output", required_argument, NULL, 'o' },                                                \
	{ "columns", required_argument, NULL, 'o' },                                               \
	{ "output-all", no_argument, NULL, OPTION_ALL_COLUMNS },                                   \
	{ "filter", required_argument, NULL, 'Q' },                                                \
	{ "raw", no_argument, NULL, 'r' },                                                         \
	{ "notruncate", no_argument, NULL, 'u' },                                                  \
	{ "nowrap", no_argument, NULL, 'W' },                                                      \
	{ "list-columns", no_argument, NULL, 'H' },                                                \
	{ "sort", required_argument, NULL, 's' },                                                  \
	{ "bytes", no_argument, NULL, 'b' }
/* clang-format on */
#define LIST_LETTERS ":Jno:Q:ruWHs:b"

/* Takes one of those options. False if it is none. */
bool list_options_set(struct list_options *list, int option, const char *value);
/*
 * Works out columns (`defaults` unless there are others), filter and sort, and how wide a table may
 * be. 0, or an exit code after saying why. list_options_done() afterwards in any case.
 */
int list_options_choose(struct context *context, struct list_options *list,
			const struct fields *fields, const char *defaults);
void list_options_done(struct list_options *list);
/* All the `needs` of columns, filter and sort. */
unsigned int list_options_needs(const struct list_options *list);
/* Whether the filter lets a row through. */
bool list_options_match(const struct list_options *list, const void *view, uint32_t row);
/* Sorts rows as asked; without --sort they stay as they are. -ENOMEM. */
int list_options_sort(const struct list_options *list, const void *view, uint32_t *rows,
		      uint32_t n);
/* What --list-columns prints. An exit code. */
int list_options_describe(struct context *context, const struct fields *fields);
