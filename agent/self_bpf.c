// SPDX-License-Identifier: MIT
#include "agent/self_build.h"

#if CGWATCH_HAVE_EXPORTER

#include "agent/backend.h"

static struct self_metric *add_state(struct self_builder *builder,
				     const struct bpf_program_status *program, const char *state,
				     bool is)
{
	struct self_metric *metric = self_add(
		builder, "cgwatch_bpf_program",
		"1 for the state that a program for the kernel is in.", SELF_GAUGE, is);

	metric->labels[0] = (struct self_label){ "program", program->name };
	metric->labels[1] = (struct self_label){ "state", state };
	return metric;
}

void self_add_programs(struct self_builder *builder, const struct bpf_program_status *programs,
		       size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct bpf_program_status *program = &programs[i];

		add_state(builder, program, "attached", program->attached);
		add_state(builder, program, "loaded", program->loaded && !program->attached);
		add_state(builder, program, "spare", program->spare);
		add_state(builder, program, "refused", !program->loaded && !program->spare)
			->labels[2] = (struct self_label){ "reason", program->reason };
	}
}

static void add_sources(struct self_builder *builder, const struct backend_summary *summary)
{
	static const char name[] = "cgwatch_metric_source",
			  help[] = "Metrics of cgroups by where they come from.";

	self_add(builder, name, help, SELF_GAUGE, summary->by_bpf)->labels[0] =
		(struct self_label){ "source", "bpf" };
	self_add(builder, name, help, SELF_GAUGE, summary->by_files)->labels[0] =
		(struct self_label){ "source", "files" };
}

/* Those that a program could have told, and why it does not. */
static void add_missing(struct self_builder *builder, const struct hierarchies *hierarchies,
			const struct bpf_metric_status *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct self_metric *metric;

		if (list[i].bpf)
			continue;
		metric = self_add(builder, "cgwatch_bpf_metric_missing",
				  "1 for a metric that programs can tell of and here do not.",
				  SELF_GAUGE, 1);
		metric->labels[0] = (struct self_label){ "metric", metric_get(list[i].id)->name };
		metric->labels[1] = (struct self_label){
			"hierarchy", hierarchies->list[list[i].hierarchy].name
		};
		metric->labels[2] = (struct self_label){ "reason", list[i].reason };
	}
}

static void add_passes(struct self_builder *builder, const struct bpf_sample_stats *stats)
{
	self_add(builder, "cgwatch_bpf_passes_total", "Passes over the cgroups of a hierarchy.",
		 SELF_COUNTER, (double)stats->passes);
	self_add(builder, "cgwatch_bpf_pass_failures_total",
		 "Passes that failed: that sample came from files.", SELF_COUNTER,
		 (double)stats->failures);
	self_add(builder, "cgwatch_bpf_passes_repeated_total",
		 "Passes made again with more room, as the tree had outgrown it.", SELF_COUNTER,
		 (double)stats->grown);
	self_add(builder, "cgwatch_bpf_pass_cpu_seconds",
		 "CPU time of the passes of the last sample.", SELF_GAUGE,
		 (double)stats->last_pass_ns / 1e9);
	self_add(builder, "cgwatch_bpf_records", "Records of cgroups in the last sample.",
		 SELF_GAUGE, (double)stats->records);
	self_add(builder, "cgwatch_bpf_cgroups_by_files",
		 "Cgroups in the last sample of which something was read from files instead.",
		 SELF_GAUGE, (double)stats->by_files);
	self_add(builder, "cgwatch_bpf_map_bytes", "Memory of the maps of records.", SELF_GAUGE,
		 (double)stats->memory_bytes);
}

static void add_latency(struct self_builder *builder, const struct sampler *sampler)
{
	struct bpf_latency_stats stats;
	const char *reason;
	const struct bpf_latency *latency = sampler_latency(sampler, &reason);

	if (!latency)
		return;
	bpf_latency_get_stats(latency, &stats);
	self_add(builder, "cgwatch_bpf_watched_cgroups",
		 "Cgroups whose waiting and traffic is counted.", SELF_GAUGE, stats.watched);
	self_add(builder, "cgwatch_bpf_unwatched_cgroups",
		 "Cgroups that were to be watched, beyond the bound.", SELF_GAUGE, stats.over);
	self_add(builder, "cgwatch_bpf_watched_lost_total",
		 "Waits and transfers of any cgroup that could not be counted.", SELF_COUNTER,
		 (double)stats.lost);
	self_add(builder, "cgwatch_bpf_watched_map_bytes",
		 "Memory of the maps of waiting times and traffic.", SELF_GAUGE,
		 (double)stats.memory_bytes);
}

/* Of the inventory: apart, since it goes on a beat of its own. */
static void add_tasks(struct self_builder *builder, const struct agent *agent)
{
	struct inventory_stats stats = { 0 };

	if (!agent->tasks)
		return;
	if (agent->keeper)
		inventory_keeper_get_stats(agent->keeper, &stats);
	self_add(builder, "cgwatch_bpf_task_passes_total", "Passes over all processes and threads.",
		 SELF_COUNTER, (double)stats.tasks.passes);
	self_add(builder, "cgwatch_bpf_task_pass_failures_total",
		 "Passes over processes that failed: /proc was read instead.", SELF_COUNTER,
		 (double)stats.tasks.failures);
	self_add(builder, "cgwatch_bpf_task_pass_cpu_seconds",
		 "CPU time of the last pass over processes.", SELF_GAUGE,
		 (double)stats.tasks.last_pass_ns / 1e9);
	self_add(builder, "cgwatch_bpf_task_records", "Processes and threads of the last pass.",
		 SELF_GAUGE, (double)stats.tasks.tasks);
	self_add(builder, "cgwatch_bpf_task_map_bytes", "Memory of the map of tasks.", SELF_GAUGE,
		 (double)stats.tasks.memory_bytes);
}

/* Whoever has them: one family. */
static void add_programs(struct self_builder *builder, const struct agent *agent)
{
	const char *reason;
	const struct bpf_sample *sample = sampler_bpf(agent->sampler, &reason);
	const struct bpf_latency *latency = sampler_latency(agent->sampler, &reason);
	const struct bpf_program_status *programs;
	size_t n;

	if (sample) {
		programs = bpf_sample_programs(sample, &n);
		self_add_programs(builder, programs, n);
	}
	if (agent->tasks) {
		programs = bpf_tasks_programs(agent->tasks, &n);
		self_add_programs(builder, programs, n);
	}
	if (latency) {
		programs = bpf_latency_programs(latency, &n);
		self_add_programs(builder, programs, n);
	}
}

void self_add_bpf(struct self_builder *builder, const struct agent *agent)
{
	struct backend_summary summary;
	struct sampler_stats stats;
	const struct bpf_sample *sample;
	const char *reason;
	size_t n = 0;

	backend_summarise(agent->sampler, &summary);
	sampler_get_stats(agent->sampler, &stats);
	sample = sampler_bpf(agent->sampler, &reason);
	self_add(builder, "cgwatch_bpf_enabled",
		 "1 if programs in the kernel sample; if not, the label says why.", SELF_GAUGE,
		 summary.bpf)
		->labels[0] = (struct self_label){ "reason", reason };
	add_sources(builder, &summary);
	if (!sample)
		return;
	if (bpf_sample_metrics(sample, &builder->metrics, &n) == 0)
		add_missing(builder, sampler_hierarchies(agent->sampler), builder->metrics, n);
	add_passes(builder, &stats.bpf_stats);
	add_tasks(builder, agent);
	add_latency(builder, agent->sampler);
	add_programs(builder, agent);
}

#endif
