// SPDX-License-Identifier: MIT
/*
 * The bpf backend against the kernel's files, on a tree under load: every counter that it supplies
 * lies between two readings of its file, every other value is what the file said before and after.
 * What was compared, and where each metric comes from, is printed as a table.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "collectors/sampler.h"
#include "core/cleanup.h"
#include "live.h"
#include "live_bpf.h"
#include "parity_scene.h"

enum { ROUNDS = 30, FAULTS_SHOWN = 30 };

/* How often a metric of a hierarchy was compared, and how often that said something. */
struct tally {
	struct bpf_metric_status status;
	unsigned int compared, above_zero, faults;
};

struct parity {
	struct live *live;
	char top[64];
	struct root *root;
	struct sampler *files, *bpf;
	struct metric_set wanted;
	struct tally *tallies;
	size_t n;
	unsigned int faults;
	uint64_t by_files, nodes, failures, reads, last_reads;
};

/* ---- the scene ------------------------------------------------------------------------ */

/*
 * TOP/name also in the hierarchies that live.c leaves alone (cpuset, and on a hybrid host the v2
 * tree), so that what only they know is compared too.
 */
static void extra_path(const struct parity *parity, unsigned int h, const char *name, char *path,
		       size_t size)
{
	snprintf(path, size, "%s%s%s%s", sampler_hierarchies(parity->files)->list[h].mountpoint,
		 parity->top, *name ? "/" : "", name);
}

static void make(struct parity *parity, const char *name)
{
	char path[600];

	if (*name && !is_only_v2(name))
		live_cgroup(parity->live, name);
	for (unsigned int h = 0; h < sampler_hierarchies(parity->files)->n; h++) {
		if (is_only_v2(name) && !sampler_hierarchies(parity->files)->list[h].v2)
			continue;
		extra_path(parity, h, name, path, sizeof(path));
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			printf("%s: %s\n", path, strerror(errno));
	}
}

static void drop(const struct parity *parity, const char *name)
{
	char path[600];

	for (unsigned int h = 0; h < sampler_hierarchies(parity->files)->n; h++) {
		extra_path(parity, h, name, path, sizeof(path));
		for (double end = live_now() + LIVE_PATIENCE;
		     rmdir(path) < 0 && errno == EBUSY && live_now() < end;)
			live_wait(0.01);
	}
}

/* Writes a file of TOP/name in whichever hierarchy has it; some are not on every kernel. */
static void put(const struct parity *parity, const char *name, const char *file, const char *text)
{
	char path[600], full[700];

	for (unsigned int h = 0; h < sampler_hierarchies(parity->files)->n; h++) {
		int fd;

		extra_path(parity, h, name, path, sizeof(path));
		snprintf(full, sizeof(full), "%s/%s", path, file);
		fd = open(full, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (write(fd, text, strlen(text)) < 0)
			printf("%s: \"%s\": %s\n", full, text, strerror(errno));
		close(fd);
	}
}

/* Starts it in TOP/name, in the v2 tree in TOP/name2. */
static void start(const struct parity *parity, const char *name, const char *name2,
		  void (*work)(void))
{
	const struct hierarchy *v2 = hierarchies_v2(sampler_hierarchies(parity->files));
	pid_t pid = live_start(parity->live, name, work);
	char path[600], text[16];
	int fd;

	if (!v2)
		return;
	snprintf(path, sizeof(path), "%s%s/%s/cgroup.procs", v2->mountpoint, parity->top, name2);
	snprintf(text, sizeof(text), "%d", (int)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(write(fd, text, strlen(text)) > 0);
	close(fd);
}

static void scene(struct parity *parity)
{
	make(parity, "");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		make(parity, names[i]);
	start(parity, "burn/inner", "burn/inner", live_burn);
	start(parity, "burn/inner", "burn/inner", work_calls);
	start(parity, "unlimited", "unlimited", work_calls);
	start(parity, "unlimited", "unlimited", work_nice);
	start(parity, "unlimited", only_v2, work_calls);
	start(parity, "unlimited", only_v2, work_nice);
	start(parity, "alloc", "alloc", live_allocate);
	start(parity, "fork", "fork", live_fork);
	start(parity, "files", "files", work_files);
	for (int i = 0; i < 3; i++)
		start(parity, "still", "still", live_sleep);
	start(parity, "frozen/in", "frozen/in", live_sleep);
	start(parity, "idle", "idle", live_sleep);
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		put(parity, settings[i].cgroup, settings[i].file, settings[i].text);
	/* The limit is there before the one who is refused. */
	start(parity, "refused", "refused", work_refused);
}

/* ---- comparing ------------------------------------------------------------------------ */

static bool by_v1(const struct hierarchy *hierarchy, const struct metric *metric)
{
	return !hierarchy->v2 && metric->v1.file &&
	       (strcmp(metric->v1.controller, ANY_CONTROLLER) == 0 ||
		hierarchy_has(hierarchy, metric->v1.controller));
}

/* Told by the bpf backend, if only that there is no such thing on this kernel. */
static bool is_told(const struct tally *tally)
{
	return tally->status.bpf || strncmp(tally->status.reason, "no file of", 10) == 0;
}

/* What tells this metric of that cgroup: v1 before v2. NULL if it is not the bpf backend. */
static struct tally *tally_of(struct parity *parity, enum metric_id id, const struct node *node)
{
	const struct hierarchies *hierarchies = sampler_hierarchies(parity->bpf);
	struct tally *second = NULL;

	for (unsigned int h = 0; h < hierarchies->n; h++) {
		if (h < node->n_ids && node->ids[h] &&
		    by_v1(&hierarchies->list[h], metric_get(id))) {
			for (size_t i = 0; i < parity->n; i++) {
				if (parity->tallies[i].status.id == id &&
				    parity->tallies[i].status.hierarchy == h)
					return is_told(&parity->tallies[i]) ? &parity->tallies[i]
									    : NULL;
			}
			return NULL;
		}
	}
	for (size_t i = 0; i < parity->n; i++) {
		unsigned int h = parity->tallies[i].status.hierarchy;

		if (parity->tallies[i].status.id == id && hierarchies->list[h].v2 &&
		    h < node->n_ids && node->ids[h] && is_told(&parity->tallies[i]))
			second = &parity->tallies[i];
	}
	return second;
}

/*
 * The kernel splits CPU time into user and system by ticks, and remembers what it last printed so
 * that it never goes back. Two readers may therefore see the border between the two at places that
 * are some ticks apart; v1 prints hundredths of a second.
 */
static uint64_t tolerance(enum metric_id id)
{
	return id == M_CPU_USER || id == M_CPU_SYSTEM ? 60000 : 0;
}

static bool agrees(enum metric_id id, bool still, const union value *before,
		   const union value *value, const union value *after)
{
	const struct metric *metric = metric_get(id);
	uint64_t slack = tolerance(id);

	if (metric->kind == KIND_COUNTER)
		return value->u64 + slack >= before->u64 && value->u64 <= after->u64 + slack;
	if (!still)
		return true;
	if (metric->kind == KIND_TEXT)
		return strcmp(before->text, after->text) != 0 ||
		       strcmp(before->text, value->text) == 0;
	return before->u64 != after->u64 || before->u64 == value->u64;
}

static void print_cell(const char *who, enum metric_id id, enum value_state state,
		       union value value)
{
	struct strbuf text;

	strbuf_init(&text);
	if (state == VALUE_OK && metric_get(id)->kind == KIND_TEXT)
		strbuf_printf(&text, "\"%s\"", value.text);
	else if (state == VALUE_OK)
		strbuf_printf(&text, "%llu", (unsigned long long)value.u64);
	printf(" %s %s %s", who, value_state_name(state), text.data ? text.data : "");
	strbuf_done(&text);
}

static void compare_cell(struct parity *parity, struct tally *tally, const char *name,
			 struct snapshot *const at[3], const uint32_t index[3])
{
	enum metric_id id = tally->status.id;
	enum value_state states[3];
	union value values[3] = { 0 };
	bool good;

	for (int i = 0; i < 3; i++)
		states[i] = snapshot_get(at[i], id, index[i], &values[i]);
	if (states[0] != states[2])
		return;
	good = states[1] == states[0] &&
	       (states[1] != VALUE_OK ||
		agrees(id, is_still(name), &values[0], &values[1], &values[2]));
	tally->compared++;
	tally->above_zero += states[1] == VALUE_OK && values[1].u64 != 0;
	if (good)
		return;
	tally->faults++;
	if (++parity->faults > FAULTS_SHOWN)
		return;
	printf("%s of %s:", metric_get(id)->name, *name ? name : "TOP");
	print_cell("before", id, states[0], values[0]);
	print_cell("bpf", id, states[1], values[1]);
	print_cell("after", id, states[2], values[2]);
	printf("\n");
}

/*
 * User and system time together are what was used, or 1 us less for rounding each down, but for the
 * moment in which one of them would have gone back.
 */
static void compare_sum(struct parity *parity, const char *name, const struct snapshot *snapshot,
			uint32_t index)
{
	union value user, system, usage;
	struct tally *tally = tally_of(parity, M_CPU_USER, snapshot->tree->nodes[index]);
	uint64_t slack, sum;

	if (!tally || snapshot_get(snapshot, M_CPU_USER, index, &user) != VALUE_OK ||
	    snapshot_get(snapshot, M_CPU_SYSTEM, index, &system) != VALUE_OK ||
	    snapshot_get(snapshot, M_CPU_USAGE, index, &usage) != VALUE_OK)
		return;
	slack = sampler_hierarchies(parity->bpf)->list[tally->status.hierarchy].v2 ? 1 : 20000;
	sum = user.u64 + system.u64;
	if (sum <= usage.u64 + tolerance(M_CPU_USER) && sum + slack >= usage.u64)
		return;
	parity->faults++;
	printf("%s: user %llu and system %llu are not usage %llu\n", name,
	       (unsigned long long)user.u64, (unsigned long long)system.u64,
	       (unsigned long long)usage.u64);
}

static void compare(struct parity *parity, struct snapshot *const at[3])
{
	for (size_t i = 0; i <= ARRAY_SIZE(names); i++) {
		const char *name = i ? names[i - 1] : "";
		char path[200];
		uint32_t index[3];

		snprintf(path, sizeof(path), "%s%s%s", parity->top, i ? "/" : "", name);
		for (int k = 0; k < 3; k++) {
			index[k] = tree_find(at[k]->tree, path);
			assert_true(index[k] != NODE_NONE);
		}
		for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
			struct tally *tally = tally_of(parity, (enum metric_id)id,
						       at[1]->tree->nodes[index[1]]);

			if (tally)
				compare_cell(parity, tally, name, at, index);
		}
		compare_sum(parity, name, at[1], index[1]);
	}
}

/* The root's numbers are the machine's, which only its files have: nothing of them is ours. */
static void compare_root(struct parity *parity, struct snapshot *const at[3])
{
	static const uint32_t index[3] = { 0 };

	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		const struct tally *tally = tally_of(parity, (enum metric_id)id,
						     at[1]->tree->nodes[0]);
		struct tally aside;

		/* Not counted as told: it was files that told it. */
		if (!tally)
			continue;
		aside = *tally;
		compare_cell(parity, &aside, "", at, index);
	}
}

/* Counters never go back from one sample of the bpf backend to the next. */
static void compare_order(struct parity *parity, const struct snapshot *first,
			  const struct snapshot *second)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[200];
		uint32_t a, b;

		snprintf(path, sizeof(path), "%s/%s", parity->top, names[i]);
		a = tree_find(first->tree, path);
		b = tree_find(second->tree, path);
		for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
			union value before, after;

			if (metric_get((enum metric_id)id)->kind != KIND_COUNTER ||
			    snapshot_get(first, (enum metric_id)id, a, &before) != VALUE_OK ||
			    snapshot_get(second, (enum metric_id)id, b, &after) != VALUE_OK ||
			    after.u64 >= before.u64)
				continue;
			parity->faults++;
			printf("%s of %s went back from %llu to %llu\n",
			       metric_get((enum metric_id)id)->name, names[i],
			       (unsigned long long)before.u64, (unsigned long long)after.u64);
		}
	}
}

static void round_of(struct parity *parity, struct snapshot **last)
{
	struct snapshot *at[3];
	struct sampler_stats stats;

	assert_int_equal(sampler_sample(parity->files, &parity->wanted, &at[0]), 0);
	assert_int_equal(sampler_sample(parity->bpf, &parity->wanted, &at[1]), 0);
	assert_int_equal(sampler_sample(parity->files, &parity->wanted, &at[2]), 0);
	compare(parity, at);
	compare_root(parity, at);
	if (*last)
		compare_order(parity, *last, at[1]);
	sampler_get_stats(parity->bpf, &stats);
	parity->by_files += stats.bpf_stats.by_files;
	parity->nodes += stats.nodes;
	parity->failures = stats.bpf_stats.failures;
	parity->reads += stats.reads - parity->last_reads;
	parity->last_reads = stats.reads;
	snapshot_unref(*last);
	*last = at[1];
	snapshot_unref(at[0]);
	snapshot_unref(at[2]);
}

/* ---- what was compared ---------------------------------------------------------------- */

static const char *may_be_nothing(const struct tally *tally)
{
	const char *name = metric_get(tally->status.id)->name;

	for (size_t i = 0; i < ARRAY_SIZE(nothing); i++) {
		if (strncmp(name, nothing[i].metric, strlen(nothing[i].metric)) == 0)
			return nothing[i].why;
	}
	return NULL;
}

static bool is_untold(const struct tally *tally)
{
	return tally->status.bpf && tally->above_zero == 0 && !may_be_nothing(tally);
}

static unsigned int untold_of(const struct parity *parity)
{
	unsigned int n = 0;

	for (size_t i = 0; i < parity->n; i++)
		n += is_untold(&parity->tallies[i]);
	return n;
}

static unsigned int print_table(const struct parity *parity)
{
	struct utsname system;

	uname(&system);
	printf("%-36s %-18s %-12s %-6s %8s %8s\n", "metric", "kernel", "hierarchy", "source",
	       "compared", "above 0");
	for (size_t i = 0; i < parity->n; i++) {
		const struct tally *tally = &parity->tallies[i];
		const char *why = may_be_nothing(tally);
		bool bad = is_untold(tally);

		printf("%-36s %-18.18s %-12.12s %-6s %8u %8u%s%s %s\n",
		       metric_get(tally->status.id)->name, system.release,
		       sampler_hierarchies(parity->bpf)->list[tally->status.hierarchy].name,
		       tally->status.bpf ? "bpf" : "files", tally->compared, tally->above_zero,
		       tally->faults ? " WRONG" : "",
		       bad					 ? " NOTHING COMPARED"
		       : tally->status.bpf && !tally->above_zero ? " "
								 : "",
		       tally->status.bpf ? (tally->above_zero ? ""
					    : why	      ? why
							      : "")
					 : tally->status.reason);
	}
	return untold_of(parity);
}

static void test_parity(void **state)
{
	struct parity *parity = *state;
	struct snapshot *last = NULL;
	double end = live_now() + LIVE_PATIENCE;
	unsigned int untold;

	scene(parity);
	live_wait(0.5);
	/* On a busy machine it takes its time until everything has happened. */
	for (int i = 0; i < ROUNDS || (untold_of(parity) > 0 && live_now() < end); i++) {
		round_of(parity, &last);
		live_wait(0.05);
	}
	snapshot_unref(last);
	untold = print_table(parity);
	printf("%llu of %llu cgroups were left to the files, %llu passes failed, %llu reads\n",
	       (unsigned long long)parity->by_files, (unsigned long long)parity->nodes,
	       (unsigned long long)parity->failures, (unsigned long long)parity->reads);
	assert_int_equal(parity->faults, 0);
	assert_int_equal(untold, 0);
	/* Or files would have been compared with files. */
	assert_true(parity->by_files * 3 < parity->nodes);
}

/* Every hierarchy that has it is told by the bpf backend. */
static bool is_all_told(const struct parity *parity, enum metric_id id)
{
	bool told = false;

	for (size_t i = 0; i < parity->n; i++) {
		if (parity->tallies[i].status.id != id)
			continue;
		if (!parity->tallies[i].status.bpf)
			return false;
		told = true;
	}
	return told;
}

/* Files read for one more sample of those. */
static uint64_t reads_for(struct parity *parity, const struct metric_set *wanted,
			  uint64_t *ret_nodes)
{
	struct sampler_stats before, after;
	struct snapshot *snapshot;

	sampler_get_stats(parity->bpf, &before);
	assert_int_equal(sampler_sample(parity->bpf, wanted, &snapshot), 0);
	sampler_get_stats(parity->bpf, &after);
	snapshot_unref(snapshot);
	*ret_nodes = after.nodes;
	return after.reads - before.reads;
}

/*
 * What it supplies is read from no file but for the root and the like, for any metric, also beside
 * one that files are read for.
 */
static void test_unread(void **state)
{
	struct parity *parity = *state;
	struct metric_set beside = { 0 };
	unsigned int n = 0, bad = 0;
	uint64_t nodes, base;

	metric_set_add(&beside, M_PSI_CPU_SOME_TOTAL);
	base = reads_for(parity, &beside, &nodes);
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		struct metric_set wanted = beside;
		uint64_t reads;

		if (!is_all_told(parity, (enum metric_id)id))
			continue;
		metric_set_add(&wanted, (enum metric_id)id);
		reads = reads_for(parity, &wanted, &nodes);
		n++;
		if (reads * 3 < base * 3 + nodes)
			continue;
		bad++;
		printf("%s: %llu files were read for %llu cgroups, %llu without it\n",
		       metric_get((enum metric_id)id)->name, (unsigned long long)reads,
		       (unsigned long long)nodes, (unsigned long long)base);
	}
	printf("%u metrics looked at one by one, beside %llu files\n", n, (unsigned long long)base);
	assert_int_equal(bad, 0);
	assert_true(n > 0);
}

static int teardown(void **state)
{
	struct parity *parity = *state;
	void *live;
	int r;

	/* It was not even begun. */
	if (!parity)
		return -1;
	live = parity->live;
	if (!parity->files) {
		root_free(parity->root);
		free(parity);
		return live_teardown(&live);
	}
	put(parity, "frozen", "cgroup.freeze", "0");
	put(parity, frozen_v2, "cgroup.freeze", "0");
	put(parity, "frozen", "freezer.state", "THAWED");
	/* Whatever was forked goes with its cgroup. */
	put(parity, "", "cgroup.kill", "1");
	/* live_teardown() waits for a top without any that it does not know. */
	drop(parity, frozen_v2);
	drop(parity, only_v2);
	r = live_teardown(&live);
	for (size_t i = ARRAY_SIZE(names); i-- > 0;)
		drop(parity, names[i]);
	drop(parity, "");
	sampler_free(parity->bpf);
	sampler_free(parity->files);
	root_free(parity->root);
	free(parity->tallies);
	free(parity);
	return r;
}

static int setup(void **state)
{
	struct parity *parity = calloc(1, sizeof(*parity));
	/* Two samplers share what one process may open. */
	struct sampler_options files = { .max_fds = 4096 };
	struct sampler_options options = { .max_fds = 4096, .bpf = true };
	struct bpf_metric_status *list;
	void *live = NULL;
	const char *reason = "";

	if (!parity || live_setup(&live) < 0) {
		free(parity);
		return -1;
	}
	parity->live = live;
	snprintf(parity->top, sizeof(parity->top), "%s", parity->live->top);
	*state = parity;
	if (root_new(NULL, &parity->root) < 0 ||
	    sampler_new(parity->root, &files, &parity->files) < 0 ||
	    sampler_new(parity->root, &options, &parity->bpf) < 0)
		return -1;
	if (!sampler_bpf(parity->bpf, &reason) ||
	    bpf_sample_metrics(sampler_bpf(parity->bpf, &reason), &list, &parity->n) < 0)
		return -1;
	parity->tallies = calloc(parity->n, sizeof(*parity->tallies));
	for (size_t i = 0; i < parity->n; i++) {
		parity->tallies[i].status = list[i];
		if (is_told(&parity->tallies[i]))
			metric_set_add(&parity->wanted, list[i].id);
	}
	free(list);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_parity),
						   cmocka_unit_test(test_unread) };

	if (!live_bpf_samples())
		return 77;
	return cmocka_run_group_tests_name("bpf parity", tests, setup, teardown);
}
