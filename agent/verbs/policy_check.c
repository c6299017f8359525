// SPDX-License-Identifier: MIT
/* `cgwatch policy check`: what is wrong with policy files, and a dry look at what they are for. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/verbs/policy.h"
#include "collectors/bpf_events.h"
#include "core/cleanup.h"
#include "core/escape.h"
#include "core/jsonw.h"

/* Cgroups shown of a policy, those nearest to its trigger first; --json has all. */
enum { SHOWN_MAX = 10 };

/* A cgroup that a policy is for. */
struct match {
	uint32_t index;
	enum outcome outcome; /* of `when`, now */
	double nearness;      /* 0..1, or NAN */
};

struct matches {
	struct match *list;
	uint32_t n, unknown;
};

static int by_nearness(const void *a, const void *b)
{
	const struct match *x = a, *y = b;
	double left = isnan(x->nearness) ? -1 : x->nearness;
	double right = isnan(y->nearness) ? -1 : y->nearness;

	if ((x->outcome == OUTCOME_TRUE) != (y->outcome == OUTCOME_TRUE))
		return x->outcome == OUTCOME_TRUE ? -1 : 1;
	if (left != right)
		return left > right ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static int find_matches(const struct policy *policy, const struct snapshot *snapshot,
			struct matches *ret_matches)
{
	struct matches matches = { 0 };

	matches.list = calloc(snapshot->tree->n + 1, sizeof(*matches.list));
	if (!matches.list)
		return -1;
	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		enum outcome is = selectors_match(policy->selectors, snapshot, i);

		matches.unknown += is == OUTCOME_UNKNOWN;
		if (is != OUTCOME_TRUE)
			continue;
		matches.list[matches.n++] = (struct match){
			.index = i,
			.outcome = condition_evaluate(policy->when, snapshot, i),
			.nearness = condition_nearness(policy->when, snapshot, i),
		};
	}
	qsort(matches.list, matches.n, sizeof(*matches.list), by_nearness);
	*ret_matches = matches;
	return 0;
}

static void print_match(const struct policy *policy, const struct snapshot *snapshot,
			const struct match *match)
{
	const char *path = snapshot->tree->nodes[match->index]->path;
	struct strbuf text, safe;
	char name[512];

	escape_terminal(path, strlen(path), name, sizeof(name));
	strbuf_init(&text);
	strbuf_init(&safe);
	condition_explain(policy->when, snapshot, match->index, &text);
	if (text.data)
		escape_terminal_append(&safe, text.data, text.length);
	if (match->outcome == OUTCOME_TRUE)
		printf("  %s  holds now", name);
	else if (match->outcome == OUTCOME_UNKNOWN)
		printf("  %s  cannot be told", name);
	else if (isnan(match->nearness)) /* an event, or something that has no half way */
		printf("  %s  does not hold", name);
	else
		/* Rounded down: 100% is for what is true. */
		printf("  %s  %.0f%% of the way", name, floor(match->nearness * 100));
	printf("  (%s)\n", safe.data ? safe.data : "");
	strbuf_done(&text);
	strbuf_done(&safe);
}

static void print_policy(const struct policy *policy, const struct snapshot *snapshot,
			 const struct matches *matches)
{
	printf("policy %s (%s): ", policy->name, policy_mode_name(policy->mode));
	if (matches->n == 0)
		printf("matches no cgroup that is there now");
	else
		printf("matches %u cgroup%s", matches->n, matches->n == 1 ? "" : "s");
	if (matches->unknown > 0)
		printf(", of %u it cannot be told", matches->unknown);
	printf("\n");
	for (uint32_t i = 0; i < matches->n && i < SHOWN_MAX; i++)
		print_match(policy, snapshot, &matches->list[i]);
	if (matches->n > SHOWN_MAX)
		printf("  and %u more\n", matches->n - SHOWN_MAX);
}

static void add_policy(struct jsonw *json, const struct policy *policy,
		       const struct snapshot *snapshot, const struct matches *matches)
{
	static const char *const outcomes[] = {
		[OUTCOME_FALSE] = "false",
		[OUTCOME_TRUE] = "true",
		[OUTCOME_UNKNOWN] = "unknown",
	};

	jsonw_begin(json, NULL, '{');
	jsonw_string(json, "name", policy->name);
	jsonw_string(json, "file", policy->file);
	jsonw_u64(json, "line", policy->line);
	jsonw_string(json, "mode", policy_mode_name(policy->mode));
	jsonw_u64(json, "undecided", matches->unknown);
	jsonw_begin(json, "matches", '[');
	for (uint32_t i = 0; i < matches->n; i++) {
		const struct node *node = snapshot->tree->nodes[matches->list[i].index];

		jsonw_begin(json, NULL, '{');
		jsonw_string(json, "path", node->path);
		jsonw_u64(json, "id", node_id(node));
		jsonw_string(json, "when", outcomes[matches->list[i].outcome]);
		if (!isnan(matches->list[i].nearness))
			jsonw_double(json, "nearness", matches->list[i].nearness);
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
	jsonw_end(json, '}');
}

static void add_errors(struct jsonw *json, const struct ini_errors *errors)
{
	jsonw_begin(json, "errors", '[');
	for (size_t i = 0; i < errors->n; i++) {
		const struct ini_error *error = &errors->list[i];

		jsonw_begin(json, NULL, '{');
		jsonw_string(json, "file", error->file);
		jsonw_u64(json, "line", error->line);
		jsonw_string(json, "severity", error->warning ? "warning" : "error");
		jsonw_string(json, "text", error->text);
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
}

/* Each policy against this moment: for people, or into `json` unless it is NULL. */
static int dry_look(struct context *context, const struct policy_scene *scene, struct jsonw *json)
{
	for (size_t i = 0; i < policy_set_size(scene->set); i++) {
		const struct policy *policy = policy_set_get(scene->set, i);
		struct matches matches;

		if (find_matches(policy, scene->snapshot, &matches) < 0)
			return context_fail(context, EXIT_FAILED, "out of memory");
		if (json)
			add_policy(json, policy, scene->snapshot, &matches);
		else
			print_policy(policy, scene->snapshot, &matches);
		free(matches.list);
	}
	return 0;
}

static int check_json(struct context *context, struct policy_scene *scene, int loaded)
{
	int r = loaded == 0 ? policy_scene_sample(context, scene) : 0;
	struct jsonw json;

	if (r != 0)
		return r;
	jsonw_init(&json);
	jsonw_begin(&json, NULL, '{');
	jsonw_u64(&json, "schema", 1);
	jsonw_bool(&json, "good", loaded == 0);
	add_errors(&json, &scene->errors);
	jsonw_begin(&json, "policies", '[');
	if (loaded == 0)
		r = dry_look(context, scene, &json);
	jsonw_end(&json, ']');
	jsonw_end(&json, '}');
	strbuf_add_char(&json.out, '\n');
	if (r == 0)
		r = context_write(context, &json.out);
	jsonw_done(&json);
	return r == 0 && loaded < 0 ? EXIT_FAILED : r;
}

static int check_text(struct context *context, struct policy_scene *scene, int loaded)
{
	int r = policy_report_errors(context, scene, loaded);

	if (r == 0)
		r = policy_scene_sample(context, scene);
	if (r == 0)
		r = dry_look(context, scene, NULL);
	if (r == 0 && policy_set_size(scene->set) == 0)
		printf("no policy is in there\n");
	return r;
}

/* ---- events that only programs in the kernel tell of ---- */

/* Loaded when first needed; it takes the rights for it, as the agent has. */
struct programs {
	bool tried;
	struct bpf_events *events; /* NULL: `reason` says why */
	char reason[BPF_REASON_SIZE];
};

static const char *why_not_told(struct context *context, const struct policy_scene *scene,
				struct programs *programs, const char *name)
{
	enum kernel_event_kind kind = kernel_event_find(name);

	if (!programs->tried)
		(void)bpf_events_new(context->root, sampler_hierarchies(scene->sampler),
				     &programs->events, programs->reason, sizeof(programs->reason));
	programs->tried = true;
	if (!programs->events)
		return programs->reason;
	return kind < KERNEL_EVENT_KIND_COUNT ? bpf_events_reason(programs->events, kind) : NULL;
}

static void warn_condition(struct context *context, struct policy_scene *scene,
			   struct programs *programs, const struct policy *policy,
			   const struct condition *condition)
{
	size_t n = 0;
	const struct event_spec *specs = condition ? condition_events(condition, &n) : NULL;

	for (size_t i = 0; i < n; i++) {
		const char *reason;
		struct strbuf name;

		if (!event_needs_programs(specs[i].kind))
			continue;
		strbuf_init(&name);
		event_format(&specs[i], &name);
		reason = name.data ? why_not_told(context, scene, programs, name.data) : NULL;
		if (reason)
			ini_errors_add(
				&scene->errors, policy->file, policy->line, true,
				"policy %s: event %s cannot be told here, and never happens: %s",
				policy->name, name.data, reason);
		strbuf_done(&name);
	}
}

/* A policy may be good and yet wait forever on this machine. */
static void warn_events(struct context *context, struct policy_scene *scene)
{
	struct programs programs = { 0 };

	for (size_t i = 0; i < policy_set_size(scene->set); i++) {
		const struct policy *policy = policy_set_get(scene->set, i);

		warn_condition(context, scene, &programs, policy, policy->when);
		warn_condition(context, scene, &programs, policy, policy->clear_when);
	}
	bpf_events_free(programs.events);
}

int policy_check(struct context *context, int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'J' }, { NULL } };
	struct policy_scene scene = { 0 };
	bool json = false;
	int option, r;

	context->argv = argv;
	optind = 0;
	while ((option = getopt_long(argc, argv, ":J", options, NULL)) != -1) {
		if (option != 'J')
			return context_bad_option(context);
		json = true;
	}
	if (optind >= argc)
		return context_usage(context, "check: give a FILE or directory");
	r = policy_scene_load(context, argv + optind, (size_t)(argc - optind), &scene);
	if (r == 0)
		warn_events(context, &scene);
	if (r <= 0)
		r = json ? check_json(context, &scene, r) : check_text(context, &scene, r);
	policy_scene_done(&scene);
	return r;
}
