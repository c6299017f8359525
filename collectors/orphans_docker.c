// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collectors/orphans.h"
#include "core/cleanup.h"

/*
 * Docker's layer store and its overlay2 driver (moby 20.10 to 28, layer/filestore.go and
 * daemon/graphdriver/overlay2):
 *   overlay2/ID/{diff,link,lower,work,merged}, overlay2/l/LINK -> ../ID/diff
 *   image/overlay2/layerdb/sha256/CHAIN/cache-id          an image's layer
 *   image/overlay2/layerdb/sha256/CHAIN-RANDOM-removing/  one whose removal was begun
 *   image/overlay2/layerdb/mounts/CONTAINER/{mount-id,init-id}
 *   image/overlay2/layerdb/tmp/write-set-*                one that is being written
 * Names of other forms than 64 hexadecimal digits (with "-init" or not) belong to BuildKit.
 */
struct docker_records {
	struct orphan_search *search;
	const char *layers;	     /* "overlay2" */
	char db[64];		     /* "image/overlay2/layerdb" */
	struct names dirs;	     /* in layers/ */
	struct names images, mounts; /* directories of the records */
	struct names used;	     /* layers that a record names */
	struct names removing;	     /* layers of images whose removal was begun */
	int64_t oldest_write;	     /* mtime of the oldest unfinished write, or INT64_MAX */
};

static void records_init(struct docker_records *records, struct orphan_search *search,
			 const struct driver_form *form)
{
	*records = (struct docker_records){ .search = search,
					    .layers = form->layers,
					    .oldest_write = INT64_MAX };
	(void)snprintf(records->db, sizeof(records->db), "image/%s/layerdb", form->name);
	names_init(&records->dirs);
	names_init(&records->images);
	names_init(&records->mounts);
	names_init(&records->used);
	names_init(&records->removing);
}

static void records_done(struct docker_records *records)
{
	names_done(&records->dirs);
	names_done(&records->images);
	names_done(&records->mounts);
	names_done(&records->used);
	names_done(&records->removing);
}

/* The id in a record's file. 1; 0 if the record is gone; -errno: nothing can be said any more. */
static int read_id(const struct docker_records *records, const char *record, const char *file,
		   char *id)
{
	char path[2 * STATE_NAME_SIZE + 96];
	struct stat status;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s/%s", records->db, record, file);
	n = state_read_line_at(records->search->fd, path, id, STATE_NAME_SIZE);
	if (n >= 0)
		return strchr(id, '/') ? -EINVAL : 1;
	if (n != -ENOENT)
		return (int)n;
	/* A record without that file is half made or half removed, or has none (init-id). */
	return orphan_stat(records->search, &status, "%s/%s", records->db, record) ? -ENODATA : 0;
}

static int add_missing_layer(struct docker_records *records, const char *record, const char *id)
{
	struct orphan_search *search = records->search;
	struct stat status;

	if (orphan_stat(search, &status, "%s/%s", records->layers, id) ||
	    !orphan_stat(search, &status, "%s/%s", records->db, record))
		return 0;
	return orphan_add(search, ORPHAN_NO_LAYER, stat_mtime_ns(&status), "%s/%s", records->db,
			  record);
}

static bool ends_with(const char *text, const char *tail)
{
	size_t n = strlen(text), m = strlen(tail);

	return n > m && strcmp(text + n - m, tail) == 0;
}

/* An image's layer whose removal was begun and not ended: the layer, or else its record. */
static int add_removing(struct docker_records *records, const char *record, const char *id)
{
	struct orphan_search *search = records->search;
	struct stat status;

	names_add(&records->removing, id, strlen(id));
	if (!orphan_stat(search, &status, "%s/%s", records->db, record))
		return 0;
	/* Renaming it to that name set its ctime. */
	if (orphan_stat(search, &(struct stat){ 0 }, "%s/%s", records->layers, id))
		return orphan_add(search, ORPHAN_REMOVING, stat_ctime_ns(&status), "%s/%s",
				  records->layers, id);
	return orphan_add(search, ORPHAN_REMOVING, stat_ctime_ns(&status), "%s/%s", records->db,
			  record);
}

static int read_images(struct docker_records *records)
{
	char record[STATE_NAME_SIZE + 16], id[STATE_NAME_SIZE];

	for (uint32_t i = 0; i < records->images.n; i++) {
		const char *name = records->images.list[i];
		int r;

		(void)snprintf(record, sizeof(record), "sha256/%s", name);
		r = read_id(records, record, "cache-id", id);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (ends_with(name, "-removing")) {
			r = add_removing(records, record, id);
		} else {
			names_add(&records->used, id, strlen(id));
			r = add_missing_layer(records, record, id);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * A container's writable layer, unless the container is gone. BuildKit's mounts have other names
 * than containers and no container.
 */
static int read_mount(struct docker_records *records, const char *name)
{
	char record[STATE_NAME_SIZE + 16], id[STATE_NAME_SIZE];
	bool owned = !is_hex_id(name) ||
		     orphan_stat(records->search, &(struct stat){ 0 }, "containers/%s", name);
	int r;

	(void)snprintf(record, sizeof(record), "mounts/%s", name);
	r = read_id(records, record, "mount-id", id);
	if (r <= 0)
		return r;
	if (owned)
		names_add(&records->used, id, strlen(id));
	r = add_missing_layer(records, record, id);
	if (r < 0)
		return r;
	r = read_id(records, record, "init-id", id);
	if (r > 0 && owned)
		names_add(&records->used, id, strlen(id));
	return r == -ENODATA ? 0 : r < 0 ? r : 0;
}

static int64_t oldest_write(struct docker_records *records)
{
	char path[96];
	struct names writes;
	struct stat status;
	int64_t oldest = INT64_MAX;

	names_init(&writes);
	(void)snprintf(path, sizeof(path), "%s/tmp", records->db);
	(void)orphan_directories(records->search, path, &writes);
	for (uint32_t i = 0; i < writes.n; i++) {
		if (orphan_stat(records->search, &status, "%s/%s", path, writes.list[i]) &&
		    stat_mtime_ns(&status) < oldest)
			oldest = stat_mtime_ns(&status);
	}
	names_done(&writes);
	return oldest;
}

/*
 * Layers are listed before the records are read: one that is made meanwhile is not in the list, and
 * one that is removed meanwhile is looked at again at the end.
 */
static int read_records(struct docker_records *records)
{
	char path[96];
	int r = orphan_directories(records->search, records->layers, &records->dirs);

	if (r < 0)
		return r;
	records->oldest_write = oldest_write(records);
	(void)snprintf(path, sizeof(path), "%s/sha256", records->db);
	r = orphan_directories(records->search, path, &records->images);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s/mounts", records->db);
	r = orphan_directories(records->search, path, &records->mounts);
	if (r < 0 && r != -ENOENT) /* made with the first container */
		return r;
	r = read_images(records);
	for (uint32_t i = 0; r == 0 && i < records->mounts.n; i++)
		r = read_mount(records, records->mounts.list[i]);
	return r;
}

static enum orphan_reason reason_of(struct docker_records *records, const char *id)
{
	if (names_have(&records->search->uppers, id))
		return ORPHAN_MOUNTED;
	return ends_with(id, "-init") ? ORPHAN_INIT : ORPHAN_NO_RECORD;
}

/* Names of layers that this search understands. */
static bool is_layer_name(const char *name)
{
	char id[65];

	if (is_hex_id(name))
		return true;
	if (strlen(name) != 64 + 5 || !ends_with(name, "-init"))
		return false;
	memcpy(id, name, 64);
	id[64] = '\0';
	return is_hex_id(id);
}

static int judge_layer(struct docker_records *records, const char *id, struct names *links)
{
	struct orphan_search *search = records->search;
	struct stat status;
	int64_t changed;

	if (!is_layer_name(id) || names_have(&records->used, id) ||
	    names_have(&records->removing, id) ||
	    overlay_is_below(search, records->layers, id, links) ||
	    !orphan_stat(search, &status, "%s/%s", records->layers, id))
		return 0;
	changed = stat_mtime_ns(&status);
	/* An image's layer is written long before its record is there. */
	if (records->oldest_write != INT64_MAX &&
	    changed >= records->oldest_write - search->grace_ns)
		return 0;
	return orphan_add(search, reason_of(records, id), changed, "%s/%s", records->layers, id);
}

static int judge_layers(struct docker_records *records)
{
	struct names links;
	int r = 0;

	names_init(&links);
	for (uint32_t i = 0; i < records->dirs.n; i++) {
		const char *id = records->dirs.list[i];

		if (names_have(&records->used, id) || names_have(&records->search->uppers, id) ||
		    !is_layer_name(id))
			overlay_use_lower(records->search, records->layers, id, &links);
	}
	for (uint32_t i = 0; r == 0 && i < records->dirs.n; i++)
		r = judge_layer(records, records->dirs.list[i], &links);
	if (links.memory.failed)
		r = -ENOMEM;
	names_done(&links);
	return r;
}

int orphans_search_docker(struct orphan_search *search, void *data)
{
	struct docker_records records;
	int r;

	records_init(&records, search, data);
	r = read_records(&records);
	if (r == 0)
		r = judge_layers(&records);
	if (r == 0)
		r = overlay_judge_links(search, records.layers);
	if (records.dirs.memory.failed || records.used.memory.failed ||
	    records.removing.memory.failed)
		r = -ENOMEM;
	records_done(&records);
	return r;
}
