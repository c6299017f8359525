// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cgroup_name.h"
#include "core/cleanup.h"
#include "core/glob.h"
#include "core/units.h"
#include "policies/selector_private.h"

enum { ID_SHORTEST = 12 }; /* what Docker shows of an id */

static int check_glob(const char *text, char *reason, size_t size)
{
	const char *why;

	if (glob_check(text, &why) == 0)
		return 0;
	snprintf(reason, size, "\"%s\" matches nothing: %s", text, why);
	return -EINVAL;
}

/* ---- what the node says -------------------------------------------------------------------- */

static int parse_match(struct selector_item *item, char *reason, size_t size)
{
	/* Most cgroups differ from a glob in the bytes before its first wildcard. */
	if (item->text[0] == '/')
		item->prefix = strcspn(item->text, "*?[\\");
	item->literal = item->prefix > 0 && !item->text[item->prefix];
	return check_glob(item->text, reason, size);
}

static enum outcome match_path(const struct selector_item *item,
			       const struct selector_subject *subject)
{
	const char *path = subject->node->path;

	if (item->literal)
		return strcmp(path, item->text) == 0 ? OUTCOME_TRUE : OUTCOME_FALSE;
	if (strncmp(path, item->text, item->prefix) != 0)
		return OUTCOME_FALSE;
	return glob_match(item->text, path) ? OUTCOME_TRUE : OUTCOME_FALSE;
}

static int parse_glob(struct selector_item *item, char *reason, size_t size)
{
	return check_glob(item->text, reason, size);
}

static int parse_unit(struct selector_item *item, char *reason, size_t size)
{
	if (strchr(item->text, '/')) {
		snprintf(reason, size, "\"%s\" holds '/', and no unit name does: use match",
			 item->text);
		return -EINVAL;
	}
	return check_glob(item->text, reason, size);
}

/* The unit's own cgroup only: a limit belongs on it and not on each one below it as well. */
static enum outcome match_unit(const struct selector_item *item,
			       const struct selector_subject *subject)
{
	const struct node *node = subject->node;

	if (!node->unit || strcmp(unit_of_directory(node->name), node->unit) != 0)
		return OUTCOME_FALSE;
	return glob_match_text(item->text, node->unit) ? OUTCOME_TRUE : OUTCOME_FALSE;
}

static int parse_kind(struct selector_item *item, char *reason, size_t size)
{
	struct strbuf names;

	item->kind = node_kind_find(item->text);
	if (item->kind < NODE_KIND_COUNT)
		return 0;
	strbuf_init(&names);
	for (int kind = 0; kind < NODE_KIND_COUNT; kind++)
		strbuf_printf(&names, "%s%s", kind ? ", " : "",
			      node_kind_name((enum node_kind)kind));
	snprintf(reason, size, "\"%s\" is no kind of cgroup: there are %s", item->text,
		 names.failed ? "" : names.data);
	strbuf_done(&names);
	return -EINVAL;
}

static enum outcome match_kind(const struct selector_item *item,
			       const struct selector_subject *subject)
{
	return subject->node->kind == item->kind ? OUTCOME_TRUE : OUTCOME_FALSE;
}

/* ---- containers ------------------------------------------------------------------------------ */

static int parse_container(struct selector_item *item, char *reason, size_t size)
{
	size_t length = strlen(item->text);

	item->is_id = length >= ID_SHORTEST && strspn(item->text, "0123456789abcdef") == length;
	return check_glob(item->text, reason, size);
}

static const struct node *parent_node(const struct selector_subject *subject)
{
	uint32_t parent = subject->snapshot->tree->parent[subject->index];

	return parent == NODE_NONE ? NULL : subject->snapshot->tree->nodes[parent];
}

/*
 * Whether this is a container's own cgroup, and what its runtime says of it (NULL: nothing yet).
 * LXC and others that do not put an id into the path are known through the inventory alone.
 */
static enum outcome own_container(const struct selector_subject *subject,
				  const struct container **ret_container)
{
	const struct snapshot *snapshot = subject->snapshot;
	const struct node *node = subject->node, *parent = parent_node(subject);
	uint32_t above = snapshot->tree->parent[subject->index];
	bool looked = snapshot->join && snapshot->inventory && snapshot->inventory->containers;

	*ret_container = looked ? join_container(snapshot->join, subject->index) : NULL;
	if (node->container_id) {
		bool below = parent && parent->container_id &&
			     strcmp(parent->container_id, node->container_id) == 0;

		return below ? OUTCOME_FALSE : OUTCOME_TRUE;
	}
	if (!looked)
		return OUTCOME_UNKNOWN;
	if (!*ret_container ||
	    (above != NODE_NONE && join_container(snapshot->join, above) == *ret_container))
		return OUTCOME_FALSE;
	return OUTCOME_TRUE;
}

static bool is_id(const struct selector_item *item, const char *id)
{
	if (item->is_id)
		return strncmp(id, item->text, strlen(item->text)) == 0;
	return glob_match_text(item->text, id);
}

static enum outcome match_container(const struct selector_item *item,
				    const struct selector_subject *subject)
{
	const struct container *container;
	enum outcome own = own_container(subject, &container);
	const char *id = subject->node->container_id;

	if (own != OUTCOME_TRUE)
		return own;
	if ((id && is_id(item, id)) || (container && is_id(item, container->id)))
		return OUTCOME_TRUE;
	if (!container)
		return OUTCOME_UNKNOWN;
	return container->name && glob_match_text(item->text, container->name) ? OUTCOME_TRUE
									       : OUTCOME_FALSE;
}

/* "nginx:*" is also "docker.io/library/nginx:1.25". */
static enum outcome match_image(const struct selector_item *item,
				const struct selector_subject *subject)
{
	const struct container *container;
	enum outcome own = own_container(subject, &container);
	const char *slash;

	if (own != OUTCOME_TRUE)
		return own;
	if (!container)
		return OUTCOME_UNKNOWN;
	if (!container->image)
		return OUTCOME_FALSE;
	slash = strrchr(container->image, '/');
	if (glob_match_text(item->text, container->image) ||
	    (slash && !strchr(item->text, '/') && glob_match_text(item->text, slash + 1)))
		return OUTCOME_TRUE;
	return OUTCOME_FALSE;
}

/* ---- processes --------------------------------------------------------------------------------
 */

/* The namespaces of a snapshot that are joined with its cgroups, or NULL. */
static const struct namespaces *joined(const struct selector_subject *subject)
{
	const struct snapshot *snapshot = subject->snapshot;

	return snapshot->join && snapshot->inventory ? snapshot->inventory->namespaces : NULL;
}

/* The name service is asked here, when a file is read, and never while cgroups are compared. */
static int parse_user(struct selector_item *item, char *reason, size_t size)
{
	char buffer[4096];
	struct passwd entry, *found = NULL;
	uint64_t number;

	if (strpbrk(item->text, ":/ \t")) {
		snprintf(reason, size, "\"%s\" is neither a user's name nor a uid", item->text);
		return -EINVAL;
	}
	if (parse_u64(item->text, &number) == 0 && number < (uid_t)-1) {
		item->uid = (uid_t)number;
		item->has_uid = true;
	} else if (getpwnam_r(item->text, &entry, buffer, sizeof(buffer), &found) == 0 && found) {
		item->uid = found->pw_uid;
		item->has_uid = true;
	}
	return 0;
}

static enum outcome match_user(const struct selector_item *item,
			       const struct selector_subject *subject)
{
	const struct namespaces *set = joined(subject);
	const struct user_names *users;
	const char *name;
	uid_t uid;

	if (!subject->snapshot->join)
		return OUTCOME_UNKNOWN;
	if (!join_user(subject->snapshot->join, subject->index, &uid))
		return set ? OUTCOME_FALSE : OUTCOME_UNKNOWN;
	if (item->has_uid && item->uid == uid)
		return OUTCOME_TRUE;
	users = subject->snapshot->inventory ? subject->snapshot->inventory->users : NULL;
	if (!users)
		return item->has_uid ? OUTCOME_FALSE : OUTCOME_UNKNOWN;
	name = user_names_find(users, uid);
	return name && strcmp(name, item->text) == 0 ? OUTCOME_TRUE : OUTCOME_FALSE;
}

/* No process was seen in it or below. */
static bool saw_nobody(const struct selector_subject *subject)
{
	const uint32_t *processes;

	return !joined(subject) ||
	       join_processes(subject->snapshot->join, subject->index, true, &processes) == 0;
}

static bool saw_no_user(const struct selector_subject *subject)
{
	uid_t uid;

	return saw_nobody(subject) && !(subject->snapshot->join &&
					join_user(subject->snapshot->join, subject->index, &uid));
}

static enum outcome match_process(const struct selector_item *item,
				  const struct selector_subject *subject)
{
	const struct namespaces *set = joined(subject);
	const uint32_t *processes;
	uint32_t n;

	if (!set)
		return OUTCOME_UNKNOWN;
	n = join_processes(subject->snapshot->join, subject->index, false, &processes);
	for (uint32_t i = 0; i < n; i++) {
		if (glob_match_text(item->text, set->processes[processes[i]].comm))
			return OUTCOME_TRUE;
	}
	return OUTCOME_FALSE;
}

/* ---- namespaces -------------------------------------------------------------------------------
 */

static int parse_namespace(struct selector_item *item, char *reason, size_t size)
{
	static const struct {
		const char *name;
		enum join_place place;
	} places[] = { { "host", JOIN_HOST }, { "own", JOIN_OWN }, { "several", JOIN_SEVERAL } };
	const char *colon = strchr(item->text, ':');
	const char *value = colon ? colon + 1 : "";

	item->ns_type = colon ? ns_type_find(item->text, (size_t)(colon - item->text))
			      : NS_TYPE_COUNT;
	if (item->ns_type == NS_TYPE_COUNT) {
		snprintf(reason, size,
			 "\"%s\": write TYPE:host, TYPE:own, TYPE:several or TYPE:INODE, with mnt, "
			 "net, pid, user, uts, ipc, cgroup or time",
			 item->text);
		return -EINVAL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (strcmp(value, places[i].name) == 0) {
			item->place = places[i].place;
			return 0;
		}
	}
	item->place = JOIN_UNKNOWN;
	if (parse_u64(value, &item->inode) == 0 && item->inode > 0)
		return 0;
	snprintf(reason, size, "\"%s\": behind the colon stands host, own, several or an inode",
		 item->text);
	return -EINVAL;
}

/* Whether a process of the cgroup, or of one below it, is in the namespace. */
static bool has_namespace(const struct selector_subject *subject, uint32_t ns)
{
	const struct tree *tree = subject->snapshot->tree;
	const uint32_t *nodes;
	uint32_t n = join_ns_nodes(subject->snapshot->join, ns, &nodes), low = 0, high = n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (nodes[middle] < subject->index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && nodes[low] < tree->end[subject->index];
}

static enum outcome match_namespace(const struct selector_item *item,
				    const struct selector_subject *subject)
{
	const struct namespaces *set = joined(subject);
	struct join_ns spaces;
	bool found;

	if (!set)
		return OUTCOME_UNKNOWN;
	join_namespaces(subject->snapshot->join, subject->index, &spaces);
	if (item->place == JOIN_UNKNOWN) {
		uint32_t ns = namespaces_find(set, item->ns_type, item->inode);

		found = ns != NS_NONE && has_namespace(subject, ns);
		return found ? OUTCOME_TRUE : spaces.denied > 0 ? OUTCOME_UNKNOWN : OUTCOME_FALSE;
	}
	if (spaces.denied > 0 && spaces.place[item->ns_type] != JOIN_SEVERAL)
		return OUTCOME_UNKNOWN; /* those that were not seen may be elsewhere */
	return spaces.place[item->ns_type] == item->place ? OUTCOME_TRUE : OUTCOME_FALSE;
}

const struct selector_row selector_rows[SELECTOR_COUNT] = {
	[SELECTOR_MATCH] = { .name = "match",
			     .by_node = true,
			     .parse = parse_match,
			     .match = match_path },
	[SELECTOR_UNIT] = { .name = "unit",
			    .by_comma = true,
			    .by_node = true,
			    .parse = parse_unit,
			    .match = match_unit },
	[SELECTOR_CONTAINER] = { .name = "container",
				 .by_comma = true,
				 .inventory = INVENTORY_CONTAINERS,
				 .parse = parse_container,
				 .match = match_container },
	[SELECTOR_IMAGE] = { .name = "image",
			     .by_comma = true,
			     .inventory = INVENTORY_CONTAINERS,
			     .parse = parse_glob,
			     .match = match_image },
	[SELECTOR_KIND] = { .name = "kind",
			    .by_comma = true,
			    .by_node = true,
			    .parse = parse_kind,
			    .match = match_kind },
	[SELECTOR_USER] = { .name = "user",
			    .by_comma = true,
			    .inventory = INVENTORY_NAMESPACES,
			    .parse = parse_user,
			    .match = match_user,
			    .blind = saw_no_user },
	[SELECTOR_PROCESS] = { .name = "process",
			       .by_comma = true,
			       .inventory = INVENTORY_NAMESPACES,
			       .parse = parse_glob,
			       .match = match_process,
			       .blind = saw_nobody },
	[SELECTOR_NAMESPACE] = { .name = "namespace",
				 .by_comma = true,
				 .inventory = INVENTORY_NAMESPACES,
				 .parse = parse_namespace,
				 .match = match_namespace,
				 .blind = saw_nobody },
};
