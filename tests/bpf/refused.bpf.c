// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Programs for tests/live/live_bpf_load.c: one that is good, and three that cannot be loaded. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char dual_license[] SEC("license") = "Dual MIT/GPL";

SEC("tp/sched/sched_process_exit")
int good(void *context)
{
	return 0;
}

/* The verifier's words on it pass 64 KiB before they come to the point. */
SEC("tp/sched/sched_process_exit")
int wordy(void *context)
{
	unsigned long sum = 0;

	for (int i = 0; i < 3000; i++)
		sum += bpf_ktime_get_ns();
	return *(int *)sum;
}

SEC("tp/sched/sched_process_exit")
int bad(void *context)
{
	return *(int *)bpf_ktime_get_ns();
}

SEC("fentry/cgwatch_there_is_no_such_function")
int lost(void *context)
{
	return 0;
}
