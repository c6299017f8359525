// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include "core/escape.h"

static void must_be_utf8(const char *text, size_t length)
{
	while (length > 0) {
		uint32_t codepoint;
		size_t n = utf8_decode(text, length, &codepoint);

		must(n > 0 && n <= length);
		text += n;
		length -= n;
	}
}

static void check_terminal(const char *text, size_t size)
{
	struct strbuf out;
	char fixed[64];
	size_t n;

	strbuf_init(&out);
	escape_terminal_append(&out, text, size);
	for (size_t i = 0; i < out.length; i++)
		must((unsigned char)out.data[i] >= 0x20 && out.data[i] != 0x7f);
	must_be_utf8(out.data, out.length);
	n = escape_terminal(text, size, fixed, sizeof(fixed));
	must(n < sizeof(fixed) && fixed[n] == '\0');
	must(n <= out.length && (n == 0 || memcmp(fixed, out.data, n) == 0));
	must_be_utf8(fixed, n);
	strbuf_done(&out);
}

/* Inside a JSON string or a label: no bare quote, no bare backslash at the end, no control byte. */
static void check_quoted(void (*escape)(struct strbuf *, const char *, size_t), const char *text,
			 size_t size, unsigned char lowest)
{
	struct strbuf out;

	strbuf_init(&out);
	escape(&out, text, size);
	for (size_t i = 0; i < out.length; i++) {
		must((unsigned char)out.data[i] >= lowest && out.data[i] != '\n');
		must(out.data[i] != '"');
		if (out.data[i] == '\\')
			must(++i < out.length && strchr("\\\"nrtu", out.data[i]));
	}
	must_be_utf8(out.data, out.length);
	strbuf_done(&out);
}

static void check_csv(const char *text, size_t size)
{
	struct strbuf out;
	size_t quotes = 0;

	strbuf_init(&out);
	escape_csv(&out, text, size);
	for (size_t i = 0; i < out.length; i++)
		quotes += out.data[i] == '"';
	must(quotes % 2 == 0);
	must(quotes > 0 || !out.data || !memchr(out.data, ',', out.length));
	must(quotes == 0 || (out.data[0] == '"' && out.data[out.length - 1] == '"'));
	must(!out.data ||
	     (!memchr(out.data, '\n', out.length) && !memchr(out.data, '\r', out.length)));
	strbuf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	for (size_t i = 0; i < size; i++) {
		uint32_t codepoint = 0;
		size_t n = utf8_decode(text + i, size - i, &codepoint);

		must(n <= 4 && n <= size - i);
		must(n == 0 || codepoint <= 0x10ffff);
	}
	check_terminal(text, size);
	check_quoted(escape_json, text, size, 0x20);
	check_quoted(escape_label, text, size, 0);
	check_csv(text, size);
	return 0;
}
