/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/metric.h"

/*
 * Values as Prometheus reads them, written without printf: at a thousand cgroups the numbers are
 * most of the work. A writer puts at most NUMBER_MAX bytes at `at` and returns the end.
 */
#define NUMBER_MAX 40

typedef char *number_writer(char *at, union value value, unsigned int digits);

/* The writer for cells of that metric; `digits` is unit_digits() of its unit. Not for KIND_TEXT. */
number_writer *number_writer_of(enum metric_id id);
