// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/agent.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent_enforce.h"
#include "agent/agent_exporter.h"
#include "agent/agent_inventory.h"
#include "agent/agent_events.h"
#include "agent/agent_kernel_events.h"
#include "agent/agent_policies.h"
#include "agent/agent_watch.h"
#include "agent/context.h"
#include "agent/control.h"
#include "agent/privileges.h"
#include "agent/self.h"
#include "core/cleanup.h"

uint64_t agent_clock_usec(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t agent_now_usec(void)
{
	return agent_clock_usec(CLOCK_BOOTTIME);
}

int agent_load_config(const struct agent_sources *sources, struct config *ret_config)
{
	struct ini_errors errors = { 0 };
	int r = config_load(sources->config_path, sources->config_required, sources->overrides,
			    sources->n_overrides, &errors, ret_config);

	agent_log_errors(&errors);
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

int agent_sample(struct agent *agent)
{
	struct metric_set needs;
	struct snapshot *snapshot;
	int r;

	collect_needs(agent, &needs);
	agent_inventory_tick(agent, &needs);
	agent_watch_tick(agent);
	r = sampler_sample(agent->sampler, &needs, &snapshot);
	if (r < 0) {
		agent->counts.tick_errors++;
		log_error("sampling: %s", strerror(-r));
		return r;
	}
	snapshot_unref(agent->latest);
	agent->latest = snapshot;
	return 0;
}

static void tick(struct agent *agent)
{
	agent->counts.ticks++;
	if (agent_sample(agent) < 0)
		return;
	agent_policies_tick(agent);
	agent_events_tick(agent);
	agent_kernel_events_tick(agent);
	self_publish(agent);
}

/* Ticks keep to their grid; after a gap (suspend, a stopped machine) the grid starts anew. */
static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct agent *agent = data;
	uint64_t now;

	(void)usec;
	tick(agent);
	now = agent_now_usec();
	agent->next_tick_usec += agent->config.interval_usec;
	if (agent->next_tick_usec < now)
		agent->next_tick_usec = now + agent->config.interval_usec;
	sd_event_source_set_time(source, agent->next_tick_usec);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_results(sd_event_source *source, int fd, uint32_t events, void *data)
{
	(void)source;
	(void)fd;
	(void)events;
	agent_policies_collect(data);
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

/* Root, sampler, guards and a first look at which cgroups there are: what a check needs. */
static int start_sampling(struct agent *agent)
{
	struct sampler_options options = { .max_fds = agent->config.max_fds,
					   .bpf = agent->config.backend != BACKEND_FILES };
	const struct metric_set none = { 0 };
	int r = root_new(agent->sources.prefix, &agent->root);

	if (r == 0)
		r = sampler_new(agent->root, &options, &agent->sampler);
	if (r == 0)
		r = sampler_sample(agent->sampler, &none, &agent->latest);
	if (r < 0) {
		log_error("cgroups: %s",
			  r == -ENOENT ? "no cgroup filesystem is mounted" : strerror(-r));
		return r == -ENOENT ? -ENODEV : r;
	}
	agent_inventory_load(agent);
	sampler_load_latency(agent->sampler);
	r = guards_new(agent->root, sampler_hierarchies(agent->sampler), &agent->guards);
	if (r == 0)
		r = unit_bus_new(NULL, &agent->units);
	if (r == 0)
		r = unit_bus_new(NULL, &agent->watchdog_units);
	return r;
}

/* All programs for the kernel are loaded, and there is no second thread yet. */
static int drop_privileges(struct agent *agent)
{
	const char *reason;
	struct bpf_events_stats stats;
	uint32_t told;
	bool bpf = sampler_bpf(agent->sampler, &reason) ||
		   agent_kernel_events_stats(agent, &stats, &told);
	int r;

	/* Reading what the kernel is made of took tens of megabytes, which are free again. */
	malloc_trim(0);
	r = privileges_drop(agent->root, bpf);

	if (r < 0)
		log_error("giving up capabilities: %s", strerror(-r));
	return r;
}

/* Has a thread: the watchdog was forked by now. */
static int start_accounts(struct agent *agent)
{
	int r;

	agent->tally = tally_new();
	if (!agent->tally)
		return -ENOMEM;
	r = audit_new(&agent->audit);
	if (r == 0)
		r = audit_configure(agent->audit, config_audit_log(&agent->config),
				    agent->config.audit_size);
	return r;
}

static int start_parts(struct agent *agent)
{
	struct decisions decisions = { 0 };
	int r = start_sampling(agent);

	if (r == 0)
		r = agent_policies_load(agent, &agent->config, &agent->policies);
	if (r == 0)
		agent_kernel_events_start(agent);
	if (r == 0)
		r = drop_privileges(agent);
	if (r == 0)
		r = agent_enforce_open(agent);
	if (r == 0)
		r = engine_new(agent->config.interval_usec, &agent->engine);
	if (r == 0)
		r = engine_set_policies(agent->engine, agent->policies, agent_now_usec(),
					&decisions);
	decisions_done(&decisions);
	if (r == 0)
		r = agent_events_start(agent);
	if (r == 0)
		r = start_accounts(agent);
	if (r == 0)
		r = agent_enforce_start(agent);
	if (r == 0)
		r = agent_exporter_start(agent);
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

static void free_sampling(struct agent *agent)
{
	unit_bus_free(agent->watchdog_units);
	unit_bus_free(agent->units);
	guards_free(agent->guards);
	snapshot_unref(agent->latest);
	bpf_tasks_free(agent->tasks);
	sampler_free(agent->sampler);
	root_free(agent->root);
}

static int stop_parts(struct agent *agent)
{
	int r = 0;

	control_stop(agent);
	if (agent->enforcer) {
		r = enforcer_stop(agent->enforcer);
		agent_policies_collect(agent);
		if (r < 0)
			log_error(
				"restoring on exit: %s: its journal entry stays for the next start",
				strerror(-r));
	}
	agent_exporter_stop(agent);
	agent_inventory_stop(agent);
	enforcer_free(agent->enforcer);
	agent_kernel_events_stop(agent);
	agent_events_stop(agent);
	audit_free(agent->audit);
	tally_free(agent->tally);
	recent_done(&agent->recent);
	watchdog_free(agent->watchdog);
	journal_free(agent->journal);
	engine_free(agent->engine);
	policy_set_unref(agent->policies);
	free_sampling(agent);
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
	r = agent_load_config(sources, &agent.config);
	if (r < 0)
		return EXIT_FAILED;
	log_set_level(agent.config.log_level);
	r = start_parts(&agent);
	if (r == 0)
		r = start_loop(&agent);
	if (r == 0) {
		agent.counts.last_reload_realtime_ns = agent_clock_usec(CLOCK_REALTIME) * 1000;
		log_info("cgwatchd " CGWATCH_VERSION ": %zu polic%s, sampling every %g s",
			 policy_set_size(agent.policies),
			 policy_set_size(agent.policies) == 1 ? "y" : "ies",
			 (double)agent.config.interval_usec / 1e6);
		backend_log(agent.sampler, agent.config.backend);
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
	int r = agent_load_config(sources, &agent.config);

	if (r == 0)
		r = start_sampling(&agent);
	if (r == 0)
		r = agent_policies_load(&agent, &agent.config, &agent.policies);
	if (r == 0)
		log_info("the configuration is good: %zu polic%s", policy_set_size(agent.policies),
			 policy_set_size(agent.policies) == 1 ? "y" : "ies");
	policy_set_unref(agent.policies);
	free_sampling(&agent);
	config_done(&agent.config);
	return r == 0 ? EXIT_GOOD : EXIT_FAILED;
}
