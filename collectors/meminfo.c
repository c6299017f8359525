// SPDX-License-Identifier: MIT
#include "collectors/meminfo.h"

#include <errno.h>

#include "core/cleanup.h"

/* "8053248 kB": the only unit that the file has. */
static int parse_kib(struct span rest, uint64_t *ret_bytes)
{
	struct span word, unit;
	uint64_t value = 0;

	if (!span_word(&rest, &word) || !span_word(&rest, &unit) || !span_is(unit, "kB"))
		return -EINVAL;
	for (; word.at < word.end; word.at++) {
		if (*word.at < '0' || *word.at > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*word.at - '0'), &value))
			return -EINVAL;
	}
	if (__builtin_mul_overflow(value, 1024, &value))
		return -EINVAL;
	*ret_bytes = value;
	return 0;
}

int meminfo_parse(struct span text, struct meminfo *ret_meminfo)
{
	struct meminfo meminfo = { 0 };
	bool total = false, available = false;
	struct span line, key;

	while (!(total && available) && span_line(&text, &line)) {
		if (!span_word(&line, &key))
			continue;
		if (span_is(key, "MemTotal:"))
			total = parse_kib(line, &meminfo.total) == 0;
		else if (span_is(key, "MemAvailable:"))
			available = parse_kib(line, &meminfo.available) == 0;
	}
	if (!total || !available || meminfo.available > meminfo.total)
		return -EINVAL;
	*ret_meminfo = meminfo;
	return 0;
}

int meminfo_read(const struct root *root, struct meminfo *ret_meminfo)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	int r = root_read(root, ROOT_PROC, "meminfo", &text);

	if (r < 0 || text.failed)
		return r < 0 ? r : -ENOMEM;
	if (!text.data)
		return -EINVAL;
	return meminfo_parse((struct span){ text.data, text.data + text.length }, ret_meminfo);
}
