/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * A hash of bytes, eight at a time since some texts are most of a megabyte. Good for tables and for
 * telling one text from another; not against somebody who looks for collisions.
 */
static inline uint64_t hash_bytes(const char *text, size_t length)
{
	uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ length, word;

	while (length >= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
		hash ^= hash >> 32;
		text += sizeof(word);
		length -= sizeof(word);
	}
	word = 0;
	memcpy(&word, text, length);
	hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
	return hash ^ hash >> 32;
}

static inline uint64_t hash_string(const char *text)
{
	return hash_bytes(text, strlen(text));
}
