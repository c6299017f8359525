// SPDX-License-Identifier: MIT
/* `cgwatch policy explain`: what every policy that is for a cgroup sees of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/control_client.h"
#include "agent/defaults.h"
#include "agent/verbs/policy.h"
#include "core/cleanup.h"
#include "core/clock.h"

/* Without an agent no timer runs: an engine that has seen nothing. */
static int explain_scene(struct context *context, struct policy_scene *scene, const char *path,
			 struct strbuf *text)
{
	uint64_t now = clock_ns(CLOCK_BOOTTIME) / 1000;
	struct decisions decisions = { 0 };
	struct engine *engine = NULL;
	uint32_t index;
	int r = 0;

	if (engine_new(DEFAULT_INTERVAL_USEC, &engine) < 0 ||
	    engine_set_policies(engine, scene->set, now, &decisions) < 0)
		r = context_fail(context, EXIT_FAILED, "out of memory");
	if (r == 0 && (index = context_find(context, scene->snapshot, path, &r)) != NODE_NONE)
		engine_explain(engine, scene->snapshot, index, now, text);
	decisions_done(&decisions);
	engine_free(engine);
	return r;
}

/* The policies of the files against this moment. */
static int explain_files(struct context *context, const char *path, char **files, size_t n)
{
	struct policy_scene scene = { 0 };
	struct strbuf text;
	int r = policy_scene_load(context, files, n, &scene);

	strbuf_init(&text);
	if (r <= 0)
		r = policy_report_errors(context, &scene, r);
	if (r == 0)
		r = policy_scene_sample(context, &scene);
	if (r == 0)
		r = explain_scene(context, &scene, path, &text);
	if (r == 0 && text.length == 0)
		strbuf_add_string(&text, "no policy matches\n");
	if (r == 0)
		r = context_write(context, &text);
	strbuf_done(&text);
	policy_scene_done(&scene);
	return r;
}

/* The path of what may be a container's name, which the agent does not know by it. Free it. */
static int find_path(struct context *context, const char *name, char **ret_path)
{
	struct sampler *sampler = NULL;
	struct snapshot *snapshot = NULL;
	struct metric_set none = { 0 };
	uint32_t index;
	int r = context_sampler(context, &sampler);

	if (r == 0)
		r = context_sample(context, sampler, &none, 0, &snapshot);
	if (r == 0 && (index = context_find(context, snapshot, name, &r)) != NODE_NONE) {
		*ret_path = strdup(snapshot->tree->nodes[index]->path);
		r = *ret_path ? 0 : context_fail(context, EXIT_FAILED, "out of memory");
	}
	snapshot_unref(snapshot);
	sampler_free(sampler);
	return r;
}

int policy_explain(struct context *context, int argc, char **argv)
{
	_cleanup_(freep) char *path = NULL;
	static char *standard[] = { (char *)DEFAULT_POLICIES };
	struct strbuf request, answer;
	int r;

	if (argc < 2)
		return context_usage(context, "explain: give a CGROUP");
	if (argc > 2)
		return explain_files(context, argv[1], argv + 2, (size_t)argc - 2);
	r = find_path(context, argv[1], &path);
	if (!path)
		return r;
	/* A newline would end the request: such a name cannot be asked for. */
	if (strchr(path, '\n'))
		return context_fail(context, EXIT_FAILED,
				    "explain: the agent cannot be asked for a name with a newline; "
				    "give the policy files as well");
	strbuf_init(&request);
	strbuf_init(&answer);
	strbuf_printf(&request, "explain %s", path);
	r = request.failed ? -ENOMEM
			   : control_ask_within(context->state_dir, request.data, CONTROL_QUICK_MS,
						&answer);
	if (r == 0)
		r = context_write(context, &answer);
	else if (control_is_absent(r))
		r = explain_files(context, path, standard, access(DEFAULT_POLICIES, F_OK) == 0);
	else
		r = context_fail(context, EXIT_FAILED, "explain: %s/control: %s",
				 context->state_dir, control_error_text(r));
	strbuf_done(&request);
	strbuf_done(&answer);
	return r;
}
