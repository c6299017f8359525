// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/mount_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "collectors/mount_kernel.h"
#include "collectors/mount_space.h"
#include "core/cleanup.h"
#include "core/units.h"

/*
 * The kernel's list is walked that often where the caller names the namespaces that have processes:
 * one without any that is new may be seen a few refreshes late. Those known are listed by their id
 * in any case.
 */
enum { REFRESHES_A_WALK = 8 };

struct mount_table {
	const struct root *root;
	struct mount_statmount *statmount; /* NULL: by mountinfo */
	bool enumerate;			   /* the kernel lists all mount namespaces */
	unsigned int next_walk;		   /* in so many refreshes */
	struct mount_space **spaces;	   /* our own first, then by inode */
	size_t n_spaces, spaces_capacity;
	struct mount_entry *entries;
	size_t n_entries;
	struct mount_ns_info *infos;
	size_t n_infos;
	uint64_t generation, filled; /* filled: the generation that the entries are of */
	struct mount_table_stats stats;
};

int mount_table_new(const struct root *root, struct mount_table **ret_table)
{
	struct mount_table *table = calloc(1, sizeof(*table));
	int r;

	if (!table)
		return -ENOMEM;
	table->root = root;
	r = root_is_recorded(root) ? -EOPNOTSUPP : mount_statmount_new(root, &table->statmount);
	if (r == -ENOMEM) {
		mount_table_free(table);
		return r;
	}
	table->stats.by_statmount = table->enumerate = r == 0;
	*ret_table = table;
	return 0;
}

void mount_table_use_mountinfo(struct mount_table *table)
{
	mount_statmount_free(table->statmount);
	table->statmount = NULL;
	table->stats.by_statmount = table->enumerate = false;
}

static void space_free(struct mount_space *space)
{
	mount_space_done(space);
	free(space);
}

void mount_table_free(struct mount_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->n_spaces; i++)
		space_free(table->spaces[i]);
	free(table->spaces);
	free(table->entries);
	free(table->infos);
	mount_statmount_free(table->statmount);
	free(table);
}

/* Our own is at 0; the others are sorted up to `n`. */
static struct mount_space *find_space(const struct mount_table *table, size_t n, uint64_t inode)
{
	size_t low = 1, high = n;

	if (n > 0 && table->spaces[0]->inode == inode)
		return table->spaces[0];
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->spaces[middle]->inode == inode)
			return table->spaces[middle];
		if (table->spaces[middle]->inode < inode)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static struct mount_space *add_space(struct mount_table *table, uint64_t inode)
{
	struct mount_space *space;

	if (table->n_spaces == table->spaces_capacity) {
		size_t capacity = table->spaces_capacity ? table->spaces_capacity * 2 : 16;
		struct mount_space **grown = reallocarray(table->spaces, capacity,
							  sizeof(struct mount_space *));

		if (!grown)
			return NULL;
		table->spaces = grown;
		table->spaces_capacity = capacity;
	}
	space = malloc(sizeof(*space));
	if (!space)
		return NULL;
	mount_space_init(space, inode);
	table->spaces[table->n_spaces++] = space;
	return space;
}

static int compare_spaces(const void *a, const void *b)
{
	const struct mount_space *x = *(struct mount_space *const *)a;
	const struct mount_space *y = *(struct mount_space *const *)b;

	if (x->own != y->own)
		return x->own ? -1 : 1;
	return (x->inode > y->inode) - (x->inode < y->inode);
}

static void sort_spaces(struct mount_table *table)
{
	qsort(table->spaces, table->n_spaces, sizeof(struct mount_space *), compare_spaces);
}

/* "mnt:[4026531840]"; 0 if it cannot be read, as in a recorded tree. */
static uint64_t own_inode(const struct root *root)
{
	char link[64], *end;
	uint64_t inode;

	if (root_readlink(root, ROOT_PROC, "self/ns/mnt", link, sizeof(link)) < 0)
		return 0;
	end = strchr(link, ']');
	if (strncmp(link, "mnt:[", 5) != 0 || !end)
		return 0;
	*end = '\0';
	return parse_u64(link + 5, &inode) < 0 ? 0 : inode;
}

/* Marks our own as seen, after setns() another one than before. */
static int see_own(struct mount_table *table)
{
	uint64_t inode = own_inode(table->root);
	struct mount_space *space = table->n_spaces > 0 ? table->spaces[0] : NULL;

	for (size_t i = 0; i < table->n_spaces; i++) {
		table->spaces[i]->seen = false;
		table->spaces[i]->given = false;
	}
	if (!space || space->inode != inode) {
		if (space)
			space->own = false;
		space = find_space(table, table->n_spaces, inode) ?: add_space(table, inode);
		if (!space)
			return -ENOMEM;
		closep(&table->spaces[0]->poll_fd);
		table->spaces[0]->poll_fd = -1;
		table->spaces[0]->text_known = false;
		space->own = true;
		sort_spaces(table);
	}
	space->seen = space->given = true;
	return 0;
}

static int see(struct mount_table *table, size_t n, const struct mount_ns *given)
{
	struct mount_space *space = find_space(table, n, given->inode);

	if (given->inode == 0)
		return 0;
	if (!space)
		space = add_space(table, given->inode);
	if (!space)
		return -ENOMEM;
	space->seen = space->given = true;
	space->pid = given->pid;
	space->fd = given->fd;
	return 0;
}

/* Two of the given may be one namespace: they are found behind `n` only after sorting. */
static void drop_doubles(struct mount_table *table)
{
	size_t n = 0;

	sort_spaces(table);
	for (size_t i = 0; i < table->n_spaces; i++) {
		if (n > 0 && table->spaces[n - 1]->inode == table->spaces[i]->inode)
			space_free(table->spaces[i]);
		else
			table->spaces[n++] = table->spaces[i];
	}
	table->n_spaces = n;
}

/* An inode that comes back with another id is another namespace. */
static void set_id(struct mount_table *table, struct mount_space *space, uint64_t id)
{
	if (space->id != 0 && space->id != id && mount_space_clear(space))
		table->generation++;
	space->id = id;
}

static int see_listed(struct mount_table *table, size_t n, int ns_fd, uint64_t id)
{
	struct mount_space *space;
	struct stat info;

	if (fstat(ns_fd, &info) < 0)
		return -errno;
	space = find_space(table, n, info.st_ino);
	if (!space)
		space = add_space(table, info.st_ino);
	if (!space)
		return -ENOMEM;
	space->seen = true;
	set_id(table, space, id);
	return 0;
}

/* Walks the kernel's list from our own namespace in one direction. Those without rights end it. */
static int enumerate(struct mount_table *table, size_t n, int own_fd, unsigned long request)
{
	_cleanup_(closep) int at = fcntl(own_fd, F_DUPFD_CLOEXEC, 0);

	while (at >= 0) {
		struct kernel_mount_ns_info info = { .size = sizeof(info) };
		int next = ioctl(at, request, &info), r;

		if (next < 0)
			return errno == ENOENT ? 0 : -errno;
		close(at);
		at = next;
		r = see_listed(table, n, next, info.id);
		if (r < 0)
			return r;
	}
	return -errno;
}

static int see_kernels(struct mount_table *table)
{
	_cleanup_(closep) int own = root_open(table->root, ROOT_PROC, "self/ns/mnt", O_RDONLY);
	size_t n = table->n_spaces;
	int r;

	if (own < 0)
		return own;
	r = enumerate(table, n, own, KERNEL_NS_MNT_GET_PREV);
	if (r == 0)
		r = enumerate(table, n, own, KERNEL_NS_MNT_GET_NEXT);
	if (r == -ENOTTY || r == -EINVAL)
		table->enumerate = false;
	return r == -ENOMEM ? r : 0;
}

/* The id by which statmount() knows it. */
static int find_id(struct mount_table *table, struct mount_space *space)
{
	_cleanup_(closep) int opened = -1;
	char path[64];
	uint64_t id;
	int fd = space->fd;

	if (space->pid > 0) {
		snprintf(path, sizeof(path), "%d/ns/mnt", (int)space->pid);
		opened = root_open(table->root, ROOT_PROC, path, O_RDONLY);
		fd = opened >= 0 ? opened : fd;
	}
	if (fd < 0)
		return opened < 0 && space->pid > 0 ? opened : -ESRCH;
	if (opened >= 0) {
		struct stat info;

		/* The process may have gone elsewhere. */
		if (fstat(opened, &info) < 0 || info.st_ino != space->inode)
			return -ESRCH;
	}
	if (ioctl(fd, KERNEL_NS_GET_MNTNS_ID, &id) < 0)
		return -errno;
	set_id(table, space, id);
	return 0;
}

static int read_space(struct mount_table *table, struct mount_space *space)
{
	int r = table->statmount ? 0 : -EOPNOTSUPP;

	if (r == 0 && !space->own && space->id == 0)
		r = find_id(table, space);
	if (r == 0)
		r = mount_statmount_read(table->statmount, space);
	/* Gone; or the caller knows another one by that inode. */
	if (r == -ENOENT && !space->given)
		return r;
	if (r == -ENOENT && !space->own && find_id(table, space) == 0)
		r = mount_statmount_read(table->statmount, space);
	if (r < 0 && r != -ENOMEM)
		r = mount_text_read(table->root, space, &table->stats.mounts_read);
	return r;
}

static int read_all(struct mount_table *table)
{
	size_t total = 0;

	for (size_t i = 0; i < table->n_spaces; i++)
		total += table->spaces[i]->n_records;
	if (table->statmount)
		mount_statmount_begin(table->statmount, total);
	for (size_t i = 0; i < table->n_spaces; i++) {
		struct mount_space *space = table->spaces[i];
		int r = read_space(table, space);

		if (r == -ENOMEM)
			return r;
		space->error = r < 0 ? r : 0;
		space->seen = space->given || r != -ENOENT;
		if (r < 0)
			r = mount_space_clear(space);
		table->stats.namespaces_read += r > 0;
		table->stats.namespaces_same += r == 0;
		table->generation += r > 0;
	}
	return 0;
}

static void drop_unseen(struct mount_table *table)
{
	size_t n = 0;

	for (size_t i = 0; i < table->n_spaces; i++) {
		struct mount_space *space = table->spaces[i];

		if (space->seen) {
			table->spaces[n++] = space;
			continue;
		}
		table->generation += space->n_records > 0;
		space_free(space);
	}
	table->n_spaces = n;
}

static int fill_infos(struct mount_table *table)
{
	struct mount_ns_info *infos = reallocarray(table->infos, table->n_spaces + 1,
						   sizeof(*infos));

	if (!infos)
		return -ENOMEM;
	table->infos = infos;
	table->n_infos = table->n_spaces;
	for (size_t i = 0; i < table->n_spaces; i++) {
		const struct mount_space *space = table->spaces[i];

		infos[i] = (struct mount_ns_info){ space->inode, space->n_mounts, space->error,
						   space->id };
	}
	return 0;
}

static int fill_entries(struct mount_table *table)
{
	size_t n = 0;
	struct mount_entry *entries;

	if (table->entries && table->filled == table->generation)
		return 0;
	table->n_entries = 0;
	for (size_t i = 0; i < table->n_spaces; i++)
		n += table->spaces[i]->n_records;
	entries = reallocarray(table->entries, n + 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	table->entries = entries;
	for (size_t i = 0; i < table->n_spaces; i++) {
		const struct mount_space *space = table->spaces[i];

		for (size_t k = 0; k < space->n_records; k++)
			entries[table->n_entries++] = space->records[k]->entry;
	}
	table->filled = table->generation;
	return 0;
}

/* Those with an id are there until the kernel says that they are not. */
static void believe_known(struct mount_table *table)
{
	for (size_t i = 0; i < table->n_spaces; i++)
		table->spaces[i]->seen |= table->spaces[i]->id != 0;
}

static int find_spaces(struct mount_table *table, const struct mount_ns *spaces, size_t n,
		       bool enumerate_all)
{
	size_t known;
	int r = see_own(table);

	known = table->n_spaces;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = see(table, known, &spaces[i]);
	if (r < 0)
		return r;
	drop_doubles(table);
	if (!enumerate_all)
		return 0;
	if (n > 0 && table->next_walk > 0) {
		table->next_walk--;
		believe_known(table);
		return 0;
	}
	table->next_walk = REFRESHES_A_WALK - 1;
	r = see_kernels(table);
	drop_doubles(table);
	return r;
}

static int refresh(struct mount_table *table, const struct mount_ns *spaces, size_t n,
		   bool enumerate_all)
{
	int r;

	table->stats.refreshes++;
	r = find_spaces(table, spaces, n, enumerate_all);
	if (r == 0) {
		drop_unseen(table);
		r = read_all(table);
		drop_unseen(table);
	}
	for (size_t i = 0; i < table->n_spaces; i++) {
		table->spaces[i]->fd = -1;
		table->spaces[i]->pid = 0;
	}
	if (r == 0)
		r = fill_infos(table);
	if (r == 0)
		r = fill_entries(table);
	if (r < 0) {
		/* Entries may point at what is gone. */
		table->generation++;
		table->n_entries = 0;
	}
	return r;
}

int mount_table_refresh(struct mount_table *table, const struct mount_ns *spaces, size_t n)
{
	return refresh(table, spaces, n, table->enumerate);
}

int mount_table_refresh_own(struct mount_table *table)
{
	return refresh(table, NULL, 0, false);
}

const struct mount_entry *mount_table_entries(const struct mount_table *table, size_t *ret_n)
{
	*ret_n = table->n_entries;
	return table->entries;
}

const struct mount_ns_info *mount_table_spaces(const struct mount_table *table, size_t *ret_n)
{
	*ret_n = table->n_infos;
	return table->infos;
}

uint64_t mount_table_generation(const struct mount_table *table)
{
	return table->generation;
}

void mount_table_get_stats(const struct mount_table *table, struct mount_table_stats *ret_stats)
{
	*ret_stats = table->stats;
	if (table->statmount)
		ret_stats->mounts_read += mount_statmount_count(table->statmount);
}
