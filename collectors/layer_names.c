// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_names.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

void layer_names_begin(struct layer_names *names, const struct layer_stack *texts,
		       struct layer_stack *items)
{
	*names = (struct layer_names){ .texts = texts->used, .items = items->used };
	/* Aligned, as pushing the first one would. */
	names->list = layer_stack_push(items, 0);
}

/* In place and without the heap, which qsort() may use. */
static void sift(struct layer_name *list, size_t n, size_t at, const char *texts)
{
	struct layer_name moved = list[at];

	for (size_t child; (child = at * 2 + 1) < n; at = child) {
		if (child + 1 < n &&
		    strcmp(texts + list[child].text, texts + list[child + 1].text) < 0)
			child++;
		if (strcmp(texts + moved.text, texts + list[child].text) >= 0)
			break;
		list[at] = list[child];
	}
	list[at] = moved;
}

static void sort(struct layer_names *names, const char *texts)
{
	for (size_t i = names->n / 2; i > 0; i--)
		sift(names->list, names->n, i - 1, texts);
	for (size_t n = names->n; n > 1; n--) {
		struct layer_name largest = names->list[0];

		names->list[0] = names->list[n - 1];
		names->list[n - 1] = largest;
		sift(names->list, n - 1, 0, texts);
	}
}

/* Among the first `n`, which are sorted. */
static bool has(const struct layer_names *names, size_t n, const char *texts, const char *name)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(texts + names->list[middle].text, name);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static int add(struct layer_names *names, struct layer_stack *texts, struct layer_stack *items,
	       const struct dirent64 *entry)
{
	struct layer_name *item = layer_stack_push(items, sizeof(*item));

	if (!item)
		return -ENOMEM;
	item->type = entry->d_type;
	item->text = layer_stack_push_text(texts, entry->d_name, strlen(entry->d_name));
	if (item->text == SIZE_MAX)
		return -ENOMEM;
	names->n++;
	return 0;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

int layer_names_read(struct layer_names *names, struct layer_stack *texts,
		     struct layer_stack *items, int fd, bool others)
{
	char buffer[65536] __attribute__((aligned(8)));
	size_t sorted = names->n;
	ssize_t length;

	if (!names->list)
		return -ENOMEM;
	while ((length = getdents64(fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < length;) {
			const struct dirent64 *entry = (void *)(buffer + at);
			int r;

			at += entry->d_reclen;
			if (is_dots(entry->d_name) ||
			    (others && has(names, sorted, texts->base, entry->d_name)))
				continue;
			r = add(names, texts, items, entry);
			if (r < 0)
				return r;
			names->list[names->n - 1].hidden = others;
		}
	}
	if (length < 0 && errno != ENOENT)
		return -errno;
	sort(names, texts->base);
	return 0;
}

void layer_names_end(const struct layer_names *names, struct layer_stack *texts,
		     struct layer_stack *items)
{
	layer_stack_cut(texts, names->texts);
	layer_stack_cut(items, names->items);
}
