// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "policies/manual.h"
#include "policies/unit_bus.h"

/* The cgroup by path, in a snapshot without columns. The caller owns both references. */
static int find_node(struct context *context, const char *path, struct sampler **ret_sampler,
		     struct node **ret_node)
{
	struct metric_set none = { 0 };
	struct snapshot *snapshot = NULL;
	uint32_t index = NODE_NONE;
	int r = context_sampler(context, ret_sampler);

	if (r != 0)
		return r;
	if (root_is_recorded(context->root))
		return context_fail(context, EXIT_FAILED,
				    "--root: a recorded tree cannot be changed");
	r = context_sample(context, *ret_sampler, &none, 0, &snapshot);
	if (r == 0)
		index = context_find(context, snapshot, path, &r);
	if (r == 0 && index != NODE_NONE)
		*ret_node = node_ref(snapshot->tree->nodes[index]);
	snapshot_unref(snapshot);
	return r;
}

static void print_result(const struct node *node, const struct knob_result *result)
{
	struct strbuf line;

	strbuf_init(&line);
	escape_terminal_append(&line, node->path, strlen(node->path));
	strbuf_printf(&line, ": %s: ", knob_name(result->knob));
	if (result->has_before) {
		knob_format_human(result->knob, &result->before, &line);
		strbuf_add_string(&line, " -> ");
	}
	knob_format_human(result->knob, &result->after, &line);
	if (!result->changed)
		strbuf_add_string(&line, " (unchanged)");
	if (result->adjusted) {
		strbuf_add_string(&line, "; ");
		escape_terminal_append(&line, result->text, strlen(result->text));
	}
	if (!line.failed)
		puts(line.data);
	strbuf_done(&line);
}

static void unit_busp(struct unit_bus **units)
{
	unit_bus_free(*units);
}

/* What systemd owns is changed through it, by hand too. */
static struct knob_context write_context(const struct context *context,
					 const struct sampler *sampler, struct unit_bus *units)
{
	return (struct knob_context){ .root = context->root,
				      .hierarchies = sampler_hierarchies(sampler),
				      .units = units };
}

static int code_of(int error)
{
	if (error == -EINVAL || error == -ERANGE)
		return EXIT_USAGE;
	return error == -EOPNOTSUPP || error == -ENODEV ? EXIT_HOST : EXIT_FAILED;
}

static int set_all(struct context *context, const struct sampler *sampler, const struct node *node,
		   char **assignments, size_t n, bool dry_run)
{
	_cleanup_(freep) struct knob_result *results = calloc(n, sizeof(*results));
	_cleanup_(unit_busp) struct unit_bus *units = NULL;
	struct knob_context where;
	int code = EXIT_GOOD, r;

	if (!results || unit_bus_new(NULL, &units) < 0)
		return context_fail(context, EXIT_FAILED, "out of memory");
	where = write_context(context, sampler, units);
	where.dry_run = dry_run;
	r = manual_set_all(&where, node, (const char *const *)assignments, n, results);
	for (size_t i = 0; i < n; i++) {
		if (results[i].error == 0 && r != -EINVAL && r != -ERANGE)
			print_result(node, &results[i]);
		else if (results[i].error != 0 && results[i].error != -ECANCELED)
			code = context_fail(context, code_of(results[i].error), "%s: %s: %s",
					    node->path, assignments[i],
					    results[i].text[0] ? results[i].text
							       : strerror(-results[i].error));
	}
	return r < 0 && code == EXIT_GOOD ? EXIT_FAILED : code;
}

int verb_set(struct context *context, int argc, char **argv)
{
	static const struct option options[] = { { "dry-run", no_argument, NULL, 'n' }, { NULL } };
	struct sampler *sampler = NULL;
	struct node *node = NULL;
	bool dry_run = false;
	int option, r;

	while ((option = getopt_long(argc, argv, ":n", options, NULL)) != -1) {
		if (option != 'n')
			return context_bad_option(context);
		dry_run = true;
	}
	if (argc - optind < 2)
		return context_usage(context,
				     "give a CGROUP and what to set, as in cpu.quota=50%%");
	r = find_node(context, argv[optind], &sampler, &node);
	if (r == 0 && node)
		r = set_all(context, sampler, node, argv + optind + 1, (size_t)(argc - optind - 1),
			    dry_run);
	node_unref(node);
	sampler_free(sampler);
	return r;
}

static int freeze(struct context *context, int argc, char **argv, bool frozen)
{
	_cleanup_(unit_busp) struct unit_bus *units = NULL;
	struct sampler *sampler = NULL;
	struct node *node = NULL;
	struct knob_result result = { 0 };
	int r;

	if (argc != 2 || argv[1][0] == '-')
		return context_usage(context, "give one CGROUP");
	if (unit_bus_new(NULL, &units) < 0)
		return context_fail(context, EXIT_FAILED, "out of memory");
	r = find_node(context, argv[1], &sampler, &node);
	if (r == 0 && node) {
		struct knob_context where = write_context(context, sampler, units);

		r = manual_freeze(&where, node, frozen, &result);
		if (r < 0)
			r = context_fail(context, r == -EOPNOTSUPP ? EXIT_HOST : EXIT_FAILED,
					 "%s: %s", node->path,
					 result.text[0] ? result.text : strerror(-r));
		else
			print_result(node, &result);
	}
	node_unref(node);
	sampler_free(sampler);
	return r;
}

int verb_freeze(struct context *context, int argc, char **argv)
{
	return freeze(context, argc, argv, true);
}

int verb_thaw(struct context *context, int argc, char **argv)
{
	return freeze(context, argc, argv, false);
}
