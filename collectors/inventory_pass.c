// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/inventory_pass.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "collectors/bpf_tasks.h"
#include "collectors/ns_scan.h"
#include "collectors/overlay_scan.h"
#include "core/cleanup.h"

struct inventory_pass {
	const struct root *root;
	bool no_thread;
	atomic_bool stop;
	struct layer_keeper_options layer_options;
	struct bpf_tasks *tasks; /* borrowed; NULL: processes come from /proc */
	struct ns_scanner *namespaces;
	struct mount_table *mounts;
	struct runtime_scanner *runtimes;
	struct overlay_scanner *overlays;
	struct layer_keeper *layers; /* from the first time that usage is wanted */
	struct namespaces *before;   /* of the last pass, for what came and went */
	bool before_holders;
	struct user_names *users;
	struct stat users_stat; /* of the file they are from */
};

/* The parts of the inventory while they are made. */
struct made {
	unsigned int parts;
	struct namespaces *namespaces;
	struct overlays *overlays;
	struct containers *containers;
	bool no_mounts; /* they could not be read: then "none" would be a lie */
	int error;	/* the first one */
};

int inventory_pass_new(const struct root *root, const struct hierarchies *hierarchies,
		       const struct inventory_options *options, struct inventory_pass **ret_pass)
{
	struct inventory_pass *pass = calloc(1, sizeof(*pass));
	int r;

	if (!pass)
		return -ENOMEM;
	pass->root = root;
	pass->no_thread = !options->thread;
	pass->layer_options = options->layers;
	pass->layer_options.no_thread = pass->no_thread;
	r = ns_scanner_new(root, hierarchies, &pass->namespaces);
	if (r == 0)
		r = mount_table_new(root, &pass->mounts);
	if (r == 0)
		r = runtime_scanner_new(root, &options->runtimes, &pass->runtimes);
	if (r == 0)
		r = overlay_scanner_new(root, &pass->overlays);
	if (r < 0) {
		inventory_pass_free(pass);
		return r;
	}
	pass->tasks = options->tasks;
	ns_scanner_use(pass->namespaces, pass->tasks);
	ns_scanner_heed(pass->namespaces, &pass->stop);
	overlay_scanner_heed(pass->overlays, &pass->stop);
	*ret_pass = pass;
	return 0;
}

void inventory_pass_stop(struct inventory_pass *pass)
{
	atomic_store(&pass->stop, true);
}

void inventory_pass_free(struct inventory_pass *pass)
{
	if (!pass)
		return;
	layer_keeper_free(pass->layers);
	overlay_scanner_free(pass->overlays);
	runtime_scanner_free(pass->runtimes);
	mount_table_free(pass->mounts);
	ns_scanner_free(pass->namespaces);
	namespaces_unref(pass->before);
	user_names_unref(pass->users);
	free(pass);
}

/* True if it went well: then `part` is there. */
static bool note(struct made *made, unsigned int part, int r)
{
	if (r < 0 && made->error == 0)
		made->error = r;
	made->parts |= r < 0 ? 0 : part;
	return r >= 0;
}

static void refresh_mounts(struct inventory_pass *pass, const struct mount_ns *spaces, size_t n,
			   struct made *made)
{
	made->no_mounts = !note(made, 0, mount_table_refresh(pass->mounts, spaces, n));
}

static void find_namespaces(struct inventory_pass *pass, unsigned int parts, struct made *made)
{
	unsigned int flags = NS_SCAN_CGROUPS | NS_SCAN_DETAILS | NS_SCAN_PROCESSES;
	const struct mount_ns *spaces;
	size_t n;
	int r;

	if (parts & INVENTORY_HOLDERS)
		flags |= NS_SCAN_HOLDERS;
	r = ns_scanner_read(pass->namespaces, flags);
	if (!note(made, 0, r)) {
		/* Our own mounts are still to be seen. */
		refresh_mounts(pass, NULL, 0, made);
		return;
	}
	spaces = ns_scanner_mount_ns(pass->namespaces, &n);
	refresh_mounts(pass, spaces, n, made);
	r = ns_scanner_finish(pass->namespaces, pass->mounts, &made->namespaces);
	/* Without the mounts it is not known what they keep. */
	note(made, INVENTORY_NAMESPACES | (made->no_mounts ? 0 : parts & INVENTORY_HOLDERS), r);
}

static void find_overlays(struct inventory_pass *pass, struct made *made)
{
	overlays_unref(made->overlays);
	made->overlays = NULL;
	if (made->no_mounts)
		return;
	note(made, INVENTORY_OVERLAYS,
	     overlay_scanner_build(pass->overlays, pass->mounts, made->namespaces, made->containers,
				   &made->overlays));
}

/*
 * Which layers nobody uses can only be told from what is mounted, and whose mounts they are only
 * from the containers: so overlays are made twice when orphans are looked for. The second time
 * costs little, since the scanner keeps what did not change.
 */
static void find_containers(struct inventory_pass *pass, unsigned int parts, struct made *made)
{
	if (parts & INVENTORY_ORPHANS)
		find_overlays(pass, made);
	if (!note(made, INVENTORY_CONTAINERS,
		  runtime_scanner_scan(pass->runtimes, made->overlays, &made->containers)))
		return;
	if ((parts & INVENTORY_ORPHANS) && made->containers->orphans_searched)
		made->parts |= INVENTORY_ORPHANS;
}

static void measure_layers(struct inventory_pass *pass, uint64_t budget_ns, struct made *made)
{
	int r = pass->layers ? 0 : layer_keeper_new(&pass->layer_options, &pass->layers);

	if (r == 0)
		r = pass->no_thread ? layer_keeper_run(pass->layers, made->overlays, budget_ns)
				    : layer_keeper_fill(pass->layers, made->overlays);
	note(made, INVENTORY_USAGE, r);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Names are for people only: without them there are numbers. */
static void read_users(struct inventory_pass *pass)
{
	_cleanup_(closep) int fd = root_open_absolute(pass->root, "/etc", O_PATH | O_DIRECTORY);
	struct user_names *users;
	struct strbuf text;
	struct stat now;

	if (fd < 0 || fstatat(fd, "passwd", &now, 0) < 0 || !S_ISREG(now.st_mode) ||
	    (pass->users && same_file(&now, &pass->users_stat)))
		return;
	strbuf_init(&text);
	if (read_file_at(fd, "passwd", &text) == 0 && text.data &&
	    user_names_parse(text.data, text.length, &users) == 0) {
		user_names_unref(pass->users);
		pass->users = users;
		pass->users_stat = now;
	}
	strbuf_done(&text);
}

static int compare(const struct ns_namespace *a, const struct ns_namespace *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return (a->inode > b->inode) - (a->inode < b->inode);
}

void inventory_count_changes(const struct namespaces *before, const struct namespaces *after,
			     uint64_t *created, uint64_t *destroyed)
{
	uint32_t a = 0, b = 0;

	while (a < before->n || b < after->n) {
		const struct ns_namespace *old = a < before->n ? &before->list[a] : NULL;
		const struct ns_namespace *new = b < after->n ? &after->list[b] : NULL;
		int order = !old ? 1 : !new ? -1 : compare(old, new);

		if (old && new &&order == 0 && old->id &&new->id && old->id != new->id) {
			destroyed[old->type]++;
			created[new->type]++;
		} else if (old && order < 0) {
			destroyed[old->type]++;
		} else if (new &&order > 0) {
			created[new->type]++;
		}
		a += order <= 0;
		b += order >= 0;
	}
}

/* A pass that looked further (holders) found what was there all along: that is no news. */
static void count_changes(struct inventory_pass *pass, const struct made *made,
			  struct inventory_stats *stats)
{
	bool holders = made->parts & INVENTORY_HOLDERS;

	if (!made->namespaces)
		return;
	if (pass->before && pass->before_holders == holders)
		inventory_count_changes(pass->before, made->namespaces, stats->created,
					stats->destroyed);
	namespaces_unref(pass->before);
	pass->before = namespaces_ref(made->namespaces);
	pass->before_holders = holders;
}

int inventory_pass_run(struct inventory_pass *pass, unsigned int parts, uint64_t budget_ns,
		       struct inventory_stats *stats, struct inventory **ret_inventory)
{
	struct made made = { 0 };

	if ((parts & INVENTORY_NAMESPACES) && !atomic_load(&pass->stop))
		find_namespaces(pass, parts, &made);
	if ((parts & INVENTORY_CONTAINERS) && !atomic_load(&pass->stop))
		find_containers(pass, parts, &made);
	if ((parts & INVENTORY_OVERLAYS) && !atomic_load(&pass->stop))
		find_overlays(pass, &made);
	if ((parts & INVENTORY_USAGE) && made.overlays)
		measure_layers(pass, budget_ns, &made);
	if (!(parts & INVENTORY_USAGE)) {
		layer_keeper_free(pass->layers);
		pass->layers = NULL;
	}
	read_users(pass);
	count_changes(pass, &made, stats);
	if (pass->layers)
		layer_keeper_get_stats(pass->layers, &stats->layers);
	if (pass->tasks)
		bpf_tasks_get_stats(pass->tasks, &stats->tasks);
	*ret_inventory = inventory_new(made.parts, made.namespaces, made.overlays, made.containers);
	if (!*ret_inventory)
		return -ENOMEM;
	(*ret_inventory)->users = user_names_ref(pass->users);
	return made.error;
}

int inventory_pass_refill(struct inventory_pass *pass, const struct inventory *inventory,
			  struct inventory **ret_inventory)
{
	struct overlays *overlays = NULL;
	struct inventory *copy;
	int r;

	if (!pass->layers || !inventory->overlays)
		return -ENODATA;
	r = overlay_scanner_build(pass->overlays, pass->mounts, inventory->namespaces,
				  inventory->containers, &overlays);
	if (r == 0)
		r = layer_keeper_fill(pass->layers, overlays);
	if (r < 0) {
		overlays_unref(overlays);
		return r;
	}
	copy = inventory_new(inventory->parts, namespaces_ref(inventory->namespaces), overlays,
			     containers_ref(inventory->containers));
	if (!copy)
		return -ENOMEM;
	copy->users = user_names_ref(inventory->users);
	*ret_inventory = copy;
	return 0;
}
