// SPDX-License-Identifier: MIT
/*
 * `cgwatch policy release-all`: puts everything back. The agent is asked; without one the journal
 * says what to do. One that hangs holds the journal's lock: it can be killed (--force), which its
 * watchdog answers by putting everything back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

#include "agent/control_client.h"
#include "agent/verbs/policy.h"
#include "core/cleanup.h"
#include "policies/journal.h"
#include "policies/unit_bus.h"

/* An agent that is well answers a ping at once; the watchdog may have much to put back. */
enum { PING_MS = 5000, LOCK_MS = 5000, WATCHDOG_MS = 60000 };

static int restore(struct context *context, struct journal *journal, bool killed)
{
	struct journal_replay replay = { 0 };
	struct sampler *sampler = NULL;
	struct unit_bus *units = NULL;
	int r = context_sampler(context, &sampler);

	if (r == 0 && unit_bus_new(NULL, &units) < 0)
		r = context_fail(context, EXIT_FAILED, "out of memory");
	if (r == 0) {
		struct knob_context where = { .root = context->root,
					      .hierarchies = sampler_hierarchies(sampler),
					      .units = units };

		r = journal_restore(journal, &where, true, &replay);
		if (killed)
			printf("the watchdog is done; what it left over: ");
		printf("restored %u, unchanged %u, gone %u, conflicts %u, unreadable %u, "
		       "failed %u\n",
		       replay.restored, replay.unchanged, replay.gone + replay.other_boot,
		       replay.conflicts, replay.broken, replay.failed);
		if (r < 0)
			r = context_fail(context, EXIT_FAILED,
					 "release-all: %s: its journal entry stays, try again",
					 strerror(-r));
	}
	unit_bus_free(units);
	sampler_free(sampler);
	return r;
}

/* True if the lock's holder is an agent: its number in the file may be somebody else's by now. */
static bool is_agent(const struct root *root, pid_t pid)
{
	struct strbuf name;
	char path[32];
	bool is;

	strbuf_init(&name);
	snprintf(path, sizeof(path), "%d/comm", (int)pid);
	is = root_read(root, ROOT_PROC, path, &name) == 0 && name.data &&
	     strcmp(name.data, "cgwatchd\n") == 0;
	strbuf_done(&name);
	return is;
}

/* By a descriptor, so that nobody else is hit who got the number meanwhile. */
static int kill_agent(struct context *context, pid_t pid)
{
	_cleanup_(closep) int fd = pid > 0 ? pidfd_open(pid, 0) : -1;

	if (fd < 0 || !is_agent(context->root, pid))
		return context_fail(context, EXIT_FAILED,
				    "release-all: %s: in use by process %d, which is no agent: "
				    "look who it is",
				    context->state_dir, (int)pid);
	if (pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return context_fail(context, EXIT_FAILED, "release-all: process %d: %s", (int)pid,
				    strerror(errno));
	printf("killed the agent (process %d), which did not answer; its watchdog puts everything "
	       "back\n",
	       (int)pid);
	return 0;
}

static int fail_busy(struct context *context, pid_t holder, bool killed)
{
	if (killed)
		return context_fail(context, EXIT_FAILED,
				    "release-all: %s: still in use %d s after the agent was killed "
				    "(process %d): its watchdog is at work or stuck; try again",
				    context->state_dir, WATCHDOG_MS / 1000, (int)holder);
	return context_fail(context, EXIT_FAILED,
			    "release-all: the agent (process %d) holds %s and does not answer: "
			    "'release-all --force' kills it, and its watchdog puts everything back",
			    (int)holder, context->state_dir);
}

/* With `hung` an agent is there for sure: its lock is not waited for. */
static int from_journal(struct context *context, bool hung, bool force)
{
	struct journal *journal = NULL;
	bool killed = false;
	pid_t holder = 0;
	int code, r = journal_open(context->state_dir, hung ? 0 : LOCK_MS, &journal, &holder);

	if (r == -EBUSY && force) {
		code = context_root(context);
		if (code == 0)
			code = kill_agent(context, holder);
		if (code != 0)
			return code;
		killed = true;
		r = journal_open(context->state_dir, WATCHDOG_MS, &journal, &holder);
	}
	if (r == -EBUSY)
		return fail_busy(context, holder, killed);
	if (r < 0)
		return context_fail(context, EXIT_FAILED, "release-all: %s: %s", context->state_dir,
				    r == -EPERM
					    ? "it belongs to somebody else, or others may write it"
					    : strerror(-r));
	code = restore(context, journal, killed);
	journal_free(journal);
	return code;
}

static int ask_agent(struct context *context)
{
	struct strbuf answer;
	int r;

	strbuf_init(&answer);
	r = control_ask(context->state_dir, "release-all", &answer);
	if (r == 0)
		r = context_write(context, &answer);
	else
		r = context_fail(context, EXIT_FAILED, "release-all: %s/control: %s",
				 context->state_dir, strerror(-r));
	strbuf_done(&answer);
	return r;
}

int policy_release_all(struct context *context, int argc, char **argv)
{
	static const struct option options[] = { { "force", no_argument, NULL, 'F' }, { NULL } };
	struct strbuf answer;
	bool force = false;
	int option, r;

	context->argv = argv;
	optind = 0;
	while ((option = getopt_long(argc, argv, ":F", options, NULL)) != -1) {
		if (option != 'F')
			return context_bad_option(context);
		force = true;
	}
	if (optind < argc)
		return context_usage(context, "release-all: %s: takes only --force", argv[optind]);
	strbuf_init(&answer);
	r = control_ask_within(context->state_dir, "ping", PING_MS, &answer);
	strbuf_done(&answer);
	if (r == 0)
		return ask_agent(context);
	if (control_is_absent(r) || r == -ETIMEDOUT)
		return from_journal(context, r == -ETIMEDOUT, force);
	return context_fail(context, EXIT_FAILED, "release-all: %s/control: %s", context->state_dir,
			    strerror(-r));
}
