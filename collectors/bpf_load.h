/* SPDX-License-Identifier: MIT */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "collectors/bpf_status.h"

/*
 * Options of a libbpf call, all zero. Not DECLARE_LIBBPF_OPTS(): that leaves the padding at the end
 * as it was on the stack, and libbpf refuses what is not zero there.
 */
#define BPF_OPTIONS(type, name)           \
	struct type name;                 \
	memset(&(name), 0, sizeof(name)); \
	(name).sz = sizeof(name)

/*
 * Loads objects of several programs so that each can be missing on its own: a program that this
 * kernel refuses is left out, with the kernel's reason, and the others are loaded.
 */

struct bpf_kernel;
struct bpf_object;

/* Our own texts of libbpf's messages: call once before anything else of libbpf. */
void bpf_load_init(void);
/* Whether this process may load programs at all; the reason if not. */
bool bpf_load_allowed(char *reason, size_t size);
/*
 * Both, and what the kernel says about itself, which the caller closes before it loads: programs
 * are chosen by it. 0, or -errno with the reason.
 */
int bpf_load_begin(struct bpf_kernel **ret_kernel, char *reason, size_t size);

/*
 * Whether programs may be attached to functions (fentry, fexit), tried with one; the reason if not.
 * A kernel that does not allow it says nothing to the verifier's log, so bpf_load() could not tell
 * whom to blame.
 */
bool bpf_load_functions_allowed(const char *function, char *reason, size_t size);

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
