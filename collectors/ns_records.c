// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/ns_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/cleanup.h"

/*
 * Processes and threads by the kernel's records instead of the links in /proc. What was known of a
 * namespace counts if the record has its 64-bit id (Linux 6.18), or if its task certainly did not
 * run since the last pass: records count how often it was taken off a CPU.
 */

/* A record is of the task as it was told before, or what was told is forgotten. */
static bool take_task(struct ns_task *task, const struct task_record *record, bool new)
{
	bool same = !new && task->born_ns == record->start_ns;
	bool rested = same && task->still && (record->flags & TASK_STILL) &&
		      task->switches == record->switches;

	task->record = record;
	task->born_ns = record->start_ns;
	task->switches = record->switches;
	task->still = record->flags & TASK_STILL;
	task->denied = false;
	/* Not by the way that /proc is looked at: that begins anew. */
	task->rests = false;
	task->run_ns = task->slices = 0;
	if (!same)
		task->fds_known = false;
	if (!rested)
		ns_task_untell(task);
	task->uid = record->euid;
	task->uid_told = true;
	return rested;
}

/* What /proc/PID/stat would say. Of kernel threads it has longer names than the record. */
static int take_name(struct ns_scanner *scanner, struct ns_task *task)
{
	const struct task_record *record = task->record;
	char comm[TASK_COMM_SIZE + 1] = { 0 };

	if (record->flags & TASK_KTHREAD)
		return 0;
	memcpy(comm, record->comm, TASK_COMM_SIZE);
	if (!task->comm || strcmp(task->comm, comm) != 0) {
		free(task->comm);
		task->comm = strdup(comm);
		if (!task->comm)
			return -ENOMEM;
	}
	task->ppid = (pid_t)record->ppid;
	task->start_ns = record->start_ns;
	task->told = scanner->pass;
	return 0;
}

static int take_links(struct ns_scanner *scanner, struct ns_task *task, bool rested)
{
	const struct task_record *record = task->record;

	for (unsigned int link = 0; link < NS_LINK_COUNT; link++) {
		struct ns_known *last = scanner->last[link], *before = task->ns[link];
		uint64_t inode = record->ns_inodes[link], id = record->ns_ids[link];

		task->ns[link] = NULL;
		if (!inode || !bpf_tasks_has_link(scanner->records, link))
			continue;
		if (!last || last->inode != inode)
			last = ns_known_touch(scanner, ns_link_type(link), inode);
		if (!last)
			return -ENOMEM;
		task->ns[link] = scanner->last[link] = last;
		if (id ? last->asked && last->id == id : rested && last == before)
			last->checked = scanner->pass;
	}
	return 0;
}

static int take(struct ns_scanner *scanner, const struct task_record *record,
		struct ns_task **ret_task)
{
	struct ns_task *task;
	bool new, rested;
	int r = 0;

	task = ns_task_touch(scanner, (pid_t)record->pid, (pid_t)record->tid, &new);
	if (!task)
		return -ENOMEM;
	rested = take_task(task, record, new);
	task->idle = rested;
	if (task->pid == task->tid)
		r = take_name(scanner, task);
	if (r == 0)
		r = take_links(scanner, task, rested);
	*ret_task = task;
	return r;
}

/* All threads of a process are known: whether it did nothing since the last pass. */
static void end_process(struct ns_task *leader, uint32_t threads)
{
	if (!leader)
		return;
	leader->idle &= leader->threads == threads;
	leader->threads = threads;
}

static int take_all(struct ns_scanner *scanner, const struct task_record *const *list, size_t n)
{
	struct ns_task *leader = NULL, *task = NULL;
	uint32_t threads = 0;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		r = ns_stopped(scanner) ?: take(scanner, list[i], &task);
		if (r < 0 || !task)
			continue;
		if (task->pid == task->tid) {
			end_process(leader, threads);
			leader = task;
			threads = 0;
		} else if (leader && leader->pid == task->pid) {
			leader->idle &= task->idle;
		}
		threads++;
	}
	end_process(leader, threads);
	return r;
}

/* ---- what no record was made of ------------------------------------------------------- */

/* Threads of the machine, from "0.15 0.10 0.05 2/154 4711"; 0: not known. */
static unsigned long count_threads(struct ns_scanner *scanner)
{
	const char *at;

	strbuf_clear(&scanner->text);
	if (root_read(scanner->root, ROOT_PROC, "loadavg", &scanner->text) < 0 ||
	    !scanner->text.data)
		return 0;
	at = strchr(scanner->text.data, '/');
	return at ? strtoul(at + 1, NULL, 10) : 0;
}

static int read_hidden(struct ns_scanner *scanner, int proc_fd)
{
	int r = 0;

	for (size_t i = 0; i < scanner->n_hidden && r == 0; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", (int)scanner->hidden[i]);
		if (!ns_task_find(scanner, scanner->hidden[i]))
			r = ns_links_read_process(scanner, proc_fd, name);
	}
	return r;
}

static int read_missing(struct ns_scanner *scanner, DIR *dir)
{
	struct dirent *entry;
	size_t n = 0;
	int r = 0;

	while (r == 0 && (entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10), *grown;

		if (pid <= 0 || ns_task_find(scanner, pid))
			continue;
		grown = realloc(scanner->hidden, (n + 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		scanner->hidden = grown;
		scanner->hidden[n++] = pid;
		r = ns_stopped(scanner)
			    ?: ns_links_read_process(scanner, dirfd(dir), entry->d_name);
	}
	scanner->n_hidden = n;
	return r;
}

static int by_process(const void *a, const void *b)
{
	const struct ns_task *x = *(struct ns_task *const *)a, *y = *(struct ns_task *const *)b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if ((x->tid == x->pid) != (y->tid == y->pid))
		return x->tid == x->pid ? -1 : 1;
	return (x->tid > y->tid) - (x->tid < y->tid);
}

/*
 * A kernel may keep tasks from iterators (seen: a process 1), and some came since. All are there if
 * their number is the kernel's own: then /proc need not be listed.
 */
static int complete(struct ns_scanner *scanner)
{
	size_t before = scanner->n_current;
	int fd = root_open(scanner->root, ROOT_PROC, ".", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r;

	if (!dir) {
		closep(&fd);
		return fd < 0 ? fd : -ENOMEM;
	}
	r = read_hidden(scanner, fd);
	if (r == 0 && scanner->n_current != count_threads(scanner))
		r = read_missing(scanner, dir);
	closedir(dir);
	if (scanner->n_current > before)
		qsort(scanner->current, scanner->n_current, sizeof(*scanner->current), by_process);
	return r;
}

int ns_records_read(struct ns_scanner *scanner)
{
	const struct task_record *const *list;
	size_t n;
	int r = bpf_tasks_read(scanner->records, &list, &n);

	if (r == 0)
		r = take_all(scanner, list, n);
	return r == 0 ? complete(scanner) : r;
}

/* ---- cgroups and roots ---------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash ^= value;
	return (hash ^ hash >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
}

static struct ns_place *find_place(struct ns_scanner *scanner, const struct task_record *record)
{
	struct ns_place *place;
	uint64_t key = 0;

	for (unsigned int h = 0; h < TASK_HIERARCHIES; h++)
		key = mix(key, record->cgroups[h]);
	/* Others may have the same hash: then the next number is free or is it. */
	for (;; key++) {
		place = (struct ns_place *)ns_hash_find(&scanner->places, key);
		if (!place)
			break;
		if (memcmp(place->cgroup_ids, record->cgroups, sizeof(place->cgroup_ids)) == 0)
			return place;
	}
	place = calloc(1, sizeof(*place));
	if (!place)
		return NULL;
	place->node.key = key;
	memcpy(place->cgroup_ids, record->cgroups, sizeof(place->cgroup_ids));
	if (ns_hash_add(&scanner->places, &place->node) < 0) {
		free(place);
		return NULL;
	}
	return place;
}

/* Whether the paths that were read lead to the cgroups of the record. */
static bool leads_there(struct ns_scanner *scanner, const struct ns_cgroup *cgroup,
			const struct task_record *record)
{
	char *paths[HIERARCHY_MAX], *text = strdup(cgroup->text);
	bool there = text != NULL;

	hierarchies_parse_paths(scanner->hierarchies, text, paths);
	for (unsigned int h = 0; h < HIERARCHY_MAX; h++) {
		struct stat info;

		if (paths[h] && there)
			there = bpf_tasks_has_hierarchy(scanner->records, h) &&
				hierarchy_stat(&scanner->hierarchies->list[h], paths[h], &info) ==
					0 &&
				info.st_ino == record->cgroups[h];
		free(paths[h]);
	}
	free(text);
	return there;
}

static int place_cgroup(struct ns_scanner *scanner, struct ns_task *task)
{
	const struct task_record *record = task->record;
	struct ns_cgroup *before;
	struct ns_place *place;
	int r;

	if (!scanner->hierarchies || !(record->flags & TASK_CGROUPS))
		return ns_task_ask_cgroup(scanner, task);
	place = find_place(scanner, record);
	if (!place)
		return -ENOMEM;
	if (place->pass == scanner->pass) {
		task->cgroup = place->cgroup;
		return 0;
	}
	/* One of the last pass only counts if it was seen in it. */
	before = place->pass + 1 == scanner->pass ? place->cgroup : NULL;
	r = ns_task_ask_cgroup(scanner, task);
	if (r < 0 || !task->cgroup)
		return r;
	if (task->cgroup == before || leads_there(scanner, task->cgroup, record)) {
		place->cgroup = task->cgroup;
		place->pass = scanner->pass;
	}
	return 0;
}

/*
 * A filesystem may tell another device than it has: btrfs has one for each subvolume. Where it was
 * found to tell its own, the same directory does so for everybody.
 */
static int place_root(struct ns_scanner *scanner, struct ns_task *task)
{
	const struct task_record *record = task->record;
	dev_t device = makedev(record->root_device >> 20, record->root_device & 0xfffff);
	uint64_t key = mix(mix(0, record->root_device), record->root_inode);
	struct ns_root *root = (struct ns_root *)ns_hash_find(&scanner->roots, key);
	bool same = root && root->device == record->root_device &&
		    root->inode == record->root_inode;

	if (same && root->pass == scanner->pass) {
		task->root_device = device;
		return 0;
	}
	ns_task_ask_root(scanner, task);
	if (!record->root_inode || task->root_device != device || (root && !same))
		return 0;
	if (!root) {
		root = calloc(1, sizeof(*root));
		if (!root)
			return -ENOMEM;
		root->node.key = key;
		if (ns_hash_add(&scanner->roots, &root->node) < 0) {
			free(root);
			return -ENOMEM;
		}
	}
	root->device = record->root_device;
	root->inode = record->root_inode;
	root->pass = scanner->pass;
	return 0;
}

int ns_records_place(struct ns_scanner *scanner, struct ns_task *task)
{
	int r = place_cgroup(scanner, task);

	return r < 0 ? r : place_root(scanner, task);
}
