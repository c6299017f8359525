// SPDX-License-Identifier: MIT
/* `cgwatch policy simulate`: what policies would have done over a recording. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/recording.h"
#include "agent/simulation.h"
#include "agent/verbs/policy.h"
#include "core/cleanup.h"
#include "core/escape.h"
#include "core/jsonw.h"
#include "core/log.h"
#include "core/units.h"

DEFINE_CLEANUP(struct recording *, recording_free)
DEFINE_CLEANUP(struct simulation *, simulation_free)
DEFINE_CLEANUP(struct policy_set *, policy_set_unref)

struct simulate_options {
	const char *from;
	bool json, verbose;
	char **files;
	size_t n_files;
};

/* Everything that is printed afterwards. */
struct outcome_of {
	const struct simulation_policy *policies;
	size_t n;
	struct simulation_time time;
	struct recording_stats recording;
	struct strbuf lacking; /* names of metrics, ", " between them */
};

/* Local time, as schedules are. */
static const char *time_text(uint64_t realtime_ns, char *buffer, size_t size)
{
	time_t seconds = (time_t)(realtime_ns / UINT64_C(1000000000));
	struct tm parts;

	if (!localtime_r(&seconds, &parts) || strftime(buffer, size, "%F %T", &parts) == 0)
		snprintf(buffer, size, "?");
	return buffer;
}

static const char *span_text(uint64_t usec, char *buffer, size_t size)
{
	struct strbuf text;

	strbuf_init(&text);
	format_age(&text, (double)usec / 1e6);
	snprintf(buffer, size, "%s", text.data ? text.data : "?");
	strbuf_done(&text);
	return buffer;
}

static void print_decision(void *data, uint64_t realtime_ns, const struct decision *decision)
{
	static const char *const ops[DECISION_OP_COUNT] = {
		[DECISION_APPLY] = "apply",
		[DECISION_RELEASE] = "release",
		[DECISION_REPORT] = "report",
	};
	const char *reason = decision->reason ? decision->reason : "";
	char when[64], path[512], safe[1024];
	struct strbuf action;

	(void)data;
	strbuf_init(&action);
	action_format(&decision->action, &action);
	escape_terminal(decision->node->path, strlen(decision->node->path), path, sizeof(path));
	escape_terminal(reason, strlen(reason), safe, sizeof(safe));
	printf("%s  %s: %s: %s %s: %s\n", time_text(realtime_ns, when, sizeof(when)),
	       decision->policy, path, ops[decision->op], action.data ? action.data : "", safe);
	strbuf_done(&action);
}

/* Which of the metrics that the policies name the recording does not have. */
static void list_lacking(const struct policy_set *set, const struct recording *recording,
			 struct strbuf *lacking)
{
	struct metric_set needs = { 0 };

	policy_set_needs(set, &needs);
	for (int id = M_NONE + 1; id < COLUMN_COUNT; id++) {
		if (!metric_set_has(&needs, (enum metric_id)id) ||
		    !metric_get((enum metric_id)id) || recording_has(recording, (enum metric_id)id))
			continue;
		if (lacking->length > 0)
			strbuf_add_string(lacking, ", ");
		metric_name((enum metric_id)id, lacking);
	}
}

static void print_list(const char *what, const char *name, uint64_t n, bool *any)
{
	if (n == 0)
		return;
	printf("%s%s %llu", *any ? ", " : what, name, (unsigned long long)n);
	*any = true;
}

static void print_details(const struct simulation_policy *policy)
{
	char first[64], last[64];
	bool any = false;

	for (int i = 0; i < ACTION_COUNT; i++)
		print_list("  actions: ", action_name((enum action_id)i), policy->actions[i], &any);
	print_list("  ", "ineffective", policy->stats.ineffective, &any);
	print_list("  ", "leases over", policy->stats.leases_over, &any);
	if (any)
		printf("\n");
	any = false;
	for (int i = BLOCK_NOTHING + 1; i < BLOCK_COUNT; i++)
		print_list("  blocked by ", engine_block_name((enum engine_block)i),
			   policy->stats.blocked[i], &any);
	if (any)
		printf("\n");
	if (policy->first_fired)
		printf("  first %s, last %s\n",
		       time_text(policy->first_fired, first, sizeof(first)),
		       time_text(policy->last_fired, last, sizeof(last)));
}

static double held_share(const struct outcome_of *outcome, const struct simulation_policy *policy)
{
	return outcome->time.span_usec ? (double)policy->held_usec / (double)outcome->time.span_usec
				       : 0;
}

static void print_policy(const struct outcome_of *outcome, const struct simulation_policy *policy)
{
	char longest[32];

	printf("policy %s (%s): ", policy->policy->name, policy_mode_name(policy->policy->mode));
	if (policy->policy->mode == POLICY_OFF)
		printf("is off\n");
	else if (policy->fired == 0)
		printf("would not have fired (for %llu cgroup%s at most)\n",
		       (unsigned long long)policy->most_matches,
		       policy->most_matches == 1 ? "" : "s");
	else
		printf("would have fired %llu time%s in %llu of at most %llu cgroup%s, "
		       "cleared %llu, held %s at the longest, %.1f%% of the time\n",
		       (unsigned long long)policy->fired, policy->fired == 1 ? "" : "s",
		       (unsigned long long)policy->cgroups,
		       (unsigned long long)policy->most_matches,
		       policy->most_matches == 1 ? "" : "s",
		       (unsigned long long)policy->stats.cleared,
		       span_text(policy->longest_hold_usec, longest, sizeof(longest)),
		       held_share(outcome, policy) * 100);
	print_details(policy);
	if (policy->most_unknown > 0)
		printf("  of %llu cgroups it cannot be told whether it is for them: a recording "
		       "has no names of containers and images, users, processes and namespaces\n",
		       (unsigned long long)policy->most_unknown);
}

static void print_outcome(const struct outcome_of *outcome)
{
	char begin[64], end[64], span[32];

	printf("%llu samples over %s, from %s to %s", (unsigned long long)outcome->time.snapshots,
	       span_text(outcome->time.span_usec, span, sizeof(span)),
	       time_text(outcome->time.begin_ns, begin, sizeof(begin)),
	       time_text(outcome->time.end_ns, end, sizeof(end)));
	if (outcome->time.gaps > 0)
		printf(", %llu gap%s, after which timers start anew",
		       (unsigned long long)outcome->time.gaps, outcome->time.gaps == 1 ? "" : "s");
	printf("\n");
	for (size_t i = 0; i < outcome->n; i++)
		print_policy(outcome, &outcome->policies[i]);
	if (outcome->lacking.length > 0)
		printf("the recording lacks %s: what needs it is unknown; 'cgwatch ls --json "
		       "--columns all --watch' records everything\n",
		       outcome->lacking.data);
}

static void add_counts(struct jsonw *json, const struct simulation_policy *policy)
{
	jsonw_begin(json, "actions", '{');
	for (int i = 0; i < ACTION_COUNT; i++) {
		if (policy->actions[i] > 0)
			jsonw_u64(json, action_name((enum action_id)i), policy->actions[i]);
	}
	jsonw_end(json, '}');
	jsonw_begin(json, "blocked", '{');
	for (int i = BLOCK_NOTHING + 1; i < BLOCK_COUNT; i++) {
		if (policy->stats.blocked[i] > 0)
			jsonw_u64(json, engine_block_name((enum engine_block)i),
				  policy->stats.blocked[i]);
	}
	jsonw_end(json, '}');
}

static void add_policy(struct jsonw *json, const struct outcome_of *outcome,
		       const struct simulation_policy *policy)
{
	jsonw_begin(json, NULL, '{');
	jsonw_string(json, "name", policy->policy->name);
	jsonw_string(json, "file", policy->policy->file);
	jsonw_u64(json, "line", policy->policy->line);
	jsonw_string(json, "mode", policy_mode_name(policy->policy->mode));
	jsonw_u64(json, "matches", policy->most_matches);
	jsonw_u64(json, "undecided", policy->most_unknown);
	jsonw_u64(json, "fired", policy->fired);
	jsonw_u64(json, "cgroups", policy->cgroups);
	jsonw_u64(json, "cleared", policy->stats.cleared);
	jsonw_u64(json, "ineffective", policy->stats.ineffective);
	jsonw_u64(json, "leases_over", policy->stats.leases_over);
	add_counts(json, policy);
	jsonw_double(json, "longest_hold_seconds", (double)policy->longest_hold_usec / 1e6);
	jsonw_double(json, "held_seconds", (double)policy->held_usec / 1e6);
	jsonw_double(json, "held_share", held_share(outcome, policy));
	if (policy->first_fired) {
		jsonw_double(json, "first_fired", (double)policy->first_fired / 1e9);
		jsonw_double(json, "last_fired", (double)policy->last_fired / 1e9);
	}
	jsonw_end(json, '}');
}

static int write_json(struct context *context, const struct outcome_of *outcome)
{
	struct jsonw json;
	int r;

	jsonw_init(&json);
	jsonw_begin(&json, NULL, '{');
	jsonw_u64(&json, "schema", 1);
	jsonw_begin(&json, "recording", '{');
	jsonw_u64(&json, "samples", outcome->time.snapshots);
	jsonw_double(&json, "from", (double)outcome->time.begin_ns / 1e9);
	jsonw_double(&json, "until", (double)outcome->time.end_ns / 1e9);
	jsonw_double(&json, "seconds", (double)outcome->time.span_usec / 1e6);
	jsonw_u64(&json, "gaps", outcome->time.gaps);
	jsonw_u64(&json, "bad_lines", outcome->recording.bad);
	jsonw_bool(&json, "cut_short", outcome->recording.cut_short);
	jsonw_string(&json, "lacks", outcome->lacking.data ? outcome->lacking.data : "");
	jsonw_end(&json, '}');
	jsonw_begin(&json, "policies", '[');
	for (size_t i = 0; i < outcome->n; i++)
		add_policy(&json, outcome, &outcome->policies[i]);
	jsonw_end(&json, ']');
	jsonw_end(&json, '}');
	strbuf_add_char(&json.out, '\n');
	r = context_write(context, &json.out);
	jsonw_done(&json);
	return r;
}

static void warn_recording(struct context *context, const struct simulate_options *options,
			   const struct recording_stats *stats)
{
	if (stats->bad > 0)
		context_fail(context, 0, "simulate: %s:%llu: %s: left out, as %llu line%s in all",
			     options->from, (unsigned long long)stats->first_bad, stats->reason,
			     (unsigned long long)stats->bad, stats->bad == 1 ? "" : "s");
	if (stats->cut_short)
		context_fail(context, 0, "simulate: %s:%llu: the last line is cut short: left out",
			     options->from, (unsigned long long)stats->lines);
	if (stats->backwards > 0)
		context_fail(
			context, 0,
			"simulate: %s: the clock went back %llu times: those samples are taken "
			"for one interval later",
			options->from, (unsigned long long)stats->backwards);
}

static int report(struct context *context, const struct simulate_options *options,
		  const struct policy_set *set, const struct recording *recording,
		  struct simulation *simulation)
{
	struct outcome_of outcome = { .time = simulation_time(simulation) };
	int r = 0;

	outcome.policies = simulation_policies(simulation, &outcome.n);
	recording_get_stats(recording, &outcome.recording);
	warn_recording(context, options, &outcome.recording);
	if (outcome.time.snapshots == 0)
		return context_fail(context, EXIT_FAILED,
				    "simulate: %s: no sample is in there; 'cgwatch ls --json "
				    "--columns all --watch' makes a recording",
				    options->from);
	strbuf_init(&outcome.lacking);
	list_lacking(set, recording, &outcome.lacking);
	if (options->json)
		r = write_json(context, &outcome);
	else
		print_outcome(&outcome);
	strbuf_done(&outcome.lacking);
	return r;
}

static int replay(struct recording *recording, struct simulation *simulation)
{
	struct recording_stats stats;
	struct snapshot *snapshot;
	int r;

	while ((r = recording_next(recording, &snapshot)) > 0) {
		recording_get_stats(recording, &stats);
		r = simulation_step(simulation, snapshot, stats.interval_ns);
		snapshot_unref(snapshot);
		if (r < 0)
			return r;
	}
	return r;
}

static int simulate_set(struct context *context, const struct simulate_options *options,
			struct policy_set *set, FILE *file)
{
	_cleanup_(simulation_freep) struct simulation *simulation = NULL;
	_cleanup_(recording_freep) struct recording *recording = NULL;
	struct metric_set needs = { 0 };
	int r;

	policy_set_needs(set, &needs);
	r = recording_new(file, &needs, &recording);
	if (r == 0)
		r = simulation_new(set, options->verbose ? print_decision : NULL, NULL,
				   &simulation);
	if (r == 0)
		r = replay(recording, simulation);
	if (r < 0)
		return context_fail(context, EXIT_FAILED, "simulate: %s: %s", options->from,
				    strerror(-r));
	return report(context, options, set, recording, simulation);
}

/* Not checked against this machine: the recording may be of another one. */
static int load(struct context *context, const struct simulate_options *options,
		struct policy_set **ret_set)
{
	const struct policy_check check = { 0 };
	struct ini_errors errors = { 0 };
	int r = policy_set_load((const char *const *)options->files, options->n_files, &check,
				&errors, ret_set);

	policy_print_errors(&errors);
	if (r < 0)
		r = context_fail(context, EXIT_FAILED, "%zu error%s; nothing loaded",
				 errors.n_errors, errors.n_errors == 1 ? "" : "s");
	ini_errors_done(&errors);
	return r;
}

static int run(struct context *context, const struct simulate_options *options)
{
	_cleanup_(policy_set_unrefp) struct policy_set *set = NULL;
	_cleanup_(fclosep) FILE *opened = NULL;
	int r = load(context, options, &set);

	if (r != 0)
		return r;
	if (strcmp(options->from, "-") == 0)
		return simulate_set(context, options, set, stdin);
	opened = fopen(options->from, "re");
	if (!opened)
		return context_fail(context, EXIT_FAILED, "simulate: %s: %s", options->from,
				    strerror(errno));
	return simulate_set(context, options, set, opened);
}

int policy_simulate(struct context *context, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'J' },
		{ "verbose", no_argument, NULL, 'v' },
		{ NULL },
	};
	struct simulate_options options = { 0 };
	int option;

	context->argv = argv;
	optind = 0;
	while ((option = getopt_long(argc, argv, ":f:Jv", long_options, NULL)) != -1) {
		if (option == 'f')
			options.from = optarg;
		else if (option == 'J')
			options.json = true;
		else if (option == 'v')
			options.verbose = true;
		else
			return context_bad_option(context);
	}
	options.files = argv + optind;
	options.n_files = (size_t)(argc - optind);
	if (!options.from || options.n_files == 0)
		return context_usage(context, "simulate: give policy FILEs and --from RECORDING "
					      "('-' for standard input)");
	if (options.json && options.verbose)
		return context_usage(context, "simulate: --json or --verbose, not both");
	return run(context, &options);
}
