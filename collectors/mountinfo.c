// SPDX-License-Identifier: MIT
#include "collectors/mountinfo.h"

#include <stdlib.h>
#include <sys/sysmacros.h>

/* Undoes \040 and its like in place: the kernel escapes space, tab, newline and backslash. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from;) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
		    from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			*to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
				       (from[3] - '0'));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

static char *next_field(char **line)
{
	return strsep(line, " ");
}

static int parse_line(char *line, struct mount_line *mount)
{
	char *id = next_field(&line), *parent = next_field(&line), *device = next_field(&line),
	     *end;
	unsigned long major, minor;
	char *field;

	mount->root = next_field(&line);
	mount->mountpoint = next_field(&line);
	mount->options = next_field(&line);
	/* Any number of optional fields, then a lone hyphen. */
	while ((field = next_field(&line)) && strcmp(field, "-") != 0)
		continue;
	mount->fstype = next_field(&line);
	mount->source = next_field(&line);
	mount->super_options = next_field(&line);
	if (!mount->super_options)
		return -1;
	mount->id = strtoul(id, NULL, 10);
	mount->parent_id = strtoul(parent, NULL, 10);
	major = strtoul(device, &end, 10);
	if (*end != ':')
		return -1;
	minor = strtoul(end + 1, NULL, 10);
	mount->device = makedev(major, minor);
	unescape(mount->root);
	unescape(mount->mountpoint);
	return 0;
}

int mountinfo_next(char **text, struct mount_line *ret_line)
{
	while (*text && **text) {
		char *line = strsep(text, "\n");

		if (parse_line(line, ret_line) == 0)
			return 1;
	}
	return 0;
}

int mount_has_option(const char *options, const char *word)
{
	size_t length = strlen(word);

	while (*options) {
		size_t n = strcspn(options, ",");

		if (n == length && memcmp(options, word, n) == 0)
			return 1;
		options += n;
		options += *options == ',';
	}
	return 0;
}
