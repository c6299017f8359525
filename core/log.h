/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The only mutable global of the program. Set before threads start. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* "error", "warning", "info" or "debug". -EINVAL on anything else. */
int log_level_parse(const char *text, enum log_level *ret_level);
/* With true, lines carry the "<N>" priority prefix that journald reads on stderr (sd-daemon(3)). */
void log_set_journal(bool on);

/*
 * One line on stderr. Control characters and invalid UTF-8 from arguments are escaped, so that
 * names from outside cannot forge a line. Keeps errno.
 */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
