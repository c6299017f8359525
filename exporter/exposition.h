/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include "core/strbuf.h"

/*
 * The text of one snapshot, shared by every scrape of it and freed when the last one is sent. It is
 * compressed once, at the first scrape that wants it so.
 */
struct exposition;

/* Takes the text over, also on failure. NULL if there is no memory. */
struct exposition *exposition_new(struct strbuf *text);
struct exposition *exposition_ref(struct exposition *exposition);
void exposition_unref(struct exposition *exposition);
/* The text. Valid as long as the exposition is held. */
const char *exposition_text(const struct exposition *exposition, size_t *ret_length);
/* The same compressed (RFC 1952); NULL if there is no memory. Thread-safe. */
const char *exposition_gzip(struct exposition *exposition, size_t *ret_length);

/*
 * Appends the families of `text` that are named, as the `name[]` of client libraries asks for.
 * Pure.
 */
void exposition_filter(const char *text, size_t length, const char *const *names, size_t n,
		       struct strbuf *out);
