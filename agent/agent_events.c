// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/agent_events.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "agent/agent_policies.h"
#include "collectors/node_sample.h"
#include "core/cleanup.h"
#include "core/clock.h"

enum {
	EVENT_FDS_MOST = 4096,
	SPARE_FDS = 64, /* of those that the sampler leaves, for the rest of the program */
	/* Rates over less say little: numbers that are younger are read anew when they are as old.
	 */
	SAMPLE_AGE_NS = 100000000,
	/* Where a sample costs much, events may take so small a part of the time for more of them.
	 */
	SAMPLE_COST_FACTOR = 4,
	/* So many wake-ups in such a time; more wait for its end, and come as one. */
	BURST = 50,
	BURST_USEC = 100000,
};

struct agent_events {
	struct event_watch *watch;
	sd_event_source *source;
	/* Those that compare numbers and came too early after a sample, until the timer ends. */
	sd_event_source *timer;
	struct event *waiting;
	size_t n_waiting;
	pthread_mutex_t mutex;
	struct snapshot *latest; /* for agent_recheck(), under the mutex */
	bool failed;		 /* was said */
	bool said_denied, said_over;
};

/* What the sampler leaves of the descriptors. */
static unsigned int fd_budget(const struct agent *agent)
{
	struct rlimit limit = { 0 };
	struct sampler_stats stats;
	rlim_t taken;

	sampler_get_stats(agent->sampler, &stats);
	taken = stats.max_fds + SPARE_FDS;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= taken)
		return 0;
	return limit.rlim_cur - taken < EVENT_FDS_MOST ? (unsigned int)(limit.rlim_cur - taken)
						       : EVENT_FDS_MOST;
}

int agent_events_start(struct agent *agent)
{
	struct agent_events *events = calloc(1, sizeof(*events));
	int r;

	if (!events)
		return -ENOMEM;
	pthread_mutex_init(&events->mutex, NULL);
	agent->events = events;
	r = event_watch_new(agent->root, sampler_hierarchies(agent->sampler), fd_budget(agent),
			    &events->watch);
	if (r < 0)
		log_warning("events: %s: policies see them with the next sample", strerror(-r));
	return 0;
}

void agent_events_stop(struct agent *agent)
{
	struct agent_events *events = agent->events;

	if (!events)
		return;
	sd_event_source_disable_unref(events->source);
	sd_event_source_disable_unref(events->timer);
	free(events->waiting);
	event_watch_free(events->watch);
	snapshot_unref(events->latest);
	pthread_mutex_destroy(&events->mutex);
	free(events);
	agent->events = NULL;
}

bool agent_events_stats(const struct agent *agent, struct event_watch_stats *ret_stats)
{
	if (!agent->events || !agent->events->watch)
		return false;
	event_watch_get_stats(agent->events->watch, ret_stats);
	return true;
}

/* The latest snapshot for other threads. */
static void publish(struct agent_events *events, struct snapshot *latest)
{
	struct snapshot *old;

	pthread_mutex_lock(&events->mutex);
	old = events->latest;
	events->latest = snapshot_ref(latest);
	pthread_mutex_unlock(&events->mutex);
	snapshot_unref(old);
}

static struct snapshot *published(struct agent_events *events)
{
	struct snapshot *latest;

	pthread_mutex_lock(&events->mutex);
	latest = events->latest ? snapshot_ref(events->latest) : NULL;
	pthread_mutex_unlock(&events->mutex);
	return latest;
}

/* How old the latest numbers are to be before an event has them read anew. */
static uint64_t sample_age_ns(const struct agent *agent)
{
	uint64_t age = SAMPLE_COST_FACTOR * agent->latest->cost_ns;

	return age > SAMPLE_AGE_NS ? age : SAMPLE_AGE_NS;
}

static bool needs_sample(const struct agent *agent, const struct event *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (engine_event_needs_sample(agent->engine, list[i].serial, &list[i].spec))
			return true;
	}
	return false;
}

static void tell_engine(struct agent *agent, const struct event *list, size_t n)
{
	struct decisions decisions = { 0 };
	int r;

	for (size_t i = 0; i < n; i++) {
		r = engine_event(agent->engine, agent->latest, list[i].serial, &list[i].spec,
				 agent_now_usec(), &decisions);
		if (r < 0)
			log_error("policies: %s", strerror(-r));
	}
	agent_policies_submit(agent, &decisions);
}

/* They come sorted by cgroup. */
static uint64_t latest_of(const struct event *list, size_t n)
{
	uint64_t latest = 0;

	for (size_t i = 0; i < n; i++)
		latest = list[i].boottime_ns > latest ? list[i].boottime_ns : latest;
	return latest;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct agent *agent = data;
	struct agent_events *events = agent->events;
	_cleanup_(freep) struct event *list = TAKE_PTR(events->waiting);
	size_t n = events->n_waiting;

	(void)source;
	(void)usec;
	events->n_waiting = 0;
	/* A tick may have come meanwhile. */
	if (n > 0 && agent->latest->boottime_ns < latest_of(list, n) && agent_sample(agent) == 0)
		publish(events, agent->latest);
	tell_engine(agent, list, n);
	return 0;
}

/* Else they would be looked at only with numbers from before them. */
static int wait_for_sample(struct agent *agent, const struct event *list, size_t n, uint64_t age_ns)
{
	struct agent_events *events = agent->events;
	uint64_t usec = (sample_age_ns(agent) - age_ns) / 1000;
	struct event *all = realloc(events->waiting, (events->n_waiting + n) * sizeof(*all));
	int r = 0;

	if (!all)
		return -ENOMEM;
	events->waiting = all;
	if (events->n_waiting == 0) {
		events->timer = sd_event_source_disable_unref(events->timer);
		r = sd_event_add_time_relative(agent->event, &events->timer, CLOCK_BOOTTIME, usec,
					       1000, on_timer, agent);
	}
	if (r < 0)
		return r;
	memcpy(all + events->n_waiting, list, n * sizeof(*list));
	events->n_waiting += n;
	return 0;
}

void agent_events_tell(struct agent *agent, const struct event *list, size_t n)
{
	uint64_t age_ns = clock_ns(CLOCK_BOOTTIME) - agent->latest->boottime_ns;
	int r = 0;

	if (n == 0 || !agent->events)
		return;
	if (needs_sample(agent, list, n)) {
		/* Now, which may do, and once more with numbers from after them. */
		if (age_ns < sample_age_ns(agent))
			r = wait_for_sample(agent, list, n, age_ns);
		else if (agent_sample(agent) == 0)
			publish(agent->events, agent->latest);
		if (r < 0)
			log_error("events: %s", strerror(-r));
	}
	tell_engine(agent, list, n);
}

static int on_events(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct agent *agent = data;
	_cleanup_(freep) struct event *list = NULL;
	size_t n = 0;
	int r = event_watch_read(agent->events->watch, &list, &n);

	(void)source;
	(void)fd;
	(void)revents;
	if (r < 0)
		log_error("events: %s", strerror(-r));
	agent_events_tell(agent, list, n);
	return 0;
}

/* Without those that only programs in the kernel tell of (agent_kernel_events.c). */
static size_t for_files(struct event_want *list, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (!event_needs_programs(list[i].spec.kind))
			list[kept++] = list[i];
	}
	return kept;
}

/* At the first tick the loop is there. */
static int attach(struct agent *agent)
{
	struct agent_events *events = agent->events;
	int r = sd_event_add_io(agent->event, &events->source, event_watch_fd(events->watch),
				EPOLLIN, on_events, agent);

	/* So that cgroups in trouble, all at once and all the time, do not keep the loop busy. */
	if (r >= 0)
		r = sd_event_source_set_ratelimit(events->source, BURST_USEC, BURST);
	return r;
}

/* Said when it begins: the samples show what happened all the same, only later. */
static void say_missing(struct agent_events *events)
{
	struct event_watch_stats stats;

	event_watch_get_stats(events->watch, &stats);
	if (stats.denied && !events->said_denied)
		log_warning("events: %u cannot be waited for without CAP_SYS_RESOURCE, as windows "
			    "of PSI that are no multiple of 2s: the samples have them",
			    stats.denied);
	if (stats.over && !events->said_over)
		log_warning("events: no descriptor or inotify watch is left for %u of them (see "
			    "max_fds, fs.inotify.max_user_watches): the samples have them",
			    stats.over);
	events->said_denied = stats.denied;
	events->said_over = stats.over;
	log_debug("events: %u of %u are waited for, %u exist nowhere here", stats.watched,
		  stats.wanted, stats.absent);
}

void agent_events_tick(struct agent *agent)
{
	struct agent_events *events = agent->events;
	_cleanup_(freep) struct event_want *list = NULL;
	bool changed = false;
	size_t n = 0;
	int r = 0;

	if (!events || !agent->latest)
		return;
	publish(events, agent->latest);
	if (!events->watch)
		return;
	if (!events->source)
		r = attach(agent);
	if (r >= 0)
		r = engine_wants(agent->engine, &list, &n, &changed);
	if (r >= 0 && changed) {
		r = event_watch_set(events->watch, list, for_files(list, n));
		say_missing(events);
	}
	if (r < 0 && !events->failed)
		log_warning("events: %s: policies see them with the next sample", strerror(-r));
	events->failed = r < 0;
}

/* Which operands speak against it. */
static void explain(const struct decision *decision, const struct snapshot *snapshot, char *reason,
		    size_t size)
{
	const struct condition *condition = decision->rule->when;
	struct strbuf text;

	strbuf_init(&text);
	condition_explain_events(condition, snapshot, 0, decision->events, &text);
	snprintf(reason, size, "it no longer holds: %s",
		 text.data ? text.data : condition_text(condition));
	strbuf_done(&text);
}

static int look(const struct agent *agent, const struct decision *decision,
		const struct snapshot *latest, char *reason, size_t size)
{
	const struct condition *when = decision->rule->when;
	uint32_t index = tree_find_serial(latest->tree, decision->node->serial);
	struct metric_set needs = { 0 };
	struct snapshot *now;
	enum outcome outcome;
	int r;

	if (index == NODE_NONE)
		return -ENOENT;
	condition_needs(when, &needs);
	r = node_sample(agent->root, sampler_hierarchies(agent->sampler), latest, index, &needs,
			&now);
	if (r < 0)
		return r;
	outcome = condition_evaluate_events(when, now, 0, decision->events);
	if (outcome == OUTCOME_FALSE)
		explain(decision, now, reason, size);
	snapshot_unref(now);
	if (outcome == OUTCOME_UNKNOWN)
		return -ENODATA;
	return outcome == OUTCOME_TRUE ? 0 : -ECANCELED;
}

int agent_recheck(void *data, const struct decision *decision, char *reason, size_t size)
{
	const struct agent *agent = data;
	struct snapshot *latest;
	int r;

	if (!decision->rule || !decision->rule->when || !agent->events)
		return -EOPNOTSUPP;
	latest = published(agent->events);
	if (!latest)
		return -EAGAIN;
	r = look(agent, decision, latest, reason, size);
	snapshot_unref(latest);
	return r;
}
