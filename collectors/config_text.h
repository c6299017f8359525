/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/*
 * The few keys that are wanted of other programs' configuration: TOML as far as `key = "text"`
 * below a `[section]` goes (storage.conf, containerd's config.toml), and plain `key = text` (LXC)
 * and `KEY=text` (environment files). Everything else is passed over.
 */
struct config_wanted {
	const char *section; /* "" before the first; NULL at the end of the list with key NULL */
	const char *key;
	char *value; /* written only if the key is there */
	size_t size;
};

/* Takes the wanted keys from a text; the last of a key counts. */
void config_parse(const char *text, const struct config_wanted *wanted);
/* The same from a file. 0 or -errno. */
int config_read_at(int dir_fd, const char *name, const struct config_wanted *wanted);
