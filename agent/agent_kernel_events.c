// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/agent_kernel_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_events.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/escape.h"

enum {
	OOM_ROWS = 200,
	/* Wake-ups in such a time; programs already hold storms back to 50 a second. */
	BURST = 50,
	BURST_USEC = 100000,
	/* Lines of a kind in a second: whoever may write a limit may do so all the time. */
	LINES_MOST = 50,
	WAITING_MOST = 512,
	WAITING_TICKS = 2, /* the first sample after it may have passed its place already */
};

/* What policies wait for happened in a cgroup that no sample has had yet: it is told with one. */
struct waiting {
	enum event_kind kind;
	unsigned int hierarchy, ticks;
	uint64_t cgroup, count, boottime_ns;
	char *path; /* bytes from outside */
};

struct agent_kernel_events {
	struct bpf_events *events;
	sd_event_source *source;
	uint32_t wanted, told, said;
	uint32_t by_policies; /* of those that are wanted */
	struct waiting waiting[WAITING_MOST];
	size_t n_waiting;
	uint64_t unplaced; /* happened where no sample ever looked, or too many waited */
	uint64_t second;   /* of which the lines are: */
	unsigned int lines[KERNEL_EVENT_KIND_COUNT];
	uint64_t unsaid;
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

static uint32_t kinds_of_policies(const struct agent *agent)
{
	uint32_t kinds = 0;

	for (size_t i = 0; i < policy_set_size(agent->policies); i++) {
		const struct policy *policy = policy_set_get(agent->policies, i);

		if (policy->mode != POLICY_OFF)
			kinds |= kinds_in(policy->when) | kinds_in(policy->clear_when);
	}
	return kinds;
}

/* ---- what happened ---- */

static struct oom_kills *find_kills(struct agent_kernel_events *own, const char *path)
{
	for (size_t i = 0; i < own->n_kills; i++) {
		if (strcmp(own->kills[i].path, path) == 0)
			return &own->kills[i];
	}
	return NULL;
}

/* The row of all others is kept free for them, or there already. */
static void count_kill(struct agent_kernel_events *own, const char *path)
{
	struct oom_kills *row = find_kills(own, path ? path : "");

	if (!row && own->n_kills >= OOM_ROWS - 1) {
		path = "";
		row = find_kills(own, path);
	}
	if (!row) {
		char *copy = strdup(path ? path : "");

		if (!copy)
			return;
		row = &own->kills[own->n_kills++];
		*row = (struct oom_kills){ .path = copy };
	}
	row->n++;
}

/* A second for lines begins anew. */
static void begin_second(struct agent_kernel_events *own)
{
	uint64_t second = clock_ns(CLOCK_BOOTTIME) / 1000000000;

	if (second == own->second)
		return;
	if (own->unsaid)
		log_warning("events from the kernel: %llu more kills and writes of limits were not "
			    "logged: no more than %d of a kind in a second",
			    (unsigned long long)own->unsaid, LINES_MOST);
	own->unsaid = 0;
	own->second = second;
	memset(own->lines, 0, sizeof(own->lines));
}

/* Whether one more line of the kind may be written in this second. */
static bool may_say(struct agent_kernel_events *own, const struct kernel_event *event)
{
	begin_second(own);
	if (own->lines[event->kind] >= LINES_MOST) {
		own->unsaid++;
		return false;
	}
	own->lines[event->kind]++;
	return true;
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

/* HIERARCHY_MAX: unknown. */
static unsigned int hierarchy_of(const struct agent *agent, const struct kernel_event *event)
{
	const struct hierarchies *hierarchies = sampler_hierarchies(agent->sampler);

	for (unsigned int h = 0; event->hierarchy && h < hierarchies->n; h++) {
		if (strcmp(hierarchies->list[h].name, event->hierarchy) == 0)
			return h;
	}
	return HIERARCHY_MAX;
}

/* The cgroup in the latest tree, if it is the very one; 0 if not. Ids are those of a hierarchy. */
static uint64_t serial_of(const struct agent *agent, unsigned int hierarchy, uint64_t cgroup,
			  const char *path)
{
	const struct tree *tree = agent->latest->tree;
	uint32_t index = path ? tree_find(tree, path) : NODE_NONE;
	const struct node *node = index != NODE_NONE ? tree->nodes[index] : NULL;

	return node && hierarchy < node->n_ids && node->ids[hierarchy] == cgroup ? node->serial : 0;
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

/* Storms are mostly about what came last. */
static struct waiting *find_waiting(struct agent_kernel_events *own, const struct waiting *event)
{
	for (size_t i = own->n_waiting; i > 0; i--) {
		struct waiting *at = &own->waiting[i - 1];

		if (at->cgroup == event->cgroup && at->hierarchy == event->hierarchy &&
		    at->kind == event->kind)
			return at;
	}
	return NULL;
}

static void wait_for_tree(struct agent_kernel_events *own, const struct waiting *event,
			  const char *path)
{
	struct waiting *at = own->n_waiting < WAITING_MOST ? find_waiting(own, event) : NULL;

	if (at) {
		at->count++;
		at->boottime_ns = event->boottime_ns;
		return;
	}
	if (own->n_waiting < WAITING_MOST && path) {
		at = &own->waiting[own->n_waiting];
		*at = *event;
		at->path = strdup(path);
		own->n_waiting += at->path != NULL;
		at = at->path ? at : NULL;
	}
	own->unplaced += !at;
}

static struct event engine_event_of(uint64_t serial, const struct waiting *event)
{
	return (struct event){ .serial = serial,
			       .spec = { .kind = event->kind },
			       .count = event->count,
			       .boottime_ns = event->boottime_ns };
}

/* What waited for the latest tree. */
static void tell_waiting(struct agent *agent)
{
	struct agent_kernel_events *own = agent->kernel_events;
	struct event list[WAITING_MOST];
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < own->n_waiting; i++) {
		struct waiting *at = &own->waiting[i];
		uint64_t serial = serial_of(agent, at->hierarchy, at->cgroup, at->path);

		if (!serial && ++at->ticks < WAITING_TICKS) {
			own->waiting[kept++] = *at;
			continue;
		}
		if (serial)
			list[n++] = engine_event_of(serial, at);
		else
			own->unplaced += at->count;
		free(at->path);
	}
	own->n_waiting = kept;
	agent_events_tell(agent, list, n);
}

/* Each cgroup and kind once, with how often: a storm is one look at the policies. */
static size_t collect(const struct agent *agent, const struct kernel_events *events,
		      struct event *list)
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < events->n; i++) {
		const struct kernel_event *event = &events->list[i];
		struct waiting what = { .kind = engine_kind(event->kind),
					.hierarchy = hierarchy_of(agent, event),
					.cgroup = event->cgroup,
					.count = 1,
					.boottime_ns = event->boottime_ns };
		uint64_t serial;

		if (!(agent->kernel_events->by_policies & KERNEL_EVENT_BIT(event->kind)))
			continue;
		serial = serial_of(agent, what.hierarchy, what.cgroup, event->path);
		if (serial)
			list[n++] = engine_event_of(serial, &what);
		else
			wait_for_tree(agent->kernel_events, &what, event->path);
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
		if ((event->kind == KERNEL_EVENT_OOM_KILL || event->kind == KERNEL_EVENT_WRITE) &&
		    may_say(own, event))
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
	uint32_t by_policies = kinds_of_policies(agent);
	uint32_t wanted = by_policies | agent->config.events;
	char reason[BPF_REASON_SIZE] = "";

	own->by_policies = by_policies;
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
	begin_second(own);
	tell_waiting(agent);
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
	for (size_t i = 0; i < own->n_waiting; i++)
		free(own->waiting[i].path);
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

uint64_t agent_kernel_events_unplaced(const struct agent *agent)
{
	return agent->kernel_events ? agent->kernel_events->unplaced : 0;
}

const struct oom_kills *agent_kernel_events_oom(const struct agent *agent, size_t *ret_n)
{
	*ret_n = agent->kernel_events ? agent->kernel_events->n_kills : 0;
	return agent->kernel_events ? agent->kernel_events->kills : NULL;
}
