/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/*
 * Interned strings: one copy of each, at an address that stays valid as long as anybody holds the
 * pool. One thread adds; any thread may read the strings it was given.
 */
struct strpool;

/* NULL if there is no memory. The caller holds the first reference. */
struct strpool *strpool_new(void);
struct strpool *strpool_ref(struct strpool *pool);
void strpool_unref(struct strpool *pool);
/* The interned copy; NULL if there is no memory. */
const char *strpool_add(struct strpool *pool, const char *text, size_t length);
/* Bytes held, for the agent's own accounts. */
size_t strpool_size(const struct strpool *pool);
