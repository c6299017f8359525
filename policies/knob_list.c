// SPDX-License-Identifier: MIT
#include "policies/knob_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/units.h"

/* Lists of CPUs and memory nodes: "0-3,8" (cpusets.rst, List Format). The kernel checks the
 * numbers. */

enum { LIST_MAX = 8192 }; /* NR_CPUS of the largest configuration */

static int parse_list(enum knob_id knob, const char *text, struct knob_value *value,
		      const char **ret_reason)
{
	size_t length = strlen(text);

	(void)knob;
	*ret_reason = "it is not a list of numbers like 0-3,8";
	if (length >= sizeof(value->text) || strspn(text, "0123456789-,:/") != length)
		return -EINVAL;
	memcpy(value->text, text, length + 1);
	return 0;
}

static void format_list(const struct knob_value *value, struct strbuf *buffer)
{
	strbuf_add_string(buffer, value->text);
}

static bool add_range(char *range, unsigned char *members)
{
	char *end = strchr(range, '-');
	uint64_t first, last;

	if (end)
		*end++ = '\0';
	if (parse_u64(range, &first) < 0 || parse_u64(end ? end : range, &last) < 0 ||
	    first > last || last >= LIST_MAX)
		return false;
	memset(members + first, 1, last - first + 1);
	return true;
}

/* False for what is not as simple as ranges with commas between them. */
static bool expand(const char *text, unsigned char members[LIST_MAX])
{
	_cleanup_(freep) char *copy = strdup(text);
	char *rest = copy, *range;

	memset(members, 0, LIST_MAX);
	if (!copy)
		return false;
	while ((range = strsep(&rest, ","))) {
		if (*range && !add_range(range, members))
			return false;
	}
	return true;
}

/* The kernel gives "0,1,2" back as "0-2". */
static bool equal_list(const struct knob_value *a, const struct knob_value *b)
{
	unsigned char of_a[LIST_MAX], of_b[LIST_MAX];

	if (strcmp(a->text, b->text) == 0)
		return true;
	return expand(a->text, of_a) && expand(b->text, of_b) && memcmp(of_a, of_b, LIST_MAX) == 0;
}

static bool never_tighter(const struct knob_value *a, const struct knob_value *b)
{
	(void)a;
	(void)b;
	return false;
}

const struct knob_form knob_form_list = { parse_list, format_list, format_list, equal_list,
					  never_tighter };
