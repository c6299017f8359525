// SPDX-License-Identifier: MIT
#include "collectors/layer_known.h"

#include <stdlib.h>
#include <time.h>

enum {
	FIRST = 256,
	MOST = 1 << 22,
	RACY_SECONDS = 3, /* change times are as coarse as the timer's tick, at least */
};

void layer_known_done(struct layer_known *known)
{
	free(known->files);
	*known = (struct layer_known){ 0 };
}

void layer_known_begin(struct layer_known *known)
{
	known->walk++;
	known->now = (int64_t)time(NULL);
}

static int64_t ctime_of(const struct stat *status)
{
	return (int64_t)status->st_ctim.tv_sec * 1000000000 + status->st_ctim.tv_nsec;
}

static struct layer_known_file *place(const struct layer_known *known, uint64_t key)
{
	size_t at = (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (known->size - 1);

	while (known->files[at].key != 0 && known->files[at].key != key)
		at = (at + 1) & (known->size - 1);
	return &known->files[at];
}

bool layer_known_get(struct layer_known *known, uint64_t key, const struct stat *status,
		     unsigned int *ret_bits)
{
	struct layer_known_file *file;

	if (known->size == 0)
		return false;
	file = place(known, key);
	if (file->key != key || file->ctime_ns != ctime_of(status))
		return false;
	file->walk = known->walk;
	*ret_bits = file->bits;
	return true;
}

static bool fresh(const struct layer_known *known, const struct layer_known_file *file)
{
	return file->key != 0 && file->walk + 1 >= known->walk;
}

static bool grow(struct layer_known *known)
{
	struct layer_known bigger = { .size = FIRST, .walk = known->walk, .now = known->now };
	size_t live = 0;

	for (size_t i = 0; i < known->size; i++)
		live += fresh(known, &known->files[i]);
	while (bigger.size < live * 4)
		bigger.size *= 2;
	if (bigger.size > MOST)
		return false;
	bigger.files = calloc(bigger.size, sizeof(*bigger.files));
	if (!bigger.files)
		return false;
	for (size_t i = 0; i < known->size; i++) {
		if (fresh(known, &known->files[i]))
			*place(&bigger, known->files[i].key) = known->files[i];
	}
	bigger.used = live;
	free(known->files);
	*known = bigger;
	return true;
}

void layer_known_put(struct layer_known *known, uint64_t key, const struct stat *status,
		     unsigned int bits)
{
	struct layer_known_file *file;

	if (status->st_ctim.tv_sec + RACY_SECONDS > known->now)
		return;
	if (known->used * 2 >= known->size && !grow(known))
		return;
	file = place(known, key);
	known->used += file->key == 0;
	*file = (struct layer_known_file){ key, ctime_of(status), bits, known->walk };
}
