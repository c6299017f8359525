// SPDX-License-Identifier: MIT
#include "exporter/label.h"

#include <string.h>

#include "core/escape.h"

static bool is_utf8(const char *text, size_t length)
{
	uint32_t codepoint;

	while (length > 0) {
		size_t taken = utf8_decode(text, length, &codepoint);

		if (taken == 0)
			return false;
		text += taken;
		length -= taken;
	}
	return true;
}

/* The longest start of at most `max` bytes that ends with a whole character. */
size_t label_cut(const char *text, size_t length, uint32_t max)
{
	if (max == 0 || length <= max)
		return length;
	length = max;
	while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
		length--;
	return length > 0 ? length : max;
}

/*
 * A cgroup's path as a label value. Two cgroups must never share one: where escaping or cutting
 * could make two paths alike, "#" and the inode are added. A valid path can only look like an
 * escaped one if it holds a backslash.
 */
void label_add_cgroup(struct strbuf *out, const struct node *node, uint32_t max)
{
	const char *path = node->path, *hash = strrchr(path, '#');
	size_t length = strlen(path), cut = label_cut(path, length, max);
	bool numbered = hash && hash[1] && hash[1 + strspn(hash + 1, "0123456789")] == '\0';

	escape_label(out, path, cut);
	if (cut < length || !is_utf8(path, length) || (numbered && strchr(path, '\\'))) {
		strbuf_add_char(out, '#');
		strbuf_add_u64(out, node_id(node));
	}
}

void label_add(struct strbuf *out, const char *name, const char *value)
{
	strbuf_add_string(out, ",");
	strbuf_add_string(out, name);
	strbuf_add_string(out, "=\"");
	escape_label(out, value ? value : "", value ? strlen(value) : 0);
	strbuf_add_char(out, '"');
}
