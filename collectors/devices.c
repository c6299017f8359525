// SPDX-License-Identifier: MIT
#include "collectors/devices.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct devices {
	const struct root *root;
	struct strpool *strings;
	struct known {
		const char *word, *name;
	} * known;
	size_t n;
};

int devices_new(const struct root *root, struct strpool *strings, struct devices **ret_devices)
{
	struct devices *devices = calloc(1, sizeof(*devices));

	if (!devices)
		return -ENOMEM;
	devices->root = root;
	devices->strings = strpool_ref(strings);
	*ret_devices = devices;
	return 0;
}

void devices_free(struct devices *devices)
{
	if (!devices)
		return;
	strpool_unref(devices->strings);
	free(devices->known);
	free(devices);
}

static bool is_device_number(const char *word)
{
	size_t major = strspn(word, "0123456789"), minor;

	if (major == 0 || word[major] != ':')
		return false;
	minor = strspn(word + major + 1, "0123456789");
	return minor > 0 && !word[major + 1 + minor];
}

/* The last component of the link in /sys/dev/block is the kernel's name; '!' stands for '/'. */
static const char *resolve(struct devices *devices, const char *word)
{
	char path[64], target[512], *name;

	if (!is_device_number(word))
		return word;
	snprintf(path, sizeof(path), "dev/block/%s", word);
	if (root_readlink(devices->root, ROOT_SYS, path, target, sizeof(target)) < 0)
		return word;
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	for (char *at = name; *at; at++) {
		if (*at == '!')
			*at = '/';
	}
	name = (char *)strpool_add(devices->strings, name, strlen(name));
	return name ? name : word;
}

const char *devices_name(struct devices *devices, struct span word)
{
	const char *text = strpool_add(devices->strings, word.at, span_length(word));
	struct known *grown;

	if (!text)
		return NULL;
	for (size_t i = 0; i < devices->n; i++) {
		if (devices->known[i].word == text)
			return devices->known[i].name;
	}
	grown = realloc(devices->known, (devices->n + 1) * sizeof(*grown));
	if (!grown)
		return text;
	devices->known = grown;
	grown[devices->n] = (struct known){ text, resolve(devices, text) };
	return grown[devices->n++].name;
}

struct strpool *devices_strings(struct devices *devices)
{
	return devices->strings;
}
