// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

char *live_scrape(const char *at)
{
	static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t used = 0, size = 1 << 22;
	char *text = calloc(1, size);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	assert_non_null(text);
	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", at);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    write(fd, request, strlen(request)) == (ssize_t)strlen(request)) {
		while (used < size - 1 && (n = read(fd, text + used, size - 1 - used)) > 0)
			used += (size_t)n;
	}
	close(fd);
	if (strncmp(text, "HTTP/1.", 7) == 0 && strstr(text, " 200 "))
		return text;
	free(text);
	return NULL;
}

bool live_has_series(const char *text, const char *start, const char *part)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		const char *end, *at;

		line += *line == '\n';
		end = strchrnul(line, '\n');
		if (strncmp(line, start, strlen(start)) != 0)
			continue;
		at = strstr(line, part);
		if (at && at < end)
			return true;
	}
	return false;
}
