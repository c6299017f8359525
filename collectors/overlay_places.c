// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/overlay_places.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/hash.h"

#define RETRY_NS (60 * UINT64_C(1000000000))

/* Directories between a process's root and its mount namespace's. */
enum { CLIMB_MAX = 256 };

/* A root through which paths are seen, open for one pass. */
struct view {
	pid_t pid;
	int fd;		 /* or -errno */
	unsigned int up; /* of a namespace's root: so far above its process's */
};

struct overlay_places {
	const struct root *root;
	struct prober *prober;
	struct view *views;
	size_t n_views;
	struct overlay_place **table; /* by hash */
	size_t table_size;	      /* a power of 2 */
	struct overlay_place **all;
	size_t n, capacity;
	size_t n_new, turn;
	struct overlay_groups groups;
};

int overlay_places_new(const struct root *root, struct overlay_places **ret_places)
{
	struct overlay_places *places = calloc(1, sizeof(*places));

	if (!places)
		return -ENOMEM;
	places->root = root;
	places->table_size = 256;
	places->table = calloc(places->table_size, sizeof(struct overlay_place *));
	if (!places->table || prober_new(root, &places->prober) < 0) {
		overlay_places_free(places);
		return -ENOMEM;
	}
	*ret_places = places;
	return 0;
}

static void place_free(struct overlay_place *place)
{
	free(place->path);
	free(place->resolved);
	free(place);
}

void overlay_places_free(struct overlay_places *places)
{
	if (!places)
		return;
	overlay_places_rest(places);
	for (size_t i = 0; i < places->n; i++)
		place_free(places->all[i]);
	overlay_groups_done(&places->groups);
	free(places->all);
	free(places->table);
	prober_free(places->prober);
	free(places);
}

void overlay_places_heed(struct overlay_places *places, const atomic_bool *stop)
{
	prober_heed(places->prober, stop);
}

void overlay_places_rest(struct overlay_places *places)
{
	for (size_t i = 0; i < places->n_views; i++)
		closep(&places->views[i].fd);
	free(places->views);
	places->views = NULL;
	places->n_views = 0;
}

/* The directory above; only if the kernel knows it without asking anybody, as it does. */
static int open_above(int fd)
{
	const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				      .resolve = RESOLVE_CACHED };
	int r = (int)syscall(SYS_openat2, fd, "..", &how, sizeof(how));

	if (r >= 0)
		return r;
	/* RESOLVE_CACHED came with 5.12; sandboxes may not know openat2(). */
	if (errno != EINVAL && errno != ENOSYS && errno != EPERM)
		return -errno;
	r = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

static bool is_same(int one, int other)
{
	enum { FLAGS = AT_EMPTY_PATH | AT_STATX_DONT_SYNC, MASK = STATX_INO | STATX_MNT_ID };
	struct statx a, b;

	return statx(one, "", FLAGS, MASK, &a) == 0 && statx(other, "", FLAGS, MASK, &b) == 0 &&
	       a.stx_ino == b.stx_ino && a.stx_mnt_id == b.stx_mnt_id &&
	       a.stx_dev_major == b.stx_dev_major && a.stx_dev_minor == b.stx_dev_minor;
}

/*
 * From the root of a process that changed it to that of its mount namespace: what stops it does not
 * stop us, whose root is elsewhere. Closes *fd if it moves.
 */
static int climb(int *fd, unsigned int *ret_up)
{
	for (unsigned int up = 0; up < CLIMB_MAX; up++) {
		int above = open_above(*fd);

		if (above < 0)
			return above;
		if (is_same(*fd, above)) {
			close(above);
			*ret_up = up;
			return 0;
		}
		close(*fd);
		*fd = above;
	}
	return -ELOOP;
}

static int open_root(const struct root *root, pid_t pid, unsigned int *ret_up)
{
	char path[64];
	int fd, r;

	*ret_up = 0;
	if (pid == 0)
		return root_open_absolute(root, "/", O_PATH | O_DIRECTORY);
	snprintf(path, sizeof(path), "%d/root", abs(pid));
	fd = root_open(root, ROOT_PROC, path, O_PATH | O_DIRECTORY);
	r = fd >= 0 && pid < 0 ? climb(&fd, ret_up) : 0;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static struct view *view_of(struct overlay_places *places, pid_t pid)
{
	for (size_t i = 0; i < places->n_views; i++) {
		if (places->views[i].pid == pid)
			return &places->views[i];
	}
	return NULL;
}

static int root_of(struct overlay_places *places, pid_t pid)
{
	struct view *view = view_of(places, pid);
	unsigned int up;
	struct view *grown;
	int fd;

	if (view)
		return view->fd;
	grown = reallocarray(places->views, places->n_views + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	places->views = grown;
	fd = open_root(places->root, pid, &up);
	grown[places->n_views++] = (struct view){ pid, fd, up };
	return fd;
}

static uint32_t hash_of(pid_t pid, const char *path)
{
	return (uint32_t)hash_string(path) ^ (uint32_t)pid * UINT32_C(0x9e3779b1);
}

static void grow_table(struct overlay_places *places)
{
	size_t size = places->table_size * 2;
	struct overlay_place **table = size ? calloc(size, sizeof(*table)) : NULL;

	/* Without it chains get longer: that is all. */
	if (!table)
		return;
	for (size_t i = 0; i < places->n; i++) {
		struct overlay_place *place = places->all[i];
		size_t slot = place->hash & (size - 1);

		place->next = table[slot];
		table[slot] = place;
	}
	free(places->table);
	places->table = table;
	places->table_size = size;
}

/* New ones stand at the end of the list, so that a look finds them at once. */
static struct overlay_place *add_place(struct overlay_places *places, pid_t pid, const char *path,
				       uint32_t hash)
{
	struct overlay_place *place;
	size_t slot;

	if (places->n == places->capacity) {
		size_t capacity = places->capacity ? places->capacity * 2 : 64;
		struct overlay_place **grown = reallocarray(places->all, capacity,
							    sizeof(struct overlay_place *));

		if (!grown)
			return NULL;
		places->all = grown;
		places->capacity = capacity;
	}
	if (places->n >= places->table_size)
		grow_table(places);
	place = calloc(1, sizeof(*place));
	if (!place || !(place->path = strdup(path))) {
		free(place);
		return NULL;
	}
	place->pid = pid;
	place->hash = hash;
	place->state = -EAGAIN;
	place->position = (uint32_t)places->n;
	places->all[places->n++] = place;
	places->n_new++;
	slot = hash & (places->table_size - 1);
	place->next = places->table[slot];
	places->table[slot] = place;
	return place;
}

static struct overlay_place *find_place(struct overlay_places *places, pid_t pid, const char *path)
{
	uint32_t hash = hash_of(pid, path);

	for (struct overlay_place *place = places->table[hash & (places->table_size - 1)]; place;
	     place = place->next) {
		if (place->hash == hash && place->pid == pid && strcmp(place->path, path) == 0)
			return place;
	}
	return add_place(places, pid, path, hash);
}

struct overlay_place *overlay_places_get(struct overlay_places *places, pid_t pid, const char *path,
					 enum overlay_role role)
{
	struct overlay_place *place = find_place(places, pid, path);

	if (!place)
		return NULL;
	place->refs++;
	place->share.users[role]++;
	if (place->group)
		place->group->share.users[role]++;
	return place;
}

struct overlay_share overlay_place_share(const struct overlay_place *place)
{
	if (!place)
		return (struct overlay_share){ 0 };
	return place->group ? place->group->share : place->share;
}

void overlay_places_put(struct overlay_places *places, struct overlay_place *place,
			enum overlay_role role)
{
	struct overlay_place **link, *last;

	if (!place)
		return;
	place->share.users[role]--;
	if (place->group)
		place->group->share.users[role]--;
	if (--place->refs > 0)
		return;
	overlay_groups_leave(&places->groups, place->group, &place->share);
	link = &places->table[place->hash & (places->table_size - 1)];
	while (*link != place)
		link = &(*link)->next;
	*link = place->next;
	if (place->state == -EAGAIN && places->n_new > 0)
		places->n_new--;
	last = places->all[--places->n];
	places->all[place->position] = last;
	last->position = place->position;
	place_free(place);
}

/* Without symbolic links in our own root; through another's, as it is written. */
static char *resolve(struct overlay_places *places, const struct overlay_place *place, int fd)
{
	const struct view *view = view_of(places, place->pid);
	char link[64], target[PATH_MAX];
	struct strbuf text;

	strbuf_init(&text);
	if (place->pid != 0) {
		snprintf(link, sizeof(link), "%d/root", abs(place->pid));
		root_path(places->root, ROOT_PROC, link, &text);
		for (unsigned int i = 0; view && i < view->up; i++)
			strbuf_add_string(&text, "/..");
		strbuf_add_string(&text, place->path);
		return strbuf_take(&text);
	}
	snprintf(link, sizeof(link), "self/fd/%d", fd);
	if (root_is_recorded(places->root) || fd < 0 ||
	    root_readlink(places->root, ROOT_PROC, link, target, sizeof(target)) <= 0)
		return strdup(place->path);
	return strdup(target);
}

static void take(struct overlay_places *places, struct overlay_place *place,
		 const struct probe *probe, bool *ret_changed)
{
	bool same = place->state == probe->result &&
		    (probe->result != 0 ||
		     (place->device == probe->device && place->inode == probe->inode));

	if (probe->result == -ETIMEDOUT)
		place->retry_ns = clock_ns(CLOCK_MONOTONIC) + RETRY_NS;
	if (same)
		return;
	*ret_changed = true;
	if (place->state == -EAGAIN && places->n_new > 0)
		places->n_new--;
	place->version++;
	place->state = probe->result;
	free(place->resolved);
	place->resolved = NULL;
	overlay_groups_leave(&places->groups, place->group, &place->share);
	place->group = NULL;
	place->device = 0;
	place->inode = 0;
	if (probe->result < 0)
		return;
	/* Without memory it is counted alone. */
	place->group = overlay_groups_join(&places->groups, probe->device, probe->inode,
					   &place->share);
	place->device = probe->device;
	place->inode = probe->inode;
	place->resolved = resolve(places, place, probe->fd);
}

/* Which ones it is now: those that are new, then the next ones in turn. */
static size_t choose(struct overlay_places *places, size_t budget, struct overlay_place **chosen)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	size_t n = 0, left = budget < places->n ? budget : places->n;

	for (size_t i = places->n; places->n_new > n && i-- > 0;) {
		if (places->all[i]->state == -EAGAIN)
			chosen[n++] = places->all[i];
	}
	for (; left > 0; left--) {
		struct overlay_place *place = places->all[places->turn++ % places->n];

		if (place->state != -EAGAIN &&
		    (place->state != -ETIMEDOUT || place->retry_ns <= now))
			chosen[n++] = place;
	}
	return n;
}

/* As many as may have a descriptor at one time. */
enum { PROBES_AT_ONCE = 128 };

static int look_at(struct overlay_places *places, struct overlay_place **chosen, size_t n,
		   bool *ret_changed)
{
	struct probe probes[PROBES_AT_ONCE];
	struct overlay_place *asked[PROBES_AT_ONCE];
	size_t n_probes = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		struct probe *probe = &probes[n_probes];
		int fd = root_of(places, chosen[i]->pid);

		*probe = (struct probe){ .root_fd = fd, .path = chosen[i]->path, .fd = -1 };
		if (fd < 0) {
			probe->result = fd;
			take(places, chosen[i], probe, ret_changed);
			continue;
		}
		asked[n_probes++] = chosen[i];
	}
	r = prober_run(places->prober, probes, n_probes);
	for (size_t i = 0; i < n_probes; i++) {
		/* What could not be asked for lack of a process is asked again. */
		if (probes[i].result != -EAGAIN)
			take(places, asked[i], &probes[i], ret_changed);
		probe_done(&probes[i]);
	}
	return r;
}

int overlay_places_look(struct overlay_places *places, size_t budget)
{
	_cleanup_(freep) struct overlay_place **chosen = calloc(places->n_new + budget + 1,
								sizeof(struct overlay_place *));
	bool changed = false;
	size_t n;
	int r = 0;

	if (!chosen)
		return -ENOMEM;
	n = choose(places, budget, chosen);
	for (size_t at = 0; at < n && r == 0; at += PROBES_AT_ONCE)
		r = look_at(places, chosen + at, n - at < PROBES_AT_ONCE ? n - at : PROBES_AT_ONCE,
			    &changed);
	return r < 0 ? r : changed;
}

int overlay_places_try(struct overlay_places *places, pid_t pid, char *const *paths, size_t n,
		       int *ret_results)
{
	_cleanup_(freep) struct probe *probes = calloc(n + 1, sizeof(*probes));
	int fd = root_of(places, pid), r;

	if (!probes)
		return -ENOMEM;
	if (fd < 0)
		return fd;
	for (size_t i = 0; i < n; i++)
		probes[i] = (struct probe){ .root_fd = fd, .path = paths[i], .fd = -1 };
	r = prober_run(places->prober, probes, n);
	for (size_t i = 0; i < n; i++) {
		ret_results[i] = probes[i].result;
		probe_done(&probes[i]);
	}
	return r;
}

void overlay_places_probe(struct overlay_places *places, pid_t pid, const char *path,
			  bool want_statfs, struct probe *ret_probe)
{
	int fd = root_of(places, pid), r;

	*ret_probe =
		(struct probe){ .root_fd = fd, .path = path, .want_statfs = want_statfs, .fd = -1 };
	r = fd < 0 ? fd : prober_run(places->prober, ret_probe, 1);
	if (r < 0)
		ret_probe->result = r;
}
