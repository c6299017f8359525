// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/devices.h"
#include "collectors/store.h"
#include "core/cleanup.h"

/* Values of live.fds[] below 0. */
enum { FD_CLOSED = -1, FD_MISSING = -2, FD_DENIED = -3 };

/* How many samples a file that was not there stays unasked for. */
enum { RETRY_SAMPLES = 8 };

struct reader {
	const struct root *root;
	const struct hierarchies *hierarchies;
	struct plan plan;
	struct devices *devices;
	char **page_sizes; /* "2MB", "1GB" */
	size_t n_page_sizes;
	/* Of the files that are read in every cgroup, each keeps the first keep_files, the first
	 * keep_more cgroups one more. */
	unsigned int n_files;
	const uint32_t *asks; /* bpf_sample_asks(), or NULL */
	unsigned int max_fds, keep_files, keep_more;
	uint64_t sample;
	struct strbuf text;
	struct reader_counts counts;
};

/* "hugepages-2048kB" is "2MB" in file names (hugetlb_cgroup.c, mem_fmt()). */
static char *page_size_name(const char *entry)
{
	static const char prefix[] = "hugepages-";
	unsigned long kb;
	struct strbuf name;

	if (strncmp(entry, prefix, sizeof(prefix) - 1) != 0)
		return NULL;
	kb = strtoul(entry + sizeof(prefix) - 1, NULL, 10);
	strbuf_init(&name);
	if (kb >= 1024UL * 1024)
		strbuf_printf(&name, "%luGB", kb >> 20);
	else if (kb >= 1024)
		strbuf_printf(&name, "%luMB", kb >> 10);
	else
		strbuf_printf(&name, "%luKB", kb);
	return strbuf_take(&name);
}

/* What counts is that the order is always the same, whatever the directory's. */
static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void find_page_sizes(struct reader *reader)
{
	int fd = root_open(reader->root, ROOT_SYS, "kernel/mm/hugepages", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *name = page_size_name(entry->d_name);
		char **grown = name ? realloc(reader->page_sizes,
					      (reader->n_page_sizes + 1) * sizeof(*grown))
				    : NULL;

		if (!grown) {
			free(name);
			continue;
		}
		reader->page_sizes = grown;
		grown[reader->n_page_sizes++] = name;
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	if (reader->n_page_sizes > 1)
		qsort(reader->page_sizes, reader->n_page_sizes, sizeof(char *), compare_names);
}

int reader_new(const struct root *root, const struct hierarchies *hierarchies,
	       struct strpool *strings, unsigned int max_fds, struct reader **ret_reader)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (!reader)
		return -ENOMEM;
	reader->root = root;
	reader->hierarchies = hierarchies;
	reader->max_fds = max_fds;
	r = devices_new(root, strings, &reader->devices);
	if (r < 0) {
		reader_free(reader);
		return r;
	}
	find_page_sizes(reader);
	*ret_reader = reader;
	return 0;
}

void reader_free(struct reader *reader)
{
	if (!reader)
		return;
	plan_done(&reader->plan);
	devices_free(reader->devices);
	for (size_t i = 0; i < reader->n_page_sizes; i++)
		free(reader->page_sizes[i]);
	free(reader->page_sizes);
	strbuf_done(&reader->text);
	free(reader);
}

void reader_drop(struct reader *reader, struct live *live)
{
	for (size_t i = 0; live->fds && i < reader->plan.n; i++) {
		if (live->fds[i] >= 0) {
			close(live->fds[i]);
			reader->counts.kept--;
		}
	}
	free(live->fds);
	live->fds = NULL;
}

int reader_plan(struct reader *reader, const struct metric_set *wanted, struct walk *walk,
		struct bpf_sample *bpf)
{
	struct tree *tree = walk ? walk_tree(walk) : NULL;
	struct plan plan = { 0 };
	int r = plan_init(&plan, reader->hierarchies, wanted, reader->page_sizes,
			  reader->n_page_sizes);

	if (r == 0 && bpf)
		r = bpf_sample_plan(bpf, &plan);
	if (r < 0) {
		plan_done(&plan);
		return r;
	}
	for (uint32_t i = 0; tree && i < tree->n; i++)
		reader_drop(reader, walk_lives(walk)[i]);
	plan_done(&reader->plan);
	reader->plan = plan;
	reader->n_files = 0;
	for (size_t i = 0; i < plan.n; i++)
		plan.files[i].rank = plan.files[i].bpf ? UINT_MAX : reader->n_files++;
	return 0;
}

uint32_t reader_mask(const struct reader *reader)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < reader->plan.n; i++) {
		if (!reader->plan.files[i].bpf)
			mask |= 1u << reader->plan.files[i].hierarchy;
	}
	return mask;
}

/* Files first: keeping one saves an open and a close each time, a directory only a path walk. */
unsigned int reader_spare_dirs(const struct reader *reader, uint32_t n)
{
	unsigned int n_hierarchies = (unsigned int)__builtin_popcount(reader_mask(reader));
	uint64_t for_files = (uint64_t)n * reader->n_files;

	if (!n_hierarchies || for_files >= reader->max_fds)
		return 0;
	return (unsigned int)((reader->max_fds - for_files) / n_hierarchies);
}

/* Where directory and file together are too long for the kernel: one after the other. */
static int open_long(const struct hierarchy *hierarchy, const char *path, const char *name)
{
	_cleanup_(closep) int dir = hierarchy_open(hierarchy, path, O_PATH);
	int fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static int open_file(struct reader *reader, const struct live *live, const struct plan_file *file)
{
	const struct live_dir *dir = &live->dirs[file->hierarchy];
	const char *path = hierarchy_relative(live->node->path);
	char text[4096];
	int fd;

	reader->counts.opens++;
	if (dir->fd >= 0) {
		fd = openat(dir->fd, file->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	} else {
		size_t length = strlen(path), tail = strlen(file->name);

		if (length + tail + 2 > sizeof(text))
			return open_long(&reader->hierarchies->list[file->hierarchy], path,
					 file->name);
		memcpy(text, path, length);
		text[length] = '/';
		memcpy(text + length + 1, file->name, tail + 1);
		fd = openat(reader->hierarchies->list[file->hierarchy].fd, text,
			    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	}
	return fd < 0 ? -errno : fd;
}

/*
 * One read as a rule: kernfs hands out up to a buffer's worth at once. Only lists of processes and
 * tables over many devices go on.
 */
static int read_fd(struct reader *reader, int fd)
{
	struct strbuf *text = &reader->text;

	strbuf_clear(text);
	for (;;) {
		ssize_t n;

		if (!strbuf_reserve(text, 16384))
			return -ENOMEM;
		reader->counts.reads++;
		n = pread(fd, text->data + text->length, text->capacity - text->length - 1,
			  (off_t)text->length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text->length += (size_t)n;
		/* A short answer below a page is the whole file: seq_file fills its buffer first.
		 */
		if (n == 0 || (text->length < 4000 && text->data[text->length - 1] == '\n'))
			return 0;
	}
}

/* True if the v2 controller of the file is on for this cgroup; asked again every few samples. */
static bool controller_on(struct reader *reader, struct live *live, const struct plan_file *file)
{
	const struct hierarchy *hierarchy = &reader->hierarchies->list[file->hierarchy];
	struct strbuf text;
	struct span rest, word;
	int fd;

	/* On a hybrid host the controller may live on v1: then nobody can turn it on here. */
	if (!hierarchy->v2 || !file->file->controller ||
	    !hierarchy_has(hierarchy, file->file->controller))
		return true;
	if (!live->controllers || live->controllers_at + RETRY_SAMPLES <= reader->sample) {
		struct plan_file list = { .name = (char *)"cgroup.controllers",
					  .hierarchy = file->hierarchy };

		fd = open_file(reader, live, &list);
		if (fd < 0)
			return true;
		strbuf_init(&text);
		if (read_fd(reader, fd) == 0)
			strbuf_add(&text, reader->text.data, reader->text.length);
		close(fd);
		free(live->controllers);
		live->controllers = strbuf_take(&text);
		live->controllers_at = reader->sample;
	}
	if (!live->controllers)
		return true;
	rest = (struct span){ live->controllers, live->controllers + strlen(live->controllers) };
	rest.end -= rest.end > rest.at && rest.end[-1] == '\n';
	while (span_word(&rest, &word)) {
		if (span_is(word, file->file->controller))
			return true;
	}
	return false;
}

/* Every field of the file that has nothing better yet gets this state. */
static void set_states(struct snapshot *snapshot, const struct plan_file *file, uint32_t index,
		       enum value_state state)
{
	for (size_t i = 0; i < file->n_fields; i++) {
		enum metric_id id = file->fields[i].id;

		if (snapshot_state(snapshot, id, index) != VALUE_OK)
			snapshot_set_state(snapshot, id, index, state);
	}
}

static enum value_state state_of_error(struct reader *reader, struct live *live,
				       const struct plan_file *file, int error)
{
	if (error == -EACCES || error == -EPERM)
		return VALUE_DENIED;
	/* EOPNOTSUPP: a threaded cgroup lists no processes, and some files only exist with
	 * hardware. */
	if (error != -ENOENT && error != -EOPNOTSUPP && error != -ENODEV) {
		reader->counts.errors++;
		return VALUE_FAILED;
	}
	if (live->parent && !controller_on(reader, live, file))
		return VALUE_DISABLED;
	return VALUE_ABSENT;
}

/* All of an alternative file's fields have their value from a better source. */
static bool is_settled(const struct snapshot *snapshot, const struct plan_file *file,
		       uint32_t index)
{
	for (size_t i = 0; i < file->n_fields; i++) {
		union value value;

		if (snapshot_get(snapshot, file->fields[i].id, index, &value) != VALUE_OK ||
		    (file->file->shape == SHAPE_LINES && value.u64 == 0))
			return false;
	}
	return true;
}

static bool is_kept(const struct reader *reader, const struct live *live,
		    const struct plan_file *file)
{
	return file->rank < reader->keep_files + (live->index < reader->keep_more);
}

/* Nothing that this file says is asked for of that cgroup. */
static bool is_supplied(const struct reader *reader, const struct live *live,
			const struct plan_file *file)
{
	return file->bpf && !(reader->asks && reader->asks[live->index] & file->bpf_parts);
}

static bool is_alive(struct reader *reader, struct walk *walk, const struct live *live,
		     unsigned int h)
{
	struct stat info;

	if (walk)
		return walk_alive(walk, live, h);
	return hierarchy_stat(&reader->hierarchies->list[h], live->node->path, &info) == 0 &&
	       info.st_ino == live->node->ids[h];
}

/*
 * Text of one file of one cgroup in reader->text. -ENODEV from a kept file: either the cgroup went
 * away or only the file did, because its controller was turned off.
 */
static int fetch(struct reader *reader, struct walk *walk, struct live *live, size_t at)
{
	struct plan_file *file = &reader->plan.files[at];
	bool keep = is_kept(reader, live, file);
	int fd = live->fds[at], r;

	if (fd >= 0) {
		r = read_fd(reader, fd);
		if (r != -ENODEV)
			return r;
		close(fd);
		live->fds[at] = FD_CLOSED;
		reader->counts.kept--;
		if (!is_alive(reader, walk, live, file->hierarchy))
			return -ESTALE;
	} else if (fd != FD_CLOSED && (reader->sample + live->node->serial) % RETRY_SAMPLES != 0) {
		return fd == FD_DENIED ? -EACCES : -ENOENT;
	}
	fd = open_file(reader, live, file);
	if (fd < 0) {
		live->fds[at] = fd == -EACCES ? FD_DENIED : fd == -ENOENT ? FD_MISSING : FD_CLOSED;
		if (fd == -ENOENT && !is_alive(reader, walk, live, file->hierarchy))
			return -ESTALE;
		return fd;
	}
	r = read_fd(reader, fd);
	if (keep && r == 0) {
		live->fds[at] = fd;
		reader->counts.kept++;
	} else {
		close(fd);
		live->fds[at] = FD_CLOSED;
		if (r == -ENODEV && !is_alive(reader, walk, live, file->hierarchy))
			return -ESTALE;
	}
	return r;
}

static int read_one(struct reader *reader, struct walk *walk, struct snapshot *snapshot,
		    struct live *live, size_t at)
{
	struct plan_file *file = &reader->plan.files[at];
	struct store store = { snapshot, reader->devices, live->index };
	int r;

	if (!live->node->ids[file->hierarchy] || is_supplied(reader, live, file) ||
	    (file->any && !file->part && is_settled(snapshot, file, live->index)))
		return 0;
	r = fetch(reader, walk, live, at);
	if (r == -ESTALE) {
		walk_suspect(live, file->hierarchy);
		set_states(snapshot, file, live->index, VALUE_GONE);
		return 0;
	}
	if (r < 0) {
		if (r == -ENOMEM)
			return r;
		set_states(snapshot, file, live->index, state_of_error(reader, live, file, r));
		return 0;
	}
	set_states(snapshot, file, live->index, VALUE_ABSENT);
	store_file(&store, file,
		   (struct span){ reader->text.data, reader->text.data + reader->text.length });
	if (store.n_missing > 0 && file->file->core && live->parent &&
	    !controller_on(reader, live, file)) {
		for (size_t i = 0; i < file->n_fields; i++) {
			if (snapshot_state(snapshot, file->fields[i].id, live->index) ==
			    VALUE_ABSENT)
				snapshot_set_state(snapshot, file->fields[i].id, live->index,
						   VALUE_DISABLED);
		}
	}
	return 0;
}

static void set_missing(const struct plan *plan, struct snapshot *snapshot)
{
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (metric_set_has(&plan->raw, (enum metric_id)id) && snapshot->columns[id].states)
			memset(snapshot->columns[id].states, plan->missing[id], snapshot->tree->n);
	}
}

static int make_fds(const struct reader *reader, struct live *live)
{
	if (live->fds || reader->plan.n == 0)
		return 0;
	live->fds = malloc(reader->plan.n * sizeof(*live->fds));
	if (!live->fds)
		return -ENOMEM;
	for (size_t at = 0; at < reader->plan.n; at++)
		live->fds[at] = FD_CLOSED;
	return 0;
}

static int read_live(struct reader *reader, struct walk *walk, struct snapshot *snapshot,
		     struct live *live)
{
	int r = make_fds(reader, live);

	for (size_t at = 0; at < reader->plan.n && r == 0; at++) {
		r = read_one(reader, walk, snapshot, live, at);
		/* A tree that grew past the budget gives kept files back. */
		if (live->fds[at] >= 0 && !is_kept(reader, live, &reader->plan.files[at])) {
			close(live->fds[at]);
			live->fds[at] = FD_CLOSED;
			reader->counts.kept--;
		}
	}
	return r;
}

int reader_read(struct reader *reader, struct walk *walk, struct bpf_sample *bpf,
		struct snapshot *snapshot)
{
	uint32_t n = snapshot->tree->n;
	unsigned int spare;
	int r;

	reader->sample++;
	spare = walk_kept(walk) < reader->max_fds ? reader->max_fds - walk_kept(walk) : 0;
	reader->keep_files = n ? spare / n : 0;
	reader->keep_more = n ? spare % n : 0;
	set_missing(&reader->plan, snapshot);
	r = bpf ? bpf_sample_fill(bpf, walk, snapshot) : 0;
	reader->asks = bpf ? bpf_sample_asks(bpf) : NULL;
	for (uint32_t i = 0; i < n && r == 0; i++) {
		if (bpf)
			bpf_sample_put_parts(bpf, reader->devices, snapshot, i);
		if (reader->n_files > 0 || !reader->asks || reader->asks[i])
			r = read_live(reader, walk, snapshot, walk_lives(walk)[i]);
	}
	return r < 0 ? r : snapshot_finish_parts(snapshot);
}

/* The directories of a cgroup whose files are read, if they are those of the same cgroup. */
static int open_dirs(struct reader *reader, struct live *live)
{
	uint32_t mask = reader_mask(reader);

	for (unsigned int h = 0; h < live->node->n_ids; h++) {
		struct stat info;
		int fd;

		if (!(mask >> h & 1) || live->node->ids[h] == 0)
			continue;
		reader->counts.opens++;
		fd = hierarchy_open(&reader->hierarchies->list[h], live->node->path, O_PATH);
		if (fd < 0)
			return fd;
		live->dirs[h].fd = fd;
		if (fstat(fd, &info) < 0)
			return -errno;
		if (info.st_ino != live->node->ids[h])
			return -ESTALE;
	}
	return 0;
}

static int read_node(struct reader *reader, struct live *live, struct snapshot *snapshot)
{
	int r = open_dirs(reader, live);

	for (size_t at = 0; at < reader->plan.n && r == 0; at++)
		r = read_one(reader, NULL, snapshot, live, at);
	/* Found dead while it was read. */
	if (r == 0 && live->rescan)
		r = -ENOENT;
	return r < 0 ? r : snapshot_finish_parts(snapshot);
}

int reader_read_node(struct reader *reader, struct snapshot *snapshot)
{
	struct node *node = snapshot->tree->nodes[0];
	struct live *live = calloc(1, sizeof(*live) + node->n_ids * sizeof(live->dirs[0]));
	int r = -ENOMEM;

	if (!live)
		return -ENOMEM;
	live->node = node;
	/* It only matters whether there is one. */
	live->parent = node->depth > 0 ? live : NULL;
	for (uint32_t h = 0; h < node->n_ids; h++)
		live->dirs[h].fd = -1;
	live->fds = calloc(reader->plan.n + 1, sizeof(*live->fds));
	for (size_t at = 0; live->fds && at < reader->plan.n; at++)
		live->fds[at] = FD_CLOSED;
	set_missing(&reader->plan, snapshot);
	if (live->fds)
		r = read_node(reader, live, snapshot);
	for (uint32_t h = 0; h < node->n_ids; h++) {
		if (live->dirs[h].fd >= 0)
			close(live->dirs[h].fd);
	}
	free(live->controllers);
	free(live->fds);
	free(live);
	return r;
}

const struct reader_counts *reader_counts(const struct reader *reader)
{
	return &reader->counts;
}
