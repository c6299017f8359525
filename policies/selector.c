// SPDX-License-Identifier: MIT
#include "policies/selector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/glob.h"

struct lines {
	char **list;
	size_t n;
};

struct selectors {
	struct lines lines[SELECTOR_COUNT][2];
};

static const char *const names[SELECTOR_COUNT] = { "match", "unit", "container", "image",
						   "kind",  "user", "process",	 "namespace" };

int selectors_new(struct selectors **ret_selectors)
{
	*ret_selectors = calloc(1, sizeof(**ret_selectors));
	return *ret_selectors ? 0 : -ENOMEM;
}

void selectors_free(struct selectors *selectors)
{
	if (!selectors)
		return;
	for (int kind = 0; kind < SELECTOR_COUNT; kind++) {
		for (int not = 0; not < 2; not ++) {
			struct lines *lines = &selectors->lines[kind][not ];

			for (size_t i = 0; i < lines->n; i++)
				free(lines->list[i]);
			free(lines->list);
		}
	}
	free(selectors);
}

int selectors_add(struct selectors *selectors, enum selector_kind kind, bool not, const char *value,
		  char *reason, size_t size)
{
	struct lines *lines = &selectors->lines[kind][not ];
	const char *why;
	char **grown;

	if (glob_check(value, &why) < 0) {
		snprintf(reason, size, "\"%s\" matches nothing: %s", value, why);
		return -EINVAL;
	}
	grown = realloc(lines->list, (lines->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	lines->list = grown;
	grown[lines->n] = strdup(value);
	return grown[lines->n] ? (lines->n++, 0) : -ENOMEM;
}

const char *selector_name(enum selector_kind kind)
{
	return names[kind];
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
	(void)selectors;
	return 0;
}

static bool any(const struct lines *lines, const char *path)
{
	for (size_t i = 0; i < lines->n; i++) {
		if (glob_match(lines->list[i], path))
			return true;
	}
	return false;
}

bool selectors_could_match(const struct selectors *selectors, const struct node *node)
{
	return any(&selectors->lines[SELECTOR_MATCH][0], node->path) &&
	       !any(&selectors->lines[SELECTOR_MATCH][1], node->path);
}

enum outcome selectors_match(const struct selectors *selectors, const struct snapshot *snapshot,
			     uint32_t index)
{
	return selectors_could_match(selectors, snapshot->tree->nodes[index]) ? OUTCOME_TRUE
									      : OUTCOME_FALSE;
}

void selectors_format(const struct selectors *selectors, struct strbuf *buffer)
{
	const struct lines *lines = selectors->lines[SELECTOR_MATCH];

	for (size_t i = 0; i < lines[0].n; i++)
		strbuf_printf(buffer, "%smatch = %s", i ? ", " : "", lines[0].list[i]);
}
