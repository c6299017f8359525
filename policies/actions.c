// SPDX-License-Identifier: MIT
#include "policies/actions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policies/action_private.h"

enum {
	/* cpu.weight 100 and cpu.shares 1024 are what a cgroup has that nobody touched. */
	WEIGHT_USUAL = 100,
	SHARES_USUAL = 1024,
	SHARES_LEAST = 2, /* below and above the kernel clamps in silence */
	SHARES_MOST = 262144,
};

/* ---- values as they are written ---------------------------------------------------------------
 */

static void format_knob(const struct action *action, struct strbuf *buffer)
{
	strbuf_add_char(buffer, ' ');
	knob_format(action_rows[action->id].knob, &action->value, buffer);
}

static void format_size(const struct action *action, struct strbuf *buffer)
{
	static const char prefixes[] = "BKMGTP";
	uint64_t number = action->value.number;
	size_t prefix = 0;

	while (number > 0 && number % 1024 == 0 && prefixes[prefix + 1]) {
		number /= 1024;
		prefix++;
	}
	strbuf_printf(buffer, " %llu%c", (unsigned long long)number, prefixes[prefix]);
}

static void format_nothing(const struct action *action, struct strbuf *buffer)
{
	(void)action;
	(void)buffer;
}

static void format_target(const struct action *action, struct strbuf *buffer)
{
	strbuf_add_char(buffer, ' ');
	action_add_word(buffer, action->target, strchr(action->target, '=') != NULL);
}

static void format_text(const struct action *action, struct strbuf *buffer)
{
	strbuf_add_char(buffer, ' ');
	strbuf_add_string(buffer, action->text);
}

/* What looks like an option is quoted, so that it stays an argument. */
static void format_command(const struct action *action, struct strbuf *buffer)
{
	const char *end = action->text + action->text_length;

	for (const char *word = action->text; word < end; word += strlen(word) + 1) {
		strbuf_add_char(buffer, ' ');
		action_add_word(buffer, word, strchr(word, '=') != NULL);
	}
}

/* ---- the table --------------------------------------------------------------------------------
 */

/* memory.force_empty, all that v1 has, takes everything and says nothing. */
static int check_reclaim(const struct hierarchies *hierarchies, const char **ret_reason)
{
	const struct hierarchy *hierarchy = hierarchies_find(hierarchies, "memory");

	*ret_reason = "the controller is in no mounted hierarchy";
	if (!hierarchy)
		return -ENODEV;
	*ret_reason = "memory.reclaim does not exist on cgroup v1; use memory.max";
	return hierarchy->v2 ? 0 : -EOPNOTSUPP;
}

#define KNOB_ROW(row_name, knob_id, row_example)                         \
	.name = (row_name), .knob = (knob_id), .example = (row_example), \
	.parse = action_parse_knob, .format = format_knob

#define SIZE_ROW(row_name, knob_id, row_example)                         \
	.name = (row_name), .knob = (knob_id), .example = (row_example), \
	.parse = action_parse_knob, .format = format_size

const struct action_row action_rows[ACTION_COUNT] = {
	[ACTION_CPU_QUOTA] = { KNOB_ROW("cpu.quota", KNOB_CPU_QUOTA, "cpu.quota 20%") },
	[ACTION_CPU_BURST] = { KNOB_ROW("cpu.burst", KNOB_CPU_BURST, "cpu.burst 10ms") },
	[ACTION_CPU_WEIGHT] = { KNOB_ROW("cpu.weight", KNOB_CPU_WEIGHT, "cpu.weight 20") },
	[ACTION_CPU_SHARES] = { KNOB_ROW("cpu.shares", KNOB_CPU_SHARES, "cpu.shares 256") },
	[ACTION_CPUSET_CPUS] = { KNOB_ROW("cpuset.cpus", KNOB_CPUSET_CPUS, "cpuset.cpus 0-1") },
	[ACTION_CPUSET_MEMS] = { KNOB_ROW("cpuset.mems", KNOB_CPUSET_MEMS, "cpuset.mems 0") },
	[ACTION_MEMORY_HIGH] = { SIZE_ROW("memory.high", KNOB_MEMORY_HIGH, "memory.high 512M"),
				 .options = { &action_option_below_working_set,
					      &action_option_step } },
	[ACTION_MEMORY_MAX] = { SIZE_ROW("memory.max", KNOB_MEMORY_MAX, "memory.max 1G"),
				.options = { &action_option_allow_oom,
					     &action_option_below_working_set,
					     &action_option_step } },
	[ACTION_MEMORY_SWAP_MAX] = { SIZE_ROW("memory.swap.max", KNOB_MEMORY_SWAP_MAX,
					      "memory.swap.max 256M") },
	[ACTION_MEMORY_MEMSW] = { SIZE_ROW("memory.memsw.max", KNOB_MEMORY_MEMSW,
					   "memory.memsw.max 2G") },
	[ACTION_PIDS_MAX] = { KNOB_ROW("pids.max", KNOB_PIDS_MAX, "pids.max 100") },
	[ACTION_IO_MAX] = { .name = "io.max",
			    .knob = KNOB_IO_MAX,
			    .example = "io.max 8:0 wbps=10M",
			    .parse = action_parse_io,
			    .format = format_knob },
	[ACTION_IO_WEIGHT] = { KNOB_ROW("io.weight", KNOB_IO_WEIGHT, "io.weight 20") },
	[ACTION_FREEZE] = { .name = "freeze",
			    .knob = KNOB_FREEZE,
			    .example = "freeze lease=30s",
			    .needs_lease = true,
			    .parse = action_parse_freeze,
			    .format = format_nothing,
			    .options = { &action_option_lease } },
	[ACTION_MEMORY_RECLAIM] = { .name = "memory.reclaim",
				    .knob = KNOB_COUNT,
				    .example = "memory.reclaim 256M",
				    .parse = action_parse_size,
				    .format = format_size,
				    .check_host = check_reclaim },
	[ACTION_KILL] = { .name = "kill",
			  .knob = KNOB_COUNT,
			  .example = "kill process=worker*",
			  .parse = action_parse_nothing,
			  .format = format_nothing,
			  .options = { &action_option_process, &action_option_timeout } },
	[ACTION_MOVE] = { .name = "move",
			  .knob = KNOB_COUNT,
			  .example = "move /quarantine back=yes",
			  .parse = action_parse_target,
			  .format = format_target,
			  .options = { &action_option_process, &action_option_back } },
	[ACTION_NOTIFY] = { .name = "notify",
			    .knob = KNOB_COUNT,
			    .example = "notify the batch jobs take too much",
			    .raw = true,
			    .parse = action_parse_text,
			    .format = format_text },
	[ACTION_EXEC] = { .name = "exec",
			  .knob = KNOB_COUNT,
			  .example = "exec /usr/local/sbin/page oncall timeout=10s",
			  .parse = action_parse_command,
			  .format = format_command,
			  .options = { &action_option_timeout } },
};

/* ---- what others ask --------------------------------------------------------------------------
 */

const char *action_name(enum action_id id)
{
	return action_rows[id].name;
}

const char *action_names(void)
{
	return "cpu.quota, cpu.burst, cpu.weight, cpu.shares, cpuset.cpus, cpuset.mems, "
	       "memory.high, memory.max, memory.swap.max, memory.memsw.max, memory.reclaim, "
	       "pids.max, io.max, io.weight, freeze, kill, move, notify, exec";
}

enum action_kind action_kind(enum action_id id)
{
	return id >= ACTION_MEMORY_RECLAIM ? ACTION_KIND_ONCE : ACTION_KIND_KNOB;
}

bool action_touches(enum action_id id)
{
	return id != ACTION_NOTIFY && id != ACTION_EXEC;
}

static uint64_t weight_to_shares(uint64_t weight)
{
	uint64_t shares = (weight * SHARES_USUAL + WEIGHT_USUAL / 2) / WEIGHT_USUAL;

	return shares < SHARES_LEAST ? SHARES_LEAST : shares > SHARES_MOST ? SHARES_MOST : shares;
}

enum knob_id action_knob(const struct action *action, const struct hierarchies *hierarchies,
			 struct knob_value *ret_value)
{
	const struct hierarchy *cpu = NULL;

	*ret_value = action->value;
	if (action->id == ACTION_CPU_WEIGHT && hierarchies)
		cpu = hierarchies_find(hierarchies, "cpu");
	if (!cpu || cpu->v2)
		return action_rows[action->id].knob;
	ret_value->number = weight_to_shares(action->value.number);
	return KNOB_CPU_SHARES;
}

int action_check_host(const struct action *action, const struct hierarchies *hierarchies,
		      char *reason, size_t size)
{
	const struct action_row *row = &action_rows[action->id];
	struct knob_value value;
	enum knob_id knob = action_knob(action, hierarchies, &value);
	const char *why = NULL;
	int r = 0;

	if (row->check_host)
		r = row->check_host(hierarchies, &why);
	else if (knob != KNOB_COUNT)
		r = knob_check_host(knob, hierarchies, &why);
	if (r < 0)
		snprintf(reason, size, "%s: this machine cannot do it: %s", row->name, why);
	return r;
}

void action_done(struct action *action)
{
	free(action->text);
	free(action->target);
	*action = (struct action){ 0 };
}

void action_format(const struct action *action, struct strbuf *buffer)
{
	const struct action_row *row = &action_rows[action->id];

	strbuf_add_string(buffer, row->name);
	row->format(action, buffer);
	for (size_t i = 0; i < ARRAY_SIZE(row->options) && row->options[i]; i++)
		row->options[i]->format(action, buffer);
}
