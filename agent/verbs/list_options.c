// SPDX-License-Identifier: MIT
#include "agent/verbs/list_options.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "agent/output.h"
#include "core/cleanup.h"

bool list_options_set(struct list_options *list, int option, const char *value)
{
	static const size_t flags[][2] = {
		{ 'J', offsetof(struct list_options, json) },
		{ 'n', offsetof(struct list_options, format.no_headings) },
		{ 'r', offsetof(struct list_options, format.raw) },
		{ 'b', offsetof(struct list_options, format.bytes) },
		{ 'u', offsetof(struct list_options, notruncate) },
		{ 'W', offsetof(struct list_options, format.one_line) },
		{ 'H', offsetof(struct list_options, help_columns) },
		{ OPTION_ALL_COLUMNS, offsetof(struct list_options, all_columns) },
	};
	static const size_t texts[][2] = {
		{ 'o', offsetof(struct list_options, columns) },
		{ 'Q', offsetof(struct list_options, filter_text) },
		{ 's', offsetof(struct list_options, sort) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if ((size_t)option == flags[i][0]) {
			*(bool *)((char *)list + flags[i][1]) = true;
			return true;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if ((size_t)option == texts[i][0]) {
			*(const char **)((char *)list + texts[i][1]) = value;
			return true;
		}
	}
	return false;
}

static int choose_columns(struct context *context, struct list_options *list,
			  const struct fields *fields, const char *defaults)
{
	const char *bad;
	size_t length;

	field_parse_list(fields, defaults, &list->chosen, &bad, &length);
	if (list->all_columns)
		field_choose_all(fields, &list->chosen);
	if (list->columns &&
	    field_parse_list(fields, list->columns, &list->chosen, &bad, &length) == -EINVAL)
		return context_usage(context, "--output: %.*s: no such column; -H lists them",
				     (int)length, bad);
	return 0;
}

int list_options_choose(struct context *context, struct list_options *list,
			const struct fields *fields, const char *defaults)
{
	const char *sort = list->sort;
	char reason[256];
	int r = choose_columns(context, list, fields, defaults);

	list->format.width = list->notruncate ? 0 : output_terminal_width();
	if (r != 0)
		return r;
	if (sort && !(list->sort_field = field_find(fields, sort + (*sort == '-'),
						    strlen(sort + (*sort == '-')))))
		return context_usage(context, "--sort: %s: no such column; -H lists them", sort);
	if (!list->filter_text)
		return 0;
	r = field_filter_parse(fields, list->filter_text, &list->filter, reason, sizeof(reason));
	return r < 0 ? context_usage(context, "--filter: %s", r == -EINVAL ? reason : strerror(-r))
		     : 0;
}

void list_options_done(struct list_options *list)
{
	field_filter_free(list->filter);
	list->filter = NULL;
}

unsigned int list_options_needs(const struct list_options *list)
{
	unsigned int needs = field_needs(&list->chosen);

	if (list->filter)
		needs |= field_filter_needs(list->filter);
	if (list->sort_field)
		needs |= list->sort_field->needs;
	return needs;
}

bool list_options_match(const struct list_options *list, const void *view, uint32_t row)
{
	return !list->filter || field_filter_match(list->filter, view, row);
}

int list_options_sort(const struct list_options *list, const void *view, uint32_t *rows, uint32_t n)
{
	return list->sort_field ? field_sort(list->sort_field, *list->sort == '-', view, rows, n)
				: 0;
}

int list_options_describe(struct context *context, const struct fields *fields)
{
	struct strbuf out;
	int r;

	strbuf_init(&out);
	field_describe(fields, &out);
	r = context_write(context, &out);
	strbuf_done(&out);
	return r;
}
