/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collectors/hierarchy.h"

/*
 * What a file of a hierarchy has on this kernel: the text of the root's, or where the root has none
 * of the first cgroup below it that has one. NULL if none was found or it could not be read.
 * Free it.
 */
char *file_keys_read(const struct hierarchy *hierarchy, const char *file);
/* Whether a line of that text begins with the word `key`; true of any text if `length` is 0. */
bool file_keys_has(const char *text, const char *key, size_t length);
