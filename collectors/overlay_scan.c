// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/overlay_scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/overlay_backing.h"
#include "collectors/overlay_body.h"
#include "collectors/overlay_owner.h"
#include "collectors/overlay_set.h"
#include "core/cleanup.h"
#include "core/clock.h"

/* Directories looked at again in each pass, in turn: less than half a millisecond. */
enum { LOOKS_A_PASS = 128 };

struct overlay_scanner {
	const struct root *root;
	struct overlay_places *places;
	struct overlay_backing *backing;
	struct overlay_body **bodies; /* by device */
	size_t n_bodies;
	const struct mount_entry **entries; /* of overlays: by device, the host's first */
	size_t n_entries;
	uint64_t generation, host_ns; /* what `base` was made from */
	struct overlays *base;	      /* NULL: to be made anew */
	struct overlay_defaults defaults;
	struct overlay_hint hint;
};

DEFINE_CLEANUP(struct overlay_owners *, overlay_owners_free)
DEFINE_CLEANUP(struct overlays *, overlays_unref)

static bool read_default(const struct root *root, const char *name)
{
	_cleanup_(strbuf_done) struct strbuf text;
	char path[96];

	strbuf_init(&text);
	snprintf(path, sizeof(path), "module/overlay/parameters/%s", name);
	return root_read(root, ROOT_SYS, path, &text) == 0 && text.data && text.data[0] == 'Y';
}

int overlay_scanner_new(const struct root *root, struct overlay_scanner **ret_scanner)
{
	struct overlay_scanner *scanner = calloc(1, sizeof(*scanner));

	if (!scanner)
		return -ENOMEM;
	scanner->root = root;
	if (overlay_places_new(root, &scanner->places) < 0 ||
	    overlay_backing_new(&scanner->backing) < 0) {
		overlay_scanner_free(scanner);
		return -ENOMEM;
	}
	*ret_scanner = scanner;
	return 0;
}

void overlay_scanner_free(struct overlay_scanner *scanner)
{
	if (!scanner)
		return;
	for (size_t i = 0; i < scanner->n_bodies; i++)
		overlay_body_free(scanner->bodies[i], scanner->places);
	free(scanner->bodies);
	free(scanner->entries);
	free(scanner->hint.base);
	overlays_unref(scanner->base);
	overlay_backing_free(scanner->backing);
	overlay_places_free(scanner->places);
	free(scanner);
}

void overlay_scanner_heed(struct overlay_scanner *scanner, const atomic_bool *stop)
{
	overlay_places_heed(scanner->places, stop);
}

struct entry_order {
	uint64_t host_ns;
};

/* By superblock; the host's mounts first, then as the table has them. */
static int compare_entries(const void *a, const void *b, void *context)
{
	const struct mount_entry *x = *(const struct mount_entry *const *)a;
	const struct mount_entry *y = *(const struct mount_entry *const *)b;
	uint64_t host_ns = ((const struct entry_order *)context)->host_ns;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	if ((x->mount_ns == host_ns) != (y->mount_ns == host_ns))
		return x->mount_ns == host_ns ? -1 : 1;
	return (x > y) - (x < y);
}

static int sort_entries(struct overlay_scanner *scanner, const struct mount_table *mounts,
			uint64_t host_ns)
{
	struct entry_order order = { host_ns };
	const struct mount_entry **sorted;
	size_t n;
	const struct mount_entry *entries = mount_table_entries(mounts, &n);

	sorted = reallocarray(scanner->entries, n + 1, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	scanner->entries = sorted;
	scanner->n_entries = 0;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(entries[i].fstype, "nsfs") != 0)
			sorted[scanner->n_entries++] = &entries[i];
	}
	qsort_r(sorted, scanner->n_entries, sizeof(*sorted), compare_entries, &order);
	return 0;
}

/* fuse-overlayfs mounts say nothing of their layers: its command line does. */
static int parse_fuse(const struct overlay_scanner *scanner, const struct mount_entry *entry,
		      const struct namespaces *namespaces, struct overlay_options *ret_options)
{
	for (uint32_t i = 0; namespaces && i < namespaces->n_processes; i++) {
		const struct ns_process *process = &namespaces->processes[i];
		_cleanup_(strbuf_done) struct strbuf text;
		char path[64];
		int r;

		strbuf_init(&text);
		if (!process->comm || strcmp(process->comm, "fuse-overlayfs") != 0)
			continue;
		snprintf(path, sizeof(path), "%d/cmdline", (int)process->pid);
		if (root_read(scanner->root, ROOT_PROC, path, &text) < 0 || !text.data)
			continue;
		r = overlay_options_parse_fuse(entry, text.data, text.length, ret_options);
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

static int make_body(struct overlay_scanner *scanner, const struct mount_entry *entry,
		     uint64_t hash, const struct namespaces *namespaces,
		     struct overlay_body **ret_body)
{
	struct overlay_body *body = calloc(1, sizeof(*body));
	int r = -ENOENT;

	if (!body)
		return -ENOMEM;
	if (strcmp(entry->fstype, "overlay") != 0)
		r = parse_fuse(scanner, entry, namespaces, &body->options);
	if (r == -ENOENT)
		r = overlay_options_parse(entry, &scanner->defaults, &body->options);
	if (r < 0) {
		free(body);
		return r;
	}
	body->device = entry->device;
	body->options_hash = hash;
	*ret_body = body;
	return 0;
}

/* The known body of that device, whose turn it is since both lists are sorted. */
static struct overlay_body *next_known(struct overlay_scanner *scanner, size_t *at, dev_t device)
{
	while (*at < scanner->n_bodies && scanner->bodies[*at]->device < device)
		++*at;
	return *at < scanner->n_bodies && scanner->bodies[*at]->device == device
		       ? scanner->bodies[*at]
		       : NULL;
}

static void drop_unseen(struct overlay_scanner *scanner)
{
	for (size_t i = 0; i < scanner->n_bodies; i++) {
		if (!scanner->bodies[i]->seen)
			overlay_body_free(scanner->bodies[i], scanner->places);
	}
}

static void set_entries(struct overlay_scanner *scanner, struct overlay_body *body, size_t first,
			size_t n, uint64_t own_ns)
{
	body->entries = scanner->entries + first;
	body->n_entries = n;
	body->own = false;
	body->own_ns = own_ns;
	for (size_t i = 0; i < n; i++)
		body->own |= body->entries[i]->mount_ns == own_ns;
}

/* A remount makes a new body, but not a new upper layer. */
static void inherit(struct overlay_body *body, const struct overlay_body *old)
{
	body->upper_seen = old->upper_seen;
	body->upper_device = old->upper_device;
	body->upper_inode = old->upper_inode;
}

/* One body a superblock; those whose options are the same as before are kept. */
static int sync_bodies(struct overlay_scanner *scanner, uint64_t own_ns,
		       const struct namespaces *namespaces)
{
	struct overlay_body **bodies = calloc(scanner->n_entries + 1, sizeof(*bodies));
	size_t n = 0, known = 0, next;
	int r = 0;

	if (!bodies)
		return -ENOMEM;
	for (size_t i = 0; i < scanner->n_bodies; i++)
		scanner->bodies[i]->seen = false;
	for (size_t i = 0; r == 0 && i < scanner->n_entries; i = next) {
		const struct mount_entry *entry = scanner->entries[i];
		uint64_t hash = overlay_entry_hash(entry);
		struct overlay_body *old = next_known(scanner, &known, entry->device), *body = old;

		for (next = i + 1;
		     next < scanner->n_entries && scanner->entries[next]->device == entry->device;)
			next++;
		if (!body || body->options_hash != hash)
			r = make_body(scanner, entry, hash, namespaces, &body);
		if (r < 0)
			break;
		if (old && old != body)
			inherit(body, old);
		body->seen = true;
		set_entries(scanner, body, i, next - i, own_ns);
		bodies[n++] = body;
	}
	/* After an error those not yet seen again are made anew in the next pass. */
	drop_unseen(scanner);
	free(scanner->bodies);
	scanner->bodies = bodies;
	scanner->n_bodies = n;
	return r;
}

static uint64_t own_ns_of(const struct mount_table *mounts)
{
	size_t n;
	const struct mount_ns_info *infos = mount_table_spaces(mounts, &n);

	return n > 0 ? infos[0].inode : 0;
}

static uint64_t host_ns_of(const struct mount_table *mounts, const struct namespaces *namespaces)
{
	uint32_t host = namespaces ? namespaces->host[NS_MNT] : NS_NONE;

	return host != NS_NONE ? namespaces->list[host].inode : own_ns_of(mounts);
}

static int follow_mounts(struct overlay_scanner *scanner, const struct mount_table *mounts,
			 const struct namespaces *namespaces)
{
	uint64_t generation = mount_table_generation(mounts);
	uint64_t host_ns = host_ns_of(mounts, namespaces);
	int r = sort_entries(scanner, mounts, host_ns);

	if (r < 0)
		return r;
	scanner->generation = generation;
	scanner->host_ns = host_ns;
	scanner->defaults = (struct overlay_defaults){
		.redirect_dir = read_default(scanner->root, "redirect_dir"),
		.metacopy = read_default(scanner->root, "metacopy"),
		.index = read_default(scanner->root, "index"),
	};
	return sync_bodies(scanner, own_ns_of(mounts), namespaces);
}

/* It may have been mounted anew meanwhile, with the directory that is there now. */
static bool is_good_again(struct overlay_scanner *scanner, struct overlay_body *body)
{
	if (!body->replaced || overlay_body_upper_deleted(body, scanner->places))
		return false;
	overlays_unref(body->texts);
	body->texts = NULL;
	return true;
}

static int follow_places(struct overlay_scanner *scanner, const struct namespaces *namespaces)
{
	bool changed = false;
	int r;

	for (size_t i = 0; i < scanner->n_bodies; i++) {
		r = overlay_body_resolve(scanner->bodies[i], scanner->places, namespaces,
					 &scanner->hint);
		if (r < 0)
			return r;
		changed |= r > 0;
		changed |= is_good_again(scanner, scanner->bodies[i]);
	}
	r = overlay_places_look(scanner->places, LOOKS_A_PASS);
	return r < 0 ? r : changed || r > 0;
}

static int make_base(struct overlay_scanner *scanner)
{
	const struct overlay_set_source source = { scanner->bodies, scanner->n_bodies,
						   scanner->places, scanner->host_ns };

	return overlay_set_new(&source, &scanner->base);
}

/* Makes `base` what is true now, at a cost that depends on what changed. */
static int refresh(struct overlay_scanner *scanner, const struct mount_table *mounts,
		   const struct namespaces *namespaces)
{
	bool same = scanner->base && scanner->generation == mount_table_generation(mounts) &&
		    scanner->host_ns == host_ns_of(mounts, namespaces);
	int r;

	if (!same) {
		overlays_unref(scanner->base);
		scanner->base = NULL;
		r = follow_mounts(scanner, mounts, namespaces);
		if (r < 0)
			return r;
	}
	r = follow_places(scanner, namespaces);
	if (r < 0 || (r == 0 && scanner->base))
		return r;
	overlays_unref(scanner->base);
	scanner->base = NULL;
	return make_base(scanner);
}

static void count_users(struct overlays *set, const struct namespaces *namespaces)
{
	for (uint32_t i = 0; i < namespaces->n_processes; i++) {
		struct overlay *overlay = (struct overlay *)overlays_find_device(
			set, namespaces->processes[i].root_device);

		if (overlay)
			overlay->n_processes++;
	}
}

static void fill_users(struct overlays *set, const struct namespaces *namespaces)
{
	count_users(set, namespaces);
	for (uint32_t i = 0; i < set->n; i++) {
		struct overlay *overlay = &set->list[i];

		/* Never NULL, which would say that it is not known. */
		overlay->processes = arena_array(&set->arena, overlay->n_processes + 1,
						 sizeof(*overlay->processes));
		overlay->n_processes = 0;
	}
	for (uint32_t i = 0; !set->arena.failed && i < namespaces->n_processes; i++) {
		const struct ns_process *process = &namespaces->processes[i];
		struct overlay *overlay = (struct overlay *)overlays_find_device(
			set, process->root_device);

		if (!overlay)
			continue;
		overlay->processes[overlay->n_processes++] = i;
		if (!overlay->cgroup && process->cgroup)
			overlay->cgroup = arena_string(&set->arena, process->cgroup);
	}
}

/* Some users are enough to tell the container by. */
enum { CGROUPS_MAX = 64 };

static int fill_owners(struct overlays *set, const struct namespaces *namespaces,
		       const struct containers *containers)
{
	_cleanup_(overlay_owners_freep) struct overlay_owners *owners = NULL;
	int r = overlay_owners_new(containers, &owners);

	for (uint32_t i = 0; r == 0 && i < set->n; i++) {
		struct overlay *overlay = &set->list[i];
		const char *cgroups[CGROUPS_MAX];
		size_t n = 0;

		for (uint32_t p = 0; p < overlay->n_processes && n < CGROUPS_MAX; p++)
			cgroups[n++] = namespaces->processes[overlay->processes[p]].cgroup;
		r = overlay_owners_find(owners, cgroups, n, &set->arena, overlay);
	}
	return r;
}

static void fill_backing(struct overlay_scanner *scanner, struct overlays *set)
{
	overlay_backing_begin(scanner->backing);
	for (uint32_t i = 0; i < set->n; i++) {
		const struct overlay_place *upper = overlay_body_upper(scanner->bodies[i]);
		struct overlay_backing_info info;

		if (!upper || upper->state != 0)
			continue;
		info = overlay_backing_get(scanner->backing, scanner->places, upper);
		set->list[i].backing_fstype = info.fstype;
		set->list[i].backing_free_bytes = info.free_bytes;
		set->list[i].backing_free_inodes = info.free_inodes;
	}
}

static void fill_counts(const struct mount_table *mounts, struct overlays *set)
{
	struct mount_table_stats stats;
	size_t n;
	const struct mount_ns_info *infos = mount_table_spaces(mounts, &n);

	mount_table_get_stats(mounts, &stats);
	set->by_statmount = stats.by_statmount;
	for (size_t i = 0; i < n; i++) {
		set->n_mount_ns += infos[i].error == 0;
		set->n_denied += infos[i].error != 0;
	}
}

/* A set of its own for this pass, on the base that passes share. */
static int make_set(struct overlay_scanner *scanner, const struct namespaces *namespaces,
		    const struct containers *containers, struct overlays **ret_set)
{
	_cleanup_(overlays_unrefp) struct overlays *set = overlays_new();
	const struct overlays *base = scanner->base;

	if (!set)
		return -ENOMEM;
	set->list = arena_array(&set->arena, base->n, sizeof(*set->list));
	if (!set->list)
		return -ENOMEM;
	if (!overlays_hold(set, scanner->base))
		return -ENOMEM;
	set->n = base->n;
	if (base->n > 0)
		memcpy(set->list, base->list, base->n * sizeof(*set->list));
	if (namespaces)
		fill_users(set, namespaces);
	fill_backing(scanner, set);
	if (set->arena.failed || fill_owners(set, namespaces, containers) < 0)
		return -ENOMEM;
	*ret_set = TAKE_PTR(set);
	return 0;
}

int overlay_scanner_build(struct overlay_scanner *scanner, const struct mount_table *mounts,
			  const struct namespaces *namespaces, const struct containers *containers,
			  struct overlays **ret_overlays)
{
	uint64_t boottime = clock_ns(CLOCK_BOOTTIME), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct overlays *set = NULL;
	int r = refresh(scanner, mounts, namespaces);

	if (r >= 0)
		r = make_set(scanner, namespaces, containers, &set);
	overlay_places_rest(scanner->places);
	if (r < 0)
		return r;
	fill_counts(mounts, set);
	set->boottime_ns = boottime;
	set->cost_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	*ret_overlays = set;
	return 0;
}
