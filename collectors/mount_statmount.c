// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "collectors/mount_kernel.h"
#include "collectors/mount_space.h"
#include "core/cleanup.h"

/* 400 layers of long names pass a quarter of a megabyte; 500 of 4096 bytes are two. */
enum { FIRST_SIZE = 1 << 16, LARGEST_SIZE = 1 << 23, IDS_AT_ONCE = 1024 };

/*
 * What is compared in turn, of all namespaces together. Flags: a remount in a namespace that is not
 * ours makes no event. Mount points: their text makes a call two and a half times as dear, and it
 * changes alone only if a mount is moved below the same parent or a directory above it renamed.
 */
enum { FLAGS_A_PASS = 256, POINTS_A_PASS = 64 };

/* A window that moves over all records. */
struct turn {
	size_t start, width;
};

struct mount_statmount {
	const struct root *root;
	struct kernel_statmount *result;
	size_t size;
	uint64_t *ids;
	size_t n_ids, ids_capacity;
	uint64_t count;
	size_t total, position; /* records of all namespaces; those before the one being read */
	struct turn flags, points;
};

static const uint64_t everything = KERNEL_SB_BASIC | KERNEL_MNT_BASIC | KERNEL_MNT_ROOT |
				   KERNEL_MNT_POINT | KERNEL_FS_TYPE | KERNEL_FS_SUBTYPE |
				   KERNEL_SB_SOURCE | KERNEL_OPT_ARRAY;

/* Our own is asked for without an id: so it works without any rights, too. */
static uint64_t ns_of(const struct mount_space *space)
{
	return space->own ? 0 : space->id;
}

static int call(struct mount_statmount *reader, uint64_t mount_ns, uint64_t id, uint64_t mask)
{
	const struct kernel_mount_request request = {
		.size = sizeof(request), .mount_id = id, .param = mask, .mount_ns = mount_ns
	};

	reader->count++;
	while (kernel_statmount(&request, reader->result, reader->size) < 0) {
		struct kernel_statmount *larger;

		if (errno == EINTR)
			continue;
		if (errno != EOVERFLOW || reader->size >= LARGEST_SIZE)
			return -errno;
		larger = realloc(reader->result, reader->size * 2);
		if (!larger)
			return -ENOMEM;
		reader->result = larger;
		reader->size *= 2;
	}
	return 0;
}

static bool reserve_ids(struct mount_statmount *reader, size_t n)
{
	uint64_t *grown;

	if (n <= reader->ids_capacity)
		return true;
	grown = reallocarray(reader->ids, n, sizeof(*grown));
	if (!grown)
		return false;
	reader->ids = grown;
	reader->ids_capacity = n;
	return true;
}

static int list(struct mount_statmount *reader, uint64_t mount_ns)
{
	struct kernel_mount_request request = { .size = sizeof(request),
						.mount_id = KERNEL_MOUNT_ROOT,
						.mount_ns = mount_ns };
	long n;

	reader->n_ids = 0;
	do {
		if (!reserve_ids(reader, reader->n_ids + IDS_AT_ONCE))
			return -ENOMEM;
		n = kernel_listmount(&request, reader->ids + reader->n_ids, IDS_AT_ONCE);
		if (n < 0)
			return -errno;
		reader->n_ids += (size_t)n;
		if (n > 0)
			request.param = reader->ids[reader->n_ids - 1];
	} while (n == IDS_AT_ONCE);
	return 0;
}

int mount_statmount_new(const struct root *root, struct mount_statmount **ret_reader)
{
	struct mount_statmount *reader = calloc(1, sizeof(*reader));
	uint64_t supported = 0;
	int r;

	if (!reader)
		return -ENOMEM;
	reader->root = root;
	reader->flags.width = FLAGS_A_PASS;
	reader->points.width = POINTS_A_PASS;
	reader->size = FIRST_SIZE;
	reader->result = malloc(reader->size);
	r = reader->result ? list(reader, 0) : -ENOMEM;
	if (r == 0 && reader->n_ids > 0)
		r = call(reader, 0, reader->ids[0], KERNEL_SUPPORTED_MASK);
	if (r == 0 && reader->n_ids > 0 && reader->result->mask & KERNEL_SUPPORTED_MASK)
		supported = reader->result->supported;
	/* Kernels that cannot say what they have lack some of it, or soon are no more (6.13). */
	if (r != -ENOMEM && (supported & everything) != everything)
		r = -EOPNOTSUPP;
	if (r < 0) {
		mount_statmount_free(reader);
		return r;
	}
	reader->count = 0;
	*ret_reader = reader;
	return 0;
}

void mount_statmount_free(struct mount_statmount *reader)
{
	if (!reader)
		return;
	free(reader->result);
	free(reader->ids);
	free(reader);
}

uint64_t mount_statmount_count(const struct mount_statmount *reader)
{
	return reader->count;
}

static const char *text_of(const struct kernel_statmount *mount, uint64_t bit, uint32_t offset)
{
	return mount->mask & bit ? mount->text + offset : "";
}

static char propagation_of(uint64_t flags)
{
	if (flags & KERNEL_PROPAGATION_SHARED)
		return 's';
	if (flags & KERNEL_PROPAGATION_SLAVE)
		return 'm';
	return flags & KERNEL_PROPAGATION_UNBINDABLE ? 'u' : 'p';
}

/* As mountinfo writes them, in its order. */
static void add_options(struct strbuf *text, uint64_t attributes)
{
	static const struct {
		uint64_t mask, value;
		const char *name;
	} words[] = {
		{ KERNEL_ATTR_NOSUID, KERNEL_ATTR_NOSUID, ",nosuid" },
		{ KERNEL_ATTR_NODEV, KERNEL_ATTR_NODEV, ",nodev" },
		{ KERNEL_ATTR_NOEXEC, KERNEL_ATTR_NOEXEC, ",noexec" },
		{ KERNEL_ATTR_ATIME, KERNEL_ATTR_NOATIME, ",noatime" },
		{ KERNEL_ATTR_NODIRATIME, KERNEL_ATTR_NODIRATIME, ",nodiratime" },
		{ KERNEL_ATTR_ATIME, 0, ",relatime" },
		{ KERNEL_ATTR_NOSYMFOLLOW, KERNEL_ATTR_NOSYMFOLLOW, ",nosymfollow" },
	};

	strbuf_add_string(text, attributes & KERNEL_ATTR_RDONLY ? "ro" : "rw");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if ((attributes & words[i].mask) == words[i].value)
			strbuf_add_string(text, words[i].name);
	}
}

static const char **split_options(const struct kernel_statmount *mount)
{
	size_t n = mount->mask & KERNEL_OPT_ARRAY ? mount->n_options : 0;
	const char **array = calloc(n + 1, sizeof(*array));
	const char *at = mount->text + mount->options;

	for (size_t i = 0; array && i < n; i++) {
		array[i] = at;
		at += strlen(at) + 1;
	}
	return array;
}

static void add_fstype(struct strbuf *text, const struct kernel_statmount *mount)
{
	strbuf_add_string(text, text_of(mount, KERNEL_FS_TYPE, mount->fs_type));
	if (mount->mask & KERNEL_FS_SUBTYPE) {
		strbuf_add_char(text, '.');
		strbuf_add_string(text, mount->text + mount->fs_subtype);
	}
}

/* Of the mount in reader->result, if it matters: then 1. 0, or -ENOMEM. */
static int make_record(struct mount_statmount *reader, const struct mount_space *space,
		       struct mount_record **ret_record)
{
	const struct kernel_statmount *mount = reader->result;
	_cleanup_(strbuf_done) struct strbuf fstype, options;
	_cleanup_(freep) const char **array = NULL;
	struct mount_record *record;
	struct mount_entry entry;

	strbuf_init(&fstype);
	strbuf_init(&options);
	add_fstype(&fstype, mount);
	if (fstype.failed)
		return -ENOMEM;
	if (!mount_type_matters(fstype.data ? fstype.data : ""))
		return 0;
	add_options(&options, mount->attributes);
	array = split_options(mount);
	if (options.failed || !array)
		return -ENOMEM;
	entry = (struct mount_entry){
		.mount_ns = space->inode,
		.id = mount->id,
		.parent_id = mount->parent_id,
		.device = makedev(mount->sb_major, mount->sb_minor),
		.root = text_of(mount, KERNEL_MNT_ROOT, mount->mnt_root),
		.mountpoint = text_of(mount, KERNEL_MNT_POINT, mount->mnt_point),
		.fstype = fstype.data,
		.source = text_of(mount, KERNEL_SB_SOURCE, mount->sb_source),
		.options = options.data,
		.super_options = mount->sb_flags & KERNEL_SB_RDONLY ? "ro" : "rw",
		.option_array = array,
		.propagation = propagation_of(mount->propagation),
	};
	record = mount_record_new(&entry);
	if (!record)
		return -ENOMEM;
	record->attributes = mount->attributes;
	record->propagation = mount->propagation;
	record->sb_flags = mount->sb_flags;
	*ret_record = record;
	return 1;
}

void mount_statmount_begin(struct mount_statmount *reader, size_t total)
{
	reader->total = total;
	reader->position = 0;
	if (total == 0)
		return;
	reader->flags.start = (reader->flags.start + reader->flags.width) % total;
	reader->points.start = (reader->points.start + reader->points.width) % total;
}

/* True for the records of the present namespace whose turn it is. */
static bool is_due(const struct mount_statmount *reader, const struct turn *turn, size_t index)
{
	if (reader->total <= turn->width)
		return true;
	return (reader->position + index + reader->total - turn->start) % reader->total <
	       turn->width;
}

/* True if the record still says what is true; a mount that is gone counts as such. */
static bool still_true(struct mount_statmount *reader, const struct mount_space *space,
		       size_t index, bool with_point)
{
	const struct mount_record *record = space->records[index];
	const struct kernel_statmount *mount;
	uint64_t point = with_point ? KERNEL_MNT_POINT : 0;

	if (call(reader, ns_of(space), record->entry.id,
		 KERNEL_SB_BASIC | KERNEL_MNT_BASIC | point) < 0)
		return true;
	mount = reader->result;
	return mount->attributes == record->attributes && mount->sb_flags == record->sb_flags &&
	       mount->propagation == record->propagation &&
	       mount->parent_id == record->entry.parent_id &&
	       (point == 0 || strcmp(text_of(mount, KERNEL_MNT_POINT, mount->mnt_point),
				     record->entry.mountpoint) == 0);
}

static bool same_list(const struct mount_statmount *reader, const struct mount_space *space)
{
	if (!space->briefs || reader->n_ids != space->n_briefs)
		return false;
	for (size_t i = 0; i < reader->n_ids; i++) {
		if (reader->ids[i] != space->briefs[i].id)
			return false;
	}
	return true;
}

static bool due_still_true(struct mount_statmount *reader, const struct mount_space *space)
{
	for (size_t i = 0; i < space->n_records; i++) {
		bool point = is_due(reader, &reader->points, i);

		if ((point || is_due(reader, &reader->flags, i)) &&
		    !still_true(reader, space, i, point))
			return false;
	}
	return true;
}

static bool all_still_true(struct mount_statmount *reader, const struct mount_space *space)
{
	for (size_t i = 0; i < space->n_records; i++) {
		if (!still_true(reader, space, i, true))
			return false;
	}
	return true;
}

static void add_new(struct mount_statmount *reader, const struct mount_space *space, uint64_t id,
		    struct mount_draft *draft)
{
	const struct kernel_statmount *mount;
	struct mount_record *record;
	int r = call(reader, ns_of(space), id, everything);

	/* Gone since it was listed. */
	if (r < 0)
		return;
	mount = reader->result;
	mount_draft_add_brief(draft, id, mount->parent_id,
			      text_of(mount, KERNEL_MNT_POINT, mount->mnt_point));
	r = make_record(reader, space, &record);
	if (r < 0)
		draft->failed = true;
	else if (r > 0 && !mount_draft_add_record(draft, record))
		free(record);
}

/* How far the records are to be compared again when the list is made anew. */
enum check { CHECK_NOTHING, CHECK_FLAGS, CHECK_ALL };

/* Ids rise, in what is known and in the list. */
static void make_draft(struct mount_statmount *reader, const struct mount_space *space,
		       enum check check, struct mount_draft *draft)
{
	size_t brief = 0, known = 0;

	for (size_t i = 0; i < reader->n_ids; i++) {
		uint64_t id = reader->ids[i];
		const struct mount_record *record;

		while (brief < space->n_briefs && space->briefs[brief].id < id)
			brief++;
		while (known < space->n_records && space->records[known]->entry.id < id)
			known++;
		record = known < space->n_records && space->records[known]->entry.id == id
				 ? space->records[known]
				 : NULL;
		if (brief == space->n_briefs || space->briefs[brief].id != id ||
		    (record && check != CHECK_NOTHING &&
		     !still_true(reader, space, known, check == CHECK_ALL))) {
			add_new(reader, space, id, draft);
			continue;
		}
		mount_draft_add_brief(draft, id, space->briefs[brief].parent_id, NULL);
		if (!draft->failed)
			draft->briefs[draft->n_briefs - 1] = space->briefs[brief];
		if (record)
			mount_draft_add_record(draft, space->records[known]);
	}
}

/* Our own mounts make an event when they are remounted or moved: then all are looked at. */
static int read_changes(struct mount_statmount *reader, struct mount_space *space)
{
	struct mount_draft draft = { 0 };
	bool event = space->own && mount_space_poll(space, reader->root) != 0;
	bool known = space->n_briefs > 0, checked = !event && due_still_true(reader, space);
	bool same;
	int r;

	if (space->own && known && checked)
		return 0;
	r = list(reader, ns_of(space));
	if (r < 0)
		return r;
	same = known && same_list(reader, space);
	if (same && (checked || (event && all_still_true(reader, space))))
		return 0;
	/* A mount that came makes an event too: then mount points wait for their turn. */
	make_draft(reader, space,
		   checked	    ? CHECK_NOTHING
		   : event && !same ? CHECK_FLAGS
				    : CHECK_ALL,
		   &draft);
	return mount_space_take(space, &draft);
}

int mount_statmount_read(struct mount_statmount *reader, struct mount_space *space)
{
	size_t n = space->n_records;
	int r = read_changes(reader, space);

	reader->position += n;
	return r;
}

bool mount_ns_is_there(const struct mount_ns_info *info)
{
	const struct kernel_mount_request request = { .size = sizeof(request),
						      .mount_id = KERNEL_MOUNT_ROOT,
						      .mount_ns = info->id };
	uint64_t first;

	return info->id != 0 && (kernel_listmount(&request, &first, 1) >= 0 || errno != ENOENT);
}
