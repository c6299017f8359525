/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Plays org.freedesktop.systemd1 on a bus of the test: a few units, some that refuse, and
 * "silent.service" and the cgroup "/silent", of which it says nothing.
 */

/* What it was asked for; in memory that both processes share. */
struct fake_systemd_seen {
	char unit[64], property[64], path[64];
	uint64_t number;
	uint8_t bytes[8];
	size_t n_bytes;
	int runtime;
	unsigned int n_set, n_freeze, n_thaw;
};

/* Writes a byte to `ready` when it has its name, and serves until it is killed. Does not return. */
void fake_systemd_play(const char *address, struct fake_systemd_seen *seen, int ready)
	__attribute__((noreturn));
