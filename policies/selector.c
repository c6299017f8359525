// SPDX-License-Identifier: MIT
#include "policies/selector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policies/selector_private.h"

/* All lines of one key: as written, and the values in them. */
struct lines {
	char **list;
	size_t n;
	struct selector_item *items;
	size_t n_items;
};

struct selectors {
	struct lines lines[SELECTOR_COUNT][2];
};

int selectors_new(struct selectors **ret_selectors)
{
	*ret_selectors = calloc(1, sizeof(**ret_selectors));
	return *ret_selectors ? 0 : -ENOMEM;
}

static void lines_done(struct lines *lines)
{
	for (size_t i = 0; i < lines->n; i++)
		free(lines->list[i]);
	for (size_t i = 0; i < lines->n_items; i++)
		free(lines->items[i].text);
	free(lines->list);
	free(lines->items);
}

void selectors_free(struct selectors *selectors)
{
	if (!selectors)
		return;
	for (int kind = 0; kind < SELECTOR_COUNT; kind++) {
		lines_done(&selectors->lines[kind][0]);
		lines_done(&selectors->lines[kind][1]);
	}
	free(selectors);
}

/* Takes `text` over. */
static int add_item(struct lines *lines, enum selector_kind kind, char *text, char *reason,
		    size_t size)
{
	struct selector_item item = { .text = text }, *grown = NULL;
	int r = text ? selector_rows[kind].parse(&item, reason, size) : -ENOMEM;

	if (r == 0) {
		grown = realloc(lines->items, (lines->n_items + 1) * sizeof(*grown));
		r = grown ? 0 : -ENOMEM;
	}
	if (!grown) {
		free(text);
		return r;
	}
	lines->items = grown;
	grown[lines->n_items++] = item;
	return 0;
}

static int add_items(struct lines *lines, enum selector_kind kind, const char *value, char *reason,
		     size_t size)
{
	int r;

	for (;;) {
		size_t length = strcspn(value, selector_rows[kind].by_comma ? "," : "");
		size_t lead = strspn(value, " \t"), end = length;

		while (end > lead && strchr(" \t", value[end - 1]))
			end--;
		if (end <= lead) {
			snprintf(reason, size, "a value is missing");
			return -EINVAL;
		}
		r = add_item(lines, kind, strndup(value + lead, end - lead), reason, size);
		if (r < 0 || !value[length])
			return r;
		value += length + 1;
	}
}

int selectors_add(struct selectors *selectors, enum selector_kind kind, bool not, const char *value,
		  char *reason, size_t size)
{
	struct lines *lines = &selectors->lines[kind][not ];
	size_t before = lines->n_items;
	char **grown, *copy;
	int r;

	r = add_items(lines, kind, value, reason, size);
	grown = r == 0 ? realloc(lines->list, (lines->n + 1) * sizeof(*grown)) : NULL;
	if (grown)
		lines->list = grown;
	copy = grown ? strdup(value) : NULL;
	if (copy) {
		grown[lines->n++] = copy;
		return 0;
	}
	/* A line is taken as a whole or not at all. */
	while (lines->n_items > before)
		free(lines->items[--lines->n_items].text);
	return r < 0 ? r : -ENOMEM;
}

const char *selector_name(enum selector_kind kind)
{
	return selector_rows[kind].name;
}

bool selectors_is_empty(const struct selectors *selectors)
{
	for (int kind = 0; kind < SELECTOR_COUNT; kind++) {
		if (selectors->lines[kind][0].n > 0)
			return false;
	}
	return true;
}

size_t selectors_count(const struct selectors *selectors, enum selector_kind kind, bool not )
{
	return selectors->lines[kind][not ].n;
}

const char *selectors_text(const struct selectors *selectors, enum selector_kind kind, bool not,
			   size_t at)
{
	return selectors->lines[kind][not ].list[at];
}

unsigned int selectors_inventory(const struct selectors *selectors)
{
	unsigned int parts = 0;

	for (int kind = 0; kind < SELECTOR_COUNT; kind++) {
		if (selectors->lines[kind][0].n > 0 || selectors->lines[kind][1].n > 0)
			parts |= selector_rows[kind].inventory;
	}
	return parts;
}

/* Whether one of the values of a key is true; unknown if none is and one is not known. */
static enum outcome any(const struct lines *lines, enum selector_kind kind,
			const struct selector_subject *subject)
{
	enum outcome result = OUTCOME_FALSE;

	for (size_t i = 0; i < lines->n_items; i++) {
		enum outcome outcome = selector_rows[kind].match(&lines->items[i], subject);

		if (outcome == OUTCOME_TRUE)
			return outcome;
		if (outcome == OUTCOME_UNKNOWN)
			result = outcome;
	}
	return result;
}

/*
 * The inventory is older than a cgroup that was just made: that it saw no such process there does
 * not say that there is none.
 */
static enum outcome any_excluded(const struct lines *lines, enum selector_kind kind,
				 const struct selector_subject *subject)
{
	enum outcome outcome = any(lines, kind, subject);

	if (outcome == OUTCOME_FALSE && lines->n_items > 0 && selector_rows[kind].blind &&
	    selector_rows[kind].blind(subject))
		return OUTCOME_UNKNOWN;
	return outcome;
}

/* The keys that the node alone decides, or the others. What is false ends it. */
static enum outcome match_keys(const struct selectors *selectors, bool by_node,
			       const struct selector_subject *subject)
{
	enum outcome result = OUTCOME_TRUE, outcome;

	for (int kind = 0; kind < SELECTOR_COUNT; kind++) {
		const struct lines *lines = selectors->lines[kind];

		if (selector_rows[kind].by_node != by_node)
			continue;
		outcome = lines[0].n > 0 ? any(&lines[0], (enum selector_kind)kind, subject)
					 : OUTCOME_TRUE;
		if (outcome == OUTCOME_FALSE)
			return outcome;
		if (outcome == OUTCOME_UNKNOWN)
			result = outcome;
		outcome = any_excluded(&lines[1], (enum selector_kind)kind, subject);
		if (outcome == OUTCOME_TRUE)
			return OUTCOME_FALSE;
		if (outcome == OUTCOME_UNKNOWN)
			result = outcome;
	}
	return result;
}

bool selectors_could_match(const struct selectors *selectors, const struct node *node)
{
	const struct selector_subject subject = { .node = node };

	return match_keys(selectors, true, &subject) == OUTCOME_TRUE;
}

enum outcome selectors_match(const struct selectors *selectors, const struct snapshot *snapshot,
			     uint32_t index)
{
	const struct selector_subject subject = { .node = snapshot->tree->nodes[index],
						  .snapshot = snapshot,
						  .index = index };

	/* The cheap ones first: most cgroups are out of the question by their path. */
	if (match_keys(selectors, true, &subject) == OUTCOME_FALSE)
		return OUTCOME_FALSE;
	return match_keys(selectors, false, &subject);
}

static bool has_all(const struct lines *of, const struct lines *in)
{
	for (size_t i = 0; i < of->n_items; i++) {
		size_t j = 0;

		while (j < in->n_items && strcmp(of->items[i].text, in->items[j].text) != 0)
			j++;
		if (j == in->n_items)
			return false;
	}
	return true;
}

bool selectors_cover(const struct selectors *wide, const struct selectors *narrow)
{
	for (int kind = 0; kind < SELECTOR_COUNT; kind++) {
		const struct lines *w = wide->lines[kind], *n = narrow->lines[kind];

		if (w[0].n > 0 && (n[0].n == 0 || !has_all(&n[0], &w[0])))
			return false;
		if (!has_all(&w[1], &n[1]))
			return false;
	}
	return true;
}

void selectors_format(const struct selectors *selectors, struct strbuf *buffer)
{
	const char *between = "";

	for (int kind = 0; kind < SELECTOR_COUNT; kind++) {
		for (int not = 0; not < 2; not ++) {
			const struct lines *lines = &selectors->lines[kind][not ];

			for (size_t i = 0; i < lines->n; i++) {
				strbuf_printf(buffer, "%s%s%s = %s", between,
					      selector_rows[kind].name, not ? "_not" : "",
					      lines->list[i]);
				between = ", ";
			}
		}
	}
}
