// SPDX-License-Identifier: MIT
#include "collectors/proc_stat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/units.h"

/* Fields behind the name in brackets, counted from 0. */
enum {
	FIELD_STATE = 0,
	FIELD_PPID = 1,
	FIELD_UTIME = 11,
	FIELD_STIME = 12,
	FIELD_THREADS = 17,
	FIELD_START = 19,
	FIELD_VSIZE = 20,
	FIELD_RSS = 21,
	FIELDS = 22
};

int proc_stat_parse(char *text, struct proc_stat *ret_stat)
{
	/* The name may hold spaces and brackets: it ends at the last ')'. */
	char *open = strchr(text, '('), *close = strrchr(text, ')'), *at, *word;
	uint64_t values[FIELDS] = { 0 };
	struct proc_stat stat = { 0 };

	if (!open || !close || close < open || close[1] != ' ')
		return -EINVAL;
	*close = '\0';
	snprintf(stat.comm, sizeof(stat.comm), "%s", open + 1);
	at = close + 2;
	for (size_t i = 0; i < FIELDS && (word = strsep(&at, " \n")); i++) {
		/* Negative ones (priorities, a kernel thread's tty) are none of ours. */
		if (i == FIELD_STATE)
			stat.state = *word;
		else if (parse_u64(word, &values[i]) < 0)
			values[i] = 0;
	}
	stat.ppid = values[FIELD_PPID];
	stat.user_ticks = values[FIELD_UTIME];
	stat.system_ticks = values[FIELD_STIME];
	stat.threads = values[FIELD_THREADS];
	stat.start_ticks = values[FIELD_START];
	stat.virtual_bytes = values[FIELD_VSIZE];
	stat.resident_pages = values[FIELD_RSS];
	*ret_stat = stat;
	return 0;
}
