// SPDX-License-Identifier: MIT
#include "fake_golden.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/strbuf.h"

static void write_golden(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static char *read_golden(const char *path)
{
	FILE *file = fopen(path, "r");
	struct strbuf text;
	char block[4096];
	size_t n;

	if (!file)
		fail_msg("%s: %s; UPDATE_GOLDEN=1 makes it", path, strerror(errno));
	strbuf_init(&text);
	while ((n = fread(block, 1, sizeof(block), file)) > 0)
		strbuf_add(&text, block, n);
	fclose(file);
	return strbuf_take(&text);
}

void golden_compare(const char *name, const char *text)
{
	const char *update = getenv("UPDATE_GOLDEN");
	size_t at = 0, line = 1;
	char path[512], *golden;

	snprintf(path, sizeof(path), "%s/tests/golden/%s", CGWATCH_SOURCE_DIR, name);
	if (update && *update && strcmp(update, "0") != 0) {
		write_golden(path, text);
		return;
	}
	golden = read_golden(path);
	assert_non_null(golden);
	for (; golden[at] && golden[at] == text[at]; at++)
		line += golden[at] == '\n';
	if (golden[at] != text[at])
		fail_msg("%s differs from line %zu on, at \"%.60s\", which is now \"%.60s\"", path,
			 line, golden + at, text + at);
	free(golden);
}
