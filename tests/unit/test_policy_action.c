// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "policies/actions.h"
#include "policies/safe_path.h"

#define MIB (UINT64_C(1) << 20)

static struct action parse(const char *text)
{
	struct action action;
	char reason[512] = "";

	if (action_parse(text, &action, reason, sizeof(reason)) < 0)
		fail_msg("%s: %s", text, reason);
	return action;
}

/* What is written, and how it is written back (NULL: the same). */
static const struct {
	const char *text, *back;
	enum action_id id;
	uint64_t number;
} good[] = {
	{ "cpu.quota 20%", NULL, ACTION_CPU_QUOTA, 200000 },
	{ "cpu.quota   150%", "cpu.quota 150%", ACTION_CPU_QUOTA, 1500000 },
	{ "cpu.weight 20", NULL, ACTION_CPU_WEIGHT, 20 },
	{ "cpu.shares 256", NULL, ACTION_CPU_SHARES, 256 },
	{ "cpuset.cpus 0-1,3", NULL, ACTION_CPUSET_CPUS, 0 },
	{ "cpuset.mems 0", NULL, ACTION_CPUSET_MEMS, 0 },
	{ "memory.high 512M", NULL, ACTION_MEMORY_HIGH, 512 * MIB },
	{ "memory.high 1.5G", "memory.high 1536M", ACTION_MEMORY_HIGH, 1536 * MIB },
	{ "memory.high 1234567B", NULL, ACTION_MEMORY_HIGH, 1234567 },
	{ "memory.high 1G below_working_set=yes step=25%",
	  "memory.high 1G below_working_set=yes "
	  "step=25%",
	  ACTION_MEMORY_HIGH, 1024 * MIB },
	{ "memory.max allow_oom=yes 1G", "memory.max 1G allow_oom=yes", ACTION_MEMORY_MAX,
	  1024 * MIB },
	{ "memory.max 1G allow_oom=no", "memory.max 1G", ACTION_MEMORY_MAX, 1024 * MIB },
	{ "memory.swap.max 0", "memory.swap.max 0B", ACTION_MEMORY_SWAP_MAX, 0 },
	{ "memory.memsw.max 2G", NULL, ACTION_MEMORY_MEMSW, 2048 * MIB },
	{ "memory.reclaim 256M", NULL, ACTION_MEMORY_RECLAIM, 256 * MIB },
	{ "pids.max 100", NULL, ACTION_PIDS_MAX, 100 },
	{ "io.weight 20", NULL, ACTION_IO_WEIGHT, 20 },
	{ "freeze lease=30s", NULL, ACTION_FREEZE, 1 },
	{ "freeze lease=1m30s", "freeze lease=90s", ACTION_FREEZE, 1 },
	{ "kill", NULL, ACTION_KILL, 0 },
	{ "kill process=worker* timeout=1.5s", NULL, ACTION_KILL, 0 },
	{ "kill process=\"Web Content\"", NULL, ACTION_KILL, 0 },
	{ "move /quarantine", NULL, ACTION_MOVE, 0 },
	{ "move /a/b process=x back=yes", NULL, ACTION_MOVE, 0 },
	{ "move \"/with blank\"", NULL, ACTION_MOVE, 0 },
	{ "move \"/a=b\"", NULL, ACTION_MOVE, 0 },
	{ "notify the batch jobs take \"too much\"  x=1", NULL, ACTION_NOTIFY, 0 },
	{ "exec /bin/true", NULL, ACTION_EXEC, 0 },
	{ "exec /bin/true -a  \"b c\" timeout=10s", "exec /bin/true -a \"b c\" timeout=10s",
	  ACTION_EXEC, 0 },
	{ "exec /bin/true \"timeout=10s\"", NULL, ACTION_EXEC, 0 },
	{ "exec /bin/true timeout=10s last", "exec /bin/true \"timeout=10s\" last", ACTION_EXEC,
	  0 },
	{ "exec /bin/true \"\" \"a\\\"b\\\\c\"", NULL, ACTION_EXEC, 0 },
	{ "exec /bin/true $HOME *.c ; rm", NULL, ACTION_EXEC, 0 },
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const char *back = good[i].back ? good[i].back : good[i].text;
		struct action action = parse(good[i].text), again;
		struct strbuf text;

		assert_int_equal(action.id, good[i].id);
		if (action.value.number != good[i].number)
			fail_msg("%s: %llu", good[i].text, (unsigned long long)action.value.number);
		strbuf_init(&text);
		action_format(&action, &text);
		assert_string_equal(text.data, back);
		/* What is written back means the same. */
		again = parse(text.data);
		assert_int_equal(again.id, action.id);
		assert_int_equal(again.value.number, action.value.number);
		assert_int_equal(again.text_length, action.text_length);
		if (action.text)
			assert_memory_equal(again.text, action.text, action.text_length);
		assert_true(again.lease_usec == action.lease_usec &&
			    again.timeout_usec == action.timeout_usec &&
			    again.allow_oom == action.allow_oom && again.back == action.back);
		strbuf_done(&text);
		action_done(&action);
		action_done(&again);
	}
}

static const struct {
	const char *text, *reason;
} wrong[] = {
	{ "", "\"\" is no action: there are cpu.quota" },
	{ "cpu.quot 20%", "\"cpu.quot\" is no action" },
	{ "cpu.quota", "the value is missing, as in \"cpu.quota 20%\"" },
	{ "cpu.quota 20", "not a percentage of one core" },
	{ "cpu.quota 0.9%", "under 1 ms of the usual period" },
	{ "cpu.quota max", "\"max\" is no limit" },
	{ "cpu.quota 20% 30%", "\"30%\" is too much" },
	{ "cpu.quota 20% lease=3s", "cpu.quota has no option \"lease\"" },
	{ "cpu.weight 0", "outside what the kernel takes" },
	{ "cpu.weight 10001", "outside what the kernel takes" },
	{ "cpu.weight 20%", "not a number" },
	{ "cpuset.cpus two", "not a list of numbers" },
	{ "cpuset.cpus", "the value is missing" },
	{ "memory.high 512", "not a size with its unit" },
	{ "memory.high 1K", "outside what the kernel takes" },
	{ "memory.max 1G allow_oom=maybe", "allow_oom=maybe: it is neither yes nor no" },
	{ "memory.max 1G step=0%", "not a percentage from 1% to 100%" },
	{ "memory.max 1G step=101%", "not a percentage from 1% to 100%" },
	{ "memory.max 1G step=10", "not a percentage from 1% to 100%" },
	{ "memory.reclaim 256", "not a size with its unit" },
	{ "memory.reclaim 0B", "it is nothing" },
	{ "memory.reclaim max", "not a size" },
	{ "pids.max max", "\"max\" is no limit" },
	{ "pids.max 5%", "not a number" },
	{ "io.max 8:0", "the value is missing, as in \"io.max 8:0 wbps=10M\"" },
	{ "io.max 8:0 wbps=max", "that is no limit" },
	{ "freeze", "it needs a lease" },
	{ "freeze frozen lease=3s", "\"frozen\" is too much" },
	{ "freeze lease=3", "it is not a time" },
	{ "freeze lease=50ms", "it must be from 100ms to 1d" },
	{ "freeze lease=25h", "it must be from 100ms to 1d" },
	{ "kill now", "\"now\" is too much" },
	{ "kill process=[", "a '[' is not closed" },
	{ "kill process=", "it is empty" },
	{ "kill timeout=2h", "it must be from 100ms to 1h" },
	{ "kill signal=9", "kill has no option \"signal\"" },
	{ "move", "the value is missing" },
	{ "move quarantine", "not the path of a cgroup" },
	{ "move /", "not the path of a cgroup" },
	{ "move /a/", "not the path of a cgroup" },
	{ "move /a/../b", "not the path of a cgroup" },
	{ "move /a//b", "not the path of a cgroup" },
	{ "move /./b", "not the path of a cgroup" },
	{ "move /a /b", "\"/b\" is too much" },
	{ "notify", "the value is missing" },
	{ "exec", "the value is missing" },
	{ "exec true", "\"true\" is not an absolute path" },
	{ "exec \"/bin/true", "a '\"' is not closed" },
	{ "exec /bin/true timeout=soon", "it is not a time" },
};

static void test_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct action action;
		char reason[512] = "";

		assert_int_equal(action_parse(wrong[i].text, &action, reason, sizeof(reason)),
				 -EINVAL);
		if (!strstr(reason, wrong[i].reason))
			fail_msg("%s: \"%s\"", wrong[i].text, reason);
	}
}

static void test_command(void **state)
{
	static const char expected[] = "/bin/true\0-a\0b c\0\0$HOME";
	struct action action = parse("exec /bin/true -a \"b c\" \"\" $HOME timeout=2s");

	(void)state;
	assert_int_equal(action.text_length, sizeof(expected));
	assert_memory_equal(action.text, expected, sizeof(expected));
	assert_int_equal(action.timeout_usec, 2000000);
	action_done(&action);
}

/* Knobs whose values knob.c reads and writes back. */
static void test_new_knobs(void **state)
{
	static const char *const lines[] = { "io.max 8:0 wbps=10M riops=100", "cpu.burst 10ms" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct action action, again;
		struct strbuf text;
		char reason[512] = "";

		if (!knob_name(i == 0 ? KNOB_IO_MAX : KNOB_CPU_BURST))
			continue;
		action = parse(lines[i]);
		strbuf_init(&text);
		action_format(&action, &text);
		if (action_parse(text.data, &again, reason, sizeof(reason)) < 0)
			fail_msg("%s: %s", text.data, reason);
		assert_true(knob_equal(i == 0 ? KNOB_IO_MAX : KNOB_CPU_BURST, &action.value,
				       &again.value));
		strbuf_done(&text);
		action_done(&action);
		action_done(&again);
	}
}

/* All names are listed, and each is that of a row. */
static void test_names(void **state)
{
	_cleanup_(freep) char *names = strdup(action_names());
	char *save = NULL;
	int n = 0;

	(void)state;
	for (char *name = strtok_r(names, ", ", &save); name; name = strtok_r(NULL, ", ", &save)) {
		int id = 0;

		while (id < ACTION_COUNT && strcmp(action_name((enum action_id)id), name) != 0)
			id++;
		assert_int_not_equal(id, ACTION_COUNT);
		n++;
	}
	assert_int_equal(n, ACTION_COUNT);
	assert_int_equal(action_kind(ACTION_IO_WEIGHT), ACTION_KIND_KNOB);
	assert_int_equal(action_kind(ACTION_MEMORY_RECLAIM), ACTION_KIND_ONCE);
	assert_int_equal(action_kind(ACTION_EXEC), ACTION_KIND_ONCE);
	assert_true(action_touches(ACTION_KILL));
	assert_false(action_touches(ACTION_NOTIFY));
}

static struct hierarchies one(const char *controller, char **controllers, bool v2)
{
	controllers[0] = (char *)(uintptr_t)controller;
	controllers[1] = NULL;
	return (struct hierarchies){
		.n = 1, .list = { { .name = controllers[0], .controllers = controllers, .v2 = v2 } }
	};
}

static const struct {
	const char *text, *controller;
	bool v2;
	int result;
	const char *reason;
} hosts[] = {
	{ "cpu.weight 20", "cpu", true, 0, "" },
	{ "cpu.weight 20", "cpu", false, 0, "" },
	{ "cpu.weight 20", "memory", true, -ENODEV, "the controller is in no mounted hierarchy" },
	{ "cpu.shares 20", "cpu", false, 0, "" },
	{ "cpu.shares 20", "cpu", true, -EOPNOTSUPP, "use cpu.weight" },
	{ "memory.high 1G", "memory", false, -EOPNOTSUPP, "use memory.max" },
	{ "memory.high 1G", "memory", true, 0, "" },
	{ "memory.swap.max 1G", "memory", false, -EOPNOTSUPP, "use memory.memsw.max" },
	{ "memory.memsw.max 1G", "memory", true, -EOPNOTSUPP, "use memory.swap.max" },
	{ "memory.reclaim 1G", "memory", true, 0, "" },
	{ "memory.reclaim 1G", "memory", false, -EOPNOTSUPP, "use memory.max" },
	{ "memory.reclaim 1G", "cpu", false, -ENODEV, "in no mounted hierarchy" },
	{ "freeze lease=1s", "", true, 0, "" },
	{ "freeze lease=1s", "cpu", false, -ENODEV, "in no mounted hierarchy" },
	{ "notify x", "cpu", false, 0, "" },
	{ "kill", "cpu", false, 0, "" },
	{ "move /x", "cpu", true, 0, "" },
};

static void test_host(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		char *controllers[2];
		struct hierarchies hierarchies = one(hosts[i].controller, controllers, hosts[i].v2);
		struct action action = parse(hosts[i].text);
		char reason[512] = "";
		int r = action_check_host(&action, &hierarchies, reason, sizeof(reason));

		if (r != hosts[i].result || !strstr(reason, hosts[i].reason))
			fail_msg("%s: %d, \"%s\"", hosts[i].text, r, reason);
		action_done(&action);
	}
}

static const struct {
	uint64_t weight, shares;
} weights[] = { { 100, 1024 }, { 1, 10 }, { 20, 205 }, { 10000, 102400 }, { 50, 512 } };

static void test_weight(void **state)
{
	char *controllers[2];
	struct hierarchies v1 = one("cpu", controllers, false), v2 = v1;

	(void)state;
	v2.list[0].v2 = true;
	for (size_t i = 0; i < ARRAY_SIZE(weights); i++) {
		struct action action = { .id = ACTION_CPU_WEIGHT,
					 .value.number = weights[i].weight };
		struct knob_value value;

		assert_int_equal(action_knob(&action, &v1, &value), KNOB_CPU_SHARES);
		assert_int_equal(value.number, weights[i].shares);
		assert_int_equal(action_knob(&action, &v2, &value), KNOB_CPU_WEIGHT);
		assert_int_equal(value.number, weights[i].weight);
		action.id = ACTION_KILL;
		assert_int_equal(action_knob(&action, &v1, &value), KNOB_COUNT);
	}
}

/* ---- what may be run --------------------------------------------------------------------------
 */

static int set_up(void **state)
{
	char *path = strdup("/tmp/cgwatch-test-action-XXXXXX");

	umask(022);
	*state = path;
	return mkdtemp(path) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", (char *)*state);
	free(*state);
	return system(command);
}

static void must_refuse(const char *path, const char *expected)
{
	char reason[512] = "";

	assert_true(safe_path_check_command(path, reason, sizeof(reason)) < 0);
	if (!strstr(reason, expected))
		fail_msg("%s: \"%s\"", path, reason);
}

static void test_safe_command(void **state)
{
	const char *directory = *state;
	char path[128], link[128], inner[128], reason[512] = "";
	FILE *file;

	snprintf(inner, sizeof(inner), "%s/d", directory);
	snprintf(path, sizeof(path), "%s/d/hook", directory);
	snprintf(link, sizeof(link), "%s/link", directory);
	assert_int_equal(mkdir(inner, 0755), 0);
	must_refuse(path, "No such file");
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	must_refuse(path, "it is not executable");
	assert_int_equal(chmod(path, 0755), 0);
	if (safe_path_check_command(path, reason, sizeof(reason)) < 0)
		fail_msg("%s", reason);
	must_refuse("d/hook", "not an absolute path");
	must_refuse(inner, "not a regular file");
	assert_int_equal(chmod(path, 0775), 0);
	must_refuse(path, "group or others may write it");
	assert_int_equal(chmod(path, 0755), 0);
	/* A directory on the way, directly or behind a link or "..". */
	assert_int_equal(symlink("d", link), 0);
	snprintf(link, sizeof(link), "%s/link/../link/./hook", directory);
	if (safe_path_check_command(link, reason, sizeof(reason)) < 0)
		fail_msg("%s", reason);
	assert_int_equal(chmod(inner, 0777), 0);
	must_refuse(path, "group or others may write it");
	must_refuse(link, "group or others may write it");
	assert_int_equal(chmod(inner, 01777), 0); /* sticky: what is ours stays */
	assert_int_equal(safe_path_check_command(path, reason, sizeof(reason)), 0);
	snprintf(link, sizeof(link), "%s/d/loop", directory);
	assert_int_equal(symlink(link, link), 0);
	must_refuse(link, "too many symbolic links");
	if (geteuid() == 0) {
		assert_int_equal(lchown(link, 12345, 12345), 0);
		must_refuse(link, "it belongs to another user");
		assert_int_equal(chown(path, 12345, 12345), 0);
		must_refuse(path, "it belongs to another user");
	}
	if (safe_path_check_command("/bin/sh", reason, sizeof(reason)) < 0)
		fail_msg("%s", reason);
	assert_int_equal(safe_path_check_directory(directory, reason, sizeof(reason)), 0);
	assert_int_equal(safe_path_check_directory("/", reason, sizeof(reason)), 0);
	assert_int_equal(safe_path_check_directory(path, reason, sizeof(reason)),
			 geteuid() == 0 ? -EPERM : -ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_new_knobs),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_weight),
		cmocka_unit_test_setup_teardown(test_safe_command, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
