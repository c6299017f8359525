// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/bolt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/cleanup.h"

/*
 * The file: pages, each with a header (id 8, flags 2, count 2, overflow 4 bytes), in the byte order
 * of the machine that wrote it. Pages 0 and 1 hold the two meta records by turns.
 *   meta          magic 4, version 4, page size 4, flags 4, root bucket 16, freelist 8,
 *                 high-water page 8, transaction 8, FNV-1a of all that 8
 *   branch item   position 4, key size 4, page 8            position counts from the item itself
 *   leaf item     flags 4, position 4, key size 4, value size 4; flag 1: the value is a bucket
 *   bucket        root page 8, sequence 8; root page 0: one page follows within the value
 */
enum {
	HEADER = 16,
	META_SIZE = 64,
	ITEM = 16,
	FLAG_BRANCH = 1,
	FLAG_LEAF = 2,
	LEAF_BUCKET = 1,
	BUCKET_SIZE = 16,
	DEPTH_MAX = 32,
	PAGES_MAX = 65536,
	PAGE_BYTES_MAX = 1 << 24,
	BYTES_MAX = 1 << 28,
};

#define MAGIC UINT32_C(0xED0CDAED)

struct meta {
	uint64_t page_size, root, high_water, transaction;
};

struct bolt {
	int fd;
	struct meta meta;
	uint32_t pages;	    /* read so far */
	uint64_t bytes;	    /* in them */
	struct arena arena; /* of buckets that were found */
};

static uint16_t get16(const unsigned char *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint32_t get32(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t get64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t checksum(const unsigned char *at, size_t size)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ at[i]) * UINT64_C(1099511628211);
	return hash;
}

static bool parse_meta(const unsigned char *at, struct meta *meta)
{
	if (get32(at) != MAGIC || get32(at + 4) != 2 || get64(at + 56) != checksum(at, 56))
		return false;
	*meta = (struct meta){ .page_size = get32(at + 8),
			       .root = get64(at + 16),
			       .high_water = get64(at + 40),
			       .transaction = get64(at + 48) };
	return meta->page_size >= 512 && meta->page_size <= 65536 &&
	       (meta->page_size & (meta->page_size - 1)) == 0;
}

/* The meta record of the last transaction. The second one's place depends on the page size. */
static int read_meta(int fd, struct meta *ret_meta)
{
	unsigned char bytes[META_SIZE];
	bool found = false;

	for (uint64_t at = 0; at <= 65536; at = at ? 2 * at : 512) {
		struct meta meta;

		if (pread(fd, bytes, sizeof(bytes), (off_t)(at + HEADER)) != sizeof(bytes))
			break;
		if (!parse_meta(bytes, &meta) || (at != 0 && at != meta.page_size))
			continue;
		if (!found || meta.transaction > ret_meta->transaction)
			*ret_meta = meta;
		found = true;
	}
	return found ? 0 : -EBADMSG;
}

int bolt_open_at(int dir_fd, const char *name, struct bolt **ret_bolt)
{
	struct bolt *bolt = calloc(1, sizeof(*bolt));
	struct stat status;
	int r;

	if (!bolt)
		return -ENOMEM;
	arena_init(&bolt->arena);
	bolt->fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	r = bolt->fd < 0 || fstat(bolt->fd, &status) < 0 ? -errno : 0;
	if (r == 0 && !S_ISREG(status.st_mode))
		r = -EBADMSG;
	if (r == 0)
		r = read_meta(bolt->fd, &bolt->meta);
	if (r < 0) {
		bolt_free(bolt);
		return r;
	}
	*ret_bolt = bolt;
	return 0;
}

void bolt_free(struct bolt *bolt)
{
	if (!bolt)
		return;
	closep(&bolt->fd);
	arena_done(&bolt->arena);
	free(bolt);
}

bool bolt_is_current(struct bolt *bolt)
{
	struct meta now;

	return read_meta(bolt->fd, &now) == 0 && now.transaction == bolt->meta.transaction;
}

struct bolt_bucket bolt_root(const struct bolt *bolt)
{
	return (struct bolt_bucket){ .root = bolt->meta.root };
}

static int read_exactly(int fd, unsigned char *to, size_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t n = pread(fd, to, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		to += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* A page and those it overflows into. The caller frees it. */
static int load_page(struct bolt *bolt, uint64_t id, unsigned char **ret_page, size_t *ret_size)
{
	uint64_t page_size = bolt->meta.page_size, size;
	unsigned char header[HEADER], *page;
	int r;

	if (id < 2 || id >= bolt->meta.high_water || id > INT64_MAX / 65536)
		return -EBADMSG;
	if (++bolt->pages > PAGES_MAX)
		return -E2BIG;
	r = read_exactly(bolt->fd, header, sizeof(header), id * page_size);
	if (r < 0)
		return r;
	size = ((uint64_t)get32(header + 12) + 1) * page_size;
	if (get64(header) != id || size > PAGE_BYTES_MAX)
		return -EBADMSG;
	bolt->bytes += size;
	if (bolt->bytes > BYTES_MAX)
		return -E2BIG;
	page = malloc(size);
	if (!page)
		return -ENOMEM;
	r = read_exactly(bolt->fd, page, size, id * page_size);
	if (r < 0) {
		free(page);
		return r;
	}
	*ret_page = page;
	*ret_size = size;
	return 0;
}

struct visit {
	struct bolt *bolt;
	const char *only; /* NULL: all keys */
	size_t only_size;
	int (*found)(void *data, const struct bolt_item *item);
	void *data;
};

/* Order of a key against the one that is looked for. */
static int compare_key(const struct visit *visit, const unsigned char *key, size_t size)
{
	size_t common = size < visit->only_size ? size : visit->only_size;
	int order = memcmp(key, visit->only, common);

	return order != 0 ? order : (size > visit->only_size) - (size < visit->only_size);
}

static int visit_leaf(const struct visit *visit, const unsigned char *page, size_t size)
{
	uint16_t count = get16(page + 10);

	if (size < HEADER + (size_t)count * ITEM)
		return -EBADMSG;
	for (uint16_t i = 0; i < count; i++) {
		size_t at = HEADER + (size_t)i * ITEM;
		uint64_t start = at + (uint64_t)get32(page + at + 4);
		struct bolt_item item = { .is_bucket = get32(page + at) & LEAF_BUCKET,
					  .key_size = get32(page + at + 8),
					  .value_size = get32(page + at + 12) };
		int r;

		if (start + item.key_size + item.value_size > size)
			return -EBADMSG;
		item.key = page + start;
		item.value = item.key + item.key_size;
		if (visit->only && compare_key(visit, item.key, item.key_size) != 0)
			continue;
		r = visit->found(visit->data, &item);
		if (r != 0)
			return r;
	}
	return 0;
}

static int visit_id(const struct visit *visit, uint64_t id, unsigned int depth);

/* With one key to find, only the last child that begins at or before it. */
static int visit_branch(const struct visit *visit, const unsigned char *page, size_t size,
			unsigned int depth)
{
	uint16_t count = get16(page + 10), first = 0, last = count;

	if (size < HEADER + (size_t)count * ITEM)
		return -EBADMSG;
	for (uint16_t i = 0; visit->only && i < count; i++) {
		size_t at = HEADER + (size_t)i * ITEM;
		uint64_t start = at + (uint64_t)get32(page + at);
		uint32_t key_size = get32(page + at + 4);

		if (start + key_size > size)
			return -EBADMSG;
		if (i > 0 && compare_key(visit, page + start, key_size) > 0)
			break;
		first = i;
		last = (uint16_t)(i + 1);
	}
	for (uint16_t i = first; i < last; i++) {
		int r = visit_id(visit, get64(page + HEADER + (size_t)i * ITEM + 8), depth + 1);

		if (r != 0)
			return r;
	}
	return 0;
}

static int visit_page(const struct visit *visit, const unsigned char *page, size_t size,
		      unsigned int depth)
{
	uint16_t flags;

	if (size < HEADER)
		return -EBADMSG;
	flags = get16(page + 8);
	if (flags & FLAG_LEAF)
		return visit_leaf(visit, page, size);
	if (!(flags & FLAG_BRANCH) || depth >= DEPTH_MAX)
		return -EBADMSG;
	return visit_branch(visit, page, size, depth);
}

static int visit_id(const struct visit *visit, uint64_t id, unsigned int depth)
{
	_cleanup_(freep) unsigned char *page = NULL;
	size_t size;
	int r = load_page(visit->bolt, id, &page, &size);

	return r < 0 ? r : visit_page(visit, page, size, depth);
}

static int visit_bucket(const struct visit *visit, const struct bolt_bucket *bucket)
{
	if (bucket->root != 0)
		return visit_id(visit, bucket->root, 0);
	return visit_page(visit, bucket->page, bucket->size, 0);
}

int bolt_each(struct bolt *bolt, const struct bolt_bucket *bucket,
	      int (*found)(void *data, const struct bolt_item *item), void *data)
{
	const struct visit visit = { .bolt = bolt, .found = found, .data = data };

	return visit_bucket(&visit, bucket);
}

int bolt_bucket_of(const struct bolt_item *item, struct bolt_bucket *ret_bucket)
{
	if (!item->is_bucket || item->value_size < BUCKET_SIZE)
		return -EBADMSG;
	*ret_bucket = (struct bolt_bucket){ .root = get64(item->value),
					    .page = item->value + BUCKET_SIZE,
					    .size = item->value_size - BUCKET_SIZE };
	return 0;
}

bool bolt_key_is(const struct bolt_item *item, const char *key)
{
	size_t size = strlen(key);

	return item->key_size == size && memcmp(item->key, key, size) == 0;
}

struct keep {
	struct bolt *bolt;
	struct bolt_bucket bucket;
	char *text;
	size_t size;
	int length;
};

/* A bucket of its own memory, as the page it was found in goes away. */
static int keep_bucket(void *data, const struct bolt_item *item)
{
	struct keep *keep = data;
	int r = bolt_bucket_of(item, &keep->bucket);

	if (r < 0)
		return r;
	if (keep->bucket.root == 0)
		keep->bucket.page = (const unsigned char *)arena_copy(
			&keep->bolt->arena, (const char *)keep->bucket.page, keep->bucket.size);
	return keep->bolt->arena.failed ? -ENOMEM : 1;
}

static int keep_text(void *data, const struct bolt_item *item)
{
	struct keep *keep = data;
	size_t n = item->value_size < keep->size - 1 ? item->value_size : keep->size - 1;

	if (item->is_bucket)
		return -EBADMSG;
	memcpy(keep->text, item->value, n);
	keep->text[n] = '\0';
	keep->length = (int)n;
	return 1;
}

static int find(struct bolt *bolt, const struct bolt_bucket *in, const char *name,
		int (*found)(void *data, const struct bolt_item *item), struct keep *keep)
{
	const struct visit visit = {
		.bolt = bolt, .only = name, .only_size = strlen(name), .found = found, .data = keep
	};
	int r = visit_bucket(&visit, in);

	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

int bolt_find_bucket(struct bolt *bolt, const struct bolt_bucket *in, const char *name,
		     struct bolt_bucket *ret_bucket)
{
	struct keep keep = { .bolt = bolt };
	int r = find(bolt, in, name, keep_bucket, &keep);

	if (r == 0)
		*ret_bucket = keep.bucket;
	return r;
}

int bolt_find_text(struct bolt *bolt, const struct bolt_bucket *in, const char *name, char *text,
		   size_t size)
{
	struct keep keep = { .bolt = bolt, .text = text, .size = size };
	int r = find(bolt, in, name, keep_text, &keep);

	return r < 0 ? r : keep.length;
}
