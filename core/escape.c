// SPDX-License-Identifier: MIT
#include "core/escape.h"

#include <stdio.h>

/* Room for one escaped character: "\\u10ffff" and a NUL, and something to spare. */
#define PIECE_MAX 12

size_t utf8_decode(const char *text, size_t length, uint32_t *ret_codepoint)
{
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first;
	uint32_t codepoint;
	size_t need;

	if (length == 0)
		return 0;
	first = (unsigned char)text[0];
	if (first < 0x80) {
		*ret_codepoint = first;
		return 1;
	}
	need = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (first < 0xc2 || first > 0xf4 || need > length)
		return 0;
	codepoint = first & (0xffu >> (need + 1));
	for (size_t i = 1; i < need; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return 0;
		codepoint = codepoint << 6 | ((unsigned char)text[i] & 0x3f);
	}
	if (codepoint < lowest[need] || codepoint > 0x10ffff ||
	    (codepoint >= 0xd800 && codepoint < 0xe000))
		return 0;
	*ret_codepoint = codepoint;
	return need;
}

size_t utf8_encode(uint32_t codepoint, char out[4])
{
	if (codepoint < 0x80) {
		out[0] = (char)codepoint;
		return 1;
	}
	if (codepoint < 0x800) {
		out[0] = (char)(0xc0 | codepoint >> 6);
		out[1] = (char)(0x80 | (codepoint & 0x3f));
		return 2;
	}
	if (codepoint < 0x10000) {
		out[0] = (char)(0xe0 | codepoint >> 12);
		out[1] = (char)(0x80 | (codepoint >> 6 & 0x3f));
		out[2] = (char)(0x80 | (codepoint & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | codepoint >> 18);
	out[1] = (char)(0x80 | (codepoint >> 12 & 0x3f));
	out[2] = (char)(0x80 | (codepoint >> 6 & 0x3f));
	out[3] = (char)(0x80 | (codepoint & 0x3f));
	return 4;
}

/* Characters that would move the cursor or turn the direction of the text around them. */
static bool is_unsafe(uint32_t codepoint)
{
	static const struct {
		uint32_t first, last;
	} unsafe[] = {
		{ 0, 0x1f },	    { 0x7f, 0x9f },	{ 0x61c, 0x61c },   { 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff }, { 0xe0000, 0xe007f },
	};

	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
		if (codepoint >= unsafe[i].first && codepoint <= unsafe[i].last)
			return true;
	}
	return false;
}

/* One character of `text` made safe in `out`; returns the bytes of `text` it took. */
static size_t terminal_piece(const char *text, size_t length, char out[PIECE_MAX], size_t *ret_out)
{
	uint32_t codepoint;
	size_t taken = utf8_decode(text, length, &codepoint);

	if (taken == 0) {
		*ret_out = (size_t)snprintf(out, PIECE_MAX, "\\x%02x", (unsigned char)text[0]);
		return 1;
	}
	if (codepoint == '\\') {
		memcpy(out, "\\\\", 2);
		*ret_out = 2;
	} else if (is_unsafe(codepoint)) {
		*ret_out = (size_t)snprintf(out, PIECE_MAX,
					    codepoint < 0x100 ? "\\x%02x" : "\\u%04x", codepoint);
	} else {
		memcpy(out, text, taken);
		*ret_out = taken;
	}
	return taken;
}

size_t escape_terminal(const char *text, size_t length, char *target, size_t size)
{
	size_t used = 0;

	while (length > 0) {
		char piece[PIECE_MAX];
		size_t n, taken = terminal_piece(text, length, piece, &n);

		if (used + n >= size)
			break;
		memcpy(target + used, piece, n);
		used += n;
		text += taken;
		length -= taken;
	}
	if (size > 0)
		target[used] = '\0';
	return used;
}

void escape_terminal_append(struct strbuf *buffer, const char *text, size_t length)
{
	while (length > 0) {
		char piece[PIECE_MAX];
		size_t n, taken = terminal_piece(text, length, piece, &n);

		strbuf_add(buffer, piece, n);
		text += taken;
		length -= taken;
	}
}

/* Bytes that every one of our formats takes as they are. */
static size_t plain_run(const char *text, size_t length)
{
	size_t n = 0;

	while (n < length && text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' && text[n] != '\\')
		n++;
	return n;
}

/*
 * An invalid byte is written as the four characters \xNN. Where a name really holds such four
 * characters, its backslash is written as \x5c, so that two names never look the same. Only \x80
 * and above: systemd's \x2d stays readable.
 */
static bool looks_escaped(const char *text, size_t length)
{
	return length >= 4 && text[0] == '\\' && text[1] == 'x' && strchr("89abcdef", text[2]) &&
	       text[2] && strchr("0123456789abcdef", text[3]) && text[3];
}

/*
 * The part that JSON and labels share: plain runs, invalid bytes, and text that looks like an
 * escaped byte. `special` writes any other character, of `length` bytes at `text`.
 */
static void escape_with(struct strbuf *buffer, const char *text, size_t length,
			void (*special)(struct strbuf *buffer, uint32_t codepoint, const char *text,
					size_t length))
{
	while (length > 0) {
		size_t taken = plain_run(text, length);
		uint32_t codepoint;

		if (taken > 0) {
			strbuf_add(buffer, text, taken);
		} else if ((taken = utf8_decode(text, length, &codepoint)) == 0) {
			taken = 1;
			strbuf_printf(buffer, "\\\\x%02x", (unsigned char)text[0]);
		} else if (looks_escaped(text, length)) {
			strbuf_add_string(buffer, "\\\\x5c");
		} else {
			special(buffer, codepoint, text, taken);
		}
		text += taken;
		length -= taken;
	}
}

static void json_special(struct strbuf *buffer, uint32_t codepoint, const char *text, size_t length)
{
	static const char *const shorts[128] = {
		['"'] = "\\\"", ['\\'] = "\\\\", ['\n'] = "\\n", ['\t'] = "\\t", ['\r'] = "\\r",
	};

	if (codepoint < 128 && shorts[codepoint])
		strbuf_add_string(buffer, shorts[codepoint]);
	else if (codepoint < 0x20 || codepoint == 0x7f)
		strbuf_printf(buffer, "\\u%04x", codepoint);
	else
		strbuf_add(buffer, text, length);
}

void escape_json(struct strbuf *buffer, const char *text, size_t length)
{
	escape_with(buffer, text, length, json_special);
}

static void label_special(struct strbuf *buffer, uint32_t codepoint, const char *text,
			  size_t length)
{
	if (codepoint == '"' || codepoint == '\\')
		strbuf_add_char(buffer, '\\');
	if (codepoint == '\n')
		strbuf_add_string(buffer, "\\n");
	else
		strbuf_add(buffer, text, length);
}

void escape_label(struct strbuf *buffer, const char *text, size_t length)
{
	escape_with(buffer, text, length, label_special);
}

void escape_csv(struct strbuf *buffer, const char *text, size_t length)
{
	bool quote = memchr(text, ',', length) || memchr(text, '"', length) ||
		     (length > 0 && (text[0] == ' ' || text[length - 1] == ' '));

	if (quote)
		strbuf_add_char(buffer, '"');
	while (length > 0) {
		char piece[PIECE_MAX];
		size_t n, taken = terminal_piece(text, length, piece, &n);

		if (text[0] == '"')
			strbuf_add_char(buffer, '"');
		strbuf_add(buffer, piece, n);
		text += taken;
		length -= taken;
	}
	if (quote)
		strbuf_add_char(buffer, '"');
}
