/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/strbuf.h"

/*
 * Reading of INI files through inih, for policies and for the agent's configuration: every error is
 * kept with its file and line, no line is cut in silence, and a file that somebody else could have
 * written is refused.
 */

struct ini_error {
	char *file;
	unsigned int line; /* 0: the file as a whole */
	bool warning;
	char *text; /* "what: why" */
};

/* All that was found wrong, in the order of finding. Zeroed is empty. */
struct ini_errors {
	struct ini_error *list;
	size_t n;
	size_t n_errors; /* without the warnings */
};

/* One `key = value`, or the start of a section (then key and value are NULL). */
struct ini_entry {
	const char *file;
	unsigned int line;
	const char *section; /* "" before the first one */
	const char *key, *value;
};

/* Adds one error, or a warning. What cannot be kept for want of memory still counts. */
void ini_errors_add(struct ini_errors *errors, const char *file, unsigned int line, bool warning,
		    const char *format, ...) __attribute__((format(printf, 5, 6)));
/* "file:line: what: why", or "file:line: warning: what: why", made safe for a terminal. */
void ini_errors_format(const struct ini_error *error, struct strbuf *buffer);
void ini_errors_done(struct ini_errors *errors);

/*
 * Calls `handler` for every section header and every `key = value` of the file, with spaces and
 * comments (after ";" or, at the start of a line, "#") taken off. The strings live until it
 * returns. The handler adds what it finds wrong to `errors` itself; reading goes on to the end, so
 * that all errors are seen at once.
 *
 * The file must be regular, owned by root or by us, not writable for group or others, and not a
 * symbolic link; its directory and all above it likewise, though these may be sticky (/tmp) and
 * reached through links. Returns 0, or -EINVAL
 * if the file holds errors (also those the handler added), or -errno if it could not be read;
 * whatever it is, it stands in `errors`.
 */
int ini_file_parse(const char *path, void (*handler)(void *data, const struct ini_entry *entry),
		   void *data, struct ini_errors *errors);
/*
 * The "*.ini" files of a directory, sorted by name (bytes), as full paths; free each and the list.
 * The directory is checked as above. 0, or -errno with the reason in `errors`.
 */
int ini_directory_list(const char *path, char ***ret_paths, size_t *ret_n,
		       struct ini_errors *errors);
