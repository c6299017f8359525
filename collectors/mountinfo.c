// SPDX-License-Identifier: MIT
#include "collectors/mountinfo.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/sysmacros.h>

#include "core/units.h"

void mountinfo_unescape(char *text)
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

static char propagation_of(const char *field, char before)
{
	if (strncmp(field, "shared:", 7) == 0)
		return 's';
	if (strncmp(field, "master:", 7) == 0 && before != 's')
		return 'm';
	return strcmp(field, "unbindable") == 0 ? 'u' : before;
}

static char *next_field(char **line)
{
	return strsep(line, " ");
}

/* "8:1", entirely. */
static bool parse_device(const char *text, dev_t *ret_device)
{
	char major[24];
	const char *colon = text ? strchr(text, ':') : NULL;
	uint64_t numbers[2];

	if (!colon || (size_t)(colon - text) >= sizeof(major))
		return false;
	memcpy(major, text, (size_t)(colon - text));
	major[colon - text] = '\0';
	if (parse_u64(major, &numbers[0]) < 0 || parse_u64(colon + 1, &numbers[1]) < 0)
		return false;
	*ret_device = makedev((unsigned int)numbers[0], (unsigned int)numbers[1]);
	return true;
}

static int parse_line(char *line, struct mount_line *mount)
{
	char *id = next_field(&line), *parent = next_field(&line), *device = next_field(&line);
	uint64_t ids[2];
	char *field;

	mount->root = next_field(&line);
	mount->mountpoint = next_field(&line);
	mount->options = next_field(&line);
	/* Any number of optional fields, then a lone hyphen. */
	mount->propagation = 'p';
	while ((field = next_field(&line)) && strcmp(field, "-") != 0)
		mount->propagation = propagation_of(field, mount->propagation);
	mount->fstype = next_field(&line);
	mount->source = next_field(&line);
	mount->super_options = next_field(&line);
	if (!mount->super_options)
		return -1;
	if (parse_u64(id, &ids[0]) < 0 || parse_u64(parent, &ids[1]) < 0 ||
	    !parse_device(device, &mount->device))
		return -1;
	mount->id = ids[0];
	mount->parent_id = ids[1];
	mountinfo_unescape(mount->root);
	mountinfo_unescape(mount->mountpoint);
	mountinfo_unescape(mount->fstype);
	mountinfo_unescape(mount->source);
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
