// SPDX-License-Identifier: MIT
#include "core/join_make.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is looked up by a text: nodes by path, overlays by container id. */
struct named {
	const char *name;
	uint32_t index;
};

/* A limit by whom it is for. */
struct limit_key {
	uint32_t user_ns;
	uid_t uid;
	uint32_t index;
};

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r != 0 ? r : (x->index > y->index) - (x->index < y->index);
}

/* The first one of that name; `n` if there is none. */
static size_t find_named(const struct named *list, size_t n, const char *name)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(list[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && strcmp(list[low].name, name) == 0 ? low : n;
}

static void *new_array(struct join *join, size_t n, size_t size)
{
	return arena_array(&join->arena, n ? n : 1, size);
}

static void fill(uint32_t *list, size_t n, uint32_t value)
{
	for (size_t i = 0; i < n; i++)
		list[i] = value;
}

/* ---- processes and cgroups ------------------------------------------------------------- */

/* Calls for each cgroup of each process: processes come in the order of their pids. */
static void each_place(struct join *join, const struct named *paths, const struct namespaces *set,
		       void (*at)(struct join *join, uint32_t process, uint32_t node))
{
	const uint32_t n = join->tree->n;

	for (uint32_t p = 0; p < set->n_processes; p++) {
		const char *const *other = set->processes[p].other_cgroups;

		if (join->process_node[p] != NODE_NONE)
			at(join, p, join->process_node[p]);
		for (; other && *other; other++) {
			size_t found = find_named(paths, n, *other);

			if (found < n && paths[found].index != join->process_node[p])
				at(join, p, paths[found].index);
		}
	}
}

static void count_place(struct join *join, uint32_t process, uint32_t node)
{
	(void)process;
	join->start[node + 1]++;
}

static void add_place(struct join *join, uint32_t process, uint32_t node)
{
	join->order[join->start[node]++] = process;
}

static void find_nodes(struct join *join, const struct named *paths, const struct namespaces *set)
{
	const char *last = NULL;
	uint32_t node = NODE_NONE, n = join->tree->n;

	for (uint32_t p = 0; p < set->n_processes; p++) {
		const char *cgroup = set->processes[p].cgroup;

		if (cgroup && (!last || strcmp(last, cgroup) != 0)) {
			size_t at = find_named(paths, n, cgroup);

			node = at < n ? paths[at].index : NODE_NONE;
			last = cgroup;
		}
		join->process_node[p] = cgroup ? node : NODE_NONE;
	}
}

static int place_processes(struct join *join, const struct named *paths,
			   const struct namespaces *set)
{
	uint32_t n = join->tree->n;

	join->process_node = new_array(join, set->n_processes, sizeof(*join->process_node));
	join->start = new_array(join, (size_t)n + 1, sizeof(*join->start));
	if (join->arena.failed)
		return -ENOMEM;
	find_nodes(join, paths, set);
	each_place(join, paths, set, count_place);
	for (uint32_t i = 0; i < n; i++)
		join->start[i + 1] += join->start[i];
	join->order = new_array(join, join->start[n], sizeof(*join->order));
	if (!join->order)
		return -ENOMEM;
	each_place(join, paths, set, add_place);
	/* Each offset now stands where the next one began. */
	for (uint32_t i = n; i > 0; i--)
		join->start[i] = join->start[i - 1];
	join->start[0] = 0;
	return 0;
}

/* The threads of a process that are elsewhere than it: from `*ret_first`, that many. */
static uint32_t find_threads(const struct namespaces *set, pid_t pid, uint32_t *ret_first)
{
	uint32_t low = 0, high = set->n_threads, end;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (set->threads[middle].pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < set->n_threads && set->threads[end].pid == pid; end++)
		;
	*ret_first = low;
	return end - low;
}

/* ---- namespaces ------------------------------------------------------------------------ */

/* While the namespaces of one cgroup are counted. */
struct counting {
	uint32_t *stamps;  /* by namespace: the last cgroup that has it, + 1 */
	uint32_t *counted; /* by process, likewise */
	uint32_t stamp;
	pid_t lowest[NS_TYPE_COUNT]; /* the process that join_ns.ns is of */
	struct join_ns *out;
};

static void count_links(struct counting *counting, const uint32_t *ns, pid_t pid)
{
	struct join_ns *out = counting->out;

	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		if (ns[type] == NS_NONE)
			continue;
		if (counting->stamps[ns[type]] != counting->stamp) {
			counting->stamps[ns[type]] = counting->stamp;
			out->distinct[type]++;
		}
		if (out->ns[type] == NS_NONE || pid < counting->lowest[type]) {
			out->ns[type] = ns[type];
			counting->lowest[type] = pid;
		}
	}
}

static void set_place(const struct namespaces *set, enum ns_type type,
		      const struct counting *counting)
{
	struct join_ns *out = counting->out;
	uint32_t host = set->host[type];

	out->with_host[type] = host != NS_NONE && counting->stamps[host] == counting->stamp;
	if (out->distinct[type] > 1)
		out->place[type] = JOIN_SEVERAL;
	else if (out->distinct[type] == 1 && host != NS_NONE)
		out->place[type] = out->with_host[type] ? JOIN_HOST : JOIN_OWN;
}

/* Those that cannot be looked into are only counted: they say nothing about the others. */
static void count_node(const struct join *join, const struct namespaces *set, uint32_t node,
		       struct counting *counting)
{
	uint32_t from = join->start[node], to = join->start[join->tree->end[node]];
	struct join_ns *out = counting->out;

	fill(out->ns, NS_TYPE_COUNT, NS_NONE);
	for (uint32_t i = from; i < to; i++) {
		const struct ns_process *process = &set->processes[join->order[i]];
		uint32_t first, n = find_threads(set, process->pid, &first);

		if (counting->counted[join->order[i]] == counting->stamp)
			continue;
		counting->counted[join->order[i]] = counting->stamp;
		out->processes++;
		out->denied += process->denied;
		count_links(counting, process->ns, process->pid);
		for (uint32_t t = first; t < first + n; t++)
			count_links(counting, set->threads[t].ns, process->pid);
	}
	for (int type = 0; type < NS_TYPE_COUNT; type++)
		set_place(set, (enum ns_type)type, counting);
}

static int count_namespaces(struct join *join, const struct namespaces *set)
{
	struct counting counting = {
		.stamps = new_array(join, set->n, sizeof(uint32_t)),
		.counted = new_array(join, set->n_processes, sizeof(uint32_t)),
	};

	join->spaces = new_array(join, join->tree->n, sizeof(*join->spaces));
	if (join->arena.failed)
		return -ENOMEM;
	for (uint32_t i = 0; i < join->tree->n; i++) {
		counting.out = &join->spaces[i];
		counting.stamp = i + 1;
		count_node(join, set, i, &counting);
	}
	return 0;
}

static void pairs_of(struct join *join, const struct ns_process *process, uint32_t node,
		     uint32_t *stamps, void (*pair)(struct join *join, uint32_t ns, uint32_t node))
{
	const struct namespaces *set = join->inventory->namespaces;
	uint32_t first, n = find_threads(set, process->pid, &first);

	for (uint32_t t = 0; t <= n; t++) {
		const uint32_t *ns = t < n ? set->threads[first + t].ns : process->ns;

		for (int type = 0; type < NS_TYPE_COUNT; type++) {
			if (ns[type] == NS_NONE || stamps[ns[type]] == node + 1)
				continue;
			stamps[ns[type]] = node + 1;
			pair(join, ns[type], node);
		}
	}
}

/* Calls for each namespace that has a process or thread of a cgroup itself, once a pair. */
static void each_pair(struct join *join, const struct namespaces *set, uint32_t *stamps,
		      void (*pair)(struct join *join, uint32_t ns, uint32_t node))
{
	memset(stamps, 0, set->n * sizeof(*stamps));
	for (uint32_t node = 0; node < join->tree->n; node++) {
		for (uint32_t i = join->start[node]; i < join->start[node + 1]; i++)
			pairs_of(join, &set->processes[join->order[i]], node, stamps, pair);
	}
}

static void count_pair(struct join *join, uint32_t ns, uint32_t node)
{
	(void)node;
	join->ns_start[ns + 1]++;
}

static void add_pair(struct join *join, uint32_t ns, uint32_t node)
{
	join->ns_nodes[join->ns_start[ns]++] = node;
}

static int list_ns_nodes(struct join *join, const struct namespaces *set)
{
	uint32_t *stamps = new_array(join, set->n, sizeof(*stamps));

	join->ns_start = new_array(join, (size_t)set->n + 1, sizeof(*join->ns_start));
	if (join->arena.failed)
		return -ENOMEM;
	each_pair(join, set, stamps, count_pair);
	for (uint32_t i = 0; i < set->n; i++)
		join->ns_start[i + 1] += join->ns_start[i];
	join->ns_nodes = new_array(join, join->ns_start[set->n], sizeof(*join->ns_nodes));
	if (!join->ns_nodes)
		return -ENOMEM;
	each_pair(join, set, stamps, add_pair);
	for (uint32_t i = set->n; i > 0; i--)
		join->ns_start[i] = join->ns_start[i - 1];
	join->ns_start[0] = 0;
	return 0;
}

/* ---- users and limits ------------------------------------------------------------------- */

static void merge_user(struct join *join, uint32_t node, uint8_t users, uid_t uid)
{
	if (users == NO_USER)
		return;
	if (join->users[node] == NO_USER) {
		join->users[node] = users;
		join->uid[node] = uid;
	} else if (users == SEVERAL_USERS || join->uid[node] != uid) {
		join->users[node] = SEVERAL_USERS;
	}
}

static int compare_limits(const void *a, const void *b)
{
	const struct limit_key *x = a, *y = b;

	if (x->user_ns != y->user_ns)
		return x->user_ns < y->user_ns ? -1 : 1;
	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

/* The limits of one user in one user namespace; they are sorted by how tight they are. */
static void apply_limits(const struct namespaces *set, const struct limit_key *keys,
			 const struct limit_key *key, uint32_t *limits)
{
	uint32_t low = 0, high = set->n_limits;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compare_limits(&keys[middle], key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < set->n_limits; low++) {
		if (keys[low].user_ns != key->user_ns || keys[low].uid != key->uid)
			return;
		if (keys[low].index < limits[set->limits[keys[low].index].type])
			limits[set->limits[keys[low].index].type] = keys[low].index;
	}
}

/*
 * A namespace is charged to who makes it in the user namespace that he is in, and then to the owner
 * of that user namespace in its parent, up to the first (user_namespaces(7)).
 */
static void limit_process(struct join *join, const struct namespaces *set,
			  const struct limit_key *keys, const struct ns_process *process,
			  uint32_t node)
{
	struct limit_key key = { process->ns[NS_USER], process->uid, 0 };
	uint32_t *limits = join->limits[node];

	for (uint32_t climbed = 0; key.user_ns != NS_NONE && climbed <= set->n; climbed++) {
		const struct ns_namespace *user = &set->list[key.user_ns];

		apply_limits(set, keys, &key, limits);
		if (!user->owner_known)
			return;
		key.uid = user->owner_uid;
		key.user_ns = user->parent;
	}
}

static int find_users_and_limits(struct join *join, const struct namespaces *set)
{
	struct limit_key *keys = new_array(join, set->n_limits, sizeof(*keys));
	const struct tree *tree = join->tree;

	join->uid = new_array(join, tree->n, sizeof(*join->uid));
	join->users = new_array(join, tree->n, sizeof(*join->users));
	join->limits = new_array(join, tree->n, sizeof(*join->limits));
	if (join->arena.failed)
		return -ENOMEM;
	for (uint32_t i = 0; i < set->n_limits; i++)
		keys[i] = (struct limit_key){ set->limits[i].user_ns, set->limits[i].uid, i };
	qsort(keys, set->n_limits, sizeof(*keys), compare_limits);
	for (uint32_t i = 0; i < tree->n; i++)
		fill(join->limits[i], NS_TYPE_COUNT, NS_NONE);
	for (uint32_t i = 0; i < tree->n; i++) {
		for (uint32_t at = join->start[i]; at < join->start[i + 1]; at++) {
			const struct ns_process *process = &set->processes[join->order[at]];

			merge_user(join, i, ONE_USER, process->uid);
			limit_process(join, set, keys, process, i);
		}
	}
	/* Children stand behind their parents: from the end, everything comes up to the root. */
	for (uint32_t i = tree->n; i-- > 1;) {
		uint32_t *up = join->limits[tree->parent[i]];

		merge_user(join, tree->parent[i], join->users[i], join->uid[i]);
		for (int type = 0; type < NS_TYPE_COUNT; type++) {
			if (join->limits[i][type] < up[type])
				up[type] = join->limits[i][type];
		}
	}
	return 0;
}

/* ---- containers and overlays ------------------------------------------------------------ */

/*
 * A container whose id is not in the path of its cgroup: the cgroup of its first process is its own
 * if nothing in it is in another mount namespace.
 */
static void place_by_pid(struct join *join, const struct namespaces *set,
			 const struct container *container)
{
	uint32_t p = container->pid > 0 ? namespaces_find_process(set, container->pid) : NS_NONE;
	uint32_t node = p == NS_NONE ? NODE_NONE : join->process_node[p];

	if (node == NODE_NONE || node == 0 || join->tree->nodes[node]->container_id)
		return;
	if (join->spaces[node].place[NS_MNT] == JOIN_OWN)
		join->containers[node] = container;
}

static int find_containers(struct join *join, const struct inventory *inventory)
{
	const struct containers *set = inventory->containers;
	const struct tree *tree = join->tree;

	join->containers = new_array(join, tree->n, sizeof(const struct container *));
	if (!join->containers)
		return -ENOMEM;
	for (uint32_t i = 0; inventory->namespaces && i < set->n; i++)
		place_by_pid(join, inventory->namespaces, &set->list[i]);
	for (uint32_t i = 0; i < tree->n; i++) {
		if (tree->nodes[i]->container_id)
			join->containers[i] = containers_find(set, tree->nodes[i]->container_id);
		else if (!join->containers[i] && tree->parent[i] != NODE_NONE)
			join->containers[i] = join->containers[tree->parent[i]];
	}
	return 0;
}

/*
 * By the roots of the cgroup's own processes, where its container did not say. The machine's own
 * root, where that is an overlay (live images, machines that are containers themselves), stands
 * back behind any other.
 */
static void root_overlays(struct join *join, const struct namespaces *set,
			  const struct overlays *overlays)
{
	const dev_t host = set->n_processes > 0 && set->processes[0].pid == 1
				   ? set->processes[0].root_device
				   : 0;

	for (uint32_t node = 0; node < join->tree->n; node++) {
		for (uint32_t i = join->start[node]; i < join->start[node + 1]; i++) {
			dev_t device = set->processes[join->order[i]].root_device;
			const struct overlay *overlay = overlays_find_device(overlays, device);
			const struct overlay *has = join->overlays[node];

			if (overlay && (!has || (has->device == host && device != host)))
				join->overlays[node] = overlay;
		}
	}
	for (uint32_t p = 0; p < set->n_processes; p++) {
		const struct overlay *overlay = overlays_find_device(overlays,
								     set->processes[p].root_device);

		if (overlay && join->overlay_node[overlay - overlays->list] == NODE_NONE)
			join->overlay_node[overlay - overlays->list] = join->process_node[p];
	}
}

static const char *container_id(const struct join *join, uint32_t node)
{
	if (join->containers && join->containers[node])
		return join->containers[node]->id;
	return join->tree->nodes[node]->container_id;
}

/* Parents come first, so an overlay belongs to the highest cgroup of its container. */
static void container_overlays(struct join *join, const struct overlays *overlays,
			       const struct named *ids, size_t n)
{
	for (uint32_t i = 0; i < join->tree->n; i++) {
		const char *id = container_id(join, i);
		size_t at = id ? find_named(ids, n, id) : n;

		for (size_t other = at; other < n && strcmp(ids[other].name, id) == 0; other++) {
			if (join->overlay_node[ids[other].index] == NODE_NONE)
				join->overlay_node[ids[other].index] = i;
		}
		if (at < n)
			join->overlays[i] = &overlays->list[ids[at].index];
	}
}

static int find_overlays(struct join *join, const struct inventory *inventory,
			 const struct named *paths)
{
	const struct overlays *set = inventory->overlays;
	struct named *ids = new_array(join, set->n, sizeof(*ids));
	size_t n = 0;

	join->overlays = new_array(join, join->tree->n, sizeof(const struct overlay *));
	join->overlay_node = new_array(join, set->n, sizeof(*join->overlay_node));
	if (join->arena.failed)
		return -ENOMEM;
	fill(join->overlay_node, set->n, NODE_NONE);
	for (uint32_t i = 0; i < set->n; i++) {
		if (set->list[i].container_id)
			ids[n++] = (struct named){ set->list[i].container_id, i };
	}
	qsort(ids, n, sizeof(*ids), compare_named);
	container_overlays(join, set, ids, n);
	if (inventory->namespaces)
		root_overlays(join, inventory->namespaces, set);
	for (uint32_t i = 0; i < set->n; i++) {
		const char *cgroup = set->list[i].cgroup;
		size_t at = cgroup ? find_named(paths, join->tree->n, cgroup) : join->tree->n;

		if (at == join->tree->n)
			continue;
		if (join->overlay_node[i] == NODE_NONE)
			join->overlay_node[i] = paths[at].index;
		if (!join->overlays[paths[at].index])
			join->overlays[paths[at].index] = &set->list[i];
	}
	return 0;
}

/* ---- the whole -------------------------------------------------------------------------- */

int join_make(struct join *join)
{
	const struct inventory *inventory = join->inventory;
	const struct tree *tree = join->tree;
	struct named *paths = new_array(join, tree->n, sizeof(*paths));
	int r = paths ? 0 : -ENOMEM;

	for (uint32_t i = 0; r == 0 && i < tree->n; i++)
		paths[i] = (struct named){ tree->nodes[i]->path, i };
	if (r == 0)
		qsort(paths, tree->n, sizeof(*paths), compare_named);
	if (r == 0 && inventory->namespaces)
		r = place_processes(join, paths, inventory->namespaces);
	if (r == 0 && inventory->namespaces)
		r = count_namespaces(join, inventory->namespaces);
	if (r == 0 && inventory->namespaces)
		r = list_ns_nodes(join, inventory->namespaces);
	if (r == 0 && inventory->namespaces)
		r = find_users_and_limits(join, inventory->namespaces);
	if (r == 0 && inventory->containers)
		r = find_containers(join, inventory);
	if (r == 0 && inventory->overlays)
		r = find_overlays(join, inventory, paths);
	return r;
}
