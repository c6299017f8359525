/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/strbuf.h"

/*
 * Names of cgroups, processes and mounts are bytes from outside: anything but '/' and NUL can
 * occur. These functions make them safe for one kind of output each.
 */

/*
 * Reads one UTF-8 character (RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF)
 * from `text` of `length` bytes. Returns its length in bytes, or 0 if the bytes are not valid
 * there.
 */
size_t utf8_decode(const char *text, size_t length, uint32_t *ret_codepoint);

/* UTF-8 of a character (at most U+10FFFF) into `out`, without a NUL; returns its length. */
size_t utf8_encode(uint32_t codepoint, char out[4]);
/*
 * For a terminal or a log line: control characters, bidirectional overrides and invalid bytes
 * become \xNN or \uNNNN, a backslash becomes \\. Writes at most `size - 1` bytes and a NUL, never
 * half a character; returns the bytes written.
 */
size_t escape_terminal(const char *text, size_t length, char *target, size_t size);
/* The same, appended. */
void escape_terminal_append(struct strbuf *buffer, const char *text, size_t length);
/*
 * The body of a JSON string (RFC 8259). An invalid byte 0xNN becomes the four characters \xNN (the
 * backslash itself escaped), so that two different names stay different.
 */
void escape_json(struct strbuf *buffer, const char *text, size_t length);
/* A Prometheus label value (text format 0.0.4): \\ \" \n, invalid bytes as the characters \xNN. */
void escape_label(struct strbuf *buffer, const char *text, size_t length);
/* A CSV field (RFC 4180), quoted where needed; control characters as for a terminal. */
void escape_csv(struct strbuf *buffer, const char *text, size_t length);
