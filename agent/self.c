// SPDX-License-Identifier: MIT
#include "agent/self.h"

#if CGWATCH_HAVE_EXPORTER

#include <stdlib.h>

#include "agent/self_build.h"
#include "collectors/own.h"

/* A bound for what a misused configuration could come to; what would not fit is left out. */
enum { SELF_MAX = 50000 };

struct self_metric *self_add(struct self_builder *builder, const char *name, const char *help,
			     enum self_type type, double value)
{
	struct self_metric *metric = &builder->overflow;

	if (builder->n == builder->capacity && builder->capacity < SELF_MAX) {
		size_t capacity = builder->capacity ? 2 * builder->capacity : 256;
		struct self_metric *list = realloc(builder->list, capacity * sizeof(*list));

		if (list) {
			builder->list = list;
			builder->capacity = capacity;
		}
	}
	if (builder->n < builder->capacity)
		metric = &builder->list[builder->n++];
	*metric = (struct self_metric){ .name = name, .help = help, .type = type, .value = value };
	return metric;
}

static void add_calls(struct self_builder *builder, const char *call, uint64_t n)
{
	self_add(builder, "cgwatch_system_calls_total", "System calls made to sample, by kind.",
		 SELF_COUNTER, (double)n)
		->labels[0] = (struct self_label){ "call", call };
}

static void add_sampling(struct self_builder *builder, const struct agent *agent)
{
	struct sampler_stats stats;

	sampler_get_stats(agent->sampler, &stats);
	self_add(builder, "cgwatch_samples_total", "Samples taken.", SELF_COUNTER,
		 (double)stats.samples);
	self_add(builder, "cgwatch_sample_errors_total", "Samples that failed.", SELF_COUNTER,
		 (double)agent->counts.tick_errors);
	self_add(builder, "cgwatch_sample_duration_seconds", "Time the last sample took.",
		 SELF_GAUGE, (double)stats.last_wall_ns / 1e9);
	self_add(builder, "cgwatch_sample_cpu_seconds", "CPU time the last sample took.",
		 SELF_GAUGE, (double)stats.last_cpu_ns / 1e9);
	self_add(builder, "cgwatch_sample_timestamp_seconds", "When the last sample was taken.",
		 SELF_GAUGE, agent->latest ? (double)agent->latest->realtime_ns / 1e9 : 0);
	self_add(builder, "cgwatch_sample_interval_seconds", "Time between samples, as configured.",
		 SELF_GAUGE, (double)agent->config.interval_usec / 1e6);
	add_calls(builder, "open", stats.opens);
	add_calls(builder, "read", stats.reads);
	add_calls(builder, "stat", stats.stats);
	self_add(builder, "cgwatch_read_errors_total", "Reads that failed for an unusual reason.",
		 SELF_COUNTER, (double)stats.read_errors);
	self_add(builder, "cgwatch_kept_fds", "Descriptors kept open for sampling.", SELF_GAUGE,
		 (double)stats.kept_fds);
	self_add(builder, "cgwatch_kept_fds_limit",
		 "Descriptors that may be kept open for sampling.", SELF_GAUGE,
		 (double)stats.max_fds);
	self_add(builder, "cgwatch_cgroups_tracked", "Cgroups in the last sample.", SELF_GAUGE,
		 (double)stats.nodes);
}

static void add_rights(struct self_builder *builder, const struct agent *agent)
{
	struct sampler_stats stats;

	sampler_get_stats(agent->sampler, &stats);
	self_add(builder, "cgwatch_hierarchies", "Hierarchies of cgroups on this machine.",
		 SELF_GAUGE, (double)stats.hierarchies);
	self_add(builder, "cgwatch_hierarchies_watched",
		 "Of these, those in which the kernel tells of new and removed cgroups.",
		 SELF_GAUGE, (double)stats.watched);
	for (int i = 0; i < RIGHT_COUNT; i++)
		self_add(builder, "cgwatch_right", "1 for what this agent was given the rights to.",
			 SELF_GAUGE, agent->rights[i] == RIGHT_GRANTED)
			->labels[0] = (struct self_label){ "right", right_name((enum right)i) };
}

static void add_changes(struct self_builder *builder, const char *name, const char *help,
			const uint64_t *counts)
{
	for (int type = 0; type < NS_TYPE_COUNT; type++)
		self_add(builder, name, help, SELF_COUNTER, (double)counts[type])->labels[0] =
			(struct self_label){ "ns_type", ns_type_name((enum ns_type)type) };
}

static void add_inventory(struct self_builder *builder, const struct agent *agent)
{
	struct inventory_stats stats;

	if (!agent->keeper)
		return;
	inventory_keeper_get_stats(agent->keeper, &stats);
	self_add(builder, "cgwatch_inventory_passes_total",
		 "Passes over namespaces, overlay mounts and containers.", SELF_COUNTER,
		 (double)stats.passes);
	self_add(builder, "cgwatch_inventory_errors_total",
		 "Passes in which something could not be read.", SELF_COUNTER,
		 (double)stats.errors);
	self_add(builder, "cgwatch_inventory_cpu_seconds_total", "CPU time of these passes.",
		 SELF_COUNTER, (double)stats.cpu_ns / 1e9);
	self_add(builder, "cgwatch_inventory_last_cpu_seconds", "CPU time of the last pass.",
		 SELF_GAUGE, (double)stats.last_cpu_ns / 1e9);
	add_changes(builder, "cgwatch_namespace_created_total",
		    "Namespaces that came between two passes; shorter lives are not seen.",
		    stats.created);
	add_changes(builder, "cgwatch_namespace_destroyed_total",
		    "Namespaces that went between two passes.", stats.destroyed);
	self_add(builder, "cgwatch_layer_walks_total", "Writable layers walked to the end.",
		 SELF_COUNTER, (double)stats.layers.walks);
	self_add(builder, "cgwatch_layer_walk_entries_total", "Names looked at in these walks.",
		 SELF_COUNTER, (double)stats.layers.entries);
	self_add(builder, "cgwatch_layer_walk_cpu_seconds_total", "CPU time of these walks.",
		 SELF_COUNTER, (double)stats.layers.cpu_ns / 1e9);
	self_add(builder, "cgwatch_layer_events_total",
		 "Events of fanotify that kept layers up to date.", SELF_COUNTER,
		 (double)stats.layers.events);
	self_add(builder, "cgwatch_layer_event_overflows_total",
		 "Times that events were lost and layers had to be walked again.", SELF_COUNTER,
		 (double)stats.layers.overflows);
	self_add(builder, "cgwatch_layers_tracked", "Writable layers that are measured.",
		 SELF_GAUGE, (double)stats.layers.layers);
	self_add(builder, "cgwatch_layers_watched", "Of these, those that events keep up to date.",
		 SELF_GAUGE, (double)stats.layers.watched);
	self_add(builder, "cgwatch_layer_stuck_total",
		 "Walks given up because the filesystem did not answer.", SELF_COUNTER,
		 (double)stats.layers.stuck);
}

static void add_process(struct self_builder *builder, const struct agent *agent)
{
	struct own own;

	if (own_read(agent->root, &own) < 0)
		return;
	self_add(builder, "process_cpu_seconds_total", "CPU time this agent used.", SELF_COUNTER,
		 own.cpu_seconds);
	self_add(builder, "process_start_time_seconds", "When this agent was started.", SELF_GAUGE,
		 own.start_seconds);
	self_add(builder, "process_resident_memory_bytes", "Resident memory of this agent.",
		 SELF_GAUGE, own.resident_bytes);
	self_add(builder, "process_virtual_memory_bytes", "Virtual memory of this agent.",
		 SELF_GAUGE, own.virtual_bytes);
	self_add(builder, "process_open_fds", "Open descriptors of this agent.", SELF_GAUGE,
		 own.open_fds);
	self_add(builder, "process_max_fds", "Descriptors this agent may open.", SELF_GAUGE,
		 own.max_fds);
	self_add(builder, "process_threads", "Threads of this agent.", SELF_GAUGE, own.threads);
}

static void add_config(struct self_builder *builder, const struct agent *agent)
{
	struct self_metric *info;

	self_add(builder, "cgwatch_config_last_reload_successful", "1 if the last reload worked.",
		 SELF_GAUGE, !agent->counts.last_reload_failed);
	self_add(builder, "cgwatch_config_last_reload_success_timestamp_seconds",
		 "When a configuration was last taken over.", SELF_GAUGE,
		 (double)agent->counts.last_reload_realtime_ns / 1e9);
	info = self_add(builder, "cgwatch_build_info", "What this agent was built from.",
			SELF_GAUGE, 1);
	info->labels[0] = (struct self_label){ "version", CGWATCH_VERSION };
	info->labels[1] = (struct self_label){ "compiler", __VERSION__ };
	info->labels[2] = (struct self_label){ "libmicrohttpd", exporter_http_version() };
}

void self_publish(struct agent *agent)
{
	struct self_builder builder = { 0 };
	struct exporter_self self;

	if (!agent->exporter || !agent->latest)
		return;
	add_sampling(&builder, agent);
	self_add_bpf(&builder, agent);
	add_rights(&builder, agent);
	add_inventory(&builder, agent);
	add_process(&builder, agent);
	add_config(&builder, agent);
	self_add_policies(&builder, agent);
	self = (struct exporter_self){ builder.list, builder.n };
	exporter_publish(agent->exporter, agent->latest, &self);
	free(builder.metrics);
	free(builder.list);
}

#else

void self_publish(struct agent *agent)
{
	(void)agent;
}

#endif
