// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/derive.h"
#include "core/fact.h"
#include "core/join.h"
#include "fake_inventory.h"
#include "fake_snapshot.h"
#include "policies/condition.h"

#define SSH_CGROUP "/system.slice/ssh.service"

/* The scene of fake_inventory.h as a snapshot with every column; takes over the inventory. */
static struct snapshot *make(struct inventory *inventory)
{
	struct metric_set all = { 0 };
	struct tree *tree = fake_tree(fake_inventory_paths, fake_inventory_n_paths, NULL);
	struct snapshot *snapshot;

	metric_set_add_all(&all);
	snapshot = fake_snapshot(tree, &all, 1);
	snapshot->boottime_ns = FAKE_NOW_NS + UINT64_C(2000000000);
	snapshot->inventory = inventory;
	if (inventory)
		assert_int_equal(join_new(tree, inventory, &snapshot->join), 0);
	facts_fill(snapshot);
	derive_all(snapshot);
	return snapshot;
}

static enum value_state get(const struct snapshot *snapshot, const char *path, const char *name,
			    union value *ret_value)
{
	enum metric_id id = metric_find(name);
	uint32_t node = tree_find(snapshot->tree, path);

	assert_int_not_equal(id, M_NONE);
	assert_int_not_equal(node, NODE_NONE);
	return snapshot_get(snapshot, id, node, ret_value);
}

static void check_text(const struct snapshot *snapshot, const char *path, const char *name,
		       const char *wanted)
{
	union value value = { 0 };
	enum value_state state = get(snapshot, path, name, &value);

	if (state != VALUE_OK)
		fail_msg("%s %s: %s, wanted %s", path, name, value_state_name(state), wanted);
	assert_string_equal(value.text, wanted);
}

static void check_number(const struct snapshot *snapshot, const char *path, const char *name,
			 double wanted)
{
	double number = -1;
	enum value_state state = snapshot_number(snapshot, metric_find(name),
						 tree_find(snapshot->tree, path), &number);

	if (state != VALUE_OK || number < wanted - 1e-9 || number > wanted + 1e-9)
		fail_msg("%s %s: %s %g, wanted %g", path, name, value_state_name(state), number,
			 wanted);
}

static void check_state(const struct snapshot *snapshot, const char *path, const char *name,
			enum value_state wanted)
{
	union value value;
	enum value_state state = get(snapshot, path, name, &value);

	if (state != wanted)
		fail_msg("%s %s: %s, wanted %s", path, name, value_state_name(state),
			 value_state_name(wanted));
}

static void containers_and_users(void **state)
{
	struct inventory *inventory = fake_inventory();
	static const char passwd[] = "root:x:0:0::/root:/bin/sh\nbroken\n:x:5:\nann:x:1000:\n"
				     "other:x:1000:\nhuge:x:4294967296:\nroot2:x:0:1::";
	struct snapshot *snapshot;

	(void)state;
	assert_int_equal(user_names_parse(passwd, strlen(passwd), &inventory->users), 0);
	snapshot = make(inventory);
	check_text(snapshot, FAKE_WEB_CGROUP, "container.name", "web");
	check_text(snapshot, FAKE_WEB_CGROUP, "container.image", "nginx:1.25");
	check_text(snapshot, FAKE_WEB_CGROUP, "container.state", "running");
	check_state(snapshot, FAKE_WEB_CGROUP, "pod.name", VALUE_ABSENT);
	check_state(snapshot, SSH_CGROUP, "container.name", VALUE_ABSENT);
	check_text(snapshot, SSH_CGROUP, "user.name", "root");
	check_number(snapshot, SSH_CGROUP, "user.uid", 0);
	check_text(snapshot, FAKE_ROOTLESS_CGROUP, "user.name", "ann");
	check_number(snapshot, FAKE_ROOTLESS_CGROUP, "user.uid", 1000);
	check_state(snapshot, FAKE_WEB_CGROUP, "user.uid", VALUE_ABSENT); /* 0 and 33 */
	assert_null(user_names_find(inventory->users, 5));
	assert_null(user_names_find(NULL, 0));
	snapshot_unref(snapshot);
	snapshot = make(fake_inventory()); /* no names: numbers */
	check_text(snapshot, FAKE_ROOTLESS_CGROUP, "user.name", "1000");
	snapshot_unref(snapshot);
}

static void a_pod_has_what_its_containers_say(void **state)
{
	static struct container list[] = {
		{ .id = FAKE_WEB_ID, .name = "web", .pod = "shop-0", .pod_namespace = "prod" }
	};
	struct inventory *inventory = fake_inventory();
	struct snapshot *snapshot;

	(void)state;
	inventory->containers->list = list;
	inventory->containers->n = 1;
	snapshot = make(inventory);
	check_text(snapshot, FAKE_WEB_CGROUP, "pod.name", "shop-0");
	check_state(snapshot, "/system.slice", "pod.name", VALUE_ABSENT);
	snapshot->tree->nodes[tree_find(snapshot->tree, "/system.slice")]->kind = NODE_POD;
	facts_fill(snapshot);
	check_text(snapshot, "/system.slice", "pod.name", "shop-0");
	check_text(snapshot, "/system.slice", "pod.namespace", "prod");
	check_state(snapshot, "/system.slice", "container.name", VALUE_ABSENT);
	snapshot_unref(snapshot);
}

static void places_of_namespaces(void **state)
{
	struct snapshot *snapshot = make(fake_inventory());

	(void)state;
	check_text(snapshot, FAKE_WEB_CGROUP, "ns.net", "own");
	check_text(snapshot, FAKE_WEB_CGROUP, "ns.user", "host");
	check_text(snapshot, FAKE_GO_CGROUP, "ns.net", "several");
	check_number(snapshot, FAKE_WEB_CGROUP, "ns.host.net", 0);
	check_number(snapshot, FAKE_WEB_CGROUP, "ns.host.user", 1);
	check_number(snapshot, FAKE_GO_CGROUP, "ns.host.net", 0);
	check_number(snapshot, FAKE_GO_CGROUP, "ns.host.mnt", 1);
	check_number(snapshot, FAKE_WEB_CGROUP, "ns.count", 6);
	check_number(snapshot, FAKE_GO_CGROUP, "ns.count", 1); /* its thread's */
	check_number(snapshot, SSH_CGROUP, "ns.count", 0);
	check_number(snapshot, "/", "ns.count", 9);
	check_text(snapshot, FAKE_WEB_CGROUP, "ns.hostname", "web-1");
	check_state(snapshot, SSH_CGROUP, "ns.hostname", VALUE_ABSENT);
	snapshot_unref(snapshot);
}

static void why_there_is_no_namespace(void **state)
{
	struct inventory *inventory = fake_inventory();
	struct namespaces *set = inventory->namespaces;
	struct ns_process *ssh = &set->processes[namespaces_find_process(set, 100)];
	struct snapshot *snapshot;

	(void)state;
	ssh->denied = true;
	for (int type = 0; type < NS_TYPE_COUNT; type++)
		ssh->ns[type] = NS_NONE;
	set->processes[namespaces_find_process(set, 300)].cgroup = "/init.scope";
	set->processes[namespaces_find_process(set, 200)].ns[NS_TIME] = NS_NONE;
	set->processes[namespaces_find_process(set, 201)].ns[NS_TIME] = NS_NONE;
	snapshot = make(inventory);
	check_state(snapshot, SSH_CGROUP, "ns.net", VALUE_DENIED);
	check_state(snapshot, SSH_CGROUP, "ns.host.net", VALUE_DENIED);
	check_state(snapshot, SSH_CGROUP, "ns.count", VALUE_DENIED);
	check_state(snapshot, SSH_CGROUP, "ns.net.used", VALUE_DENIED);
	check_state(snapshot, SSH_CGROUP, "ns.ratio", VALUE_DENIED);
	check_state(snapshot, "/user.slice", "ns.net", VALUE_ABSENT); /* empty */
	check_state(snapshot, "/user.slice", "ns.net.limit", VALUE_ABSENT);
	check_state(snapshot, FAKE_WEB_CGROUP, "ns.time", VALUE_ABSENT); /* an older kernel */
	check_state(snapshot, FAKE_WEB_CGROUP, "ns.host.time", VALUE_ABSENT);
	snapshot_unref(snapshot);
}

static void limits_of_namespaces(void **state)
{
	struct snapshot *snapshot = make(fake_inventory());

	(void)state;
	check_number(snapshot, FAKE_ROOTLESS_CGROUP, "ns.user.used", 95);
	check_number(snapshot, FAKE_ROOTLESS_CGROUP, "ns.user.limit", 100);
	check_number(snapshot, FAKE_ROOTLESS_CGROUP, "ns.user.ratio", 0.95);
	check_number(snapshot, FAKE_ROOTLESS_CGROUP, "ns.ratio", 0.95);
	/* That user's limit in his own namespace is not known: no ratio, but a count. */
	check_number(snapshot, FAKE_ROOTLESS_CGROUP, "ns.mnt.used", 1);
	check_state(snapshot, FAKE_ROOTLESS_CGROUP, "ns.mnt.limit", VALUE_ABSENT);
	check_state(snapshot, FAKE_ROOTLESS_CGROUP, "ns.mnt.ratio", VALUE_ABSENT);
	/* Nobody of that cgroup made one: nothing of what the machine allows. */
	check_number(snapshot, FAKE_ROOTLESS_CGROUP, "ns.net.used", 0);
	check_number(snapshot, FAKE_ROOTLESS_CGROUP, "ns.net.limit", 96365);
	check_number(snapshot, FAKE_ROOTLESS_CGROUP, "ns.net.ratio", 0);
	check_number(snapshot, FAKE_WEB_CGROUP, "ns.net.used", 5);
	check_number(snapshot, "/", "ns.ratio", 0.95);
	snapshot_unref(snapshot);
}

static void a_limit_of_zero(void **state)
{
	struct inventory *inventory = fake_inventory();
	struct snapshot *snapshot;

	(void)state;
	inventory->namespaces->limits[0].limit = 0;
	snapshot = make(inventory);
	check_number(snapshot, FAKE_ROOTLESS_CGROUP, "ns.user.ratio", 1);
	snapshot_unref(snapshot);
	inventory = fake_inventory();
	inventory->namespaces->limits[0].limit = 0;
	inventory->namespaces->limits[0].used = 0;
	snapshot = make(inventory);
	check_number(snapshot, FAKE_ROOTLESS_CGROUP, "ns.user.ratio", 0);
	snapshot_unref(snapshot);
}

static void without_counts_nothing_is_zero(void **state)
{
	struct inventory *inventory = fake_inventory();
	struct snapshot *snapshot;

	(void)state;
	inventory->namespaces->n_limits = 0;
	snapshot = make(inventory);
	check_state(snapshot, FAKE_ROOTLESS_CGROUP, "ns.net.used", VALUE_ABSENT);
	check_state(snapshot, FAKE_ROOTLESS_CGROUP, "ns.ratio", VALUE_ABSENT);
	snapshot_unref(snapshot);
	inventory = fake_inventory();
	inventory->namespaces->n_denied_others = 1;
	snapshot = make(inventory);
	check_state(snapshot, FAKE_ROOTLESS_CGROUP, "ns.net.used", VALUE_DENIED);
	check_state(snapshot, FAKE_ROOTLESS_CGROUP, "ns.net.ratio", VALUE_DENIED);
	snapshot_unref(snapshot);
}

static void writable_layers(void **state)
{
	struct snapshot *snapshot = make(fake_inventory());

	(void)state;
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.upper_bytes", 6.0 * (1 << 30));
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.upper_apparent_bytes", 5.0 * (1 << 30));
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.upper_inodes", 1234);
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.files", 1000);
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.created", 900);
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.copied_up", 131);
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.copied_up_bytes", 1 << 20);
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.metacopy", 2);
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.whiteouts", 17);
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.opaque", 4);
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.redirected", 1);
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.work_leftovers", 0);
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.growth", 2049);
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.lower_layers", 3);
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.scan_age", 5); /* 3 s and 2 s */
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.scan_complete", 1);
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.backing_free_bytes", 50.0 * (1 << 30));
	/* Not walked yet. */
	check_state(snapshot, FAKE_ROOTLESS_CGROUP, "overlay.upper_bytes", VALUE_FIRST);
	check_state(snapshot, FAKE_ROOTLESS_CGROUP, "overlay.scan_age", VALUE_FIRST);
	check_number(snapshot, FAKE_ROOTLESS_CGROUP, "overlay.scan_complete", 0);
	check_number(snapshot, FAKE_ROOTLESS_CGROUP, "overlay.lower_layers", 1);
	check_state(snapshot, FAKE_ROOTLESS_CGROUP, "overlay.backing_free_bytes", VALUE_ABSENT);
	check_state(snapshot, SSH_CGROUP, "overlay.upper_bytes", VALUE_ABSENT);
	check_state(snapshot, SSH_CGROUP, "overlay.scan_complete", VALUE_ABSENT);
	snapshot_unref(snapshot);
}

/* Numbers that are known to be too low are no numbers. */
static void part_of_a_layer_is_no_value(void **state)
{
	static const struct {
		enum layer_state state;
		int error;
		enum value_state bytes;
		bool scanned; /* scan_complete has a value */
	} cases[] = {
		{ LAYER_PARTIAL, -EACCES, VALUE_DENIED, true },
		{ LAYER_PARTIAL, -EIO, VALUE_FAILED, true },
		{ LAYER_FAILED, -EPERM, VALUE_DENIED, true },
		{ LAYER_FAILED, -ENOENT, VALUE_FAILED, true },
		{ LAYER_STUCK, -EACCES, VALUE_FAILED, true },
		{ LAYER_NONE, 0, VALUE_ABSENT, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct inventory *inventory = fake_inventory();
		struct layer_usage *usage = &inventory->overlays->list[0].usage;
		struct snapshot *snapshot;

		usage->state = cases[i].state;
		usage->error = cases[i].error;
		snapshot = make(inventory);
		check_state(snapshot, FAKE_WEB_CGROUP, "overlay.upper_bytes", cases[i].bytes);
		check_state(snapshot, FAKE_WEB_CGROUP, "overlay.growth", cases[i].bytes);
		if (cases[i].scanned)
			check_number(snapshot, FAKE_WEB_CGROUP, "overlay.scan_complete", 0);
		else
			check_state(snapshot, FAKE_WEB_CGROUP, "overlay.scan_complete",
				    VALUE_ABSENT);
		snapshot_unref(snapshot);
	}
}

static void events_keep_a_layer_fresh(void **state)
{
	struct inventory *inventory = fake_inventory();
	struct layer_usage *usage = &inventory->overlays->list[0].usage;
	struct snapshot *snapshot;

	(void)state;
	usage->incremental = true;
	usage->growth_known = false;
	snapshot = make(inventory);
	check_number(snapshot, FAKE_WEB_CGROUP, "overlay.scan_age", 2);
	check_state(snapshot, FAKE_WEB_CGROUP, "overlay.growth", VALUE_FIRST);
	snapshot_unref(snapshot);
}

static void parts_that_are_not_there(void **state)
{
	struct snapshot *snapshot = make(NULL);

	(void)state;
	check_state(snapshot, FAKE_WEB_CGROUP, "container.name", VALUE_ABSENT);
	check_state(snapshot, FAKE_WEB_CGROUP, "ns.ratio", VALUE_ABSENT);
	snapshot_unref(snapshot);
	snapshot = make(inventory_new(0, NULL, NULL, NULL)); /* asked for, still on its way */
	check_state(snapshot, FAKE_WEB_CGROUP, "container.name", VALUE_FIRST);
	check_state(snapshot, FAKE_WEB_CGROUP, "ns.ratio", VALUE_FIRST);
	check_state(snapshot, FAKE_WEB_CGROUP, "overlay.scan_complete", VALUE_FIRST);
	snapshot_unref(snapshot);
}

static unsigned int parts_of(const char *name)
{
	struct metric_set set = { 0 };

	metric_set_add(&set, metric_find(name));
	return metric_set_inventory(&set);
}

static void what_columns_ask_for(void **state)
{
	(void)state;
	assert_int_equal(parts_of("memory.current"), 0);
	assert_int_equal(parts_of("container.name"), INVENTORY_CONTAINERS);
	assert_int_equal(parts_of("ns.ratio"), INVENTORY_NAMESPACES); /* through what it needs */
	assert_int_equal(parts_of("overlay.lower_layers"), INVENTORY_OVERLAYS);
	assert_int_equal(parts_of("overlay.upper_bytes"), INVENTORY_OVERLAYS | INVENTORY_USAGE);
}

static enum outcome evaluate(const struct snapshot *snapshot, const char *path, const char *text)
{
	struct condition *condition;
	char reason[256] = "";
	enum outcome outcome;

	if (condition_parse(text, &condition, reason, sizeof(reason)) < 0)
		fail_msg("%s: %s", text, reason);
	outcome = condition_evaluate(condition, snapshot, tree_find(snapshot->tree, path));
	condition_free(condition);
	return outcome;
}

static void policies_can_ask(void **state)
{
	struct snapshot *snapshot = make(fake_inventory());
	struct condition *condition;
	char reason[256];

	(void)state;
	assert_int_equal(evaluate(snapshot, FAKE_WEB_CGROUP, "overlay.upper_bytes > 5G"),
			 OUTCOME_TRUE);
	assert_int_equal(evaluate(snapshot, FAKE_WEB_CGROUP, "overlay.upper_bytes > 7G"),
			 OUTCOME_FALSE);
	assert_int_equal(evaluate(snapshot, FAKE_ROOTLESS_CGROUP, "overlay.upper_bytes < 5G"),
			 OUTCOME_UNKNOWN);
	assert_int_equal(evaluate(snapshot, FAKE_ROOTLESS_CGROUP, "ns.user.ratio > 90%"),
			 OUTCOME_TRUE);
	assert_int_equal(evaluate(snapshot, SSH_CGROUP, "ns.ratio > 90%"), OUTCOME_FALSE);
	assert_int_equal(evaluate(snapshot, FAKE_WEB_CGROUP,
				  "overlay.growth > 1K/s and overlay.growth < 1M and "
				  "overlay.scan_age < 10s and ns.host.net == 0 and "
				  "overlay.scan_complete == 1"),
			 OUTCOME_TRUE);
	assert_true(condition_parse("container.name == 1", &condition, reason, sizeof(reason)) < 0);
	assert_true(condition_parse("ns.user.ratio > 90", &condition, reason, sizeof(reason)) < 0);
	snapshot_unref(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(containers_and_users),
		cmocka_unit_test(a_pod_has_what_its_containers_say),
		cmocka_unit_test(places_of_namespaces),
		cmocka_unit_test(why_there_is_no_namespace),
		cmocka_unit_test(limits_of_namespaces),
		cmocka_unit_test(a_limit_of_zero),
		cmocka_unit_test(without_counts_nothing_is_zero),
		cmocka_unit_test(writable_layers),
		cmocka_unit_test(part_of_a_layer_is_no_value),
		cmocka_unit_test(events_keep_a_layer_fresh),
		cmocka_unit_test(parts_that_are_not_there),
		cmocka_unit_test(what_columns_ask_for),
		cmocka_unit_test(policies_can_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
