// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The floor of the sampling pass: the same iterator, and records of the same size, filled with
 * nothing. What bench_bpf measures beside collectors/bpf/sample.bpf.c.
 */
#include "collectors/bpf/kernel.bpf.h"

#include "collectors/bpf/record.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

__u32 n = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cg_record);
} records SEC(".maps");

SEC("iter.s/cgroup")
int fill_nothing(struct bpf_iter__cgroup *ctx)
{
	/* So that the compiler makes no memset() of it, which there is not. */
	volatile u64 *words;
	u32 at;

	if (!ctx->cgroup)
		return 0;
	at = n++;
	words = bpf_map_lookup_elem(&records, &at);
	if (!words)
		return 0;
#pragma unroll
	for (u32 i = 0; i < sizeof(struct cg_record) / sizeof(u64); i++)
		words[i] = 0;
	return 0;
}
