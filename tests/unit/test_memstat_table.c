// SPDX-License-Identifier: MIT
/* The kernel's tables of memory.stat, in each way that kernels write them, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "collectors/memstat_table.h"

enum { ITEMS = 60, PLACES = 20 };

struct written {
	unsigned int width;
	int none, first;
};

/* Items 0, 3, 6 and so on are at 19, 18, 17 and so on. */
static void write_table(const struct written *as, uint8_t *table)
{
	memset(table, 0x5a, MEMSTAT_TABLE); /* what lies behind it in the kernel */
	for (int item = 0; item < ITEMS; item++) {
		int32_t at = item % 3 ? as->none : PLACES - 1 - item / 3 + as->first;

		if (as->width == 1)
			table[item] = (uint8_t)at;
		else
			memcpy(table + (size_t)4 * (size_t)item, &at, sizeof(at));
	}
}

static const struct written ways[] = { { 4, 0, 1 }, { 1, 0, 1 }, { 1, 255, 0 } };

static void test_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		uint8_t table[MEMSTAT_TABLE];
		uint16_t places[ITEMS];

		write_table(&ways[i], table);
		assert_true(memstat_table_read(table, ITEMS, PLACES, places));
		for (int item = 0; item < ITEMS; item++)
			assert_int_equal(places[item],
					 item % 3 ? UINT16_MAX : PLACES - 1 - item / 3);
	}
}

/* One entry that makes no sense, and nothing of the table is believed. */
static void test_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		const size_t width = ways[i].width;
		uint8_t table[MEMSTAT_TABLE];
		uint16_t places[ITEMS] = { 4711 };

		/* A place twice. */
		write_table(&ways[i], table);
		memcpy(table, table + 3 * width, width);
		assert_false(memstat_table_read(table, ITEMS, PLACES, places));
		/* One beyond the array. */
		write_table(&ways[i], table);
		table[0] = (uint8_t)(PLACES + ways[i].first);
		assert_false(memstat_table_read(table, ITEMS, PLACES, places));
		/* One that is at none. */
		write_table(&ways[i], table);
		memcpy(table, table + width, width);
		assert_false(memstat_table_read(table, ITEMS, PLACES, places));
		assert_int_equal(places[0], 4711);
	}
}

/* The array has more or fewer numbers than the table, or there are more items than we know of. */
static void test_sizes(void **state)
{
	uint8_t table[MEMSTAT_TABLE];
	uint16_t places[ITEMS];

	(void)state;
	write_table(&ways[0], table);
	assert_false(memstat_table_read(table, ITEMS, PLACES + 1, places));
	assert_false(memstat_table_read(table, ITEMS, PLACES - 1, places));
	assert_false(memstat_table_read(table, MEMSTAT_ITEMS + 1, PLACES, places));
	assert_false(memstat_table_read(table, PLACES - 1, PLACES, places));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
