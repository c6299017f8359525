// SPDX-License-Identifier: MIT
#include "policies/policy_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policies/policy_check.h"

static void begin_policy(struct policy_builder *builder, const struct ini_entry *entry)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";
	const char *name = entry->section + strlen("policy");
	const struct policy *same;
	size_t length;

	name += strspn(name, " \t");
	length = strlen(name);
	if (length == 0 || length > 63 || strspn(name, allowed) != length)
		ini_errors_add(
			builder->errors, entry->file, entry->line, false,
			"[%s]: a policy needs a name of 1 to 63 letters, digits, '-', '_', '.'",
			entry->section);
	same = policy_set_find(builder->set, name);
	if (same)
		ini_errors_add(builder->errors, entry->file, entry->line, false,
			       "policy %s: the name is taken already (%s:%u)", name, same->file,
			       same->line);
	builder->policy = policy_new(name, entry->file, entry->line);
	builder->no_memory |= !builder->policy;
}

static void begin_global(struct policy_builder *builder, const struct ini_entry *entry)
{
	builder->in_global = true;
	if (builder->global_file) {
		ini_errors_add(builder->errors, entry->file, entry->line, false,
			       "[global]: it stands in %s:%u already, and may stand there only",
			       builder->global_file, builder->global_line);
		return;
	}
	builder->global_file = strdup(entry->file);
	builder->global_line = entry->line;
	builder->no_memory |= !builder->global_file;
}

static void begin_section(struct policy_builder *builder, const struct ini_entry *entry)
{
	policy_finish(builder);
	builder->errors_before = builder->errors->n_errors;
	if (strncmp(entry->section, "policy", 6) == 0 && strchr(" \t", entry->section[6])) {
		begin_policy(builder, entry);
		return;
	}
	if (strcmp(entry->section, "global") == 0) {
		begin_global(builder, entry);
		return;
	}
	ini_errors_add(builder->errors, entry->file, entry->line, false,
		       "[%s]: unknown section; policies are written as [policy NAME], bounds over "
		       "all of them as [global]",
		       entry->section);
}

static bool has_value(struct policy_builder *builder, const struct ini_entry *entry)
{
	if (*entry->value)
		return true;
	ini_errors_add(builder->errors, entry->file, entry->line, false, "%s: the value is missing",
		       entry->key);
	return false;
}

static void tell(struct policy_builder *builder, const struct ini_entry *entry, int r,
		 const char *reason)
{
	if (r == -ENOMEM)
		builder->no_memory = true;
	else if (r < 0)
		ini_errors_add(builder->errors, entry->file, entry->line, false, "%s: %s",
			       entry->key, reason);
}

/* `*line` is where the key stands already, or 0. */
static void parse_key(struct policy_builder *builder, const struct ini_entry *entry,
		      const struct policy_key_row *row, unsigned int *line)
{
	char reason[POLICY_REASON_SIZE] = "";
	const struct policy_value value = { entry->line, entry->value, reason };

	if (*line && !row->repeats) {
		ini_errors_add(builder->errors, entry->file, entry->line, false,
			       "%s: it stands in line %u already", entry->key, *line);
		return;
	}
	*line = entry->line;
	if (has_value(builder, entry))
		tell(builder, entry, row->parse(builder, row, &value), reason);
}

/* "match", "match_not", "unit", …: false if it is no selector. */
static bool parse_selector(struct policy_builder *builder, const struct ini_entry *entry)
{
	for (int kind = 0; kind < SELECTOR_COUNT; kind++) {
		const char *name = selector_name((enum selector_kind)kind);
		size_t length = strlen(name);
		char reason[POLICY_REASON_SIZE] = "";
		bool not = strcmp(entry->key + strnlen(entry->key, length), "_not") == 0;

		if (strncmp(entry->key, name, length) != 0 || (entry->key[length] && !not ))
			continue;
		if (has_value(builder, entry))
			tell(builder, entry,
			     selectors_add(builder->policy->selectors, (enum selector_kind)kind,
					   not, entry->value, reason, sizeof(reason)),
			     reason);
		return true;
	}
	return false;
}

static int find_key(const struct policy_key_row *rows, int n, const char *name)
{
	int key = 0;

	while (key < n && strcmp(rows[key].name, name) != 0)
		key++;
	return key;
}

static void parse_global(struct policy_builder *builder, const struct ini_entry *entry)
{
	int key = find_key(policy_global_keys, GLOBAL_COUNT, entry->key);

	if (key < GLOBAL_COUNT)
		parse_key(builder, entry, &policy_global_keys[key], &builder->global_lines[key]);
	else
		ini_errors_add(builder->errors, entry->file, entry->line, false,
			       "%s: unknown key in [global]", entry->key);
}

void policy_handle_entry(void *data, const struct ini_entry *entry)
{
	struct policy_builder *builder = data;
	int key;

	if (!entry->key) {
		begin_section(builder, entry);
		return;
	}
	if (builder->in_global) {
		parse_global(builder, entry);
		return;
	}
	if (!builder->policy) {
		if (!*entry->section)
			ini_errors_add(builder->errors, entry->file, entry->line, false,
				       "%s: it stands before the first [policy NAME]", entry->key);
		return;
	}
	strbuf_printf(&builder->source, "%s=%s\n", entry->key, entry->value);
	key = find_key(policy_keys, KEY_COUNT, entry->key);
	if (key < KEY_COUNT)
		parse_key(builder, entry, &policy_keys[key], &builder->lines[key]);
	else if (!parse_selector(builder, entry))
		ini_errors_add(builder->errors, entry->file, entry->line, false,
			       "%s: unknown key in policy %s", entry->key, builder->policy->name);
}

void policy_finish(struct policy_builder *builder)
{
	struct policy_set *set = builder->set;
	struct policy *policy = builder->policy, **grown;

	builder->in_global = false;
	if (!policy)
		return;
	policy_check_one(builder);
	policy->broken = builder->errors->n_errors > builder->errors_before;
	strbuf_add_string(&builder->source, "");
	policy->source = strbuf_take(&builder->source);
	builder->no_memory |= !policy->source;
	memset(builder->lines, 0, sizeof(builder->lines));
	grown = realloc(set->list, (set->n + 1) * sizeof(*grown));
	if (!grown) {
		builder->no_memory = true;
		policy_free(policy);
	} else {
		set->list = grown;
		grown[set->n++] = policy;
	}
	builder->policy = NULL;
}
