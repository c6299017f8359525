// SPDX-License-Identifier: MIT
#include "policies/ownership.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

bool ownership_contains(const char *path, const char *other)
{
	size_t length = strlen(path);

	while (length > 0 && path[length - 1] == '/')
		length--;
	return strncmp(path, other, length) == 0 && (!other[length] || other[length] == '/');
}

static const struct {
	pid_t pid; /* 0 is ourselves */
	const char *whose;
} protected[] = {
	{ 0, "cgwatch itself" },
	{ 1, "process 1" },
};

int ownership_check(const struct root *root, const struct hierarchies *hierarchies,
		    unsigned int hierarchy, const char *path, char *reason, size_t size)
{
	const char *name = hierarchies->list[hierarchy].name;

	if (path[strspn(path, "/")] == '\0') {
		snprintf(reason, size, "the root of a hierarchy is never touched");
		return -EPERM;
	}
	for (size_t i = 0; i < ARRAY_SIZE(protected); i++) {
		char *paths[HIERARCHY_MAX];
		bool inside;
		int r = hierarchies_of_process(hierarchies, root, protected[i].pid, paths);

		if (r < 0) {
			snprintf(reason, size, "the cgroups of %s cannot be read: %s",
				 protected[i].whose, strerror(-r));
			return r;
		}
		inside = paths[hierarchy] && ownership_contains(path, paths[hierarchy]);
		for (unsigned int j = 0; j < HIERARCHY_MAX; j++)
			free(paths[j]);
		if (inside) {
			snprintf(reason, size, "%s lives in it (hierarchy %s)", protected[i].whose,
				 name);
			return -EPERM;
		}
	}
	return 0;
}
