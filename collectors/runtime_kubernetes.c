// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "collectors/runtime_private.h"
#include "core/cleanup.h"

/*
 * kubelet's links (1.14 and later, pkg/kubelet/kuberuntime/legacy.go):
 *   /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log
 *       -> /var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log
 * None of the parts may hold an underscore. Links of dead containers stay for a while, so they tell
 * names, but not that a container runs. They matter where the runtime's own state is out of reach.
 */
struct links {
	struct runtime_pass *pass;
	int fd, error;
};

/* Cuts the text off at the separator, and gives what is behind it; NULL if there is none. */
static char *split(char *text, char separator)
{
	char *at = text ? strchr(text, separator) : NULL;

	if (at)
		*at++ = '\0';
	return at;
}

/* The pod's uid in the target's directory, or NULL. Static pods have a hash there. */
static char *find_uid(char *target)
{
	char *at = strstr(target, "/pods/"), *uid;

	if (!at)
		return NULL;
	at += strlen("/pods/");
	at[strcspn(at, "/")] = '\0';
	uid = split(split(at, '_'), '_');
	return uid && *uid && !strchr(uid, '_') ? uid : NULL;
}

static int read_link(void *data, const char *name, unsigned char type)
{
	struct links *links = data;
	struct arena *arena = &links->pass->set->arena;
	char target[PATH_MAX];
	size_t length = strlen(name);
	ssize_t n = readlinkat(links->fd, name, target, sizeof(target) - 1);
	char *pod, *space, *container_name, *id;
	struct container container = { .source = "/var/log/containers" };

	(void)type;
	if (n <= 0 || length < 64 + 4 + 2 || strcmp(name + length - 4, ".log") != 0)
		return 0;
	target[n] = '\0';
	pod = arena_copy(arena, name, length - 4);
	if (!pod)
		return links->error = -ENOMEM;
	id = pod + length - 4 - 64;
	space = split(pod, '_');
	container_name = split(space, '_');
	if (!container_name || container_name >= id - 1 || id[-1] != '-' || !is_hex_id(id))
		return 0;
	id[-1] = '\0';
	container.id = id;
	container.name = container_name;
	container.pod = pod;
	container.pod_namespace = space;
	container.pod_uid = arena_string(arena, find_uid(target));
	return links->error = runtime_add(links->pass, &container);
}

int runtime_kubernetes_read(struct runtime_pass *pass)
{
	_cleanup_(closep) int fd = state_dir_open(pass->root, "/var/log/containers");
	struct links links = { .pass = pass, .fd = fd };

	if (fd < 0)
		return 0;
	(void)state_dir_each(fd, read_link, &links);
	return links.error;
}
