/* SPDX-License-Identifier: MIT */
#pragma once

#include <time.h>

#include "agent/backend.h"
#include "collectors/processes.h"
#include "collectors/sampler.h"

/* Exit codes: a contract (see cgwatch(1)). */
enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_HOST = 77 };

/* What every verb of `cgwatch` gets: the options before the verb. */
struct context {
	const char *verb;   /* for messages */
	char **argv;	    /* of the verb, for messages */
	const char *prefix; /* --root, or NULL */
	const char *state_dir;
	struct root *root; /* opened by context_root() */
	unsigned int max_fds;
	enum backend backend;
	bool goes_on; /* set by verbs that sample again and again: programs are worth loading */
};

/* A verb: parses its own arguments, returns an exit code. */
struct verb {
	const char *name, *usage, *summary;
	int (*run)(struct context *context, int argc, char **argv);
};

/* "cgwatch: VERB: …" on stderr; returns `code`, so that it can be returned at once. */
int context_fail(const struct context *context, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a call that cannot be understood; EXIT_USAGE. */
int context_usage(const struct context *context, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* For what getopt_long() returns on an option it does not take; EXIT_USAGE. */
int context_bad_option(const struct context *context);
/* Opens the root. 0, or an exit code after saying why. */
int context_root(struct context *context);
/* Makes a sampler (and the root). 0, or an exit code after saying why. */
int context_sampler(struct context *context, struct sampler **ret_sampler);
/*
 * Takes the columns, with a second sample `interval_usec` later if one of them is a rate or built
 * on one. 0, or an exit code after saying why.
 */
int context_sample(struct context *context, struct sampler *sampler,
		   const struct metric_set *columns, uint64_t interval_usec,
		   struct snapshot **ret_snapshot);
/*
 * Index of the cgroup of that path (with or without a trailing '/'), or else of the container of
 * that name or beginning of its id; or NODE_NONE and an exit code in *ret_code, after saying why.
 */
uint32_t context_find(struct context *context, const struct snapshot *snapshot, const char *path,
		      int *ret_code);
/* Writes `text` to stdout. 0, or EXIT_FAILED if nobody reads it. */
int context_write(struct context *context, const struct strbuf *text);
