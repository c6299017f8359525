// SPDX-License-Identifier: MIT
#include "agent/field.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

static const char *const type_names[] = {
	[FIELD_TEXT] = "text",	    [FIELD_LIST] = "list",	 [FIELD_NUMBER] = "number",
	[FIELD_BYTES] = "bytes",    [FIELD_SECONDS] = "seconds", [FIELD_RATIO] = "ratio",
	[FIELD_BOOL] = "yes or no",
};

static char key_char(char c)
{
	return c == '-' ? '_' : (char)tolower((unsigned char)c);
}

const struct field *field_find(const struct fields *fields, const char *name, size_t length)
{
	for (size_t i = 0; i < fields->n; i++) {
		const char *known = fields->list[i].name;
		size_t at = 0;

		while (at < length && known[at] && key_char(known[at]) == key_char(name[at]))
			at++;
		if (at == length && !known[at])
			return &fields->list[i];
	}
	return NULL;
}

void field_choose_all(const struct fields *fields, struct field_list *chosen)
{
	chosen->n = 0;
	for (size_t i = 0; i < fields->n && i < FIELD_MAX; i++)
		chosen->list[chosen->n++] = &fields->list[i];
}

bool field_is_chosen(const struct field_list *chosen, const struct field *field)
{
	for (size_t i = 0; i < chosen->n; i++) {
		if (chosen->list[i] == field)
			return true;
	}
	return false;
}

int field_parse_list(const struct fields *fields, const char *text, struct field_list *chosen,
		     const char **ret_bad, size_t *ret_length)
{
	struct field_list list = { .n = 0 };

	if (strcmp(text, "all") == 0) {
		field_choose_all(fields, chosen);
		return 0;
	}
	if (*text == '+') {
		list = *chosen;
		text++;
	}
	for (;;) {
		size_t length = strcspn(text, ",");
		const struct field *field = field_find(fields, text, length);

		if (!field) {
			*ret_bad = text;
			*ret_length = length;
			return -EINVAL;
		}
		if (list.n == FIELD_MAX)
			return -E2BIG;
		/* Twice the same key is no JSON object. */
		if (!field_is_chosen(&list, field))
			list.list[list.n++] = field;
		if (!text[length])
			break;
		text += length + 1;
	}
	*chosen = list;
	return 0;
}

unsigned int field_needs(const struct field_list *chosen)
{
	unsigned int needs = 0;

	for (size_t i = 0; i < chosen->n; i++)
		needs |= chosen->list[i]->needs;
	return needs;
}

bool field_is_number(const struct field *field)
{
	return field->type == FIELD_NUMBER || field->type == FIELD_BYTES ||
	       field->type == FIELD_SECONDS || field->type == FIELD_RATIO;
}

void field_describe(const struct fields *fields, struct strbuf *out)
{
	for (size_t i = 0; i < fields->n; i++)
		strbuf_printf(out, "%-14s %-10s %s\n", fields->list[i].name,
			      type_names[fields->list[i].type], fields->list[i].help);
}

static void json_list(struct jsonw *json, const char *key, const struct strbuf *value)
{
	const char *item;
	size_t at = 0;

	jsonw_begin(json, key, '[');
	while ((item = field_list_next(value, &at)))
		jsonw_string(json, NULL, item);
	jsonw_end(json, ']');
}

static void json_value(struct jsonw *json, const struct field *field, const char *key,
		       const struct strbuf *value)
{
	const char *text = value->data ? value->data : "";

	if (field->type == FIELD_LIST)
		json_list(json, key, value);
	else if (field->type == FIELD_TEXT)
		jsonw_string(json, key, text);
	else if (field->type == FIELD_BOOL)
		jsonw_bool(json, key, *text == '1');
	else
		jsonw_raw(json, key, text);
}

void field_json_member(struct jsonw *json, const struct field *field, const void *view,
		       uint32_t row)
{
	struct strbuf value;
	char key[64];
	size_t i;

	for (i = 0; i < sizeof(key) - 1 && field->name[i]; i++)
		key[i] = key_char(field->name[i]);
	key[i] = '\0';
	strbuf_init(&value);
	if (field->get(view, row, &value))
		json_value(json, field, key, &value);
	else
		jsonw_null(json, key);
	json->out.failed |= value.failed;
	strbuf_done(&value);
}

void field_json(struct jsonw *json, const struct field_list *chosen, const void *view, uint32_t row)
{
	for (size_t i = 0; i < chosen->n; i++)
		field_json_member(json, chosen->list[i], view, row);
}

/* A row with what it is sorted by. */
struct key {
	uint32_t row, order;
	bool known, numeric, reverse;
	double number;
	char *text;
};

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int order = 0;

	if (x->known != y->known)
		return x->known ? -1 : 1;
	if (x->known && x->numeric)
		order = (x->number < y->number) - (x->number > y->number);
	else if (x->known)
		order = strcmp(x->text, y->text);
	if (order != 0)
		return x->reverse ? -order : order;
	return (x->order > y->order) - (x->order < y->order);
}

int field_sort(const struct field *field, bool reverse, const void *view, uint32_t *rows,
	       uint32_t n)
{
	struct key *keys = calloc(n ? n : 1, sizeof(*keys));
	int r = keys ? 0 : -ENOMEM;

	for (uint32_t i = 0; keys && i < n; i++) {
		struct strbuf value;

		strbuf_init(&value);
		keys[i] = (struct key){ .row = rows[i], .order = i, .reverse = reverse };
		keys[i].known = field->get(view, rows[i], &value);
		keys[i].numeric = field_is_number(field) || field->type == FIELD_BOOL;
		if (keys[i].known && keys[i].numeric) {
			keys[i].number = value.data ? strtod(value.data, NULL) : 0;
		} else if (keys[i].known) {
			strbuf_add_string(&value, "");
			keys[i].text = strbuf_take(&value);
			if (!keys[i].text)
				r = -ENOMEM;
		}
		strbuf_done(&value);
	}
	if (r == 0)
		qsort(keys, n, sizeof(*keys), compare_keys);
	for (uint32_t i = 0; keys && i < n; i++) {
		if (r == 0)
			rows[i] = keys[i].row;
		free(keys[i].text);
	}
	free(keys);
	return r;
}
