// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "fake_inventory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"

#define SECOND	    UINT64_C(1000000000)
#define HOUR	    (3600 * SECOND)
#define HOST_DEVICE ((dev_t)0x801) /* 8:1 */

const char *const fake_inventory_paths[] = {
	"/",
	"/init.scope",
	"/system.slice",
	FAKE_GO_CGROUP,
	FAKE_WEB_CGROUP,
	"/system.slice/ssh.service",
	"/user.slice",
	"/user.slice/user-1000.slice",
	FAKE_ROOTLESS_CGROUP,
};
const uint32_t fake_inventory_n_paths = ARRAY_SIZE(fake_inventory_paths);

/* Own namespaces by number: FAKE_OWN_NS + number is the inode. */
enum {
	WEB_MNT,
	WEB_NET,
	WEB_PID,
	WEB_UTS,
	WEB_IPC,
	WEB_CGROUP,
	ROOTLESS_USER,
	ROOTLESS_MNT,
	CHILD_USER,
	THREAD_NET,
	BLUE_NET,
	FD_NET,
	SOCKET_NET,
	OWN_COUNT,
};

static const struct {
	enum ns_type type;
	pid_t pid;
	uint32_t processes, threads;
	uint64_t age_ns;
} own[OWN_COUNT] = {
	[WEB_MNT] = { NS_MNT, 200, 2, 2, 2 * HOUR },
	[WEB_NET] = { NS_NET, 200, 2, 2, 2 * HOUR },
	[WEB_PID] = { NS_PID, 200, 2, 2, 2 * HOUR },
	[WEB_UTS] = { NS_UTS, 200, 2, 2, 2 * HOUR },
	[WEB_IPC] = { NS_IPC, 200, 2, 2, 2 * HOUR },
	[WEB_CGROUP] = { NS_CGROUP, 200, 2, 2, 2 * HOUR },
	[ROOTLESS_USER] = { NS_USER, 300, 1, 1, 90 * SECOND },
	[ROOTLESS_MNT] = { NS_MNT, 300, 1, 1, 90 * SECOND },
	[CHILD_USER] = { NS_USER, 0, 0, 0, 30 * SECOND },
	[THREAD_NET] = { NS_NET, 400, 0, 1, 5 * SECOND },
	[BLUE_NET] = { NS_NET, 0, 0, 0, 24 * HOUR },
	[FD_NET] = { NS_NET, 100, 0, 0, 24 * HOUR },
	[SOCKET_NET] = { NS_NET, 100, 0, 0, 24 * HOUR },
};

static const struct {
	pid_t pid, ppid;
	uid_t uid;
	uint32_t threads;
	uint64_t age_ns;
	const char *comm, *command, *cgroup;
	dev_t root_device;
} people[] = {
	{ 1, 0, 0, 1, 100 * HOUR, "systemd", "/sbin/init", "/init.scope", HOST_DEVICE },
	{ 100, 1, 0, 1, 90 * HOUR, "sshd", "sshd: /usr/sbin/sshd -D", "/system.slice/ssh.service",
	  HOST_DEVICE },
	{ 200, 1, 0, 1, 2 * HOUR, "nginx", "nginx: master process", FAKE_WEB_CGROUP,
	  FAKE_WEB_OVERLAY },
	{ 201, 200, 33, 1, HOUR, "nginx", "nginx: worker process", FAKE_WEB_CGROUP,
	  FAKE_WEB_OVERLAY },
	{ 300, 1, 1000, 1, 90 * SECOND, "sleep", "sleep infinity", FAKE_ROOTLESS_CGROUP,
	  FAKE_ROOTLESS_OVERLAY },
	{ 400, 1, 0, 5, 5 * HOUR, "cni", "/opt/cni --daemon", FAKE_GO_CGROUP, HOST_DEVICE },
};

static int compare_namespaces(const void *a, const void *b)
{
	const struct ns_namespace *x = a, *y = b;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return (x->inode > y->inode) - (x->inode < y->inode);
}

static void init_namespace(struct ns_namespace *ns, enum ns_type type, uint64_t inode)
{
	*ns = (struct ns_namespace){ .type = type,
				     .inode = inode,
				     .id = inode - 4026531000,
				     .parent = NS_NONE,
				     .owner = NS_NONE,
				     .owner_known = true,
				     .n_interfaces = -1,
				     .n_mounts = -1,
				     .netnsid = -1,
				     .netnsid_known = type == NS_NET };
}

static void add_host(struct namespaces *set)
{
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		struct ns_namespace *ns = &set->list[set->n++];

		init_namespace(ns, (enum ns_type)type, FAKE_HOST_NS + (uint64_t)type);
		ns->host = true;
		ns->processes = type == NS_USER || type == NS_TIME ? 6 : 4;
		if (type == NS_USER)
			ns->processes = 5;
		if (type == NS_MNT)
			ns->processes = 3;
		ns->threads = ns->processes + 4;
		ns->pid = 1;
		ns->command = arena_string(&set->arena, "/sbin/init");
		ns->oldest_ns = FAKE_NOW_NS - 100 * HOUR;
	}
}

static void add_own(struct namespaces *set)
{
	for (int i = 0; i < OWN_COUNT; i++) {
		struct ns_namespace *ns = &set->list[set->n++];

		init_namespace(ns, own[i].type, FAKE_OWN_NS + (uint64_t)i);
		ns->pid = own[i].pid;
		ns->processes = own[i].processes;
		ns->threads = own[i].threads;
		ns->oldest_ns = FAKE_NOW_NS - own[i].age_ns;
		for (size_t p = 0; p < ARRAY_SIZE(people); p++) {
			if (people[p].pid != ns->pid)
				continue;
			ns->ppid = people[p].ppid;
			ns->uid = people[p].uid;
			ns->command = arena_string(&set->arena, people[p].command);
		}
	}
}

static struct ns_namespace *get(struct namespaces *set, enum ns_type type, uint64_t inode)
{
	uint32_t index = namespaces_find(set, type, inode);

	assert_int_not_equal(index, NS_NONE);
	return &set->list[index];
}

static struct ns_namespace *get_own(struct namespaces *set, int number)
{
	return get(set, own[number].type, FAKE_OWN_NS + (uint64_t)number);
}

static void hold(struct namespaces *set, int number, struct ns_holder holder)
{
	struct ns_namespace *ns = get_own(set, number);

	ns->holders = arena_array(&set->arena, 1, sizeof(*ns->holders));
	assert_non_null(ns->holders);
	ns->holders[0] = holder;
	ns->n_holders = 1;
}

static void add_holders(struct namespaces *set)
{
	hold(set, CHILD_USER,
	     (struct ns_holder){ .kind = NS_HELD_FD,
				 .pid = 300,
				 .fd = 5,
				 .comm = arena_string(&set->arena, "sleep") });
	hold(set, ROOTLESS_USER,
	     (struct ns_holder){ .kind = NS_HELD_CHILD,
				 .child_type = NS_USER,
				 .inode = FAKE_OWN_NS + CHILD_USER });
	hold(set, THREAD_NET,
	     (struct ns_holder){ .kind = NS_HELD_THREAD,
				 .pid = 400,
				 .tid = 403,
				 .comm = arena_string(&set->arena, "cni") });
	hold(set, BLUE_NET,
	     (struct ns_holder){ .kind = NS_HELD_MOUNT,
				 .mount_ns = FAKE_HOST_NS + NS_MNT,
				 .path = arena_string(&set->arena, "/run/netns/blue") });
	hold(set, FD_NET,
	     (struct ns_holder){ .kind = NS_HELD_FD,
				 .pid = 100,
				 .fd = 7,
				 .comm = arena_string(&set->arena, "sshd") });
	hold(set, SOCKET_NET,
	     (struct ns_holder){ .kind = NS_HELD_SOCKET,
				 .pid = 100,
				 .fd = 9,
				 .inode = 31337,
				 .comm = arena_string(&set->arena, "sshd") });
}

static struct ns_map *map(struct namespaces *set, struct ns_map line)
{
	struct ns_map *maps = arena_array(&set->arena, 1, sizeof(*maps));

	assert_non_null(maps);
	*maps = line;
	return maps;
}

static void add_details(struct namespaces *set)
{
	struct ns_namespace *user = get_own(set, ROOTLESS_USER);
	struct ns_namespace *child = get_own(set, CHILD_USER);
	struct ns_namespace *net = get_own(set, WEB_NET), *uts = get_own(set, WEB_UTS);
	struct ns_namespace *mnt = get_own(set, WEB_MNT), *pid = get_own(set, WEB_PID);

	user->owner_uid = child->owner_uid = 1000;
	user->uid_map = map(set, (struct ns_map){ 0, 1000, 1 });
	user->gid_map = map(set, (struct ns_map){ 0, 1000, 1 });
	user->n_uid_map = user->n_gid_map = 1;
	user->setgroups_denied = true;
	net->netnsid = 0;
	net->n_interfaces = 2;
	net->interfaces = arena_string(&set->arena, "lo eth0");
	uts->nodename = arena_string(&set->arena, "web-1");
	uts->domainname = arena_string(&set->arena, "(none)");
	mnt->n_mounts = 23;
	mnt->root = arena_string(&set->arena, "/");
	mnt->root_device = FAKE_WEB_OVERLAY;
	pid->init = 200;
	pid->depth = 1;
	user->depth = 1;
	child->depth = 2;
	get(set, NS_UTS, FAKE_HOST_NS + NS_UTS)->nodename = arena_string(&set->arena, "fakehost");
	get(set, NS_UTS, FAKE_HOST_NS + NS_UTS)->domainname = arena_string(&set->arena, "(none)");
}

static void relate(struct namespaces *set)
{
	uint32_t user = namespaces_find(set, NS_USER, FAKE_HOST_NS + NS_USER);
	uint32_t rootless = namespaces_find(set, NS_USER, FAKE_OWN_NS + ROOTLESS_USER);

	for (uint32_t i = 0; i < set->n; i++) {
		set->list[i].owner = set->list[i].type == NS_USER && set->list[i].host ? NS_NONE
										       : user;
		if (set->list[i].host)
			set->host[set->list[i].type] = i;
	}
	get_own(set, ROOTLESS_USER)->parent = user;
	get_own(set, CHILD_USER)->parent = get_own(set, CHILD_USER)->owner = rootless;
	get_own(set, ROOTLESS_MNT)->owner = rootless;
	get_own(set, WEB_PID)->parent = set->host[NS_PID];
}

static void move(struct namespaces *set, struct ns_process *process, const int *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		process->ns[own[numbers[i]].type] = namespaces_find(
			set, own[numbers[i]].type, FAKE_OWN_NS + (uint64_t)numbers[i]);
}

static void add_processes(struct namespaces *set)
{
	static const int web[] = { WEB_MNT, WEB_NET, WEB_PID, WEB_UTS, WEB_IPC, WEB_CGROUP };
	static const int rootless[] = { ROOTLESS_USER, ROOTLESS_MNT };

	set->n_processes = ARRAY_SIZE(people);
	set->processes = arena_array(&set->arena, set->n_processes, sizeof(*set->processes));
	assert_non_null(set->processes);
	for (size_t i = 0; i < ARRAY_SIZE(people); i++) {
		struct ns_process *process = &set->processes[i];

		*process = (struct ns_process){
			.pid = people[i].pid,
			.ppid = people[i].ppid,
			.uid = people[i].uid,
			.threads = people[i].threads,
			.root_device = people[i].root_device,
			.comm = arena_string(&set->arena, people[i].comm),
			.cgroup = arena_string(&set->arena, people[i].cgroup),
			.start_ns = FAKE_NOW_NS - people[i].age_ns,
		};
		memcpy(process->ns, set->host, sizeof(process->ns));
		if (process->pid == 200 || process->pid == 201)
			move(set, process, web, ARRAY_SIZE(web));
		if (process->pid == 300)
			move(set, process, rootless, ARRAY_SIZE(rootless));
		process->pid_for_children = process->ns[NS_PID];
		process->time_for_children = process->ns[NS_TIME];
	}
	set->n_threads = 1;
	set->threads = arena_array(&set->arena, 1, sizeof(*set->threads));
	assert_non_null(set->threads);
	set->threads[0] = (struct ns_thread){ .pid = 400, .tid = 403 };
	memcpy(set->threads[0].ns, set->host, sizeof(set->host));
	set->threads[0].ns[NS_NET] = namespaces_find(set, NS_NET, FAKE_OWN_NS + THREAD_NET);
}

static void add_limits(struct namespaces *set)
{
	const struct ns_limit limits[] = {
		{ NS_USER, set->host[NS_USER], 1000, 95, 100, true },
		{ NS_NET, set->host[NS_USER], 0, 5, 96365, true },
		{ NS_MNT, namespaces_find(set, NS_USER, FAKE_OWN_NS + ROOTLESS_USER), 1000, 1, 0,
		  false },
	};

	set->n_limits = ARRAY_SIZE(limits);
	set->limits = arena_array(&set->arena, set->n_limits, sizeof(*set->limits));
	assert_non_null(set->limits);
	memcpy(set->limits, limits, sizeof(limits));
}

static struct namespaces *make_namespaces(void)
{
	struct namespaces *set = namespaces_new();

	assert_non_null(set);
	set->list = arena_array(&set->arena, NS_TYPE_COUNT + OWN_COUNT, sizeof(*set->list));
	assert_non_null(set->list);
	add_host(set);
	add_own(set);
	qsort(set->list, set->n, sizeof(*set->list), compare_namespaces);
	for (uint32_t i = 0, type = 0; type <= NS_TYPE_COUNT; type++) {
		while (i < set->n && set->list[i].type < type)
			i++;
		set->first[type] = i;
	}
	relate(set);
	add_processes(set);
	add_holders(set);
	add_details(set);
	add_limits(set);
	set->boottime_ns = FAKE_NOW_NS;
	set->realtime_ns = UINT64_C(1700000000) * SECOND;
	set->cost_ns = 12345678;
	set->n_denied = 0;
	set->holders_searched = true;
	assert_false(set->arena.failed);
	return set;
}

static void add_layers(struct overlays *set, struct overlay *overlay, const char *const *paths,
		       uint32_t n)
{
	overlay->layers = arena_array(&set->arena, n, sizeof(*overlay->layers));
	assert_non_null(overlay->layers);
	overlay->n_layers = n;
	overlay->n_lower = n - 1;
	for (uint32_t i = 0; i < n; i++)
		overlay->layers[i] = (struct overlay_layer){
			.kind = i == 0 ? OVERLAY_UPPER : OVERLAY_LOWER,
			.path = arena_string(&set->arena, paths[i]),
			.resolved = arena_string(&set->arena, paths[i]),
			.device = HOST_DEVICE,
			.inode = 5000 + i,
			.shared = i == 0 ? 1 : i,
		};
}

static void add_mount(struct overlays *set, struct overlay *overlay, uint64_t mount_ns,
		      const char *mountpoint)
{
	overlay->mounts = arena_array(&set->arena, 1, sizeof(*overlay->mounts));
	assert_non_null(overlay->mounts);
	overlay->n_mounts = overlay->n_mount_ns = 1;
	overlay->mounts[0] = (struct overlay_mount){
		.mount_ns = mount_ns,
		.id = 77,
		.propagation = 'p',
		.mountpoint = arena_string(&set->arena, mountpoint),
		.root = arena_string(&set->arena, "/"),
	};
}

static void add_users(struct overlays *set, struct overlay *overlay, uint32_t first, uint32_t n)
{
	overlay->processes = arena_array(&set->arena, n, sizeof(*overlay->processes));
	assert_non_null(overlay->processes);
	overlay->n_processes = n;
	for (uint32_t i = 0; i < n; i++)
		overlay->processes[i] = first + i;
	overlay->cgroup = arena_string(&set->arena, people[first].cgroup);
}

static void make_web(struct overlays *set, struct overlay *overlay)
{
	static const char *const layers[] = { "/var/lib/docker/overlay2/aaaa/diff",
					      "/var/lib/docker/overlay2/aaaa-init/diff",
					      "/var/lib/docker/overlay2/bbbb/diff",
					      "/var/lib/docker/overlay2/cccc/diff" };

	*overlay = (struct overlay){
		.device = FAKE_WEB_OVERLAY,
		.fstype = "overlay",
		.source = "overlay",
		.options = arena_string(&set->arena, "rw,xino=off"),
		.work = arena_string(&set->arena, "/var/lib/docker/overlay2/aaaa/work"),
		.option_bytes = 160,
		.container_id = FAKE_WEB_ID,
		.runtime = "docker",
		.backing_fstype = "ext4",
		.backing_free_bytes = UINT64_C(50) << 30,
		.backing_free_inodes = 1000000,
	};
	add_layers(set, overlay, layers, ARRAY_SIZE(layers));
	add_mount(set, overlay, FAKE_HOST_NS + NS_MNT, "/var/lib/docker/overlay2/aaaa/merged");
	add_users(set, overlay, 2, 2);
	overlay->usage = (struct layer_usage){
		.state = LAYER_COMPLETE,
		.boottime_ns = FAKE_NOW_NS - 3 * SECOND,
		.duration_ns = 40000000,
		.cpu_ns = 12000000,
		.bytes = UINT64_C(6) << 30,
		.apparent_bytes = UINT64_C(5) << 30,
		.inodes = 1234,
		.files = 1000,
		.directories = 200,
		.symlinks = 30,
		.specials = 1,
		.created = 900,
		.copied_up = 131,
		.copied_up_bytes = 1 << 20,
		.metacopy = 2,
		.whiteouts = 17,
		.xattr_whiteouts = 1,
		.opaque = 4,
		.redirected = 1,
		.growth_known = true,
		.growth = 2048.5,
	};
}

static void make_rootless(struct overlays *set, struct overlay *overlay)
{
	static const char *const layers[] = {
		"/home/ann/.local/share/containers/storage/overlay/dddd/diff",
		"/home/ann/.local/share/containers/storage/overlay/l/SHORT",
	};

	*overlay = (struct overlay){
		.device = FAKE_ROOTLESS_OVERLAY,
		.fstype = "overlay",
		.source = "overlay",
		.options = arena_string(&set->arena, "rw,userxattr"),
		.userxattr = true,
		.work = arena_string(&set->arena,
				     "/home/ann/.local/share/containers/storage/overlay/dddd/work"),
		.option_bytes = 120,
		.flags = OVERLAY_FOREIGN | OVERLAY_LOWER_MISSING,
	};
	add_layers(set, overlay, layers, ARRAY_SIZE(layers));
	overlay->layers[1].missing = true;
	overlay->layers[1].resolved = NULL;
	add_mount(set, overlay, FAKE_OWN_NS + ROOTLESS_MNT, "/home/ann/merged, with\nodd name");
	add_users(set, overlay, 4, 1);
	overlay->usage.state = LAYER_PENDING;
}

static struct overlays *make_overlays(void)
{
	struct overlays *set = overlays_new();

	assert_non_null(set);
	set->n = 2;
	set->list = arena_array(&set->arena, set->n, sizeof(*set->list));
	assert_non_null(set->list);
	make_web(set, &set->list[0]);
	make_rootless(set, &set->list[1]);
	set->boottime_ns = FAKE_NOW_NS;
	set->cost_ns = 2345678;
	set->n_mount_ns = 3;
	set->by_statmount = true;
	assert_false(set->arena.failed);
	return set;
}

static struct containers *make_containers(void)
{
	static struct container list[] = {
		{ .id = FAKE_WEB_ID,
		  .runtime = "docker",
		  .name = "web",
		  .image = "nginx:1.25",
		  .image_id = "sha256:0123",
		  .state = "running",
		  .pid = 200,
		  .mount = "/var/lib/docker/overlay2/aaaa/merged",
		  .upper = "/var/lib/docker/overlay2/aaaa/diff",
		  .source = "/var/lib/docker/containers/" FAKE_WEB_ID "/config.v2.json" },
		{ .id = "stopped1",
		  .runtime = "podman",
		  .name = "old",
		  .image = "busybox:1",
		  .state = "exited" },
	};
	static struct storage_driver drivers[] = {
		{ .runtime = "docker",
		  .root = "/var/lib/docker",
		  .driver = "overlay2",
		  .fstype = "ext4",
		  .d_type = true,
		  .d_type_known = true,
		  .fs_bytes = UINT64_C(100) << 30,
		  .fs_free_bytes = UINT64_C(50) << 30,
		  .fs_inodes = 6000000,
		  .fs_free_inodes = 1000000,
		  .n_layers = 4,
		  .n_containers = 1 },
	};
	static struct orphan orphans[] = {
		{ .reason = ORPHAN_NO_RECORD,
		  .runtime = "docker",
		  .bytes = 1 << 20,
		  .bytes_known = true,
		  .path = "/var/lib/docker/overlay2/eeee" },
	};
	struct containers *set = containers_new();

	assert_non_null(set);
	set->boottime_ns = FAKE_NOW_NS;
	set->list = list;
	set->n = ARRAY_SIZE(list);
	set->drivers = drivers;
	set->n_drivers = ARRAY_SIZE(drivers);
	set->orphans = orphans;
	set->n_orphans = ARRAY_SIZE(orphans);
	set->orphans_searched = true;
	return set;
}

struct inventory *fake_inventory(void)
{
	const unsigned int all = INVENTORY_NAMESPACES | INVENTORY_HOLDERS | INVENTORY_OVERLAYS |
				 INVENTORY_USAGE | INVENTORY_CONTAINERS | INVENTORY_ORPHANS;
	struct inventory *inventory = inventory_new(all, make_namespaces(), make_overlays(),
						    make_containers());

	assert_non_null(inventory);
	return inventory;
}
