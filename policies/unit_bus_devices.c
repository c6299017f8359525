// SPDX-License-Identifier: MIT
#include "policies/unit_bus_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <systemd/sd-bus.h>

/* Lists of limits by device, a(st), as systemd keeps them. */

/*
 * "8:0" of the path that somebody gave systemd. With PrivateDevices= our /dev has no disks, so that
 * the name has to do.
 */
static bool device_number(struct root **root, const char *path, char *number, size_t size)
{
	static const char by_number[] = "/dev/block/";
	const char *name = strrchr(path, '/');
	struct strbuf text;
	struct stat info;
	char file[300];
	bool found;

	if (strncmp(path, by_number, sizeof(by_number) - 1) == 0)
		return (size_t)snprintf(number, size, "%s", path + sizeof(by_number) - 1) < size;
	if (strncmp(path, "/dev/", 5) == 0 && stat(path, &info) == 0 && S_ISBLK(info.st_mode)) {
		snprintf(number, size, "%u:%u", major(info.st_rdev), minor(info.st_rdev));
		return true;
	}
	if (!name || strlen(name + 1) > 255 || (!*root && root_new(NULL, root) < 0))
		return false;
	snprintf(file, sizeof(file), "class/block/%s/dev", name + 1);
	strbuf_init(&text);
	found = root_read(*root, ROOT_SYS, file, &text) == 0 && text.data;
	if (found)
		snprintf(number, size, "%.*s", (int)strcspn(text.data, "\n"), text.data);
	strbuf_done(&text);
	return found;
}

/* A second entry for the same device would leave the first one in force. */
int unit_devices_path(struct root **root, sd_bus_message *list, const char *number, char *path,
		      size_t size)
{
	const char *entry;
	uint64_t limit;
	int r = sd_bus_message_enter_container(list, 'a', "(st)");

	snprintf(path, size, "/dev/block/%s", number);
	while (r >= 0 && (r = sd_bus_message_read(list, "(st)", &entry, &limit)) > 0) {
		char have[32];

		if (device_number(root, entry, have, sizeof(have)) && strcmp(have, number) == 0)
			snprintf(path, size, "%s", entry);
	}
	return r < 0 ? r : 0;
}

int unit_devices_read(struct root **root, sd_bus_message *list, char **ret_text)
{
	struct strbuf text;
	const char *entry;
	uint64_t limit;
	int r = sd_bus_message_enter_container(list, 'a', "(st)");

	strbuf_init(&text);
	while (r >= 0 && (r = sd_bus_message_read(list, "(st)", &entry, &limit)) > 0) {
		char number[32];

		if (device_number(root, entry, number, sizeof(number)))
			strbuf_printf(&text, "%s %llu\n", number, (unsigned long long)limit);
	}
	strbuf_add_string(&text, "");
	*ret_text = r < 0 ? NULL : strbuf_take(&text);
	strbuf_done(&text);
	return r < 0 ? r : *ret_text ? 0 : -ENOMEM;
}
