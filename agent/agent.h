/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-event.h>

#include "agent/audit.h"
#include "agent/config.h"
#include "agent/recent.h"
#include "agent/rights.h"
#include "collectors/bpf_tasks.h"
#include "collectors/event_watch.h"
#include "agent/tally.h"
#include "collectors/inventory.h"
#include "collectors/sampler.h"
#include "policies/enforce.h"
#include "policies/guards.h"
#include "policies/unit_bus.h"
#include "policies/watchdog.h"
#if CGWATCH_HAVE_EXPORTER
#include "exporter/exporter.h"
#endif

/* Where the configuration comes from, so that a reload can read it again. */
struct agent_sources {
	const char *config_path;
	bool config_required;
	const struct config_override *overrides;
	size_t n_overrides;
	const char *prefix; /* a recorded tree, or NULL */
};

/* What happened since the start, for the agent's own metrics. */
struct agent_counts {
	uint64_t ticks, tick_errors, reloads, failed_reloads;
	uint64_t last_reload_realtime_ns;
	bool last_reload_failed;
	uint64_t conflicts, failed_actions;
};

struct agent {
	struct agent_sources sources;
	struct config config;
	struct root *root;
	struct sampler *sampler;
	struct guards *guards;
	struct unit_bus *units;		 /* of the enforcer, once it runs */
	struct unit_bus *watchdog_units; /* never used on this side of the fork */
	struct journal *journal;	 /* NULL: nothing can be enforced, see no_journal */
	const char *no_journal;
	struct watchdog *watchdog;
	struct engine *engine;
	struct enforcer *enforcer;
	struct policy_set *policies;
	struct agent_events *events;
	bool adopted; /* what an earlier agent left held was taken over */
	struct snapshot *latest;
	struct bpf_tasks *tasks;	     /* for the keeper; NULL: it reads /proc */
	struct inventory_keeper *keeper;     /* from the first time that a part is wanted */
	struct inventory *pending_inventory; /* an empty one, until the keeper has one */
#if CGWATCH_HAVE_EXPORTER
	struct exporter *exporter;
#endif
	struct agent_counts counts;
	struct tally *tally;
	struct audit *audit;
	struct recent recent;
	enum right_state rights[RIGHT_COUNT]; /* as at the start */
	sd_event *event;
	sd_event_source *timer, *control;
	unsigned int n_clients; /* of the control socket */
	uint64_t next_tick_usec;
	int exit_code;
};

/*
 * The agent: reads its configuration, puts back what an earlier one left behind, then samples,
 * evaluates, enforces and serves until SIGTERM or SIGINT. An exit code; errors have been logged.
 */
int agent_run(const struct agent_sources *sources);
/* Reads configuration and policies only, and says what is wrong with them. An exit code. */
int agent_check(const struct agent_sources *sources);
/* The configuration as the sources have it; what is wrong is logged. 0 or -errno. */
int agent_load_config(const struct agent_sources *sources, struct config *ret_config);
/* Reads configuration and policies again; keeps the old ones if the new are wrong. 0 or -errno. */
int agent_reload(struct agent *agent);
/* A new `latest` with all that is needed. 0 or -errno, which has been logged. */
int agent_sample(struct agent *agent);
/* CLOCK_BOOTTIME in microseconds: what policies and leases run by. */
uint64_t agent_now_usec(void);
/* Any clock, in microseconds. */
uint64_t agent_clock_usec(clockid_t clock);
