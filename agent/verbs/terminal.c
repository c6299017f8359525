// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/verbs/verbs.h"

#include <errno.h>
#include <langinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "agent/defaults.h"
#include "agent/report_read.h"
#include "agent/verbs/terminal_agent.h"
#include "agent/verbs/terminal_events.h"
#include "collectors/inventory.h"
#include "collectors/meminfo.h"
#include "core/cleanup.h"
#include "core/log.h"
#include "policies/manual.h"
#include "policies/unit_bus.h"
#include "tui/tui.h"

/* Somebody looks on: a little oftener than the agent does it for itself. */
#define INVENTORY_PERIOD_NS UINT64_C(2000000000)

/*
 * Sampling has a thread of its own: reading a large root memory.stat takes long on some machines,
 * and keys must answer meanwhile. `mutex` guards everything below it.
 */
struct terminal {
	struct context *context;
	struct sampler *sampler;	 /* of the sampling thread alone */
	struct bpf_tasks *tasks;	 /* of the keeper; NULL: it reads /proc */
	struct inventory_keeper *keeper; /* has a thread of its own; NULL: a recorded tree */
	struct terminal_agent *agent;	 /* likewise */
	struct policy_report *nobody;	 /* without it: says so */
	struct terminal_events *events;	 /* has a thread once it is wanted; NULL: a recorded tree */
	int event_fd;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct metric_set wanted;
	unsigned int wanted_parts; /* of the inventory, by screens; columns want theirs */
	uint64_t interval_usec;
	bool paused, stop, now;
	struct snapshot *latest;
	/* The cgroups whose waiting times are wanted, by serial. */
	uint64_t watched[TUI_WATCHED_MOST];
	size_t n_watched;
	bool other_watched; /* than the sampler knows */
	char no_latency[160];
	struct meminfo memory; /* of the host; total 0: unknown */
};

static void publish(struct terminal *terminal, struct snapshot *snapshot)
{
	struct meminfo memory = { 0 };
	struct snapshot *old;

	if (meminfo_read(terminal->context->root, &memory) < 0)
		memory.total = 0;
	if (terminal->events)
		terminal_events_set_tree(terminal->events, snapshot->tree);
	pthread_mutex_lock(&terminal->mutex);
	old = terminal->latest;
	terminal->latest = snapshot;
	terminal->memory = memory;
	pthread_mutex_unlock(&terminal->mutex);
	snapshot_unref(old);
	eventfd_write(terminal->event_fd, 1);
}

/* Waits for the next tick, or until somebody wants something else. False to stop. */
static bool wait_tick(struct terminal *terminal, struct timespec *next,
		      struct metric_set *ret_wanted)
{
	struct timespec now;
	bool go;

	pthread_mutex_lock(&terminal->mutex);
	clock_gettime(CLOCK_MONOTONIC, &now);
	next->tv_sec += (time_t)(terminal->interval_usec / 1000000);
	next->tv_nsec += (long)(terminal->interval_usec % 1000000) * 1000;
	next->tv_sec += next->tv_nsec / 1000000000;
	next->tv_nsec %= 1000000000;
	/* Behind by more than a tick (a suspended machine): start anew instead of catching up. */
	if (next->tv_sec < now.tv_sec)
		*next = now;
	while (!terminal->stop && !terminal->now) {
		if (terminal->paused)
			pthread_cond_wait(&terminal->wake, &terminal->mutex);
		else if (pthread_cond_timedwait(&terminal->wake, &terminal->mutex, next) ==
			 ETIMEDOUT)
			break;
	}
	if (terminal->now)
		clock_gettime(CLOCK_MONOTONIC, next);
	terminal->now = false;
	*ret_wanted = terminal->wanted;
	go = !terminal->stop;
	pthread_mutex_unlock(&terminal->mutex);
	return go;
}

static void take_inventory(struct terminal *terminal)
{
	struct inventory *inventory;

	if (!terminal->keeper)
		return;
	inventory = inventory_keeper_latest(terminal->keeper);
	/* An empty one says that what is wanted is on its way. */
	if (!inventory)
		inventory = inventory_new(0, NULL, NULL, NULL);
	sampler_set_inventory(terminal->sampler, inventory);
	inventory_unref(inventory);
}

/* What is wanted of the kernel beside the columns, and why that cannot be had. */
static void take_watched(struct terminal *terminal)
{
	uint64_t serials[TUI_WATCHED_MOST];
	const char *reason;
	size_t n;
	bool other;

	pthread_mutex_lock(&terminal->mutex);
	n = terminal->n_watched;
	memcpy(serials, terminal->watched, n * sizeof(*serials));
	other = terminal->other_watched;
	terminal->other_watched = false;
	pthread_mutex_unlock(&terminal->mutex);
	if (!other)
		return;
	sampler_watch(terminal->sampler, UINT32_MAX, serials, n);
	if (sampler_bpf(terminal->sampler, &reason))
		sampler_latency(terminal->sampler, &reason);
	pthread_mutex_lock(&terminal->mutex);
	snprintf(terminal->no_latency, sizeof(terminal->no_latency), "%s", reason);
	pthread_mutex_unlock(&terminal->mutex);
}

/* Called with the mutex held. */
static void update_keeper(struct terminal *terminal)
{
	if (terminal->keeper)
		inventory_keeper_want(terminal->keeper,
				      terminal->wanted_parts |
					      metric_set_inventory(&terminal->wanted));
}

/* The bpf backend, and what is beside the cgroups. */
static void start_rest(struct terminal *terminal)
{
	struct inventory_options options = { .period_ns = INVENTORY_PERIOD_NS, .thread = true };
	const struct hierarchies *hierarchies = sampler_hierarchies(terminal->sampler);
	struct root *root = terminal->context->root;
	struct inventory_keeper *keeper = NULL;
	char reason[BPF_REASON_SIZE];

	/* A recorded tree has neither. */
	if (root_is_recorded(root))
		return;
	/* Without them the keeper reads /proc, and nobody need be told. */
	if (sampler_use_bpf(terminal->sampler, true))
		bpf_tasks_new(root, hierarchies, &terminal->tasks, reason, sizeof(reason));
	options.tasks = terminal->tasks;
	if (inventory_keeper_new(root, hierarchies, &options, &keeper) < 0)
		return;
	pthread_mutex_lock(&terminal->mutex);
	terminal->keeper = keeper;
	update_keeper(terminal);
	pthread_mutex_unlock(&terminal->mutex);
}

static void *sample_loop(void *data)
{
	struct terminal *terminal = data;
	struct metric_set wanted;
	struct timespec next;
	bool started = false;

	clock_gettime(CLOCK_MONOTONIC, &next);
	while (wait_tick(terminal, &next, &wanted)) {
		struct snapshot *snapshot;

		take_inventory(terminal);
		if (started)
			take_watched(terminal);
		if (sampler_sample(terminal->sampler, &wanted, &snapshot) == 0)
			publish(terminal, snapshot);
		/* People see the first sample before the rest is started. */
		if (!started)
			start_rest(terminal);
		started = true;
	}
	return NULL;
}

static struct snapshot *latest(void *data)
{
	struct terminal *terminal = data;
	struct snapshot *snapshot;

	pthread_mutex_lock(&terminal->mutex);
	snapshot = terminal->latest ? snapshot_ref(terminal->latest) : NULL;
	pthread_mutex_unlock(&terminal->mutex);
	return snapshot;
}

static void want_inventory(void *data, unsigned int parts)
{
	struct terminal *terminal = data;

	pthread_mutex_lock(&terminal->mutex);
	terminal->wanted_parts = parts;
	update_keeper(terminal);
	pthread_mutex_unlock(&terminal->mutex);
}

static void want(void *data, const struct metric_set *columns)
{
	struct terminal *terminal = data;

	pthread_mutex_lock(&terminal->mutex);
	if (!metric_set_equal(&terminal->wanted, columns) || !terminal->latest) {
		terminal->wanted = *columns;
		update_keeper(terminal);
		terminal->now = true;
		pthread_cond_signal(&terminal->wake);
	}
	pthread_mutex_unlock(&terminal->mutex);
}

static void set_interval(void *data, uint64_t usec)
{
	struct terminal *terminal = data;

	pthread_mutex_lock(&terminal->mutex);
	terminal->interval_usec = usec;
	terminal->now = !terminal->paused;
	pthread_cond_signal(&terminal->wake);
	pthread_mutex_unlock(&terminal->mutex);
	if (terminal->agent)
		terminal_agent_set_interval(terminal->agent, usec);
}

static void set_paused(void *data, bool paused)
{
	struct terminal *terminal = data;

	pthread_mutex_lock(&terminal->mutex);
	terminal->paused = paused;
	terminal->now = !paused;
	pthread_cond_signal(&terminal->wake);
	pthread_mutex_unlock(&terminal->mutex);
	if (terminal->agent)
		terminal_agent_set_paused(terminal->agent, paused);
}

static int list_processes(void *data, const struct node *node, struct process_list *ret_processes)
{
	struct terminal *terminal = data;

	/* The hierarchies do not change while the sampler lives: both threads may read them. */
	return processes_of_cgroup(terminal->context->root, sampler_hierarchies(terminal->sampler),
				   node, ret_processes);
}

static bool host_memory(void *data, uint64_t *ret_used, uint64_t *ret_total)
{
	struct terminal *terminal = data;
	struct meminfo memory;

	pthread_mutex_lock(&terminal->mutex);
	memory = terminal->memory;
	pthread_mutex_unlock(&terminal->mutex);
	*ret_used = memory.total - memory.available;
	*ret_total = memory.total;
	return memory.total > 0;
}

/* ---- the agent -------------------------------------------------------------------------- */

static void want_policies(void *data, bool wanted)
{
	struct terminal *terminal = data;

	terminal_agent_want(terminal->agent, wanted);
}

static struct policy_report *latest_policies(void *data)
{
	struct terminal *terminal = data;

	if (!terminal->agent)
		return policy_report_ref(terminal->nobody);
	return terminal_agent_latest(terminal->agent);
}

static bool outcome(void *data, bool *ret_failed, char **ret_message)
{
	struct terminal *terminal = data;

	return terminal_agent_outcome(terminal->agent, ret_failed, ret_message);
}

static int order(struct terminal *terminal, const struct node *node, unsigned int seconds,
		 char **ret_message)
{
	int r = terminal_agent_order(terminal->agent, node->path, seconds);

	if (r == -EBUSY)
		*ret_message = strdup("the agent is still at the one before");
	else if (r == -EINVAL)
		*ret_message = strdup("its name has a newline: the agent cannot be asked");
	else if (r < 0)
		*ret_message = strdup(strerror(-r));
	return r < 0 ? r : 1;
}

static int freeze(void *data, const struct node *node, bool frozen, unsigned int lease_seconds,
		  char **ret_message)
{
	struct terminal *terminal = data;
	struct knob_context where = { .root = terminal->context->root,
				      .hierarchies = sampler_hierarchies(terminal->sampler) };
	struct knob_result result = { 0 };
	struct unit_bus *units = NULL;
	int r;

	if (root_is_recorded(terminal->context->root)) {
		*ret_message = strdup("a recorded tree cannot be changed");
		return -EROFS;
	}
	if (terminal->agent && lease_seconds)
		return order(terminal, node, frozen ? lease_seconds : 0, ret_message);
	/* What systemd owns it freezes itself, or it could not stop it any more. */
	r = unit_bus_new(NULL, &units);
	where.units = units;
	if (r == 0)
		r = manual_freeze(&where, node, frozen, &result);
	unit_bus_free(units);
	if (result.text[0])
		*ret_message = strdup(result.text);
	else
		*ret_message = strdup(r < 0 ? strerror(-r) : frozen ? "frozen" : "thawed");
	return r;
}

/* ---- the kernel's word ------------------------------------------------------------------ */

static void want_events(void *data, uint32_t kinds)
{
	struct terminal *terminal = data;

	terminal_events_want(terminal->events, kinds);
}

static bool take_events(void *data, struct tui_events *ret_state, struct kernel_events **ret_events)
{
	struct terminal *terminal = data;

	return terminal_events_take(terminal->events, ret_state, ret_events);
}

static void watch(void *data, const uint64_t *serials, size_t n)
{
	struct terminal *terminal = data;

	pthread_mutex_lock(&terminal->mutex);
	memcpy(terminal->watched, serials, n * sizeof(*serials));
	terminal->n_watched = n;
	terminal->other_watched = true;
	pthread_mutex_unlock(&terminal->mutex);
}

static void no_latency(void *data, char *text, size_t size)
{
	struct terminal *terminal = data;

	pthread_mutex_lock(&terminal->mutex);
	snprintf(text, size, "%s", terminal->no_latency);
	pthread_mutex_unlock(&terminal->mutex);
}

static void describe_modes(const struct hierarchies *hierarchies, char *text, size_t size)
{
	unsigned int n_v1 = 0;

	for (unsigned int h = 0; h < hierarchies->n; h++)
		n_v1 += !hierarchies->list[h].v2;
	if (n_v1 == 0)
		snprintf(text, size, "v2");
	else
		snprintf(text, size, "%s: %u v1%s", hierarchies_v2(hierarchies) ? "hybrid" : "v1",
			 n_v1, hierarchies_v2(hierarchies) ? " + v2" : "");
}

static int run(struct terminal *terminal)
{
	struct tui_source source = { .data = terminal,
				     .event_fd = terminal->event_fd,
				     .latest = latest,
				     .want = want,
				     .want_inventory = want_inventory,
				     .set_interval = set_interval,
				     .set_paused = set_paused,
				     .processes = list_processes,
				     .policies = latest_policies,
				     .host_memory = host_memory,
				     .watch = watch,
				     .no_latency = no_latency,
				     .freeze = freeze };
	char host[256] = "", kernel[300], modes[64];
	struct utsname name;
	struct tui_options options = { .interval_usec = terminal->interval_usec,
				       .hostname = host,
				       .kernel = kernel,
				       .modes = modes };
	const char *no_color = getenv("NO_COLOR");

	if (!terminal->agent)
		terminal->nobody = report_of_no_agent("a recorded tree has no agent");
	if (terminal->agent) {
		source.want_policies = want_policies;
		source.outcome = outcome;
	}
	if (terminal->events) {
		source.want_events = want_events;
		source.events = take_events;
	}
	gethostname(host, sizeof(host) - 1);
	uname(&name);
	snprintf(kernel, sizeof(kernel), "Linux %s", name.release);
	describe_modes(sampler_hierarchies(terminal->sampler), modes, sizeof(modes));
	options.n_cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	options.memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	options.ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	options.no_color = no_color && *no_color;
	return tui_run(&source, &options);
}

static int start(struct terminal *terminal, pthread_t *ret_thread)
{
	pthread_condattr_t attributes;
	int r = 0;

	pthread_mutex_init(&terminal->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&terminal->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	for (const enum metric_id *id = metric_default_columns; *id != M_NONE; id++)
		metric_set_add(&terminal->wanted, *id);
	terminal->now = true;
	/* A recorded tree has neither of both. */
	if (!root_is_recorded(terminal->context->root)) {
		r = terminal_agent_new(terminal->context->state_dir, terminal->event_fd,
				       &terminal->agent);
		if (r == 0)
			r = terminal_events_new(terminal->context->root,
						sampler_hierarchies(terminal->sampler),
						terminal->event_fd, &terminal->events);
	}
	return r < 0 ? r : -pthread_create(ret_thread, NULL, sample_loop, terminal);
}

int verb_terminal(struct context *context, int argc, char **argv)
{
	struct terminal terminal = { .context = context, .interval_usec = DEFAULT_INTERVAL_USEC };
	pthread_t thread;
	int r;

	(void)argc;
	(void)argv;
	/* Programs come after the first sample, unless they were asked for aloud. */
	r = context_sampler(context, &terminal.sampler);
	if (r != 0)
		return r;
	/* A log line would land in the middle of the screen. */
	log_set_level(LOG_LEVEL_ERROR);
	terminal.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = terminal.event_fd < 0 ? -errno : start(&terminal, &thread);
	if (r == 0) {
		r = run(&terminal);
		pthread_mutex_lock(&terminal.mutex);
		terminal.stop = true;
		pthread_cond_signal(&terminal.wake);
		pthread_mutex_unlock(&terminal.mutex);
		pthread_join(thread, NULL);
	}
	terminal_agent_free(terminal.agent);
	terminal_events_free(terminal.events);
	policy_report_unref(terminal.nobody);
	if (terminal.event_fd >= 0)
		close(terminal.event_fd);
	inventory_keeper_free(terminal.keeper);
	bpf_tasks_free(terminal.tasks);
	snapshot_unref(terminal.latest);
	sampler_free(terminal.sampler);
	if (r < 0)
		return context_fail(context, EXIT_FAILED, "%s", strerror(-r));
	return EXIT_GOOD;
}
