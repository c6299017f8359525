/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/*
 * Matches a cgroup path against a glob, component by component, byte by byte:
 *   ?       one byte but '/'           [a-z] [!a-z]  a set
 *   *       any run of bytes but '/'   \x            x itself
 *   **      as a whole component: any number of components; at the end at least one, so that
 *           "/batch/" followed by "**" is everything below /batch but not /batch
 * A glob without a leading '/' matches at any depth ("web.service").
 */
bool glob_match(const char *glob, const char *path);
/* Matches a text that is no path: '/' is a byte like the others, and "**" is no more than "*". */
bool glob_match_text(const char *glob, const char *text);
/* 0, or -EINVAL with a reason (static text) if the glob can match nothing by its form. */
int glob_check(const char *glob, const char **ret_reason);
