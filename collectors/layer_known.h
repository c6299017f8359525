/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * What the attributes of files were found to be, so that the next walk need not ask for them again:
 * asking costs as much as everything else about a file. An inode that has the same change time has
 * the same attributes, for setting one changes that time. All zeros is an empty one.
 */
struct layer_known {
	struct layer_known_file {
		uint64_t key; /* of the inode; 0: free */
		int64_t ctime_ns;
		unsigned int bits, walk;
	} * files;
	size_t size, used;
	unsigned int walk; /* the present one: what two walks did not see is forgotten */
	int64_t now;	   /* CLOCK_REALTIME in seconds, at its beginning */
};

void layer_known_done(struct layer_known *known);
/* Another walk begins. */
void layer_known_begin(struct layer_known *known);
/* True if it is known: `ret_bits`. */
bool layer_known_get(struct layer_known *known, uint64_t key, const struct stat *status,
		     unsigned int *ret_bits);
/* Nothing happens without memory, or if the file changed just now and may again unnoticed. */
void layer_known_put(struct layer_known *known, uint64_t key, const struct stat *status,
		     unsigned int bits);
