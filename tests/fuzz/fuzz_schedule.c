// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include <time.h>

#include "policies/schedule.h"

/* Around both changes of the clock in 2026, and in winter. */
static const int64_t times[] = { 1774742400, 1774745999, 1792888200, 1796040000 };

static void check_time(const struct schedule *schedule, int64_t now)
{
	int64_t next = schedule_next_change(schedule, now);
	bool on = schedule_is_on(schedule, now);

	must(next == 0 || next > now);
	if (next == 0)
		return;
	must(schedule_is_on(schedule, next) != on);
	must(schedule_is_on(schedule, next - 1) == on);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size < 256 ? size : 256), *save = NULL;
	struct schedule *schedule = NULL;
	char reason[64];

	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		reason[0] = '\0';
		if (schedule_add(&schedule, line, reason, sizeof(reason)) < 0)
			must(*reason);
	}
	for (size_t i = 0; schedule && i < sizeof(times) / sizeof(times[0]); i++)
		check_time(schedule, times[i]);
	schedule_free(schedule);
	free(text);
	return 0;
}
