/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads bbolt databases (go.etcd.io/bbolt, file format version 2), in which containerd and BuildKit
 * keep their records, while their owner has them open: only with pread(), without a lock. bbolt
 * never overwrites a page of the last committed state, but of the one before: what was read is true
 * only if bolt_is_current() says so afterwards. Bytes from outside: every offset is checked, and
 * the number of pages is bounded.
 */
struct bolt;

/* A bucket: its root page, or the page that lies within its parent's. */
struct bolt_bucket {
	uint64_t root;
	const unsigned char *page; /* the inline one, if root is 0 */
	size_t size;
};

struct bolt_item {
	const unsigned char *key, *value;
	size_t key_size, value_size;
	bool is_bucket;
};

/* -EBADMSG: no such database. -errno. */
int bolt_open_at(int dir_fd, const char *name, struct bolt **ret_bolt);
void bolt_free(struct bolt *bolt);
/* True if nothing was committed since it was opened. */
bool bolt_is_current(struct bolt *bolt);
/* The bucket of all buckets. */
struct bolt_bucket bolt_root(const struct bolt *bolt);
/* The bucket in an item, valid as long as the item. -EBADMSG. */
int bolt_bucket_of(const struct bolt_item *item, struct bolt_bucket *ret_bucket);
/*
 * Calls `found` with each item in the order of the keys, until it returns other than 0. The item is
 * valid during the call. That, or -EBADMSG, -E2BIG (too many pages), -errno.
 */
int bolt_each(struct bolt *bolt, const struct bolt_bucket *bucket,
	      int (*found)(void *data, const struct bolt_item *item), void *data);
/* The bucket of that name in a bucket; valid as long as the database. -ENOENT, or as above. */
int bolt_find_bucket(struct bolt *bolt, const struct bolt_bucket *in, const char *name,
		     struct bolt_bucket *ret_bucket);
/* The text of a key, cut to `size` with its NUL. Its length; -ENOENT; or as above. */
int bolt_find_text(struct bolt *bolt, const struct bolt_bucket *in, const char *name, char *text,
		   size_t size);
bool bolt_key_is(const struct bolt_item *item, const char *key);
