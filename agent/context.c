// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/context.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/container_find.h"
#include "core/cleanup.h"
#include "core/escape.h"

__attribute__((format(printf, 2, 0))) static void say(const struct context *context,
						      const char *format, va_list arguments)
{
	char raw[2048], safe[4200];

	vsnprintf(raw, sizeof(raw), format, arguments);
	escape_terminal(raw, strlen(raw), safe, sizeof(safe));
	if (context->verb)
		fprintf(stderr, "cgwatch: %s: %s\n", context->verb, safe);
	else
		fprintf(stderr, "cgwatch: %s\n", safe);
}

int context_fail(const struct context *context, int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(context, format, arguments);
	va_end(arguments);
	return code;
}

int context_usage(const struct context *context, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(context, format, arguments);
	va_end(arguments);
	return EXIT_USAGE;
}

/* Options of cgwatch itself are easily written behind the verb. */
static bool is_before_verb(const char *word)
{
	static const char *const options[] = { "--root", "--state", "--max-fds", "--backend" };

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		size_t length = strlen(options[i]);

		if (strncmp(word, options[i], length) == 0 &&
		    (word[length] == '\0' || word[length] == '='))
			return true;
	}
	return false;
}

int context_bad_option(const struct context *context)
{
	const char *word = context->argv[optind - 1];

	if (is_before_verb(word))
		return context_usage(context, "%s: this option stands before the verb", word);

	/* Inside a cluster of short options getopt has not moved on yet. */
	if (word[0] != '-' && optopt)
		return context_usage(context, "-%c: no such option, or its value is missing",
				     optopt);
	return context_usage(context, "%s: no such option, or its value is missing", word);
}

int context_root(struct context *context)
{
	int r;

	if (context->root)
		return 0;
	r = root_new(context->prefix, &context->root);
	if (r < 0)
		return context_fail(context, context->prefix ? EXIT_FAILED : EXIT_HOST,
				    "%s: cannot be used as a root: %s",
				    context->prefix ? context->prefix : "/proc", strerror(-r));
	return 0;
}

int context_sampler(struct context *context, struct sampler **ret_sampler)
{
	enum backend backend = context->backend != BACKEND_UNSET ? context->backend
			       : context->goes_on		 ? BACKEND_AUTO
								 : BACKEND_FILES;
	struct sampler_options options = { .max_fds = context->max_fds,
					   .bpf = backend != BACKEND_FILES,
					   .no_bpf = context->backend == BACKEND_FILES };
	const char *reason;
	int r = context_root(context);

	if (r != 0)
		return r;
	r = sampler_new(context->root, &options, ret_sampler);
	if (r == -ENOENT)
		return context_fail(context, EXIT_HOST,
				    "cgroups: no cgroup filesystem is mounted: mount one, as with "
				    "'mount -t cgroup2 none /sys/fs/cgroup'");
	if (r < 0)
		return context_fail(context, EXIT_FAILED, "cgroups: %s", strerror(-r));
	if (backend == BACKEND_BPF && !sampler_bpf(*ret_sampler, &reason))
		context_fail(context, EXIT_GOOD, "--backend bpf: %s: files are read instead",
			     reason);
	return 0;
}

static bool needs_two(const struct metric_set *columns)
{
	struct metric_set closed = *columns;

	metric_set_close(&closed);
	for (int id = M_RATE_BASE + 1; id < COLUMN_COUNT; id++) {
		if (metric_set_has(&closed, (enum metric_id)id))
			return true;
	}
	/* What is counted since it is watched takes some time of it. */
	return metric_set_watched(&closed) != 0;
}

int context_sample(struct context *context, struct sampler *sampler,
		   const struct metric_set *columns, uint64_t interval_usec,
		   struct snapshot **ret_snapshot)
{
	int r = sampler_sample(sampler, columns, ret_snapshot);

	if (r == 0 && needs_two(columns) && !root_is_recorded(context->root)) {
		struct timespec pause = { (time_t)(interval_usec / 1000000),
					  (long)(interval_usec % 1000000) * 1000 };

		snapshot_unref(*ret_snapshot);
		while (clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, &pause) == EINTR)
			continue;
		r = sampler_sample(sampler, columns, ret_snapshot);
	}
	if (r < 0)
		return context_fail(context, EXIT_FAILED, "sampling: %s", strerror(-r));
	return 0;
}

uint32_t context_find(struct context *context, const struct snapshot *snapshot, const char *path,
		      int *ret_code)
{
	_cleanup_(freep) char *wanted = NULL;
	size_t length = strlen(path);
	uint32_t index;
	int r;

	while (length > 1 && path[length - 1] == '/')
		length--;
	if (asprintf(&wanted, "%s%.*s", *path == '/' ? "" : "/", (int)length, path) < 0) {
		wanted = NULL;
		*ret_code = context_fail(context, EXIT_FAILED, "out of memory");
		return NODE_NONE;
	}
	index = tree_find(snapshot->tree, wanted);
	if (index != NODE_NONE)
		return index;
	r = *path && !strchr(path, '/')
		    ? container_find(context->root, snapshot->tree, path, &index)
		    : -ENOENT;
	if (r == -ENOTUNIQ)
		*ret_code = context_fail(context, EXIT_FAILED,
					 "%s: several containers are called or begin like that",
					 path);
	else if (r < 0)
		*ret_code = context_fail(context, EXIT_FAILED,
					 "%s: no such cgroup%s; 'cgwatch ls' shows all",
					 strchr(path, '/') ? wanted : path,
					 strchr(path, '/') ? "" : " or container");
	return r < 0 ? NODE_NONE : index;
}

int context_write(struct context *context, const struct strbuf *text)
{
	size_t done = 0;

	if (text->failed)
		return context_fail(context, EXIT_FAILED, "out of memory");
	while (done < text->length) {
		ssize_t n = write(STDOUT_FILENO, text->data + done, text->length - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EPIPE ? EXIT_FAILED
					      : context_fail(context, EXIT_FAILED, "output: %s",
							     strerror(errno));
		done += (size_t)n;
	}
	return 0;
}
