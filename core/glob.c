// SPDX-License-Identifier: MIT
#include "core/glob.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Reads "[...]" at `*glob` (after the bracket); moves `*glob` behind it. */
static bool match_set(const char **glob, unsigned char c)
{
	const char *at = *glob;
	bool negate = *at == '!' || *at == '^', found = false, first = true;

	at += negate;
	while (*at && (*at != ']' || first)) {
		unsigned char low = (unsigned char)*at, high;

		first = false;
		if (low == '\\' && at[1])
			low = (unsigned char)*++at;
		high = low;
		if (at[1] == '-' && at[2] && at[2] != ']') {
			at += 2;
			at += *at == '\\' && at[1];
			high = (unsigned char)*at;
		}
		found |= c >= low && c <= high;
		at++;
	}
	*glob = *at ? at + 1 : at;
	return found != negate;
}

static bool is_end(char c)
{
	return c == '\0' || c == '/';
}

/* One byte of the glob against one byte of the name; moves `*glob` behind what it used. */
static bool match_byte(const char **glob, unsigned char c)
{
	char g = *(*glob)++;

	if (g == '?')
		return true;
	if (g == '[')
		return match_set(glob, c);
	if (g == '\\' && **glob)
		g = *(*glob)++;
	return (unsigned char)g == c;
}

/* One component. Backtracks to the last '*' only: linear in practice, never exponential. */
static bool match_bytes(const char *glob, const char *name, size_t length, bool (*is_over)(char c))
{
	const char *star = NULL, *end = name + length, *resume = NULL;

	while (name < end) {
		if (*glob == '*') {
			star = ++glob;
			resume = name;
			continue;
		}
		if (!is_over(*glob) && match_byte(&glob, (unsigned char)*name)) {
			name++;
			continue;
		}
		if (!star)
			return false;
		glob = star;
		name = ++resume;
	}
	while (*glob == '*')
		glob++;
	return is_over(*glob);
}

static bool match_component(const char *glob, const char *name, size_t length)
{
	return match_bytes(glob, name, length, is_end);
}

static bool is_nul(char c)
{
	return c == '\0';
}

bool glob_match_text(const char *glob, const char *text)
{
	return match_bytes(glob, text, strlen(text), is_nul);
}

static const char *next_component(const char *text)
{
	text += strcspn(text, "/");
	return *text ? text + 1 : text;
}

/* A '/' inside brackets or after a backslash would end the component: glob_check() refuses those.
 */
static bool match_components(const char *glob, const char *path)
{
	const char *star_glob = NULL, *star_path = NULL;

	for (;;) {
		if (strncmp(glob, "**", 2) == 0 && is_end(glob[2])) {
			if (!glob[2])
				return *path != '\0';
			star_glob = glob = next_component(glob);
			star_path = path;
			continue;
		}
		if (!*glob && !*path)
			return true;
		if (*glob && *path && match_component(glob, path, strcspn(path, "/"))) {
			glob = next_component(glob);
			path = next_component(path);
			continue;
		}
		if (!star_path || !*star_path)
			return false;
		glob = star_glob;
		path = star_path = next_component(star_path);
	}
}

bool glob_match(const char *glob, const char *path)
{
	path += *path == '/';
	if (*glob == '/')
		return match_components(glob + 1, path);
	for (;;) {
		if (match_components(glob, path))
			return true;
		if (!*path)
			return false;
		path = next_component(path);
	}
}

int glob_check(const char *glob, const char **ret_reason)
{
	bool set = false;

	*ret_reason = NULL;
	if (!*glob)
		*ret_reason = "it is empty";
	else if (strlen(glob) > 1 && glob[strlen(glob) - 1] == '/')
		*ret_reason = "it ends with '/', and no cgroup path does";
	else if (strstr(glob, "//"))
		*ret_reason = "it holds '//', and no cgroup path does";
	for (const char *at = glob; *at && !*ret_reason; at++) {
		if (*at == '\\') {
			if (!at[1] || at[1] == '/')
				*ret_reason =
					"a backslash needs a character other than '/' after it";
			else
				at++;
		} else if (*at == '/' && set) {
			*ret_reason = "'/' stands inside brackets";
		} else if (*at == '[' && !set) {
			set = true;
			/* A ']' that stands first is a member. */
			at += at[1] == '!' || at[1] == '^';
			at += at[1] == ']';
		} else if (*at == ']') {
			set = false;
		}
	}
	if (set && !*ret_reason)
		*ret_reason = "a '[' is not closed";
	return *ret_reason ? -EINVAL : 0;
}
