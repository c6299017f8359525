/* SPDX-License-Identifier: MIT */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include "collectors/bpf_status.h"

/*
 * Loads objects of several programs so that each can be missing on its own: a program that this
 * kernel refuses is left out, with the kernel's reason, and the others are loaded.
 */

struct bpf_object;
struct bpf_object_skeleton;

/* Our own texts of libbpf's messages: call once before anything else of libbpf. */
void bpf_load_init(void);
/* Whether this process may load programs at all; the reason if not. */
bool bpf_load_allowed(char *reason, size_t size);

/*
 * Makes a map with keys of 32 bits, `flags` as BPF_F_*, with CAP_BPF for that moment if this thread
 * may have it. A descriptor or -errno.
 */
int bpf_load_map(enum bpf_map_type type, const char *name, uint32_t value_size, uint32_t n,
		 uint32_t flags);

/*
 * `open` makes the skeleton with its rodata set and returns its object (NULL: no memory); `close`
 * undoes that. Programs whose row in `status` already has a reason are left out; those that fail
 * get one. 0, or -errno if none could be loaded: then it is closed and every row has a reason.
 */
struct bpf_loader {
	struct bpf_object *(*open)(void *data);
	int (*load)(void *data);
	void (*close)(void *data);
	void *data;
};

int bpf_load(const struct bpf_loader *loader, struct bpf_program_status *programs, size_t n);
