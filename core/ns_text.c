// SPDX-License-Identifier: MIT
#include "core/ns_text.h"

#include <inttypes.h>
#include <string.h>

#include "core/escape.h"
#include "core/units.h"

static void add_process(struct strbuf *text, const struct ns_holder *holder)
{
	strbuf_add_string(text, " of ");
	if (holder->comm) {
		escape_terminal_append(text, holder->comm, strlen(holder->comm));
		strbuf_printf(text, " (%d)", (int)holder->pid);
	} else {
		strbuf_printf(text, "process %d", (int)holder->pid);
	}
}

static void add_thread(struct strbuf *text, const struct ns_holder *holder)
{
	strbuf_printf(text, "thread %d", (int)holder->tid);
	add_process(text, holder);
}

static void add_children(struct strbuf *text, const struct ns_holder *holder)
{
	strbuf_add_string(text, "for future children");
	add_process(text, holder);
}

static void add_fd(struct strbuf *text, const struct ns_holder *holder)
{
	strbuf_printf(text, "fd %d", holder->fd);
	add_process(text, holder);
}

static void add_socket(struct strbuf *text, const struct ns_holder *holder)
{
	strbuf_printf(text, "socket %" PRIu64 ", fd %d", holder->inode, holder->fd);
	add_process(text, holder);
}

static void add_mount(struct strbuf *text, const struct ns_holder *holder)
{
	const char *path = holder->path ? holder->path : "?";

	strbuf_add_string(text, "mounted at ");
	escape_terminal_append(text, path, strlen(path));
	strbuf_printf(text, " in mnt %" PRIu64, holder->mount_ns);
}

static void add_child(struct strbuf *text, const struct ns_holder *holder)
{
	strbuf_printf(text, "child %s %" PRIu64, ns_type_name(holder->child_type), holder->inode);
}

static void add_unknown(struct strbuf *text, const struct ns_holder *holder)
{
	(void)holder;
	strbuf_add_string(text, "nothing that could be found");
}

void ns_holder_text(struct strbuf *text, const struct ns_holder *holder)
{
	static void (*const add[NS_HOLDER_KIND_COUNT])(struct strbuf *,
						       const struct ns_holder *) = {
		[NS_HELD_THREAD] = add_thread,	 [NS_HELD_CHILDREN] = add_children,
		[NS_HELD_FD] = add_fd,		 [NS_HELD_SOCKET] = add_socket,
		[NS_HELD_MOUNT] = add_mount,	 [NS_HELD_CHILD] = add_child,
		[NS_HELD_UNKNOWN] = add_unknown,
	};

	if (add[holder->kind])
		add[holder->kind](text, holder);
	else
		strbuf_printf(text, "process %d", (int)holder->pid);
}

static void add_range(struct strbuf *text, uint32_t first, uint32_t count)
{
	strbuf_add_u64(text, first);
	if (count > 1)
		strbuf_printf(text, "-%" PRIu64, (uint64_t)first + count - 1);
}

void ns_maps_text(struct strbuf *text, const struct ns_map *maps, uint32_t n)
{
	if (n == 0)
		strbuf_add_string(text, "none set");
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0)
			strbuf_add_string(text, ", ");
		add_range(text, maps[i].inside, maps[i].count);
		strbuf_add_string(text, " is ");
		add_range(text, maps[i].outside, maps[i].count);
		strbuf_add_string(text, " outside");
	}
}

static void add_offset(struct strbuf *text, const char *clock, int64_t offset_ns)
{
	double seconds = (double)offset_ns / 1e9;

	strbuf_printf(text, "%s %s", clock, offset_ns < 0 ? "-" : offset_ns > 0 ? "+" : "");
	format_human(text, UNIT_USEC, seconds < 0 ? -seconds : seconds, false);
}

void ns_offsets_text(struct strbuf *text, const struct ns_namespace *ns)
{
	if (!ns->offsets_known) {
		strbuf_add_string(text, "not known");
		return;
	}
	add_offset(text, "monotonic", ns->monotonic_ns);
	add_offset(text, ", boot", ns->boottime_ns);
}

void ns_name_text(struct strbuf *text, const struct ns_namespace *ns)
{
	strbuf_printf(text, "%s %" PRIu64, ns_type_name(ns->type), ns->inode);
}
