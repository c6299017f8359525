// SPDX-License-Identifier: MIT
#include "policies/ownership.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/proc_stat.h"
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

/* The parent of a process ("self" or a number); 0: none that we see. */
static pid_t parent_of(const struct root *root, const char *process)
{
	struct proc_stat stat;
	struct strbuf text;
	char path[32];
	pid_t parent = 0;

	snprintf(path, sizeof(path), "%s/stat", process);
	strbuf_init(&text);
	if (root_read(root, ROOT_PROC, path, &text) == 0 && text.data &&
	    proc_stat_parse(text.data, &stat) == 0)
		parent = (pid_t)stat.ppid;
	strbuf_done(&text);
	return parent;
}

/*
 * Who started us: the shell, sudo, the container engine. Frozen, they would take our operator's
 * terminal along; killed, often ourselves. One that ended meanwhile needs no protection.
 */
static int check_ancestors(const struct check *check)
{
	enum { DEPTH_MAX = 64 };
	char name[16] = "self";

	for (unsigned int depth = 0; depth < DEPTH_MAX; depth++) {
		pid_t parent = parent_of(check->root, name);
		char whose[64];

		if (parent <= 1)
			return 0;
		snprintf(whose, sizeof(whose), "pid %d, which started cgwatch,", (int)parent);
		if (check_process(check, parent, whose) == -EPERM)
			return -EPERM;
		snprintf(name, sizeof(name), "%d", (int)parent);
	}
	return 0;
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
	if (r == 0)
		r = check_ancestors(&check);
	/* Frozen, it could not thaw what a killed agent leaves. If it ended, it needs no
	 * protection. */
	if (r == 0 && watchdog > 0 &&
	    check_process(&check, watchdog, "cgwatch's watchdog") == -EPERM)
		r = -EPERM;
	return r;
}
