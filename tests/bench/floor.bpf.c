// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The floor of the sampling pass: the same iterator, and records of the same size, filled with
 * nothing. What bench_bpf measures beside collectors/bpf/sample.bpf.c.
 */
#include "collectors/bpf/kernel.bpf.h"

#include "collectors/bpf/record.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

__u32 n = 0;
/* Of what lies beside a record, as long as it is. Set before loading, as the size of a value. */
const volatile __u32 n_beside = 0;

enum { STEP = 8, BESIDE_MAX = 1024, RECORD_WORDS = sizeof(struct cg_record) / sizeof(u64) };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(struct cg_record));
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
	for (u32 i = 0; i < RECORD_WORDS; i++)
		words[i] = 0;
	for (u32 at = RECORD_WORDS; at < RECORD_WORDS + BESIDE_MAX; at += STEP) {
		if (at + STEP > RECORD_WORDS + n_beside)
			break;
#pragma unroll
		for (u32 i = 0; i < STEP; i++)
			words[at + i] = 0;
	}
	return 0;
}
