// SPDX-License-Identifier: MIT
#include "agent/verbs/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/backend.h"
#include "agent/output.h"
#include "collectors/bpf_events.h"
#include "collectors/bpf_kernel.h"
#include "collectors/bpf_latency.h"
#include "collectors/bpf_tasks.h"
#include "collectors/capability.h"
#include "collectors/root.h"
#include "core/cleanup.h"
#include "core/escape.h"

/* The programs of all parts of the backend, as they were when they were loaded for this look. */
struct programs {
	struct bpf_program_status *list;
	size_t n;
	struct strbuf missing;	      /* parts without any, and why, but for the last reason */
	char reason[BPF_REASON_SIZE]; /* that one */
};

static void programs_add(struct programs *programs, const struct bpf_program_status *list, size_t n)
{
	struct bpf_program_status *grown = n ? realloc(programs->list,
						       (programs->n + n) * sizeof(*grown))
					     : NULL;

	if (!grown)
		return;
	memcpy(grown + programs->n, list, n * sizeof(*grown));
	programs->list = grown;
	programs->n += n;
}

/* Parts that lack all programs do so for one reason as a rule, which is said once. */
static void programs_miss(struct programs *programs, const char *part, const char *reason)
{
	struct strbuf *missing = &programs->missing;

	if (*programs->reason && strcmp(programs->reason, reason) != 0)
		strbuf_printf(missing, ": %s; ", programs->reason);
	else if (*programs->reason)
		strbuf_add_string(missing, ", ");
	strbuf_add_string(missing, part);
	snprintf(programs->reason, sizeof(programs->reason), "%s", reason);
}

static void add_sample(const struct examination *examination, struct programs *programs)
{
	const char *reason;
	const struct bpf_sample *sample = sampler_bpf(examination->sampler, &reason);
	const struct bpf_program_status *list;
	size_t n = 0;

	if (!sample) {
		programs_miss(programs, "sampling", reason);
		return;
	}
	list = bpf_sample_programs(sample, &n);
	programs_add(programs, list, n);
}

static void add_tasks(const struct examination *examination, struct programs *programs)
{
	char reason[BPF_REASON_SIZE] = "";
	const struct bpf_program_status *list;
	struct bpf_tasks *tasks;
	size_t n = 0;

	if (bpf_tasks_new(examination->context->root, examination->hierarchies, &tasks, reason,
			  sizeof(reason)) < 0) {
		programs_miss(programs, "processes", reason);
		return;
	}
	list = bpf_tasks_programs(tasks, &n);
	programs_add(programs, list, n);
	bpf_tasks_free(tasks);
}

static void add_events(const struct examination *examination, struct programs *programs)
{
	char reason[BPF_REASON_SIZE] = "";
	const struct bpf_program_status *list;
	struct bpf_events *events;
	size_t n = 0;

	if (bpf_events_new(examination->context->root, examination->hierarchies, &events, reason,
			   sizeof(reason)) < 0) {
		programs_miss(programs, "events", reason);
		return;
	}
	list = bpf_events_programs(events, &n);
	programs_add(programs, list, n);
	bpf_events_free(events);
}

static void add_latency(const struct examination *examination, struct programs *programs)
{
	char reason[BPF_REASON_SIZE] = "";
	const struct bpf_program_status *list;
	struct bpf_latency *latency;
	size_t n = 0;

	if (bpf_latency_new(examination->context->root, examination->hierarchies, &latency, reason,
			    sizeof(reason)) < 0) {
		programs_miss(programs, "waiting times and traffic", reason);
		return;
	}
	list = bpf_latency_programs(latency, &n);
	programs_add(programs, list, n);
	bpf_latency_free(latency);
}

/* One row a part of the backend. */
static void (*const parts[])(const struct examination *, struct programs *) = {
	add_sample,
	add_tasks,
	add_events,
	add_latency,
};

int doctor_ask_programs(const struct examination *examination, struct programs **ret_programs)
{
	struct programs *programs = calloc(1, sizeof(*programs));
	/* With a recorded tree, or files asked for, nothing of this machine's is loaded. */
	bool sample_only = root_is_recorded(examination->context->root) ||
			   examination->context->backend == BACKEND_FILES;

	if (!programs)
		return -ENOMEM;
	strbuf_init(&programs->missing);
	for (size_t i = 0; i < (sample_only ? 1 : ARRAY_SIZE(parts)); i++)
		parts[i](examination, programs);
	*ret_programs = programs;
	return 0;
}

void doctor_free_programs(struct programs *programs)
{
	if (!programs)
		return;
	free(programs->list);
	strbuf_done(&programs->missing);
	free(programs);
}

void doctor_check_bpf(const struct examination *examination, struct finding *finding)
{
	struct backend_summary summary;

	backend_summarise(examination->sampler, &summary);
	finding->verdict = !summary.bpf		? VERDICT_NO
			   : summary.incomplete ? VERDICT_PART
						: VERDICT_YES;
	backend_describe(examination->sampler, &finding->why);
	if (summary.incomplete)
		strbuf_printf(&finding->why, "; %u in some hierarchies only", summary.incomplete);
	if (summary.bpf)
		strbuf_add_string(&finding->why, " ('doctor --bpf' lists them)");
}

static bool is_refused(const struct bpf_program_status *program)
{
	return !program->loaded && !program->spare;
}

/* Each reason once, with the first program that has it: several have the same as a rule. */
static void add_refused(const struct programs *programs, struct strbuf *out)
{
	for (size_t i = 0; i < programs->n; i++) {
		const struct bpf_program_status *program = &programs->list[i];
		size_t first = 0, n = 0;

		if (!is_refused(program))
			continue;
		while (!is_refused(&programs->list[first]) ||
		       strcmp(programs->list[first].reason, program->reason) != 0)
			first++;
		if (first < i)
			continue;
		for (size_t k = i + 1; k < programs->n; k++)
			n += is_refused(&programs->list[k]) &&
			     strcmp(programs->list[k].reason, program->reason) == 0;
		strbuf_printf(out, "; %s", program->name);
		if (n > 0)
			strbuf_printf(out, " and %zu more", n);
		strbuf_printf(out, ": %s", program->reason);
	}
}

void doctor_check_programs(const struct examination *examination, struct finding *finding)
{
	const struct programs *programs = examination->programs;
	size_t n_loaded = 0, n_wanted = 0;

	for (size_t i = 0; i < programs->n; i++) {
		n_loaded += programs->list[i].loaded;
		n_wanted += !programs->list[i].spare;
	}
	if (n_wanted > 0)
		strbuf_printf(&finding->why, "%zu of %zu are accepted by the kernel", n_loaded,
			      n_wanted);
	add_refused(programs, &finding->why);
	if (programs->missing.length)
		strbuf_printf(&finding->why, "%s%s: %s", n_wanted ? "; " : "",
			      programs->missing.data, programs->reason);
	if (n_loaded < n_wanted || programs->missing.length)
		finding->verdict = n_loaded ? VERDICT_PART : VERDICT_NO;
}

static bool has_file(const struct root *root, enum root_place place, const char *path)
{
	_cleanup_(closep) int fd = root_open(root, place, path, O_RDONLY);
	char byte;

	return fd >= 0 && read(fd, &byte, 1) == 1;
}

/* The word in brackets of "none [integrity] confidentiality". */
static void add_lockdown(const struct root *root, struct strbuf *out)
{
	struct strbuf text;
	const char *start, *end;

	strbuf_init(&text);
	root_read(root, ROOT_SYS, "kernel/security/lockdown", &text);
	start = text.data ? strchr(text.data, '[') : NULL;
	end = start ? strchr(start, ']') : NULL;
	if (end && strncmp(start, "[none]", 6) != 0)
		strbuf_printf(out, ", lockdown: %.*s", (int)(end - start - 1), start + 1);
	strbuf_done(&text);
}

static void add_capability(uint64_t have, unsigned int number, const char *name,
			   struct finding *finding)
{
	if (have & (CAPABILITY_BIT(number) | CAPABILITY_BIT(CAP_SYS_ADMIN)))
		return;
	finding->verdict = VERDICT_NO;
	strbuf_printf(&finding->why, ", without %s", name);
}

void doctor_check_kernel_types(const struct examination *examination, struct finding *finding)
{
	const struct root *root = examination->context->root;
	uint64_t have = capability_effective();

	if (has_file(root, ROOT_SYS, "kernel/btf/vmlinux")) {
		strbuf_add_string(&finding->why, "with type information (BTF)");
	} else {
		finding->verdict = VERDICT_NO;
		strbuf_add_string(&finding->why, "without type information (BTF)");
	}
	/* One that every kernel has: if its name is to be seen, so are the others'. */
	if (bpf_kernel_has_variable(root, "jiffies_64")) {
		strbuf_add_string(&finding->why, ", names of its variables (KALLSYMS_ALL)");
	} else {
		if (finding->verdict == VERDICT_YES)
			finding->verdict = VERDICT_PART;
		strbuf_add_string(
			&finding->why,
			", without names of its variables (KALLSYMS_ALL, and CAP_SYSLOG where "
			"addresses are hidden)");
	}
	add_capability(have, CAP_BPF, "CAP_BPF", finding);
	add_capability(have, CAP_PERFMON, "CAP_PERFMON", finding);
	add_lockdown(root, &finding->why);
}

void doctor_bpf_json(const struct examination *examination, struct jsonw *json)
{
	_cleanup_(freep) struct bpf_metric_status *metrics = NULL;
	const char *reason;
	const struct bpf_sample *sample = sampler_bpf(examination->sampler, &reason);
	const struct programs *programs = examination->programs;
	size_t n = 0;

	if (sample && bpf_sample_metrics(sample, &metrics, &n) < 0)
		n = 0;
	jsonw_begin(json, "bpf", '{');
	jsonw_bool(json, "sampling", sample != NULL);
	jsonw_string(json, "why_not", reason);
	jsonw_begin(json, "programs", '[');
	for (size_t i = 0; i < programs->n; i++) {
		jsonw_begin(json, NULL, '{');
		jsonw_string(json, "name", programs->list[i].name);
		jsonw_string(json, "purpose", programs->list[i].purpose);
		jsonw_bool(json, "loaded", programs->list[i].loaded);
		jsonw_bool(json, "spare", programs->list[i].spare);
		jsonw_string(json, "reason", programs->list[i].reason);
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
	jsonw_begin(json, "metrics", '[');
	for (size_t i = 0; i < n; i++) {
		jsonw_begin(json, NULL, '{');
		jsonw_string(json, "name", metric_get(metrics[i].id)->name);
		jsonw_string(json, "hierarchy",
			     examination->hierarchies->list[metrics[i].hierarchy].name);
		jsonw_string(json, "source", metrics[i].bpf ? "bpf" : "files");
		jsonw_string(json, "reason", metrics[i].reason);
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
	jsonw_end(json, '}');
}

static void add_row(struct strbuf *out, const char *name, const char *where, const char *word,
		    const char *why)
{
	output_pad(out, name, 40, false);
	strbuf_add_char(out, ' ');
	output_pad(out, where, 36, false);
	output_pad(out, word, 8, false);
	escape_terminal_append(out, why, strlen(why));
	strbuf_add_char(out, '\n');
}

void doctor_bpf_tables(const struct examination *examination, struct strbuf *out)
{
	_cleanup_(freep) struct bpf_metric_status *metrics = NULL;
	const char *reason;
	const struct bpf_sample *sample = sampler_bpf(examination->sampler, &reason);
	const struct programs *programs = examination->programs;
	size_t n = 0;

	strbuf_add_char(out, '\n');
	add_row(out, "PROGRAM", "FOR", "LOADED", "WHY NOT");
	for (size_t i = 0; i < programs->n; i++)
		add_row(out, programs->list[i].name, programs->list[i].purpose,
			programs->list[i].loaded  ? "yes"
			: programs->list[i].spare ? "spare"
						  : "no",
			programs->list[i].reason);
	if (!sample || bpf_sample_metrics(sample, &metrics, &n) < 0)
		return;
	strbuf_add_char(out, '\n');
	add_row(out, "METRIC", "HIERARCHY", "FROM", "WHY NOT BPF");
	for (size_t i = 0; i < n; i++)
		add_row(out, metric_get(metrics[i].id)->name,
			examination->hierarchies->list[metrics[i].hierarchy].name,
			metrics[i].bpf ? "bpf" : "files", metrics[i].reason);
}
