// SPDX-License-Identifier: MIT
#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/escape.h"

static struct {
	enum log_level level;
	bool journal;
} log_state = { .level = LOG_LEVEL_INFO };

static const struct {
	const char *name;
	int priority; /* syslog(3) */
} log_levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARNING] = { "warning", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

enum log_level log_get_level(void)
{
	return log_state.level;
}

void log_set_journal(bool on)
{
	log_state.journal = on;
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
	for (size_t i = 0; i < ARRAY_SIZE(log_levels); i++) {
		if (strcmp(text, log_levels[i].name) == 0) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_write(enum log_level level, const char *format, ...)
{
	int saved = errno;
	char raw[2048], line[4200];
	size_t used = 0;
	va_list arguments;

	if (level > log_state.level)
		return;
	va_start(arguments, format);
	vsnprintf(raw, sizeof(raw), format, arguments);
	va_end(arguments);
	if (log_state.journal)
		used = (size_t)snprintf(line, 8, "<%d>", log_levels[level].priority);
	used += escape_terminal(raw, strlen(raw), line + used, sizeof(line) - used - 1);
	line[used++] = '\n';
	/* One write, so that lines of several threads do not mix. Nobody to tell if it fails. */
	if (write(STDERR_FILENO, line, used) < 0)
		errno = saved;
	errno = saved;
}
