// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/condition.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policies/condition_private.h"

struct parser {
	const char *at;
	unsigned int depth;
	struct condition *condition;
	char *reason;
	size_t size;
};

static int parse_or(struct parser *parser, unsigned int *ret_part);

static void skip_spaces(struct parser *parser)
{
	while (isspace((unsigned char)*parser->at))
		parser->at++;
}

static bool take(struct parser *parser, const char *text)
{
	size_t length = strlen(text);

	skip_spaces(parser);
	if (strncmp(parser->at, text, length) != 0)
		return false;
	parser->at += length;
	return true;
}

static bool take_word(struct parser *parser, const char *word)
{
	size_t length = strlen(word);

	skip_spaces(parser);
	if (strncmp(parser->at, word, length) != 0 ||
	    (parser->at[length] && !isspace((unsigned char)parser->at[length]) &&
	     parser->at[length] != '('))
		return false;
	parser->at += length;
	return true;
}

/* Says what should stand where the parser is. -EINVAL. */
static int expected(const struct parser *parser, const char *what)
{
	bool end = !*parser->at;

	snprintf(parser->reason, parser->size, "%s is expected at %s%s%s", what, end ? "" : "\"",
		 end ? "the end" : parser->at, end ? "" : "\"");
	return -EINVAL;
}

static int add_part(struct parser *parser, const struct condition_part *part,
		    unsigned int *ret_part)
{
	struct condition *condition = parser->condition;

	if (condition->n == CONDITION_MAX_PARTS) {
		snprintf(parser->reason, parser->size, "it is too long");
		return -EINVAL;
	}
	condition->parts[condition->n] = *part;
	*ret_part = condition->n++;
	return 0;
}

/* ---- values with their units ------------------------------------------------------------- */

static int parse_plain(const char *text, double *ret)
{
	size_t sign = text[0] == '-', digits = strspn(text + sign, "0123456789"), fraction = 0;

	if (text[sign + digits] == '.')
		fraction = 1 + strspn(text + sign + digits + 1, "0123456789");
	if (digits == 0 || digits > 18 || fraction == 1 || text[sign + digits + fraction])
		return -EINVAL;
	*ret = strtod(text, NULL);
	return 0;
}

static int value_size(const char *text, double *ret)
{
	uint64_t bytes;
	int r = parse_size(text, &bytes);

	if (r == 0)
		*ret = (double)bytes;
	return r;
}

static int value_duration(const char *text, double *ret)
{
	uint64_t usec;
	int r = parse_duration(text, &usec);

	if (r == 0)
		*ret = (double)usec / 1e6;
	return r;
}

static int without_per_second(const char *text, int (*parse)(const char *text, double *ret),
			      double *ret)
{
	_cleanup_(freep) char *number = NULL;
	size_t length = strlen(text);

	if (length < 3 || strcmp(text + length - 2, "/s") != 0)
		return -EINVAL;
	number = strndup(text, length - 2);
	return number ? parse(number, ret) : -ENOMEM;
}

static int value_size_rate(const char *text, double *ret)
{
	return strchr(text, '/') ? without_per_second(text, value_size, ret)
				 : value_size(text, ret);
}

static int value_count_rate(const char *text, double *ret)
{
	return without_per_second(text, parse_plain, ret);
}

struct value_form {
	int (*parse)(const char *text, double *ret);
	const char *what, *suffix; /* the suffix that a bare number lacks */
};

static const struct value_form value_forms[][2] = {
	[UNIT_NONE] = { { parse_plain, "a plain number", "" },
			{ value_count_rate, "a number a second such as 5/s", "/s" } },
	[UNIT_BYTES] = { { value_size, "a size such as 512M", "B" },
			 { value_size_rate, "a size a second such as 10M/s", "B/s" } },
	[UNIT_USEC] = { { value_duration, "a time such as 500ms or 2s", "s" },
			{ parse_percent, "a percentage of one core such as 50%", "%" } },
	[UNIT_CENTIPERCENT] = { { parse_percent, "a percentage such as 50%", "%" },
				{ parse_percent, "a percentage such as 50%", "%" } },
	[UNIT_RATIO] = { { parse_percent, "a percentage such as 90%", "%" },
			 { parse_percent, "a percentage such as 90%", "%" } },
};

static bool is_rate(enum metric_id id)
{
	return metric_is_rate(id) || (metric_get(id)->flags & METRIC_PER_SECOND);
}

static int parse_value(struct parser *parser, struct condition_part *part)
{
	const struct metric *metric = metric_get(part->metric);
	bool ratio = part->over != M_NONE;
	const struct value_form *form = ratio ? &value_forms[UNIT_RATIO][0]
					      : &value_forms[metric->unit][is_rate(part->metric)];
	double plain;
	bool bare = parse_plain(part->text, &plain) == 0;

	if (bare && plain >= 0 && plain <= 0) {
		part->threshold = 0; /* nothing is nothing in every unit */
		return 0;
	}
	if (strcmp(part->text, "max") == 0 && metric->kind == KIND_LIMIT && !ratio) {
		part->threshold = INFINITY;
		return 0;
	}
	if (form->parse(part->text, &part->threshold) == 0)
		return 0;
	if (bare)
		snprintf(parser->reason, parser->size, "\"%s\" has no unit: write %s, here %s%s",
			 part->text, form->what, part->text, form->suffix);
	else
		snprintf(parser->reason, parser->size, "\"%s\" is not %s", part->text, form->what);
	return -EINVAL;
}

/* ---- comparisons ------------------------------------------------------------------------- */

/* The number of letters to change, add or drop (Levenshtein), for names up to 63 bytes. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[64], length = (unsigned int)strlen(b);

	if (length > 63)
		return 64;
	for (unsigned int j = 0; j <= length; j++)
		row[j] = j;
	for (unsigned int i = 1; a[i - 1]; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (unsigned int j = 1; j <= length; j++) {
			unsigned int change = diagonal + (a[i - 1] != b[j - 1]);
			unsigned int other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = change < other ? change : other;
		}
	}
	return row[length];
}

const char *condition_suggest(const char *name, char *buffer, size_t size)
{
	unsigned int best = (unsigned int)strlen(name) / 3 + 2;
	bool found = false;
	struct strbuf candidate;

	strbuf_init(&candidate);
	for (int id = M_NONE + 1; id < COLUMN_COUNT && strlen(name) < 64; id++) {
		unsigned int far;

		if (metric_is_rate((enum metric_id)id) &&
		    metric_rate(metric_base((enum metric_id)id)) == M_NONE)
			continue;
		if (!metric_get((enum metric_id)id))
			continue;
		strbuf_clear(&candidate);
		metric_name((enum metric_id)id, &candidate);
		if (candidate.failed)
			break;
		far = distance(name, candidate.data);
		if (far < best) {
			best = far;
			found = true;
			snprintf(buffer, size, "%s", candidate.data);
		}
	}
	strbuf_done(&candidate);
	return found ? buffer : NULL;
}

static int parse_metric(struct parser *parser, enum metric_id *ret_metric)
{
	size_t length = strcspn(parser->at, " \t\r\n<>=!()/");
	_cleanup_(freep) char *name = strndup(parser->at, length);
	char near[128];

	if (!name)
		return -ENOMEM;
	*ret_metric = metric_find(name);
	if (length == 0)
		return expected(parser, "a metric");
	if (*ret_metric == M_NONE) {
		const char *meant = condition_suggest(name, near, sizeof(near));

		snprintf(parser->reason, parser->size, "\"%s\" is not a metric%s%s%s", name,
			 meant ? "; did you mean \"" : "", meant ? meant : "",
			 meant ? "\"?" : " (cgwatch metrics lists them)");
		return -EINVAL;
	}
	if (metric_get(*ret_metric)->kind == KIND_TEXT) {
		snprintf(parser->reason, parser->size, "\"%s\" is a text, not a number", name);
		return -EINVAL;
	}
	parser->at += length;
	return 0;
}

/* "METRIC" or "METRIC / METRIC". */
static int parse_left_side(struct parser *parser, struct condition_part *part)
{
	int r = parse_metric(parser, &part->metric);

	if (r < 0 || !take(parser, "/"))
		return r;
	skip_spaces(parser);
	r = parse_metric(parser, &part->over);
	if (r < 0)
		return r;
	if (metric_get(part->metric)->unit == metric_get(part->over)->unit &&
	    is_rate(part->metric) == is_rate(part->over))
		return 0;
	snprintf(parser->reason, parser->size,
		 "the two sides of '/' have different units: a ratio needs the same");
	return -EINVAL;
}

static int parse_operator(struct parser *parser, struct condition_part *part)
{
	for (int i = 0; i < OPERATOR_COUNT; i++) {
		if (take(parser, condition_operators[i])) {
			part->operator=(enum condition_operator) i;
			return 0;
		}
	}
	return expected(parser, "an operator (> >= < <= == !=)");
}

static int check_room(const struct parser *parser)
{
	if (parser->condition->n_comparisons + parser->condition->n_events <
	    CONDITION_MAX_COMPARISONS)
		return 0;
	snprintf(parser->reason, parser->size, "it has more than %d comparisons",
		 CONDITION_MAX_COMPARISONS);
	return -EINVAL;
}

static int parse_comparison(struct parser *parser, unsigned int *ret_part)
{
	struct condition_part part = { .type = CONDITION_COMPARE };
	size_t length;
	int r = check_room(parser);

	if (r < 0)
		return r;
	skip_spaces(parser);
	r = parse_left_side(parser, &part);
	if (r == 0)
		r = parse_operator(parser, &part);
	if (r < 0)
		return r;
	skip_spaces(parser);
	length = strcspn(parser->at, " \t\r\n()");
	if (length == 0)
		return expected(parser, "a value");
	part.text = strndup(parser->at, length);
	if (!part.text)
		return -ENOMEM;
	r = parse_value(parser, &part);
	if (r == 0)
		r = add_part(parser, &part, ret_part);
	if (r < 0) {
		free(part.text);
		return r;
	}
	parser->at += length;
	parser->condition->n_comparisons++;
	return 0;
}

/* ---- events ------------------------------------------------------------------------------ */

/* The event's name: of pressure it is two words, "psi.memory.some 150ms/1s". */
static char *take_event_name(struct parser *parser)
{
	const char *start;
	size_t length;

	skip_spaces(parser);
	start = parser->at;
	length = strcspn(start, " \t\r\n()");
	if (strncmp(start, "psi.", 4) == 0) {
		size_t blank = strspn(start + length, " \t");

		if (isdigit((unsigned char)start[length + blank]))
			length += blank + strcspn(start + length + blank, " \t\r\n()");
	}
	parser->at += length;
	return strndup(start, length);
}

static int parse_within(struct parser *parser, uint64_t *ret_usec)
{
	_cleanup_(freep) char *text = NULL;
	size_t length;

	*ret_usec = 0;
	if (!take_word(parser, "within"))
		return 0;
	skip_spaces(parser);
	length = strcspn(parser->at, " \t\r\n()");
	text = strndup(parser->at, length);
	if (!text)
		return -ENOMEM;
	parser->at += length;
	if (parse_duration(text, ret_usec) == 0 && *ret_usec > 0)
		return 0;
	snprintf(parser->reason, parser->size, "within: \"%s\" is not a time such as 30s", text);
	return -EINVAL;
}

/* The number of an event; the same one written twice is one. */
static int add_event(struct parser *parser, const struct event_spec *spec, uint64_t within,
		     unsigned int *ret_number)
{
	struct condition *condition = parser->condition;
	unsigned int i = 0;

	while (i < condition->n_events && !event_equal(&condition->events[i], spec))
		i++;
	*ret_number = i;
	if (i < condition->n_events) {
		if (condition->within[i] == within)
			return 0;
		snprintf(parser->reason, parser->size,
			 "the same event stands there with two different times");
		return -EINVAL;
	}
	condition->events[i] = *spec;
	condition->within[i] = within;
	condition->n_events++;
	return 0;
}

static int parse_event(struct parser *parser, unsigned int *ret_part)
{
	struct condition_part part = { .type = CONDITION_EVENT };
	_cleanup_(freep) char *name = NULL;
	struct event_spec spec;
	uint64_t within;
	int r = check_room(parser);

	if (r < 0)
		return r;
	name = take_event_name(parser);
	if (!name)
		return -ENOMEM;
	r = event_parse(name, &spec, parser->reason, parser->size);
	if (r == 0)
		r = parse_within(parser, &within);
	if (r == 0)
		r = add_event(parser, &spec, within, &part.event);
	return r < 0 ? r : add_part(parser, &part, ret_part);
}

/* ---- the grammar: or < and < not < ( … ) --------------------------------------------------- */

static int parse_group(struct parser *parser, unsigned int *ret_part)
{
	int r;

	if (take_word(parser, "event"))
		return parse_event(parser, ret_part);
	if (!take(parser, "("))
		return parse_comparison(parser, ret_part);
	r = parse_or(parser, ret_part);
	if (r == 0 && !take(parser, ")"))
		return expected(parser, "a ')'");
	return r;
}

static int parse_not(struct parser *parser, unsigned int *ret_part)
{
	struct condition_part part = { .type = CONDITION_NOT };
	int r;

	if (!take_word(parser, "not"))
		return parse_group(parser, ret_part);
	if (++parser->depth > CONDITION_MAX_DEPTH) {
		snprintf(parser->reason, parser->size, "it is nested too deeply");
		return -EINVAL;
	}
	r = parse_not(parser, &part.left);
	parser->depth--;
	return r < 0 ? r : add_part(parser, &part, ret_part);
}

static int parse_chain(struct parser *parser, const char *word, enum condition_type type,
		       int (*next)(struct parser *parser, unsigned int *ret_part),
		       unsigned int *ret_part)
{
	int r = next(parser, ret_part);

	while (r == 0 && take_word(parser, word)) {
		struct condition_part part = { .type = type, .left = *ret_part };

		r = next(parser, &part.right);
		if (r == 0)
			r = add_part(parser, &part, ret_part);
	}
	return r;
}

static int parse_and(struct parser *parser, unsigned int *ret_part)
{
	return parse_chain(parser, "and", CONDITION_AND, parse_not, ret_part);
}

static int parse_or(struct parser *parser, unsigned int *ret_part)
{
	int r;

	if (++parser->depth > CONDITION_MAX_DEPTH) {
		snprintf(parser->reason, parser->size, "it is nested too deeply");
		return -EINVAL;
	}
	r = parse_chain(parser, "or", CONDITION_OR, parse_and, ret_part);
	parser->depth--;
	return r;
}

DEFINE_CLEANUP(struct condition *, condition_free)

int condition_parse(const char *text, struct condition **ret_condition, char *reason, size_t size)
{
	_cleanup_(condition_freep) struct condition *condition = calloc(1, sizeof(*condition));
	struct parser parser = {
		.at = text, .condition = condition, .reason = reason, .size = size
	};
	int r;

	if (!condition || !(condition->text = strdup(text)))
		return -ENOMEM;
	r = parse_or(&parser, &condition->root);
	if (r < 0)
		return r;
	skip_spaces(&parser);
	if (*parser.at)
		return expected(&parser, "\"and\", \"or\" or the end");
	*ret_condition = TAKE_PTR(condition);
	return 0;
}
