// SPDX-License-Identifier: MIT
/* Where samples come from: as configured, and as told. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/backend.h"
#include "agent/config.h"
#include "core/cleanup.h"

static void words(void **state)
{
	enum backend backend = BACKEND_UNSET;

	(void)state;
	for (int i = BACKEND_AUTO; i < BACKEND_COUNT; i++) {
		assert_int_equal(backend_parse(backend_name((enum backend)i), &backend), 0);
		assert_int_equal(backend, i);
	}
	assert_int_equal(backend_parse("", &backend), -EINVAL);
	assert_int_equal(backend_parse("BPF", &backend), -EINVAL);
	assert_int_equal(backend_parse("bpf ", &backend), -EINVAL);
	assert_string_equal(backend_name(BACKEND_UNSET), "auto");
}

/* The backend that the override asks for, or -errno. */
static int load(const char *value)
{
	struct config_override override = { "sampling", "backend", value };
	struct ini_errors errors = { 0 };
	struct config config;
	int r = config_load("/dev/null", false, &override, value ? 1 : 0, &errors, &config);

	ini_errors_done(&errors);
	if (r == 0) {
		r = (int)config.backend;
		config_done(&config);
	}
	return r;
}

static void configured(void **state)
{
	(void)state;
	assert_int_equal(load(NULL), BACKEND_AUTO);
	assert_int_equal(load("auto"), BACKEND_AUTO);
	assert_int_equal(load("files"), BACKEND_FILES);
	assert_int_equal(load("bpf"), BACKEND_BPF);
	assert_int_equal(load("kernel"), -EINVAL);
}

/* A recorded tree has no kernel to load anything into: its metrics are those of its files. */
static void recorded(void **state)
{
	const struct sampler_options options = { .bpf = true };
	struct backend_summary summary;
	struct sampler *sampler;
	struct strbuf line;
	struct root *root;

	(void)state;
	assert_int_equal(root_new(CGWATCH_FIXTURE_DIR "/v2-linux-6.1", &root), 0);
	assert_int_equal(sampler_new(root, &options, &sampler), 0);
	backend_summarise(sampler, &summary);
	assert_false(summary.bpf);
	assert_int_equal(summary.by_bpf, 0);
	assert_true(summary.by_files > 50);
	assert_non_null(strstr(summary.reason, "recorded"));
	strbuf_init(&line);
	backend_describe(sampler, &line);
	assert_non_null(strstr(line.data, "without bpf: a recorded tree"));
	strbuf_done(&line);
	assert_false(sampler_use_bpf(sampler, false));
	backend_summarise(sampler, &summary);
	assert_non_null(strstr(summary.reason, "switched off"));
	assert_false(sampler_use_bpf(sampler, true));
	sampler_free(sampler);
	root_free(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(configured),
		cmocka_unit_test(recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
