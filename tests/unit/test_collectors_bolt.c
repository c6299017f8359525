// SPDX-License-Identifier: MIT
/*
 * bbolt's file format (go.etcd.io/bbolt 1.3, page.go, bucket.go, db.go), built by hand: two meta
 * pages, a branch over two leaves, a bucket of its own page and one within its parent's.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/bolt.h"

enum { PAGE = 1024, PAGES = 7, SIZE = PAGE * PAGES, BRANCH = 1, LEAF = 2 };

static void put16(unsigned char *at, uint16_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void put32(unsigned char *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void put64(unsigned char *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void put_meta(unsigned char *file, unsigned int page, uint64_t root, uint64_t transaction)
{
	unsigned char *at = file + page * PAGE + 16;
	uint64_t hash = UINT64_C(14695981039346656037);

	put64(file + page * PAGE, page);
	put32(at, 0xED0CDAED);
	put32(at + 4, 2);
	put32(at + 8, PAGE);
	put64(at + 16, root);
	put64(at + 40, PAGES);
	put64(at + 48, transaction);
	for (int i = 0; i < 56; i++)
		hash = (hash ^ at[i]) * UINT64_C(1099511628211);
	put64(at + 56, hash);
}

struct item {
	const char *key;
	const void *value;
	size_t size;
	uint32_t flags;
	uint64_t page; /* of a branch */
};

/* Writes a page of items; its bytes in use. */
static size_t put_page(unsigned char *page, uint64_t id, uint16_t flags, const struct item *items,
		       uint16_t n)
{
	size_t data = 16 + (size_t)n * 16;

	put64(page, id);
	put16(page + 8, flags);
	put16(page + 10, n);
	put32(page + 12, 0);
	for (uint16_t i = 0; i < n; i++) {
		unsigned char *at = page + 16 + (size_t)i * 16;
		size_t key = strlen(items[i].key);

		if (flags == BRANCH) {
			put32(at, (uint32_t)(page + data - at));
			put32(at + 4, (uint32_t)key);
			put64(at + 8, items[i].page);
		} else {
			put32(at, items[i].flags);
			put32(at + 4, (uint32_t)(page + data - at));
			put32(at + 8, (uint32_t)key);
			put32(at + 12, (uint32_t)items[i].size);
		}
		memcpy(page + data, items[i].key, key);
		if (items[i].size)
			memcpy(page + data + key, items[i].value, items[i].size);
		data += key + items[i].size;
	}
	return data;
}

static void build(unsigned char *file)
{
	const struct item inner[] = { { "name", "web", 3 }, { "size", "12", 2 } };
	const struct item apart[] = { { "far", "away", 4 } };
	unsigned char inline_bucket[256] = { 0 }, far_bucket[16] = { 0 };
	size_t inline_size = 16 + put_page(inline_bucket + 16, 0, LEAF, inner, 2);

	put64(far_bucket, 6);
	memset(file, 0, SIZE);
	put_meta(file, 0, 3, 10);
	put_meta(file, 1, 2, 11); /* the later one */
	put_page(file + 2 * PAGE, 2, BRANCH,
		 (const struct item[]){ { "a", .page = 4 }, { "m", .page = 5 } }, 2);
	put_page(file + 3 * PAGE, 3, LEAF, (const struct item[]){ { "old", "x", 1 } }, 1);
	put_page(file + 4 * PAGE, 4, LEAF,
		 (const struct item[]){ { "a", "1", 1 }, { "b", inline_bucket, inline_size, 1 } },
		 2);
	put_page(file + 5 * PAGE, 5, LEAF,
		 (const struct item[]){ { "m", far_bucket, 16, 1 }, { "z", "26", 2 } }, 2);
	put_page(file + 6 * PAGE, 6, LEAF, apart, 1);
}

static char path[64];

static void save(const unsigned char *file, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, file, size), (ssize_t)size);
	close(fd);
}

static int collect(void *data, const struct bolt_item *item)
{
	char *text = data;
	size_t length = strlen(text);

	(void)snprintf(text + length, 256 - length, "%.*s%s ", (int)item->key_size, item->key,
		       item->is_bucket ? "/" : "");
	return 0;
}

static void test_read(void **state)
{
	unsigned char file[SIZE];
	struct bolt_bucket root, bucket;
	struct bolt *bolt;
	char text[256] = "";

	(void)state;
	build(file);
	save(file, SIZE);
	assert_int_equal(bolt_open_at(AT_FDCWD, path, &bolt), 0);
	root = bolt_root(bolt);
	assert_int_equal(bolt_each(bolt, &root, collect, text), 0);
	assert_string_equal(text, "a b/ m/ z ");
	assert_int_equal(bolt_find_text(bolt, &root, "a", text, sizeof(text)), 1);
	assert_string_equal(text, "1");
	assert_int_equal(bolt_find_text(bolt, &root, "z", text, sizeof(text)), 2);
	assert_int_equal(bolt_find_text(bolt, &root, "z", text, 2), 1);
	assert_string_equal(text, "2");
	assert_int_equal(bolt_find_text(bolt, &root, "zz", text, sizeof(text)), -ENOENT);
	assert_int_equal(bolt_find_text(bolt, &root, "A", text, sizeof(text)), -ENOENT);
	assert_int_equal(bolt_find_text(bolt, &root, "l", text, sizeof(text)), -ENOENT);
	assert_int_equal(bolt_find_text(bolt, &root, "old", text, sizeof(text)), -ENOENT);
	assert_int_equal(bolt_find_text(bolt, &root, "b", text, sizeof(text)), -EBADMSG);
	assert_int_equal(bolt_find_bucket(bolt, &root, "a", &bucket), -EBADMSG);
	assert_int_equal(bolt_find_bucket(bolt, &root, "b", &bucket), 0);
	assert_int_equal(bolt_find_text(bolt, &bucket, "name", text, sizeof(text)), 3);
	assert_string_equal(text, "web");
	assert_int_equal(bolt_find_bucket(bolt, &root, "m", &bucket), 0);
	assert_int_equal(bolt_find_text(bolt, &bucket, "far", text, sizeof(text)), 4);
	assert_string_equal(text, "away");
	bolt_free(bolt);
}

/* A commit meanwhile is found out; a meta record that was cut is not believed. */
static void test_commits(void **state)
{
	unsigned char file[SIZE];
	struct bolt_bucket root;
	struct bolt *bolt;
	char text[256] = "";

	(void)state;
	build(file);
	save(file, SIZE);
	assert_int_equal(bolt_open_at(AT_FDCWD, path, &bolt), 0);
	assert_true(bolt_is_current(bolt));
	put_meta(file, 0, 3, 12);
	save(file, SIZE);
	assert_false(bolt_is_current(bolt));
	bolt_free(bolt);
	file[16 + 48]++;
	save(file, SIZE);
	assert_int_equal(bolt_open_at(AT_FDCWD, path, &bolt), 0);
	root = bolt_root(bolt);
	assert_int_equal(bolt_each(bolt, &root, collect, text), 0);
	assert_string_equal(text, "a b/ m/ z ");
	bolt_free(bolt);
	file[PAGE + 16]++;
	save(file, SIZE);
	assert_int_equal(bolt_open_at(AT_FDCWD, path, &bolt), -EBADMSG);
}

static int descend(void *data, const struct bolt_item *item)
{
	struct bolt *bolt = data;
	struct bolt_bucket bucket;
	char text[256] = "";

	if (bolt_bucket_of(item, &bucket) == 0)
		(void)bolt_each(bolt, &bucket, collect, text);
	return 0;
}

static int use(void)
{
	struct bolt_bucket root, bucket;
	struct bolt *bolt;
	char text[16];
	int r = bolt_open_at(AT_FDCWD, path, &bolt);

	if (r < 0)
		return r;
	root = bolt_root(bolt);
	r = bolt_each(bolt, &root, descend, bolt);
	if (bolt_find_bucket(bolt, &root, "b", &bucket) == 0)
		(void)bolt_find_text(bolt, &bucket, "name", text, sizeof(text));
	bolt_free(bolt);
	return r;
}

/* Whatever bytes it is made of, reading ends, and stays within. */
static void test_damage(void **state)
{
	static const unsigned char values[] = { 0, 1, 2, 0x7f, 0x80, 0xff };
	unsigned char file[SIZE], damaged[SIZE];

	(void)state;
	build(file);
	for (size_t at = 2 * PAGE; at < SIZE; at++) {
		if (at % PAGE > 192)
			continue;
		for (size_t i = 0; i < sizeof(values); i++) {
			memcpy(damaged, file, SIZE);
			damaged[at] = values[i];
			save(damaged, SIZE);
			(void)use();
		}
	}
	for (size_t size = 0; size < 6 * PAGE; size += 128) {
		save(file, size);
		assert_true(use() < 0);
	}
}

/* A branch that leads to itself is left after a bounded number of pages. */
static void test_loop(void **state)
{
	unsigned char file[SIZE];

	(void)state;
	build(file);
	put_page(file + 2 * PAGE, 2, BRANCH,
		 (const struct item[]){ { "a", .page = 2 }, { "m", .page = 2 } }, 2);
	save(file, SIZE);
	assert_true(use() < 0);
	/* A high-water mark below a page in use. */
	build(file);
	put64(file + 2 * PAGE + 16 + 8, 7);
	save(file, SIZE);
	assert_int_equal(use(), -EBADMSG);
}

static int make_path(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/cgwatch-bolt-XXXXXX");
	fd = mkstemp(path);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_commits),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_loop),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
