// SPDX-License-Identifier: MIT
/* Limits of memory and I/O on the real kernel: lowered in steps, refused, and seen to limit. */
#define _GNU_SOURCE
#include "live_knob_bench.h"
#include "live_loop.h"

#include <signal.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static int announce(void *data, const struct knob_result *result)
{
	struct bench *bench = data;

	if (bench->n_steps < ARRAY_SIZE(bench->steps))
		bench->steps[bench->n_steps] = result->requested;
	bench->n_steps++;
	return 0;
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Locked memory: nothing of it can be reclaimed. */
static void test_limit_below_use(void **state)
{
	struct knob_request request = { .knob = KNOB_MEMORY_MAX,
					.value = { .number = 16 * MIB },
					.allow_below_working_set = true };
	struct knob_result result;
	struct bench bench;
	struct node *node;
	const char *file, *usage, *none;
	pid_t pid;

	begin(&bench, state);
	file = bench.live->v2 ? "memory.max" : "memory.limit_in_bytes";
	usage = bench.live->v2 ? "memory.current" : "memory.usage_in_bytes";
	none = bench.live->v2 ? "max" : "9223372036854771712";
	node = make(&bench, "m");
	request.node = node;
	pid = live_start(bench.live, "m", live_allocate);
	for (double until = live_now() + LIVE_PATIENCE;
	     live_number(bench.live, "memory", "m", usage, NULL) < 32 * MIB && live_now() < until;)
		live_wait(0.02);
	if (!bench.live->v2)
		assert_int_equal(live_write(bench.live, "memory", "m", file, "16777216"), -EBUSY);
	expect(&bench, "memory", "m", file, none);
	/* Not even tried, and tried in vain: the old limit stays, and nobody dies. */
	assert_int_equal(set(&bench, node, "memory.max=16M", &result), -EBUSY);
	assert_non_null(strstr(result.text, "the working set of"));
	bench.context.timeout_ms = 1000;
	assert_int_equal(knob_write(&bench.context, &request, &result), -EBUSY);
	assert_non_null(strstr(result.text, "is in use and could not be reclaimed"));
	expect(&bench, "memory", "m", file, none);
	if (bench.live->v2) {
		expect(&bench, "memory", "m", "memory.high", "max");
		assert_int_equal(live_number(bench.live, "memory", "m", "memory.events", "oom"), 0);
		/* The machine has no swap: it would stand still for ever. */
		if (live_number(bench.live, "memory", "m", "memory.swap.max", NULL) == 0 ||
		    access("/proc/swaps", R_OK) != 0)
			assert_int_equal(set(&bench, node, "memory.high=16M", &result), -EBUSY);
	}
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(set(&bench, node, "memory.max=64M", &result), 0);
	expect(&bench, "memory", "m", file, "67108864");
	node_unref(node);
	end(&bench);
}

static void test_limit_in_steps(void **state)
{
	struct knob_request request = { .knob = KNOB_MEMORY_MAX,
					.value = { .number = 24 * MIB },
					.about_to_write = announce };
	struct knob_result result;
	struct bench bench;
	struct loop loop;
	struct node *node;
	const char *usage;

	begin(&bench, state);
	usage = bench.live->v2 ? "memory.current" : "memory.usage_in_bytes";
	node = make(&bench, "s");
	request.node = node;
	request.data = &bench;
	if (!loop_open(bench.live, &loop)) {
		print_message("no loop device can be had: lowering in steps left out\n");
	} else {
		snprintf(used_device, sizeof(used_device), "%s", loop.device);
		live_start(bench.live, "s", read_device);
		for (double until = live_now() + LIVE_PATIENCE;
		     live_number(bench.live, "memory", "s", usage, NULL) < 60 * MIB &&
		     live_now() < until;)
			live_wait(0.02);
		assert_true(live_number(bench.live, "memory", "s", usage, NULL) >= 60 * MIB);
		bench.context.timeout_ms = LIVE_PATIENCE * 1000;
		if (knob_write(&bench.context, &request, &result) < 0)
			fail_msg("%s", result.text);
		assert_true(live_number(bench.live, "memory", "s", usage, NULL) <= 24 * MIB);
		print_message("from 64 MiB to 24 MiB in %u steps, %u writes\n", bench.n_steps,
			      bench.writes);
		/* v1 lowers the limit itself by a tenth at a time, v2 asks for as much. */
		assert_true(bench.writes >= 5);
		assert_true(bench.live->v2 || bench.n_steps >= 5);
		expect(&bench, "memory", "s",
		       bench.live->v2 ? "memory.max" : "memory.limit_in_bytes", "25165824");
		if (bench.live->v2)
			expect(&bench, "memory", "s", "memory.high", "max");
	}
	loop_close(&loop);
	node_unref(node);
	end(&bench);
}

static void test_memsw(void **state)
{
	static const char *const lower[] = { "memory.memsw.max=512M", "memory.max=256M" };
	static const char *const raise[] = { "memory.max=1G", "memory.memsw.max=2G" };
	static const char *const none[] = { "memory.max=max", "memory.memsw.max=max" };
	struct knob_result results[2];
	struct bench bench;
	struct node *node;

	begin(&bench, state);
	node = make(&bench, "w");
	if (set(&bench, node, "memory.memsw.max=max", results) == -EOPNOTSUPP) {
		print_message("no memory.memsw here: left out\n");
	} else {
		assert_int_equal(manual_set_all(&bench.context, node, lower, 2, results), 0);
		assert_int_equal(set(&bench, node, "memory.max=1G", results), -EINVAL);
		assert_non_null(strstr(results[0].text, "raise memory.memsw.max first"));
		assert_int_equal(set(&bench, node, "memory.memsw.max=128M", results), -EINVAL);
		assert_non_null(strstr(results[0].text, "lower memory.max first"));
		assert_int_equal(manual_set_all(&bench.context, node, raise, 2, results), 0);
		assert_int_equal(manual_set_all(&bench.context, node, none, 2, results), 0);
		expect(&bench, "memory", "w", "memory.memsw.limit_in_bytes", "9223372036854771712");
	}
	node_unref(node);
	end(&bench);
}

/* ---- I/O ------------------------------------------------------------------------------------- */

/* Two MiB past the page cache. */
static void write_device(void)
{
	int fd = open(used_device, O_WRONLY | O_DIRECT | O_CLOEXEC);
	void *block;

	if (fd < 0 || posix_memalign(&block, 4096, MIB / 4) != 0)
		_exit(90);
	memset(block, 1, MIB / 4);
	for (int i = 0; i < 8; i++) {
		if (pwrite(fd, block, MIB / 4, i * (MIB / 4)) != MIB / 4)
			_exit(91);
	}
	_exit(0);
}

static void throttle(struct bench *bench, struct node *node, const struct loop *loop)
{
	struct knob_value place = { 0 };
	struct knob_result result;
	char assignment[128];
	struct stat status;
	double took;
	int code;
	pid_t pid;

	assert_int_equal(fstat(loop->fd, &status), 0);
	snprintf(place.text, sizeof(place.text), "%u:%u", major(status.st_rdev),
		 minor(status.st_rdev));
	/* By its name, and by its number; what is not named stays. */
	snprintf(assignment, sizeof(assignment), "io.max=%s wbps=1M", loop->device);
	if (set(bench, node, assignment, &result) < 0)
		fail_msg("%s", result.text);
	snprintf(assignment, sizeof(assignment), "io.max=%s riops=50", place.text);
	assert_int_equal(set(bench, node, assignment, &result), 0);
	assert_int_equal(knob_read_at(&bench->context, KNOB_IO_MAX, node, &place, &result), 0);
	assert_int_equal(result.before.io[KNOB_IO_WBPS], MIB);
	assert_int_equal(result.before.io[KNOB_IO_RIOPS], 50);
	assert_int_equal(result.before.io[KNOB_IO_RBPS], KNOB_UNLIMITED);
	/* Two MiB at one MiB a second can come early only by the slices that are given ahead. */
	snprintf(used_device, sizeof(used_device), "%s", loop->device);
	took = live_now();
	pid = live_start(bench->live, "io", write_device);
	assert_int_equal(waitpid(pid, &code, 0), pid);
	bench->live->n_children--;
	took = live_now() - took;
	print_message("2 MiB at 1 MiB a second took %.2f s\n", took);
	assert_int_equal(code, 0);
	assert_true(took > 1);
	snprintf(assignment, sizeof(assignment), "io.max=%s wbps=max riops=max", place.text);
	assert_int_equal(set(bench, node, assignment, &result), 0);
	assert_int_equal(knob_read_at(&bench->context, KNOB_IO_MAX, node, &place, &result), 0);
	for (int i = 0; i < KNOB_IO_COUNT; i++)
		assert_int_equal(result.before.io[i], KNOB_UNLIMITED);
}

static void test_throttle(void **state)
{
	struct knob_result result;
	struct bench bench;
	struct loop loop;
	struct node *node;

	begin(&bench, state);
	node = make(&bench, "io");
	if (!loop_open(bench.live, &loop))
		print_message("no loop device can be had: throttling left out\n");
	else if (set(&bench, node, "io.max=4000:1 wbps=1M", &result) == -EOPNOTSUPP)
		print_message("%s: left out\n", result.text);
	else
		throttle(&bench, node, &loop);
	if (loop.fd >= 0) {
		assert_int_equal(set(&bench, node, "io.max=4000:1 wbps=1M", &result), -ENODEV);
		assert_non_null(strstr(result.text, "no such disk"));
	}
	loop_close(&loop);
	node_unref(node);
	end(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_limit_below_use, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_limit_in_steps, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_memsw, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_throttle, live_setup, live_teardown),
	};

	if (!getenv("CGWATCH_TEST_LOG"))
		log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
