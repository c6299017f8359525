// SPDX-License-Identifier: MIT
/* A recording comes from anywhere: whatever is in it, it is read to its end. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

#include "agent/recording.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recording *recording;
	struct metric_set wanted = { 0 };
	struct snapshot *snapshot;
	FILE *file;

	if (size == 0)
		return 0;
	file = fmemopen((void *)data, size, "r");
	if (!file)
		return 0;
	metric_set_add(&wanted, M_CPU_USAGE_RATE);
	metric_set_add(&wanted, M_MEMORY_LIMIT_USED);
	metric_set_add(&wanted, M_PIDS_MAX);
	if (recording_new(file, &wanted, &recording) == 0) {
		while (recording_next(recording, &snapshot) == 1) {
			for (uint32_t i = 0; i < snapshot->tree->n; i++) {
				/* Parents before children, subtrees in one piece. */
				must(i == 0 || snapshot->tree->parent[i] < i);
				must(snapshot->tree->end[i] > i);
				must(snapshot->tree->end[i] <= snapshot->tree->n);
			}
			snapshot_unref(snapshot);
		}
		recording_free(recording);
	}
	fclose(file);
	return 0;
}
