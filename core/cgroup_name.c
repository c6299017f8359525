// SPDX-License-Identifier: MIT
#include "core/cgroup_name.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

/* "user-1000.slice" or "user@1000.service", of `length` bytes. */
static bool parse_user(const char *name, size_t length, uid_t *ret_uid)
{
	size_t n = 0;
	uint64_t uid = 0;

	if (length < 5 || memcmp(name, "user", 4) != 0 || (name[4] != '-' && name[4] != '@'))
		return false;
	for (; 5 + n < length && isdigit((unsigned char)name[5 + n]) && n < 11; n++)
		uid = uid * 10 + (uint64_t)(name[5 + n] - '0');
	if (n == 0 || uid >= UINT32_MAX)
		return false;
	length -= 5 + n;
	if (name[4] == '-' ? length != 6 || memcmp(name + 5 + n, ".slice", 6) != 0
			   : length != 8 || memcmp(name + 5 + n, ".service", 8) != 0)
		return false;
	*ret_uid = (uid_t)uid;
	return true;
}

bool cgroup_user(const char *path, uid_t *ret_uid)
{
	bool found = false;

	while (*path) {
		size_t length = strcspn(path, "/");

		found = parse_user(path, length, ret_uid) || found;
		path += length;
		path += *path == '/';
	}
	return found;
}

/* 36 characters of a UUID with one separator, or 32 hexadecimal digits. Their number, or 0. */
static size_t uid_length(const char *text, char separator)
{
	static const size_t groups[] = { 8, 4, 4, 4, 12 };
	size_t n = strspn(text, "0123456789abcdef"), at = 0;

	if (n == 32)
		return n;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (strspn(text + at, "0123456789abcdef") < groups[i])
			return 0;
		at += groups[i];
		if (i < 4 && text[at++] != separator)
			return 0;
	}
	return isalnum((unsigned char)text[at]) ? 0 : at;
}

bool cgroup_pod_uid(const char *path, char ret_uid[POD_UID_SIZE])
{
	bool found = false;

	/* systemd's driver writes "_" for "-", which would mean another level. */
	for (const char *at = strstr(path, "kubepods"); at && (at = strstr(at, "pod")); at += 3) {
		bool directory = at[-1] == '/', slice = at[-1] == '-';
		size_t n = directory ? uid_length(at + 3, '-')
			   : slice   ? uid_length(at + 3, '_')
				     : 0;
		const char *end = at + 3 + n;

		if (n == 0 || (slice && strncmp(end, ".slice", 6) != 0) ||
		    (directory && *end && *end != '/'))
			continue;
		memcpy(ret_uid, at + 3, n);
		ret_uid[n] = '\0';
		for (char *c = ret_uid; *c; c++)
			*c = *c == '_' ? '-' : *c;
		found = true;
	}
	return found;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ssize_t unit_unescape(const char *name, size_t length, char *text, size_t size)
{
	size_t to = 0;

	for (size_t from = 0; from < length;) {
		int high = -1, low = -1;

		if (to + 1 >= size)
			return -ENAMETOOLONG;
		if (name[from] == '\\' && from + 3 < length && name[from + 1] == 'x') {
			high = hex_digit(name[from + 2]);
			low = hex_digit(name[from + 3]);
		}
		/* A NUL in a name would only hide what follows it. */
		if (high < 0 || low < 0 || high + low == 0) {
			text[to++] = name[from++];
			continue;
		}
		text[to++] = (char)(high << 4 | low);
		from += 4;
	}
	text[to] = '\0';
	return (ssize_t)to;
}

const char *unit_of_directory(const char *name)
{
	return name[0] == '_' && name[1] ? name + 1 : name;
}
