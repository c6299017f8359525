// SPDX-License-Identifier: MIT
#include "policies/journal_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "core/cleanup.h"

enum { JOURNAL_VERSION = 1 };

/* JSON integers end at INT64_MAX, and "no limit" is above: it is a word here too. */
static json_t *encode_number(uint64_t number)
{
	if (number == KNOB_UNLIMITED)
		return json_string("max");
	if (number == KNOB_IO_LEAVE)
		return json_string("leave");
	return json_integer((json_int_t)number);
}

static json_t *encode_value(const struct knob_value *value)
{
	if (value->text[0])
		return json_pack("{s:s, s:[o, o, o, o]}", "text", value->text, "io",
				 encode_number(value->io[KNOB_IO_RBPS]),
				 encode_number(value->io[KNOB_IO_WBPS]),
				 encode_number(value->io[KNOB_IO_RIOPS]),
				 encode_number(value->io[KNOB_IO_WIOPS]));
	return json_pack("{s:o, s:o, s:o}", "number", encode_number(value->number), "period",
			 encode_number(value->period), "burst", encode_number(value->burst));
}

static bool decode_number(const json_t *json, uint64_t *ret_number)
{
	if (json_is_string(json) && strcmp(json_string_value(json), "max") == 0)
		*ret_number = KNOB_UNLIMITED;
	else if (json_is_string(json) && strcmp(json_string_value(json), "leave") == 0)
		*ret_number = KNOB_IO_LEAVE;
	else if (json_is_integer(json) && json_integer_value(json) >= 0)
		*ret_number = (uint64_t)json_integer_value(json);
	else
		return false;
	return true;
}

static bool decode_value(const json_t *json, struct knob_value *ret_value)
{
	const char *text = json_string_value(json_object_get(json, "text"));
	const json_t *io = json_object_get(json, "io");

	*ret_value = (struct knob_value){ 0 };
	decode_number(json_object_get(json, "burst"), &ret_value->burst);
	if (!text)
		return decode_number(json_object_get(json, "number"), &ret_value->number) &&
		       decode_number(json_object_get(json, "period"), &ret_value->period);
	if (strlen(text) >= sizeof(ret_value->text))
		return false;
	memcpy(ret_value->text, text, strlen(text) + 1);
	for (size_t i = 0; i < json_array_size(io) && i < KNOB_IO_COUNT; i++) {
		if (!decode_number(json_array_get(io, i), &ret_value->io[i]))
			return false;
	}
	return true;
}

/* A path is bytes and JSON is UTF-8: every byte stands as the character of that number (Latin-1).
 */
static json_t *encode_bytes(const char *text)
{
	struct strbuf wide;
	json_t *json = NULL;

	strbuf_init(&wide);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x80) {
			strbuf_add_char(&wide, (char)c);
		} else {
			strbuf_add_char(&wide, (char)(0xc0 | c >> 6));
			strbuf_add_char(&wide, (char)(0x80 | (c & 0x3f)));
		}
	}
	if (!wide.failed)
		json = json_string(wide.data ? wide.data : "");
	strbuf_done(&wide);
	return json;
}

static char *decode_bytes(const json_t *json)
{
	const char *text = json_string_value(json);
	char *bytes = text ? malloc(strlen(text) + 1) : NULL;
	size_t n = 0;

	for (; bytes && *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x80 && text[1])
			c = (unsigned char)((c & 0x03) << 6 | (*++text & 0x3f));
		bytes[n++] = (char)c;
	}
	if (bytes)
		bytes[n] = '\0';
	return bytes;
}

char *journal_encode(const struct journal *journal, const struct journal_entry *entry)
{
	char *text;
	json_t *json = json_pack(
		"{s:i, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:s, s:I, s:b, s:I}", "version",
		JOURNAL_VERSION, "boot_id", journal->boot_id, "knob", knob_name(entry->knob),
		"hierarchy", entry->hierarchy, "cgroup_id", (json_int_t)entry->cgroup_id, "path",
		encode_bytes(entry->path), "old", encode_value(&entry->old), "written",
		encode_value(&entry->written), "before", encode_value(&entry->before), "holders",
		entry->holders, "lease_until", (json_int_t)entry->lease_until, "keep", entry->keep,
		"time", (json_int_t)time(NULL));

	if (!json)
		return NULL;
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return text;
}

static int decode_entry(json_t *json, struct journal_entry *entry, char *ret_boot_id, size_t size)
{
	json_int_t version, id, lease;
	const char *boot_id, *knob, *hierarchy, *holders;
	json_t *path, *old, *written, *before;
	int keep;

	if (json_unpack(json, "{s:I, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:s, s:I, s:b}",
			"version", &version, "boot_id", &boot_id, "knob", &knob, "hierarchy",
			&hierarchy, "cgroup_id", &id, "path", &path, "old", &old, "written",
			&written, "before", &before, "holders", &holders, "lease_until", &lease,
			"keep", &keep) < 0 ||
	    version != JOURNAL_VERSION || strlen(boot_id) >= size ||
	    knob_find(knob, &entry->knob) < 0 || !decode_value(old, &entry->old) ||
	    !decode_value(written, &entry->written) || !decode_value(before, &entry->before))
		return -EINVAL;
	memcpy(ret_boot_id, boot_id, strlen(boot_id) + 1);
	entry->cgroup_id = (uint64_t)id;
	entry->lease_until = (uint64_t)lease;
	entry->keep = keep;
	entry->path = decode_bytes(path);
	entry->hierarchy = strdup(hierarchy);
	entry->holders = strdup(holders);
	return entry->path && entry->hierarchy && entry->holders ? 0 : -EINVAL;
}

int journal_decode(const char *text, size_t length, struct journal_entry *ret_entry,
		   char *ret_boot_id, size_t boot_id_size)
{
	struct journal_entry entry = { 0 };
	json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	int r = json ? decode_entry(json, &entry, ret_boot_id, boot_id_size) : -EINVAL;

	json_decref(json);
	if (r < 0)
		journal_entry_done(&entry);
	else
		*ret_entry = entry;
	return r;
}
