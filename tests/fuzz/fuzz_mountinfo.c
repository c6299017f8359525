// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include "collectors/mountinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size), *at = text;
	size_t lines = 1, found = 0;
	struct mount_line line;

	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	while (mountinfo_next(&at, &line)) {
		found++;
		must(line.root && line.mountpoint && line.options && line.fstype && line.source);
		must(line.super_options && !strchr(line.super_options, ' '));
		/* All of it points into the text: nothing was made longer. */
		must(line.root >= text &&
		     line.super_options + strlen(line.super_options) <= text + size);
		mount_has_option(line.super_options, "cpu");
		must(!*line.super_options || strchr(line.super_options, ',') ||
		     mount_has_option(line.super_options, line.super_options));
	}
	must(found <= lines);
	must(!mountinfo_next(&at, &line));
	free(text);
	return 0;
}
