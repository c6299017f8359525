// SPDX-License-Identifier: MIT
#include "policies/journal_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "core/cleanup.h"
#include "policies/actions.h"

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

static const char move_knob[] = "move"; /* stands where the knob's name does */

static json_t *encode_holders(const struct journal_entry *entry)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < entry->n_list; i++) {
		const struct journal_holder *holder = &entry->list[i];
		const char *action = holder->action >= 0 && holder->action < ACTION_COUNT
					     ? action_name((enum action_id)holder->action)
					     : NULL;

		json_array_append_new(
			list,
			json_pack("{s:s, s:i, s:o, s:I, s:I, s:s, s:b, s:s, s:i}", "policy",
				  holder->policy, "step", (int)holder->step, "wanted",
				  encode_value(&holder->wanted), "since", (json_int_t)holder->since,
				  "lease_until", (json_int_t)holder->lease_until, "uuid",
				  holder->uuid, "keep", holder->keep, "action",
				  action ? action : "", "priority", holder->priority));
	}
	return list;
}

static json_t *encode_moves(const struct journal_entry *entry)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < entry->n_moves; i++) {
		const struct journal_move *move = &entry->moves[i];

		json_array_append_new(list, json_pack("[i, I, s, o, I]", move->pid,
						      (json_int_t)move->start, move->hierarchy,
						      encode_bytes(move->from),
						      (json_int_t)move->cgroup_id));
	}
	return list;
}

char *journal_encode(const struct journal *journal, const struct journal_entry *entry)
{
	const char *knob = entry->knob < KNOB_COUNT ? knob_name(entry->knob) : move_knob;
	char *text;
	json_t *json = json_pack(
		"{s:i, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:s, s:I, s:b, s:I}", "version",
		JOURNAL_VERSION, "boot_id", journal->boot_id, "knob", knob, "hierarchy",
		entry->hierarchy, "cgroup_id", (json_int_t)entry->cgroup_id, "path",
		encode_bytes(entry->path), "old", encode_value(&entry->old), "written",
		encode_value(&entry->written), "before", encode_value(&entry->before), "holders",
		entry->holders, "lease_until", (json_int_t)entry->lease_until, "keep", entry->keep,
		"time", (json_int_t)time(NULL));

	if (!json)
		return NULL;
	if (entry->unit)
		json_object_set_new(json, "unit", json_string(entry->unit));
	if (entry->n_list > 0)
		json_object_set_new(json, "list", encode_holders(entry));
	if (entry->target) {
		json_object_set_new(json, "target", encode_bytes(entry->target));
		json_object_set_new(json, "moves", encode_moves(entry));
	}
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return text;
}

static int find_action(const char *name)
{
	for (int i = 0; i < ACTION_COUNT; i++) {
		const char *known = action_name((enum action_id)i);

		if (known && strcmp(known, name) == 0)
			return i;
	}
	return -1;
}

static bool decode_holder(json_t *json, struct journal_holder *holder)
{
	const char *policy, *uuid, *action;
	json_int_t since, lease;
	json_t *wanted;
	int step, keep;

	if (json_unpack(json, "{s:s, s:i, s:o, s:I, s:I, s:s, s:b, s:s, s:i}", "policy", &policy,
			"step", &step, "wanted", &wanted, "since", &since, "lease_until", &lease,
			"uuid", &uuid, "keep", &keep, "action", &action, "priority",
			&holder->priority) < 0 ||
	    step < 0 || strlen(uuid) >= sizeof(holder->uuid) ||
	    !decode_value(wanted, &holder->wanted))
		return false;
	holder->step = (unsigned int)step;
	holder->since = (uint64_t)since;
	holder->lease_until = (uint64_t)lease;
	holder->keep = keep;
	holder->action = find_action(action);
	memcpy(holder->uuid, uuid, strlen(uuid) + 1);
	holder->policy = strdup(policy);
	return holder->policy != NULL;
}

static bool decode_holders(const json_t *json, struct journal_entry *entry)
{
	size_t n = json_array_size(json);

	if (n == 0)
		return true;
	entry->list = calloc(n, sizeof(*entry->list));
	for (size_t i = 0; entry->list && i < n; i++) {
		if (!decode_holder(json_array_get(json, i), &entry->list[entry->n_list++]))
			return false;
	}
	return entry->list != NULL;
}

static bool decode_move(json_t *json, struct journal_move *move)
{
	const char *hierarchy;
	json_int_t start, id;
	json_t *from;

	if (json_unpack(json, "[i, I, s, o, I]", &move->pid, &start, &hierarchy, &from, &id) < 0 ||
	    move->pid <= 0)
		return false;
	move->start = (uint64_t)start;
	move->cgroup_id = (uint64_t)id;
	move->hierarchy = strdup(hierarchy);
	move->from = decode_bytes(from);
	return move->hierarchy && move->from;
}

static bool decode_moves(const json_t *json, struct journal_entry *entry)
{
	size_t n = json_array_size(json);

	if (n == 0)
		return true;
	entry->moves = calloc(n, sizeof(*entry->moves));
	for (size_t i = 0; entry->moves && i < n; i++) {
		if (!decode_move(json_array_get(json, i), &entry->moves[entry->n_moves++]))
			return false;
	}
	return entry->moves != NULL;
}

/* What not every entry has. */
static bool decode_rest(const json_t *json, struct journal_entry *entry)
{
	const json_t *unit = json_object_get(json, "unit"),
		     *target = json_object_get(json, "target");

	if (unit) {
		entry->unit = json_is_string(unit) ? strdup(json_string_value(unit)) : NULL;
		if (!entry->unit)
			return false;
	}
	if (target) {
		entry->target = decode_bytes(target);
		if (!entry->target)
			return false;
	}
	return (entry->knob < KNOB_COUNT || entry->target) &&
	       decode_holders(json_object_get(json, "list"), entry) &&
	       decode_moves(json_object_get(json, "moves"), entry);
}

static bool find_knob(const char *name, enum knob_id *ret_knob)
{
	*ret_knob = KNOB_COUNT;
	return strcmp(name, move_knob) == 0 || knob_find(name, ret_knob) == 0;
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
	    !find_knob(knob, &entry->knob) || !decode_value(old, &entry->old) ||
	    !decode_value(written, &entry->written) || !decode_value(before, &entry->before))
		return -EINVAL;
	memcpy(ret_boot_id, boot_id, strlen(boot_id) + 1);
	entry->cgroup_id = (uint64_t)id;
	entry->lease_until = (uint64_t)lease;
	entry->keep = keep;
	entry->path = decode_bytes(path);
	entry->hierarchy = strdup(hierarchy);
	entry->holders = strdup(holders);
	return entry->path && entry->hierarchy && entry->holders && decode_rest(json, entry)
		       ? 0
		       : -EINVAL;
}

int journal_decode(const char *text, size_t length, struct journal_entry *ret_entry,
		   char *ret_boot_id, size_t boot_id_size)
{
	struct journal_entry entry = { 0 };
	json_error_t error;
	json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	int r;

	if (json)
		r = decode_entry(json, &entry, ret_boot_id, boot_id_size);
	else
		r = json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EINVAL;

	json_decref(json);
	if (r < 0)
		journal_entry_done(&entry);
	else
		*ret_entry = entry;
	return r;
}
