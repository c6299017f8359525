// SPDX-License-Identifier: MIT
#include "agent/agent_policies.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent_enforce.h"
#include "agent/defaults.h"
#include "policies/guards.h"

/* How old a look at the protected processes may be when policies are loaded. */
enum { GUARDS_AGE_MS = 1000 };

void agent_log_errors(const struct ini_errors *errors)
{
	struct strbuf line;

	strbuf_init(&line);
	for (size_t i = 0; i < errors->n; i++) {
		strbuf_clear(&line);
		ini_errors_format(&errors->list[i], &line);
		log_write(errors->list[i].warning ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "%s",
			  line.data ? line.data : "out of memory");
	}
	strbuf_done(&line);
}

int agent_policies_load(struct agent *agent, const struct config *config,
			struct policy_set **ret_set)
{
	struct policy_check check = { .hierarchies = sampler_hierarchies(agent->sampler),
				      .interval_usec = config->interval_usec,
				      .guards = agent->guards,
				      .snapshot = agent->latest,
				      .root = agent->root };
	struct ini_errors errors = { 0 };
	size_t n = config->policies.n;
	int r;

	/* The default directory need not exist; what somebody named must. */
	if (!config->policies_given && access(DEFAULT_POLICIES, F_OK) < 0)
		n = 0;
	if (agent->guards && n > 0) {
		r = guards_refresh(agent->guards, GUARDS_AGE_MS);
		if (r < 0)
			log_warning("protected cgroups: %s: it cannot be told which they are",
				    strerror(-r));
	}
	r = policy_set_load((const char *const *)config->policies.list, n, &check, &errors,
			    ret_set);
	agent_log_errors(&errors);
	ini_errors_done(&errors);
	return r;
}

static void log_result(const struct enforcer_result *result)
{
	const char *text = result->text && *result->text ? result->text
			   : result->error		 ? strerror(-result->error)
							 : "done";

	log_write(result->error ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "policy %s: %s: %s %s: %s%s",
		  result->policy ? result->policy : "-", result->path, result_op_name(result->op),
		  action_name(result->action), result->shadow ? "shadow, nothing written: " : "",
		  text);
}

/* Everybody who wants to know what became of a decision. */
static void tell(struct agent *agent, const struct enforcer_result *result)
{
	uint64_t now = agent_now_usec();
	struct audit_moment moment = { .realtime_ns = agent_clock_usec(CLOCK_REALTIME) * 1000,
				       .boottime_usec = now };
	enum result_word word = result_word(result);
	uint32_t index = tree_find_serial(agent->latest->tree, result->node_serial);
	int error = result->error;

	if (index != NODE_NONE)
		moment.node = agent->latest->tree->nodes[index];
	log_result(result);
	tally_add(agent->tally, result);
	recent_add(&agent->recent, result, moment.realtime_ns);
	audit_add(agent->audit, result, &moment);
	agent->counts.conflicts += word == RESULT_CONFLICT;
	agent->counts.failed_actions += word == RESULT_FAILED;
	if (!result->policy || result->op == DECISION_REPORT)
		return;
	if (result->taken) {
		engine_taken(agent->engine, result->node_serial, result->policy, result->step, now);
		return;
	}
	if (result->cancelled && error == 0)
		error = -ECANCELED;
	engine_report(agent->engine, result->node_serial, result->policy, result->op, result->step,
		      error, now);
}

/* What the engine only wants to be told does not need the enforcer. */
static void report(struct agent *agent, const struct decision *decision)
{
	const struct enforcer_result result = {
		.op = DECISION_REPORT,
		.node_serial = decision->node->serial,
		.path = decision->node->path,
		.policy = decision->policy,
		.step = decision->step,
		.action = decision->action.id,
		.shadow = decision->shadow,
		.text = decision->reason,
		.line = decision->line,
		.file = decision->rule ? decision->rule->file : NULL,
		.trigger = decision->reason,
		.cgroup_id = node_id(decision->node),
		.breach_usec = decision->breach_usec,
		.lease_until = decision->lease_until,
		.knob = KNOB_COUNT,
	};

	tell(agent, &result);
}

void agent_policies_submit(struct agent *agent, struct decisions *decisions)
{
	for (size_t i = 0; i < decisions->n; i++) {
		struct decision *decision = &decisions->list[i];
		int r;

		if (decision->op == DECISION_REPORT) {
			report(agent, decision);
			continue;
		}
		/*
		 * Without a journal nothing could be put back after a crash: then only tell. What
		 * is held is released all the same, also when a dry run began meanwhile.
		 */
		if (decision->op == DECISION_APPLY)
			decision->shadow |= !agent->journal || agent->config.dry_run;
		r = enforcer_submit(agent->enforcer, decision);
		if (r < 0)
			engine_report(agent->engine, decision->node->serial, decision->policy,
				      decision->op, decision->step, r, agent_now_usec());
	}
	decisions_done(decisions);
}

void agent_policies_collect(struct agent *agent)
{
	struct enforcer_result *list;
	size_t n;

	if (enforcer_collect(agent->enforcer, &list, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		tell(agent, &list[i]);
	enforcer_results_free(list, n);
}

void agent_policies_stop_file(const struct agent *agent, struct strbuf *buffer)
{
	const char *named = policy_set_global(agent->policies)->stop_file;

	if (named)
		strbuf_add_string(buffer, named);
	else
		strbuf_printf(buffer, "%s/stop", agent->config.state_dir);
}

/* A file that cannot be looked at is taken for there: whoever made it wanted things to stop. */
static bool stop_file_exists(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       (errno != ENOENT && errno != ENOTDIR);
}

/* Everything goes back, also what policies left on purpose (restore without on-clear). */
static int stop_policies(struct agent *agent)
{
	struct decisions decisions = { 0 };
	int r = engine_stop(agent->engine, true, agent_now_usec(), &decisions);

	agent_policies_submit(agent, &decisions);
	if (r < 0)
		return r;
	r = enforcer_release_all(agent->enforcer);
	/* The next tick tries again. */
	if (r < 0)
		engine_stop(agent->engine, false, agent_now_usec(), &decisions);
	return r;
}

static void look_for_stop(struct agent *agent)
{
	struct decisions none = { 0 };
	struct strbuf path;
	bool stop;
	int r;

	strbuf_init(&path);
	agent_policies_stop_file(agent, &path);
	if (path.failed) {
		strbuf_done(&path);
		return;
	}
	stop = stop_file_exists(path.data);
	if (stop != engine_is_stopped(agent->engine)) {
		r = stop ? stop_policies(agent)
			 : engine_stop(agent->engine, false, agent_now_usec(), &none);
		if (r < 0)
			log_error("policies: %s: %s", path.data, strerror(-r));
		else if (stop)
			log_warning("%s %s: policies are stopped, what they hold is released",
				    path.data,
				    faccessat(AT_FDCWD, path.data, F_OK, AT_SYMLINK_NOFOLLOW) == 0
					    ? "is there"
					    : "cannot be looked for");
		else
			log_warning("%s is gone: policies act again", path.data);
	}
	strbuf_done(&path);
}

void agent_policies_tick(struct agent *agent)
{
	struct decisions decisions = { 0 };
	int r;

	agent_enforce_adopt(agent);
	look_for_stop(agent);
	r = engine_tick(agent->engine, agent->latest, agent_now_usec(), &decisions);
	if (r < 0)
		log_error("policies: %s", strerror(-r));
	agent_policies_submit(agent, &decisions);
}
