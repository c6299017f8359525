/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collectors/bpf/memstat.h"

/*
 * The tables by which the kernel finds a number of memory.stat in its arrays (memcg_stats_index()
 * and memcg_events_index() in mm/memcontrol.c), as they were copied from its memory.
 *
 * The place of each of `n_items` items in an array of `n` numbers, UINT16_MAX for those that have
 * none. `table` has MEMSTAT_TABLE bytes, `ret_places` room for n_items. False, and
 * `ret_places` is as it was: it is no such table, or the way it is written is not known.
 */
bool memstat_table_read(const uint8_t *table, uint32_t n_items, uint32_t n, uint16_t *ret_places);
