// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/act.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "policies/knob_private.h"

/*
 * cgroup-v2.rst, cgroup.kill (Linux 5.14). Elsewhere: freeze, so that nothing forks away; SIGKILL
 * through pidfds; thaw in any case, as a frozen process does not die (cgroup v1); wait until all
 * have gone, which takes longer than the signal.
 */
struct kill {
	struct act *act;
	struct cgroup_act *where; /* the cgroup in each hierarchy that has it */
	size_t n;
	pid_t *killed; /* those that got the signal */
	size_t n_killed, room;
};

static void close_all(struct kill *kill)
{
	for (size_t i = 0; i < kill->n; i++)
		cgroup_act_done(&kill->where[i]);
	free(kill->where);
	free(kill->killed);
}

static int open_all(struct kill *kill)
{
	struct act *act = kill->act;
	const struct knob_context *context = &act->enforcer->context;
	const struct node *node = act->decision->node;
	int r = 0;

	kill->where = calloc(HIERARCHY_MAX, sizeof(*kill->where));
	if (!kill->where)
		return act_say(act, -ENOMEM, "no memory");
	for (unsigned int i = 0; i < context->hierarchies->n && r == 0; i++) {
		struct cgroup_act *where = &kill->where[kill->n];

		if (i >= node->n_ids || !node->ids[i])
			continue;
		kill->n++;
		act->cgroup_id = act->cgroup_id ? act->cgroup_id : node->ids[i];
		r = cgroup_act_open(context, i, node->path, node->ids[i], where);
		if (r == 0)
			r = cgroup_act_check(where, false, act_allows_protected(act));
		if (r < 0)
			act_say(act, r, "%s", where->reason);
	}
	return r == 0 && kill->n == 0 ? act_say(act, -ENOENT, "the cgroup is gone") : r;
}

static bool is_ours(const struct kill *kill, pid_t pid)
{
	return pid == getpid() || pid == 1 || pid == kill->act->enforcer->context.watchdog;
}

static int note_killed(struct kill *kill, pid_t pid)
{
	for (size_t i = 0; i < kill->n_killed; i++) {
		if (kill->killed[i] == pid)
			return 0;
	}
	if (kill->n_killed == kill->room) {
		size_t room = kill->room ? 2 * kill->room : 64;
		pid_t *grown = realloc(kill->killed, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		kill->killed = grown;
		kill->room = room;
	}
	kill->killed[kill->n_killed++] = pid;
	return 1;
}

/* The descriptor stands for one process: if that is still in the cgroup, it is the one meant. */
static int kill_process(struct kill *kill, const struct cgroup_act *where, pid_t pid)
{
	_cleanup_(closep) int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return errno == ESRCH || errno == EINVAL ? 0 : -errno; /* EINVAL: of the kernel */
	if (!cgroup_act_contains(where, pid) ||
	    !process_is_named(where->context->root, pid, kill->act->decision->action.text))
		return 0;
	if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0)
		return errno == ESRCH ? 0 : -errno;
	return note_killed(kill, pid);
}

struct pass {
	size_t present; /* processes meant that are there */
	size_t fresh;	/* of these, killed for the first time */
	int error;
};

static struct pass kill_pass(struct kill *kill, bool count_only)
{
	const char *glob = kill->act->decision->action.text;
	struct pass pass = { 0 };

	for (size_t i = 0; i < kill->n; i++) {
		struct cgroup_processes found = { 0 };
		int r = cgroup_act_processes(&kill->where[i], &found);

		for (size_t j = 0; j < found.n && r >= 0; j++) {
			pid_t pid = found.list[j].pid;

			if (is_ours(kill, pid) ||
			    !process_is_named(kill->where[i].context->root, pid, glob))
				continue;
			pass.present++;
			r = count_only ? 0 : kill_process(kill, &kill->where[i], pid);
			pass.fresh += r > 0;
		}
		if (r < 0)
			pass.error = r;
		cgroup_processes_done(&found);
	}
	return pass;
}

/* Only where the v2 tree is all there is: else some may be in a hierarchy of v1 alone. */
static bool kill_at_once(struct kill *kill)
{
	const struct cgroup_act *where = &kill->where[0];
	struct cgroup_processes found = { 0 };
	bool done;

	if (kill->n != 1 || !where->hierarchy->v2 || kill->act->decision->action.text)
		return false;
	cgroup_act_processes(where, &found);
	done = cgroup_act_write(where, "cgroup.kill", "1") == 0;
	for (size_t i = 0; i < found.n && done; i++)
		note_killed(kill, found.list[i].pid);
	cgroup_processes_done(&found);
	return done;
}

/*
 * A policy that froze first and kills now must not leave the killed asleep. What it holds frozen is
 * given back; who else froze it froze what is dead now, unless only some were killed.
 */
static void let_them_die(struct kill *kill)
{
	struct act *act = kill->act;
	const struct knob_value frozen = { .number = 1 };
	struct knob_request request = { .knob = KNOB_FREEZE,
					.node = act->decision->node,
					.restore = true };
	struct knob_result result;
	struct hold *hold;

	while ((hold = hold_find(act->enforcer, act->decision->node, KNOB_FREEZE, &frozen)) &&
	       hold->n_holders > 0)
		enforce_release_holder(act->enforcer, hold, &hold->holders[0],
				       "thawed, so that the killed can end", false);
	if (!act->decision->action.text)
		knob_write(&act->enforcer->context, &request, &result);
}

static int wait_until_gone(struct kill *kill, uint64_t deadline)
{
	struct pass pass;
	useconds_t pause = 1000;

	for (;;) {
		/* Also kills what was forked meanwhile. */
		pass = kill_pass(kill, false);
		if (pass.present == 0 && pass.error == 0)
			return 0;
		if (knob_clock_ms() >= deadline)
			break;
		/* Others' freezes end meanwhile. */
		enforce_leases(kill->act->enforcer);
		usleep(pause);
		pause = pause < 20000 ? 2 * pause : pause;
	}
	if (pass.error < 0)
		return act_say(kill->act, pass.error, "%zu killed; others could not be: %s",
			       kill->n_killed, strerror(-pass.error));
	return act_say(kill->act, -ETIMEDOUT, "%zu killed, %zu of them not gone in time",
		       kill->n_killed, pass.present);
}

static int kill_all(struct kill *kill)
{
	const struct knob_value frozen = { .number = 1 }, unlimited = { .number = KNOB_UNLIMITED };
	uint64_t deadline = act_deadline_ms(kill->act);
	struct act_moment freeze = { 0 }, high = { 0 };
	struct pass pass;
	int r;

	/* A task throttled by memory.high may be stuck even for SIGKILL (before Linux 6.8). */
	act_moment_begin(kill->act, KNOB_MEMORY_HIGH, &unlimited, &high);
	if (!kill_at_once(kill)) {
		/* Where it cannot be frozen the loop has to be faster than what forks. */
		act_moment_begin(kill->act, KNOB_FREEZE, &frozen, &freeze);
		do
			pass = kill_pass(kill, false);
		while (pass.fresh > 0 && knob_clock_ms() < deadline);
		act_moment_end(&freeze);
	}
	let_them_die(kill);
	r = wait_until_gone(kill, deadline);
	act_moment_end(&high);
	return r;
}

static bool is_permitted(const struct decision *decision)
{
	return decision->set && policy_set_global(decision->set)->allow_kill;
}

static int run(struct kill *kill)
{
	struct act *act = kill->act;
	size_t present;
	int r = open_all(kill);

	if (r < 0)
		return r;
	present = kill_pass(kill, true).present;
	if (act->rehearse) {
		/* The same process is seen in each hierarchy that has the cgroup. */
		return act_say(act, 0, "it would kill %s",
			       present ? "all processes that match"
				       : "nothing: no process matches");
	}
	if (present == 0)
		return act_say(act, 0, "no process to kill");
	r = kill_all(kill);
	act->processes = (uint32_t)kill->n_killed;
	log_warning("%s: policy %s: killed %zu process%s%s%s", act->decision->node->path,
		    act->decision->policy, kill->n_killed, kill->n_killed == 1 ? "" : "es",
		    r < 0 ? ": " : "", r < 0 ? act->text : "");
	return r < 0 ? r
		     : act_say(act, 0, "%zu process%s killed and gone", kill->n_killed,
			       kill->n_killed == 1 ? "" : "es");
}

int act_kill(struct act *act)
{
	_cleanup_(close_all) struct kill kill = { .act = act };

	/* The check at load says so too; what cannot be undone is looked at twice. */
	if (!is_permitted(act->decision))
		return act_say(act, -EPERM, "refused: a kill needs allow_kill = yes in [global]");
	return run(&kill);
}
