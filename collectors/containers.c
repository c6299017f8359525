// SPDX-License-Identifier: MIT
#include "collectors/containers.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

static bool has_suffix(const char *text, const char *suffix)
{
	size_t length = strlen(text), tail = strlen(suffix);

	return length > tail && strcmp(text + length - tail, suffix) == 0;
}

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Length of the container id (64 hexadecimal digits, as every OCI engine makes them), or 0. */
static size_t id_length(const char *text)
{
	size_t n = 0;

	while (isxdigit((unsigned char)text[n]) && !isupper((unsigned char)text[n]))
		n++;
	return n == 64 ? n : 0;
}

/* "<prefix><64 hex>[.scope]". A conmon scope has no id right behind its prefix, so it is no match.
 */
static const struct {
	const char *prefix, *runtime;
} scope_forms[] = {
	{ "docker-", "docker" },
	{ "cri-containerd-", "containerd" },
	{ "containerd-", "containerd" },
	{ "nerdctl-", "containerd" },
	{ "crio-", "cri-o" },
	{ "libpod-", "podman" },
	{ "buildah-", "buildah" },
};

static int set_container(struct node *node, const char *id, size_t length, const char *runtime)
{
	node->kind = NODE_CONTAINER;
	node->runtime = runtime;
	free(node->container_id);
	node->container_id = strndup(id, length);
	return node->container_id ? 1 : -ENOMEM;
}

static int classify_scope_form(struct node *node)
{
	for (size_t i = 0; i < ARRAY_SIZE(scope_forms); i++) {
		const char *id = node->name + strlen(scope_forms[i].prefix);
		size_t length;

		if (!has_prefix(node->name, scope_forms[i].prefix))
			continue;
		length = id_length(id);
		if (length && (!id[length] || strcmp(id + length, ".scope") == 0))
			return set_container(node, id, length, scope_forms[i].runtime);
	}
	return 0;
}

/* The parent directory's name tells the engine where the id stands alone (cgroupfs drivers). */
static const char *runtime_of_parent(const struct node *parent)
{
	if (strcmp(parent->name, "docker") == 0 || strcmp(parent->name, "actions_job") == 0)
		return "docker";
	if (parent->kind == NODE_POD)
		return "kubernetes";
	if (has_prefix(parent->name, "libpod"))
		return "podman";
	return "oci";
}

static int classify_container(struct node *node, const struct node *parent)
{
	static const char nspawn[] = "systemd-nspawn@", payload[] = "lxc.payload.";
	size_t length = id_length(node->name);
	int r = classify_scope_form(node);

	if (r != 0)
		return r;
	if (length && !node->name[length])
		return set_container(node, node->name, length, runtime_of_parent(parent));
	if (has_prefix(node->name, payload) && node->name[sizeof(payload) - 1])
		return set_container(node, node->name + sizeof(payload) - 1,
				     strlen(node->name) - sizeof(payload) + 1, "lxc");
	if (strcmp(parent->path, "/lxc") == 0)
		return set_container(node, node->name, strlen(node->name), "lxc");
	if (has_prefix(node->name, nspawn) && has_suffix(node->name, ".service") &&
	    strlen(node->name) > sizeof(nspawn) - 1 + strlen(".service"))
		return set_container(node, node->name + sizeof(nspawn) - 1,
				     strlen(node->name) - sizeof(nspawn) + 1 - strlen(".service"),
				     "systemd-nspawn");
	return 0;
}

/* "kubepods-burstable-pod<uid>.slice" (systemd driver) or "pod<uid>" below kubepods (cgroupfs). */
static bool is_pod(const struct node *node)
{
	if (has_prefix(node->name, "kubepods") && has_suffix(node->name, ".slice"))
		return strstr(node->name, "-pod") != NULL;
	return has_prefix(node->name, "pod") && has_prefix(node->path, "/kubepods") &&
	       strlen(node->name) >= 35;
}

static const struct {
	const char *suffix;
	enum node_kind kind;
} unit_forms[] = {
	{ ".slice", NODE_SLICE }, { ".service", NODE_SERVICE }, { ".scope", NODE_SCOPE },
	{ ".mount", NODE_UNIT },  { ".socket", NODE_UNIT },	{ ".swap", NODE_UNIT },
};

static enum node_kind unit_kind(const struct node *node)
{
	for (size_t i = 0; i < ARRAY_SIZE(unit_forms); i++) {
		if (has_suffix(node->name, unit_forms[i].suffix))
			return unit_forms[i].kind;
	}
	return NODE_CGROUP;
}

static bool is_user(const char *name)
{
	const char *digits = has_prefix(name, "user-") || has_prefix(name, "user@") ? name + 5
										    : NULL;
	size_t n = digits ? strspn(digits, "0123456789") : 0;

	return n > 0 && (strcmp(digits + n, ".slice") == 0 || strcmp(digits + n, ".service") == 0);
}

static int inherit(struct node *node, const struct node *parent)
{
	if (parent->unit && !(node->unit = strdup(parent->unit)))
		return -ENOMEM;
	if (parent->container_id && !(node->container_id = strdup(parent->container_id)))
		return -ENOMEM;
	node->runtime = parent->runtime;
	return 0;
}

int container_classify(struct node *node, const struct node *parent)
{
	int r;

	if (!parent) {
		node->kind = NODE_ROOT;
		return 0;
	}
	r = inherit(node, parent);
	if (r < 0)
		return r;
	node->kind = unit_kind(node);
	if (node->kind != NODE_CGROUP) {
		free(node->unit);
		node->unit = strdup(node->name);
		if (!node->unit)
			return -ENOMEM;
	}
	if (is_user(node->name))
		node->kind = NODE_USER;
	if (is_pod(node))
		node->kind = NODE_POD;
	r = classify_container(node, parent);
	return r < 0 ? r : 0;
}
