// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/control_client.h"
#include "agent/output.h"
#include "agent/rights.h"
#include "agent/verbs/doctor.h"
#include "agent/verbs/inventory_fetch.h"
#include "collectors/watch.h"
#include "core/cleanup.h"
#include "core/escape.h"
#include "policies/knob.h"

DEFINE_CLEANUP(struct inventory *, inventory_unref)

static const char *const verdict_names[] = { "yes", "partly", "no" };

static void check_kernel(const struct examination *examination, struct finding *finding)
{
	struct utsname name;

	(void)examination;
	uname(&name);
	strbuf_printf(&finding->why, "Linux %s on %s", name.release, name.machine);
}

static void check_hierarchies(const struct examination *examination, struct finding *finding)
{
	const struct hierarchies *hierarchies = examination->hierarchies;
	unsigned int n_v1 = 0;

	for (unsigned int h = 0; h < hierarchies->n; h++) {
		const struct hierarchy *hierarchy = &hierarchies->list[h];

		n_v1 += !hierarchy->v2;
		if (hierarchy->fd < 0) {
			finding->verdict = VERDICT_PART;
			strbuf_printf(&finding->why, "%s: %s; ", hierarchy->mountpoint,
				      strerror(-hierarchy->fd));
		}
	}
	strbuf_printf(&finding->why, "%s: %u v1 hierarch%s%s",
		      !n_v1			    ? "pure v2"
		      : hierarchies_v2(hierarchies) ? "hybrid"
						    : "pure v1",
		      n_v1, n_v1 == 1 ? "y" : "ies", hierarchies_v2(hierarchies) ? " and v2" : "");
}

/* Root in the sandbox of a service or in a container is not all that root may be. */
static void add_missing_rights(struct finding *finding)
{
	enum right_state states[RIGHT_COUNT];

	rights_ask(states);
	for (int i = 0; i < RIGHT_COUNT; i++) {
		if (states[i] == RIGHT_GRANTED)
			continue;
		finding->verdict = VERDICT_PART;
		if (states[i] == RIGHT_NO_CAPABILITY)
			strbuf_printf(&finding->why, "; not known without %s: %s",
				      right_needs((enum right)i), right_loss((enum right)i));
		else
			strbuf_printf(&finding->why,
				      "; not known, as its system call is refused: %s",
				      right_loss((enum right)i));
	}
}

static void check_root(const struct examination *examination, struct finding *finding)
{
	struct strbuf status;
	const char *line;
	uint64_t capabilities = 0;

	strbuf_init(&status);
	root_read(examination->context->root, ROOT_PROC, "self/status", &status);
	line = status.data ? strstr(status.data, "CapEff:") : NULL;
	if (line)
		capabilities = strtoull(line + 7, NULL, 16);
	strbuf_done(&status);
	if (geteuid() == 0)
		strbuf_add_string(&finding->why, "root");
	else
		strbuf_printf(&finding->why, "uid %u", (unsigned int)geteuid());
	strbuf_printf(&finding->why, ", capabilities %016" PRIx64, capabilities);
	if (geteuid() != 0) {
		finding->verdict = VERDICT_PART;
		strbuf_add_string(
			&finding->why,
			": what others own can be read as far as its mode allows, and not changed");
		return;
	}
	add_missing_rights(finding);
}

static void check_fds(const struct examination *examination, struct finding *finding)
{
	struct rlimit limit = { 0, 0 };

	(void)examination;
	getrlimit(RLIMIT_NOFILE, &limit);
	strbuf_printf(&finding->why, "%llu descriptors at most",
		      (unsigned long long)limit.rlim_max);
	if (limit.rlim_max < 4096) {
		finding->verdict = VERDICT_PART;
		strbuf_add_string(&finding->why, ": sampling many cgroups is slower");
	}
}

static void check_watch(const struct examination *examination, struct finding *finding)
{
	struct watch *watch = NULL;
	unsigned int n = 0;

	if (root_is_recorded(examination->context->root) ||
	    watch_new(examination->hierarchies, UINT32_MAX, &watch) < 0) {
		finding->verdict = VERDICT_NO;
		strbuf_add_string(&finding->why, "this is a recorded tree");
		return;
	}
	n = (unsigned int)__builtin_popcount(watch_covered(watch));
	watch_free(watch);
	strbuf_printf(&finding->why,
		      "the kernel tells of new and removed cgroups in %u of %u "
		      "hierarchies",
		      n, examination->hierarchies->n);
	if (n < examination->hierarchies->n) {
		finding->verdict = n ? VERDICT_PART : VERDICT_NO;
		strbuf_add_string(
			&finding->why,
			"; elsewhere each is looked at (needs Linux 6.6 and CAP_SYS_ADMIN)");
	}
}

/* True if some cgroup has the value or could have it. */
static bool any_cell(const struct snapshot *snapshot, enum metric_id id)
{
	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		enum value_state state = snapshot_state(snapshot, id, i);

		if (state == VALUE_OK || state == VALUE_UNLIMITED)
			return true;
	}
	return false;
}

static void check_metric(const struct examination *examination, struct finding *finding,
			 enum metric_id id, const char *missing)
{
	const struct metric *metric = metric_get(id);

	if (any_cell(examination->snapshot, id)) {
		strbuf_printf(&finding->why, "%s is there", metric->name);
		return;
	}
	if (metric->v1.controller &&
	    hierarchies_find(examination->hierarchies, metric->v1.controller)) {
		strbuf_printf(&finding->why, "the %s controller is mounted; no cgroup is in it yet",
			      metric->v1.controller);
		return;
	}
	finding->verdict = VERDICT_NO;
	strbuf_printf(&finding->why, "no cgroup has %s: %s", metric->name, missing);
}

static void check_cpu(const struct examination *examination, struct finding *finding)
{
	check_metric(examination, finding, M_CPU_USAGE, "neither cpuacct (v1) nor v2 is mounted");
}

static void check_memory(const struct examination *examination, struct finding *finding)
{
	check_metric(examination, finding, M_MEMORY_CURRENT,
		     "the memory controller is not on for any cgroup, or switched off at boot "
		     "(cgroup_disable=memory)");
}

static void check_io(const struct examination *examination, struct finding *finding)
{
	check_metric(examination, finding, M_IO_RBYTES,
		     "the io (blkio) controller is not on for any cgroup");
}

static void check_pids(const struct examination *examination, struct finding *finding)
{
	check_metric(examination, finding, M_PIDS_CURRENT,
		     "the pids controller is not on for any cgroup");
}

static void check_psi(const struct examination *examination, struct finding *finding)
{
	check_metric(examination, finding, M_PSI_CPU_SOME_TOTAL,
		     "v2 is not mounted, or the kernel was started without psi=1");
}

static void check_peak(const struct examination *examination, struct finding *finding)
{
	check_metric(examination, finding, M_MEMORY_PEAK, "on v2 it needs Linux 5.19");
}

static void check_swap(const struct examination *examination, struct finding *finding)
{
	check_metric(examination, finding, M_MEMORY_SWAP_CURRENT,
		     "the memory controller is not on, or swap accounting is off");
}

static void check_knob(const struct examination *examination, struct finding *finding,
		       enum knob_id knob)
{
	const char *reason = "";

	if (root_is_recorded(examination->context->root)) {
		finding->verdict = VERDICT_NO;
		strbuf_add_string(&finding->why, "this is a recorded tree");
	} else if (knob_check_host(knob, examination->hierarchies, &reason) < 0) {
		finding->verdict = VERDICT_NO;
		strbuf_add_string(&finding->why, reason);
	} else if (geteuid() != 0) {
		finding->verdict = VERDICT_PART;
		strbuf_add_string(&finding->why,
				  "only in cgroups that were delegated to this user");
	} else {
		strbuf_add_string(&finding->why, "by policy or with 'cgwatch set'");
	}
}

static void check_cpu_quota(const struct examination *examination, struct finding *finding)
{
	check_knob(examination, finding, KNOB_CPU_QUOTA);
}

static void check_memory_high(const struct examination *examination, struct finding *finding)
{
	check_knob(examination, finding, KNOB_MEMORY_HIGH);
}

static void check_memory_max(const struct examination *examination, struct finding *finding)
{
	check_knob(examination, finding, KNOB_MEMORY_MAX);
}

static void check_freeze(const struct examination *examination, struct finding *finding)
{
	check_knob(examination, finding, KNOB_FREEZE);
}

static void check_agent(const struct examination *examination, struct finding *finding)
{
	struct strbuf answer;
	int r;

	strbuf_init(&answer);
	r = control_ask(examination->context->state_dir, "ping", &answer);
	finding->verdict = r < 0 ? VERDICT_NO : VERDICT_YES;
	if (r == 0)
		strbuf_printf(&finding->why, "answers on %s/control",
			      examination->context->state_dir);
	else if (control_is_absent(r))
		strbuf_printf(&finding->why, "no cgwatchd on %s/control",
			      examination->context->state_dir);
	else
		strbuf_printf(&finding->why, "%s/control: %s", examination->context->state_dir,
			      strerror(-r));
	strbuf_done(&answer);
}

static void check_build(const struct examination *examination, struct finding *finding)
{
	(void)examination;
	strbuf_printf(&finding->why,
		      "cgwatch " CGWATCH_VERSION ", terminal %s, exporter %s, bpf %s",
		      CGWATCH_HAVE_TUI ? "on" : "off", CGWATCH_HAVE_EXPORTER ? "on" : "off",
		      CGWATCH_HAVE_BPF ? "on" : "off");
	if (!CGWATCH_HAVE_TUI || !CGWATCH_HAVE_EXPORTER || !CGWATCH_HAVE_BPF)
		finding->verdict = VERDICT_PART;
}

static const struct {
	const char *name;
	void (*check)(const struct examination *examination, struct finding *finding);
} checks[] = {
	{ "kernel", check_kernel },
	{ "cgroup hierarchies", check_hierarchies },
	{ "rights", check_root },
	{ "open files", check_fds },
	{ "watch the tree", check_watch },
	{ "sample by bpf", doctor_check_bpf },
	{ "bpf programs", doctor_check_programs },
	{ "bpf in this kernel", doctor_check_kernel_types },
	{ "see CPU use", check_cpu },
	{ "see memory use", check_memory },
	{ "see memory peaks", check_peak },
	{ "see swap use", check_swap },
	{ "see block I/O", check_io },
	{ "see task counts", check_pids },
	{ "see pressure (PSI)", check_psi },
	{ "see namespaces", doctor_check_namespaces },
	{ "ask namespaces", doctor_check_ids },
	{ "see overlays", doctor_check_mounts },
	{ "watch layers", doctor_check_layers },
	{ "see containers", doctor_check_containers },
	{ "limit CPU", check_cpu_quota },
	{ "throttle memory", check_memory_high },
	{ "limit memory", check_memory_max },
	{ "freeze", check_freeze },
	{ "agent running", check_agent },
	{ "build", check_build },
};

static void examine(const struct examination *examination, struct jsonw *json, bool as_json)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		struct finding finding = { VERDICT_YES };

		strbuf_init(&finding.why);
		checks[i].check(examination, &finding);
		if (as_json) {
			jsonw_begin(json, NULL, '{');
			jsonw_string(json, "name", checks[i].name);
			jsonw_string(json, "verdict", verdict_names[finding.verdict]);
			jsonw_string(json, "why", finding.why.data ? finding.why.data : "");
			jsonw_end(json, '}');
		} else {
			output_pad(&json->out, checks[i].name, 20, false);
			output_pad(&json->out, verdict_names[finding.verdict], 8, false);
			escape_terminal_append(&json->out, finding.why.data, finding.why.length);
			strbuf_add_char(&json->out, '\n');
		}
		strbuf_done(&finding.why);
	}
}

static int print(struct context *context, const struct examination *examination, bool as_json,
		 bool bpf)
{
	struct jsonw json;
	int r;

	jsonw_init(&json);
	if (as_json) {
		jsonw_begin(&json, NULL, '{');
		jsonw_u64(&json, "schema", 1);
		jsonw_begin(&json, "checks", '[');
	}
	examine(examination, &json, as_json);
	if (as_json) {
		jsonw_end(&json, ']');
		doctor_bpf_json(examination, &json);
		jsonw_end(&json, '}');
		strbuf_add_char(&json.out, '\n');
	}
	if (bpf && !as_json)
		doctor_bpf_tables(examination, &json.out);
	r = context_write(context, &json.out);
	jsonw_done(&json);
	return r;
}

static int run(struct context *context, bool as_json, bool bpf)
{
	_cleanup_(inventory_unrefp) struct inventory *inventory = NULL;
	struct programs *programs = NULL;
	struct sampler *sampler = NULL;
	struct snapshot *snapshot = NULL;
	struct metric_set set = { 0 };
	int r;

	/* What those who go on sampling would have. */
	context->goes_on = true;
	r = context_sampler(context, &sampler);
	metric_set_add_all(&set);
	if (r == 0) {
		r = sampler_sample(sampler, &set, &snapshot);
		if (r < 0)
			r = context_fail(context, EXIT_FAILED, "sampling: %s", strerror(-r));
	}
	if (r == 0) {
		const struct hierarchies *hierarchies = sampler_hierarchies(sampler);
		struct examination examination = { context, sampler, NULL, hierarchies, snapshot };

		/* Without it those checks say so. */
		if (inventory_fetch(context, hierarchies,
				    INVENTORY_NAMESPACES | INVENTORY_OVERLAYS |
					    INVENTORY_CONTAINERS,
				    &inventory) == 0)
			examination.inventory = inventory;
		if (doctor_ask_programs(&examination, &programs) < 0)
			r = context_fail(context, EXIT_FAILED, "out of memory");
		examination.programs = programs;
		if (r == 0)
			r = print(context, &examination, as_json, bpf);
	}
	doctor_free_programs(programs);
	snapshot_unref(snapshot);
	sampler_free(sampler);
	return r;
}

int verb_doctor(struct context *context, int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { "bpf", no_argument, NULL, 'b' },
						 { NULL } };
	bool as_json = false, bpf = false;
	int option;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option != 'j' && option != 'b')
			return context_bad_option(context);
		as_json |= option == 'j';
		bpf |= option == 'b';
	}
	if (optind < argc)
		return context_usage(context, "%s: takes no argument", argv[optind]);
	return run(context, as_json, bpf);
}
