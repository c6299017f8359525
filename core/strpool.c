// SPDX-License-Identifier: MIT
#include "core/strpool.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct entry *next;
	size_t length;
	char text[];
};

struct strpool {
	atomic_int refs;
	struct entry **buckets;
	size_t n_buckets, n, size;
};

struct strpool *strpool_new(void)
{
	struct strpool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->n_buckets = 64;
	pool->buckets = calloc(pool->n_buckets, sizeof(struct entry *));
	if (!pool->buckets) {
		free(pool);
		return NULL;
	}
	atomic_init(&pool->refs, 1);
	return pool;
}

struct strpool *strpool_ref(struct strpool *pool)
{
	atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
	return pool;
}

void strpool_unref(struct strpool *pool)
{
	if (!pool || atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < pool->n_buckets; i++) {
		while (pool->buckets[i]) {
			struct entry *entry = pool->buckets[i];

			pool->buckets[i] = entry->next;
			free(entry);
		}
	}
	free(pool->buckets);
	free(pool);
}

static size_t hash(const char *text, size_t length)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < length; i++)
		h = (h ^ (unsigned char)text[i]) * 1099511628211u;
	return (size_t)(h ^ h >> 32);
}

static void grow(struct strpool *pool)
{
	size_t n_buckets = pool->n_buckets * 4;
	struct entry **buckets = calloc(n_buckets, sizeof(struct entry *));

	if (!buckets)
		return;
	for (size_t i = 0; i < pool->n_buckets; i++) {
		while (pool->buckets[i]) {
			struct entry *entry = pool->buckets[i];
			size_t at = hash(entry->text, entry->length) % n_buckets;

			pool->buckets[i] = entry->next;
			entry->next = buckets[at];
			buckets[at] = entry;
		}
	}
	free(pool->buckets);
	pool->buckets = buckets;
	pool->n_buckets = n_buckets;
}

const char *strpool_add(struct strpool *pool, const char *text, size_t length)
{
	size_t at = hash(text, length) % pool->n_buckets;
	struct entry *entry;

	for (entry = pool->buckets[at]; entry; entry = entry->next) {
		if (entry->length == length && memcmp(entry->text, text, length) == 0)
			return entry->text;
	}
	if (pool->n >= 2 * pool->n_buckets) {
		grow(pool);
		at = hash(text, length) % pool->n_buckets;
	}
	entry = malloc(sizeof(*entry) + length + 1);
	if (!entry)
		return NULL;
	entry->length = length;
	memcpy(entry->text, text, length);
	entry->text[length] = '\0';
	entry->next = pool->buckets[at];
	pool->buckets[at] = entry;
	pool->n++;
	pool->size += sizeof(*entry) + length + 1;
	return entry->text;
}

size_t strpool_size(const struct strpool *pool)
{
	return pool->size + pool->n_buckets * sizeof(struct entry *);
}
