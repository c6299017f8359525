// SPDX-License-Identifier: MIT
#include "collectors/containers.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/cgroup_name.h"
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

/*
 * "<prefix><64 hex>[.scope]", and the middle of "<slice>:<prefix>:<64 hex>", which a runtime makes
 * of a path for systemd when it is set to cgroupfs. A conmon scope has no id right behind its
 * prefix, so it is no match.
 */
static const struct {
	const char *prefix, *runtime;
} scope_forms[] = {
	{ "docker", "docker" },
	{ "cri-containerd", "containerd" },
	{ "containerd", "containerd" },
	{ "nerdctl", "containerd" },
	{ "crio", "cri-o" },
	{ "libpod", "podman" },
	{ "libpod-payload", "podman" },
	{ "buildah", "buildah" },
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
	const char *colon = strrchr(node->name, ':');

	for (size_t i = 0; i < ARRAY_SIZE(scope_forms); i++) {
		size_t prefix = strlen(scope_forms[i].prefix);
		const char *id = node->name + prefix + 1;
		size_t length;

		if (has_prefix(node->name, scope_forms[i].prefix) && id[-1] == '-') {
			length = id_length(id);
			if (length && (!id[length] || strcmp(id + length, ".scope") == 0))
				return set_container(node, id, length, scope_forms[i].runtime);
		}
		if (colon && (size_t)(colon - node->name) > prefix &&
		    colon[-1 - (ssize_t)prefix] == ':' &&
		    memcmp(colon - prefix, scope_forms[i].prefix, prefix) == 0 &&
		    id_length(colon + 1) && !colon[65])
			return set_container(node, colon + 1, 64, scope_forms[i].runtime);
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

/* Sets the container named by a part of a unit's name, in which systemd escapes. */
static int set_machine(struct node *node, size_t skip, const char *suffix, const char *runtime)
{
	size_t length = strlen(node->name) - skip - strlen(suffix);
	char machine[256];
	ssize_t n = unit_unescape(node->name + skip, length, machine, sizeof(machine));

	return n <= 0 ? 0 : set_container(node, machine, (size_t)n, runtime);
}

/*
 * machined's scopes, "machine-NAME.scope": nspawn's when it is not run as a service. libvirt's are
 * called after the driver: "lxc-1234-name" is a container, "qemu-1-name" a virtual machine.
 */
static int classify_machine(struct node *node)
{
	static const char scope[] = "machine-", nspawn[] = "systemd-nspawn@";

	if (has_prefix(node->name, nspawn) && has_suffix(node->name, ".service"))
		return set_machine(node, sizeof(nspawn) - 1, ".service", "systemd-nspawn");
	if (!has_prefix(node->name, scope) || !has_suffix(node->name, ".scope") ||
	    has_prefix(node->name + sizeof(scope) - 1, "qemu\\x2d"))
		return 0;
	return set_machine(node, sizeof(scope) - 1, ".scope",
			   has_prefix(node->name + sizeof(scope) - 1, "lxc\\x2d")
				   ? "libvirt-lxc"
				   : "systemd-nspawn");
}

/* "lxc.payload.NAME" (4.0 and later), "lxc.payload/NAME" (3.1), "lxc/NAME" (before, and nested). */
static int classify_lxc(struct node *node, const struct node *parent)
{
	static const char payload[] = "lxc.payload.";
	bool nested = parent->runtime && strcmp(parent->runtime, "lxc") == 0;

	if (has_prefix(node->name, payload) && node->name[sizeof(payload) - 1])
		return set_container(node, node->name + sizeof(payload) - 1,
				     strlen(node->name) - sizeof(payload) + 1, "lxc");
	if (strcmp(parent->path, "/lxc") == 0 || strcmp(parent->path, "/lxc.payload") == 0 ||
	    (nested && strcmp(parent->name, "lxc") == 0))
		return set_container(node, node->name, strlen(node->name), "lxc");
	return 0;
}

/* Length of a UUID's first `groups` groups of hexadecimal digits at the start, or 0. */
static size_t uuid_length(const char *text, unsigned int groups)
{
	static const size_t sizes[] = { 8, 4, 4, 4, 12 };
	size_t at = 0;

	for (unsigned int i = 0; i < groups; i++) {
		if (i > 0 && text[at++] != '-')
			return 0;
		if (strspn(text + at, "0123456789abcdef") < sizes[i])
			return 0;
		at += sizes[i];
	}
	return at;
}

static bool is_below(const struct node *node, const char *component)
{
	size_t length = strlen(component);

	for (const char *at = node->path; (at = strstr(at, component)); at += length) {
		if (at[-1] == '/' && (at[length] == '/' || at[length] == '.'))
			return true;
	}
	return false;
}

/* "ALLOCATION.TASK[.scope]" below nomad.slice or nomad; the allocation is a UUID. */
static int classify_nomad(struct node *node)
{
	size_t length = strlen(node->name), uuid = uuid_length(node->name, 5);

	if (uuid == 0 || node->name[uuid] != '.' || !node->name[uuid + 1] ||
	    !is_below(node, "nomad"))
		return 0;
	if (has_suffix(node->name, ".scope"))
		length -= strlen(".scope");
	return length > uuid + 1 ? set_container(node, node->name, length, "nomad") : 0;
}

/* Cloud Foundry's garden: /garden[/good|/bad]/HANDLE, UUIDs of which Diego's are cut short. */
static int classify_garden(struct node *node, const struct node *parent)
{
	bool split = strcmp(parent->name, "good") == 0 || strcmp(parent->name, "bad") == 0;

	if (!(strcmp(parent->name, "garden") == 0 || (split && is_below(parent, "garden"))) ||
	    !uuid_length(node->name, 4))
		return 0;
	return set_container(node, node->name, strlen(node->name), "garden");
}

/* BuildKit's steps have 25 letters and digits for a name; Fargate's "<32 hex>-<number>". */
static int classify_others(struct node *node, const struct node *parent)
{
	size_t length = strlen(node->name), hex = strspn(node->name, "0123456789abcdef");

	if (strcmp(parent->name, "buildkit") == 0 && length == 25 &&
	    strspn(node->name, "0123456789abcdefghijklmnopqrstuvwxyz") == 25)
		return set_container(node, node->name, length, "buildkit");
	if (has_prefix(node->path, "/ecs/") && hex == 32 && node->name[32] == '-' &&
	    node->name[33] && strspn(node->name + 33, "0123456789") == length - 33)
		return set_container(node, node->name, length, "ecs");
	return 0;
}

static int classify_container(struct node *node, const struct node *parent)
{
	size_t length = id_length(node->name);
	int r = classify_scope_form(node);

	if (r == 0 && length && !node->name[length])
		r = set_container(node, node->name, length, runtime_of_parent(parent));
	if (r == 0)
		r = classify_lxc(node, parent);
	if (r == 0)
		r = classify_machine(node);
	if (r == 0)
		r = classify_nomad(node);
	if (r == 0)
		r = classify_garden(node, parent);
	return r != 0 ? r : classify_others(node, parent);
}

/* podman's: "libpod_pod_<64 hex>", or "machine-libpod_pod_<64 hex>.slice" with systemd. */
static bool is_podman_pod(const char *name)
{
	const char *id = strstr(name, "libpod_pod_");
	size_t length;

	if (!id || (id != name && id[-1] != '-'))
		return false;
	id += strlen("libpod_pod_");
	length = id_length(id);
	return length && (!id[length] || strcmp(id + length, ".slice") == 0);
}

/* kubelet's, by both of its drivers: what has a pod's uid that its parent has not. */
static bool is_pod(const struct node *node, const struct node *parent)
{
	char uid[POD_UID_SIZE], parents[POD_UID_SIZE];

	if (!cgroup_pod_uid(node->path, uid))
		return is_podman_pod(node->name);
	return !cgroup_pod_uid(parent->path, parents) || strcmp(uid, parents) != 0;
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
	uid_t uid;
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
		node->unit = strdup(unit_of_directory(node->name));
		if (!node->unit)
			return -ENOMEM;
	}
	if (cgroup_user(node->name, &uid))
		node->kind = NODE_USER;
	if (is_pod(node, parent))
		node->kind = NODE_POD;
	r = classify_container(node, parent);
	return r < 0 ? r : 0;
}
