// SPDX-License-Identifier: MIT
#include "collectors/mount_space.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/hash.h"

void mount_space_init(struct mount_space *space, uint64_t inode)
{
	*space = (struct mount_space){ .inode = inode, .fd = -1, .n_mounts = -1, .poll_fd = -1 };
}

bool mount_space_clear(struct mount_space *space)
{
	bool had = space->n_records > 0;

	for (size_t i = 0; i < space->n_records; i++)
		free(space->records[i]);
	free(space->records);
	free(space->briefs);
	space->records = NULL;
	space->briefs = NULL;
	space->n_records = space->n_briefs = 0;
	space->n_mounts = -1;
	space->text_known = false;
	return had;
}

void mount_space_done(struct mount_space *space)
{
	mount_space_clear(space);
	closep(&space->poll_fd);
}

int mount_space_poll(struct mount_space *space, const struct root *root)
{
	struct pollfd poll_fd = { .events = POLLPRI };

	if (root_is_recorded(root))
		return 1;
	if (space->poll_fd < 0) {
		int fd = root_open(root, ROOT_PROC, "self/mountinfo", O_RDONLY);

		if (fd < 0)
			return fd;
		space->poll_fd = fd;
		return 1;
	}
	poll_fd.fd = space->poll_fd;
	if (poll(&poll_fd, 1, 0) < 0)
		return errno == EINTR ? 1 : -errno;
	return poll_fd.revents != 0;
}

bool mount_type_matters(const char *fstype)
{
	static const char *const types[] = { "overlay", "nsfs", "fuse.fuse-overlayfs" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcmp(fstype, types[i]) == 0)
			return true;
	}
	return false;
}

static size_t text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static const char *put(char **at, const char *text)
{
	size_t size = text_size(text);
	char *copy = *at;

	if (!text)
		return NULL;
	memcpy(copy, text, size);
	*at += size;
	return copy;
}

struct mount_record *mount_record_new(const struct mount_entry *model)
{
	const char *texts[] = { model->root,   model->mountpoint, model->fstype,
				model->source, model->options,	  model->super_options };
	size_t n = 0, size = sizeof(struct mount_record);
	struct mount_record *record;
	const char **array;
	char *at;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		size += text_size(texts[i]);
	for (n = 0; model->option_array && model->option_array[n]; n++)
		size += text_size(model->option_array[n]);
	record = malloc(size + (n + 1) * sizeof(*array));
	if (!record)
		return NULL;
	*record = (struct mount_record){ .entry = *model };
	array = (const char **)(record + 1);
	at = (char *)(array + n + 1);
	record->entry.root = put(&at, model->root);
	record->entry.mountpoint = put(&at, model->mountpoint);
	record->entry.fstype = put(&at, model->fstype);
	record->entry.source = put(&at, model->source);
	record->entry.options = put(&at, model->options);
	record->entry.super_options = put(&at, model->super_options);
	for (size_t i = 0; i < n; i++)
		array[i] = put(&at, model->option_array[i]);
	array[n] = NULL;
	record->entry.option_array = model->option_array ? array : NULL;
	return record;
}

static bool same_array(const char *const *a, const char *const *b)
{
	if (!a || !b)
		return !a && !b;
	while (*a && *b && strcmp(*a, *b) == 0)
		a++, b++;
	return !*a && !*b;
}

bool mount_record_equal(const struct mount_record *a, const struct mount_record *b)
{
	const struct mount_entry *x = &a->entry, *y = &b->entry;

	if (a == b)
		return true;
	return x->mount_ns == y->mount_ns && x->id == y->id && x->parent_id == y->parent_id &&
	       x->device == y->device && x->propagation == y->propagation &&
	       x->covered == y->covered && x->escaped == y->escaped &&
	       strcmp(x->root, y->root) == 0 && strcmp(x->mountpoint, y->mountpoint) == 0 &&
	       strcmp(x->fstype, y->fstype) == 0 && strcmp(x->source, y->source) == 0 &&
	       strcmp(x->options, y->options) == 0 &&
	       strcmp(x->super_options, y->super_options) == 0 &&
	       same_array(x->option_array, y->option_array);
}

bool mount_draft_add_record(struct mount_draft *draft, struct mount_record *record)
{
	if (draft->n_records == draft->records_capacity) {
		size_t capacity = draft->records_capacity ? draft->records_capacity * 2 : 16;
		struct mount_record **grown = reallocarray(draft->records, capacity,
							   sizeof(*draft->records));

		if (!grown) {
			draft->failed = true;
			return false;
		}
		draft->records = grown;
		draft->records_capacity = capacity;
	}
	draft->records[draft->n_records++] = record;
	return true;
}

void mount_draft_add_brief(struct mount_draft *draft, uint64_t id, uint64_t parent_id,
			   const char *mountpoint)
{
	if (draft->n_briefs == draft->briefs_capacity) {
		size_t capacity = draft->briefs_capacity ? draft->briefs_capacity * 2 : 64;
		struct mount_brief *grown = reallocarray(draft->briefs, capacity,
							 sizeof(*draft->briefs));

		if (!grown) {
			draft->failed = true;
			return;
		}
		draft->briefs = grown;
		draft->briefs_capacity = capacity;
	}
	draft->briefs[draft->n_briefs++] =
		(struct mount_brief){ id, parent_id, mountpoint ? hash_string(mountpoint) : 0 };
}

static int compare_ids(const void *a, const void *b)
{
	const struct mount_record *x = *(struct mount_record *const *)a;
	const struct mount_record *y = *(struct mount_record *const *)b;

	return (x->entry.id > y->entry.id) - (x->entry.id < y->entry.id);
}

static struct mount_record *find_record(struct mount_record **sorted, size_t n, uint64_t id)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sorted[middle]->entry.id == id)
			return sorted[middle];
		if (sorted[middle]->entry.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* A mount lies on another's root if it is its child and both have one mount point. */
static int mark_covered(struct mount_draft *draft)
{
	_cleanup_(freep) struct mount_record **sorted = calloc(draft->n_records + 1,
							       sizeof(struct mount_record *));

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < draft->n_records; i++) {
		sorted[i] = draft->records[i];
		sorted[i]->entry.covered = false;
	}
	qsort(sorted, draft->n_records, sizeof(struct mount_record *), compare_ids);
	for (size_t i = 0; i < draft->n_briefs; i++) {
		const struct mount_brief *brief = &draft->briefs[i];
		struct mount_record *below = brief->parent_id == brief->id
						     ? NULL
						     : find_record(sorted, draft->n_records,
								   brief->parent_id);
		const char *point = below ? below->entry.mountpoint : NULL;

		if (point && hash_string(point) == brief->point_hash)
			below->entry.covered = true;
	}
	return 0;
}

static void mark_kept(struct mount_record **records, size_t n, bool kept)
{
	for (size_t i = 0; i < n; i++)
		records[i]->kept = kept;
}

/* The draft's records take the place of the space's; some are in both. */
static void replace_records(struct mount_space *space, struct mount_draft *draft)
{
	mark_kept(space->records, space->n_records, false);
	mark_kept(draft->records, draft->n_records, true);
	for (size_t i = 0; i < space->n_records; i++) {
		if (!space->records[i]->kept)
			free(space->records[i]);
	}
	free(space->records);
	space->records = draft->records;
	space->n_records = draft->n_records;
}

/* The space keeps its own: others may still point at them. */
static void drop_records(const struct mount_space *space, struct mount_draft *draft)
{
	mark_kept(draft->records, draft->n_records, false);
	mark_kept(space->records, space->n_records, true);
	for (size_t i = 0; i < draft->n_records; i++) {
		if (!draft->records[i]->kept)
			free(draft->records[i]);
	}
	free(draft->records);
}

/* `covered` is what the space's records said before the draft was marked. */
static bool differs(const struct mount_space *space, const struct mount_draft *draft,
		    const bool *covered)
{
	if (space->n_records != draft->n_records)
		return true;
	for (size_t i = 0; i < draft->n_records; i++) {
		if (covered[i] != draft->records[i]->entry.covered ||
		    !mount_record_equal(space->records[i], draft->records[i]))
			return true;
	}
	return false;
}

int mount_space_take(struct mount_space *space, struct mount_draft *draft)
{
	_cleanup_(freep) bool *covered = calloc(space->n_records + 1, sizeof(bool));
	bool changed;

	for (size_t i = 0; covered && i < space->n_records; i++)
		covered[i] = space->records[i]->entry.covered;
	if (!covered || draft->failed || mark_covered(draft) < 0) {
		drop_records(space, draft);
		free(draft->briefs);
		*draft = (struct mount_draft){ 0 };
		return -ENOMEM;
	}
	changed = differs(space, draft, covered);
	if (changed)
		replace_records(space, draft);
	else
		drop_records(space, draft);
	free(space->briefs);
	space->briefs = draft->briefs;
	space->n_briefs = draft->n_briefs;
	space->n_mounts = (int64_t)draft->n_briefs;
	*draft = (struct mount_draft){ 0 };
	return changed;
}
