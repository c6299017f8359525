// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "tui/events_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

void events_list_done(struct events_list *events)
{
	free(events->rows);
	free(events->scope_path);
	*events = (struct events_list){ 0 };
}

enum role events_role(enum kernel_event_kind kind)
{
	static const enum role roles[KERNEL_EVENT_KIND_COUNT] = {
		[KERNEL_EVENT_CREATED] = ROLE_NEW,	 [KERNEL_EVENT_REMOVED] = ROLE_ZERO,
		[KERNEL_EVENT_OOM_KILL] = ROLE_BAD,	 [KERNEL_EVENT_FREEZE] = ROLE_FROZEN,
		[KERNEL_EVENT_THAW] = ROLE_FROZEN,	 [KERNEL_EVENT_NS_CREATED] = ROLE_OK,
		[KERNEL_EVENT_NS_DESTROYED] = ROLE_ZERO, [KERNEL_EVENT_WRITE] = ROLE_WARN,
	};

	return roles[kind];
}

void events_list_set_scope(struct events_list *events, const struct snapshot *snapshot,
			   const struct target *target)
{
	uint32_t node = target_find_node(snapshot, target);

	free(events->scope_path);
	events->scope_path = NULL;
	events->scope = (struct target){ .kind = TARGET_NONE };
	if (target->kind == TARGET_PROCESS) {
		events->scope = *target;
	} else if (node != NODE_NONE && node != 0) {
		events->scope_path = strdup(snapshot->tree->nodes[node]->path);
		if (events->scope_path)
			events->scope = *target;
	}
}

/* ---- which ------------------------------------------------------------------------------ */

static bool is_below(const char *path, const char *top)
{
	size_t length = strlen(top);

	return path && strncmp(path, top, length) == 0 && (!path[length] || path[length] == '/');
}

static bool in_scope(const struct events_list *events, const struct kernel_event *event)
{
	if (events->scope.kind == TARGET_PROCESS)
		return (uint64_t)event->pid == events->scope.id ||
		       (uint64_t)event->victim == events->scope.id;
	/* What was moved has to do with where it was, too. */
	return !events->scope_path || is_below(event->path, events->scope_path) ||
	       (event->kind == KERNEL_EVENT_ATTACHED && is_below(event->text, events->scope_path));
}

/* Every word of the filter is in what the row says. */
static bool fits(const char *filter, const struct kernel_event *event, struct strbuf *text)
{
	strbuf_clear(text);
	strbuf_printf(text, "%s %s ", kernel_event_name(event->kind),
		      event->path ? event->path : "");
	kernel_event_describe(event, text);
	if (text->failed)
		return true;
	for (const char *word = filter; *word;) {
		size_t length = strcspn(word, " ");
		char one[VIEW_FILTER];

		memcpy(one, word, length);
		one[length] = '\0';
		if (!strcasestr(text->data, one))
			return false;
		word += length + strspn(word + length, " ");
	}
	return true;
}

static void fill(struct events_list *events, const struct feed *feed)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	const char *filter = events->filter + strspn(events->filter, " ");

	events->n = 0;
	for (uint64_t serial = feed->first; serial < feed->next; serial++) {
		const struct kernel_event *event = feed_get(feed, serial);

		if ((feed->hidden & FEED_KIND(event->kind)) || !in_scope(events, event) ||
		    (*filter && !fits(filter, event, &text)))
			continue;
		events->rows[events->n++] = serial;
	}
	for (size_t i = 0; events->newest_first && i < events->n / 2; i++) {
		uint64_t other = events->rows[i];

		events->rows[i] = events->rows[events->n - 1 - i];
		events->rows[events->n - 1 - i] = other;
	}
}

/* ---- where ------------------------------------------------------------------------------ */

static size_t newest_row(const struct events_list *events)
{
	return events->newest_first || events->n == 0 ? 0 : events->n - 1;
}

/* The row of the selected one; if that is gone, of the next that came after it. */
static size_t find_row(const struct events_list *events)
{
	size_t row = newest_row(events);

	for (size_t i = 0; i < events->n; i++) {
		size_t at = events->newest_first ? i : events->n - 1 - i;

		if (events->rows[at] < events->selected)
			break;
		row = at;
	}
	return row;
}

int events_list_update(struct events_list *events, const struct feed *feed)
{
	struct list *list = &events->list;
	int64_t before = list->cursor;

	if (!events->rows)
		events->rows = calloc(FEED_KEPT, sizeof(*events->rows));
	if (!events->rows)
		return -ENOMEM;
	fill(events, feed);
	list->cursor = (int64_t)(events->parked ? find_row(events) : newest_row(events));
	/* What one looks at stays where it is, whatever comes above it. */
	if (events->parked)
		list->top += list->cursor - before;
	if (events->n > 0)
		events->selected = events->rows[list->cursor];
	list_fit(list, (int64_t)events->n, list->page);
	return 0;
}

void events_list_moved(struct events_list *events)
{
	if (events->n == 0)
		return;
	events->selected = events->rows[events->list.cursor];
	events->parked = (size_t)events->list.cursor != newest_row(events);
}

const struct kernel_event *events_list_selected(const struct events_list *events,
						const struct feed *feed)
{
	if (events->n == 0 || events->selected < feed->first || events->selected >= feed->next)
		return NULL;
	return feed_get(feed, events->selected);
}

/* By id: a path may have been made anew. Only where the id is not known it goes by that. */
uint32_t events_find_node(const struct snapshot *snapshot, const struct kernel_event *event)
{
	const struct tree *tree = snapshot ? snapshot->tree : NULL;

	if (!tree || event->kind == KERNEL_EVENT_REMOVED)
		return NODE_NONE;
	if (event->cgroup == 0)
		return event->path ? tree_find(tree, event->path) : NODE_NONE;
	for (uint32_t h = 0; h < tree->n_hierarchies; h++) {
		if (event->hierarchy && tree->hierarchies[h] &&
		    strcmp(tree->hierarchies[h], event->hierarchy) != 0)
			continue;
		for (uint32_t i = 0; i < tree->n; i++) {
			const struct node *node = tree->nodes[i];

			if (h < node->n_ids && node->ids[h] == event->cgroup)
				return i;
		}
	}
	return NODE_NONE;
}
