// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

#include <getopt.h>
#include <pwd.h>
#include <string.h>

#include "agent/output.h"
#include "core/cleanup.h"
#include "core/escape.h"

static void add_user(struct strbuf *out, uid_t uid)
{
	const struct passwd *user = getpwuid(uid);

	if (user)
		escape_terminal_append(out, user->pw_name, strlen(user->pw_name));
	else
		strbuf_add_u64(out, uid);
}

static void json_process(struct jsonw *json, const struct process *process)
{
	struct strbuf number;

	strbuf_init(&number);
	jsonw_begin(json, NULL, '{');
	jsonw_u64(json, "pid", (uint64_t)process->pid);
	jsonw_u64(json, "ppid", (uint64_t)process->ppid);
	jsonw_u64(json, "uid", process->uid);
	jsonw_string(json, "state", (char[]){ process->state, '\0' });
	jsonw_u64(json, "threads", process->threads);
	strbuf_add_fixed(&number, process->cpu_usec, 6);
	jsonw_raw(json, "cpu", number.data);
	jsonw_u64(json, "rss", process->rss_bytes);
	jsonw_string(json, "comm", process->comm);
	jsonw_string(json, "command", process->command);
	if (process->cgroup)
		jsonw_string(json, "cgroup", process->cgroup);
	jsonw_end(json, '}');
	strbuf_done(&number);
}

static void print_json(struct strbuf *out, const struct process_list *processes)
{
	struct jsonw json;

	jsonw_init(&json);
	jsonw_begin(&json, NULL, '{');
	jsonw_u64(&json, "schema", 1);
	jsonw_begin(&json, "processes", '[');
	for (size_t i = 0; i < processes->n; i++)
		json_process(&json, &processes->list[i]);
	jsonw_end(&json, ']');
	jsonw_end(&json, '}');
	strbuf_add(out, json.out.data, json.out.length);
	strbuf_add_char(out, '\n');
	jsonw_done(&json);
}

static void print_table(struct strbuf *out, const struct process_list *processes, bool cgroups)
{
	strbuf_printf(out, "%7s %-10s %s %4s %8s %8s ", "PID", "USER", "S", "THR", "RSS", "TIME");
	strbuf_add_string(out, cgroups ? "CGROUP  COMMAND\n" : "COMMAND\n");
	for (size_t i = 0; i < processes->n; i++) {
		const struct process *process = &processes->list[i];
		struct strbuf cell;

		strbuf_init(&cell);
		strbuf_printf(out, "%7d ", (int)process->pid);
		add_user(&cell, process->uid);
		output_pad(out, cell.data, 10, false);
		strbuf_printf(out, " %c %4u ", process->state, process->threads);
		strbuf_clear(&cell);
		format_human(&cell, UNIT_BYTES, (double)process->rss_bytes, false);
		output_pad(out, cell.data, 8, true);
		strbuf_add_char(out, ' ');
		strbuf_clear(&cell);
		format_human(&cell, UNIT_USEC, (double)process->cpu_usec / 1e6, false);
		output_pad(out, cell.data, 8, true);
		strbuf_add_char(out, ' ');
		if (cgroups) {
			const char *path = process->cgroup ? process->cgroup : "-";

			escape_terminal_append(out, path, strlen(path));
			strbuf_add_string(out, "  ");
		}
		escape_terminal_append(out, process->command, strlen(process->command));
		strbuf_add_char(out, '\n');
		strbuf_done(&cell);
	}
}

/* Processes of one cgroup: it is looked up in a snapshot without columns. */
static int of_cgroup(struct context *context, const char *path, struct process_list *ret_processes)
{
	struct sampler *sampler = NULL;
	struct snapshot *snapshot = NULL;
	struct metric_set none = { 0 };
	uint32_t index;
	int r = context_sampler(context, &sampler);

	if (r == 0)
		r = context_sample(context, sampler, &none, 0, &snapshot);
	if (r == 0 && (index = context_find(context, snapshot, path, &r)) != NODE_NONE) {
		r = processes_of_cgroup(context->root, sampler_hierarchies(sampler),
					snapshot->tree->nodes[index], ret_processes);
		if (r < 0)
			r = context_fail(context, EXIT_FAILED, "%s: cgroup.procs: %s", path,
					 strerror(-r));
	}
	snapshot_unref(snapshot);
	sampler_free(sampler);
	return r;
}

static int of_all(struct context *context, struct process_list *ret_processes)
{
	struct sampler *sampler = NULL;
	int r = context_sampler(context, &sampler);

	if (r != 0)
		return r;
	r = processes_all(context->root, sampler_hierarchies(sampler), ret_processes);
	if (r < 0)
		r = context_fail(context, EXIT_FAILED, "/proc: %s", strerror(-r));
	sampler_free(sampler);
	return r;
}

int verb_ps(struct context *context, int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { NULL } };
	struct process_list processes = { 0 };
	bool as_json = false;
	struct strbuf out;
	int option, r;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option != 'j')
			return context_bad_option(context);
		as_json = true;
	}
	if (optind < argc - 1)
		return context_usage(context, "%s: one CGROUP at most", argv[optind + 1]);
	r = optind < argc ? of_cgroup(context, argv[optind], &processes)
			  : of_all(context, &processes);
	if (r != 0)
		return r;
	strbuf_init(&out);
	if (as_json)
		print_json(&out, &processes);
	else
		print_table(&out, &processes, optind == argc);
	r = context_write(context, &out);
	strbuf_done(&out);
	process_list_done(&processes);
	return r;
}
