// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/verbs/verbs.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/output.h"
#include "collectors/bpf_events.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/escape.h"
#include "core/glob.h"
#include "core/units.h"

enum {
	TREE_NS_S = 10, /* how often the tree is taken anew */
	NS_PER_USEC = 1000,
};

struct options {
	const char *glob;
	uint32_t kinds;
	bool json;
	uint64_t count, duration_usec; /* 0: without end */
};

struct run {
	struct context *context;
	struct options options;
	struct sampler *sampler;
	struct bpf_events *events;
	uint64_t printed, lost, tree_at, end;
	int signals;
};

static int parse_kinds(struct context *context, const char *text, uint32_t *ret_kinds)
{
	struct strbuf names;
	int r = kernel_events_parse_kinds(text, ret_kinds);

	if (r == 0)
		return 0;
	strbuf_init(&names);
	for (int kind = 0; kind < KERNEL_EVENT_KIND_COUNT; kind++)
		strbuf_printf(&names, "%s%s", kind > 0 ? ", " : "",
			      kernel_event_name((enum kernel_event_kind)kind));
	r = context_usage(context, "--kind: %s: there are %s", text,
			  names.data ? names.data : "none");
	strbuf_done(&names);
	return r;
}

static int parse_option(struct context *context, int option, struct options *options)
{
	if (option == 'k')
		return parse_kinds(context, optarg, &options->kinds);
	if (option == 'j') {
		options->json = true;
		return 0;
	}
	if (option == 'n') {
		if (parse_u64(optarg, &options->count) == 0 && options->count > 0)
			return 0;
		return context_usage(context, "--count: %s: not a number from 1 on", optarg);
	}
	if (option == 'd') {
		if (parse_duration(optarg, &options->duration_usec) == 0 &&
		    options->duration_usec > 0)
			return 0;
		return context_usage(
			context, "--duration: %s: give a time with its unit, as in 10s", optarg);
	}
	return context_bad_option(context);
}

static int parse_options(struct context *context, int argc, char **argv, struct options *options)
{
	static const struct option table[] = {
		{ "kind", required_argument, NULL, 'k' },
		{ "json", no_argument, NULL, 'j' },
		{ "count", required_argument, NULL, 'n' },
		{ "duration", required_argument, NULL, 'd' },
		{ NULL },
	};
	const char *reason;
	int option, r = 0;

	options->kinds = KERNEL_EVENT_BIT(KERNEL_EVENT_KIND_COUNT) - 1;
	while (r == 0 && (option = getopt_long(argc, argv, ":k:n:", table, NULL)) != -1)
		r = parse_option(context, option, options);
	if (r == 0 && optind < argc) {
		options->glob = argv[optind++];
		if (glob_check(options->glob, &reason) < 0)
			return context_usage(context, "%s: not a cgroup glob: %s", options->glob,
					     reason);
	}
	if (r == 0 && optind < argc)
		return context_usage(context, "%s: one glob is enough", argv[optind]);
	return r;
}

/* Each kind that was asked for and cannot be told. */
static void say_missing(const struct run *run, uint32_t missing)
{
	for (int kind = 0; kind < KERNEL_EVENT_KIND_COUNT; kind++) {
		const char *reason;

		if (!(missing & KERNEL_EVENT_BIT(kind)))
			continue;
		reason = bpf_events_reason(run->events, (enum kernel_event_kind)kind);
		fprintf(stderr, "cgwatch: events: %s cannot be told here: %s\n",
			kernel_event_name((enum kernel_event_kind)kind),
			reason ? reason : "no program of it runs");
	}
}

/* The tree after the programs run: what comes later is told by them. */
static int take_tree(struct run *run)
{
	struct metric_set none = { 0 };
	struct snapshot *snapshot;
	int r = sampler_sample(run->sampler, &none, &snapshot);

	run->tree_at = clock_ns(CLOCK_BOOTTIME);
	if (r < 0)
		return r;
	bpf_events_set_tree(run->events, snapshot->tree);
	snapshot_unref(snapshot);
	return 0;
}

static bool selected(const struct run *run, const struct kernel_event *event)
{
	const char *glob = run->options.glob;

	return !glob || (event->path && glob_match(glob, event->path)) ||
	       (event->victim_path && glob_match(glob, event->victim_path)) ||
	       (event->kind == KERNEL_EVENT_ATTACHED && event->text &&
		glob_match(glob, event->text));
}

/* Time, kind, cgroup, what happened. */
static void add_line(const struct kernel_event *event, struct strbuf *out)
{
	time_t seconds = (time_t)(event->realtime_ns / 1000000000);
	struct tm tm;
	char text[16] = "";

	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%H:%M:%S", &tm);
	strbuf_printf(out, "%s.%03u ", text, (unsigned int)(event->realtime_ns / 1000000 % 1000));
	output_pad(out, kernel_event_name(event->kind), 12, false);
	strbuf_add_char(out, ' ');
	if (event->path)
		escape_terminal_append(out, event->path, strlen(event->path));
	else
		strbuf_printf(out, "(cgroup %llu)", (unsigned long long)event->cgroup);
	/* On v1 the same happens in several hierarchies. */
	if (event->hierarchy && strcmp(event->hierarchy, "unified") != 0) {
		strbuf_add_string(out, " [");
		escape_terminal_append(out, event->hierarchy, strlen(event->hierarchy));
		strbuf_add_char(out, ']');
	}
	strbuf_add_string(out, "  ");
	kernel_event_describe(event, out);
	strbuf_add_char(out, '\n');
}

static bool enough(const struct run *run)
{
	return run->options.count && run->printed >= run->options.count;
}

static int print(struct run *run)
{
	struct kernel_events *events;
	struct strbuf out;
	int r = bpf_events_read(run->events, &events);

	if (r < 0)
		return context_fail(run->context, EXIT_FAILED, "%s", strerror(-r));
	strbuf_init(&out);
	for (size_t i = 0; i < events->n && !enough(run); i++) {
		if (!selected(run, &events->list[i]))
			continue;
		if (run->options.json)
			kernel_event_json(&events->list[i], &out);
		else
			add_line(&events->list[i], &out);
		run->printed++;
	}
	if (events->lost > run->lost)
		fprintf(stderr,
			"cgwatch: events: %llu lost: they came faster than they were read\n",
			(unsigned long long)(events->lost - run->lost));
	run->lost = events->lost;
	kernel_events_unref(events);
	r = out.length ? context_write(run->context, &out) : 0;
	strbuf_done(&out);
	return r;
}

/* Until the next thing: -1 without end. */
static int timeout_ms(const struct run *run)
{
	uint64_t now = clock_ns(CLOCK_BOOTTIME), left;

	if (!run->end)
		return -1;
	left = run->end <= now ? 0 : (run->end - now) / 1000000 + 1;
	return left < INT_MAX ? (int)left : INT_MAX;
}

static int follow(struct run *run)
{
	struct pollfd fds[] = {
		{ .fd = bpf_events_fd(run->events), .events = POLLIN },
		{ .fd = run->signals, .events = POLLIN },
	};
	int r = 0;

	while (r == 0 && !enough(run)) {
		int n = poll(fds, 2, timeout_ms(run));

		if (n < 0 && errno != EINTR)
			return context_fail(run->context, EXIT_FAILED, "%s", strerror(errno));
		if (n > 0 && fds[1].revents)
			return print(run);
		if (n > 0 && fds[0].revents)
			r = print(run);
		if (clock_ns(CLOCK_BOOTTIME) - run->tree_at > TREE_NS_S * UINT64_C(1000000000))
			take_tree(run);
		if (run->end && timeout_ms(run) == 0)
			return r ? r : print(run);
	}
	return r;
}

static int start(struct run *run)
{
	char reason[BPF_REASON_SIZE] = "";
	uint32_t told;
	sigset_t set;
	int r;

	r = bpf_events_new(run->context->root, sampler_hierarchies(run->sampler), &run->events,
			   reason, sizeof(reason));
	if (r < 0)
		return context_fail(run->context, EXIT_HOST, "no events from the kernel: %s",
				    reason);
	told = bpf_events_want(run->events, run->options.kinds);
	if (told != run->options.kinds)
		say_missing(run, run->options.kinds & ~told);
	if (!told)
		return context_fail(run->context, EXIT_HOST,
				    "none of these kinds can be told here");
	r = take_tree(run);
	if (r < 0)
		return context_fail(run->context, EXIT_FAILED, "%s", strerror(-r));
	/* So that what was lost is said at the end, also if that is Ctrl-C. */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	run->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (run->options.duration_usec)
		run->end = clock_ns(CLOCK_BOOTTIME) + run->options.duration_usec * NS_PER_USEC;
	return 0;
}

int verb_events(struct context *context, int argc, char **argv)
{
	struct run run = { .context = context, .signals = -1 };
	int r = parse_options(context, argc, argv, &run.options);

	if (r == 0)
		r = context_sampler(context, &run.sampler);
	if (r == 0)
		r = start(&run);
	if (r == 0)
		r = follow(&run);
	bpf_events_free(run.events);
	sampler_free(run.sampler);
	closep(&run.signals);
	return r;
}
