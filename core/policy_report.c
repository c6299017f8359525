// SPDX-License-Identifier: MIT
#include "core/policy_report.h"

#include <stdlib.h>

struct policy_report *policy_report_new(void)
{
	struct policy_report *report = calloc(1, sizeof(*report));

	if (!report)
		return NULL;
	atomic_init(&report->refs, 1);
	arena_init(&report->arena);
	return report;
}

struct policy_report *policy_report_ref(struct policy_report *report)
{
	if (report)
		atomic_fetch_add_explicit(&report->refs, 1, memory_order_relaxed);
	return report;
}

void policy_report_unref(struct policy_report *report)
{
	if (!report || atomic_fetch_sub_explicit(&report->refs, 1, memory_order_acq_rel) != 1)
		return;
	arena_done(&report->arena);
	free(report);
}
