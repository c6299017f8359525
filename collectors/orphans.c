// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/orphans.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collectors/orphan_size.h"
#include "core/cleanup.h"

enum {
	WATCHED_MAX = 8,
	AGAIN_MS = 100, /* a runtime that is in the middle of removing is done by then */
	ENTRIES_PER_PASS = 200000,
};

#define DEFAULT_GRACE_NS (UINT64_C(600) * 1000000000)

struct orphans_kept {
	struct file_stamp watched[WATCHED_MAX];
	uint64_t mounted; /* hash of the names of mounted layers */
	bool again;	  /* look again even if nothing changed */
	struct orphan_list found;
};

static void list_done(struct orphan_list *list)
{
	for (uint32_t i = 0; i < list->n; i++)
		free(list->list[i].path);
	free(list->list);
	*list = (struct orphan_list){ 0 };
}

void orphans_kept_free(struct orphans_kept *kept)
{
	if (!kept)
		return;
	list_done(&kept->found);
	free(kept);
}

static struct orphan_find *list_find(struct orphan_list *list, const struct orphan_find *find)
{
	for (uint32_t i = 0; i < list->n; i++) {
		if (list->list[i].reason == find->reason &&
		    strcmp(list->list[i].path, find->path) == 0)
			return &list->list[i];
	}
	return NULL;
}

/* Takes over the path, also when it fails. */
static int list_add(struct orphan_list *list, enum orphan_reason reason, char *path)
{
	if (list->n == list->capacity) {
		uint32_t capacity = list->capacity ? 2 * list->capacity : 16;
		struct orphan_find *grown = realloc(list->list, capacity * sizeof(*grown));

		if (!grown) {
			free(path);
			return -ENOMEM;
		}
		list->list = grown;
		list->capacity = capacity;
	}
	list->list[list->n++] = (struct orphan_find){ .reason = reason, .path = path };
	return 0;
}

int orphan_add(struct orphan_search *search, enum orphan_reason reason, int64_t changed_ns,
	       const char *format, ...)
{
	char *path = NULL;
	va_list arguments;
	int n;

	/* A time in the future says that one of the clocks is wrong: then nothing is known. */
	if (search->pass->now_ns - changed_ns < search->grace_ns) {
		search->young = true;
		return 0;
	}
	va_start(arguments, format);
	n = vasprintf(&path, format, arguments);
	va_end(arguments);
	return n < 0 ? -ENOMEM : list_add(&search->found, reason, path);
}

bool orphan_stat(const struct orphan_search *search, struct stat *ret_status, const char *format,
		 ...)
{
	char *path = NULL;
	va_list arguments;
	int n, r;

	va_start(arguments, format);
	n = vasprintf(&path, format, arguments);
	va_end(arguments);
	if (n < 0)
		return true; /* in doubt it is there */
	r = fstatat(search->fd, path, ret_status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
	if (r < 0 && errno != ENOENT && errno != ENOTDIR) {
		/* There, but not to be seen: as young as can be. */
		*ret_status = (struct stat){ .st_mtim.tv_sec = INT32_MAX };
		r = 0;
	}
	free(path);
	return r == 0;
}

static int add_directory(void *data, const char *name, unsigned char type)
{
	if (type == DT_DIR || type == DT_UNKNOWN)
		names_add(data, name, strlen(name));
	return 0;
}

int orphan_directories(const struct orphan_search *search, const char *path, struct names *names)
{
	_cleanup_(closep) int fd = state_dir_open_at(search->fd, path);
	int r = fd < 0 ? fd : state_dir_each(fd, add_directory, names);

	return r < 0 ? r : names->memory.failed ? -ENOMEM : 0;
}

/*
 * "ID" of "ROOT/LAYERS/ID/diff", "l/LINK" of "ROOT/LAYERS/l/LINK" and of the relative "l/LINK" that
 * Docker mounts by when the absolute names do not fit into a page.
 */
static void note_layer(const struct orphan_search *search, const char *layers, const char *path,
		       struct names *names)
{
	size_t root = strlen(search->root), length = strlen(layers), n;

	if (!path)
		return;
	if (path[0] == '/') {
		if (strncmp(path, search->root, root) != 0 || path[root] != '/' ||
		    strncmp(path + root + 1, layers, length) != 0 || path[root + 1 + length] != '/')
			return;
		path += root + 1 + length + 1;
	}
	n = strcspn(path, "/");
	if (n == 1 && path[0] == 'l' && path[1] == '/')
		n += 1 + strcspn(path + 2, "/");
	if (n > 0)
		names_add(names, path, n);
}

static int note_mounted(struct orphan_search *search, const char *layers)
{
	const struct overlays *overlays = search->pass->overlays;

	for (uint32_t i = 0; i < overlays->n; i++) {
		for (uint32_t j = 0; j < overlays->list[i].n_layers; j++) {
			const struct overlay_layer *layer = &overlays->list[i].layers[j];
			struct names *names = layer->kind == OVERLAY_UPPER ? &search->uppers
									   : &search->lowers;

			note_layer(search, layers, layer->path, names);
			note_layer(search, layers, layer->resolved, names);
		}
	}
	return search->uppers.memory.failed || search->lowers.memory.failed ? -ENOMEM : 0;
}

static uint64_t hash_names(struct names *names, uint64_t hash)
{
	(void)names_have(names, ""); /* sorts them */
	for (uint32_t i = 0; i < names->n; i++) {
		for (const char *at = names->list[i]; *at; at++)
			hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
		hash = (hash ^ '/') * UINT64_C(1099511628211);
	}
	return hash;
}

/* True if all is as it was at the last search; notes how it is now. */
static bool is_unchanged(struct orphan_search *search, struct orphans_kept *kept,
			 const struct orphan_kind *kind)
{
	uint64_t mounted = hash_names(&search->lowers, hash_names(&search->uppers, 7));
	bool same = mounted == kept->mounted && !kept->again;

	kept->mounted = mounted;
	for (size_t i = 0; i < WATCHED_MAX && kind->watched[i]; i++) {
		struct file_stamp now = { 0 };
		struct stat status;

		if (fstatat(search->fd, kind->watched[i], &status, 0) == 0)
			file_stamp_set(&now, &status);
		same = file_stamp_same(&now, &kept->watched[i]) && same;
		file_stamp_keep(&kept->watched[i], &now, search->pass->now_ns);
	}
	return same;
}

/* Leaves in `found` what is also in `other`. */
static void intersect(struct orphan_list *found, struct orphan_list *other)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < found->n; i++) {
		if (list_find(other, &found->list[i]))
			found->list[n++] = found->list[i];
		else
			free(found->list[i].path);
	}
	found->n = n;
}

static bool all_known(struct orphan_list *found, struct orphan_list *known)
{
	for (uint32_t i = 0; i < found->n; i++) {
		if (!list_find(known, &found->list[i]))
			return false;
	}
	return true;
}

/*
 * A runtime that creates or removes something does so in steps, and a look between two of them sees
 * halves. What was not known before is looked for a second time.
 */
static int search_twice(struct orphan_search *search, const struct orphan_kind *kind,
			struct orphan_list *known)
{
	const struct timespec pause = { .tv_nsec = AGAIN_MS * 1000000L };
	struct orphan_list first = { 0 };
	int r = kind->search(search, kind->data);

	if (r < 0 || all_known(&search->found, known))
		return r;
	first = search->found;
	search->found = (struct orphan_list){ 0 };
	nanosleep(&pause, NULL);
	r = kind->search(search, kind->data);
	if (r == 0)
		intersect(&search->found, &first);
	list_done(&first);
	return r;
}

static void measure(struct orphan_search *search, struct orphan_list *known)
{
	uint64_t budget = ENTRIES_PER_PASS;

	for (uint32_t i = 0; i < search->found.n; i++) {
		struct orphan_find *find = &search->found.list[i];
		const struct orphan_find *old = list_find(known, find);

		if (old && old->bytes_known) {
			find->bytes = old->bytes;
			find->bytes_known = true;
			continue;
		}
		find->bytes_known = orphan_size(search->fd, find->path, &budget, &find->bytes) == 0;
	}
}

static int add_kept(struct runtime_pass *pass, const struct orphan_search *search,
		    const struct orphans_kept *kept, const char *runtime)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < kept->found.n; i++) {
		const struct orphan_find *find = &kept->found.list[i];
		struct orphan orphan = { .reason = find->reason,
					 .runtime = runtime,
					 .bytes = find->bytes,
					 .bytes_known = find->bytes_known };

		orphan.path = arena_format(&pass->set->arena, "%s/%s", search->root, find->path);
		r = orphan.path ? runtime_add_orphan(pass, &orphan) : -ENOMEM;
	}
	return r;
}

static int look(struct orphan_search *search, struct orphans_kept *kept,
		const struct orphan_kind *kind)
{
	int r = note_mounted(search, kind->layers);

	if (r < 0 || is_unchanged(search, kept, kind))
		return r;
	r = search_twice(search, kind, &kept->found);
	if (r < 0) {
		list_done(&search->found);
		kept->again = true;
	} else {
		measure(search, &kept->found);
		kept->again = search->young;
	}
	list_done(&kept->found);
	kept->found = search->found;
	search->found = (struct orphan_list){ 0 };
	return r == -ENOMEM ? r : 0;
}

int orphans_find(struct runtime_pass *pass, struct runtime_store *store, int fd,
		 const struct orphan_kind *kind)
{
	uint64_t grace = pass->scanner->options.orphan_grace_ns;
	struct orphan_search search = { .pass = pass, .root = kind->root, .fd = fd };
	int r;

	/* Without the mounts nobody knows what is in use. */
	if (!pass->scanner->options.orphans || !pass->overlays)
		return 0;
	if (!store->orphans)
		store->orphans = calloc(1, sizeof(*store->orphans));
	if (!store->orphans)
		return -ENOMEM;
	search.grace_ns = (int64_t)(grace ? grace : DEFAULT_GRACE_NS);
	names_init(&search.uppers);
	names_init(&search.lowers);
	r = look(&search, store->orphans, kind);
	if (r == 0)
		r = add_kept(pass, &search, store->orphans, kind->runtime);
	list_done(&search.found);
	names_done(&search.uppers);
	names_done(&search.lowers);
	return r;
}
