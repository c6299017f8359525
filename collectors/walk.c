// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "collectors/containers.h"
#include "core/cleanup.h"

struct walk {
	const struct hierarchies *hierarchies;
	bool recorded;
	void (*on_drop)(struct live *live, void *data);
	void *data;
	struct live *top;
	struct tree *tree;
	struct live **lives;
	struct strpool *strings;
	uint64_t next_serial, rebuilds;
	unsigned int kept;
	bool changed;
	struct walk_counts counts;
};

static void live_free(struct walk *walk, struct live *live)
{
	while (live->child) {
		struct live *child = live->child;

		live->child = child->next;
		live_free(walk, child);
	}
	walk->on_drop(live, walk->data);
	for (unsigned int h = 0; h < walk->hierarchies->n; h++) {
		if (live->dirs[h].fd >= 0) {
			close(live->dirs[h].fd);
			walk->kept--;
		}
	}
	node_unref(live->node);
	free(live->controllers);
	free(live);
}

static struct live *live_new(struct walk *walk, struct live *parent, const char *name)
{
	unsigned int n = walk->hierarchies->n;
	struct live *live = calloc(1, sizeof(*live) + n * sizeof(live->dirs[0]));
	struct strbuf path;
	char *text;

	if (!live)
		return NULL;
	strbuf_init(&path);
	if (parent && parent->parent)
		strbuf_add_string(&path, parent->node->path);
	strbuf_add_char(&path, '/');
	strbuf_add_string(&path, name);
	text = strbuf_take(&path);
	live->node = text ? node_new(text, parent ? parent->node->depth + 1 : 0, n) : NULL;
	free(text);
	live->parent = parent;
	live->before = NODE_NONE;
	for (unsigned int h = 0; h < n; h++)
		live->dirs[h].fd = -1;
	if (!live->node || container_classify(live->node, parent ? parent->node : NULL) < 0) {
		node_unref(live->node);
		free(live);
		return NULL;
	}
	live->node->serial = walk->next_serial++;
	return live;
}

/*
 * Nodes are immutable once published: a changed set of ids makes a copy. `fresh` gives it a new
 * identity, for a cgroup that was removed and made again.
 */
static int replace_node(struct walk *walk, struct live *live, unsigned int h, uint64_t id,
			bool fresh)
{
	struct node *old = live->node, *node = node_new(old->path, old->depth, old->n_ids);

	if (!node)
		return -ENOMEM;
	memcpy(node->ids, old->ids, old->n_ids * sizeof(old->ids[0]));
	node->ids[h] = id;
	node->serial = fresh ? walk->next_serial++ : old->serial;
	if (container_classify(node, live->parent ? live->parent->node : NULL) < 0) {
		node_unref(node);
		return -ENOMEM;
	}
	node_unref(old);
	live->node = node;
	walk->changed = true;
	if (fresh)
		live->before = NODE_NONE;
	return 0;
}

static void drop_dir(struct walk *walk, struct live *live, unsigned int h)
{
	if (live->dirs[h].fd >= 0) {
		close(live->dirs[h].fd);
		live->dirs[h].fd = -1;
		walk->kept--;
	}
}

/* Entries of a cgroup directory that are cgroups: (name, inode) pairs sorted by name. */
struct entry {
	char *name;
	uint64_t inode;
};

struct entries {
	struct entry *list;
	size_t n, capacity;
};

static void entries_done(struct entries *entries)
{
	for (size_t i = 0; i < entries->n; i++)
		free(entries->list[i].name);
	free(entries->list);
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static int entries_add(struct entries *entries, const char *name, uint64_t inode)
{
	if (entries->n == entries->capacity) {
		size_t capacity = entries->capacity ? 2 * entries->capacity : 16;
		struct entry *list = realloc(entries->list, capacity * sizeof(*list));

		if (!list)
			return -ENOMEM;
		entries->list = list;
		entries->capacity = capacity;
	}
	entries->list[entries->n].name = strdup(name);
	if (!entries->list[entries->n].name)
		return -ENOMEM;
	entries->list[entries->n++].inode = inode;
	return 0;
}

/*
 * kernfs gives d_type and the inode of every entry, so nothing is opened for it. A directory that
 * vanished meanwhile reads as empty: its own parent will tell.
 */
static int read_directory(struct walk *walk, const char *path, unsigned int h,
			  struct entries *entries)
{
	int fd, r = 0;
	struct dirent *entry;
	DIR *dir;

	walk->counts.opens++;
	fd = hierarchy_open(&walk->hierarchies->list[h], path, O_RDONLY);
	if (fd < 0)
		return root_is_short(fd) ? fd : 0;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	walk->counts.reads++;
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			r = entries_add(entries, entry->d_name, entry->d_ino);
	}
	closedir(dir);
	if (entries->n > 1)
		qsort(entries->list, entries->n, sizeof(*entries->list), compare_entries);
	return r;
}

static int scan(struct walk *walk, struct live *live, unsigned int h);

/* Takes `live` out of hierarchy `h`, and out of the tree if it is nowhere else. */
static bool leave(struct walk *walk, struct live *live, unsigned int h)
{
	bool anywhere = false;

	drop_dir(walk, live, h);
	if (live->node->ids[h] && replace_node(walk, live, h, 0, false) < 0)
		return false;
	for (unsigned int i = 0; i < walk->hierarchies->n; i++)
		anywhere |= live->node->ids[i] != 0;
	for (struct live **at = &live->child; *at;) {
		struct live *child = *at;

		if (child->node->ids[h] && leave(walk, child, h)) {
			*at = child->next;
			live_free(walk, child);
		} else {
			at = &child->next;
		}
	}
	return !anywhere;
}

/* A cgroup that is new in hierarchy `h`, or another one than before under the same name. */
static int enter(struct walk *walk, struct live *live, unsigned int h, uint64_t inode)
{
	uint64_t known = live->node->ids[h];
	int r;

	if (known == inode)
		return live->rescan >> h & 1 ? scan(walk, live, h) : 0;
	if (known) {
		/* Everything below it went with it, in this hierarchy. */
		leave(walk, live, h);
		walk->on_drop(live, walk->data);
	}
	r = replace_node(walk, live, h, inode, known != 0);
	return r < 0 ? r : scan(walk, live, h);
}

/* Merges the sorted entries of one directory with the sorted children. */
static int merge(struct walk *walk, struct live *live, unsigned int h,
		 const struct entries *entries)
{
	struct live **at = &live->child;
	size_t i = 0;

	while (*at || i < entries->n) {
		int order = !*at	      ? 1
			    : i == entries->n ? -1
					      : strcmp((*at)->node->name, entries->list[i].name);
		struct live *child = *at;
		int r;

		if (order < 0) {
			if (child->node->ids[h] && leave(walk, child, h)) {
				*at = child->next;
				live_free(walk, child);
				walk->changed = true;
			} else {
				at = &child->next;
			}
			continue;
		}
		if (order > 0) {
			child = live_new(walk, live, entries->list[i].name);
			if (!child)
				return -ENOMEM;
			child->next = *at;
			*at = child;
			walk->changed = true;
		}
		r = enter(walk, child, h, entries->list[i].inode);
		if (r < 0)
			return r;
		at = &child->next;
		i++;
	}
	return 0;
}

static int stat_dir(struct walk *walk, const struct live *live, unsigned int h,
		    struct stat *ret_stat)
{
	walk->counts.stats++;
	return hierarchy_stat(&walk->hierarchies->list[h], live->node->path, ret_stat);
}

/* Reads the directory of `live` in hierarchy `h` and everything new below it. */
static int scan(struct walk *walk, struct live *live, unsigned int h)
{
	struct entries entries = { 0 };
	struct stat info;
	int r = stat_dir(walk, live, h, &info);

	live->rescan &= ~(1u << h);
	/* It went while it was looked at: so did what it had, some of it maybe before. */
	if ((r == -ENOENT || r == -ENODEV) && live->parent) {
		walk_suspect(live, h);
		return merge(walk, live, h, &entries);
	}
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	/* The count before the reading: a child made in between is then seen as a change again. */
	live->dirs[h].n_links = (uint32_t)info.st_nlink;
	if (info.st_nlink > 2 || walk->recorded || live->child)
		r = read_directory(walk, live->node->path, h, &entries);
	if (r == 0)
		r = merge(walk, live, h, &entries);
	/* The link count is taken already: without this, what is missed now would be missed for
	 * good. */
	if (r < 0)
		live->rescan |= 1u << h;
	entries_done(&entries);
	return r;
}

bool walk_alive(struct walk *walk, const struct live *live, unsigned int h)
{
	struct stat info;

	return stat_dir(walk, live, h, &info) == 0 && info.st_ino == live->node->ids[h];
}

static void keep_dir(struct walk *walk, struct live *live, unsigned int h)
{
	struct stat info;
	int fd;

	walk->counts.opens++;
	fd = hierarchy_open(&walk->hierarchies->list[h], live->node->path, O_PATH);
	if (fd < 0)
		return;
	if (fstat(fd, &info) < 0 || info.st_ino != live->node->ids[h]) {
		close(fd);
		walk_suspect(live, h);
		return;
	}
	live->dirs[h].fd = fd;
	walk->kept++;
}

static void check(struct walk *walk, struct live *live, unsigned int h, bool is_read, bool keep)
{
	struct live_dir *dir = &live->dirs[h];
	struct stat info;

	if (is_read && keep && dir->fd < 0)
		keep_dir(walk, live, h);
	if (dir->fd >= 0 && (!is_read || !keep))
		drop_dir(walk, live, h);
	if (dir->fd >= 0) {
		walk->counts.stats++;
		if (fstat(dir->fd, &info) < 0)
			walk_suspect(live, h);
		else if (info.st_nlink != dir->n_links)
			live->rescan |= 1u << h;
	} else if (stat_dir(walk, live, h, &info) < 0 || info.st_ino != live->node->ids[h]) {
		walk_suspect(live, h);
	} else if (info.st_nlink != dir->n_links) {
		live->rescan |= 1u << h;
	}
}

/*
 * From the end: children stand behind their parents, and reading a directory again frees only what
 * is below it, which was dealt with by then.
 */
static int rescan_all(struct walk *walk)
{
	for (uint32_t i = walk->tree->n; i-- > 0;) {
		struct live *live = walk->lives[i];

		for (unsigned int h = 0; live->rescan && h < walk->hierarchies->n; h++) {
			int r = live->rescan >> h & 1 ? scan(walk, live, h) : 0;

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void count_lives(const struct live *live, uint32_t *n)
{
	(*n)++;
	for (const struct live *child = live->child; child; child = child->next)
		count_lives(child, n);
}

static void fill_tree(struct live *live, uint32_t parent, struct tree *tree, struct live **lives,
		      uint32_t *at)
{
	uint32_t i = (*at)++;

	tree->nodes[i] = node_ref(live->node);
	tree->parent[i] = parent;
	tree->before[i] = live->before;
	lives[i] = live;
	for (struct live *child = live->child; child; child = child->next)
		fill_tree(child, i, tree, lives, at);
	tree->end[i] = *at;
}

static int rebuild(struct walk *walk)
{
	uint32_t n = 0, at = 0;
	struct tree *tree;
	struct live **lives;

	count_lives(walk->top, &n);
	tree = tree_new(n, walk->hierarchies->n, walk->strings);
	lives = malloc(n * sizeof(struct live *));
	if (!tree || !lives) {
		tree_unref(tree);
		free(lives);
		return -ENOMEM;
	}
	for (unsigned int h = 0; h < walk->hierarchies->n; h++) {
		const char *name = walk->hierarchies->list[h].name;

		tree->hierarchies[h] = strpool_add(walk->strings, name, strlen(name));
	}
	fill_tree(walk->top, NODE_NONE, tree, lives, &at);
	tree->generation = ++walk->rebuilds;
	tree->previous = walk->tree ? walk->tree->generation : 0;
	for (uint32_t i = 0; i < n; i++) /* NOLINTNEXTLINE: fill_tree() filled all n */
		lives[i]->index = lives[i]->before = i;
	tree_unref(walk->tree);
	free(walk->lives);
	walk->tree = tree;
	walk->lives = lives;
	walk->changed = false;
	return 0;
}

/* Without memory for the new list the old one speaks of what is freed: the next walk starts anew.
 */
static void forget(struct walk *walk)
{
	if (walk->top)
		live_free(walk, walk->top);
	tree_unref(walk->tree);
	free(walk->lives);
	walk->top = NULL;
	walk->tree = NULL;
	walk->lives = NULL;
}

static int first_walk(struct walk *walk)
{
	struct stat info;
	int r = 0;

	walk->top = live_new(walk, NULL, "");
	if (!walk->top)
		return -ENOMEM;
	for (unsigned int h = 0; h < walk->hierarchies->n; h++) {
		int fd = walk->hierarchies->list[h].fd;

		if (fd >= 0 && fstat(fd, &info) == 0)
			walk->top->node->ids[h] = info.st_ino;
	}
	for (unsigned int h = 0; h < walk->hierarchies->n && r == 0; h++) {
		r = walk->top->node->ids[h] ? scan(walk, walk->top, h) : 0;
	}
	if (r == 0)
		r = rebuild(walk);
	if (r < 0)
		forget(walk);
	return r;
}

int walk_new(const struct hierarchies *hierarchies, struct strpool *strings, bool recorded,
	     void (*on_drop)(struct live *live, void *data), void *data, struct walk **ret_walk)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	if (!walk)
		return -ENOMEM;
	walk->hierarchies = hierarchies;
	walk->recorded = recorded;
	walk->on_drop = on_drop;
	walk->data = data;
	walk->next_serial = 1;
	walk->strings = strpool_ref(strings);
	*ret_walk = walk;
	return 0;
}

void walk_free(struct walk *walk)
{
	if (!walk)
		return;
	if (walk->top)
		live_free(walk, walk->top);
	tree_unref(walk->tree);
	free(walk->lives);
	strpool_unref(walk->strings);
	free(walk);
}

int walk_refresh(struct walk *walk, uint32_t changed, uint32_t read_mask, unsigned int keep_dirs)
{
	int r, rebuilt = 0;

	if (!walk->tree)
		return first_walk(walk);
	for (uint32_t i = 0; changed && i < walk->tree->n; i++) {
		struct live *live = walk->lives[i];

		for (unsigned int h = 0; h < walk->hierarchies->n; h++) {
			if (live->node->ids[h] && (changed >> h & 1))
				check(walk, live, h, read_mask >> h & 1, i < keep_dirs);
		}
	}
	r = rescan_all(walk);
	/* Also after an error: what was freed on the way must not stay in the old list. */
	if (walk->changed)
		rebuilt = rebuild(walk);
	if (rebuilt < 0)
		forget(walk);
	return r < 0 ? r : rebuilt;
}

void walk_suspect(struct live *live, unsigned int h)
{
	(live->parent ? live->parent : live)->rescan |= 1u << h;
}

void walk_children_changed(struct live *live, unsigned int h)
{
	live->rescan |= 1u << h;
}

struct tree *walk_tree(const struct walk *walk)
{
	return walk->tree;
}

struct live **walk_lives(const struct walk *walk)
{
	return walk->lives;
}

struct walk_counts *walk_counts(struct walk *walk)
{
	return &walk->counts;
}

uint64_t walk_rebuilds(const struct walk *walk)
{
	return walk->rebuilds;
}

unsigned int walk_kept(const struct walk *walk)
{
	return walk->kept;
}
