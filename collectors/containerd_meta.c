// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "collectors/containerd_private.h"
#include "core/cleanup.h"

/*
 * meta.db of containerd (metadata/buckets.go):
 *   v1 / NAMESPACE / containers / ID: image, snapshotter, snapshotKey, labels / KEY
 *   v1 / NAMESPACE / snapshots / SNAPSHOTTER / KEY: name      the snapshotter's own key
 * and ROOT/io.containerd.snapshotter.v1.SNAPSHOTTER/metadata.db (snapshots/storage/bolt.go):
 *   v1 / snapshots / KEY: id (a varint), kind, parent
 */
enum { TEXT_SIZE = 1024, TRIES = 3 };

struct meta {
	struct containerd *containerd;
	struct state_file *file;
	struct bolt *bolt;
	struct bolt_bucket space; /* of the namespace */
	struct bolt *snapshots;	  /* of the last snapshotter, kept open */
	struct bolt_bucket snapshots_in;
	char snapshotter[64];
	int error;
};

int containerd_snapshot_id(struct bolt *bolt, const struct bolt_bucket *snapshot, uint64_t *ret_id)
{
	char bytes[16];
	uint64_t id = 0;
	int n = bolt_find_text(bolt, snapshot, "id", bytes, sizeof(bytes));

	if (n < 0)
		return n;
	for (int i = 0; i < n && i < 10; i++) {
		id |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
		if (!(bytes[i] & 0x80)) {
			*ret_id = id;
			return 0;
		}
	}
	return -EBADMSG;
}

static int find_path(struct bolt *bolt, struct bolt_bucket *bucket, const char *const *names)
{
	int r = 0;

	for (; r == 0 && *names; names++)
		r = bolt_find_bucket(bolt, bucket, *names, bucket);
	return r;
}

/* Opens the database of that snapshotter, unless it is the last one's. */
static int open_snapshotter(struct meta *meta, const char *name)
{
	static const char *const path[] = { "v1", "snapshots", NULL };
	char file[128];
	int r;

	if (meta->snapshots && strcmp(meta->snapshotter, name) == 0)
		return 0;
	bolt_free(meta->snapshots);
	meta->snapshots = NULL;
	if (strchr(name, '/') || strlen(name) >= sizeof(meta->snapshotter))
		return -EINVAL;
	(void)snprintf(meta->snapshotter, sizeof(meta->snapshotter), "%s", name);
	(void)snprintf(file, sizeof(file), "io.containerd.snapshotter.v1.%s/metadata.db", name);
	r = bolt_open_at(meta->containerd->fd, file, &meta->snapshots);
	if (r < 0)
		return r;
	meta->snapshots_in = bolt_root(meta->snapshots);
	return find_path(meta->snapshots, &meta->snapshots_in, path);
}

/* The directory of a container's writable layer, or NULL: only overlayfs has one. */
static const char *find_upper(struct meta *meta, const struct bolt_bucket *container)
{
	char snapshotter[64], key[TEXT_SIZE], name[TEXT_SIZE];
	struct bolt_bucket bucket = meta->space;
	const char *path[] = { "snapshots", snapshotter, key, NULL };
	uint64_t id;

	if (bolt_find_text(meta->bolt, container, "snapshotter", snapshotter,
			   sizeof(snapshotter)) <= 0 ||
	    bolt_find_text(meta->bolt, container, "snapshotKey", key, sizeof(key)) <= 0 ||
	    strcmp(snapshotter, "overlayfs") != 0 || find_path(meta->bolt, &bucket, path) < 0 ||
	    bolt_find_text(meta->bolt, &bucket, "name", name, sizeof(name)) <= 0 ||
	    open_snapshotter(meta, snapshotter) < 0 ||
	    bolt_find_bucket(meta->snapshots, &meta->snapshots_in, name, &bucket) < 0 ||
	    containerd_snapshot_id(meta->snapshots, &bucket, &id) < 0)
		return NULL;
	return arena_format(&meta->file->arena,
			    "%s/io.containerd.snapshotter.v1.overlayfs/snapshots/%" PRIu64 "/fs",
			    meta->containerd->root, id);
}

/* A text of the database in the file's arena, or NULL. */
static const char *get_text(struct meta *meta, const struct bolt_bucket *in, const char *key)
{
	char text[TEXT_SIZE];
	int n = bolt_find_text(meta->bolt, in, key, text, sizeof(text));

	/* A NUL within would cut it short unseen; nothing of containerd's has one. */
	return n > 0 && strlen(text) == (size_t)n ? arena_string(&meta->file->arena, text) : NULL;
}

static void set_labels(struct meta *meta, const struct bolt_bucket *container_bucket,
		       struct container *container)
{
	struct bolt_bucket labels;

	if (bolt_find_bucket(meta->bolt, container_bucket, "labels", &labels) < 0)
		return;
	container->name = get_text(meta, &labels, "nerdctl/name");
	if (!container->name)
		container->name = get_text(meta, &labels, "io.kubernetes.container.name");
	container->pod = get_text(meta, &labels, "io.kubernetes.pod.name");
	container->pod_namespace = get_text(meta, &labels, "io.kubernetes.pod.namespace");
	container->pod_uid = get_text(meta, &labels, "io.kubernetes.pod.uid");
}

static int found_container(void *data, const struct bolt_item *item)
{
	struct meta *meta = data;
	struct container container = { .runtime = "containerd", .source = meta->file->path };
	struct bolt_bucket bucket;

	if (bolt_bucket_of(item, &bucket) < 0 || item->key_size == 0 ||
	    memchr(item->key, '\0', item->key_size))
		return 0;
	container.id = arena_copy(&meta->file->arena, (const char *)item->key, item->key_size);
	container.image = get_text(meta, &bucket, "image");
	set_labels(meta, &bucket, &container);
	container.upper = find_upper(meta, &bucket);
	if (!state_file_add(meta->file, &container))
		meta->error = -ENOMEM;
	return meta->error;
}

static int found_namespace(void *data, const struct bolt_item *item)
{
	struct meta *meta = data;
	struct bolt_bucket containers;
	int r;

	if (bolt_bucket_of(item, &meta->space) < 0)
		return 0;
	r = bolt_find_bucket(meta->bolt, &meta->space, "containers", &containers);
	if (r == 0)
		r = bolt_each(meta->bolt, &containers, found_container, meta);
	return r == -ENOENT ? 0 : r;
}

static int read_once(struct meta *meta)
{
	static const char *const path[] = { "v1", NULL };
	struct bolt_bucket bucket = bolt_root(meta->bolt);
	int r = find_path(meta->bolt, &bucket, path);

	if (r == 0)
		r = bolt_each(meta->bolt, &bucket, found_namespace, meta);
	if (r == 0 && !bolt_is_current(meta->bolt))
		r = -EAGAIN;
	if (r == 0 && meta->snapshots && !bolt_is_current(meta->snapshots))
		r = -EAGAIN;
	return r;
}

int containerd_parse_meta(struct state_file *file, const char *text, size_t length, void *data)
{
	int r = -EAGAIN;

	(void)text;
	(void)length;
	for (int i = 0; r == -EAGAIN && i < TRIES; i++) {
		struct meta meta = { .containerd = data, .file = file };

		file->n = 0;
		r = bolt_open_at(meta.containerd->fd, "io.containerd.metadata.v1.bolt/meta.db",
				 &meta.bolt);
		if (r == 0)
			r = read_once(&meta);
		bolt_free(meta.bolt);
		bolt_free(meta.snapshots);
		if (meta.error < 0)
			return meta.error;
	}
	/* Half of a database is no database. */
	if (r < 0)
		file->n = 0;
	return file->arena.failed ? -ENOMEM : 0;
}
