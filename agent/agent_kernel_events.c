// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/agent_kernel_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_events.h"
#include "core/cleanup.h"
#include "core/escape.h"

enum {
	OOM_ROWS = 200,
	/* Wake-ups in such a time; programs already hold storms back to 50 a second. */
	BURST = 50,
	BURST_USEC = 100000,
};

struct agent_kernel_events {
	struct bpf_events *events;
	sd_event_source *source;
	uint32_t wanted, told, said;
	bool started;
	bool failed; /* it was tried in vain, and said */
	struct oom_kills kills[OOM_ROWS];
	size_t n_kills;
};

/* What a policy's event is for the programs; rows of the others are 0. */
static const uint32_t kinds_of[EVENT_KIND_COUNT] = {
	[EVENT_FORK] = KERNEL_EVENT_BIT(KERNEL_EVENT_FORK),
	[EVENT_EXEC] = KERNEL_EVENT_BIT(KERNEL_EVENT_EXEC),
	[EVENT_EXIT] = KERNEL_EVENT_BIT(KERNEL_EVENT_EXIT),
	[EVENT_ATTACHED] = KERNEL_EVENT_BIT(KERNEL_EVENT_ATTACHED),
	[EVENT_WRITE] = KERNEL_EVENT_BIT(KERNEL_EVENT_WRITE),
	[EVENT_NS_CREATED] = KERNEL_EVENT_BIT(KERNEL_EVENT_NS_CREATED),
	[EVENT_NS_DESTROYED] = KERNEL_EVENT_BIT(KERNEL_EVENT_NS_DESTROYED),
};

static uint32_t kinds_in(const struct condition *condition)
{
	const struct event_spec *specs;
	uint32_t kinds = 0;
	size_t n = 0;

	if (!condition)
		return 0;
	specs = condition_events(condition, &n);
	for (size_t i = 0; i < n; i++)
		kinds |= kinds_of[specs[i].kind];
	return kinds;
}

static uint32_t kinds_wanted(const struct agent *agent)
{
	uint32_t kinds = agent->config.events;

	for (size_t i = 0; i < policy_set_size(agent->policies); i++) {
		const struct policy *policy = policy_set_get(agent->policies, i);

		if (policy->mode != POLICY_OFF)
			kinds |= kinds_in(policy->when) | kinds_in(policy->clear_when);
	}
	return kinds;
}

/* ---- what happened ---- */

/* Beyond the rows the last one takes all others. */
static void count_kill(struct agent_kernel_events *own, const char *path)
{
	size_t i = 0;

	path = path ? path : "";
	while (i < own->n_kills && strcmp(own->kills[i].path, path) != 0)
		i++;
	if (i == own->n_kills && i < OOM_ROWS) {
		char *copy = strdup(i < OOM_ROWS - 1 ? path : "");

		if (!copy)
			return;
		own->kills[own->n_kills++] = (struct oom_kills){ .path = copy };
	}
	own->kills[i < OOM_ROWS ? i : OOM_ROWS - 1].n++;
}

/* Kills and limits that were written by hand are what one looks for afterwards. */
static void keep(struct agent *agent, const struct kernel_event *event)
{
	struct strbuf text, line;

	strbuf_init(&text);
	strbuf_init(&line);
	if (event->path)
		escape_terminal_append(&text, event->path, strlen(event->path));
	else
		strbuf_printf(&text, "cgroup %llu", (unsigned long long)event->cgroup);
	strbuf_add_string(&text, ": ");
	kernel_event_describe(event, &text);
	if (text.data)
		log_info("%s: %s", kernel_event_name(event->kind), text.data);
	kernel_event_json(event, &line);
	audit_add_line(agent->audit, &line);
	strbuf_done(&text);
	strbuf_done(&line);
}

/* The cgroup in the latest tree, if it is the very one; 0 if not. */
static uint64_t serial_of(const struct agent *agent, const struct kernel_event *event)
{
	const struct tree *tree = agent->latest->tree;
	uint32_t index = event->path ? tree_find(tree, event->path) : NODE_NONE;
	const struct node *node = index != NODE_NONE ? tree->nodes[index] : NULL;

	for (uint32_t h = 0; node && h < node->n_ids; h++) {
		if (node->ids[h] == event->cgroup)
			return node->serial;
	}
	return 0;
}

static enum event_kind engine_kind(enum kernel_event_kind kind)
{
	int i = 0;

	while (i < EVENT_KIND_COUNT && kinds_of[i] != KERNEL_EVENT_BIT(kind))
		i++;
	return (enum event_kind)i;
}

static int compare_events(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->serial != y->serial)
		return x->serial < y->serial ? -1 : 1;
	return (x->spec.kind > y->spec.kind) - (x->spec.kind < y->spec.kind);
}

/* Each cgroup and kind once, with how often: a storm is one look at the policies. */
static size_t collect(const struct agent *agent, const struct kernel_events *events,
		      struct event *list)
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < events->n; i++) {
		const struct kernel_event *event = &events->list[i];
		enum event_kind kind = engine_kind(event->kind);
		uint64_t serial = kind != EVENT_KIND_COUNT ? serial_of(agent, event) : 0;

		if (serial)
			list[n++] = (struct event){ .serial = serial,
						    .spec = { .kind = kind },
						    .count = 1,
						    .boottime_ns = event->boottime_ns };
	}
	qsort(list, n, sizeof(*list), compare_events);
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && compare_events(&list[kept - 1], &list[i]) == 0) {
			list[kept - 1].count++;
			list[kept - 1].boottime_ns = list[i].boottime_ns;
		} else {
			list[kept++] = list[i];
		}
	}
	return kept;
}

static int on_kernel_events(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct agent *agent = data;
	struct agent_kernel_events *own = agent->kernel_events;
	_cleanup_(freep) struct event *list = NULL;
	struct kernel_events *events;
	int r = bpf_events_read(own->events, &events);

	(void)source;
	(void)fd;
	(void)revents;
	if (r < 0) {
		log_error("events from the kernel: %s", strerror(-r));
		return 0;
	}
	for (size_t i = 0; i < events->n; i++) {
		const struct kernel_event *event = &events->list[i];

		if (!(agent->config.events & KERNEL_EVENT_BIT(event->kind)))
			continue;
		if (event->kind == KERNEL_EVENT_OOM_KILL)
			count_kill(own, event->path);
		if (event->kind == KERNEL_EVENT_OOM_KILL || event->kind == KERNEL_EVENT_WRITE)
			keep(agent, event);
	}
	list = calloc(events->n + 1, sizeof(*list));
	if (list && agent->latest)
		agent_events_tell(agent, list, collect(agent, events, list));
	kernel_events_unref(events);
	return 0;
}

/* ---- what runs ---- */

static void say_missing(struct agent_kernel_events *own)
{
	uint32_t missing = own->wanted & ~own->told & ~own->said;

	for (int kind = 0; kind < KERNEL_EVENT_KIND_COUNT; kind++) {
		const char *reason;

		if (!(missing & KERNEL_EVENT_BIT(kind)))
			continue;
		reason = bpf_events_reason(own->events, (enum kernel_event_kind)kind);
		log_warning("events from the kernel: %s cannot be told here: %s",
			    kernel_event_name((enum kernel_event_kind)kind),
			    reason ? reason : "no program of it runs");
	}
	own->said |= missing;
}

static void unload(struct agent_kernel_events *own)
{
	own->source = sd_event_source_disable_unref(own->source);
	bpf_events_free(own->events);
	own->events = NULL;
	own->told = 0;
}

static void want(struct agent *agent)
{
	struct agent_kernel_events *own = agent->kernel_events;
	uint32_t wanted = kinds_wanted(agent);
	char reason[BPF_REASON_SIZE] = "";

	if (wanted == own->wanted)
		return;
	own->wanted = wanted;
	/* What is loaded stays so, since the right to load it again may be gone. */
	if (!wanted && !own->events)
		return;
	if (!own->events && bpf_events_new(agent->root, sampler_hierarchies(agent->sampler),
					   &own->events, reason, sizeof(reason)) < 0) {
		if (!own->failed)
			log_warning("events from the kernel: none: %s%s", reason,
				    own->started ? " (what is asked for at the start is loaded "
						   "before rights are given up: start it anew)"
						 : "");
		own->failed = true;
		return;
	}
	own->told = bpf_events_want(own->events, wanted);
	say_missing(own);
}

void agent_kernel_events_start(struct agent *agent)
{
	agent->kernel_events = calloc(1, sizeof(*agent->kernel_events));
	if (!agent->kernel_events)
		return;
	want(agent);
	agent->kernel_events->started = true;
}

void agent_kernel_events_tick(struct agent *agent)
{
	struct agent_kernel_events *own = agent->kernel_events;
	int r = 0;

	if (!own || !agent->latest)
		return;
	want(agent);
	if (!own->events)
		return;
	bpf_events_set_tree(own->events, agent->latest->tree);
	if (own->source)
		return;
	r = sd_event_add_io(agent->event, &own->source, bpf_events_fd(own->events), EPOLLIN,
			    on_kernel_events, agent);
	if (r >= 0)
		r = sd_event_source_set_ratelimit(own->source, BURST_USEC, BURST);
	if (r < 0)
		log_error("events from the kernel: %s", strerror(-r));
}

void agent_kernel_events_stop(struct agent *agent)
{
	struct agent_kernel_events *own = agent->kernel_events;

	if (!own)
		return;
	unload(own);
	for (size_t i = 0; i < own->n_kills; i++)
		free(own->kills[i].path);
	free(own);
	agent->kernel_events = NULL;
}

bool agent_kernel_events_stats(const struct agent *agent, struct bpf_events_stats *ret_stats,
			       uint32_t *ret_told)
{
	if (!agent->kernel_events || !agent->kernel_events->events)
		return false;
	bpf_events_get_stats(agent->kernel_events->events, ret_stats);
	*ret_told = agent->kernel_events->told;
	return true;
}

const struct oom_kills *agent_kernel_events_oom(const struct agent *agent, size_t *ret_n)
{
	*ret_n = agent->kernel_events ? agent->kernel_events->n_kills : 0;
	return agent->kernel_events ? agent->kernel_events->kills : NULL;
}
