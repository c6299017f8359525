// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/store.h"
#include "core/cleanup.h"
#include "fake_snapshot.h"
#include "tests/unit/test_collectors_tree.h"

/* One file of one cgroup, with every metric that is read from it. */
struct bench {
	struct fake_machine machine;
	struct root *root;
	struct devices *devices;
	struct plan plan;
	struct snapshot *snapshot;
	unsigned int n_missing;
};

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	machine_init(&bench->machine);
	bench->root = machine_root(&bench->machine);
	*state = bench;
	return 0;
}

static void forget(struct bench *bench)
{
	snapshot_unref(bench->snapshot);
	bench->snapshot = NULL;
	devices_free(bench->devices);
	bench->devices = NULL;
	plan_done(&bench->plan);
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	forget(bench);
	root_free(bench->root);
	machine_done(&bench->machine);
	free(bench);
	return 0;
}

static void make_plan(struct bench *bench, bool v2, const char *name, const char *part)
{
	struct plan_file *file = calloc(1, sizeof(*file));
	struct metric_set wanted = { 0 };
	static const char *const paths[] = { "/" };

	forget(bench);
	file->file = cgroup_file_find(v2, name);
	assert_non_null(file->file);
	file->name = strdup(name);
	file->part = part ? strdup(part) : NULL;
	file->fields = calloc(METRIC_COUNT, sizeof(*file->fields));
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		const struct metric *metric = metric_get((enum metric_id)id);
		const char *from = v2 ? metric->v2.file : metric->v1.file;
		const char *key = v2 ? metric->v2.key : metric->v1.key;

		if (!from || strcmp(from, name) != 0 || (file->file->shape == SHAPE_FLAT && !key))
			continue;
		file->fields[file->n_fields++] = (struct plan_field){
			(enum metric_id)id,
			key,
			key ? strlen(key) : 0,
			!v2 && metric->v1_mul ? metric->v1_mul : 1,
			!v2 && metric->v1_div ? metric->v1_div : 1,
		};
		metric_set_add(&wanted, (enum metric_id)id);
	}
	assert_true(file->n_fields > 0);
	bench->plan = (struct plan){ .files = file, .n = 1 };
	bench->snapshot = fake_snapshot(fake_tree(paths, 1, NULL), &wanted, 1);
	assert_int_equal(devices_new(bench->root, bench->snapshot->tree->strings, &bench->devices),
			 0);
}

/* The text stands on the heap without a NUL behind it, as in the reader's buffer: ASan guards it.
 */
static void parse_bytes(struct bench *bench, const char *text, size_t length)
{
	char *copy = malloc(length ? length : 1);
	struct store store = { bench->snapshot, bench->devices, 0 };

	memcpy(copy, text, length);
	store_file(&store, &bench->plan.files[0], (struct span){ copy, copy + length });
	bench->n_missing = store.n_missing;
	free(copy);
}

static void parse(struct bench *bench, bool v2, const char *name, const char *text)
{
	make_plan(bench, v2, name, NULL);
	parse_bytes(bench, text, strlen(text));
}

static void check(struct bench *bench, enum metric_id id, uint64_t wanted)
{
	union value value = { .u64 = 0xdead };
	enum value_state state = snapshot_get(bench->snapshot, id, 0, &value);

	if (state != VALUE_OK || value.u64 != wanted)
		fail_msg("%s: %s, %llu; wanted %llu", metric_get(id)->name, value_state_name(state),
			 (unsigned long long)value.u64, (unsigned long long)wanted);
}

static void check_state(struct bench *bench, enum metric_id id, enum value_state wanted)
{
	enum value_state state = snapshot_state(bench->snapshot, id, 0);

	if (state != wanted)
		fail_msg("%s: %s, wanted %s", metric_get(id)->name, value_state_name(state),
			 value_state_name(wanted));
}

static void check_text(struct bench *bench, enum metric_id id, const char *wanted)
{
	union value value;

	assert_int_equal(snapshot_get(bench->snapshot, id, 0, &value), VALUE_OK);
	assert_string_equal(value.text, wanted);
}

static void check_part(struct bench *bench, enum metric_id id, const char *key,
		       enum value_state state, uint64_t wanted)
{
	const struct snapshot *snapshot = bench->snapshot;

	for (uint32_t i = 0; i < snapshot->n_parts; i++) {
		const struct part *part = &snapshot->parts[i];

		if (part->metric != id || strcmp(part->key, key) != 0)
			continue;
		assert_int_equal(part->state, state);
		if (state == VALUE_OK)
			assert_int_equal(part->value.u64, wanted);
		return;
	}
	fail_msg("%s has no part %s", metric_get(id)->name, key);
}

static void test_single(void **state)
{
	struct bench *bench = *state;

	parse(bench, true, "memory.current", "4096\n");
	check(bench, M_MEMORY_CURRENT, 4096);
	assert_int_equal(bench->n_missing, 0);
	parse(bench, true, "memory.current", "4096");
	check(bench, M_MEMORY_CURRENT, 4096);
	parse(bench, true, "memory.current", "18446744073709551615\n");
	check(bench, M_MEMORY_CURRENT, UINT64_MAX);
	parse(bench, true, "memory.max", "max\n");
	check_state(bench, M_MEMORY_MAX, VALUE_UNLIMITED);
	parse(bench, true, "memory.max", "0\n");
	check(bench, M_MEMORY_MAX, 0);
	parse(bench, true, "pids.max", "max\n");
	check_state(bench, M_PIDS_MAX, VALUE_UNLIMITED);
	/* v1's ways to say it: the page counter's end, minus one. */
	parse(bench, false, "memory.limit_in_bytes", "9223372036854771712\n");
	check_state(bench, M_MEMORY_MAX, VALUE_UNLIMITED);
	parse(bench, false, "memory.limit_in_bytes", "9223372036854710272\n");
	check_state(bench, M_MEMORY_MAX, VALUE_UNLIMITED);
	parse(bench, false, "memory.limit_in_bytes", "67108864\n");
	check(bench, M_MEMORY_MAX, 67108864);
	parse(bench, false, "cpu.cfs_quota_us", "-1\n");
	check_state(bench, M_CPU_QUOTA, VALUE_UNLIMITED);
	parse(bench, false, "cpu.cfs_quota_us", "20000\n");
	check(bench, M_CPU_QUOTA, 20000);
	parse(bench, true, "cpu.weight.nice", "-20\n");
	check(bench, M_CPU_WEIGHT_NICE, (uint64_t)-20);
	/* Nanoseconds become microseconds. */
	parse(bench, false, "cpuacct.usage", "1234567891\n");
	check(bench, M_CPU_USAGE, 1234567);
}

static void test_single_junk(void **state)
{
	static const char *const junk[] = {
		"",
		"\n",
		" \n",
		"max\n",
		"-1\n",
		"-\n",
		"0x10\n",
		"1.5\n",
		"1 2\n",
		"1\n2\n",
		"junk\n",
		"1junk\n",
		"+1\n",
		"\xff\n",
		" 1\n",
		"1\t\n",
		"1e3\n",
		"18446744073709551616\n",
		"99999999999999999999999999999999999999\n",
	};
	struct bench *bench = *state;

	for (size_t i = 0; i < ARRAY_SIZE(junk); i++) {
		parse(bench, true, "memory.current", junk[i]);
		if (snapshot_state(bench->snapshot, M_MEMORY_CURRENT, 0) != VALUE_ABSENT)
			fail_msg("\"%s\" was taken for a number", junk[i]);
		assert_int_equal(bench->n_missing, 1);
	}
	make_plan(bench, true, "memory.current", NULL);
	parse_bytes(bench, "1\0002", 3);
	check_state(bench, M_MEMORY_CURRENT, VALUE_ABSENT);
}

/* What does not fit a signed number is no number; nothing may overflow on the way. */
static void test_signed_range(void **state)
{
	struct bench *bench = *state;

	parse(bench, true, "cpu.weight.nice", "9223372036854775807\n");
	check(bench, M_CPU_WEIGHT_NICE, INT64_MAX);
	parse(bench, true, "cpu.weight.nice", "-9223372036854775807\n");
	check(bench, M_CPU_WEIGHT_NICE, (uint64_t)-INT64_MAX);
	parse(bench, true, "cpu.weight.nice", "-18446744073709551615\n");
	check_state(bench, M_CPU_WEIGHT_NICE, VALUE_ABSENT);
	parse(bench, true, "cpu.weight.nice", "9223372036854775808\n");
	check_state(bench, M_CPU_WEIGHT_NICE, VALUE_ABSENT);
}

static void test_flat(void **state)
{
	struct bench *bench = *state;

	parse(bench, true, "cpu.stat",
	      "usage_usec 100\nuser_usec 60\nsystem_usec 40\nnr_periods 3\nnr_throttled 1\n"
	      "throttled_usec 18446744073709551615\nnr_bursts 0\nburst_usec 0\n");
	check(bench, M_CPU_USAGE, 100);
	check(bench, M_CPU_USER, 60);
	check(bench, M_CPU_SYSTEM, 40);
	check(bench, M_CPU_NR_PERIODS, 3);
	check(bench, M_CPU_THROTTLED, UINT64_MAX);
	check(bench, M_CPU_NR_BURSTS, 0);
	check_state(bench, M_CPU_NICE, VALUE_ABSENT);
	/* The root and a cgroup without the controller have the first three only. */
	parse(bench, true, "cpu.stat", "usage_usec 1\nuser_usec 2\nsystem_usec 3\n");
	check(bench, M_CPU_SYSTEM, 3);
	check_state(bench, M_CPU_NR_PERIODS, VALUE_ABSENT);
	assert_true(bench->n_missing >= 3);
	/* v1: nanoseconds, and ticks of 1/100 s. */
	parse(bench, false, "cpu.stat", "nr_periods 1\nnr_throttled 2\nthrottled_time 1999999\n");
	check(bench, M_CPU_THROTTLED, 1999);
	parse(bench, false, "cpuacct.stat", "user 7\nsystem 3\n");
	check(bench, M_CPU_USER, 70000);
	check(bench, M_CPU_SYSTEM, 30000);
	parse(bench, false, "cpuacct.stat", "user 18446744073709551615\nsystem 1\n");
	check_state(bench, M_CPU_USER, VALUE_ABSENT);
	check(bench, M_CPU_SYSTEM, 10000);
}

/* Lines and keys that nobody knows, in any order, cost nothing but themselves. */
static void test_flat_unknown(void **state)
{
	struct bench *bench = *state;

	parse(bench, true, "memory.events",
	      "brand_new 7\n\n \noom_kill 5\nlow\nhigh x\nmax 3 4\nlower 1\n low_x 2\noom 2\n"
	      "=\nlow=9\nhighest 3\nsock_throttled 4");
	check(bench, M_MEMORY_EVENTS_OOM_KILL, 5);
	check(bench, M_MEMORY_EVENTS_OOM, 2);
	check(bench, M_MEMORY_EVENTS_SOCK_THROTTLED, 4);
	check_state(bench, M_MEMORY_EVENTS_LOW, VALUE_ABSENT);
	check_state(bench, M_MEMORY_EVENTS_HIGH, VALUE_ABSENT);
	check_state(bench, M_MEMORY_EVENTS_MAX, VALUE_ABSENT);
	parse(bench, true, "memory.events", "");
	check_state(bench, M_MEMORY_EVENTS_OOM, VALUE_ABSENT);
	assert_int_equal(bench->n_missing, bench->plan.files[0].n_fields);
}

/* The hints remember what stood in each line; a file whose lines moved is still read right. */
static void test_flat_moves(void **state)
{
	static const char *const texts[] = {
		"usage_usec 1\nuser_usec 2\nsystem_usec 3\n",
		"system_usec 30\nusage_usec 10\nuser_usec 20\n",
		"new 5\nusage_usec 100\nother 6\nuser_usec 200\nsystem_usec 300\n",
		"usage_usec 1000\nuser_usec 2000\nsystem_usec 3000\n",
	};
	struct bench *bench = *state;
	uint64_t factor = 1;

	make_plan(bench, true, "cpu.stat", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++, factor *= 10) {
		memset(bench->snapshot->columns[M_CPU_USAGE].states, 0, 1);
		memset(bench->snapshot->columns[M_CPU_USER].states, 0, 1);
		memset(bench->snapshot->columns[M_CPU_SYSTEM].states, 0, 1);
		parse_bytes(bench, texts[i], strlen(texts[i]));
		check(bench, M_CPU_USAGE, factor);
		check(bench, M_CPU_USER, 2 * factor);
		check(bench, M_CPU_SYSTEM, 3 * factor);
	}
}

/* A key that comes twice must not end the reading before the keys behind it. */
static void test_flat_twice(void **state)
{
	struct bench *bench = *state;
	struct strbuf text;

	strbuf_init(&text);
	for (size_t i = 0; i < 40; i++)
		strbuf_add_string(&text, "usage_usec 1\n");
	strbuf_add_string(&text, "system_usec 3\n");
	parse(bench, true, "cpu.stat", text.data);
	strbuf_done(&text);
	check(bench, M_CPU_USAGE, 1);
	check(bench, M_CPU_SYSTEM, 3);
}

static void test_nested(void **state)
{
	struct bench *bench = *state;

	machine_mkdir(&bench->machine, "sys/dev/block");
	parse(bench, true, "io.stat",
	      "254:0 rbytes=100 wbytes=20 rios=3 wios=4 dbytes=0 dios=0\n"
	      "8:16 rbytes=1 junk rios=x unknown=7 =5 wios=\n"
	      "\n"
	      "259:1\n"
	      "(unknown) rbytes=1000");
	check(bench, M_IO_RBYTES, 1101);
	check(bench, M_IO_WBYTES, 20);
	check(bench, M_IO_RIOS, 3);
	check(bench, M_IO_WIOS, 4);
	check_part(bench, M_IO_RBYTES, "254:0", VALUE_OK, 100);
	check_part(bench, M_IO_RBYTES, "8:16", VALUE_OK, 1);
	check_part(bench, M_IO_RBYTES, "(unknown)", VALUE_OK, 1000);
	check_state(bench, M_IO_COST_USAGE, VALUE_ABSENT);
	/* No line: no I/O yet, which is 0; nothing limits. */
	parse(bench, true, "io.stat", "");
	check(bench, M_IO_RBYTES, 0);
	check_state(bench, M_IO_COST_USAGE, VALUE_ABSENT);
	parse(bench, true, "io.max", "");
	check_state(bench, M_IO_MAX_RBPS, VALUE_UNLIMITED);
	assert_int_equal(bench->snapshot->n_parts, 0);
}

/* Of limits the cell holds the tightest; a device without one is no limit at all. */
static void test_nested_limits(void **state)
{
	struct bench *bench = *state;

	parse(bench, true, "io.max",
	      "8:0 rbps=max wbps=2000 riops=max wiops=100\n"
	      "8:16 rbps=1048576 wbps=1000 riops=max wiops=max\n"
	      "8:32 rbps=max wbps=3000 riops=max wiops=120\n");
	check(bench, M_IO_MAX_RBPS, 1048576);
	check(bench, M_IO_MAX_WBPS, 1000);
	check_state(bench, M_IO_MAX_RIOPS, VALUE_UNLIMITED);
	check(bench, M_IO_MAX_WIOPS, 100);
	check_part(bench, M_IO_MAX_RBPS, "8:0", VALUE_UNLIMITED, 0);
	check_part(bench, M_IO_MAX_WBPS, "8:32", VALUE_OK, 3000);
	parse(bench, true, "rdma.max",
	      "mlx4_0 hca_handle=2 hca_object=max\nocrdma1 hca_handle=max hca_object=max\n");
	check(bench, M_RDMA_MAX_HCA_HANDLE, 2);
	check_state(bench, M_RDMA_MAX_HCA_OBJECT, VALUE_UNLIMITED);
	check_part(bench, M_RDMA_MAX_HCA_HANDLE, "ocrdma1", VALUE_UNLIMITED, 0);
}

static void test_parts(void **state)
{
	struct bench *bench = *state;

	parse(bench, true, "misc.current", "res_a 3\nres_b 0\nres_c\nres_d x\n\nres_e 4");
	check(bench, M_MISC_CURRENT, 7);
	check_part(bench, M_MISC_CURRENT, "res_b", VALUE_OK, 0);
	assert_int_equal(bench->snapshot->n_parts, 3);
	parse(bench, true, "misc.max", "res_a max\nres_b 10\n");
	check(bench, M_MISC_MAX, 10);
	check_part(bench, M_MISC_MAX, "res_a", VALUE_UNLIMITED, 0);
	parse(bench, true, "misc.current", "");
	check_state(bench, M_MISC_CURRENT, VALUE_ABSENT);
	parse(bench, false, "blkio.throttle.read_bps_device", "8:0 1048576\n8:16 2097152\n");
	check(bench, M_IO_MAX_RBPS, 1048576);
	parse(bench, false, "net_prio.ifpriomap", "lo 0\neth0 5\n");
	check_part(bench, M_NET_PRIO_IFPRIOMAP, "eth0", VALUE_OK, 5);
}

static void test_blkio(void **state)
{
	struct bench *bench = *state;

	parse(bench, false, "blkio.throttle.io_service_bytes_recursive",
	      "254:0 Read 4096\n254:0 Write 0\n254:0 Sync 1\n254:0 Async 2\n254:0 Discard 7\n"
	      "254:0 Total 4103\n8:0 Read 1\n8:0 Frobnicate 9\n8:0 Write\nTotal 4104\n");
	check(bench, M_IO_RBYTES, 4097);
	check(bench, M_IO_WBYTES, 0);
	check(bench, M_IO_DBYTES, 7);
	check_part(bench, M_IO_RBYTES, "8:0", VALUE_OK, 1);
	assert_int_equal(bench->snapshot->n_parts, 4);
	parse(bench, false, "blkio.throttle.io_serviced_recursive", "Total 0\n");
	check(bench, M_IO_RIOS, 0);
	parse(bench, false, "blkio.throttle.io_serviced_recursive", "");
	check(bench, M_IO_WIOS, 0);
}

static void test_list(void **state)
{
	struct bench *bench = *state;

	parse(bench, false, "cpuacct.usage_percpu", "1000 2000500 0 \n");
	check(bench, M_CPU_PERCPU, 2001);
	check_part(bench, M_CPU_PERCPU, "0", VALUE_OK, 1);
	check_part(bench, M_CPU_PERCPU, "1", VALUE_OK, 2000);
	check_part(bench, M_CPU_PERCPU, "2", VALUE_OK, 0);
	/* What is no number keeps its place: the next CPU is still the next. */
	parse(bench, false, "cpuacct.usage_percpu", "1000 x 3000");
	check_part(bench, M_CPU_PERCPU, "2", VALUE_OK, 3);
	assert_int_equal(bench->snapshot->n_parts, 2);
	parse(bench, false, "cpuacct.usage_percpu", "\n");
	check_state(bench, M_CPU_PERCPU, VALUE_ABSENT);
}

static void test_pair(void **state)
{
	struct bench *bench = *state;

	parse(bench, true, "cpu.max", "50000 100000\n");
	check(bench, M_CPU_QUOTA, 50000);
	check(bench, M_CPU_PERIOD, 100000);
	parse(bench, true, "cpu.max", "max 100000\n");
	check_state(bench, M_CPU_QUOTA, VALUE_UNLIMITED);
	check(bench, M_CPU_PERIOD, 100000);
	parse(bench, true, "cpu.max", "50000\n");
	check_state(bench, M_CPU_QUOTA, VALUE_ABSENT);
	parse(bench, true, "cpu.max", "");
	check_state(bench, M_CPU_PERIOD, VALUE_ABSENT);
	parse(bench, true, "cpu.max", "x y\n");
	check_state(bench, M_CPU_QUOTA, VALUE_ABSENT);
	check_state(bench, M_CPU_PERIOD, VALUE_ABSENT);
}

static void test_pressure(void **state)
{
	struct bench *bench = *state;

	parse(bench, true, "cpu.pressure",
	      "some avg10=1.50 avg60=0.03 avg300=100.00 total=123456789\n"
	      "full avg10=0.00 avg60=0.10 avg300=0.00 total=0\n");
	check(bench, M_PSI_CPU_SOME_AVG10, 150);
	check(bench, M_PSI_CPU_SOME_AVG60, 3);
	check(bench, M_PSI_CPU_SOME_AVG300, 10000);
	check(bench, M_PSI_CPU_SOME_TOTAL, 123456789);
	check(bench, M_PSI_CPU_FULL_AVG60, 10);
	check(bench, M_PSI_CPU_FULL_TOTAL, 0);
	/* Before 5.13 cpu had no full line; what comes new is passed over. */
	parse(bench, true, "cpu.pressure",
	      "some avg10=1 avg5=7.00 avg60=0.129 avg300=x total\nmost avg10=2.00\nsome\n\n"
	      "some avg10_and_a_very_long_key_indeed_it_never_ends=1.00 total=5");
	check(bench, M_PSI_CPU_SOME_AVG10, 100);
	check(bench, M_PSI_CPU_SOME_AVG60, 12);
	check_state(bench, M_PSI_CPU_SOME_AVG300, VALUE_ABSENT);
	check(bench, M_PSI_CPU_SOME_TOTAL, 5);
	check_state(bench, M_PSI_CPU_FULL_AVG10, VALUE_ABSENT);
	parse(bench, true, "cpu.pressure", "some avg10=. avg60=5. avg300=.5 total=1.5\n");
	check_state(bench, M_PSI_CPU_SOME_AVG10, VALUE_ABSENT);
	check(bench, M_PSI_CPU_SOME_AVG300, 50);
	check_state(bench, M_PSI_CPU_SOME_TOTAL, VALUE_ABSENT);
	/* A percentage beyond all range is none, and not another number. */
	parse(bench, true, "cpu.pressure", "some avg10=18446744073709551615\n");
	check_state(bench, M_PSI_CPU_SOME_AVG10, VALUE_ABSENT);
}

static void test_text(void **state)
{
	struct bench *bench = *state;

	parse(bench, true, "cpuset.cpus.effective", "0-3,8\n");
	check_text(bench, M_CPUSET_CPUS_EFFECTIVE, "0-3,8");
	check(bench, M_CPUSET_NR_CPUS, 5);
	parse(bench, true, "cpuset.cpus.effective", "\n");
	check_text(bench, M_CPUSET_CPUS_EFFECTIVE, "");
	check(bench, M_CPUSET_NR_CPUS, 0);
	parse(bench, true, "cpuset.cpus", "");
	check_text(bench, M_CPUSET_CPUS, "");
	parse(bench, true, "cgroup.type", "domain threaded\n");
	check_text(bench, M_CGROUP_TYPE, "domain threaded");
	parse(bench, false, "devices.list", "c 1:3 rwm\nb 254:* r\n");
	check_text(bench, M_DEVICES_LIST, "c 1:3 rwm, b 254:* r");
	parse(bench, false, "freezer.state", "FROZEN\n");
	check(bench, M_FREEZER_FROZEN, 1);
	check_text(bench, M_FREEZER_STATE, "FROZEN");
	parse(bench, false, "freezer.state", "FREEZING\n");
	check(bench, M_FREEZER_FROZEN, 0);
	parse(bench, false, "freezer.state", "THAWED");
	check(bench, M_FREEZER_FROZEN, 0);
	parse(bench, true, "cgroup.type", "\xff\x1b[2J\n");
	check_text(bench, M_CGROUP_TYPE, "\xff\x1b[2J");
}

static void test_lines(void **state)
{
	struct bench *bench = *state;

	parse(bench, true, "cgroup.procs", "");
	check(bench, M_CGROUP_PROCS, 0);
	parse(bench, true, "cgroup.procs", "1\n22\n333\n");
	check(bench, M_CGROUP_PROCS, 3);
	parse(bench, true, "cgroup.threads", "1\n22");
	check(bench, M_CGROUP_THREADS, 2);
	/* Processes of another PID namespace are all 0, and there all the same. */
	parse(bench, false, "cgroup.procs", "0\n0\n");
	check(bench, M_CGROUP_PROCS, 2);
}

/* A file that one of several page sizes stands in: the cell is the sum, limits the tightest. */
static void test_starred(void **state)
{
	struct bench *bench = *state;
	struct plan_file *files;

	make_plan(bench, true, "hugetlb.*.max", "2MB");
	parse_bytes(bench, "4194304\n", 8);
	files = bench->plan.files;
	free(files->part);
	files->part = strdup("1GB");
	parse_bytes(bench, "max\n", 4);
	check(bench, M_HUGETLB_MAX, 4194304);
	check_part(bench, M_HUGETLB_MAX, "2MB", VALUE_OK, 4194304);
	check_part(bench, M_HUGETLB_MAX, "1GB", VALUE_UNLIMITED, 0);
	make_plan(bench, true, "hugetlb.*.events", "2MB");
	parse_bytes(bench, "max 5\n", 6);
	check(bench, M_HUGETLB_EVENTS_MAX, 5);
	check_part(bench, M_HUGETLB_EVENTS_MAX, "2MB", VALUE_OK, 5);
	make_plan(bench, false, "hugetlb.*.limit_in_bytes", "2MB");
	parse_bytes(bench, "9223372036852678656\n", 20);
	check_state(bench, M_HUGETLB_MAX, VALUE_UNLIMITED);
}

/* "Cells that already have a value are left alone": the first source counts. */
static void test_first_source_counts(void **state)
{
	struct bench *bench = *state;

	make_plan(bench, true, "memory.current", NULL);
	fake_set_u64(bench->snapshot, "/", M_MEMORY_CURRENT, 7);
	parse_bytes(bench, "9\n", 2);
	check(bench, M_MEMORY_CURRENT, 7);
}

int main(void)
{
#define with_bench(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		with_bench(test_single),	with_bench(test_single_junk),
		with_bench(test_signed_range),	with_bench(test_flat),
		with_bench(test_flat_unknown),	with_bench(test_flat_moves),
		with_bench(test_flat_twice),	with_bench(test_nested),
		with_bench(test_nested_limits), with_bench(test_parts),
		with_bench(test_blkio),		with_bench(test_list),
		with_bench(test_pair),		with_bench(test_pressure),
		with_bench(test_text),		with_bench(test_lines),
		with_bench(test_starred),	with_bench(test_first_source_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
