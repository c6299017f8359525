// SPDX-License-Identifier: MIT
#include "collectors/store.h"

#include "core/cleanup.h"
#include "core/strpool.h"

static bool put(struct store *store, const struct plan_field *field, struct span text)
{
	const struct metric *metric = metric_get(field->id);
	union value value = { 0 };
	enum value_state state = keyed_number(metric, text, field->mul, field->div, &value);

	if (snapshot_state(store->snapshot, field->id, store->index) == VALUE_OK)
		return true;
	if (state == VALUE_OK)
		snapshot_set(store->snapshot, field->id, store->index, value);
	else
		snapshot_set_state(store->snapshot, field->id, store->index, state);
	return state != VALUE_ABSENT;
}

/*
 * One part of a keyed metric. The cell itself holds the sum; of limits, the tightest.
 */
static void put_part(struct store *store, const struct plan_field *field, struct span key,
		     struct span text)
{
	const struct metric *metric = metric_get(field->id);
	struct part part = { store->index, field->id };
	union value sum = { 0 };
	enum value_state state;

	part.state = keyed_number(metric, text, field->mul, field->div, &part.value);
	part.key = devices_name(store->devices, key);
	if (part.state == VALUE_ABSENT || !part.key || !snapshot_add_part(store->snapshot, &part))
		return;
	state = snapshot_get(store->snapshot, field->id, store->index, &sum);
	if (part.state != VALUE_OK) {
		if (state != VALUE_OK)
			snapshot_set_state(store->snapshot, field->id, store->index, part.state);
		return;
	}
	if (state != VALUE_OK)
		sum = part.value;
	else if (metric->kind != KIND_LIMIT)
		sum.u64 += part.value.u64;
	else if (part.value.u64 < sum.u64)
		sum = part.value;
	snapshot_set(store->snapshot, field->id, store->index, sum);
}

/* A keyed file without a line for it: nothing happened, nothing is limited, or nobody knows. */
static void put_empty(struct store *store, const struct plan_file *file)
{
	for (size_t i = 0; i < file->n_fields; i++) {
		const struct metric *metric = metric_get(file->fields[i].id);

		if (!metric->key_label ||
		    snapshot_state(store->snapshot, file->fields[i].id, store->index) == VALUE_OK)
			continue;
		if (metric->flags & METRIC_ZERO)
			snapshot_set(store->snapshot, file->fields[i].id, store->index,
				     (union value){ .u64 = 0 });
		else if (metric->kind == KIND_LIMIT)
			snapshot_set_state(store->snapshot, file->fields[i].id, store->index,
					   VALUE_UNLIMITED);
	}
}

static struct span chomp(struct span text)
{
	while (text.end > text.at && (text.end[-1] == '\n' || text.end[-1] == ' '))
		text.end--;
	return text;
}

static void store_number(struct store *store, const struct plan_file *file, size_t i,
			 struct span text)
{
	const struct plan_field *field = &file->fields[i];

	if (file->part)
		put_part(store, field, (struct span){ file->part, file->part + strlen(file->part) },
			 text);
	else
		store->n_missing += !put(store, field, text);
}

static void store_single(struct store *store, struct plan_file *file, struct span text)
{
	for (size_t i = 0; i < file->n_fields; i++)
		store_number(store, file, i, chomp(text));
}

static void store_flat(struct store *store, struct plan_file *file, struct span text)
{
	struct span line, key;
	size_t n_found = 0;

	for (size_t i = 0; n_found < file->n_fields && span_line(&text, &line); i++) {
		const struct plan_field *field;

		if (!span_word(&line, &key))
			continue;
		field = plan_match(file, i, key.at, span_length(key));
		if (!field)
			continue;
		/* A key that comes twice must not end the reading early. */
		n_found += file->part ||
			   snapshot_state(store->snapshot, field->id, store->index) == VALUE_ABSENT;
		line.at += line.at < line.end;
		store_number(store, file, (size_t)(field - file->fields), line);
	}
	store->n_missing += (unsigned int)(file->n_fields - n_found);
}

/* "key=value" or "key value" pairs behind a part's name. */
static const struct plan_field *field_of(const struct plan_file *file, struct span key)
{
	for (size_t i = 0; i < file->n_fields; i++) {
		if (file->fields[i].key_length == span_length(key) &&
		    memcmp(file->fields[i].key, key.at, span_length(key)) == 0)
			return &file->fields[i];
	}
	return NULL;
}

static void store_nested(struct store *store, struct plan_file *file, struct span text)
{
	struct span line, part, word;

	while (span_line(&text, &line)) {
		if (!span_word(&line, &part))
			continue;
		while (span_word(&line, &word)) {
			const char *equals = memchr(word.at, '=', span_length(word));
			const struct plan_field *field;

			if (!equals)
				continue;
			field = field_of(file, (struct span){ word.at, equals });
			if (field)
				put_part(store, field, part, (struct span){ equals + 1, word.end });
		}
	}
	put_empty(store, file);
}

static void store_parts(struct store *store, struct plan_file *file, struct span text)
{
	struct span line, part, word;

	while (span_line(&text, &line)) {
		if (!span_word(&line, &part) || !span_word(&line, &word))
			continue;
		for (size_t i = 0; i < file->n_fields; i++)
			put_part(store, &file->fields[i], part, word);
	}
	put_empty(store, file);
}

static void store_blkio(struct store *store, struct plan_file *file, struct span text)
{
	struct span line, part, operation, word;

	while (span_line(&text, &line)) {
		const struct plan_field *field;

		/* The last line is "Total n": no third word, so it is passed over. */
		if (!span_word(&line, &part) || !span_word(&line, &operation) ||
		    !span_word(&line, &word))
			continue;
		field = field_of(file, operation);
		if (field)
			put_part(store, field, part, word);
	}
	put_empty(store, file);
}

static void store_list(struct store *store, struct plan_file *file, struct span text)
{
	struct span word;
	struct strbuf position;

	strbuf_init(&position);
	text = chomp(text);
	for (uint64_t n = 0; span_word(&text, &word); n++) {
		strbuf_clear(&position);
		strbuf_add_u64(&position, n);
		if (position.failed)
			break;
		for (size_t i = 0; i < file->n_fields; i++)
			put_part(store, &file->fields[i],
				 (struct span){ position.data, position.data + position.length },
				 word);
	}
	strbuf_done(&position);
}

static void store_pair(struct store *store, struct plan_file *file, struct span text)
{
	struct span words[2];

	text = chomp(text);
	if (!span_word(&text, &words[0]) || !span_word(&text, &words[1]))
		return;
	for (size_t i = 0; i < file->n_fields; i++)
		put(store, &file->fields[i], words[file->fields[i].key[0] == '1']);
}

static void store_pressure(struct store *store, struct plan_file *file, struct span text)
{
	struct span line, share, word;

	while (span_line(&text, &line)) {
		if (!span_word(&line, &share))
			continue;
		while (span_word(&line, &word)) {
			const char *equals = memchr(word.at, '=', span_length(word));
			char key[32];
			size_t a = span_length(share), b = equals ? (size_t)(equals - word.at) : 0;
			const struct plan_field *field;

			if (!equals || a + b + 1 > sizeof(key))
				continue;
			memcpy(key, share.at, a);
			key[a] = '.';
			memcpy(key + a + 1, word.at, b);
			field = field_of(file, (struct span){ key, key + a + 1 + b });
			if (field)
				put(store, field, (struct span){ equals + 1, word.end });
		}
	}
}

/* Several lines become one, separated by ", ". */
static const char *intern_text(struct store *store, struct span text)
{
	struct strbuf joined;
	struct span line;
	const char *result;

	strbuf_init(&joined);
	while (span_line(&text, &line)) {
		if (joined.length > 0)
			strbuf_add_string(&joined, ", ");
		strbuf_add(&joined, line.at, span_length(line));
	}
	strbuf_add(&joined, "", 0);
	result = joined.failed
			 ? NULL
			 : strpool_add(devices_strings(store->devices), joined.data, joined.length);
	strbuf_done(&joined);
	return result;
}

static void store_text(struct store *store, struct plan_file *file, struct span text)
{
	text = chomp(text);
	for (size_t i = 0; i < file->n_fields; i++) {
		const struct plan_field *field = &file->fields[i];
		const struct metric *metric = metric_get(field->id);
		union value value = { 0 };

		if (metric->kind == KIND_TEXT)
			value.text = intern_text(store, text);
		else if (metric->flags & METRIC_LIST)
			value.u64 = keyed_list_count(text);
		else
			value.u64 = field->key && span_is(text, field->key);
		if (metric->kind != KIND_TEXT || value.text)
			snapshot_set(store->snapshot, field->id, store->index, value);
	}
}

static void store_lines(struct store *store, struct plan_file *file, struct span text)
{
	union value value = { 0 };
	struct span line;

	while (span_line(&text, &line))
		value.u64++;
	for (size_t i = 0; i < file->n_fields; i++)
		snapshot_set(store->snapshot, file->fields[i].id, store->index, value);
}

static void (*const shapes[])(struct store *, struct plan_file *, struct span) = {
	[SHAPE_SINGLE] = store_single, [SHAPE_FLAT] = store_flat,
	[SHAPE_NESTED] = store_nested, [SHAPE_PARTS] = store_parts,
	[SHAPE_BLKIO] = store_blkio,   [SHAPE_LIST] = store_list,
	[SHAPE_PAIR] = store_pair,     [SHAPE_PRESSURE] = store_pressure,
	[SHAPE_TEXT] = store_text,     [SHAPE_LINES] = store_lines,
};

void store_file(struct store *store, struct plan_file *file, struct span text)
{
	shapes[file->file->shape](store, file, text);
}
