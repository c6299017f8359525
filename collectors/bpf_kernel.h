/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the running kernel says about itself in BTF (Documentation/bpf/btf.rst): which functions,
 * members and numbers it has. Parsing it takes tens of megabytes: it is opened to load programs and
 * closed again.
 */
struct bpf_kernel;
struct root;

/* 0, or -errno with one line about it in `reason`: no BTF, no right to use BPF. */
int bpf_kernel_open(struct bpf_kernel **ret_kernel, char *reason, size_t size);
void bpf_kernel_close(struct bpf_kernel *kernel);
/* "cgroup.bstat.cputime": a member of a structure, also within unnamed unions. */
bool bpf_kernel_has_member(const struct bpf_kernel *kernel, const char *path);
/* That member is a pointer to pointers. */
bool bpf_kernel_is_array(const struct bpf_kernel *kernel, const char *path);
/* A function that programs can be attached to or may call. */
bool bpf_kernel_has_function(const struct bpf_kernel *kernel, const char *name);
/* A tracepoint by its name: "sched_process_exec". */
bool bpf_kernel_has_tracepoint(const struct bpf_kernel *kernel, const char *name);
/* How many arguments a tracepoint has; -ENOENT if there is none. */
int bpf_kernel_tracepoint_arguments(const struct bpf_kernel *kernel, const char *name);
/* The number of an enumerator of any enum of that name; false if there is none. */
bool bpf_kernel_enum(const struct bpf_kernel *kernel, const char *enumeration, const char *name,
		     int64_t *ret_value);
/*
 * Any of what is named, separated by '|': "cgroup.bstat" a member, "swap_peak_show()" a function,
 * "memcg_memory_event:MEMCG_LOW" an enumerator.
 */
bool bpf_kernel_has(const struct bpf_kernel *kernel, const char *needs);
/*
 * True if /proc/kallsyms has a variable of that name with its address: a kernel with KALLSYMS_ALL,
 * and either CAP_SYSLOG or a kernel that hides no addresses (kernel.kptr_restrict,
 * kernel.perf_event_paranoid), or else libbpf would take 0 for it.
 */
bool bpf_kernel_has_variable(const struct root *root, const char *name);
