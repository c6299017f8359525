// SPDX-License-Identifier: MIT
#include "agent/verbs/diff_format.h"

#include <string.h>
#include <sys/stat.h>

#include "core/escape.h"
#include "core/units.h"

void diff_add_docker(struct strbuf *out, const struct layer_diff_entry *entry)
{
	if (!entry->docker)
		return;
	strbuf_add_char(out, entry->docker);
	strbuf_add_char(out, ' ');
	escape_terminal_append(out, entry->path, strlen(entry->path));
	strbuf_add_char(out, '\n');
}

static const char *type_name(uint32_t mode)
{
	return S_ISREG(mode)	? "file"
	       : S_ISDIR(mode)	? "directory"
	       : S_ISLNK(mode)	? "symbolic link"
	       : S_ISCHR(mode)	? "character device"
	       : S_ISBLK(mode)	? "block device"
	       : S_ISFIFO(mode) ? "pipe"
	       : S_ISSOCK(mode) ? "socket"
				: "unknown";
}

/* The one side that there is, or the later one. */
static const struct layer_diff_side *present_side(const struct layer_diff_entry *entry)
{
	return entry->after.mode ? &entry->after : &entry->before;
}

static void add_size(struct strbuf *out, const struct layer_diff_side *side)
{
	format_human(out, UNIT_BYTES, (double)side->size, false);
}

static void add_content(struct strbuf *out, const struct layer_diff_entry *entry)
{
	if (!S_ISREG(entry->before.mode) || !S_ISREG(entry->after.mode))
		return;
	strbuf_add_string(out, ", ");
	add_size(out, &entry->before);
	strbuf_add_string(out, " -> ");
	add_size(out, &entry->after);
}

/* What a change was from and to, behind its name. */
static void add_change(struct strbuf *out, const struct layer_diff_entry *entry, unsigned int bit)
{
	const struct layer_diff_side *before = &entry->before, *after = &entry->after;

	strbuf_add_string(out, layer_diff_change_name(bit));
	if (bit == LAYER_DIFF_CONTENT)
		add_content(out, entry);
	else if (bit == LAYER_DIFF_TYPE)
		strbuf_printf(out, " %s -> %s", type_name(before->mode), type_name(after->mode));
	else if (bit == LAYER_DIFF_MODE)
		strbuf_printf(out, " %04o -> %04o", before->mode & 07777, after->mode & 07777);
	else if (bit == LAYER_DIFF_OWNER)
		strbuf_printf(out, " %u:%u -> %u:%u", before->uid, before->gid, after->uid,
			      after->gid);
	else if (bit == LAYER_DIFF_XATTRS && entry->xattrs) {
		strbuf_add_char(out, ' ');
		escape_terminal_append(out, entry->xattrs, strlen(entry->xattrs));
	}
}

static void add_changes(struct strbuf *out, const struct layer_diff_entry *entry)
{
	const char *between = "";

	for (unsigned int bit = 1; bit && bit <= entry->changes; bit <<= 1) {
		if (!(entry->changes & bit) || !layer_diff_change_name(bit))
			continue;
		strbuf_add_string(out, between);
		between = "; ";
		add_change(out, entry, bit);
	}
	if (!*between)
		strbuf_add_string(out, "nothing that can be seen");
}

void diff_add_long(struct strbuf *out, const struct layer_diff_entry *entry)
{
	const struct layer_diff_side *side = present_side(entry);

	strbuf_add_char(out, layer_diff_kind_letter(entry->kind));
	strbuf_add_char(out, ' ');
	escape_terminal_append(out, entry->path, strlen(entry->path));
	strbuf_add_string(out, "  (");
	if (entry->kind == LAYER_DIFF_CHANGED) {
		add_changes(out, entry);
	} else if (entry->kind == LAYER_DIFF_RENAMED) {
		strbuf_add_string(out, "from ");
		escape_terminal_append(out, entry->from ? entry->from : "?",
				       strlen(entry->from ? entry->from : "?"));
	} else {
		strbuf_add_string(out, type_name(side->mode));
		if (S_ISREG(side->mode)) {
			strbuf_add_string(out, ", ");
			add_size(out, side);
		}
	}
	if (entry->metacopy)
		strbuf_add_string(out, "; without its data");
	strbuf_add_string(out, ")\n");
}

static void json_side(struct jsonw *json, const char *name, const struct layer_diff_side *side)
{
	uint64_t size = side->mtime_ns < 0 ? 0 - (uint64_t)side->mtime_ns
					   : (uint64_t)side->mtime_ns;
	struct strbuf number;

	if (!side->mode) {
		jsonw_null(json, name);
		return;
	}
	strbuf_init(&number);
	jsonw_begin(json, name, '{');
	jsonw_string(json, "type", type_name(side->mode));
	strbuf_printf(&number, "%04o", side->mode & 07777);
	if (number.data)
		jsonw_string(json, "mode", number.data);
	strbuf_clear(&number);
	jsonw_u64(json, "uid", side->uid);
	jsonw_u64(json, "gid", side->gid);
	jsonw_u64(json, "size", side->size);
	if (side->mtime_ns < 0)
		strbuf_add_char(&number, '-');
	strbuf_add_fixed(&number, size, 9);
	if (number.data)
		jsonw_raw(json, "mtime", number.data);
	jsonw_end(json, '}');
	strbuf_done(&number);
}

static void json_changes(struct jsonw *json, unsigned int changes)
{
	jsonw_begin(json, "changes", '[');
	for (unsigned int bit = 1; bit && bit <= changes; bit <<= 1) {
		if ((changes & bit) && layer_diff_change_name(bit))
			jsonw_string(json, NULL, layer_diff_change_name(bit));
	}
	jsonw_end(json, ']');
}

void diff_json(struct jsonw *json, const struct layer_diff_entry *entry)
{
	jsonw_begin(json, NULL, '{');
	jsonw_string(json, "path", entry->path);
	jsonw_string(json, "kind", layer_diff_kind_name(entry->kind));
	if (entry->docker)
		jsonw_string(json, "docker", (char[]){ entry->docker, '\0' });
	else
		jsonw_null(json, "docker");
	if (entry->from)
		jsonw_string(json, "from", entry->from);
	if (entry->kind == LAYER_DIFF_CHANGED)
		json_changes(json, entry->changes);
	if (entry->xattrs)
		jsonw_string(json, "xattrs", entry->xattrs);
	jsonw_bool(json, "metacopy", entry->metacopy);
	json_side(json, "before", &entry->before);
	json_side(json, "after", &entry->after);
	jsonw_end(json, '}');
}

void diff_summary_add(struct diff_summary *summary, const struct layer_diff_entry *entry)
{
	const struct layer_diff_side *side = present_side(entry);

	summary->entries[entry->kind]++;
	if (S_ISREG(side->mode))
		summary->bytes[entry->kind] += side->size;
	if (entry->kind == LAYER_DIFF_CHANGED && S_ISREG(entry->before.mode) &&
	    S_ISREG(entry->after.mode))
		summary->growth += (int64_t)(entry->after.size - entry->before.size);
	summary->metacopy += entry->metacopy;
	for (unsigned int i = 0; i < DIFF_CHANGE_BITS; i++)
		summary->changes[i] += entry->changes >> i & 1;
}

void diff_summary_print(struct strbuf *out, const struct diff_summary *summary)
{
	for (int kind = 0; kind < LAYER_DIFF_KIND_COUNT; kind++) {
		strbuf_printf(out, "%-12s %8llu  ",
			      layer_diff_kind_name((enum layer_diff_kind)kind),
			      (unsigned long long)summary->entries[kind]);
		format_human(out, UNIT_BYTES, (double)summary->bytes[kind], false);
		strbuf_add_char(out, '\n');
	}
	for (unsigned int i = 0; i < DIFF_CHANGE_BITS; i++) {
		const char *name = layer_diff_change_name(1U << i);

		if (name && summary->changes[i] > 0)
			strbuf_printf(out, "  %-10s %8llu\n", name,
				      (unsigned long long)summary->changes[i]);
	}
	if (summary->metacopy > 0)
		strbuf_printf(out, "%llu of them without their data\n",
			      (unsigned long long)summary->metacopy);
}

void diff_summary_json(struct jsonw *json, const struct diff_summary *summary)
{
	struct strbuf number;

	jsonw_begin(json, "summary", '{');
	for (int kind = 0; kind < LAYER_DIFF_KIND_COUNT; kind++) {
		jsonw_begin(json, layer_diff_kind_name((enum layer_diff_kind)kind), '{');
		jsonw_u64(json, "entries", summary->entries[kind]);
		jsonw_u64(json, "bytes", summary->bytes[kind]);
		jsonw_end(json, '}');
	}
	jsonw_begin(json, "changes", '{');
	for (unsigned int i = 0; i < DIFF_CHANGE_BITS; i++) {
		if (layer_diff_change_name(1U << i))
			jsonw_u64(json, layer_diff_change_name(1U << i), summary->changes[i]);
	}
	jsonw_end(json, '}');
	jsonw_u64(json, "metacopy", summary->metacopy);
	strbuf_init(&number);
	strbuf_printf(&number, "%lld", (long long)summary->growth);
	if (number.data)
		jsonw_raw(json, "growth", number.data);
	strbuf_done(&number);
	jsonw_end(json, '}');
}
