// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "collectors/containerd_private.h"

/*
 * containerd's overlayfs snapshotter (snapshots/overlay/overlay.go of 1.4 to 1.7,
 * plugins/snapshots/overlay of 2.x):
 *   metadata.db    v1 / snapshots / KEY: id
 *   snapshots/ID/{fs,work}
 *   snapshots/new-*    one that is being made; a crash leaves it behind
 *   snapshots/rm-*     one that is being removed (up to 1.2); likewise
 * A snapshot whose record is gone keeps its directory until the collection of garbage.
 */
struct snapshots {
	struct orphan_search *search;
	const char *directory;
	struct bolt *bolt;
	struct names dirs, ids;
	int error;
};

static int found_snapshot(void *data, const struct bolt_item *item)
{
	struct snapshots *snapshots = data;
	struct bolt_bucket bucket;
	char name[24];
	uint64_t id;
	int r = bolt_bucket_of(item, &bucket);

	if (r < 0)
		return r;
	r = containerd_snapshot_id(snapshots->bolt, &bucket, &id);
	if (r < 0)
		return r;
	names_add(&snapshots->ids, name, (size_t)snprintf(name, sizeof(name), "%" PRIu64, id));
	return 0;
}

/* Every id of the database; -errno if not all of it could be read as one state. */
static int read_ids(struct snapshots *snapshots)
{
	char path[STATE_NAME_SIZE + 16];
	struct bolt_bucket bucket;
	int r;

	(void)snprintf(path, sizeof(path), "%s/metadata.db", snapshots->directory);
	r = bolt_open_at(snapshots->search->fd, path, &snapshots->bolt);
	if (r < 0)
		return r;
	bucket = bolt_root(snapshots->bolt);
	r = bolt_find_bucket(snapshots->bolt, &bucket, "v1", &bucket);
	if (r == 0)
		r = bolt_find_bucket(snapshots->bolt, &bucket, "snapshots", &bucket);
	if (r == 0)
		r = bolt_each(snapshots->bolt, &bucket, found_snapshot, snapshots);
	if (r == 0 && !bolt_is_current(snapshots->bolt))
		r = -EAGAIN;
	return r;
}

static int judge_directory(struct snapshots *snapshots, const char *name)
{
	struct orphan_search *search = snapshots->search;
	bool numbered = name[strspn(name, "0123456789")] == '\0';
	enum orphan_reason reason = ORPHAN_NO_RECORD;
	struct stat status;

	if (!numbered && strncmp(name, "new-", 4) != 0 && strncmp(name, "rm-", 3) != 0)
		return 0;
	if ((numbered && names_have(&snapshots->ids, name)) || names_have(&search->lowers, name) ||
	    !orphan_stat(search, &status, "%s/snapshots/%s", snapshots->directory, name))
		return 0;
	if (strncmp(name, "rm-", 3) == 0)
		reason = ORPHAN_REMOVING;
	if (names_have(&search->uppers, name))
		reason = ORPHAN_MOUNTED;
	return orphan_add(search, reason, stat_mtime_ns(&status), "%s/snapshots/%s",
			  snapshots->directory, name);
}

/*
 * The directory is made before its record is committed, and removed after: one without is never
 * just young.
 */
static int judge_record(struct snapshots *snapshots, const char *id)
{
	struct orphan_search *search = snapshots->search;
	struct stat status;

	if (orphan_stat(search, &status, "%s/snapshots/%s", snapshots->directory, id))
		return 0;
	return orphan_add(search, ORPHAN_NO_LAYER, 0, "%s/snapshots/%s", snapshots->directory, id);
}

static int judge(struct snapshots *snapshots)
{
	int r = 0;

	(void)names_have(&snapshots->ids, ""); /* sorts them before they are walked */
	for (uint32_t i = 0; r == 0 && i < snapshots->dirs.n; i++)
		r = judge_directory(snapshots, snapshots->dirs.list[i]);
	for (uint32_t i = 0; r == 0 && i < snapshots->ids.n; i++)
		r = judge_record(snapshots, snapshots->ids.list[i]);
	return r;
}

int orphans_search_containerd(struct orphan_search *search, void *data)
{
	struct snapshots snapshots = { .search = search, .directory = data };
	char path[STATE_NAME_SIZE + 16];
	int r;

	names_init(&snapshots.dirs);
	names_init(&snapshots.ids);
	(void)snprintf(path, sizeof(path), "%s/snapshots", snapshots.directory);
	/* Directories first: what is made after that is not among them. */
	r = orphan_directories(search, path, &snapshots.dirs);
	if (r == 0)
		r = read_ids(&snapshots);
	if (r == 0)
		r = judge(&snapshots);
	if (snapshots.dirs.memory.failed || snapshots.ids.memory.failed)
		r = -ENOMEM;
	bolt_free(snapshots.bolt);
	names_done(&snapshots.dirs);
	names_done(&snapshots.ids);
	return r;
}
