// SPDX-License-Identifier: MIT
/* Stands in for collectors/bpf_*.c in a build without the bpf backend (CGWATCH_BPF=OFF). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collectors/bpf_events.h"
#include "collectors/bpf_kernel.h"
#include "collectors/bpf_latency.h"
#include "collectors/bpf_load.h"
#include "collectors/bpf_sample.h"
#include "collectors/bpf_tasks.h"

bool bpf_kernel_has_variable(const struct root *root, const char *name)
{
	(void)root;
	(void)name;
	return false;
}

bool bpf_load_allowed(char *reason, size_t size)
{
	snprintf(reason, size, "this cgwatch was built without it");
	return false;
}

int bpf_sample_new(const struct root *root, const struct hierarchies *hierarchies,
		   struct bpf_sample **ret_sample, char *reason, size_t size)
{
	(void)root;
	(void)hierarchies;
	(void)ret_sample;
	snprintf(reason, size, "this cgwatch was built without it");
	return -EOPNOTSUPP;
}

void bpf_sample_free(struct bpf_sample *sample)
{
	(void)sample;
}

int bpf_sample_plan(struct bpf_sample *sample, struct plan *plan)
{
	(void)sample;
	(void)plan;
	return 0;
}

uint32_t bpf_sample_mask(const struct bpf_sample *sample)
{
	(void)sample;
	return 0;
}

uint32_t bpf_sample_can(const struct bpf_sample *sample)
{
	(void)sample;
	return 0;
}

uint32_t bpf_sample_pass(struct bpf_sample *sample, struct walk *walk, uint32_t also)
{
	(void)sample;
	(void)walk;
	(void)also;
	return 0;
}

int bpf_sample_fill(struct bpf_sample *sample, struct walk *walk, struct snapshot *snapshot)
{
	(void)sample;
	(void)walk;
	(void)snapshot;
	return 0;
}

void bpf_sample_put_parts(struct bpf_sample *sample, struct devices *devices,
			  struct snapshot *snapshot, uint32_t node)
{
	(void)sample;
	(void)devices;
	(void)snapshot;
	(void)node;
}

const uint32_t *bpf_sample_asks(const struct bpf_sample *sample)
{
	(void)sample;
	return NULL;
}

void bpf_sample_get_stats(const struct bpf_sample *sample, struct bpf_sample_stats *ret_stats)
{
	(void)sample;
	memset(ret_stats, 0, sizeof(*ret_stats));
}

const struct bpf_program_status *bpf_sample_programs(const struct bpf_sample *sample, size_t *ret_n)
{
	(void)sample;
	*ret_n = 0;
	return NULL;
}

int bpf_sample_metrics(const struct bpf_sample *sample, struct bpf_metric_status **ret_list,
		       size_t *ret_n)
{
	(void)sample;
	*ret_list = NULL;
	*ret_n = 0;
	return 0;
}

int bpf_events_new(const struct root *root, const struct hierarchies *hierarchies,
		   struct bpf_events **ret_events, char *reason, size_t size)
{
	(void)root;
	(void)hierarchies;
	(void)ret_events;
	snprintf(reason, size, "this cgwatch was built without it");
	return -EOPNOTSUPP;
}

void bpf_events_free(struct bpf_events *events)
{
	(void)events;
}

uint32_t bpf_events_want(struct bpf_events *events, uint32_t kinds)
{
	(void)events;
	(void)kinds;
	return 0;
}

int bpf_events_fd(const struct bpf_events *events)
{
	(void)events;
	return -1;
}

void bpf_events_set_tree(struct bpf_events *events, struct tree *tree)
{
	(void)events;
	(void)tree;
}

int bpf_events_read(struct bpf_events *events, struct kernel_events **ret_events)
{
	(void)events;
	(void)ret_events;
	return -EOPNOTSUPP;
}

void bpf_events_get_stats(const struct bpf_events *events, struct bpf_events_stats *ret_stats)
{
	(void)events;
	memset(ret_stats, 0, sizeof(*ret_stats));
}

const struct bpf_program_status *bpf_events_programs(const struct bpf_events *events, size_t *ret_n)
{
	(void)events;
	*ret_n = 0;
	return NULL;
}

const char *bpf_events_reason(const struct bpf_events *events, enum kernel_event_kind kind)
{
	(void)events;
	(void)kind;
	return "this cgwatch was built without it";
}

int bpf_tasks_new(const struct root *root, const struct hierarchies *hierarchies,
		  struct bpf_tasks **ret_tasks, char *reason, size_t size)
{
	(void)root;
	(void)hierarchies;
	(void)ret_tasks;
	snprintf(reason, size, "this cgwatch was built without it");
	return -EOPNOTSUPP;
}

void bpf_tasks_free(struct bpf_tasks *tasks)
{
	(void)tasks;
}

int bpf_tasks_read(struct bpf_tasks *tasks, const struct task_record *const **ret_list,
		   size_t *ret_n)
{
	(void)tasks;
	(void)ret_list;
	(void)ret_n;
	return -EOPNOTSUPP;
}

bool bpf_tasks_has_hierarchy(const struct bpf_tasks *tasks, unsigned int hierarchy)
{
	(void)tasks;
	(void)hierarchy;
	return false;
}

bool bpf_tasks_has_link(const struct bpf_tasks *tasks, unsigned int link)
{
	(void)tasks;
	(void)link;
	return false;
}

void bpf_tasks_get_stats(const struct bpf_tasks *tasks, struct bpf_tasks_stats *ret_stats)
{
	(void)tasks;
	memset(ret_stats, 0, sizeof(*ret_stats));
}

const struct bpf_program_status *bpf_tasks_programs(const struct bpf_tasks *tasks, size_t *ret_n)
{
	(void)tasks;
	*ret_n = 0;
	return NULL;
}

int bpf_latency_new(const struct root *root, const struct hierarchies *hierarchies,
		    struct bpf_latency **ret_latency, char *reason, size_t size)
{
	(void)root;
	(void)hierarchies;
	(void)ret_latency;
	snprintf(reason, size, "this cgwatch was built without it");
	return -EOPNOTSUPP;
}

void bpf_latency_free(struct bpf_latency *latency)
{
	(void)latency;
}

int bpf_latency_want(struct bpf_latency *latency, uint32_t kinds, bool net, const uint64_t *serials,
		     size_t n)
{
	(void)latency;
	(void)kinds;
	(void)net;
	(void)serials;
	(void)n;
	return 0;
}

int bpf_latency_fill(struct bpf_latency *latency, struct walk *walk, struct snapshot *snapshot)
{
	(void)latency;
	(void)walk;
	(void)snapshot;
	return 0;
}

void bpf_latency_get_stats(const struct bpf_latency *latency, struct bpf_latency_stats *ret_stats)
{
	(void)latency;
	memset(ret_stats, 0, sizeof(*ret_stats));
}

const struct bpf_program_status *bpf_latency_programs(const struct bpf_latency *latency,
						      size_t *ret_n)
{
	(void)latency;
	*ret_n = 0;
	return NULL;
}
