// SPDX-License-Identifier: MIT
#include "tui/detail.h"

#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "core/join.h"
#include "core/ns_text.h"
#include "core/overlay_text.h"
#include "core/units.h"
#include "tui/meaning.h"

/* ---- who it is -------------------------------------------------------------------------- */

static void add_container(struct detail *detail, const struct node *node,
			  const struct container *container)
{
	const char *runtime = container ? container->runtime : node->runtime;
	struct strbuf value;

	strbuf_init(&value);
	if (container && container->name) {
		escape_terminal_append(&value, container->name, strlen(container->name));
		strbuf_printf(&value, " (%s%s", runtime ? runtime : "",
			      container->state ? ", " : "");
		if (container->state)
			escape_terminal_append(&value, container->state, strlen(container->state));
		strbuf_add_char(&value, ')');
		detail_take_fact(detail, "Container", &value, ROLE_CONTAINER);
		detail_add_text(detail, "Container id", container->id);
		detail_add_text(detail, "Image", container->image);
	} else if (node->container_id) {
		strbuf_printf(&value, "%s%s", runtime ? runtime : "", runtime ? " " : "");
		escape_terminal_append(&value, node->container_id, strlen(node->container_id));
		detail_take_fact(detail, "Container", &value, ROLE_CONTAINER);
	}
	if (container && container->pod) {
		if (container->pod_namespace) {
			escape_terminal_append(&value, container->pod_namespace,
					       strlen(container->pod_namespace));
			strbuf_add_char(&value, '/');
		}
		escape_terminal_append(&value, container->pod, strlen(container->pod));
		detail_take_fact(detail, "Pod", &value, ROLE_CONTAINER);
	}
	strbuf_done(&value);
}

static void add_processes(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	const uint32_t *processes = NULL;
	struct strbuf value;

	strbuf_init(&value);
	strbuf_printf(&value, "%u here, %u with those below",
		      join_processes(snapshot->join, index, false, &processes),
		      join_processes(snapshot->join, index, true, &processes));
	detail_take_fact(detail, "Processes", &value, ROLE_DEFAULT);
}

void detail_add_owner(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	const struct node *node = snapshot->tree->nodes[index];
	const struct join *join = snapshot->join;
	struct strbuf value;
	uid_t uid;

	add_container(detail, node, join ? join_container(join, index) : NULL);
	if (!join)
		return;
	strbuf_init(&value);
	if (join_user(join, index, &uid)) {
		strbuf_printf(&value, "%s (%u)", users_name(detail->users, uid), uid);
		detail_take_fact(detail, "User", &value, ROLE_DEFAULT);
	}
	strbuf_done(&value);
	detail_add_text(detail, "Host name", join_hostname(join, index));
	if (snapshot_namespaces(snapshot))
		add_processes(detail, snapshot, index);
}

/* ---- where it lives --------------------------------------------------------------------- */

static void add_places(struct detail *detail, const struct namespaces *set,
		       const struct join_ns *places, enum join_place which, const char *word)
{
	struct strbuf value;

	strbuf_init(&value);
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		uint32_t ns = places->ns[type];

		if (places->place[type] != which)
			continue;
		if (which == JOIN_HOST || which == JOIN_UNKNOWN) {
			strbuf_printf(&value, "%s%s", value.length ? ", " : "",
				      ns_type_name((enum ns_type)type));
			continue;
		}
		if (which == JOIN_SEVERAL)
			strbuf_printf(&value, "%u different ones", places->distinct[type]);
		else
			strbuf_add_string(&value, "own");
		if (ns != NS_NONE)
			strbuf_printf(&value, which == JOIN_OWN ? " %llu" : ", the first %llu",
				      (unsigned long long)set->list[ns].inode);
		detail_take_fact(detail, ns_type_name((enum ns_type)type), &value,
				 which == JOIN_OWN ? ROLE_CONTAINER : ROLE_WARN);
	}
	if (value.length > 0)
		detail_take_fact(detail, word, &value, ROLE_ZERO);
	strbuf_done(&value);
}

/* The one nearest to its limit, of all types. */
static void add_tightest(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	const struct ns_limit *tightest = NULL;
	struct strbuf value;
	double ratio;

	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		const struct ns_limit *limit = join_limit(snapshot->join, index,
							  (enum ns_type)type);

		if (limit && limit->limit_known &&
		    (!tightest || ns_limit_ratio(limit) > ns_limit_ratio(tightest)))
			tightest = limit;
	}
	if (!tightest)
		return;
	ratio = ns_limit_ratio(tightest);
	strbuf_init(&value);
	strbuf_printf(&value, "%s: %llu of %llu (", ns_type_name(tightest->type),
		      (unsigned long long)tightest->used, (unsigned long long)tightest->limit);
	format_human(&value, UNIT_RATIO, ratio, false);
	strbuf_printf(&value, ") by %s", users_name(detail->users, tightest->uid));
	detail_take_fact(detail, "Tightest", &value, meaning_of_ratio(ratio));
}

static void add_namespaces(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	const struct namespaces *set = snapshot_namespaces(snapshot);
	struct strbuf value;
	struct join_ns places;

	detail_add_section(detail, "namespaces of its processes");
	if (!set || !snapshot->join) {
		detail_add_fact(detail, "all", "not read yet", ROLE_MISSING);
		return;
	}
	join_namespaces(snapshot->join, index, &places);
	if (places.processes == 0) {
		detail_add_fact(detail, "none", "no process here or below", ROLE_MISSING);
		return;
	}
	add_places(detail, set, &places, JOIN_OWN, "");
	add_places(detail, set, &places, JOIN_SEVERAL, "");
	add_places(detail, set, &places, JOIN_HOST, "the host's");
	add_places(detail, set, &places, JOIN_UNKNOWN, "not known");
	if (places.denied > 0) {
		strbuf_init(&value);
		strbuf_printf(&value, "to look into %u of %u processes", places.denied,
			      places.processes);
		detail_take_fact(detail, "no right", &value, ROLE_DENIED);
	}
	add_tightest(detail, snapshot, index);
}

static void add_written(struct detail *detail, const struct layer_usage *usage)
{
	struct strbuf value;

	strbuf_init(&value);
	if (!layer_has_numbers(usage)) {
		detail_add_fact(detail, "Written", layer_state_name(usage->state), ROLE_MISSING);
		return;
	}
	format_human(&value, UNIT_BYTES, (double)usage->bytes, false);
	strbuf_printf(&value, " in %llu inodes", (unsigned long long)usage->inodes);
	if (usage->growth_known) {
		strbuf_add_string(&value, usage->growth < 0 ? ", -" : ", +");
		format_human(&value, UNIT_BYTES, usage->growth < 0 ? -usage->growth : usage->growth,
			     false);
		strbuf_add_string(&value, "/s");
	}
	detail_take_fact(detail, "Written", &value, ROLE_DEFAULT);
}

static void add_overlay(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	const struct overlay *overlay = NULL;
	struct strbuf value;

	detail_add_section(detail, "overlay");
	if (!snapshot_overlays(snapshot) || !snapshot->join) {
		detail_add_fact(detail, "all", "not read yet", ROLE_MISSING);
		return;
	}
	overlay = join_overlay(snapshot->join, index);
	if (!overlay) {
		detail_add_fact(detail, "none", "no overlay is its root", ROLE_MISSING);
		return;
	}
	strbuf_init(&value);
	detail_add_text(detail, "Mounted at", overlay_mountpoint(overlay));
	strbuf_printf(&value, "%u lower%s", overlay->n_lower,
		      overlay_upper(overlay) ? " and a writable one" : ", read-only");
	detail_take_fact(detail, "Layers", &value, ROLE_DEFAULT);
	if (overlay_upper(overlay)) {
		add_written(detail, &overlay->usage);
		layer_freshness_text(&value, &overlay->usage, snapshot->boottime_ns);
		detail_take_fact(detail, "Measured", &value,
				 overlay->usage.state == LAYER_COMPLETE ? ROLE_DEFAULT : ROLE_WARN);
	}
	overlay_flags_text(&value, overlay->flags);
	if (value.length > 0)
		detail_take_fact(detail, "Flags", &value, ROLE_WARN);
	strbuf_done(&value);
}

void detail_add_join(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	add_namespaces(detail, snapshot, index);
	add_overlay(detail, snapshot, index);
}
