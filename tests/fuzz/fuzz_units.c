// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

#include "core/units.h"

/* What people write holds digits, one point, letters and '%': nothing else is ever taken. */
static void must_be_plain(const char *text)
{
	must(isdigit((unsigned char)text[0]));
	for (const char *at = text; *at; at++)
		must(isalnum((unsigned char)*at) || *at == '.' || *at == '%');
}

static void check_integer(int (*parse)(const char *, uint64_t *), const char *text)
{
	uint64_t value = 77;
	int r = parse(text, &value);

	must(r == 0 || r == -EINVAL || r == -ERANGE);
	if (r == 0)
		must_be_plain(text);
	else
		must(value == 77);
}

static void check_u64(const char *text)
{
	char back[32];
	uint64_t value;

	if (parse_u64(text, &value) < 0)
		return;
	snprintf(back, sizeof(back), "%llu", (unsigned long long)value);
	text += strspn(text, "0");
	must(strcmp(*text ? text : "0", back) == 0);
}

static void check_human(const uint8_t *data, size_t size)
{
	struct strbuf buffer;
	double value;

	if (size < sizeof(value))
		return;
	memcpy(&value, data, sizeof(value));
	strbuf_init(&buffer);
	for (int unit = UNIT_NONE; unit <= UNIT_RATIO; unit++) {
		/* No range of seconds is without an end, but none may do harm. */
		if (isfinite(value) && fabs(value) < 1e18)
			format_human(&buffer, (enum unit)unit, fabs(value), unit & 1);
	}
	strbuf_add_double(&buffer, value);
	strbuf_clear(&buffer);
	strbuf_add_double(&buffer, value);
	must(isnan(value) ? strcmp(buffer.data, "NaN") == 0 : strtod(buffer.data, NULL) == value);
	strbuf_done(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	double ratio = -77;

	check_integer(parse_u64, text);
	check_integer(parse_size, text);
	check_integer(parse_duration, text);
	check_u64(text);
	if (parse_percent(text, &ratio) == 0) {
		must_be_plain(text);
		must(ratio >= 0 && isfinite(ratio));
	} else {
		must(ratio == -77);
	}
	check_human(data, size);
	free(text);
	return 0;
}
