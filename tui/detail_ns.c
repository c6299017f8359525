// SPDX-License-Identifier: MIT
#include "tui/detail.h"

#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "core/ns_text.h"
#include "core/units.h"
#include "tui/meaning.h"

/* So many cgroups, processes or holders are listed; more are counted. */
#define LISTED 64

static void add_more(struct detail *detail, uint32_t n)
{
	struct strbuf value;

	if (n <= LISTED)
		return;
	strbuf_init(&value);
	strbuf_printf(&value, "and %u more", n - LISTED);
	detail_take_fact(detail, "", &value, ROLE_ZERO);
}

static void add_relation(struct detail *detail, const struct namespaces *set, const char *name,
			 uint32_t ns)
{
	struct strbuf value;

	if (ns == NS_NONE)
		return;
	strbuf_init(&value);
	ns_name_text(&value, &set->list[ns]);
	if (set->list[ns].host)
		strbuf_add_string(&value, ", the host's");
	detail_take_fact(detail, name, &value, ROLE_DEFAULT);
}

static void add_age(struct detail *detail, const struct ns_namespace *ns, uint64_t now_ns)
{
	struct strbuf value;

	if (ns->oldest_ns == 0 || ns->oldest_ns > now_ns)
		return;
	strbuf_init(&value);
	format_age(&value, (double)(now_ns - ns->oldest_ns) / 1e9);
	strbuf_add_string(&value, " or more");
	detail_take_fact(detail, "Age", &value, ROLE_DEFAULT);
}

static void add_identity(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	const struct namespaces *set = snapshot_namespaces(snapshot);
	const struct ns_namespace *ns = &set->list[index];
	const char *state = ns_state_name(ns);
	struct strbuf value;

	strbuf_init(&value);
	ns_name_text(&value, ns);
	if (ns->host)
		strbuf_add_string(&value, ", the host's own");
	detail_take_fact(detail, "Namespace", &value, ROLE_TITLE);
	if (ns->id) {
		strbuf_add_u64(&value, ns->id);
		detail_take_fact(detail, "Id", &value, ROLE_DEFAULT);
	}
	detail_add_fact(detail, "State", state, ns->processes || ns->threads ? ROLE_OK : ROLE_WARN);
	strbuf_printf(&value, "%u, %u threads", ns->processes, ns->threads);
	detail_take_fact(detail, "Processes", &value, ROLE_DEFAULT);
	if (ns->pid > 0) {
		strbuf_printf(&value, "%d ", (int)ns->pid);
		if (ns->command)
			escape_terminal_append(&value, ns->command, strlen(ns->command));
		strbuf_printf(&value, " (%s)", users_name(detail->users, ns->uid));
		detail_take_fact(detail, ns->processes ? "First" : "Holder", &value, ROLE_DEFAULT);
	}
	add_relation(detail, set, "Owner", ns->owner);
	if (ns->owner_known) {
		strbuf_printf(&value, "%s (%u)", users_name(detail->users, ns->owner_uid),
			      ns->owner_uid);
		detail_take_fact(detail, "Owner's user", &value, ROLE_DEFAULT);
	}
	add_relation(detail, set, "Parent", ns->parent);
	add_age(detail, ns, snapshot->boottime_ns);
	strbuf_done(&value);
}

static void add_number(struct detail *detail, const char *name, int64_t number)
{
	struct strbuf value;

	strbuf_init(&value);
	if (number < 0)
		strbuf_add_string(&value, "not known");
	else
		strbuf_add_u64(&value, (uint64_t)number);
	detail_take_fact(detail, name, &value, number < 0 ? ROLE_MISSING : ROLE_DEFAULT);
}

static void add_net(struct detail *detail, const struct ns_namespace *ns)
{
	struct strbuf value;

	strbuf_init(&value);
	if (ns->interfaces)
		detail_add_text(detail, "Interfaces", ns->interfaces);
	else
		add_number(detail, "Interfaces", ns->n_interfaces);
	if (!ns->netnsid_known)
		strbuf_add_string(&value, "not known");
	else if (ns->netnsid < 0)
		strbuf_add_string(&value, "none assigned");
	else
		strbuf_printf(&value, "%d", ns->netnsid);
	detail_take_fact(detail, "Netns id", &value,
			 ns->netnsid_known && ns->netnsid >= 0 ? ROLE_DEFAULT : ROLE_MISSING);
}

static void add_or_unknown(struct detail *detail, const char *name, const char *text)
{
	if (text)
		detail_add_text(detail, name, text);
	else
		detail_add_fact(detail, name, "not known", ROLE_MISSING);
}

static void add_uts(struct detail *detail, const struct ns_namespace *ns)
{
	add_or_unknown(detail, "Host name", ns->nodename);
	add_or_unknown(detail, "Domain name", ns->domainname);
}

static void add_user(struct detail *detail, const struct ns_namespace *ns)
{
	struct strbuf value;

	strbuf_init(&value);
	ns_maps_text(&value, ns->uid_map, ns->n_uid_map);
	detail_take_fact(detail, "Users", &value, ROLE_DEFAULT);
	ns_maps_text(&value, ns->gid_map, ns->n_gid_map);
	detail_take_fact(detail, "Groups", &value, ROLE_DEFAULT);
	detail_add_fact(detail, "setgroups", ns->setgroups_denied ? "denied" : "allowed",
			ROLE_DEFAULT);
	add_number(detail, "Depth", ns->depth);
}

static void add_pid(struct detail *detail, const struct ns_namespace *ns)
{
	add_number(detail, "Init", ns->init > 0 ? ns->init : -1);
	add_number(detail, "Depth", ns->depth);
}

static void add_mnt(struct detail *detail, const struct ns_namespace *ns)
{
	add_number(detail, "Mounts", ns->n_mounts);
	add_or_unknown(detail, "Root", ns->root);
}

static void add_time(struct detail *detail, const struct ns_namespace *ns)
{
	struct strbuf value;

	strbuf_init(&value);
	ns_offsets_text(&value, ns);
	detail_take_fact(detail, "Offsets", &value,
			 ns->offsets_known ? ROLE_DEFAULT : ROLE_MISSING);
}

static void add_holders(struct detail *detail, const struct namespaces *set,
			const struct ns_namespace *ns)
{
	struct strbuf value;

	if (ns->n_holders == 0 && ns->processes > 0)
		return;
	detail_add_section(detail, "held by");
	strbuf_init(&value);
	for (uint32_t i = 0; i < ns->n_holders && i < LISTED; i++) {
		ns_holder_text(&value, &ns->holders[i]);
		detail_take_fact(detail, ns_holder_name(ns->holders[i].kind), &value, ROLE_DEFAULT);
	}
	add_more(detail, ns->n_holders);
	if (ns->n_holders == 0)
		detail_add_fact(detail, "unknown",
				set->holders_searched
					? "nothing was found that holds it"
					: "open files and sockets were not looked at yet",
				ROLE_MISSING);
}

/* Those of a user namespace. */
static void add_limits(struct detail *detail, const struct namespaces *set, uint32_t index)
{
	struct strbuf value;
	bool headed = false;

	strbuf_init(&value);
	for (uint32_t i = 0; i < set->n_limits; i++) {
		const struct ns_limit *limit = &set->limits[i];
		double ratio = ns_limit_ratio(limit);

		if (limit->user_ns != index)
			continue;
		if (!headed)
			detail_add_section(detail, "limits of namespaces made in it");
		headed = true;
		strbuf_printf(&value, "%s%llu", set->n_denied_others > 0 ? "at least " : "",
			      (unsigned long long)limit->used);
		if (limit->limit_known && set->n_denied_others > 0) {
			strbuf_printf(&value, " of %llu", (unsigned long long)limit->limit);
		} else if (limit->limit_known) {
			strbuf_printf(&value, " of %llu (", (unsigned long long)limit->limit);
			format_human(&value, UNIT_RATIO, ratio, false);
			strbuf_add_char(&value, ')');
		} else {
			strbuf_add_string(&value, " of a limit that is not known");
		}
		strbuf_printf(&value, " by %s", users_name(detail->users, limit->uid));
		detail_take_fact(detail, ns_type_name(limit->type), &value,
				 limit->limit_known ? meaning_of_ratio(ratio) : ROLE_MISSING);
	}
	strbuf_done(&value);
}

static void add_cgroups(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	const uint32_t *nodes = NULL;
	struct strbuf value;
	uint32_t n;

	if (!snapshot->join || (n = join_ns_nodes(snapshot->join, index, &nodes)) == 0)
		return;
	detail_add_section(detail, "cgroups in it");
	strbuf_init(&value);
	for (uint32_t i = 0; i < n && i < LISTED; i++) {
		const struct container *container = join_container(snapshot->join, nodes[i]);
		const char *path = snapshot->tree->nodes[nodes[i]]->path;

		if (container && container->name)
			escape_terminal_append(&value, container->name, strlen(container->name));
		if (value.length > 0)
			strbuf_add_string(&value, ": ");
		escape_terminal_append(&value, path, strlen(path));
		detail_take_fact(detail, i == 0 ? "Cgroups" : "", &value,
				 container ? ROLE_CONTAINER : ROLE_DEFAULT);
	}
	add_more(detail, n);
	strbuf_done(&value);
}

static void add_overlays(struct detail *detail, const struct snapshot *snapshot,
			 const struct ns_namespace *ns)
{
	const struct overlays *overlays = snapshot_overlays(snapshot);
	uint32_t n = 0;

	for (uint32_t i = 0; overlays && i < overlays->n; i++) {
		const struct overlay *overlay = &overlays->list[i];

		for (uint32_t m = 0; m < overlay->n_mounts; m++) {
			if (overlay->mounts[m].mount_ns != ns->inode || n++ >= LISTED)
				continue;
			if (n == 1)
				detail_add_section(detail, "overlays mounted in it");
			detail_add_text(detail, n == 1 ? "Overlays" : "",
					overlay->mounts[m].mountpoint);
		}
	}
	add_more(detail, n);
}

static void add_processes(struct detail *detail, const struct snapshot *snapshot,
			  const struct target *target)
{
	const struct namespaces *set = snapshot_namespaces(snapshot);
	_cleanup_(freep) bool *marks = calloc(set->n_processes + 1, sizeof(*marks));
	struct strbuf value;
	uint32_t n = 0;

	if (!marks || target_mark_processes(snapshot, target, marks) == 0)
		return;
	detail_add_section(detail, "processes in it");
	strbuf_init(&value);
	for (uint32_t i = 0; i < set->n_processes; i++) {
		const struct ns_process *process = &set->processes[i];
		char pid[16];

		if (!marks[i] || n++ >= LISTED)
			continue;
		snprintf(pid, sizeof(pid), "%d", (int)process->pid);
		escape_terminal_append(&value, process->comm, strlen(process->comm));
		strbuf_printf(&value, " (%s)", users_name(detail->users, process->uid));
		detail_take_fact(detail, pid, &value, ROLE_DEFAULT);
	}
	add_more(detail, n);
	strbuf_done(&value);
}

void detail_build_namespace(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	static void (*const add[NS_TYPE_COUNT])(struct detail *, const struct ns_namespace *) = {
		[NS_MNT] = add_mnt,   [NS_NET] = add_net, [NS_PID] = add_pid,
		[NS_USER] = add_user, [NS_UTS] = add_uts, [NS_TIME] = add_time,
	};
	const struct namespaces *set = snapshot_namespaces(snapshot);
	const struct ns_namespace *ns = &set->list[index];
	struct target target = target_namespace(ns);

	add_identity(detail, snapshot, index);
	if (add[ns->type])
		add[ns->type](detail, ns);
	add_holders(detail, set, ns);
	add_limits(detail, set, index);
	add_cgroups(detail, snapshot, index);
	if (ns->type == NS_MNT)
		add_overlays(detail, snapshot, ns);
	add_processes(detail, snapshot, &target);
}
