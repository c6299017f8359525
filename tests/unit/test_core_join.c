// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/join.h"
#include "fake_inventory.h"
#include "fake_snapshot.h"

/* The scene of fake_inventory.h, joined; tests may change it before. */
struct scene {
	struct tree *tree;
	struct inventory *inventory;
	struct join *join;
};

static void scene_start(struct scene *scene)
{
	scene->tree = fake_tree(fake_inventory_paths, fake_inventory_n_paths, NULL);
	scene->inventory = fake_inventory();
	scene->join = NULL;
}

static void scene_join(struct scene *scene)
{
	assert_int_equal(join_new(scene->tree, scene->inventory, &scene->join), 0);
}

static void scene_end(struct scene *scene)
{
	join_unref(scene->join);
	inventory_unref(scene->inventory);
	tree_unref(scene->tree);
}

static uint32_t node_of(const struct scene *scene, const char *path)
{
	uint32_t node = tree_find(scene->tree, path);

	assert_int_not_equal(node, NODE_NONE);
	return node;
}

static struct ns_process *process_of(const struct scene *scene, pid_t pid)
{
	uint32_t process = namespaces_find_process(scene->inventory->namespaces, pid);

	assert_int_not_equal(process, NS_NONE);
	return &scene->inventory->namespaces->processes[process];
}

/* The pids of a cgroup, with commas between. */
static void assert_pids(const struct scene *scene, const char *path, bool subtree,
			const char *expected)
{
	const uint32_t *list = NULL;
	uint32_t n = join_processes(scene->join, node_of(scene, path), subtree, &list);
	struct strbuf text;

	strbuf_init(&text);
	strbuf_add_string(&text, "");
	for (uint32_t i = 0; i < n; i++)
		strbuf_printf(&text, "%s%d", i ? "," : "",
			      (int)scene->inventory->namespaces->processes[list[i]].pid);
	assert_string_equal(text.data ? text.data : "", expected);
	strbuf_done(&text);
}

static void processes_of_a_subtree_are_one_range(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene_join(&scene);
	assert_pids(&scene, "/", false, "");
	assert_pids(&scene, "/", true, "1,400,200,201,100,300"); /* by cgroup, then pid */
	assert_pids(&scene, "/system.slice", false, "");
	assert_pids(&scene, "/system.slice", true, "400,200,201,100");
	assert_pids(&scene, FAKE_WEB_CGROUP, false, "200,201");
	assert_pids(&scene, "/user.slice/user-1000.slice", true, "300");
	for (uint32_t p = 0; p < scene.inventory->namespaces->n_processes; p++)
		assert_int_equal(join_process_node(scene.join, p),
				 node_of(&scene, scene.inventory->namespaces->processes[p].cgroup));
	assert_int_equal(join_process_node(scene.join, 6), NODE_NONE);
	scene_end(&scene);
}

/* A cgroup made after the tree, and none at all. */
static void processes_outside_of_the_tree_are_nowhere(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	process_of(&scene, 100)->cgroup = "/new";
	process_of(&scene, 201)->cgroup = NULL;
	scene_join(&scene);
	assert_pids(&scene, "/", true, "1,400,200,300");
	assert_int_equal(join_process_node(scene.join, 1), NODE_NONE);
	assert_int_equal(join_process_node(scene.join, 3), NODE_NONE);
	scene_end(&scene);
}

/* On v1 hosts hierarchies may have a process in other cgroups: it is in each, and counts once. */
static void processes_in_several_cgroups(void **state)
{
	static const char *const others[] = { "/system.slice/ssh.service", "/nowhere", NULL };
	struct scene scene;
	struct join_ns spaces;
	const uint32_t *nodes = NULL;
	uid_t uid;

	(void)state;
	scene_start(&scene);
	process_of(&scene, 200)->other_cgroups = others;
	scene_join(&scene);
	assert_pids(&scene, FAKE_WEB_CGROUP, false, "200,201");
	assert_pids(&scene, "/system.slice/ssh.service", false, "100,200");
	assert_int_equal(join_process_node(scene.join, 2), node_of(&scene, FAKE_WEB_CGROUP));
	join_namespaces(scene.join, node_of(&scene, "/system.slice"), &spaces);
	assert_int_equal(spaces.processes, 4);
	join_namespaces(scene.join, node_of(&scene, "/system.slice/ssh.service"), &spaces);
	assert_int_equal(spaces.processes, 2);
	assert_int_equal(spaces.place[NS_NET], JOIN_SEVERAL);
	assert_int_equal(join_ns_nodes(scene.join, process_of(&scene, 200)->ns[NS_NET], &nodes), 2);
	assert_int_equal(nodes[1], node_of(&scene, "/system.slice/ssh.service"));
	assert_non_null(join_overlay(scene.join, node_of(&scene, "/system.slice/ssh.service")));
	assert_int_equal(join_overlay_node(scene.join, &scene.inventory->overlays->list[0]),
			 node_of(&scene, FAKE_WEB_CGROUP));
	assert_true(join_user(scene.join, node_of(&scene, "/system.slice/ssh.service"), &uid));
	assert_int_equal(uid, 0);
	scene_end(&scene);
}

static struct join_ns spaces_of(const struct scene *scene, const char *path)
{
	struct join_ns spaces;

	join_namespaces(scene->join, node_of(scene, path), &spaces);
	return spaces;
}

static void places_of_namespaces(void **state)
{
	struct scene scene;
	struct join_ns spaces;

	(void)state;
	scene_start(&scene);
	scene_join(&scene);
	spaces = spaces_of(&scene, FAKE_WEB_CGROUP);
	assert_int_equal(spaces.processes, 2);
	assert_int_equal(spaces.place[NS_NET], JOIN_OWN);
	assert_int_equal(spaces.ns[NS_NET], process_of(&scene, 200)->ns[NS_NET]);
	assert_int_equal(spaces.distinct[NS_NET], 1);
	assert_int_equal(spaces.place[NS_USER], JOIN_HOST);
	assert_int_equal(spaces.place[NS_TIME], JOIN_HOST);
	spaces = spaces_of(&scene, "/system.slice");
	assert_int_equal(spaces.processes, 4);
	assert_int_equal(spaces.place[NS_NET], JOIN_SEVERAL);
	assert_int_equal(spaces.distinct[NS_NET], 3); /* host, web, the thread's */
	assert_int_equal(spaces.ns[NS_NET], process_of(&scene, 100)->ns[NS_NET]); /* lowest pid */
	assert_int_equal(spaces.place[NS_USER], JOIN_HOST);
	spaces = spaces_of(&scene, "/user.slice");
	assert_int_equal(spaces.place[NS_USER], JOIN_OWN);
	assert_int_equal(spaces.place[NS_NET], JOIN_HOST);
	scene_end(&scene);
}

static void a_thread_elsewhere_counts(void **state)
{
	struct scene scene;
	struct join_ns spaces;

	(void)state;
	scene_start(&scene);
	scene_join(&scene);
	spaces = spaces_of(&scene, FAKE_GO_CGROUP);
	assert_int_equal(spaces.processes, 1);
	assert_int_equal(spaces.place[NS_NET], JOIN_SEVERAL);
	assert_int_equal(spaces.distinct[NS_NET], 2);
	assert_int_equal(spaces.ns[NS_NET], scene.inventory->namespaces->host[NS_NET]);
	assert_int_equal(spaces.place[NS_MNT], JOIN_HOST);
	scene_end(&scene);
}

static void an_empty_cgroup_is_unknown(void **state)
{
	struct scene scene;
	struct join_ns spaces;

	(void)state;
	scene_start(&scene);
	process_of(&scene, 300)->cgroup = "/init.scope";
	scene_join(&scene);
	spaces = spaces_of(&scene, "/user.slice");
	assert_int_equal(spaces.processes, 0);
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		assert_int_equal(spaces.place[type], JOIN_UNKNOWN);
		assert_int_equal(spaces.ns[type], NS_NONE);
	}
	scene_end(&scene);
}

static void deny(struct scene *scene, pid_t pid)
{
	struct ns_process *process = process_of(scene, pid);

	process->denied = true;
	for (int type = 0; type < NS_TYPE_COUNT; type++)
		process->ns[type] = NS_NONE;
}

static void one_denied_process_hides_nothing(void **state)
{
	struct scene scene;
	struct join_ns spaces;

	(void)state;
	scene_start(&scene);
	deny(&scene, 200); /* the lowest of its cgroup */
	scene_join(&scene);
	spaces = spaces_of(&scene, FAKE_WEB_CGROUP);
	assert_int_equal(spaces.processes, 2);
	assert_int_equal(spaces.denied, 1);
	assert_int_equal(spaces.place[NS_NET], JOIN_OWN);
	assert_int_equal(spaces.ns[NS_NET], process_of(&scene, 201)->ns[NS_NET]);
	spaces = spaces_of(&scene, "/");
	assert_int_equal(spaces.denied, 1);
	assert_int_equal(spaces.place[NS_NET], JOIN_SEVERAL);
	assert_int_equal(spaces.place[NS_TIME], JOIN_HOST);
	scene_end(&scene);
}

/* Whatever the order of the cgroups. */
static void the_lowest_pid_says_which(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	process_of(&scene, 400)->ns[NS_NET] = process_of(&scene, 200)->ns[NS_NET];
	scene_join(&scene);
	assert_int_equal(spaces_of(&scene, "/system.slice").ns[NS_NET],
			 process_of(&scene, 100)->ns[NS_NET]);
	scene_end(&scene);
}

static void without_the_hosts_nothing_is_own(void **state)
{
	struct scene scene;
	struct join_ns spaces;

	(void)state;
	scene_start(&scene);
	scene.inventory->namespaces->host[NS_NET] = NS_NONE; /* pid 1 could not be read */
	scene_join(&scene);
	spaces = spaces_of(&scene, FAKE_WEB_CGROUP);
	assert_int_equal(spaces.place[NS_NET], JOIN_UNKNOWN);
	assert_int_equal(spaces.distinct[NS_NET], 1);
	assert_int_equal(spaces.place[NS_MNT], JOIN_OWN);
	assert_int_equal(spaces_of(&scene, "/system.slice").place[NS_NET], JOIN_SEVERAL);
	scene_end(&scene);
}

static void cgroups_of_a_namespace(void **state)
{
	struct scene scene;
	const struct namespaces *set;
	const uint32_t *nodes = NULL;

	(void)state;
	scene_start(&scene);
	scene_join(&scene);
	set = scene.inventory->namespaces;
	assert_int_equal(join_ns_nodes(scene.join, process_of(&scene, 200)->ns[NS_NET], &nodes), 1);
	assert_int_equal(nodes[0], node_of(&scene, FAKE_WEB_CGROUP));
	assert_int_equal(join_ns_nodes(scene.join, set->host[NS_NET], &nodes), 4);
	assert_int_equal(nodes[0], node_of(&scene, "/init.scope"));
	assert_int_equal(nodes[1], node_of(&scene, FAKE_GO_CGROUP));
	assert_int_equal(nodes[2], node_of(&scene, "/system.slice/ssh.service"));
	assert_int_equal(nodes[3], node_of(&scene, FAKE_ROOTLESS_CGROUP));
	assert_int_equal(join_ns_nodes(scene.join, set->threads[0].ns[NS_NET], &nodes), 1);
	assert_int_equal(nodes[0], node_of(&scene, FAKE_GO_CGROUP)); /* by its thread alone */
	for (uint32_t i = 0; i < set->n; i++) {
		if (set->list[i].n_holders > 0 && set->list[i].holders[0].kind == NS_HELD_MOUNT)
			assert_int_equal(join_ns_nodes(scene.join, i, &nodes), 0);
	}
	assert_int_equal(join_ns_nodes(scene.join, NS_NONE, &nodes), 0);
	scene_end(&scene);
}

static void container_of_a_cgroup(void **state)
{
	struct scene scene;
	const struct container *container;

	(void)state;
	scene_start(&scene);
	scene_join(&scene);
	container = join_container(scene.join, node_of(&scene, FAKE_WEB_CGROUP));
	assert_non_null(container);
	assert_string_equal(container->name, "web");
	assert_null(join_container(scene.join, node_of(&scene, "/system.slice")));
	assert_null(join_container(scene.join, node_of(&scene, FAKE_GO_CGROUP)));
	assert_null(join_container(scene.join, NODE_NONE));
	scene_end(&scene);
}

/* Cgroups without an id in their path: only one that is the container's alone is its. */
static void container_by_its_first_process(void **state)
{
	static struct container list[] = { { .id = "a", .name = "go", .pid = 400 },
					   { .id = "b", .name = "rootless", .pid = 300 },
					   { .id = "c", .name = "gone", .pid = 12345 } };
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.inventory->containers->list = list;
	scene.inventory->containers->n = 3;
	scene_join(&scene);
	assert_ptr_equal(join_container(scene.join, node_of(&scene, FAKE_ROOTLESS_CGROUP)),
			 &list[1]);
	assert_null(join_container(scene.join, node_of(&scene, FAKE_GO_CGROUP))); /* host mnt */
	assert_null(join_container(scene.join, node_of(&scene, "/user.slice")));
	assert_null(join_container(scene.join, node_of(&scene, FAKE_WEB_CGROUP))); /* no record */
	scene_end(&scene);
}

static void overlay_of_a_cgroup_and_back(void **state)
{
	struct scene scene;
	struct overlay *web, *rootless;

	(void)state;
	scene_start(&scene);
	scene_join(&scene);
	web = &scene.inventory->overlays->list[0];
	rootless = &scene.inventory->overlays->list[1];
	assert_ptr_equal(join_overlay(scene.join, node_of(&scene, FAKE_WEB_CGROUP)), web);
	assert_ptr_equal(join_overlay(scene.join, node_of(&scene, FAKE_ROOTLESS_CGROUP)), rootless);
	assert_null(join_overlay(scene.join, node_of(&scene, "/system.slice")));
	assert_null(join_overlay(scene.join, node_of(&scene, FAKE_GO_CGROUP)));
	assert_int_equal(join_overlay_node(scene.join, web), node_of(&scene, FAKE_WEB_CGROUP));
	assert_int_equal(join_overlay_node(scene.join, rootless),
			 node_of(&scene, FAKE_ROOTLESS_CGROUP));
	assert_int_equal(join_overlay_node(scene.join, NULL), NODE_NONE);
	scene_end(&scene);
}

/* Nobody's root was read: the container and the recorded cgroup still tell. */
static void overlay_without_processes(void **state)
{
	struct scene scene;
	struct overlay *list;

	(void)state;
	scene_start(&scene);
	for (uint32_t p = 0; p < scene.inventory->namespaces->n_processes; p++)
		scene.inventory->namespaces->processes[p].root_device = 0;
	list = scene.inventory->overlays->list;
	list[0].cgroup = NULL;
	scene_join(&scene);
	assert_ptr_equal(join_overlay(scene.join, node_of(&scene, FAKE_WEB_CGROUP)), &list[0]);
	assert_int_equal(join_overlay_node(scene.join, &list[0]), node_of(&scene, FAKE_WEB_CGROUP));
	assert_ptr_equal(join_overlay(scene.join, node_of(&scene, FAKE_ROOTLESS_CGROUP)), &list[1]);
	scene_end(&scene);
}

/* A machine whose own root is an overlay: a process elsewhere says more. */
static void the_hosts_root_stands_back(void **state)
{
	struct scene scene;
	struct overlay *list;

	(void)state;
	scene_start(&scene);
	list = scene.inventory->overlays->list;
	process_of(&scene, 1)->root_device = list[1].device; /* the host's */
	process_of(&scene, 100)->root_device = list[1].device;
	process_of(&scene, 400)->root_device = list[0].device;
	process_of(&scene, 400)->cgroup = "/system.slice/ssh.service";
	scene_join(&scene);
	assert_ptr_equal(join_overlay(scene.join, node_of(&scene, "/init.scope")), &list[1]);
	assert_ptr_equal(join_overlay(scene.join, node_of(&scene, "/system.slice/ssh.service")),
			 &list[0]);
	assert_int_equal(join_overlay_node(scene.join, &list[1]), node_of(&scene, "/init.scope"));
	assert_int_equal(join_overlay_node(scene.join, &list[0]), node_of(&scene, FAKE_WEB_CGROUP));
	scene_end(&scene);
}

static void user_of_a_cgroup(void **state)
{
	struct scene scene;
	uid_t uid = 7;

	(void)state;
	scene_start(&scene);
	scene.tree->nodes[node_of(&scene, "/user.slice/user-1000.slice")]->kind = NODE_USER;
	scene.tree->nodes[node_of(&scene, FAKE_ROOTLESS_CGROUP)]->kind = NODE_USER;
	process_of(&scene, 300)->uid = 100999; /* a subuid: the slice tells whose it is */
	scene_join(&scene);
	assert_true(join_user(scene.join, node_of(&scene, FAKE_ROOTLESS_CGROUP), &uid));
	assert_int_equal(uid, 1000);
	assert_true(join_user(scene.join, node_of(&scene, "/user.slice"), &uid));
	assert_int_equal(uid, 100999); /* of the only process below it */
	assert_true(join_user(scene.join, node_of(&scene, "/init.scope"), &uid));
	assert_int_equal(uid, 0);
	uid = 7;
	assert_false(join_user(scene.join, node_of(&scene, FAKE_WEB_CGROUP), &uid)); /* 0, 33 */
	assert_false(join_user(scene.join, node_of(&scene, "/system.slice"), &uid));
	assert_int_equal(uid, 7);
	scene_end(&scene);
}

static void limits_follow_users_up_the_namespaces(void **state)
{
	struct scene scene;
	const struct ns_limit *limits;

	(void)state;
	scene_start(&scene);
	scene_join(&scene);
	limits = scene.inventory->namespaces->limits;
	/* Uid 1000 owns the user namespace that 300 is in: his limit in the host's applies. */
	assert_ptr_equal(join_limit(scene.join, node_of(&scene, FAKE_ROOTLESS_CGROUP), NS_USER),
			 &limits[0]);
	assert_ptr_equal(join_limit(scene.join, node_of(&scene, FAKE_ROOTLESS_CGROUP), NS_MNT),
			 &limits[2]);
	assert_null(join_limit(scene.join, node_of(&scene, FAKE_ROOTLESS_CGROUP), NS_NET));
	assert_ptr_equal(join_limit(scene.join, node_of(&scene, FAKE_WEB_CGROUP), NS_NET),
			 &limits[1]);
	assert_null(join_limit(scene.join, node_of(&scene, FAKE_WEB_CGROUP), NS_USER));
	assert_ptr_equal(join_limit(scene.join, 0, NS_USER), &limits[0]); /* of all below it */
	assert_ptr_equal(join_limit(scene.join, 0, NS_NET), &limits[1]);
	scene_end(&scene);
}

static void a_loop_of_parents_ends(void **state)
{
	struct scene scene;
	struct namespaces *set;

	(void)state;
	scene_start(&scene);
	set = scene.inventory->namespaces;
	set->list[set->host[NS_USER]].parent = process_of(&scene, 300)->ns[NS_USER];
	scene_join(&scene);
	assert_non_null(join_limit(scene.join, node_of(&scene, FAKE_ROOTLESS_CGROUP), NS_USER));
	scene_end(&scene);
}

static void hostname_only_of_its_own(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene_join(&scene);
	assert_string_equal(join_hostname(scene.join, node_of(&scene, FAKE_WEB_CGROUP)), "web-1");
	assert_null(join_hostname(scene.join, node_of(&scene, "/init.scope")));
	assert_null(join_hostname(scene.join, node_of(&scene, "/system.slice")));
	scene_end(&scene);
}

static void parts_that_are_not_there(void **state)
{
	struct scene scene;
	const uint32_t *list;
	struct join_ns spaces;
	uid_t uid;

	(void)state;
	scene_start(&scene);
	inventory_unref(scene.inventory);
	scene.inventory = inventory_new(0, NULL, NULL, NULL);
	scene_join(&scene);
	assert_int_equal(join_processes(scene.join, 0, true, &list), 0);
	assert_int_equal(join_process_node(scene.join, 0), NODE_NONE);
	join_namespaces(scene.join, 0, &spaces);
	assert_int_equal(spaces.ns[NS_MNT], NS_NONE);
	assert_int_equal(join_ns_nodes(scene.join, 0, &list), 0);
	assert_null(join_container(scene.join, 0));
	assert_null(join_overlay(scene.join, 0));
	assert_false(join_user(scene.join, 0, &uid));
	assert_null(join_limit(scene.join, 0, NS_NET));
	assert_null(join_hostname(scene.join, 0));
	scene_end(&scene);
}

static void a_join_knows_what_it_is_of(void **state)
{
	struct scene scene;
	struct inventory *other = fake_inventory();
	struct metric_set none = { 0 };
	struct snapshot *snapshot;

	(void)state;
	scene_start(&scene);
	scene_join(&scene);
	assert_true(join_is_of(scene.join, scene.tree, scene.inventory));
	assert_false(join_is_of(scene.join, scene.tree, other));
	assert_false(join_is_of(NULL, scene.tree, scene.inventory));
	/* A snapshot holds it for as long as it lives. */
	snapshot = fake_snapshot(tree_ref(scene.tree), &none, 1);
	snapshot->inventory = inventory_ref(scene.inventory);
	snapshot->join = join_ref(scene.join);
	inventory_unref(other);
	scene_end(&scene);
	assert_string_equal(
		join_hostname(snapshot->join, tree_find(snapshot->tree, FAKE_WEB_CGROUP)), "web-1");
	snapshot_unref(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_of_a_subtree_are_one_range),
		cmocka_unit_test(processes_outside_of_the_tree_are_nowhere),
		cmocka_unit_test(processes_in_several_cgroups),
		cmocka_unit_test(places_of_namespaces),
		cmocka_unit_test(a_thread_elsewhere_counts),
		cmocka_unit_test(an_empty_cgroup_is_unknown),
		cmocka_unit_test(one_denied_process_hides_nothing),
		cmocka_unit_test(the_lowest_pid_says_which),
		cmocka_unit_test(without_the_hosts_nothing_is_own),
		cmocka_unit_test(cgroups_of_a_namespace),
		cmocka_unit_test(container_of_a_cgroup),
		cmocka_unit_test(container_by_its_first_process),
		cmocka_unit_test(overlay_of_a_cgroup_and_back),
		cmocka_unit_test(overlay_without_processes),
		cmocka_unit_test(the_hosts_root_stands_back),
		cmocka_unit_test(user_of_a_cgroup),
		cmocka_unit_test(limits_follow_users_up_the_namespaces),
		cmocka_unit_test(a_loop_of_parents_ends),
		cmocka_unit_test(hostname_only_of_its_own),
		cmocka_unit_test(parts_that_are_not_there),
		cmocka_unit_test(a_join_knows_what_it_is_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
