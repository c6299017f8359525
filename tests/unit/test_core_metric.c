// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/metric.h"

#define for_each_id(id) for (int id = M_NONE + 1; id < METRIC_COUNT; id++)

/* All faults of the table are told at once: one run shows what is to be mended. */
static unsigned int faults;

#define fault(...)                        \
	do {                              \
		print_error(__VA_ARGS__); \
		print_error("\n");        \
		faults++;                 \
	} while (0)

static int reset_faults(void **state)
{
	(void)state;
	faults = 0;
	return 0;
}

static const struct metric *row(int id)
{
	return metric_get((enum metric_id)id);
}

static void test_names(void **state)
{
	(void)state;
	for_each_id(id)
	{
		const char *name = row(id)->name;

		assert_non_null(name);
		if (!*name ||
		    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.") != strlen(name) ||
		    name[0] == '.' || name[strlen(name) - 1] == '.' || strstr(name, "..") ||
		    !strchr(name, '.'))
			fault("%s: not a name", name);
		if (strlen(name) > 5 && strcmp(name + strlen(name) - 5, ".rate") == 0)
			fault("%s: would be taken for a rate", name);
		if (strcmp(name, "all") == 0 || strcmp(name, "default") == 0 ||
		    strcmp(name, "export") == 0)
			fault("%s: names a set", name);
		for (int other = id + 1; other < METRIC_COUNT; other++) {
			if (strcmp(row(other)->name, name) == 0)
				fault("%s: twice", name);
		}
	}
	assert_int_equal(faults, 0);
}

static void test_texts(void **state)
{
	(void)state;
	for_each_id(id)
	{
		const struct metric *metric = row(id);

		if (!metric->title || !*metric->title || !metric->help || !*metric->help) {
			fault("%s: no title or no help", metric->name);
			continue;
		}
		if (metric->help[strlen(metric->help) - 1] != '.' || strchr(metric->help, '\n') ||
		    strchr(metric->help, '|'))
			fault("%s: help is not a sentence: %s", metric->name, metric->help);
		if (metric->family_help &&
		    metric->family_help[strlen(metric->family_help) - 1] != '.')
			fault("%s: family help is not a sentence", metric->name);
		if (metric->rate_title && metric->kind != KIND_COUNTER)
			fault("%s: a rate title, but no rate", metric->name);
	}
	assert_int_equal(faults, 0);
}

/* A heading wider than its column shifts every heading behind it. */
static void test_titles_fit(void **state)
{
	(void)state;
	for_each_id(id)
	{
		const struct metric *metric = row(id);
		const char *rate = metric->rate_title ? metric->rate_title : "";

		if (metric->width < 5 || metric->width > 16)
			fault("%s: width %u", metric->name, metric->width);
		if (strlen(metric->title) > metric->width || strlen(rate) > metric->width)
			fault("%s: \"%s\" or \"%s\" does not fit %u columns", metric->name,
			      metric->title, rate, metric->width);
	}
	assert_int_equal(faults, 0);
}

static void test_units(void **state)
{
	(void)state;
	for_each_id(id)
	{
		const struct metric *metric = row(id);

		if (metric->unit == UNIT_RATIO && metric->kind != KIND_DERIVED)
			fault("%s: a ratio is a double, and only derived ones hold doubles",
			      metric->name);
		if (metric->kind == KIND_TEXT && metric->unit != UNIT_NONE)
			fault("%s: text has no unit", metric->name);
		if ((metric->v1_mul || metric->v1_div) && !metric->v1.file)
			fault("%s: a scale without a v1 source", metric->name);
		if (metric->v1_mul && metric->v1_div)
			fault("%s: scaled both ways", metric->name);
		if ((metric->flags & METRIC_LIST) && metric->kind != KIND_GAUGE)
			fault("%s: counts a list, but is no gauge", metric->name);
		if ((metric->flags & METRIC_ZERO) && !metric->key_label)
			fault("%s: METRIC_ZERO is for keyed metrics", metric->name);
		if ((metric->flags & METRIC_EXPORT) && metric->kind == KIND_TEXT)
			fault("%s: text cannot be exported", metric->name);
	}
	assert_int_equal(faults, 0);
}

static bool reaches(enum metric_id from, enum metric_id to, unsigned int depth)
{
	const struct metric *metric = metric_get(from);

	for (size_t i = 0; i < ARRAY_SIZE(metric->needs) && depth < 20; i++) {
		if (metric->needs[i] != M_NONE && !metric_is_rate(metric->needs[i]) &&
		    (metric->needs[i] == to || reaches(metric->needs[i], to, depth + 1)))
			return true;
	}
	return depth >= 20;
}

static void test_derived(void **state)
{
	unsigned int derived = 0;

	(void)state;
	for_each_id(id)
	{
		const struct metric *metric = row(id);
		bool is_derived = metric->kind == KIND_DERIVED;

		derived += is_derived;
		if (is_derived != (metric->derive != NULL) ||
		    is_derived != (metric->needs[0] != M_NONE))
			fault("%s: derived or not?", metric->name);
		if (is_derived + (metric->v1.file || metric->v2.file) + (metric->fact != NULL) +
			    (metric->watched != WATCHED_NOT) !=
		    1)
			fault("%s: read, derived, from the inventory or counted: one of them",
			      metric->name);
		if ((metric->fact != NULL) != (metric->inventory != 0))
			fault("%s: from the inventory or not?", metric->name);
		if (is_derived && reaches((enum metric_id)id, (enum metric_id)id, 0))
			fault("%s: needs itself", metric->name);
		for (size_t i = 0; i < ARRAY_SIZE(metric->needs); i++) {
			const struct metric *need = metric_get(metric->needs[i]);

			if (metric->needs[i] != M_NONE && metric_is_rate(metric->needs[i]) &&
			    need->kind != KIND_COUNTER)
				fault("%s: needs the rate of %s, which has none", metric->name,
				      need->name);
			if (need && need->kind == KIND_TEXT)
				fault("%s: needs a text", metric->name);
		}
	}
	assert_true(derived >= 8);
	assert_int_equal(faults, 0);
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static const char *family_type(const struct metric *metric)
{
	return metric->kind == KIND_COUNTER ? "counter" : "gauge";
}

/* One Prometheus family has one type, one help, one set of label names; no two rows are one series.
 */
static void test_families(void **state)
{
	(void)state;
	for_each_id(id)
	{
		const struct metric *a = row(id);

		if (!a->family) {
			if (a->label || a->label2 || a->family_help)
				fault("%s: labels without a family", a->name);
			continue;
		}
		if ((a->label == NULL) != (a->label_value == NULL) ||
		    (a->label2 == NULL) != (a->label2_value == NULL) || (a->label2 && !a->label))
			fault("%s: a label without its value", a->name);
		if (a->kind == KIND_COUNTER) {
			size_t length = strlen(a->family);

			if (length < 6 || strcmp(a->family + length - 6, "_total") != 0)
				fault("%s: counter family %s does not end in _total", a->name,
				      a->family);
		}
		for (int other = id + 1; other < METRIC_COUNT; other++) {
			const struct metric *b = row(other);

			if (!same(a->family, b->family))
				continue;
			if (strcmp(family_type(a), family_type(b)) != 0 || a->unit != b->unit)
				fault("%s, %s: one family, two types", a->name, b->name);
			if (!a->family_help || !same(a->family_help, b->family_help))
				fault("%s, %s: one family, two helps", a->name, b->name);
			if (!same(a->label, b->label) || !same(a->label2, b->label2) ||
			    !same(a->key_label, b->key_label))
				fault("%s, %s: one family, other labels", a->name, b->name);
			if (same(a->label_value, b->label_value) &&
			    same(a->label2_value, b->label2_value))
				fault("%s, %s: one series", a->name, b->name);
		}
	}
	assert_int_equal(faults, 0);
}

static void test_find(void **state)
{
	unsigned int rates = 0;

	(void)state;
	for_each_id(id)
	{
		enum metric_id rate = metric_rate((enum metric_id)id);
		struct strbuf name;

		strbuf_init(&name);
		metric_name((enum metric_id)id, &name);
		assert_string_equal(name.data, row(id)->name);
		assert_int_equal(metric_find(name.data), id);
		strbuf_add_string(&name, ".rate");
		assert_int_equal(metric_find(name.data), rate);
		assert_int_equal(rate != M_NONE, row(id)->kind == KIND_COUNTER);
		if (rate != M_NONE) {
			rates++;
			assert_true(metric_is_rate(rate));
			assert_int_equal(metric_base(rate), id);
			assert_ptr_equal(metric_get(rate), row(id));
			assert_true(metric_is_double(rate));
			assert_int_equal(metric_rate(rate), M_NONE);
			strbuf_clear(&name);
			metric_name(rate, &name);
			assert_int_equal(metric_find(name.data), rate);
			assert_string_equal(metric_title(rate), row(id)->rate_title
									? row(id)->rate_title
									: row(id)->title);
		}
		strbuf_clear(&name);
		strbuf_add(&name, row(id)->name, strlen(row(id)->name) - 1);
		assert_true(metric_find(name.data) != (enum metric_id)id);
		strbuf_done(&name);
	}
	assert_true(rates > 50);
	assert_int_equal(metric_find(""), M_NONE);
	assert_int_equal(metric_find(".rate"), M_NONE);
	assert_int_equal(metric_find("memory.current.rate"), M_NONE);
	assert_int_equal(metric_find("cpu.usage.rate.rate"), M_NONE);
	assert_int_equal(metric_find("CPU.usage"), M_NONE);
	assert_null(metric_get(M_NONE));
	assert_null(metric_get(M_RATE_BASE));
	assert_null(metric_get(COLUMN_COUNT));
	assert_int_equal(metric_rate(M_NONE), M_NONE);
}

static int parse(const char *list, struct metric_set *set, enum metric_id *ids, size_t size,
		 const char **bad, size_t *bad_length)
{
	*set = (struct metric_set){ 0 };
	*bad = NULL;
	*bad_length = 0;
	return metric_parse_list(list, set, ids, size, bad, bad_length);
}

static void test_parse_list(void **state)
{
	enum metric_id ids[COLUMN_COUNT];
	struct metric_set set, all = { 0 };
	const char *bad, *list;
	size_t bad_length, n = 0;

	(void)state;
	assert_int_equal(parse("", &set, ids, ARRAY_SIZE(ids), &bad, &bad_length), 0);
	assert_int_equal(
		parse("pids.current,cpu.usage.rate", &set, ids, ARRAY_SIZE(ids), &bad, &bad_length),
		2);
	assert_int_equal(ids[0], M_PIDS_CURRENT);
	assert_int_equal(ids[1], M_CPU_USAGE_RATE);
	assert_true(metric_set_has(&set, M_CPU_USAGE_RATE) && metric_set_has(&set, M_PIDS_CURRENT));
	assert_false(metric_set_has(&set, M_CPU_USAGE));
	assert_int_equal(
		parse(" memory.max , , pids.max,", &set, ids, ARRAY_SIZE(ids), &bad, &bad_length),
		2);
	assert_int_equal(parse("memory.max,pids.max", &set, ids, 1, &bad, &bad_length), 1);
	assert_true(metric_set_has(&set, M_PIDS_MAX));
	list = "memory.max,memory.maxx,pids.max";
	assert_int_equal(parse(list, &set, ids, ARRAY_SIZE(ids), &bad, &bad_length), -EINVAL);
	assert_ptr_equal(bad, list + 11);
	assert_int_equal(bad_length, 11);
	assert_int_equal(
		parse("memory.current.rate", &set, ids, ARRAY_SIZE(ids), &bad, &bad_length),
		-EINVAL);
	while (metric_default_columns[n] != M_NONE)
		n++;
	assert_int_equal(parse("default,memory.max", &set, ids, ARRAY_SIZE(ids), &bad, &bad_length),
			 n + 1);
	assert_memory_equal(ids, metric_default_columns, n * sizeof(ids[0]));
	metric_set_add_all(&all);
	assert_true(parse("all", &set, ids, ARRAY_SIZE(ids), &bad, &bad_length) > METRIC_COUNT);
	assert_true(metric_set_equal(&set, &all));
	assert_true(parse("export", &set, ids, ARRAY_SIZE(ids), &bad, &bad_length) > 50);
	for_each_id(id)
	{
		assert_int_equal(metric_set_has(&set, (enum metric_id)id),
				 (row(id)->flags & METRIC_EXPORT) != 0);
	}
}

/* "all" and every counter's rate fit the room that callers give. */
static void test_all_fits(void **state)
{
	enum metric_id ids[COLUMN_COUNT];
	struct metric_set set;
	const char *bad;
	size_t bad_length, n = 0;

	(void)state;
	for_each_id(id)
	{
		n += 1 + (row(id)->kind == KIND_COUNTER);
	}
	assert_int_equal(parse("all", &set, ids, ARRAY_SIZE(ids), &bad, &bad_length), n);
}

static void test_set_close(void **state)
{
	struct metric_set set = { 0 }, twice, empty = { 0 };

	(void)state;
	metric_set_close(&set);
	assert_true(metric_set_equal(&set, &empty));
	metric_set_add(&set, M_CPU_LIMIT_USED);
	metric_set_close(&set);
	assert_true(metric_set_has(&set, M_CPU_USAGE_RATE));
	assert_true(metric_set_has(&set, M_CPU_USAGE));
	assert_true(metric_set_has(&set, M_CPU_LIMIT_CORES));
	assert_true(metric_set_has(&set, M_CPU_QUOTA_CORES));
	assert_true(metric_set_has(&set, M_CPU_QUOTA));
	assert_true(metric_set_has(&set, M_CPU_PERIOD));
	assert_false(metric_set_has(&set, M_MEMORY_CURRENT));
	assert_false(metric_set_has(&set, M_NONE));
	for (int id = M_NONE + 1; id < COLUMN_COUNT; id++) {
		if (id == M_RATE_BASE)
			continue;
		set = (struct metric_set){ 0 };
		metric_set_add(&set, (enum metric_id)id);
		metric_set_close(&set);
		twice = set;
		metric_set_close(&twice);
		assert_true(metric_set_equal(&set, &twice));
		assert_true(metric_set_has(&set, metric_base((enum metric_id)id)));
	}
	set = empty;
	metric_set_add(&set, M_PIDS_MAX);
	metric_set_merge(&twice, &set);
	assert_true(metric_set_has(&twice, M_PIDS_MAX));
	assert_false(metric_set_equal(&twice, &set));
}

static void check_cell(enum metric_id id, union value value, enum value_state cell,
		       const char *number, const char *human)
{
	struct strbuf text;

	strbuf_init(&text);
	if (number) {
		metric_add_number(id, value, &text);
		assert_string_equal(text.data, number);
	}
	strbuf_clear(&text);
	metric_add_human(id, value, cell, &text);
	assert_string_equal(text.data, human);
	strbuf_done(&text);
}

static void test_cells(void **state)
{
	(void)state;
	check_cell(M_CPU_USAGE, (union value){ .u64 = 1500000 }, VALUE_OK, "1.5", "1.50s");
	check_cell(M_CPU_USAGE_RATE, (union value){ .number = 0.5 }, VALUE_OK, "0.5", "50.0%");
	check_cell(M_MEMORY_CURRENT, (union value){ .u64 = 1536 }, VALUE_OK, "1536", "1.50K");
	check_cell(M_CPU_WEIGHT_NICE, (union value){ .i64 = -20 }, VALUE_OK, "-20", "-20");
	check_cell(M_PSI_CPU_SOME_AVG10, (union value){ .u64 = 255 }, VALUE_OK, "0.0255", "2.5%");
	check_cell(M_MEMORY_LIMIT_USED, (union value){ .number = 0.25 }, VALUE_OK, "0.25", "25.0%");
	check_cell(M_CPUSET_CPUS, (union value){ .text = "0-3" }, VALUE_OK, NULL, "0-3");
	check_cell(M_MEMORY_MAX, (union value){ 0 }, VALUE_UNLIMITED, NULL, "max");
	check_cell(M_MEMORY_MAX, (union value){ 0 }, VALUE_ABSENT, NULL, "-");
	check_cell(M_MEMORY_MAX, (union value){ 0 }, VALUE_DISABLED, NULL, "off");
	check_cell(M_MEMORY_MAX, (union value){ 0 }, VALUE_FIRST, NULL, "..");
	assert_true(metric_to_double(M_CPU_USAGE, (union value){ .u64 = 2500000 }) == 2.5);
	assert_true(metric_to_double(M_CPU_WEIGHT_NICE, (union value){ .i64 = -7 }) == -7);
	for (int i = 0; i < VALUE_STATE_COUNT; i++) {
		assert_true(*value_state_name((enum value_state)i));
		assert_int_equal(*value_state_reason((enum value_state)i) == '\0', i == VALUE_OK);
	}
	assert_string_equal(value_state_name(VALUE_UNLIMITED), "unlimited");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_names, reset_faults),
		cmocka_unit_test_setup(test_texts, reset_faults),
		cmocka_unit_test_setup(test_titles_fit, reset_faults),
		cmocka_unit_test_setup(test_units, reset_faults),
		cmocka_unit_test_setup(test_derived, reset_faults),
		cmocka_unit_test_setup(test_families, reset_faults),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_parse_list),
		cmocka_unit_test(test_all_fits),
		cmocka_unit_test(test_set_close),
		cmocka_unit_test(test_cells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
