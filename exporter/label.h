/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/node.h"
#include "core/strbuf.h"

/* The longest start of at most `max` bytes (0: any) that ends with a whole character. */
size_t label_cut(const char *text, size_t length, uint32_t max);
/*
 * Appends a cgroup's path as a label value. Two cgroups never share one: where escaping or cutting
 * could make two paths alike, "#" and the inode are added.
 */
void label_add_cgroup(struct strbuf *out, const struct node *node, uint32_t max);
/* Appends ",name=\"value\"", escaped; NULL is "". */
void label_add(struct strbuf *out, const char *name, const char *value);
