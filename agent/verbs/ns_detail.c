// SPDX-License-Identifier: MIT
#include <string.h>
#include <sys/sysmacros.h>

#include "agent/output.h"
#include "agent/verbs/ns_view.h"
#include "core/cleanup.h"
#include "core/escape.h"

/* In words, what keeps a namespace that nobody is in. */
static void print_holders(struct strbuf *out, const struct ns_view *view,
			  const struct ns_namespace *ns)
{
	strbuf_add_string(out, ns_is_undecided(view, ns)
				       ? "No process that may be looked into is in it."
				       : "No process is in it.");
	if (ns->n_holders > 0 && ns->holders[0].kind == NS_HELD_UNKNOWN) {
		strbuf_add_string(out, " What holds it could not be found.\n");
		return;
	}
	for (uint32_t i = 0; i < ns->n_holders; i++) {
		struct strbuf text;

		strbuf_init(&text);
		ns_add_holder(view, &ns->holders[i], &text);
		strbuf_add_string(out, i == 0 ? " It is held by: " : ", ");
		escape_terminal_append(out, text.data ? text.data : "", text.length);
		strbuf_done(&text);
	}
	strbuf_add_char(out, '\n');
}

void ns_print_one(struct strbuf *out, const struct ns_view *view, uint32_t index,
		  const struct field_list *processes, const struct field_format *format)
{
	struct field_rows rows = { .view = view,
				   .rows = view->members + view->first[index],
				   .n = view->first[index + 1] - view->first[index] };
	struct field_list all;

	field_choose_all(&ns_fields, &all);
	if (!format->no_headings) {
		field_card(out, &all, view, index, format);
		strbuf_add_char(out, '\n');
	}
	if (rows.n == 0 && !format->no_headings)
		print_holders(out, view, &view->set->list[index]);
	else
		field_table(out, processes, &rows, format);
}

static void json_holder(struct jsonw *json, const struct ns_holder *holder)
{
	jsonw_begin(json, NULL, '{');
	jsonw_string(json, "kind", ns_holder_name(holder->kind));
	if (holder->pid > 0)
		jsonw_u64(json, "pid", (uint64_t)holder->pid);
	if (holder->comm)
		jsonw_string(json, "comm", holder->comm);
	if (holder->kind == NS_HELD_THREAD)
		jsonw_u64(json, "tid", (uint64_t)holder->tid);
	if (holder->kind == NS_HELD_FD || holder->kind == NS_HELD_SOCKET)
		jsonw_u64(json, "fd", (uint64_t)holder->fd);
	if (holder->kind == NS_HELD_SOCKET || holder->kind == NS_HELD_CHILD)
		jsonw_u64(json, holder->kind == NS_HELD_CHILD ? "ns" : "inode", holder->inode);
	if (holder->kind == NS_HELD_CHILD)
		jsonw_string(json, "type", ns_type_name(holder->child_type));
	if (holder->kind == NS_HELD_MOUNT && holder->path)
		jsonw_string(json, "path", holder->path);
	if (holder->kind == NS_HELD_MOUNT)
		jsonw_u64(json, "mount_ns", holder->mount_ns);
	jsonw_end(json, '}');
}

void ns_json_holders(struct jsonw *json, const struct ns_view *view, uint32_t index)
{
	const struct ns_namespace *ns = &view->set->list[index];

	jsonw_begin(json, "holder_list", '[');
	for (uint32_t i = 0; i < ns->n_holders; i++)
		json_holder(json, &ns->holders[i]);
	jsonw_end(json, ']');
}

void ns_json_one(struct jsonw *json, const struct ns_view *view, uint32_t index,
		 const struct field_list *processes)
{
	struct field_list all;

	field_choose_all(&ns_fields, &all);
	jsonw_begin(json, "namespaces", '[');
	jsonw_begin(json, NULL, '{');
	field_json(json, &all, view, index);
	ns_json_holders(json, view, index);
	jsonw_end(json, '}');
	jsonw_end(json, ']');
	jsonw_begin(json, "processes", '[');
	for (uint32_t i = view->first[index]; i < view->first[index + 1]; i++) {
		jsonw_begin(json, NULL, '{');
		field_json(json, processes, view, view->members[i]);
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
}

/* The links of a process that can differ: the eight types, then those for its children. */
enum { LINK_PID_CHILDREN = NS_TYPE_COUNT, LINK_TIME_CHILDREN, LINK_COUNT };

static uint32_t get_link(const struct ns_process *process, int link)
{
	if (link == LINK_PID_CHILDREN)
		return process->pid_for_children;
	if (link == LINK_TIME_CHILDREN)
		return process->time_for_children;
	return process->ns[link];
}

static const char *link_name(int link)
{
	if (link == LINK_PID_CHILDREN)
		return "pid_for_children";
	if (link == LINK_TIME_CHILDREN)
		return "time_for_children";
	return ns_type_name((enum ns_type)link);
}

/* Everything that two processes are compared in. Rows: the links, then these. */
enum { ROW_CGROUP = LINK_COUNT, ROW_ROOT, ROW_USER, ROW_COUNT };

struct diff_view {
	const struct ns_view *view;
	const struct ns_process *processes[2];
};

static bool add_side(const struct diff_view *diff, uint32_t row, int side, struct strbuf *out)
{
	const struct ns_process *process = diff->processes[side];

	if (row < LINK_COUNT)
		return ns_add_inode(diff->view, get_link(process, (int)row), out);
	if (row == ROW_CGROUP)
		return field_add_text(out, process->cgroup);
	if (row == ROW_USER)
		return ns_add_user(diff->view, process->uid, out);
	if (process->root_device == 0)
		return false;
	strbuf_printf(out, "%u:%u", major(process->root_device), minor(process->root_device));
	return true;
}

static bool diff_what(const void *data, uint32_t row, struct strbuf *out)
{
	static const char *const names[] = { [ROW_CGROUP - LINK_COUNT] = "cgroup path",
					     [ROW_ROOT - LINK_COUNT] = "root filesystem",
					     [ROW_USER - LINK_COUNT] = "user id" };

	(void)data;
	return field_add_text(out,
			      row < LINK_COUNT ? link_name((int)row) : names[row - LINK_COUNT]);
}

static bool diff_a(const void *data, uint32_t row, struct strbuf *out)
{
	return add_side(data, row, 0, out);
}

static bool diff_b(const void *data, uint32_t row, struct strbuf *out)
{
	return add_side(data, row, 1, out);
}

/* "same", "differ", or "?" where one side is not known. */
static const char *compare_sides(const struct diff_view *diff, uint32_t row)
{
	struct strbuf a, b;
	const char *verdict = "?";

	strbuf_init(&a);
	strbuf_init(&b);
	if (add_side(diff, row, 0, &a) && add_side(diff, row, 1, &b) && a.data && b.data)
		verdict = strcmp(a.data, b.data) == 0 ? "same" : "differ";
	strbuf_done(&a);
	strbuf_done(&b);
	return verdict;
}

static bool diff_verdict(const void *data, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, compare_sides(data, row));
}

static bool add_description(const struct diff_view *diff, uint32_t row, int side,
			    struct strbuf *out)
{
	if (row == ROW_CGROUP || row == ROW_USER)
		return add_side(diff, row, side, out);
	if (row >= LINK_COUNT)
		return false;
	ns_add_description(diff->view, get_link(diff->processes[side], (int)row), out);
	return true;
}

/* A number: what is a long text stands in the last column. */
static bool add_number(const struct diff_view *diff, uint32_t row, int side, struct strbuf *out)
{
	if (row == ROW_USER)
		return field_add_u64(out, true, diff->processes[side]->uid);
	return row != ROW_CGROUP && add_side(diff, row, side, out);
}

static bool diff_a_is(const void *data, uint32_t row, struct strbuf *out)
{
	return add_description(data, row, 0, out);
}

static bool diff_b_is(const void *data, uint32_t row, struct strbuf *out)
{
	return add_description(data, row, 1, out);
}

/* For people: one line if both are the same, else one each. */
static bool add_both(const struct diff_view *diff, uint32_t row, struct strbuf *out,
		     bool (*add)(const struct diff_view *diff, uint32_t row, int side,
				 struct strbuf *out))
{
	bool known = add(diff, row, 0, out);

	if (strcmp(compare_sides(diff, row), "same") == 0)
		return known;
	strbuf_add_char(out, '\0');
	return add(diff, row, 1, out) || known;
}

static bool diff_value(const void *data, uint32_t row, struct strbuf *out)
{
	return add_both(data, row, out, add_number);
}

static bool diff_is(const void *data, uint32_t row, struct strbuf *out)
{
	return add_both(data, row, out, add_description);
}

static bool diff_who(const void *data, uint32_t row, struct strbuf *out)
{
	if (strcmp(compare_sides(data, row), "same") == 0)
		return field_add_text(out, "both");
	strbuf_add(out, "A\0B", 3);
	return true;
}

static const struct field diff_table[] = {
	{ "WHAT", "", FIELD_TEXT, 0, diff_what }, { "VERDICT", "", FIELD_TEXT, 0, diff_verdict },
	{ "WHO", "", FIELD_LIST, 0, diff_who },	  { "VALUE", "", FIELD_LIST, 0, diff_value },
	{ "IS", "", FIELD_LIST, 0, diff_is },	  { "A", "", FIELD_TEXT, 0, diff_a },
	{ "B", "", FIELD_TEXT, 0, diff_b },	  { "A-IS", "", FIELD_TEXT, 0, diff_a_is },
	{ "B-IS", "", FIELD_TEXT, 0, diff_b_is },
};

static struct diff_view make_diff(const struct ns_view *view, const uint32_t processes[2])
{
	return (struct diff_view){
		view, { &view->set->processes[processes[0]], &view->set->processes[processes[1]] }
	};
}

void ns_print_diff(struct strbuf *out, const struct ns_view *view, const uint32_t processes[2],
		   const struct field_format *format)
{
	struct diff_view diff = make_diff(view, processes);
	struct field_list chosen = { .n = 0 };
	uint32_t numbers[ROW_COUNT];
	struct field_rows rows = { .view = &diff, .rows = numbers, .n = ROW_COUNT };

	for (size_t i = 0; i < 5; i++)
		chosen.list[chosen.n++] = &diff_table[i];
	for (uint32_t i = 0; i < ROW_COUNT; i++)
		numbers[i] = i;
	for (int side = 0; side < 2 && !format->no_headings; side++) {
		struct strbuf command;

		strbuf_init(&command);
		ns_add_command(view, diff.processes[side]->pid, NULL, &command);
		strbuf_printf(out, "%c: %d ", "AB"[side], (int)diff.processes[side]->pid);
		escape_terminal_append(out, command.data ? command.data : "", command.length);
		strbuf_add_char(out, '\n');
		strbuf_done(&command);
	}
	field_table(out, &chosen, &rows, format);
}

void ns_json_diff(struct jsonw *json, const struct ns_view *view, const uint32_t processes[2])
{
	struct diff_view diff = make_diff(view, processes);
	struct field_list members;

	field_choose_all(&(struct fields){ diff_table, ARRAY_SIZE(diff_table) }, &members);
	jsonw_begin(json, "processes", '[');
	for (int side = 0; side < 2; side++) {
		struct field_list all;

		field_choose_all(&ns_process_fields, &all);
		jsonw_begin(json, NULL, '{');
		field_json(json, &all, view, processes[side]);
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
	jsonw_begin(json, "diff", '[');
	for (uint32_t row = 0; row < ROW_COUNT; row++) {
		jsonw_begin(json, NULL, '{');
		for (size_t i = 0; i < members.n; i++) {
			if (members.list[i]->type != FIELD_LIST)
				field_json_member(json, members.list[i], &diff, row);
		}
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
}
