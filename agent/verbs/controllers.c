// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

#include <getopt.h>
#include <string.h>

#include "agent/output.h"
#include "core/escape.h"

enum view { VIEW_TABLE, VIEW_MOUNTS, VIEW_ALL };

static const char *mode_of(const struct hierarchies *hierarchies,
			   const struct controller *controller)
{
	if (!controller->enabled)
		return "off";
	if (controller->hierarchy < 0)
		return "not mounted";
	return hierarchies->list[controller->hierarchy].v2 ? "v2" : "v1";
}

static void add_table(struct strbuf *out, const struct hierarchies *hierarchies)
{
	strbuf_printf(out, "%-16s %-12s %8s  %s\n", "CONTROLLER", "WHERE", "CGROUPS", "MOUNT");
	for (unsigned int i = 0; i < hierarchies->n_controllers; i++) {
		const struct controller *controller = &hierarchies->controllers[i];

		output_pad(out, controller->name, 16, false);
		strbuf_printf(out, " %-12s %8u  ", mode_of(hierarchies, controller),
			      controller->n_cgroups);
		if (controller->hierarchy >= 0) {
			const char *path = hierarchies->list[controller->hierarchy].mountpoint;

			escape_terminal_append(out, path, strlen(path));
		} else {
			strbuf_add_char(out, '-');
		}
		strbuf_add_char(out, '\n');
	}
}

/* As lssubsys -m: "cpu,cpuacct /sys/fs/cgroup/cpu", one line a hierarchy. */
static void add_mounts(struct strbuf *out, const struct hierarchies *hierarchies, bool with_paths)
{
	for (unsigned int h = 0; h < hierarchies->n; h++) {
		const struct hierarchy *hierarchy = &hierarchies->list[h];

		for (size_t i = 0; hierarchy->controllers && hierarchy->controllers[i]; i++) {
			strbuf_add_string(out, i > 0 ? "," : "");
			escape_terminal_append(out, hierarchy->controllers[i],
					       strlen(hierarchy->controllers[i]));
		}
		if (!hierarchy->controllers)
			strbuf_add_string(out, hierarchy->v2 ? "unified" : "none");
		if (with_paths) {
			strbuf_add_char(out, ' ');
			escape_terminal_append(out, hierarchy->mountpoint,
					       strlen(hierarchy->mountpoint));
		}
		strbuf_add_char(out, '\n');
	}
}

/* As lssubsys -a: what is mounted, then what the kernel has besides. */
static void add_all(struct strbuf *out, const struct hierarchies *hierarchies)
{
	for (unsigned int i = 0; i < hierarchies->n_controllers; i++) {
		if (hierarchies->controllers[i].hierarchy < 0)
			strbuf_printf(out, "%s\n", hierarchies->controllers[i].name);
	}
	add_mounts(out, hierarchies, false);
}

static void add_json(struct strbuf *out, const struct hierarchies *hierarchies)
{
	struct jsonw json;

	jsonw_init(&json);
	jsonw_begin(&json, NULL, '{');
	jsonw_u64(&json, "schema", 1);
	jsonw_begin(&json, "controllers", '[');
	for (unsigned int i = 0; i < hierarchies->n_controllers; i++) {
		const struct controller *controller = &hierarchies->controllers[i];

		jsonw_begin(&json, NULL, '{');
		jsonw_string(&json, "name", controller->name);
		jsonw_string(&json, "where", mode_of(hierarchies, controller));
		jsonw_u64(&json, "cgroups", controller->n_cgroups);
		if (controller->hierarchy >= 0)
			jsonw_string(&json, "mount",
				     hierarchies->list[controller->hierarchy].mountpoint);
		jsonw_end(&json, '}');
	}
	jsonw_end(&json, ']');
	jsonw_end(&json, '}');
	strbuf_add(out, json.out.data, json.out.length);
	strbuf_add_char(out, '\n');
	jsonw_done(&json);
}

int verb_controllers(struct context *context, int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { NULL } };
	struct sampler *sampler = NULL;
	enum view view = VIEW_TABLE;
	bool as_json = false;
	struct strbuf out;
	int option, r;

	while ((option = getopt_long(argc, argv, ":ma", options, NULL)) != -1) {
		if (option == 'j')
			as_json = true;
		else if (option == 'm' || option == 'a')
			view = option == 'm' ? VIEW_MOUNTS : VIEW_ALL;
		else
			return context_bad_option(context);
	}
	if (optind < argc)
		return context_usage(context, "%s: takes no argument", argv[optind]);
	r = context_sampler(context, &sampler);
	if (r != 0)
		return r;
	strbuf_init(&out);
	if (as_json)
		add_json(&out, sampler_hierarchies(sampler));
	else if (view == VIEW_TABLE)
		add_table(&out, sampler_hierarchies(sampler));
	else if (view == VIEW_MOUNTS)
		add_mounts(&out, sampler_hierarchies(sampler), true);
	else
		add_all(&out, sampler_hierarchies(sampler));
	r = context_write(context, &out);
	strbuf_done(&out);
	sampler_free(sampler);
	return r;
}
