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

struct check {
	const struct root *root;
	const struct hierarchies *hierarchies;
	unsigned int hierarchy;
	const char *path;
	char *reason;
	size_t size;
};

/* -EPERM if the process (0: ourselves) lives in the cgroup or below it. */
static int check_process(const struct check *check, pid_t pid, const char *whose)
{
	char *paths[HIERARCHY_MAX];
	bool inside;
	int r = hierarchies_of_process(check->hierarchies, check->root, pid, paths);

	if (r < 0) {
		snprintf(check->reason, check->size, "the cgroups of %s cannot be read: %s", whose,
			 strerror(-r));
		return r;
	}
	inside = paths[check->hierarchy] &&
		 ownership_contains(check->path, paths[check->hierarchy]);
	for (unsigned int j = 0; j < HIERARCHY_MAX; j++)
		free(paths[j]);
	if (!inside)
		return 0;
	snprintf(check->reason, check->size, "%s lives in it (hierarchy %s)", whose,
		 check->hierarchies->list[check->hierarchy].name);
	return -EPERM;
}

int ownership_check(const struct root *root, const struct hierarchies *hierarchies,
		    unsigned int hierarchy, const char *path, pid_t watchdog, char *reason,
		    size_t size)
{
	struct check check = { root, hierarchies, hierarchy, path, reason, size };
	int r;

	if (path[strspn(path, "/")] == '\0') {
		snprintf(reason, size, "the root of a hierarchy is never touched");
		return -EPERM;
	}
	r = check_process(&check, 0, "cgwatch itself");
	if (r == 0)
		r = check_process(&check, 1, "process 1");
	/* Frozen, it could not thaw what a killed agent leaves. If it ended, it needs no
	 * protection. */
	if (r == 0 && watchdog > 0 &&
	    check_process(&check, watchdog, "cgwatch's watchdog") == -EPERM)
		r = -EPERM;
	return r;
}
