// SPDX-License-Identifier: MIT
#include "collectors/ns_private.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/cleanup.h"

enum { FIRST_SIZE = 64 };

static size_t bucket_of(uint64_t key, size_t size)
{
	/* Fibonacci hashing: the high bits of the product are the well mixed ones. */
	return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (size - 1);
}

struct ns_node *ns_hash_find(const struct ns_hash *hash, uint64_t key)
{
	struct ns_node *node;

	if (hash->size == 0)
		return NULL;
	for (node = hash->buckets[bucket_of(key, hash->size)]; node; node = node->next) {
		if (node->key == key)
			return node;
	}
	return NULL;
}

static int grow(struct ns_hash *hash)
{
	size_t size = hash->size ? hash->size * 2 : FIRST_SIZE;
	struct ns_node **buckets = calloc(size, sizeof(struct ns_node *));

	if (!buckets)
		return -ENOMEM;
	for (size_t i = 0; i < hash->size; i++) {
		struct ns_node *next;

		for (struct ns_node *node = hash->buckets[i]; node; node = next) {
			size_t at = bucket_of(node->key, size);

			next = node->next;
			node->next = buckets[at];
			buckets[at] = node;
		}
	}
	free(hash->buckets);
	hash->buckets = buckets;
	hash->size = size;
	return 0;
}

int ns_hash_add(struct ns_hash *hash, struct ns_node *node)
{
	size_t at;

	if (hash->n >= hash->size && grow(hash) < 0)
		return -ENOMEM;
	at = bucket_of(node->key, hash->size);
	node->next = hash->buckets[at];
	hash->buckets[at] = node;
	hash->n++;
	return 0;
}

void ns_hash_sweep(struct ns_hash *hash, bool (*keep)(const struct ns_node *node, uint64_t pass),
		   uint64_t pass, void (*release)(struct ns_node *node))
{
	for (size_t i = 0; i < hash->size; i++) {
		struct ns_node **link = &hash->buckets[i];

		while (*link) {
			struct ns_node *node = *link;

			if (keep && keep(node, pass)) {
				link = &node->next;
				continue;
			}
			*link = node->next;
			hash->n--;
			release(node);
		}
	}
}

void ns_hash_done(struct ns_hash *hash, void (*release)(struct ns_node *node))
{
	ns_hash_sweep(hash, NULL, 0, release);
	free(hash->buckets);
	*hash = (struct ns_hash){ 0 };
}

/* Room for one more pointer. */
static bool reserve(void **list, size_t n, size_t *capacity)
{
	size_t wanted = *capacity ? *capacity * 2 : 256;
	void *grown;

	if (n < *capacity)
		return true;
	grown = realloc(*list, wanted * sizeof(void *));
	if (!grown)
		return false;
	*list = grown;
	*capacity = wanted;
	return true;
}

static struct ns_known *add_known(struct ns_scanner *scanner, enum ns_type type, uint64_t inode)
{
	struct ns_known *known = calloc(1, sizeof(*known));

	if (!known)
		return NULL;
	known->node.key = inode * NS_TYPE_COUNT + type;
	known->type = type;
	known->inode = inode;
	known->fd = -1;
	known->first_seen_ns = scanner->boottime_ns;
	if (ns_hash_add(&scanner->known, &known->node) < 0) {
		free(known);
		return NULL;
	}
	return known;
}

struct ns_known *ns_known_touch(struct ns_scanner *scanner, enum ns_type type, uint64_t inode)
{
	struct ns_known *known = (struct ns_known *)ns_hash_find(&scanner->known,
								 inode * NS_TYPE_COUNT + type);

	if (known && known->pass == scanner->pass)
		return known;
	if (!reserve((void **)&scanner->seen, scanner->n_seen, &scanner->seen_capacity))
		return NULL;
	if (!known)
		known = add_known(scanner, type, inode);
	if (!known)
		return NULL;
	known->pass = scanner->pass;
	known->processes = known->threads = 0;
	known->lowest = known->thread = known->maker = NULL;
	known->lost = known->young = false;
	known->holds = NULL;
	known->holds_end = &known->holds;
	scanner->seen[scanner->n_seen++] = known;
	return known;
}

struct ns_task *ns_task_touch(struct ns_scanner *scanner, pid_t pid, pid_t tid, bool *ret_new)
{
	struct ns_task *task = (struct ns_task *)ns_hash_find(&scanner->tasks, (uint64_t)tid);

	if (!reserve((void **)&scanner->current, scanner->n_current, &scanner->current_capacity))
		return NULL;
	*ret_new = !task || task->pid != pid;
	if (!task) {
		task = calloc(1, sizeof(*task));
		if (!task)
			return NULL;
		task->node.key = (uint64_t)tid;
		if (ns_hash_add(&scanner->tasks, &task->node) < 0) {
			free(task);
			return NULL;
		}
	}
	task->pid = pid;
	task->tid = tid;
	task->pass = scanner->pass;
	scanner->current[scanner->n_current++] = task;
	return task;
}

struct ns_task *ns_task_find(const struct ns_scanner *scanner, pid_t tid)
{
	struct ns_task *task = (struct ns_task *)ns_hash_find(&scanner->tasks, (uint64_t)tid);

	return task && task->pass == scanner->pass ? task : NULL;
}

void ns_task_drop(struct ns_scanner *scanner)
{
	struct ns_task *task = scanner->current[--scanner->n_current];

	task->pass = 0;
	task->rests = false;
	task->run_ns = 0;
}

struct ns_holder *ns_known_hold(struct ns_scanner *scanner, struct ns_known *known,
				enum ns_holder_kind kind)
{
	struct ns_hold *hold = arena_alloc(&scanner->scratch, sizeof(*hold));

	if (!hold)
		return NULL;
	hold->holder.kind = kind;
	hold->holder.fd = -1;
	*known->holds_end = hold;
	known->holds_end = &hold->next;
	return &hold->holder;
}

void ns_close_all(struct ns_scanner *scanner)
{
	for (size_t i = 0; i < scanner->n_seen; i++) {
		closep(&scanner->seen[i]->fd);
		scanner->seen[i]->fd = -1;
	}
}

void ns_begin_pass(struct ns_scanner *scanner)
{
	scanner->n_seen = scanner->n_current = 0;
	free(scanner->mount_ns);
	scanner->mount_ns = NULL;
	scanner->n_mount_ns = 0;
	arena_done(&scanner->scratch);
	arena_init(&scanner->scratch);
	for (unsigned int link = 0; link < NS_LINK_COUNT; link++)
		scanner->last[link] = NULL;
	scanner->pass++;
}

static bool keep_known(const struct ns_node *node, uint64_t pass)
{
	return ((const struct ns_known *)node)->pass == pass;
}

static bool keep_task(const struct ns_node *node, uint64_t pass)
{
	return ((const struct ns_task *)node)->pass == pass;
}

static bool keep_socket(const struct ns_node *node, uint64_t pass)
{
	return ((const struct ns_socket *)node)->pass == pass;
}

static bool keep_cgroup(const struct ns_node *node, uint64_t pass)
{
	return ((const struct ns_cgroup *)node)->pass == pass;
}

static bool keep_place(const struct ns_node *node, uint64_t pass)
{
	return ((const struct ns_place *)node)->pass == pass;
}

static bool keep_root(const struct ns_node *node, uint64_t pass)
{
	return ((const struct ns_root *)node)->pass == pass;
}

static void release_known(struct ns_node *node)
{
	struct ns_known *known = (struct ns_known *)node;

	closep(&known->fd);
	free(known);
}

static void release_task(struct ns_node *node)
{
	struct ns_task *task = (struct ns_task *)node;

	free(task->comm);
	free(task->command);
	free(task->fds);
	free(task);
}

static void release_plain(struct ns_node *node)
{
	free(node);
}

static void release_cgroup(struct ns_node *node)
{
	struct ns_cgroup *cgroup = (struct ns_cgroup *)node;

	free(cgroup->text);
	free(cgroup->path);
	for (char **other = cgroup->others; other && *other; other++)
		free(*other);
	free(cgroup->others);
	free(cgroup);
}

void ns_forget(struct ns_scanner *scanner)
{
	ns_hash_sweep(&scanner->known, keep_known, scanner->pass, release_known);
	ns_hash_sweep(&scanner->tasks, keep_task, scanner->pass, release_task);
	if (scanner->flags & NS_SCAN_HOLDERS)
		ns_hash_sweep(&scanner->sockets, keep_socket, scanner->pass, release_plain);
	if (scanner->flags & NS_SCAN_CGROUPS) {
		/* Before the cgroups that they lead to. */
		ns_hash_sweep(&scanner->places, keep_place, scanner->pass, release_plain);
		ns_hash_sweep(&scanner->roots, keep_root, scanner->pass, release_plain);
		ns_hash_sweep(&scanner->cgroups, keep_cgroup, scanner->pass, release_cgroup);
	}
}

void ns_forget_all(struct ns_scanner *scanner)
{
	ns_hash_done(&scanner->known, release_known);
	ns_hash_done(&scanner->tasks, release_task);
	ns_hash_done(&scanner->sockets, release_plain);
	ns_hash_done(&scanner->places, release_plain);
	ns_hash_done(&scanner->roots, release_plain);
	ns_hash_done(&scanner->cgroups, release_cgroup);
}
