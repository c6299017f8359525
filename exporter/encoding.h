/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/*
 * True if Accept-Encoding (RFC 9110, 12.5.3; NULL for none) prefers gzip to no encoding, or likes
 * both as much. Pure.
 */
bool encoding_prefers_gzip(const char *accept_encoding);
