// SPDX-License-Identifier: MIT
#include "agent/self.h"

#if CGWATCH_HAVE_EXPORTER

#include <string.h>

#include "collectors/own.h"

/* More than all rows below; what would not fit is left out. */
enum { SELF_MAX = 512 };

struct builder {
	struct self_metric list[SELF_MAX];
	size_t n;
};

static struct self_metric *add(struct builder *builder, const char *name, const char *help,
			       enum self_type type, double value)
{
	static struct self_metric overflow;
	struct self_metric *metric;

	metric = builder->n < SELF_MAX ? &builder->list[builder->n++] : &overflow;
	*metric = (struct self_metric){ .name = name, .help = help, .type = type, .value = value };
	return metric;
}

static void add_calls(struct builder *builder, const char *call, uint64_t n)
{
	add(builder, "cgwatch_system_calls_total", "System calls made to sample, by kind.",
	    SELF_COUNTER, (double)n)
		->labels[0] = (struct self_label){ "call", call };
}

static void add_sampling(struct builder *builder, const struct agent *agent)
{
	struct sampler_stats stats;

	sampler_get_stats(agent->sampler, &stats);
	add(builder, "cgwatch_samples_total", "Samples taken.", SELF_COUNTER,
	    (double)stats.samples);
	add(builder, "cgwatch_sample_errors_total", "Samples that failed.", SELF_COUNTER,
	    (double)agent->counts.tick_errors);
	add(builder, "cgwatch_sample_duration_seconds", "Time the last sample took.", SELF_GAUGE,
	    (double)stats.last_wall_ns / 1e9);
	add(builder, "cgwatch_sample_cpu_seconds", "CPU time the last sample took.", SELF_GAUGE,
	    (double)stats.last_cpu_ns / 1e9);
	add(builder, "cgwatch_sample_timestamp_seconds", "When the last sample was taken.",
	    SELF_GAUGE, agent->latest ? (double)agent->latest->realtime_ns / 1e9 : 0);
	add(builder, "cgwatch_sample_interval_seconds", "Time between samples, as configured.",
	    SELF_GAUGE, (double)agent->config.interval_usec / 1e6);
	add_calls(builder, "open", stats.opens);
	add_calls(builder, "read", stats.reads);
	add_calls(builder, "stat", stats.stats);
	add(builder, "cgwatch_read_errors_total", "Reads that failed for an unusual reason.",
	    SELF_COUNTER, (double)stats.read_errors);
	add(builder, "cgwatch_kept_fds", "Descriptors kept open for sampling.", SELF_GAUGE,
	    (double)stats.kept_fds);
	add(builder, "cgwatch_kept_fds_limit", "Descriptors that may be kept open for sampling.",
	    SELF_GAUGE, (double)stats.max_fds);
	add(builder, "cgwatch_cgroups_tracked", "Cgroups in the last sample.", SELF_GAUGE,
	    (double)stats.nodes);
}

static void add_rights(struct builder *builder, const struct agent *agent)
{
	struct sampler_stats stats;

	sampler_get_stats(agent->sampler, &stats);
	add(builder, "cgwatch_hierarchies", "Hierarchies of cgroups on this machine.", SELF_GAUGE,
	    (double)stats.hierarchies);
	add(builder, "cgwatch_hierarchies_watched",
	    "Of these, those in which the kernel tells of new and removed cgroups.", SELF_GAUGE,
	    (double)stats.watched);
	for (int i = 0; i < RIGHT_COUNT; i++)
		add(builder, "cgwatch_right", "1 for what this agent was given the rights to.",
		    SELF_GAUGE, agent->rights[i] == RIGHT_GRANTED)
			->labels[0] = (struct self_label){ "right", right_name((enum right)i) };
}

static void add_changes(struct builder *builder, const char *name, const char *help,
			const uint64_t *counts)
{
	for (int type = 0; type < NS_TYPE_COUNT; type++)
		add(builder, name, help, SELF_COUNTER, (double)counts[type])->labels[0] =
			(struct self_label){ "ns_type", ns_type_name((enum ns_type)type) };
}

static void add_inventory(struct builder *builder, const struct agent *agent)
{
	struct inventory_stats stats;

	if (!agent->keeper)
		return;
	inventory_keeper_get_stats(agent->keeper, &stats);
	add(builder, "cgwatch_inventory_passes_total",
	    "Passes over namespaces, overlay mounts and containers.", SELF_COUNTER,
	    (double)stats.passes);
	add(builder, "cgwatch_inventory_errors_total",
	    "Passes in which something could not be read.", SELF_COUNTER, (double)stats.errors);
	add(builder, "cgwatch_inventory_cpu_seconds_total", "CPU time of these passes.",
	    SELF_COUNTER, (double)stats.cpu_ns / 1e9);
	add(builder, "cgwatch_inventory_last_cpu_seconds", "CPU time of the last pass.", SELF_GAUGE,
	    (double)stats.last_cpu_ns / 1e9);
	add_changes(builder, "cgwatch_namespace_created_total",
		    "Namespaces that came between two passes; shorter lives are not seen.",
		    stats.created);
	add_changes(builder, "cgwatch_namespace_destroyed_total",
		    "Namespaces that went between two passes.", stats.destroyed);
	add(builder, "cgwatch_layer_walks_total", "Writable layers walked to the end.",
	    SELF_COUNTER, (double)stats.layers.walks);
	add(builder, "cgwatch_layer_walk_entries_total", "Names looked at in these walks.",
	    SELF_COUNTER, (double)stats.layers.entries);
	add(builder, "cgwatch_layer_walk_cpu_seconds_total", "CPU time of these walks.",
	    SELF_COUNTER, (double)stats.layers.cpu_ns / 1e9);
	add(builder, "cgwatch_layer_events_total",
	    "Events of fanotify that kept layers up to date.", SELF_COUNTER,
	    (double)stats.layers.events);
	add(builder, "cgwatch_layer_event_overflows_total",
	    "Times that events were lost and layers had to be walked again.", SELF_COUNTER,
	    (double)stats.layers.overflows);
	add(builder, "cgwatch_layers_tracked", "Writable layers that are measured.", SELF_GAUGE,
	    (double)stats.layers.layers);
	add(builder, "cgwatch_layers_watched", "Of these, those that events keep up to date.",
	    SELF_GAUGE, (double)stats.layers.watched);
	add(builder, "cgwatch_layer_stuck_total",
	    "Walks given up because the filesystem did not answer.", SELF_COUNTER,
	    (double)stats.layers.stuck);
}

static void add_process(struct builder *builder, const struct agent *agent)
{
	struct own own;

	if (own_read(agent->root, &own) < 0)
		return;
	add(builder, "process_cpu_seconds_total", "CPU time this agent used.", SELF_COUNTER,
	    own.cpu_seconds);
	add(builder, "process_start_time_seconds", "When this agent was started.", SELF_GAUGE,
	    own.start_seconds);
	add(builder, "process_resident_memory_bytes", "Resident memory of this agent.", SELF_GAUGE,
	    own.resident_bytes);
	add(builder, "process_virtual_memory_bytes", "Virtual memory of this agent.", SELF_GAUGE,
	    own.virtual_bytes);
	add(builder, "process_open_fds", "Open descriptors of this agent.", SELF_GAUGE,
	    own.open_fds);
	add(builder, "process_max_fds", "Descriptors this agent may open.", SELF_GAUGE,
	    own.max_fds);
	add(builder, "process_threads", "Threads of this agent.", SELF_GAUGE, own.threads);
}

static void add_config(struct builder *builder, const struct agent *agent)
{
	struct self_metric *info;

	add(builder, "cgwatch_config_last_reload_successful", "1 if the last reload worked.",
	    SELF_GAUGE, !agent->counts.last_reload_failed);
	add(builder, "cgwatch_config_last_reload_success_timestamp_seconds",
	    "When a configuration was last taken over.", SELF_GAUGE,
	    (double)agent->counts.last_reload_realtime_ns / 1e9);
	info = add(builder, "cgwatch_build_info", "What this agent was built from.", SELF_GAUGE, 1);
	info->labels[0] = (struct self_label){ "version", CGWATCH_VERSION };
	info->labels[1] = (struct self_label){ "compiler", __VERSION__ };
	info->labels[2] = (struct self_label){ "libmicrohttpd", exporter_http_version() };
}

static void add_action(struct builder *builder, const char *op, const char *result, uint64_t n)
{
	struct self_metric *metric = add(builder, "cgwatch_policy_actions_total",
					 "What policies did, by kind and result.", SELF_COUNTER,
					 (double)n);

	metric->labels[0] = (struct self_label){ "action", op };
	metric->labels[1] = (struct self_label){ "result", result };
}

struct tally {
	const char *name;
	uint64_t phases[ENGINE_PHASE_COUNT];
};

static void count_track(void *data, const struct engine_track *track)
{
	struct tally *tally = data;

	if (strcmp(track->policy->name, tally->name) == 0)
		tally->phases[track->phase]++;
}

static void add_policies(struct builder *builder, struct agent *agent)
{
	struct enforcer_stats stats = { 0 };

	if (agent->enforcer)
		enforcer_get_stats(agent->enforcer, &stats);
	for (int op = DECISION_APPLY; op <= DECISION_RELEASE; op++) {
		const char *name = op == DECISION_APPLY ? "apply" : "release";

		add_action(builder, name, "done", agent->counts.actions[op][0]);
		add_action(builder, name, "failed", agent->counts.actions[op][1]);
	}
	add_action(builder, "apply", "shadow", agent->counts.shadowed);
	add(builder, "cgwatch_policy_conflicts_total",
	    "Values that somebody else had changed, and that were left alone.", SELF_COUNTER,
	    (double)stats.conflicts);
	add(builder, "cgwatch_policy_leases_expired_total", "Freezes ended by their lease.",
	    SELF_COUNTER, (double)stats.leases_expired);
	add(builder, "cgwatch_policy_held", "Knobs held away from their original value now.",
	    SELF_GAUGE, (double)stats.held);
	add(builder, "cgwatch_policy_frozen", "Cgroups frozen by policy now.", SELF_GAUGE,
	    (double)stats.frozen);
	for (size_t i = 0; i < policy_set_size(agent->policies); i++) {
		struct tally tally = { policy_set_get(agent->policies, i)->name };

		engine_each(agent->engine, count_track, &tally);
		for (int phase = ENGINE_PENDING; phase < ENGINE_PHASE_COUNT; phase++) {
			struct self_metric *metric = add(
				builder, "cgwatch_policy_cgroups",
				"Cgroups by policy and phase (idle ones are not counted).",
				SELF_GAUGE, (double)tally.phases[phase]);

			metric->labels[0] = (struct self_label){ "policy", tally.name };
			metric->labels[1] = (struct self_label){
				"phase", engine_phase_name((enum engine_phase)phase)
			};
		}
	}
}

void self_publish(struct agent *agent)
{
	struct builder builder;
	struct exporter_self self;

	if (!agent->exporter || !agent->latest)
		return;
	builder.n = 0;
	add_sampling(&builder, agent);
	add_rights(&builder, agent);
	add_inventory(&builder, agent);
	add_process(&builder, agent);
	add_config(&builder, agent);
	add_policies(&builder, agent);
	self = (struct exporter_self){ builder.list, builder.n };
	exporter_publish(agent->exporter, agent->latest, &self);
}

#else

void self_publish(struct agent *agent)
{
	(void)agent;
}

#endif
