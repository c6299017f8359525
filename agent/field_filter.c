// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/field_filter.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/cleanup.h"
#include "core/units.h"

enum { NODES_MAX = 192, LEVELS_MAX = 32 };

enum filter_op {
	OP_AND,
	OP_OR,
	OP_NOT,
	OP_SET,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_GLOB,
	OP_MATCH,
	OP_NO_MATCH
};

/* One operation; `left` and `right` are indices of others. */
struct filter_node {
	enum filter_op op;
	int left, right;
	const struct field *field;
	char *text;
	double number;
	regex_t regex; /* of OP_MATCH and OP_NO_MATCH */
};

struct field_filter {
	struct filter_node nodes[NODES_MAX];
	int n, top;
};

/* Longer ones first, so that "<=" is not taken for "<". */
static const struct {
	const char *text;
	enum filter_op op;
} operators[] = {
	{ "==", OP_EQ },    { "!=", OP_NE },	   { "<=", OP_LE }, { ">=", OP_GE },
	{ "=~", OP_MATCH }, { "!~", OP_NO_MATCH }, { "<", OP_LT },  { ">", OP_GT },
	{ "=", OP_GLOB },   { "eq", OP_EQ },	   { "ne", OP_NE }, { "lt", OP_LT },
	{ "le", OP_LE },    { "gt", OP_GT },	   { "ge", OP_GE },
};

struct parser {
	const struct fields *fields;
	struct field_filter *filter;
	const char *at;
	char *reason;
	size_t size;
	int level, error;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct parser *parser, const char *format,
							...)
{
	va_list arguments;

	if (parser->error == 0) {
		va_start(arguments, format);
		vsnprintf(parser->reason, parser->size, format, arguments);
		va_end(arguments);
		parser->error = -EINVAL;
	}
	return -1;
}

static void skip_blanks(struct parser *parser)
{
	while (isspace((unsigned char)*parser->at))
		parser->at++;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/* Takes a sign ("&&") or a word ("and", in any case) if it is next. */
static bool take(struct parser *parser, const char *text)
{
	size_t length = strlen(text);

	skip_blanks(parser);
	if (strncasecmp(parser->at, text, length) != 0)
		return false;
	if (isalpha((unsigned char)*text) && is_word(parser->at[length]))
		return false;
	parser->at += length;
	return true;
}

static int add_node(struct parser *parser, enum filter_op op, int left, int right)
{
	struct field_filter *filter = parser->filter;

	if (filter->n == NODES_MAX)
		return refuse(parser, "too long");
	filter->nodes[filter->n] = (struct filter_node){ .op = op, .left = left, .right = right };
	return filter->n++;
}

/* A quoted text, or everything up to a blank or bracket. NULL after an error. */
static char *take_value(struct parser *parser)
{
	char quote = 0, *text;
	size_t length = 0;

	skip_blanks(parser);
	if (*parser->at == '"' || *parser->at == '\'')
		quote = *parser->at++;
	while (parser->at[length] &&
	       (quote ? parser->at[length] != quote
		      : !isspace((unsigned char)parser->at[length]) && parser->at[length] != ')'))
		length++;
	if (quote ? !parser->at[length] : length == 0) {
		refuse(parser, quote ? "a quote is not closed" : "a value is missing at the end");
		return NULL;
	}
	text = strndup(parser->at, length);
	parser->at += length + (quote != 0);
	if (!text)
		parser->error = -ENOMEM;
	return text;
}

static int parse_number(const struct field *field, const char *text, double *ret_number)
{
	uint64_t value;
	char *end;

	if (field->type == FIELD_BYTES && parse_size(text, &value) == 0) {
		*ret_number = (double)value;
		return 0;
	}
	if (field->type == FIELD_SECONDS && parse_duration(text, &value) == 0) {
		*ret_number = (double)value / 1e6;
		return 0;
	}
	if (field->type == FIELD_RATIO && parse_percent(text, ret_number) == 0)
		return 0;
	if (!isdigit((unsigned char)*text) && *text != '-' && *text != '.')
		return -EINVAL;
	*ret_number = strtod(text, &end);
	return *end ? -EINVAL : 0;
}

static bool is_yes(const char *text)
{
	return strcasecmp(text, "yes") == 0 || strcasecmp(text, "true") == 0 ||
	       strcmp(text, "1") == 0;
}

static int check_value(struct parser *parser, struct filter_node *node)
{
	const struct field *field = node->field;
	bool pattern = node->op == OP_MATCH || node->op == OP_NO_MATCH;

	if (pattern && (field_is_number(field) || field->type == FIELD_BOOL))
		return refuse(parser, "%s is a number: it has no pattern", field->name);
	if (pattern && regcomp(&node->regex, node->text, REG_EXTENDED | REG_NOSUB) != 0) {
		node->op = OP_SET; /* there is no regex to free */
		return refuse(parser, "%s: not a regular expression", node->text);
	}
	if (field->type == FIELD_BOOL) {
		node->number = is_yes(node->text);
		if (!is_yes(node->text) && strcasecmp(node->text, "no") != 0 &&
		    strcasecmp(node->text, "false") != 0 && strcmp(node->text, "0") != 0)
			return refuse(parser, "%s: %s is yes or no", node->text, field->name);
	} else if (field_is_number(field) && parse_number(field, node->text, &node->number) < 0) {
		return refuse(parser, "%s: not a number for %s", node->text, field->name);
	}
	return 0;
}

static bool take_operator(struct parser *parser, enum filter_op *ret_op)
{
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
		if (take(parser, operators[i].text)) {
			*ret_op = operators[i].op;
			return true;
		}
	}
	return false;
}

static int parse_comparison(struct parser *parser)
{
	const struct field *field;
	struct filter_node *node;
	enum filter_op op = OP_SET;
	size_t length = 0;
	int index;

	skip_blanks(parser);
	while (is_word(parser->at[length]))
		length++;
	if (length == 0)
		return refuse(parser,
			      *parser->at ? "'%s': a column is expected"
					  : "%sa column is missing at the end",
			      parser->at);
	field = field_find(parser->fields, parser->at, length);
	if (!field)
		return refuse(parser, "%.*s: no such column", (int)length, parser->at);
	parser->at += length;
	take_operator(parser, &op);
	index = add_node(parser, OP_SET, -1, -1);
	if (index < 0)
		return -1;
	node = &parser->filter->nodes[index];
	node->field = field;
	if (op == OP_SET)
		return index;
	node->text = take_value(parser);
	if (!node->text)
		return -1;
	node->op = op;
	return check_value(parser, node) < 0 ? -1 : index;
}

static int parse_or(struct parser *parser);

static int parse_not(struct parser *parser)
{
	int inner;

	if (++parser->level > LEVELS_MAX)
		return refuse(parser, "too deep");
	if (take(parser, "not") || take(parser, "!")) {
		inner = parse_not(parser);
		inner = inner < 0 ? -1 : add_node(parser, OP_NOT, inner, -1);
	} else if (take(parser, "(")) {
		inner = parse_or(parser);
		if (inner >= 0 && !take(parser, ")"))
			inner = refuse(parser, "a bracket is not closed");
	} else {
		inner = parse_comparison(parser);
	}
	parser->level--;
	return inner;
}

static int parse_and(struct parser *parser)
{
	int left = parse_not(parser);

	while (left >= 0 && (take(parser, "&&") || take(parser, "and"))) {
		int right = parse_not(parser);

		left = right < 0 ? -1 : add_node(parser, OP_AND, left, right);
	}
	return left;
}

static int parse_or(struct parser *parser)
{
	int left = parse_and(parser);

	while (left >= 0 && (take(parser, "||") || take(parser, "or"))) {
		int right = parse_and(parser);

		left = right < 0 ? -1 : add_node(parser, OP_OR, left, right);
	}
	return left;
}

int field_filter_parse(const struct fields *fields, const char *text,
		       struct field_filter **ret_filter, char *reason, size_t size)
{
	struct parser parser = { .fields = fields, .at = text, .reason = reason, .size = size };

	parser.filter = calloc(1, sizeof(*parser.filter));
	if (!parser.filter)
		return -ENOMEM;
	parser.filter->top = parse_or(&parser);
	skip_blanks(&parser);
	if (parser.filter->top >= 0 && *parser.at)
		refuse(&parser, "'%s': and, or, or the end is expected", parser.at);
	if (parser.error < 0) {
		field_filter_free(parser.filter);
		return parser.error;
	}
	*ret_filter = parser.filter;
	return 0;
}

void field_filter_free(struct field_filter *filter)
{
	if (!filter)
		return;
	for (int i = 0; i < filter->n; i++) {
		struct filter_node *node = &filter->nodes[i];

		if (node->op == OP_MATCH || node->op == OP_NO_MATCH)
			regfree(&node->regex);
		free(node->text);
	}
	free(filter);
}

static bool compare_order(enum filter_op op, int order)
{
	return op == OP_EQ || op == OP_GLOB ? order == 0
	       : op == OP_NE		    ? order != 0
	       : op == OP_LT		    ? order < 0
	       : op == OP_LE		    ? order <= 0
	       : op == OP_GT		    ? order > 0
					    : order >= 0;
}

static bool fits_text(const struct filter_node *node, const char *text)
{
	if (node->op == OP_GLOB)
		return fnmatch(node->text, text, 0) == 0;
	if (node->op == OP_MATCH || node->op == OP_NO_MATCH)
		return (regexec(&node->regex, text, 0, NULL, 0) == 0) == (node->op == OP_MATCH);
	return compare_order(node->op, strcmp(text, node->text));
}

static bool fits_list(const struct filter_node *node, const struct strbuf *value)
{
	bool negative = node->op == OP_NE || node->op == OP_NO_MATCH;
	const char *item;
	size_t at = 0;

	/* "!=" of a list means that no item is equal. */
	while ((item = field_list_next(value, &at))) {
		if (fits_text(node, item) != negative)
			return !negative;
	}
	return negative;
}

static bool fits_value(const struct filter_node *node, const struct strbuf *value)
{
	const struct field *field = node->field;
	const char *text = value->data ? value->data : "";
	double number;

	if (node->op == OP_SET)
		return value->length > 0 &&
		       !((field_is_number(field) || field->type == FIELD_BOOL) &&
			 strtod(text, NULL) == 0);
	if (field->type == FIELD_LIST)
		return fits_list(node, value);
	if (field->type == FIELD_TEXT)
		return fits_text(node, text);
	number = strtod(text, NULL);
	return compare_order(node->op, (number > node->number) - (number < node->number));
}

static bool compare(const struct filter_node *node, const void *view, uint32_t row)
{
	struct strbuf value;
	bool fits;

	strbuf_init(&value);
	fits = node->field->get(view, row, &value) && fits_value(node, &value);
	strbuf_done(&value);
	return fits;
}

static bool evaluate(const struct field_filter *filter, int at, const void *view, uint32_t row)
{
	const struct filter_node *node = &filter->nodes[at];

	if (node->op == OP_NOT)
		return !evaluate(filter, node->left, view, row);
	if (node->op == OP_AND)
		return evaluate(filter, node->left, view, row) &&
		       evaluate(filter, node->right, view, row);
	if (node->op == OP_OR)
		return evaluate(filter, node->left, view, row) ||
		       evaluate(filter, node->right, view, row);
	return compare(node, view, row);
}

bool field_filter_match(const struct field_filter *filter, const void *view, uint32_t row)
{
	return evaluate(filter, filter->top, view, row);
}

unsigned int field_filter_needs(const struct field_filter *filter)
{
	unsigned int needs = 0;

	for (int i = 0; i < filter->n; i++) {
		if (filter->nodes[i].field)
			needs |= filter->nodes[i].field->needs;
	}
	return needs;
}
