// SPDX-License-Identifier: MIT
#include "collectors/memstat_table.h"

#include <stddef.h>
#include <string.h>

#include "core/cleanup.h"

/* Entry `item` of a table of `width` bytes an entry. */
static int64_t entry(const uint8_t *table, unsigned int width, uint32_t item)
{
	int32_t word;

	if (width == 1)
		return table[item];
	memcpy(&word, table + (size_t)4 * item, sizeof(word));
	return word;
}

/* How a table may be read: `none` stands for no place, and places count from `first`. */
struct reading {
	unsigned int width;
	int64_t none, first;
};

/* Whether it then gives each of `n` places to one item: it is read rightly. */
static bool fits(const uint8_t *table, const struct reading *way, uint32_t n_items, uint32_t n)
{
	uint8_t seen[MEMSTAT_ITEMS] = { 0 };
	uint32_t found = 0;

	for (uint32_t item = 0; item < n_items; item++) {
		int64_t at = entry(table, way->width, item);

		if (at == way->none)
			continue;
		if (at < way->first || at >= way->first + n || seen[at - way->first]++)
			return false;
		found++;
	}
	return found == n;
}

/*
 * The kernel does not say of what type the table is: int or int8_t with places from 1 on, later u8
 * with places from 0 on and 255 for none.
 */
bool memstat_table_read(const uint8_t *table, uint32_t n_items, uint32_t n, uint16_t *ret_places)
{
	static const struct reading ways[] = { { 4, 0, 1 }, { 1, 0, 1 }, { 1, UINT8_MAX, 0 } };

	if (n_items > MEMSTAT_ITEMS || n > n_items)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (!fits(table, &ways[i], n_items, n))
			continue;
		for (uint32_t item = 0; item < n_items; item++) {
			int64_t at = entry(table, ways[i].width, item);

			ret_places[item] = at == ways[i].none ? UINT16_MAX
							      : (uint16_t)(at - ways[i].first);
		}
		return true;
	}
	return false;
}
