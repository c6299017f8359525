// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent_inventory.h"
#include "agent/context.h"
#include "agent/control.h"
#include "agent/defaults.h"
#include "agent/self.h"
#include "core/cleanup.h"

static uint64_t clock_usec(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t agent_now_usec(void)
{
	return clock_usec(CLOCK_BOOTTIME);
}

static void log_errors(const struct ini_errors *errors)
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

static int load_config(const struct agent_sources *sources, struct config *ret_config)
{
	struct ini_errors errors = { 0 };
	int r = config_load(sources->config_path, sources->config_required, sources->overrides,
			    sources->n_overrides, &errors, ret_config);

	log_errors(&errors);
	ini_errors_done(&errors);
	return r;
}

/* The default directory need not exist; what somebody named must. */
static int load_policies(const struct config *config, const struct hierarchies *hierarchies,
			 struct policy_set **ret_set)
{
	struct policy_check check = { .hierarchies = hierarchies,
				      .interval_usec = config->interval_usec };
	struct ini_errors errors = { 0 };
	size_t n = config->policies.n;
	int r;

	if (!config->policies_given && access(DEFAULT_POLICIES, F_OK) < 0)
		n = 0;
	r = policy_set_load((const char *const *)config->policies.list, n, &check, &errors,
			    ret_set);
	log_errors(&errors);
	ini_errors_done(&errors);
	return r;
}

static void collect_needs(const struct agent *agent, struct metric_set *needs)
{
	*needs = (struct metric_set){ 0 };
	engine_needs(agent->engine, needs);
#if CGWATCH_HAVE_EXPORTER
	if (agent->exporter)
		metric_set_merge(needs, &agent->config.metrics);
#endif
}

static void submit(struct agent *agent, struct decisions *decisions)
{
	for (size_t i = 0; i < decisions->n; i++) {
		struct decision *decision = &decisions->list[i];
		int r;

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

static void sample(struct agent *agent)
{
	struct decisions decisions = { 0 };
	struct metric_set needs;
	struct snapshot *snapshot;
	int r;

	collect_needs(agent, &needs);
	agent_inventory_tick(agent, &needs);
	r = sampler_sample(agent->sampler, &needs, &snapshot);
	agent->counts.ticks++;
	if (r < 0) {
		agent->counts.tick_errors++;
		log_error("sampling: %s", strerror(-r));
		return;
	}
	snapshot_unref(agent->latest);
	agent->latest = snapshot;
	r = engine_tick(agent->engine, snapshot, agent_now_usec(), &decisions);
	if (r < 0)
		log_error("policies: %s", strerror(-r));
	submit(agent, &decisions);
	self_publish(agent);
}

/* Ticks keep to their grid; after a gap (suspend, a stopped machine) the grid starts anew. */
static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct agent *agent = data;
	uint64_t now;

	(void)usec;
	sample(agent);
	now = agent_now_usec();
	agent->next_tick_usec += agent->config.interval_usec;
	if (agent->next_tick_usec < now)
		agent->next_tick_usec = now + agent->config.interval_usec;
	sd_event_source_set_time(source, agent->next_tick_usec);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void log_result(const struct enforcer_result *result)
{
	const char *what = result->op == DECISION_APPLY ? "apply" : "release";
	const char *text = result->text && *result->text ? result->text
			   : result->error		 ? strerror(-result->error)
							 : "done";

	log_write(result->error ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "policy %s: %s: %s %s: %s%s",
		  result->policy ? result->policy : "-", result->path, what,
		  action_name(result->action), result->shadow ? "shadow, nothing written: " : "",
		  text);
}

static int on_results(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct agent *agent = data;
	struct enforcer_result *list;
	size_t n;

	(void)source;
	(void)fd;
	(void)events;
	if (enforcer_collect(agent->enforcer, &list, &n) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		struct enforcer_result *result = &list[i];

		log_result(result);
		if (result->shadow)
			agent->counts.shadowed += result->op == DECISION_APPLY;
		else
			agent->counts.actions[result->op][result->error != 0]++;
		if (result->policy)
			engine_report(agent->engine, result->node_serial, result->policy,
				      result->op, result->step, result->error, agent_now_usec());
	}
	enforcer_results_free(list, n);
	return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	struct agent *agent = data;

	(void)source;
	if (info->ssi_signo == SIGHUP) {
		agent_reload(agent);
		return 0;
	}
	log_info("stopping");
	return sd_event_exit(agent->event, 0);
}

/* The watchdog only ends with us: if it is gone, a crash would no longer be undone at once. */
static int on_child(sd_event_source *source, const siginfo_t *info, void *data)
{
	(void)source;
	(void)data;
	log_error("the watchdog process %d ended: after a crash of the agent, what it changed "
		  "stays until "
		  "it is started again or 'cgwatch policy release-all' is run",
		  (int)info->si_pid);
	return 0;
}

static bool same_texts(const struct texts *a, const struct texts *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->list[i], b->list[i]) != 0)
			return false;
	}
	return true;
}

/* What cannot change while we run is said, not silently ignored. */
static void warn_fixed(const struct config *old, const struct config *new)
{
	if (strcmp(old->state_dir, new->state_dir) != 0)
		log_warning("state_dir: changes only when the agent is started again");
	if (!same_texts(&old->listen, &new->listen) ||
	    strcmp(old->telemetry_path, new->telemetry_path) != 0 ||
	    old->max_requests != new->max_requests)
		log_warning("[web]: changes only when the agent is started again");
	if (old->max_fds != new->max_fds)
		log_warning("max_fds: changes only when the agent is started again");
}

#if CGWATCH_HAVE_EXPORTER
static void fill_export(const struct config *config, struct prometheus_options *options)
{
	prometheus_options_init(options);
	options->metrics = config->metrics;
	options->include = (const char *const *)config->include.list;
	options->n_include = config->include.n;
	options->exclude = (const char *const *)config->exclude.list;
	options->n_exclude = config->exclude.n;
	options->inventory = config->export_inventory;
	options->namespace_info = config->namespace_info;
	options->max_series = config->max_series;
	options->max_depth = config->max_depth;
	if (config->max_label)
		options->max_label = config->max_label;
}

static int configure_exporter(struct agent *agent, const struct config *config)
{
	struct prometheus_options options;

	if (!agent->exporter)
		return 0;
	fill_export(config, &options);
	return exporter_configure(agent->exporter, &options);
}

static int start_exporter(struct agent *agent)
{
	struct exporter_options options = {
		.addresses = (const char *const *)agent->config.listen.list,
		.n_addresses = agent->config.listen.n,
		.telemetry_path = agent->config.telemetry_path,
		.version = CGWATCH_VERSION,
		.max_requests = agent->config.max_requests,
	};
	_cleanup_(freep) char *error = NULL;
	int r;

	if (agent->config.listen.n == 0)
		return 0;
	fill_export(&agent->config, &options.export);
	r = exporter_new(&options, &agent->exporter, &error);
	if (r < 0) {
		log_error("listen: %s", error ? error : strerror(-r));
		return r;
	}
	for (size_t i = 0; i < options.n_addresses; i++) {
		unsigned int port = exporter_port(agent->exporter, i);

		/* A Unix socket has none. */
		if (port == 0)
			log_info("serving %s on %s", options.telemetry_path, options.addresses[i]);
		else
			log_info("serving %s on %s (port %u)", options.telemetry_path,
				 options.addresses[i], port);
	}
	return 0;
}

static void stop_exporter(struct agent *agent)
{
	exporter_free(agent->exporter);
	agent->exporter = NULL;
}
#else
static int configure_exporter(struct agent *agent, const struct config *config)
{
	(void)agent;
	(void)config;
	return 0;
}

static int start_exporter(struct agent *agent)
{
	if (agent->config.listen.n > 0)
		log_info("built without the exporter: nothing is served");
	return 0;
}

static void stop_exporter(struct agent *agent)
{
	(void)agent;
}
#endif

/* All or nothing: the new configuration is taken over only when every part of it is good. */
static int take_over(struct agent *agent, struct config *config, struct policy_set *policies)
{
	struct decisions decisions = { 0 };
	int r = configure_exporter(agent, config);

	if (r == 0)
		r = engine_set_policies(agent->engine, policies, agent_now_usec(), &decisions);
	/* Beginning: what is held goes back. Ending: what was only rehearsed must be done anew. */
	if (r == 0 && config->dry_run != agent->config.dry_run)
		r = engine_release_all(agent->engine, agent_now_usec(), "a dry run begins or ends",
				       &decisions);
	if (r < 0) {
		decisions_done(&decisions);
		return r;
	}
	submit(agent, &decisions);
	engine_set_interval(agent->engine, config->interval_usec);
	if (agent->timer && config->interval_usec != agent->config.interval_usec) {
		agent->next_tick_usec = agent_now_usec();
		sd_event_source_set_time(agent->timer, agent->next_tick_usec);
	}
	warn_fixed(&agent->config, config);
	if (!config_same_inventory(&agent->config.inventory, &config->inventory))
		agent_inventory_stop(agent); /* the next tick makes it anew */
	policy_set_unref(agent->policies);
	agent->policies = policy_set_ref(policies);
	/* These stay as they were started with, so that nothing later looks in the wrong place. */
	free(config->state_dir);
	config->state_dir = TAKE_PTR(agent->config.state_dir);
	config_done(&agent->config);
	agent->config = *config;
	*config = (struct config){ 0 };
	log_set_level(agent->config.log_level);
	return 0;
}

int agent_reload(struct agent *agent)
{
	struct policy_set *policies = NULL;
	struct config config = { 0 };
	int r;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)clock_usec(CLOCK_MONOTONIC));
	r = load_config(&agent->sources, &config);
	if (r == 0)
		r = load_policies(&config, sampler_hierarchies(agent->sampler), &policies);
	if (r == 0)
		r = take_over(agent, &config, policies);
	policy_set_unref(policies);
	config_done(&config);
	agent->counts.last_reload_failed = r < 0;
	if (r < 0) {
		agent->counts.failed_reloads++;
		log_error("reload: the new configuration is wrong; the old one stays in force");
	} else {
		agent->counts.reloads++;
		agent->counts.last_reload_realtime_ns = clock_usec(CLOCK_REALTIME) * 1000;
		log_info("reloaded: %zu policies", policy_set_size(agent->policies));
	}
	sd_notify(0, "READY=1");
	return r;
}

/* Puts back what a crashed agent left, and readies the means to do the same for ourselves. */
static int open_journal(struct agent *agent)
{
	struct knob_context context = { .root = agent->root,
					.hierarchies = sampler_hierarchies(agent->sampler) };
	struct journal_replay replay = { 0 };
	pid_t holder = 0;
	int r;

	if (root_is_recorded(agent->root)) {
		agent->no_journal = "this is a recorded tree";
		return 0;
	}
	r = journal_open(agent->config.state_dir, 10000, &agent->journal, &holder);
	if (r == -EBUSY) {
		log_error("%s: in use by process %d: only one agent may enforce; give this one "
			  "another "
			  "--state directory",
			  agent->config.state_dir, (int)holder);
		return r;
	}
	if (r < 0) {
		agent->no_journal = "the state directory cannot be used";
		log_warning("%s: %s: nothing will be enforced, since nothing could be put back",
			    agent->config.state_dir, strerror(-r));
		return 0;
	}
	r = journal_restore(agent->journal, &context, false, &replay);
	if (replay.restored || replay.conflicts || replay.broken || r < 0)
		log_warning(
			"an earlier agent left changes: restored %u, conflicts %u, unreadable %u, "
			"failed %u",
			replay.restored, replay.conflicts, replay.broken, replay.failed);
	r = watchdog_start(agent->journal, &context, &agent->watchdog);
	if (r < 0)
		log_warning("watchdog: %s: after a crash changes stay until the next start",
			    strerror(-r));
	return 0;
}

static int start_parts(struct agent *agent)
{
	struct sampler_options options = { .max_fds = agent->config.max_fds };
	struct enforcer_options enforcing = { 0 };
	struct decisions decisions = { 0 };
	int r = root_new(agent->sources.prefix, &agent->root);

	if (r == 0)
		r = sampler_new(agent->root, &options, &agent->sampler);
	if (r < 0) {
		log_error("cgroups: %s",
			  r == -ENOENT ? "no cgroup filesystem is mounted" : strerror(-r));
		return r == -ENOENT ? -ENODEV : r;
	}
	r = load_policies(&agent->config, sampler_hierarchies(agent->sampler), &agent->policies);
	if (r == 0)
		r = open_journal(agent);
	if (r == 0)
		r = engine_new(agent->config.interval_usec, &agent->engine);
	if (r == 0)
		r = engine_set_policies(agent->engine, agent->policies, agent_now_usec(),
					&decisions);
	decisions_done(&decisions);
	/* The configured dry run is applied to decisions, as it can change with a reload. */
	enforcing.dry_run = !agent->journal;
	enforcing.watchdog = agent->watchdog ? watchdog_pid(agent->watchdog) : 0;
	if (r == 0)
		r = enforcer_new(agent->root, sampler_hierarchies(agent->sampler), agent->journal,
				 &enforcing, &agent->enforcer);
	if (r == 0)
		r = start_exporter(agent);
	return r;
}

static int start_loop(struct agent *agent)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	int r = sd_event_default(&agent->event);

	for (size_t i = 0; i < ARRAY_SIZE(signals) && r >= 0; i++)
		r = sd_event_add_signal(agent->event, NULL, signals[i], on_signal, agent);
	if (r >= 0 && agent->watchdog)
		r = sd_event_add_child(agent->event, NULL, watchdog_pid(agent->watchdog), WEXITED,
				       on_child, agent);
	if (r >= 0)
		r = sd_event_add_io(agent->event, NULL, enforcer_fd(agent->enforcer), EPOLLIN,
				    on_results, agent);
	agent->next_tick_usec = agent_now_usec();
	if (r >= 0)
		r = sd_event_add_time(agent->event, &agent->timer, CLOCK_BOOTTIME,
				      agent->next_tick_usec, 1000, on_timer, agent);
	if (r >= 0)
		r = sd_event_set_watchdog(agent->event, true);
	if (r >= 0 && agent->journal) {
		r = control_start(agent);
		if (r < 0)
			log_warning("%s/control: %s: 'cgwatch policy' cannot ask this agent",
				    agent->config.state_dir, strerror(-r));
		r = 0;
	}
	return r < 0 ? r : 0;
}

static int stop_parts(struct agent *agent)
{
	int r = 0;

	control_stop(agent);
	if (agent->enforcer) {
		r = enforcer_stop(agent->enforcer);
		on_results(NULL, -1, 0, agent);
		if (r < 0)
			log_error(
				"restoring on exit: %s: its journal entry stays for the next start",
				strerror(-r));
	}
	stop_exporter(agent);
	agent_inventory_stop(agent);
	enforcer_free(agent->enforcer);
	watchdog_free(agent->watchdog);
	journal_free(agent->journal);
	engine_free(agent->engine);
	policy_set_unref(agent->policies);
	snapshot_unref(agent->latest);
	sampler_free(agent->sampler);
	root_free(agent->root);
	config_done(&agent->config);
	sd_event_source_unref(agent->timer);
	sd_event_unref(agent->event);
	return r;
}

/* Threads made from here on inherit the mask: signals come through the loop alone. */
static void block_signals(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int agent_run(const struct agent_sources *sources)
{
	struct agent agent = { .sources = *sources };
	int r;

	/* First of all: a SIGHUP that comes early must not end us. */
	block_signals();
	r = load_config(sources, &agent.config);
	if (r < 0)
		return EXIT_FAILED;
	log_set_level(agent.config.log_level);
	r = start_parts(&agent);
	if (r == 0)
		r = start_loop(&agent);
	if (r == 0) {
		agent.counts.last_reload_realtime_ns = clock_usec(CLOCK_REALTIME) * 1000;
		log_info("cgwatchd " CGWATCH_VERSION ": %zu policies, sampling every %g s",
			 policy_set_size(agent.policies), (double)agent.config.interval_usec / 1e6);
		rights_ask(agent.rights);
		rights_log(agent.rights);
		sd_notify(0, "READY=1");
		r = sd_event_loop(agent.event);
		sd_notify(0, "STOPPING=1");
	}
	if (stop_parts(&agent) < 0 && r == 0)
		r = -EIO;
	return r == 0 ? EXIT_GOOD : r == -ENODEV ? EXIT_HOST : EXIT_FAILED;
}

int agent_check(const struct agent_sources *sources)
{
	struct agent agent = { .sources = *sources };
	struct sampler_options options = { 0 };
	int r = load_config(sources, &agent.config);

	if (r == 0)
		r = root_new(sources->prefix, &agent.root);
	if (r == 0)
		r = sampler_new(agent.root, &options, &agent.sampler);
	if (r == 0)
		r = load_policies(&agent.config, sampler_hierarchies(agent.sampler),
				  &agent.policies);
	if (r == 0)
		log_info("the configuration is good: %zu policies",
			 policy_set_size(agent.policies));
	policy_set_unref(agent.policies);
	sampler_free(agent.sampler);
	root_free(agent.root);
	config_done(&agent.config);
	return r == 0 ? EXIT_GOOD : EXIT_FAILED;
}
