// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "collectors/orphans.h"
#include "core/cleanup.h"

/*
 * containers/storage's overlay driver: overlay/ID is a layer, overlay-layers/layers.json (and
 * volatile-layers.json, below the run root with transient_store) have [{"id", "parent", "flags":
 * {"incomplete": true}}], the lists of containers name each one's layer. A layer is made after it
 * is recorded as incomplete, and removed before its record goes: incomplete ones are no business of
 * ours.
 */
static const char layers[] = "overlay";

struct storage_records {
	struct orphan_search *search;
	struct names dirs, known, incomplete;
};

/* A list: 1 if it is there, 0 if not; -EBADMSG if it makes no sense. The caller owns *ret_list. */
static int load_list(int dir_fd, const char *path, json_t **ret_list)
{
	struct stat status;

	if (fstatat(dir_fd, path, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (status.st_size == 0) /* made by the lock, not written yet */
		return 0;
	*ret_list = state_read_json_at(dir_fd, path, STATE_LIST_MAX);
	if (!json_is_array(*ret_list)) {
		json_decref(*ret_list);
		return -EBADMSG;
	}
	return 1;
}

static int read_layers(struct storage_records *records, int dir_fd, const char *path)
{
	json_t *list;
	const json_t *entry;
	size_t i;
	int r = load_list(dir_fd, path, &list);

	if (r <= 0)
		return r;
	json_array_foreach(list, i, entry)
	{
		const char *id = state_text(entry, "id");

		if (!id) {
			r = -EBADMSG;
			break;
		}
		names_add(&records->known, id, strlen(id));
		if (state_flag(state_object(entry, "flags"), "incomplete"))
			names_add(&records->incomplete, id, strlen(id));
	}
	json_decref(list);
	return r;
}

static int judge_containers(struct storage_records *records, const char *path)
{
	struct orphan_search *search = records->search;
	json_t *list;
	const json_t *entry;
	size_t i;
	int r = load_list(search->fd, path, &list);

	if (r <= 0)
		return r;
	r = 0;
	json_array_foreach(list, i, entry)
	{
		const char *id = state_text(entry, "id"), *layer = state_text(entry, "layer");

		if (!id || !layer || !is_hex_id(id) || !is_hex_id(layer) ||
		    names_have(&records->known, layer))
			continue;
		r = orphan_add(search, ORPHAN_NO_LAYER, 0, "overlay-containers/%s", id);
		if (r < 0)
			break;
	}
	json_decref(list);
	return r;
}

static int judge_layer(struct storage_records *records, const char *id, struct names *links)
{
	struct orphan_search *search = records->search;
	struct stat status;

	if (!is_hex_id(id) || names_have(&records->known, id) ||
	    overlay_is_below(search, layers, id, links) ||
	    !orphan_stat(search, &status, "%s/%s", layers, id))
		return 0;
	return orphan_add(search,
			  names_have(&search->uppers, id) ? ORPHAN_MOUNTED : ORPHAN_NO_RECORD,
			  stat_mtime_ns(&status), "%s/%s", layers, id);
}

static int judge_known(struct storage_records *records, const char *id)
{
	struct stat status;

	if (!is_hex_id(id) || names_have(&records->incomplete, id) ||
	    orphan_stat(records->search, &status, "%s/%s", layers, id))
		return 0;
	return orphan_add(records->search, ORPHAN_NO_LAYER, 0, "%s/%s", layers, id);
}

static int judge(struct storage_records *records)
{
	struct names links;
	int r = 0;

	names_init(&links);
	(void)names_have(&records->known, ""); /* sorts them before they are walked */
	for (uint32_t i = 0; i < records->dirs.n; i++) {
		if (names_have(&records->known, records->dirs.list[i]) ||
		    names_have(&records->search->uppers, records->dirs.list[i]))
			overlay_use_lower(records->search, layers, records->dirs.list[i], &links);
	}
	for (uint32_t i = 0; r == 0 && i < records->dirs.n; i++)
		r = judge_layer(records, records->dirs.list[i], &links);
	for (uint32_t i = 0; r == 0 && i < records->known.n; i++)
		r = judge_known(records, records->known.list[i]);
	if (links.memory.failed)
		r = -ENOMEM;
	names_done(&links);
	return r;
}

/* Without any list of layers there is no telling what is one. */
static int read_all(struct storage_records *records, int run_fd)
{
	const struct {
		int dir_fd;
		const char *path;
	} lists[] = {
		{ records->search->fd, "overlay-layers/layers.json" },
		{ records->search->fd, "overlay-layers/volatile-layers.json" },
		{ run_fd, "overlay-layers/volatile-layers.json" },
	};
	int r = orphan_directories(records->search, layers, &records->dirs), n = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(lists); i++) {
		if (lists[i].dir_fd < 0)
			continue;
		r = read_layers(records, lists[i].dir_fd, lists[i].path);
		n += r > 0;
	}
	return r < 0 ? r : n > 0 ? 0 : -ENOENT;
}

int orphans_search_storage(struct orphan_search *search, void *data)
{
	struct storage_records records = { .search = search };
	int r;

	names_init(&records.dirs);
	names_init(&records.known);
	names_init(&records.incomplete);
	r = read_all(&records, *(const int *)data);
	if (r == 0)
		r = judge(&records);
	if (r == 0)
		r = judge_containers(&records, "overlay-containers/containers.json");
	if (r == 0)
		r = judge_containers(&records, "overlay-containers/volatile-containers.json");
	if (r == 0)
		r = overlay_judge_links(search, layers);
	if (records.dirs.memory.failed || records.known.memory.failed ||
	    records.incomplete.memory.failed)
		r = -ENOMEM;
	names_done(&records.dirs);
	names_done(&records.known);
	names_done(&records.incomplete);
	return r;
}
