// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/verbs/run.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/units.h"
#include "policies/manual.h"

enum { NAME_LENGTH_MAX = 64 }; /* of host and domain: uname(2) */

struct run_option {
	const char *name;
	int has_value;
	int (*take)(struct run *run, const struct run_option *option, const char *value);
	const char *knob;
	int which;
};

/* "mnt,pid,user". With `ret_all` the word "all" is taken too. */
static int parse_list(struct run *run, const struct run_option *option, const char *list,
		      unsigned int *ret_types, bool *ret_all)
{
	const char *at = list;

	for (;;) {
		size_t length = strcspn(at, ",");
		enum ns_type type = ns_type_find(at, length);

		if (length == 0)
			return context_usage(run->context, "--%s: '%s': an empty name",
					     option->name, list);
		if (type != NS_TYPE_COUNT)
			*ret_types |= 1u << type;
		else if (ret_all && length == 3 && strncmp(at, "all", 3) == 0)
			*ret_all = true;
		else
			return context_usage(run->context,
					     "--%s: %.*s: not one of mnt net pid user uts ipc "
					     "cgroup time%s",
					     option->name, (int)length, at, ret_all ? " all" : "");
		if (at[length] == '\0')
			return 0;
		at += length + 1;
	}
}

static int take_unshare(struct run *run, const struct run_option *option, const char *value)
{
	return parse_list(run, option, value, &run->unshare, NULL);
}

static int take_ns(struct run *run, const struct run_option *option, const char *value)
{
	run->ns_given = true;
	return parse_list(run, option, value, &run->join, &run->join_all);
}

static int take_target(struct run *run, const struct run_option *option, const char *value)
{
	if (!*value)
		return context_usage(run->context, "--%s: give a process, a cgroup or a container",
				     option->name);
	run->target = value;
	return 0;
}

static int take_limit(struct run *run, const struct run_option *option, const char *value)
{
	enum knob_id id;
	struct knob_value parsed;
	const char *reason = "not a value";
	char *text;

	if (knob_find(option->knob, &id) < 0 || knob_parse(id, value, &parsed, &reason) < 0)
		return context_usage(run->context, "%s: %s: %s", option->knob, value, reason);
	if (run->n_limits == ARRAY_SIZE(run->limits) ||
	    asprintf(&text, "%s=%s", option->knob, value) < 0)
		return context_fail(run->context, EXIT_USAGE, "%s: given too often", option->knob);
	run->limits[run->n_limits++] = text;
	return 0;
}

static int take_cgroup(struct run *run, const struct run_option *option, const char *path)
{
	size_t length = strlen(path);

	/* "..": the kernel has no such cgroup, but a path walk would leave the hierarchy. */
	if (path[0] != '/' || length < 2 || length > 3000 || path[length - 1] == '/' ||
	    strstr(path, "//") || strstr(path, "/../") || strstr(path, "/./") ||
	    strcmp(path + length - 2, "/.") == 0 ||
	    (length > 2 && strcmp(path + length - 3, "/..") == 0))
		return context_usage(run->context, "--%s: %s: give a path as in /batch/job-1",
				     option->name, path);
	run->path = path;
	return 0;
}

static int take_name(struct run *run, const struct run_option *option, const char *value)
{
	size_t length = strlen(value);

	if (length == 0 || length > NAME_LENGTH_MAX)
		return context_usage(run->context, "--%s: give 1 to %d bytes", option->name,
				     NAME_LENGTH_MAX);
	*(option->which ? &run->domainname : &run->hostname) = value;
	return 0;
}

static int set_map(struct run *run, const struct run_option *option, enum run_map map)
{
	if (run->map != RUN_MAP_DEFAULT && run->map != map)
		return context_usage(run->context, "--%s: there is another --map- option already",
				     option->name);
	run->map = map;
	return 0;
}

static int take_map(struct run *run, const struct run_option *option, const char *value)
{
	(void)value;
	return set_map(run, option, (enum run_map)option->which);
}

/* The last id is the kernel's "none". */
static bool parse_id(const char *text, uint32_t *ret_id)
{
	uint64_t value;

	if (parse_u64(text, &value) < 0 || value >= UINT32_MAX)
		return false;
	*ret_id = (uint32_t)value;
	return true;
}

static int take_map_user(struct run *run, const struct run_option *option, const char *value)
{
	char uid[16];
	const char *colon = strchrnul(value, ':');

	snprintf(uid, sizeof(uid), "%.*s", (int)(colon - value), value);
	if (colon - value >= (int)sizeof(uid) || !parse_id(uid, &run->map_uid) ||
	    (*colon && !parse_id(colon + 1, &run->map_gid)))
		return context_usage(run->context, "--%s: %s: give UID or UID:GID, as numbers",
				     option->name, value);
	run->map_gid_given = *colon;
	return set_map(run, option, RUN_MAP_USER);
}

/* "1h", "-30s"; a bare number is seconds, as unshare(1) has it. */
static int take_offset(struct run *run, const struct run_option *option, const char *value)
{
	struct timespec *offset = &run->offsets[option->which];
	const char *text = value + (*value == '-' || *value == '+');
	uint64_t usec, seconds;

	if (parse_u64(text, &seconds) == 0 && seconds <= INT64_MAX / 1000000)
		usec = seconds * 1000000;
	else if (parse_duration(text, &usec) < 0 || usec > INT64_MAX)
		return context_usage(run->context,
				     "--%s: %s: give an offset as in 3600, 1h or -30s",
				     option->name, value);
	offset->tv_sec = (time_t)(usec / 1000000);
	offset->tv_nsec = (long)(usec % 1000000) * 1000;
	if (*value == '-') {
		offset->tv_sec = -offset->tv_sec - (offset->tv_nsec > 0);
		offset->tv_nsec = offset->tv_nsec ? 1000000000 - offset->tv_nsec : 0;
	}
	run->offset_texts[option->which] = value;
	return 0;
}

static int take_flag(struct run *run, const struct run_option *option, const char *value)
{
	(void)value;
	*(option->which ? &run->as_pid1 : &run->keep_proc) = true;
	return 0;
}

static const struct run_option table[] = {
	{ "cgroup", required_argument, take_cgroup },
	{ "cpu", required_argument, take_limit, .knob = "cpu.quota" },
	{ "memory", required_argument, take_limit, .knob = "memory.max" },
	{ "pids", required_argument, take_limit, .knob = "pids.max" },
	{ "unshare", required_argument, take_unshare },
	{ "hostname", required_argument, take_name, .which = 0 },
	{ "domainname", required_argument, take_name, .which = 1 },
	{ "map-root", no_argument, take_map, .which = RUN_MAP_ROOT },
	{ "map-auto", no_argument, take_map, .which = RUN_MAP_AUTO },
	{ "map-user", required_argument, take_map_user },
	{ "monotonic", required_argument, take_offset, .which = RUN_MONOTONIC },
	{ "boottime", required_argument, take_offset, .which = RUN_BOOTTIME },
	{ "keep-proc", no_argument, take_flag, .which = 0 },
	{ "as-pid1", no_argument, take_flag, .which = 1 },
	{ "target", required_argument, take_target },
	{ "ns", required_argument, take_ns },
};

/* Options that mean nothing without another one would be ignored silently. */
static int check(const struct run *run)
{
	const struct {
		bool given;
		const char *option;
		enum ns_type needs;
	} rules[] = {
		{ run->hostname, "hostname", NS_UTS },
		{ run->domainname, "domainname", NS_UTS },
		{ run->map == RUN_MAP_ROOT, "map-root", NS_USER },
		{ run->map == RUN_MAP_USER, "map-user", NS_USER },
		{ run->map == RUN_MAP_AUTO, "map-auto", NS_USER },
		{ run->offset_texts[RUN_MONOTONIC], "monotonic", NS_TIME },
		{ run->offset_texts[RUN_BOOTTIME], "boottime", NS_TIME },
		{ run->keep_proc, "keep-proc", NS_PID },
		{ run->as_pid1, "as-pid1", NS_PID },
	};

	if (run->target && run->unshare)
		return context_usage(run->context, "--target: cannot be combined with --unshare");
	if (run->ns_given && !run->target)
		return context_usage(run->context, "--ns: needs --target");
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (rules[i].given && !run_has(run->unshare, rules[i].needs))
			return context_usage(run->context, "--%s: needs '%s' in --unshare",
					     rules[i].option, ns_type_name(rules[i].needs));
	}
	return 0;
}

int run_options(struct run *run, int argc, char **argv)
{
	struct option options[ARRAY_SIZE(table) + 1] = { 0 };
	int option, r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		options[i] = (struct option){ table[i].name, table[i].has_value, NULL,
					      256 + (int)i };
	while (r == 0 && (option = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
		const struct run_option *row = option >= 256 ? &table[option - 256] : NULL;

		r = row ? row->take(run, row, optarg) : context_bad_option(run->context);
	}
	if (r == 0)
		r = check(run);
	if (r == 0 && optind == argc)
		r = context_usage(run->context, "give a command, as in -- make -j8");
	run->command = argv + optind;
	if (!run->path && run->n_limits > 0) {
		snprintf(run->own_path, sizeof(run->own_path), "/cgwatch-run-%d", (int)getpid());
		run->path = run->own_path;
	}
	if (run->target && !run->ns_given)
		run->join_all = true;
	return r;
}

void run_options_done(struct run *run)
{
	for (size_t i = 0; i < run->n_limits; i++)
		free(run->limits[i]);
}
