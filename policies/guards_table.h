/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The programs that a machine cannot be run without, and where systemd puts them. Pure.
 */
struct guard {
	const char *program;  /* a pattern of shell form for the executable's name */
	const char *units[5]; /* below /system.slice, also if nothing runs there now; patterns */
	const char *what_for; /* "the journal" */
	bool account;	      /* it runs as an account of its own, not as root */
};

/* The row for an executable's name, or for one that is cut to the 15 bytes of a comm. NULL: none.
 */
const struct guard *guard_of_program(const char *name);
const struct guard *guard_of_comm(const char *comm);
/* The row whose unit's own cgroup that is by its name. NULL: none. */
const struct guard *guard_of_path(const char *path);
/*
 * For going through all of them: the pattern of unit number `at` from 0, NULL where the row has no
 * more. False behind the last.
 */
bool guard_unit(size_t at, const char **ret_pattern);
