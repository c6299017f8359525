// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

#include "core/glob.h"

/* A path as a cgroup can have it: a '/' in front of every component, none empty. */
static char *make_path(const char *text)
{
	char *path = malloc(strlen(text) + 2), *to = path;

	must(path);
	*to++ = '/';
	for (; *text; text++) {
		if (*text != '/' || to[-1] != '/')
			*to++ = *text;
	}
	to -= to > path + 1 && to[-1] == '/';
	*to = '\0';
	return path;
}

/* Every byte behind a backslash: a glob that means the path and nothing else. */
static char *quote(const char *path)
{
	char *glob = malloc(2 * strlen(path) + 1), *to = glob;

	must(glob);
	for (; *path; path++) {
		if (*path != '/')
			*to++ = '\\';
		*to++ = *path;
	}
	*to = '\0';
	return glob;
}

static void check_path(const char *path)
{
	char *quoted = quote(path);
	bool is_root = strcmp(path, "/") == 0;
	const char *reason;

	must(glob_match(quoted, path));
	must(glob_check(quoted, &reason) == 0);
	must(glob_match("/**", path) == !is_root);
	must(glob_match("**", path) == !is_root);
	must(is_root || glob_match("*", path));
	must(is_root || glob_match(strrchr(quoted, '/') + 1, path));
	free(quoted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *glob, *text, *path;
	const char *reason = "";

	if (size > 2048)
		size = 2048;
	text = fuzz_string(data, size);
	glob = strdup(text);
	must(glob);
	glob[strcspn(glob, "\n")] = '\0';
	path = make_path(text + strlen(glob) + (text[strlen(glob)] == '\n'));
	glob_match(glob, path);
	must((glob_check(glob, &reason) == 0) == (reason == NULL));
	check_path(path);
	free(path);
	free(glob);
	free(text);
	return 0;
}
