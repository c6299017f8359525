// SPDX-License-Identifier: MIT
#include "policies/schedule.h"

#include <errno.h>
#include <stdio.h>

int schedule_add(struct schedule **schedule, const char *text, char *reason, size_t size)
{
	(void)schedule;
	snprintf(reason, size, "\"%s\": schedules are not built yet", text);
	return -EINVAL;
}

void schedule_free(struct schedule *schedule)
{
	(void)schedule;
}

bool schedule_is_on(const struct schedule *schedule, int64_t realtime)
{
	(void)realtime;
	return !schedule;
}

int64_t schedule_next_change(const struct schedule *schedule, int64_t realtime)
{
	(void)schedule;
	(void)realtime;
	return 0;
}

void schedule_format(const struct schedule *schedule, struct strbuf *buffer)
{
	(void)schedule;
	(void)buffer;
}
