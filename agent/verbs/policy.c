// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/control_client.h"
#include "agent/defaults.h"
#include "core/cleanup.h"
#include "core/escape.h"
#include "policies/engine.h"
#include "policies/journal.h"

static uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void print_errors(const struct ini_errors *errors)
{
	struct strbuf line;

	strbuf_init(&line);
	for (size_t i = 0; i < errors->n; i++) {
		strbuf_clear(&line);
		ini_errors_format(&errors->list[i], &line);
		fprintf(stderr, "%s\n", line.data ? line.data : "out of memory");
	}
	strbuf_done(&line);
}

static int load(struct context *context, const struct sampler *sampler, char **paths, size_t n,
		struct policy_set **ret_set)
{
	struct policy_check check = { .hierarchies = sampler_hierarchies(sampler),
				      .interval_usec = DEFAULT_INTERVAL_USEC };
	struct ini_errors errors = { 0 };
	int r = policy_set_load((const char *const *)paths, n, &check, &errors, ret_set);

	print_errors(&errors);
	if (r < 0)
		r = context_fail(context, EXIT_FAILED, "%zu error%s; nothing loaded",
				 errors.n_errors, errors.n_errors == 1 ? "" : "s");
	ini_errors_done(&errors);
	return r;
}

/* A dry look: which cgroups of this moment each policy is for. */
static void print_matches(const struct policy_set *set, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < policy_set_size(set); i++) {
		const struct policy *policy = policy_set_get(set, i);
		unsigned int n = 0;

		printf("policy %s (%s): ", policy->name, policy_mode_name(policy->mode));
		for (uint32_t at = 0; at < snapshot->tree->n; at++) {
			char safe[512];

			if (!policy_matches(policy, snapshot, at))
				continue;
			escape_terminal(snapshot->tree->nodes[at]->path,
					strlen(snapshot->tree->nodes[at]->path), safe,
					sizeof(safe));
			if (n++ < 10)
				printf("%s%s", n == 1 ? "matches " : ", ", safe);
		}
		if (n == 0)
			printf("matches no cgroup that is there now");
		else if (n > 10)
			printf(" and %u more", n - 10);
		printf("\n");
	}
}

static int check(struct context *context, int argc, char **argv)
{
	struct sampler *sampler = NULL;
	struct policy_set *set = NULL;
	struct snapshot *snapshot = NULL;
	struct metric_set none = { 0 };
	int r;

	if (argc < 2)
		return context_usage(context, "check: give a FILE or directory");
	r = context_sampler(context, &sampler);
	if (r == 0)
		r = load(context, sampler, argv + 1, (size_t)argc - 1, &set);
	if (r == 0)
		r = context_sample(context, sampler, &none, 0, &snapshot);
	if (r == 0)
		print_matches(set, snapshot);
	snapshot_unref(snapshot);
	policy_set_unref(set);
	sampler_free(sampler);
	return r;
}

/* Without an agent: the policies of the files against this moment; no timer runs. */
static int explain_files(struct context *context, const char *path, char **files, size_t n)
{
	struct sampler *sampler = NULL;
	struct policy_set *set = NULL;
	struct snapshot *snapshot = NULL;
	struct engine *engine = NULL;
	struct metric_set needs = { 0 };
	struct decisions decisions = { 0 };
	struct strbuf text;
	uint32_t index;
	int r = context_sampler(context, &sampler);

	strbuf_init(&text);
	if (r == 0)
		r = load(context, sampler, files, n, &set);
	if (r == 0 && (engine_new(DEFAULT_INTERVAL_USEC, &engine) < 0 ||
		       engine_set_policies(engine, set, now_usec(), &decisions) < 0))
		r = context_fail(context, EXIT_FAILED, "out of memory");
	if (r == 0) {
		engine_needs(engine, &needs);
		r = context_sample(context, sampler, &needs, DEFAULT_INTERVAL_USEC, &snapshot);
	}
	if (r == 0 && (index = context_find(context, snapshot, path, &r)) != NODE_NONE) {
		engine_explain(engine, snapshot, index, now_usec(), &text);
		if (text.length == 0)
			strbuf_add_string(&text, "no policy matches\n");
		r = context_write(context, &text);
	}
	strbuf_done(&text);
	decisions_done(&decisions);
	engine_free(engine);
	snapshot_unref(snapshot);
	policy_set_unref(set);
	sampler_free(sampler);
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

static int explain(struct context *context, int argc, char **argv)
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
	if (r != 0)
		return r;
	strbuf_init(&request);
	strbuf_init(&answer);
	strbuf_printf(&request, "explain %s", path);
	r = request.failed ? -ENOMEM : control_ask(context->state_dir, request.data, &answer);
	if (r == 0)
		r = context_write(context, &answer);
	else if (control_is_absent(r))
		r = explain_files(context, path, standard, access(DEFAULT_POLICIES, F_OK) == 0);
	else
		r = context_fail(context, EXIT_FAILED, "explain: %s/control: %s",
				 context->state_dir, strerror(-r));
	strbuf_done(&request);
	strbuf_done(&answer);
	return r;
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static void print_status(const json_t *status)
{
	const json_t *row, *list = json_object_get(status, "policies");
	size_t i;

	json_array_foreach(list, i, row)
		printf("policy %-20s %-8s %lld pending, %lld held\n", text_of(row, "name"),
		       text_of(row, "mode"), json_integer_value(json_object_get(row, "pending")),
		       json_integer_value(json_object_get(row, "held")));
	if (json_array_size(list) == 0)
		printf("no policy is loaded\n");
	list = json_object_get(status, "holds");
	json_array_foreach(list, i, row)
	{
		const char *path = text_of(row, "path");
		char safe[1024];

		escape_terminal(path, strlen(path), safe, sizeof(safe));
		printf("held   %s  %s = %s (was %s) by %s for %.0fs%s\n", safe,
		       text_of(row, "knob"), text_of(row, "wanted"), text_of(row, "original"),
		       text_of(row, "policy"), json_number_value(json_object_get(row, "age")),
		       json_is_true(json_object_get(row, "effective")) ? ""
								       : "; a tighter one holds");
	}
	if (json_array_size(list) == 0)
		printf("nothing is held\n");
}

static int status(struct context *context, int argc, char **argv)
{
	bool as_json = argc == 2 && strcmp(argv[1], "--json") == 0;
	struct strbuf answer;
	json_t *parsed;
	int r;

	if (argc > 1 && !as_json)
		return context_usage(context, "status: %s: takes only --json", argv[1]);
	strbuf_init(&answer);
	r = control_ask(context->state_dir, "status", &answer);
	if (r < 0) {
		strbuf_done(&answer);
		return context_fail(context, EXIT_FAILED, "status: %s/control: %s",
				    context->state_dir,
				    control_is_absent(r) ? "no agent runs here (start cgwatchd)"
							 : strerror(-r));
	}
	if (as_json) {
		r = context_write(context, &answer);
	} else {
		parsed = json_loadb(answer.data, answer.length, 0, NULL);
		if (parsed)
			print_status(parsed);
		else
			r = context_fail(context, EXIT_FAILED,
					 "status: the agent's answer is no JSON");
		json_decref(parsed);
	}
	strbuf_done(&answer);
	return r;
}

/* Without an agent the journal says what to put back. */
static int release_from_journal(struct context *context)
{
	struct journal *journal = NULL;
	struct journal_replay replay = { 0 };
	struct sampler *sampler = NULL;
	struct knob_context where;
	pid_t holder = 0;
	int r = context_sampler(context, &sampler);

	if (r != 0)
		return r;
	where = (struct knob_context){ .root = context->root,
				       .hierarchies = sampler_hierarchies(sampler) };
	r = journal_open(context->state_dir, 5000, &journal, &holder);
	if (r == -EBUSY)
		r = context_fail(context, EXIT_FAILED,
				 "release-all: %s: in use by process %d, which does not answer",
				 context->state_dir, (int)holder);
	else if (r < 0)
		r = context_fail(context, EXIT_FAILED, "release-all: %s: %s", context->state_dir,
				 strerror(-r));
	if (r != 0) {
		sampler_free(sampler);
		return r;
	}
	r = journal_restore(journal, &where, true, &replay);
	printf("restored %u, unchanged %u, gone %u, conflicts %u, unreadable %u, failed %u\n",
	       replay.restored, replay.unchanged, replay.gone + replay.other_boot, replay.conflicts,
	       replay.broken, replay.failed);
	journal_free(journal);
	sampler_free(sampler);
	return r < 0 ? context_fail(context, EXIT_FAILED, "release-all: %s", strerror(-r)) : 0;
}

static int release_all(struct context *context, int argc, char **argv)
{
	struct strbuf answer;
	int r;

	if (argc > 1)
		return context_usage(context, "release-all: %s: takes no argument", argv[1]);
	strbuf_init(&answer);
	r = control_ask(context->state_dir, "release-all", &answer);
	if (r == 0)
		r = context_write(context, &answer);
	else if (control_is_absent(r))
		r = release_from_journal(context);
	else
		r = context_fail(context, EXIT_FAILED, "release-all: %s/control: %s",
				 context->state_dir, strerror(-r));
	strbuf_done(&answer);
	return r;
}

int verb_policy(struct context *context, int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct context *context, int argc, char **argv);
	} words[] = {
		{ "check", check },
		{ "explain", explain },
		{ "status", status },
		{ "release-all", release_all },
	};

	if (argc < 2)
		return context_usage(context, "say what: check, explain, status or release-all");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(argv[1], words[i].name) == 0)
			return words[i].run(context, argc - 1, argv + 1);
	}
	return context_usage(context, "%s: no such word: check, explain, status or release-all",
			     argv[1]);
}
