// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "agent/output.h"
#include "agent/verbs/inventory_fetch.h"
#include "agent/verbs/list_options.h"
#include "agent/verbs/ns_view.h"
#include "collectors/ns_scan.h"
#include "core/cleanup.h"

DEFINE_CLEANUP(struct inventory *, inventory_unref)
DEFINE_CLEANUP(struct labels *, labels_free)

enum ns_mode { MODE_LIST, MODE_ONE, MODE_DIFF, MODE_LIMITS };

struct ns_options {
	enum ns_mode mode;
	unsigned int types; /* one bit each; 0: all */
	struct list_options list;
	pid_t pids[2]; /* --task, --diff */
	uint64_t inode;
	bool persistent, leaks, holders, flat, tree_given;
	enum ns_tree tree;
};

enum { OPTION_DIFF = 256, OPTION_LIMITS, OPTION_LEAKS, OPTION_HOLDERS };

static const struct option long_options[] = {
	LIST_LONG_OPTIONS,
	{ "list", no_argument, NULL, 'l' },
	{ "persistent", no_argument, NULL, 'P' },
	{ "task", required_argument, NULL, 'p' },
	{ "type", required_argument, NULL, 't' },
	{ "tree", optional_argument, NULL, 'T' },
	{ "diff", no_argument, NULL, OPTION_DIFF },
	{ "limits", no_argument, NULL, OPTION_LIMITS },
	{ "leaks", no_argument, NULL, OPTION_LEAKS },
	{ "holders", no_argument, NULL, OPTION_HOLDERS },
	{ NULL },
};

static enum ns_tree find_tree(const char *name)
{
	static const char *const names[] = { [NS_TREE_PROCESS] = "process",
					     [NS_TREE_PARENT] = "parent",
					     [NS_TREE_OWNER] = "owner" };

	for (int i = NS_TREE_PROCESS; i <= NS_TREE_OWNER; i++) {
		if (strcmp(names[i], name) == 0)
			return (enum ns_tree)i;
	}
	return NS_TREE_NONE;
}

static int parse_types(struct context *context, const char *text, unsigned int *types)
{
	for (;;) {
		size_t length = strcspn(text, ",");
		enum ns_type type = ns_type_find(text, length);

		if (type == NS_TYPE_COUNT)
			return context_usage(context,
					     "--type: %.*s: one of mnt, net, pid, user, uts, ipc, "
					     "cgroup, time",
					     (int)length, text);
		*types |= 1U << type;
		if (!text[length])
			return 0;
		text += length + 1;
	}
}

static int parse_pid(struct context *context, const char *what, const char *text, pid_t *ret_pid)
{
	uint64_t value;

	if (parse_u64(text, &value) < 0 || value == 0 || value > INT32_MAX)
		return context_usage(context, "%s: %s: not a process id", what, text);
	*ret_pid = (pid_t)value;
	return 0;
}

/* lsns has the tree's name only behind a '='; `--tree owner` is ours. */
static int parse_tree(struct context *context, int argc, char **argv, struct ns_options *options)
{
	options->tree_given = true;
	options->tree = NS_TREE_OWNER;
	if (!optarg && optind < argc && find_tree(argv[optind]) != NS_TREE_NONE)
		optarg = argv[optind++];
	if (!optarg)
		return 0;
	options->tree = find_tree(*optarg == '=' ? optarg + 1 : optarg);
	if (options->tree == NS_TREE_NONE)
		return context_usage(context, "--tree: %s: process, parent or owner", optarg);
	return 0;
}

static bool set_flag(struct ns_options *options, int option)
{
	static const size_t flags[][2] = {
		{ 'l', offsetof(struct ns_options, flat) },
		{ 'P', offsetof(struct ns_options, persistent) },
		{ OPTION_LEAKS, offsetof(struct ns_options, leaks) },
		{ OPTION_HOLDERS, offsetof(struct ns_options, holders) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if ((size_t)option == flags[i][0]) {
			*(bool *)((char *)options + flags[i][1]) = true;
			return true;
		}
	}
	return false;
}

/* An option with a value. 0, or an exit code. */
static int set_value(struct context *context, int option, struct ns_options *options)
{
	switch (option) {
	case 't':
		return parse_types(context, optarg, &options->types);
	case 'p':
		return parse_pid(context, "--task", optarg, &options->pids[0]);
	case OPTION_DIFF:
		options->mode = MODE_DIFF;
		return 0;
	case OPTION_LIMITS:
		options->mode = MODE_LIMITS;
		return 0;
	default:
		return context_bad_option(context);
	}
}

static int parse_operands(struct context *context, int n, char **words, struct ns_options *options)
{
	int r = 0;

	if (options->mode == MODE_DIFF) {
		if (n != 2)
			return context_usage(context, "--diff: give two process ids");
		for (int i = 0; r == 0 && i < 2; i++)
			r = parse_pid(context, "--diff", words[i], &options->pids[i]);
		return r;
	}
	if (n > 1 || (n == 1 && options->mode == MODE_LIMITS))
		return context_usage(context, "%s: one namespace at most, by its inode",
				     words[n - 1]);
	if (n == 1) {
		options->mode = MODE_ONE;
		if (parse_u64(words[0], &options->inode) < 0)
			return context_usage(context,
					     "%s: not the inode of a namespace (as in column NS)",
					     words[0]);
	}
	return 0;
}

static int parse(struct context *context, int argc, char **argv, struct ns_options *options)
{
	int option, r = 0;

	while (r == 0 && (option = getopt_long(argc, argv, LIST_LETTERS "lPp:t:T::", long_options,
					       NULL)) != -1) {
		if (option == 'T')
			r = parse_tree(context, argc, argv, options);
		else if (!list_options_set(&options->list, option, optarg) &&
			 !set_flag(options, option))
			r = set_value(context, option, options);
	}
	if (r != 0 || options->list.help_columns)
		return r;
	return parse_operands(context, argc - optind, argv + optind, options);
}

static const struct fields *fields_of(enum ns_mode mode)
{
	return mode == MODE_ONE	     ? &ns_process_fields
	       : mode == MODE_LIMITS ? &ns_limit_fields
				     : &ns_fields;
}

static const char *default_columns(const struct ns_options *options)
{
	if (options->mode == MODE_ONE)
		return "PID,PPID,USER,COMMAND";
	if (options->list.json || options->list.all_columns || options->mode == MODE_LIMITS)
		return "all";
	if (options->leaks || options->holders)
		return "NS,TYPE,STATE,AGE,OUSER,PID,HOLDERS";
	if (options->types == 1U << NS_NET)
		return "NS,TYPE,NPROCS,PID,USER,NETNSID,NSFS,COMMAND";
	if (options->persistent)
		return "NS,TYPE,NPROCS,PID,USER,NSFS,COMMAND";
	return "NS,TYPE,NPROCS,PID,USER,COMMAND";
}

/*
 * Only what is asked for is looked at. Namespaces without a process are found through what holds
 * them: those that are bind mounted in our own mount namespace are always looked for, as lsns
 * does it, the others (every fd, socket and mount namespace of the machine) where what holds them
 * is shown or asked for.
 */
static void want_of(const struct ns_options *options, struct namespaces_want *ret_want)
{
	static const struct {
		unsigned int needs, flag;
	} scans[] = {
		{ NS_NEEDS_FDS, NS_SCAN_HOLDERS },
		{ NS_NEEDS_CGROUPS, NS_SCAN_CGROUPS },
		{ NS_NEEDS_DETAILS, NS_SCAN_DETAILS },
		{ NS_NEEDS_PROCESSES, NS_SCAN_PROCESSES },
	};
	unsigned int needs = list_options_needs(&options->list);

	if (options->mode == MODE_DIFF || options->mode == MODE_ONE)
		needs |= NS_NEEDS_CGROUPS | NS_NEEDS_DETAILS | NS_NEEDS_CONTAINERS |
			 NS_NEEDS_PROCESSES;
	if (options->mode == MODE_ONE || options->leaks || options->holders ||
	    options->mode == MODE_LIMITS || options->tree_given || options->persistent)
		needs |= options->persistent ? NS_NEEDS_MOUNTS : NS_NEEDS_HOLDERS;
	if (options->mode == MODE_LIMITS)
		needs |= NS_NEEDS_DETAILS;
	*ret_want = (struct namespaces_want){ .containers = needs & NS_NEEDS_CONTAINERS,
					      .mounts = needs & NS_NEEDS_MOUNTS,
					      .own_mounts = options->mode == MODE_LIST &&
							    !options->pids[0] };
	for (size_t i = 0; i < ARRAY_SIZE(scans); i++)
		ret_want->flags |= needs & scans[i].needs ? scans[i].flag : 0;
}

static bool is_of_process(const struct namespaces *set, uint32_t process, uint32_t ns)
{
	const struct ns_process *p = &set->processes[process];

	return p->ns[set->list[ns].type] == ns || p->pid_for_children == ns ||
	       p->time_for_children == ns;
}

static bool is_held_by_mount(const struct ns_namespace *ns)
{
	for (uint32_t i = 0; i < ns->n_holders; i++) {
		if (ns->holders[i].kind == NS_HELD_MOUNT)
			return true;
	}
	return false;
}

/* The rows that were asked for, in the order of the set. How many. */
static uint32_t select_rows(const struct ns_view *view, const struct ns_options *options,
			    uint32_t process, uint32_t *rows)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < view->set->n; i++) {
		const struct ns_namespace *ns = &view->set->list[i];

		if ((options->types && !(options->types & 1U << ns->type)) ||
		    (process != NS_NONE && !is_of_process(view->set, process, i)) ||
		    (options->persistent && !is_held_by_mount(ns)) ||
		    (options->leaks && (ns_is_live(ns) || ns_is_undecided(view, ns))) ||
		    !list_options_match(&options->list, view, i))
			continue;
		rows[n++] = i;
	}
	return n;
}

static void json_rows(struct jsonw *json, const struct ns_options *options,
		      const struct field_rows *rows)
{
	jsonw_begin(json, "namespaces", '[');
	for (uint32_t i = 0; i < rows->n; i++) {
		jsonw_begin(json, NULL, '{');
		if (rows->depth)
			jsonw_u64(json, "level", rows->depth[i]);
		field_json(json, &options->list.chosen, rows->view, rows->rows[i]);
		if (options->holders || options->leaks)
			ns_json_holders(json, rows->view, rows->rows[i]);
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
}

/* Which column carries the lines: the command of a process, else the namespace itself. */
static const struct field *tree_field(const struct ns_options *options)
{
	const char *name = options->tree == NS_TREE_PROCESS ? "COMMAND" : "NS";
	const struct field *field = field_find(&ns_fields, name, strlen(name));

	return field_is_chosen(&options->list.chosen, field) ? field : options->list.chosen.list[0];
}

static int print_list(const struct ns_view *view, const struct ns_options *options,
		      uint32_t process, struct jsonw *json)
{
	size_t room = (size_t)view->set->n + 1;
	_cleanup_(freep) uint32_t *numbers = malloc(room * sizeof(*numbers));
	_cleanup_(freep) uint32_t *depth = malloc(room * sizeof(*depth));
	struct field_rows rows = { .view = view, .rows = numbers };
	int64_t r = 0;

	if (!numbers || !depth)
		return -ENOMEM;
	rows.n = select_rows(view, options, process, numbers);
	if (options->tree != NS_TREE_NONE && !options->list.sort_field) {
		rows.depth = depth;
		rows.tree_field = tree_field(options);
		r = ns_tree_order(view, options->tree, numbers, rows.n, depth);
		rows.n = r < 0 ? 0 : (uint32_t)r;
	} else {
		r = list_options_sort(&options->list, view, numbers, rows.n);
	}
	if (r < 0)
		return (int)r;
	if (options->list.json)
		json_rows(json, options, &rows);
	else
		field_table(&json->out, &options->list.chosen, &rows, &options->list.format);
	return 0;
}

static int find_inode(const struct namespaces *set, uint64_t inode, uint32_t *ret_index)
{
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		*ret_index = namespaces_find(set, (enum ns_type)type, inode);
		if (*ret_index != NS_NONE)
			return 0;
	}
	return -ENOENT;
}

static int print_limits(const struct ns_view *view, const struct ns_options *options,
			struct jsonw *json)
{
	size_t room = (size_t)view->set->n_limits + 1;
	_cleanup_(freep) uint32_t *numbers = malloc(room * sizeof(*numbers));
	struct field_rows rows = { .view = view, .rows = numbers };
	int r = 0;

	if (!numbers)
		return -ENOMEM;
	for (uint32_t i = 0; i < view->set->n_limits; i++) {
		/* A nested user namespace has the largest number until somebody lowers it. */
		if (!options->list.json && !options->list.filter &&
		    view->set->limits[i].limit >= INT32_MAX)
			continue;
		if ((!options->types || options->types & 1U << view->set->limits[i].type) &&
		    list_options_match(&options->list, view, i))
			numbers[rows.n++] = i;
	}
	r = list_options_sort(&options->list, view, numbers, rows.n);
	if (options->list.json)
		jsonw_begin(json, "limits", '[');
	for (uint32_t i = 0; options->list.json && i < rows.n; i++) {
		jsonw_begin(json, NULL, '{');
		field_json(json, &options->list.chosen, view, numbers[i]);
		jsonw_end(json, '}');
	}
	if (options->list.json)
		jsonw_end(json, ']');
	else
		field_table(&json->out, &options->list.chosen, &rows, &options->list.format);
	return r;
}

/* Looks processes up that were named. 0, or an exit code. */
static int find_processes(struct context *context, const struct ns_view *view,
			  const struct ns_options *options, uint32_t ret_processes[2])
{
	for (int i = 0; i < 2; i++) {
		ret_processes[i] = NS_NONE;
		if (!options->pids[i])
			continue;
		ret_processes[i] = namespaces_find_process(view->set, options->pids[i]);
		if (ret_processes[i] == NS_NONE)
			return context_fail(context, EXIT_FAILED, "%d: no such process",
					    (int)options->pids[i]);
	}
	return 0;
}

static int print(struct context *context, const struct ns_view *view,
		 const struct ns_options *options, struct jsonw *json)
{
	uint32_t processes[2], index;
	int r = find_processes(context, view, options, processes);

	if (r != 0)
		return r;
	if (options->list.json)
		output_json_envelope(json, view->set->realtime_ns);
	if (options->mode == MODE_ONE) {
		if (find_inode(view->set, options->inode, &index) < 0)
			return context_fail(context, EXIT_FAILED, "%llu: no such namespace",
					    (unsigned long long)options->inode);
		if (options->list.json)
			ns_json_one(json, view, index, &options->list.chosen);
		else
			ns_print_one(&json->out, view, index, &options->list.chosen,
				     &options->list.format);
	} else if (options->mode == MODE_DIFF && options->list.json) {
		ns_json_diff(json, view, processes);
	} else if (options->mode == MODE_DIFF) {
		ns_print_diff(&json->out, view, processes, &options->list.format);
	} else {
		r = options->mode == MODE_LIMITS ? print_limits(view, options, json)
						 : print_list(view, options, processes[0], json);
	}
	if (options->list.json) {
		if (view->set->n_denied > 0)
			jsonw_u64(json, "denied", view->set->n_denied);
		jsonw_end(json, '}');
		strbuf_add_char(&json->out, '\n');
	}
	return r < 0 ? context_fail(context, EXIT_FAILED, "%s", strerror(-r)) : r;
}

/* What is not here, and why. */
static void note_denied(struct context *context, const struct namespaces *set,
			const struct ns_options *options)
{
	const char *what = "not all is here";

	if (set->n_denied == 0)
		return;
	if (set->n_denied_others > 0 && options->leaks)
		what = "whether nobody is in a namespace cannot be told, so none is called a leak";
	if (set->n_denied_others > 0 && options->mode == MODE_LIMITS)
		what = "their namespaces cannot be counted, so what is used is not known";
	context_fail(context, 0, "%u process%s could not be looked into: %s", set->n_denied,
		     set->n_denied == 1 ? "" : "es", what);
}

static int run(struct context *context, const struct ns_options *options)
{
	_cleanup_(inventory_unrefp) struct inventory *inventory = NULL;
	_cleanup_(labels_freep) struct labels *labels = NULL;
	struct namespaces_want want;
	struct ns_view view;
	struct jsonw json;
	int r;

	want_of(options, &want);
	r = namespaces_fetch(context, &want, &inventory);
	if (r != 0)
		return r;
	labels = labels_new(context->root);
	r = ns_view_init(&view, inventory, labels);
	if (r < 0)
		return context_fail(context, EXIT_FAILED, "%s", strerror(-r));
	jsonw_init(&json);
	r = print(context, &view, options, &json);
	if (r == 0)
		r = context_write(context, &json.out);
	if (r == 0 && !options->list.json)
		note_denied(context, view.set, options);
	jsonw_done(&json);
	ns_view_done(&view);
	return r;
}

int verb_ns(struct context *context, int argc, char **argv)
{
	struct ns_options options = { .tree = NS_TREE_NONE };
	const struct list_options *list = &options.list;
	int r = parse(context, argc, argv, &options);

	if (r != 0)
		return r;
	if (list->help_columns)
		return list_options_describe(context, &ns_fields);
	r = list_options_choose(context, &options.list, fields_of(options.mode),
				default_columns(&options));
	/* A tree is what people see; programs and lists get rows. */
	if (!options.tree_given && !options.flat && !list->json && !list->format.raw &&
	    !options.leaks)
		options.tree = NS_TREE_PROCESS;
	if (options.flat)
		options.tree = NS_TREE_NONE;
	if (r == 0)
		r = run(context, &options);
	list_options_done(&options.list);
	return r;
}
