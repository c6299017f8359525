// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/act.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "policies/ownership.h"

/* cgroups.rst, 2.3: a process moves with its threads when its number is written to cgroup.procs. */
enum { PASSES_MAX = 4, TRIES_MAX = 5, RETRY_USEC = 30000, MOVES_MAX = 16384 };

void moved_free(struct moved *moved)
{
	if (!moved)
		return;
	journal_moves_free(moved->list, moved->n);
	node_unref(moved->node);
	free(moved->policy);
	free(moved->target);
	free(moved);
}
DEFINE_CLEANUP(struct moved *, moved_free)

/* Source and target in one hierarchy. */
struct route {
	struct cgroup_act from, to;
};

struct move {
	struct act *act;
	struct route *routes;
	size_t n_routes;
	struct moved *moved;
	size_t room, n_done, n_failed;
	int error; /* of the first that failed */
};

static void move_done(struct move *move)
{
	for (size_t i = 0; i < move->n_routes; i++) {
		cgroup_act_done(&move->routes[i].from);
		cgroup_act_done(&move->routes[i].to);
	}
	free(move->routes);
	moved_free(move->moved);
}

static int open_route(struct move *move, unsigned int index)
{
	struct act *act = move->act;
	const struct knob_context *context = &act->enforcer->context;
	const struct node *node = act->decision->node;
	struct route *route = &move->routes[move->n_routes];
	bool allowed = act_allows_protected(act);
	int r;

	/* In this hierarchy it stays where it is. */
	if (cgroup_act_open(context, index, act->decision->action.target, 0, &route->to) < 0)
		return 0;
	move->n_routes++;
	r = cgroup_act_open(context, index, node->path, node->ids[index], &route->from);
	if (r == 0)
		r = cgroup_act_check(&route->from, false, allowed);
	if (r < 0)
		return act_say(act, r, "%s", route->from.reason);
	r = cgroup_act_check(&route->to, false, allowed);
	return r < 0 ? act_say(act, r, "the target: %s", route->to.reason) : 0;
}

static int open_routes(struct move *move)
{
	const struct node *node = move->act->decision->node;
	int r = 0;

	move->routes = calloc(HIERARCHY_MAX, sizeof(*move->routes));
	if (!move->routes)
		return act_say(move->act, -ENOMEM, "no memory");
	for (unsigned int i = 0; i < node->n_ids && r == 0; i++) {
		if (node->ids[i])
			r = open_route(move, i);
	}
	if (r == 0 && move->n_routes == 0)
		return act_say(move->act, -ENOENT, "there is no cgroup %s to move to",
			       move->act->decision->action.target);
	return r;
}

/* ---- what was where ----------------------------------------------------------------------------
 */

static int add_move(struct move *move, const struct route *route,
		    const struct cgroup_process *process, uint64_t start)
{
	struct moved *moved = move->moved;
	struct journal_move record = { .pid = process->pid,
				       .start = start,
				       .cgroup_id = process->cgroup_id };

	if (moved->n == move->room) {
		size_t room = move->room ? 2 * move->room : 64;
		struct journal_move *grown = room > MOVES_MAX
						     ? NULL
						     : realloc(moved->list, room * sizeof(*grown));

		if (!grown)
			return room > MOVES_MAX ? -E2BIG : -ENOMEM;
		moved->list = grown;
		move->room = room;
	}
	record.hierarchy = strdup(route->from.hierarchy->name);
	record.from = strdup(process->path);
	moved->list[moved->n++] = record;
	return record.hierarchy && record.from ? 0 : -ENOMEM;
}

static int write_entry(struct move *move)
{
	struct moved *moved = move->moved;
	const struct node *node = moved->node;
	struct journal_entry entry = { .seq = moved->seq,
				       .knob = KNOB_COUNT,
				       .hierarchy = move->routes[0].from.hierarchy->name,
				       .cgroup_id = node_id(node),
				       .path = node->path,
				       .holders = moved->policy,
				       .moves = moved->list,
				       .n_moves = moved->n,
				       .target = moved->target };
	int r = journal_put(move->act->enforcer->journal, &entry);

	if (r == 0)
		moved->seq = entry.seq;
	return r;
}

static int new_moved(struct move *move)
{
	const struct decision *decision = move->act->decision;

	move->moved = calloc(1, sizeof(*move->moved));
	if (!move->moved)
		return -ENOMEM;
	move->moved->node = node_ref(decision->node);
	move->moved->policy = strdup(decision->policy);
	move->moved->target = strdup(decision->action.target);
	move->moved->step = decision->step;
	memcpy(move->moved->uuid, move->act->uuid, sizeof(move->moved->uuid));
	return move->moved->policy && move->moved->target ? 0 : -ENOMEM;
}

/* ---- moving ------------------------------------------------------------------------------------
 */

/* EINVAL also while a process is being made; later it may work (runc tries as often). */
static int write_pid(const struct cgroup_act *to, pid_t pid)
{
	char text[32];
	int r = 0;

	snprintf(text, sizeof(text), "%d", (int)pid);
	for (int i = 0; i < TRIES_MAX; i++) {
		r = cgroup_act_write(to, "cgroup.procs", text);
		if (r != -EINVAL && r != -EAGAIN)
			break;
		usleep(RETRY_USEC);
	}
	return r;
}

static void move_process(struct move *move, const struct route *route,
			 const struct cgroup_process *process, uint64_t start)
{
	uint64_t now;
	int r;

	if (process_start_time(route->from.context->root, process->pid, &now) < 0 || now != start ||
	    !cgroup_act_contains(&route->from, process->pid))
		return; /* gone meanwhile, or the number is another's */
	r = write_pid(&route->to, process->pid);
	if (r == 0)
		move->n_done++;
	if (r == 0 || r == -ESRCH)
		return;
	move->n_failed++;
	if (move->error == 0)
		move->error = r;
}

/* One look at one hierarchy. All is on disk before the first of them moves. */
static int move_found(struct move *move, const struct route *route,
		      const struct cgroup_processes *found)
{
	const struct root *root = route->from.context->root;
	_cleanup_(freep) uint64_t *starts = calloc(found->n ? found->n : 1, sizeof(*starts));
	int r = starts ? 0 : -ENOMEM;

	for (size_t i = 0; i < found->n && r == 0; i++) {
		const struct cgroup_process *process = &found->list[i];

		/* The target may lie below: who is there is there already. */
		if (ownership_contains(move->moved->target, process->path) ||
		    !process_is_named(root, process->pid, move->act->decision->action.text) ||
		    process_start_time(root, process->pid, &starts[i]) < 0)
			starts[i] = 0;
		else
			r = add_move(move, route, process, starts[i]);
	}
	if (r == 0 && move->act->decision->action.back && move->moved->n > 0)
		r = write_entry(move);
	for (size_t i = 0; i < found->n && r == 0; i++) {
		if (starts[i])
			move_process(move, route, &found->list[i], starts[i]);
	}
	return r;
}

/* Again for what was forked meanwhile. */
static int move_route(struct move *move, const struct route *route)
{
	int r = 0;

	for (int pass = 0; pass < PASSES_MAX && r == 0; pass++) {
		struct cgroup_processes found = { 0 };
		size_t before = move->n_done;

		r = cgroup_act_processes(&route->from, &found);
		if (r == 0)
			r = move_found(move, route, &found);
		cgroup_processes_done(&found);
		enforce_leases(move->act->enforcer);
		if (move->n_done == before)
			break;
	}
	return r;
}

static void remember(struct move *move)
{
	struct enforcer *enforcer = move->act->enforcer;

	if (!move->act->decision->action.back || move->n_done == 0) {
		if (move->moved->seq)
			journal_remove(enforcer->journal, move->moved->seq);
		return;
	}
	move->moved->next = enforcer->moved;
	enforcer->moved = TAKE_PTR(move->moved);
}

int act_move(struct act *act)
{
	_cleanup_(move_done) struct move move = { .act = act };
	int r;

	if (!act->decision->action.target)
		return act_say(act, -EINVAL, "no target");
	r = open_routes(&move);
	if (r < 0)
		return r;
	act->cgroup_id = node_id(act->decision->node);
	if (act->rehearse)
		return act_say(act, 0, "it would move to %s", act->decision->action.target);
	r = new_moved(&move);
	for (size_t i = 0; i < move.n_routes && r == 0; i++)
		r = move_route(&move, &move.routes[i]);
	act->processes = move.n_routes ? (uint32_t)(move.n_done / move.n_routes) : 0;
	if (r == 0 && move.n_done == 0)
		r = move.error;
	log_info("%s: policy %s: moved to %s: %zu, failed %zu", act->decision->node->path,
		 act->decision->policy, act->decision->action.target, move.n_done, move.n_failed);
	if (move.moved)
		remember(&move);
	if (r < 0)
		return act_say(act, r, "not moved: %s", strerror(-r));
	return act_say(act, 0, "%zu moved (counted in each of %zu hierarchies), %zu refused%s%s",
		       move.n_done, move.n_routes, move.n_failed, move.error ? ": " : "",
		       move.error ? strerror(-move.error) : "");
}

/* ---- and back ----------------------------------------------------------------------------------
 */

static int find_hierarchy(const struct hierarchies *hierarchies, const char *name)
{
	for (unsigned int i = 0; i < hierarchies->n; i++) {
		if (strcmp(hierarchies->list[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

/* Only if it is the same process, and nobody has moved it elsewhere. 1 if it moved. */
static int move_one_back(const struct knob_context *context, const struct journal_move *move,
			 const char *target)
{
	_cleanup_(cgroup_act_done) struct cgroup_act from = { .fd = -1 }, to = { .fd = -1 };
	int index = find_hierarchy(context->hierarchies, move->hierarchy), r;
	uint64_t start;

	if (index < 0 || process_start_time(context->root, move->pid, &start) < 0 ||
	    start != move->start)
		return 0;
	if (cgroup_act_open(context, (unsigned int)index, target, 0, &from) < 0 ||
	    !cgroup_act_contains(&from, move->pid))
		return 0;
	r = cgroup_act_open(context, (unsigned int)index, move->from, move->cgroup_id, &to);
	if (r == 0)
		r = cgroup_act_check(&to, true, true);
	if (r < 0) {
		log_warning("%s: process %d cannot go back: %s", move->from, move->pid, to.reason);
		return r == -ENOENT || r == -ESTALE ? 0 : r;
	}
	r = write_pid(&to, move->pid);
	return r == 0 ? 1 : r == -ESRCH ? 0 : r;
}

int act_move_list_back(const struct knob_context *context, const struct journal_move *list,
		       size_t n, const char *target, uint32_t *ret_moved)
{
	int error = 0;

	*ret_moved = 0;
	for (size_t i = 0; i < n; i++) {
		int r = move_one_back(context, &list[i], target);

		*ret_moved += r > 0;
		if (r < 0 && error == 0)
			error = r;
	}
	return error;
}

/* Takes it out of the list; what failed is left to the journal, for the next start. */
static int undo(struct enforcer *enforcer, struct moved **place, uint32_t *ret_moved)
{
	_cleanup_(moved_freep) struct moved *moved = *place;
	int r = act_move_list_back(&enforcer->context, moved->list, moved->n, moved->target,
				   ret_moved);

	*place = moved->next;
	if (r == 0 && moved->seq)
		journal_remove(enforcer->journal, moved->seq);
	log_info("%s: policy %s: %u moved back from %s", moved->node->path, moved->policy,
		 *ret_moved, moved->target);
	return r;
}

bool act_move_back(struct act *act, int *ret_error)
{
	const struct decision *decision = act->decision;
	struct moved **place = &act->enforcer->moved;

	if (decision->action.id != ACTION_MOVE)
		return false;
	while (*place && ((*place)->node->serial != decision->node->serial ||
			  (*place)->step != decision->step ||
			  strcmp((*place)->policy, decision->policy) != 0))
		place = &(*place)->next;
	if (!*place)
		return false;
	memcpy(act->uuid, (*place)->uuid, sizeof(act->uuid));
	*ret_error = undo(act->enforcer, place, &act->processes);
	act_say(act, *ret_error, "%u moved back%s%s", act->processes,
		*ret_error < 0 ? "; others could not be: " : "",
		*ret_error < 0 ? strerror(-*ret_error) : "");
	return true;
}

int act_move_back_all(struct enforcer *enforcer)
{
	int error = 0;

	while (enforcer->moved) {
		uint32_t moved;
		int r = undo(enforcer, &enforcer->moved, &moved);

		if (r < 0 && error == 0)
			error = r;
	}
	return error;
}
