// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "collectors/sampler.h"
#include "core/cleanup.h"
#include "tests/unit/test_collectors_truth.h"

static void sample_all(struct fixture *fixture)
{
	struct metric_set all = { 0 };

	snapshot_unref(fixture->snapshot);
	fixture->snapshot = NULL;
	metric_set_add_all(&all);
	assert_int_equal(sampler_sample(fixture->sampler, &all, &fixture->snapshot), 0);
}

static struct fixture *open_fixture(const char *name, bool hybrid, unsigned int max_fds)
{
	struct sampler_options options = { max_fds };
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->name = name;
	fixture->hybrid = hybrid;
	snprintf(fixture->dir, sizeof(fixture->dir), "%s/%s", CGWATCH_FIXTURE_DIR, name);
	assert_int_equal(root_new(fixture->dir, &fixture->root), 0);
	assert_int_equal(sampler_new(fixture->root, &options, &fixture->sampler), 0);
	sample_all(fixture);
	return fixture;
}

static void close_fixture(struct fixture *fixture)
{
	snapshot_unref(fixture->snapshot);
	sampler_free(fixture->sampler);
	root_free(fixture->root);
	free(fixture);
}

static bool agrees(const struct truth *truth, const struct metric *metric, enum value_state state,
		   union value value)
{
	switch (truth->what) {
	case UNLIMITED:
		return state == VALUE_UNLIMITED;
	case TEXT:
		return state == VALUE_OK && strcmp(value.text, truth->text) == 0;
	case NUMBER:
		if (state != VALUE_OK)
			return false;
		/* Both went through a double in `truth`: 2^53 bytes are more than any fixture has.
		 */
		return metric->kind == KIND_SIGNED ? (double)value.i64 == truth->number
						   : (double)value.u64 == truth->number;
	case NOTHING:
		break;
	}
	return state != VALUE_OK && state != VALUE_UNLIMITED && state != VALUE_FIRST;
}

static void compare_all(struct fixture *fixture)
{
	const struct snapshot *snapshot = fixture->snapshot;

	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
			const struct metric *metric = metric_get((enum metric_id)id);
			union value value = { 0 };
			enum value_state state;
			struct truth truth;

			if (metric->kind == KIND_DERIVED || metric->inventory)
				continue;
			truth = truth_of(fixture, metric, snapshot->tree->nodes[i]->path);
			state = snapshot_get(snapshot, (enum metric_id)id, i, &value);
			if (truth.what != NOTHING)
				fixture->compared++;
			if (agrees(&truth, metric, state, value) || fixture->faults++ > 20)
				continue;
			print_error("%s %s: %s %llu, the file says %s %.0f \"%s\"\n",
				    snapshot->tree->nodes[i]->path, metric->name,
				    value_state_name(state), (unsigned long long)value.u64,
				    truth.what == NUMBER      ? "number"
				    : truth.what == UNLIMITED ? "max"
				    : truth.what == TEXT      ? "text"
							      : "nothing",
				    truth.number, truth.what == TEXT ? truth.text : "");
		}
	}
	print_message("%s: %u values of %u cgroups compared with their files\n", fixture->name,
		      fixture->compared, snapshot->tree->n);
	assert_int_equal(fixture->faults, 0);
}

static void test_values(void **state)
{
	struct fixture *fixture = *state;

	compare_all(fixture);
	assert_true(fixture->compared > 2000);
}

/* A second sample of files that stand still: the same values, rates of 0, no new tree. */
static void test_second_sample(void **state)
{
	struct fixture *fixture = *state;
	struct snapshot *first = snapshot_ref(fixture->snapshot);
	struct sampler_stats stats;
	unsigned int rates = 0;

	sample_all(fixture);
	compare_all(fixture);
	assert_ptr_equal(first->tree, fixture->snapshot->tree);
	sampler_get_stats(fixture->sampler, &stats);
	assert_int_equal(stats.rebuilds, 1);
	assert_int_equal(stats.samples, 2);
	assert_int_equal(stats.read_errors, 0);
	assert_int_equal(stats.nodes, first->tree->n);
	assert_int_equal(fixture->snapshot->sequence, 2);
	assert_true(fixture->snapshot->interval_ns > 0);
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		enum metric_id rate = metric_rate((enum metric_id)id);

		for (uint32_t i = 0; rate != M_NONE && i < first->tree->n; i++) {
			enum value_state counter = snapshot_state(first, (enum metric_id)id, i);
			double number = -1;

			assert_int_equal(snapshot_state(first, rate, i),
					 counter == VALUE_OK ? VALUE_FIRST : counter);
			assert_int_equal(snapshot_number(fixture->snapshot, rate, i, &number),
					 counter);
			assert_true(counter != VALUE_OK || number == 0);
			rates += counter == VALUE_OK;
		}
	}
	assert_true(rates > 500);
	snapshot_unref(first);
}

static uint32_t count_directories(const struct fixture *fixture, const char *hierarchy,
				  const char *path)
{
	char full[4096];
	struct dirent *entry;
	uint32_t n = 1, index;
	struct stat info;
	DIR *dir;

	snprintf(full, sizeof(full), "%s/sys/fs/cgroup/%s%s", fixture->dir, hierarchy, path);
	assert_int_equal(stat(full, &info), 0);
	index = tree_find(fixture->snapshot->tree, *path ? path : "/");
	if (index == NODE_NONE)
		fail_msg("%s of %s is not in the tree", path, hierarchy);
	for (uint32_t h = 0; h < fixture->snapshot->tree->n_hierarchies; h++) {
		const char *name = fixture->snapshot->tree->hierarchies[h];

		if (strcmp(*hierarchy ? hierarchy : "unified",
			   strncmp(name, "name=", 5) == 0 ? name + 5 : name) == 0)
			assert_int_equal(fixture->snapshot->tree->nodes[index]->ids[h],
					 info.st_ino);
	}
	dir = opendir(full);
	while ((entry = readdir(dir))) {
		char child[4096];

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		n += count_directories(fixture, hierarchy, child);
	}
	closedir(dir);
	return n;
}

/* Every directory of every hierarchy is a node with that inode, and there are no others. */
static void test_tree(void **state)
{
	static const char *const names[] = { "unified", "systemd", "cpu",     "cpuacct", "cpuset",
					     "memory",	"devices", "freezer", "blkio",	 "pids" };
	struct fixture *fixture = *state;
	const struct tree *tree = fixture->snapshot->tree;
	uint32_t most = 0;

	for (size_t i = 0; i < (fixture->hybrid ? ARRAY_SIZE(names) : 1); i++) {
		uint32_t n = count_directories(fixture, fixture->hybrid ? names[i] : "", "");

		most = n > most ? n : most;
	}
	assert_int_equal(tree->n, most);
	assert_true(most >= 25);
	assert_int_equal(tree->parent[0], NODE_NONE);
	assert_int_equal(tree->end[0], tree->n);
	for (uint32_t i = 1; i < tree->n; i++) {
		const struct node *node = tree->nodes[i], *parent = tree->nodes[tree->parent[i]];

		assert_true(tree->parent[i] < i && tree->end[i] > i);
		assert_true(tree->end[i] <= tree->end[tree->parent[i]]);
		assert_int_equal(node->depth, parent->depth + 1);
		if (parent->depth > 0)
			assert_memory_equal(node->path, parent->path, strlen(parent->path));
		/* Siblings stand in the order of their bytes. */
		if (tree->end[i] < tree->n && tree->parent[tree->end[i]] == tree->parent[i])
			assert_true(strcmp(node->name, tree->nodes[tree->end[i]]->name) < 0);
	}
}

static bool is_read(bool v2, const char *file, const char *key)
{
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		const struct metric *metric = metric_get((enum metric_id)id);
		const char *from = v2 ? metric->v2.file : metric->v1.file;
		const char *word = v2 ? metric->v2.key : metric->v1.key;

		if (from && word && strcmp(from, file) == 0 && strcmp(word, key) == 0)
			return true;
	}
	return false;
}

/* What v1 says for the cgroup alone has a total_ line for it with its descendants, which is read.
 */
static bool is_local_key(bool v2, const char *text, const char *file, const char *key)
{
	char total[256];

	snprintf(total, sizeof(total), "\ntotal_%s ", key);
	return !v2 && strcmp(file, "memory.stat") == 0 && strstr(text, total);
}

/* No key that these kernels print is without a metric. */
static unsigned int check_keys(struct fixture *fixture, bool v2, const char *hierarchy,
			       const char *path, const char *file)
{
	char text[65536], copy[65536], *outer = NULL;
	unsigned int n = 0;

	if (!slurp(fixture, hierarchy, path, file, text, sizeof(text)))
		return 0;
	memcpy(copy, text, sizeof(copy));
	for (char *line = strtok_r(copy, "\n", &outer); line; line = strtok_r(NULL, "\n", &outer)) {
		bool nested = strcmp(file, "io.stat") == 0;
		char *inner = NULL, *word = strtok_r(line, " ", &inner);

		while (nested && (word = strtok_r(NULL, " ", &inner))) {
			word[strcspn(word, "=")] = '\0';
			if (!is_read(v2, file, word))
				fail_msg("%s %s: nobody reads %s", path, file, word);
			n++;
		}
		if (nested || !word)
			continue;
		if (!is_read(v2, file, word) && !is_local_key(v2, text, file, word))
			fail_msg("%s %s: nobody reads %s", path, file, word);
		n++;
	}
	return n;
}

static void test_every_key(void **state)
{
	static const char *const v2[] = {
		"cpu.stat",	     "cpu.stat.local",	    "memory.stat",
		"memory.events",     "memory.events.local", "memory.swap.events",
		"pids.events",	     "pids.events.local",   "cgroup.stat",
		"cgroup.stat.local", "cgroup.events",	    "io.stat",
	};
	static const struct {
		const char *hierarchy, *file;
	} v1[] = {
		{ "cpu", "cpu.stat" },	     { "cpuacct", "cpuacct.stat" },
		{ "memory", "memory.stat" }, { "memory", "memory.oom_control" },
		{ "pids", "pids.events" },
	};
	struct fixture *fixture = *state;
	const struct tree *tree = fixture->snapshot->tree;
	unsigned int n = 0;

	for (uint32_t i = 0; i < tree->n; i++) {
		const char *path = tree->nodes[i]->path;

		for (size_t f = 0; f < ARRAY_SIZE(v2); f++)
			n += check_keys(fixture, true, fixture->hybrid ? "unified" : "", path,
					v2[f]);
		for (size_t f = 0; fixture->hybrid && f < ARRAY_SIZE(v1); f++)
			n += check_keys(fixture, false, v1[f].hierarchy, path, v1[f].file);
	}
	print_message("%s: %u keys have their metric\n", fixture->name, n);
	assert_true(n > 1000);
}

/* More cgroups than descriptors: slower, and the same values. */
static void test_few_descriptors(void **state)
{
	static const unsigned int budgets[] = { 1, 30, 200, 3000 };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(budgets); i++) {
		struct fixture *poor = open_fixture(fixture->name, fixture->hybrid, budgets[i]);
		struct sampler_stats stats;

		for (int round = 0; round < 3; round++) {
			compare_all(poor);
			sampler_get_stats(poor->sampler, &stats);
			assert_int_equal(stats.max_fds, budgets[i]);
			assert_true(stats.kept_fds <= budgets[i]);
			sample_all(poor);
		}
		close_fixture(poor);
	}
}

/* Another set of columns between two samples: what is asked for is there, right, and nothing else.
 */
static void test_other_columns(void **state)
{
	struct fixture *fixture = *state;
	struct metric_set few = { 0 };
	struct snapshot *snapshot;
	double number;

	metric_set_add(&few, M_MEMORY_CURRENT);
	assert_int_equal(sampler_sample(fixture->sampler, &few, &snapshot), 0);
	assert_null(snapshot->columns[M_CPU_USAGE].states);
	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		double other;

		assert_int_equal(snapshot_number(snapshot, M_MEMORY_CURRENT, i, &number),
				 snapshot_number(fixture->snapshot, M_MEMORY_CURRENT, i, &other));
		assert_true(snapshot_state(snapshot, M_MEMORY_CURRENT, i) != VALUE_OK ||
			    number == other);
	}
	snapshot_unref(snapshot);
	sample_all(fixture);
	compare_all(fixture);
}

static int setup_v2(void **state)
{
	*state = open_fixture("v2-linux-6.1", false, 0);
	return 0;
}

static int setup_hybrid(void **state)
{
	*state = open_fixture("hybrid-linux-6.18", true, 0);
	return 0;
}

static int teardown(void **state)
{
	close_fixture(*state);
	return 0;
}

int main(void)
{
#define on_both(test)                                              \
	cmocka_unit_test_setup_teardown(test, setup_v2, teardown), \
		cmocka_unit_test_setup_teardown(test, setup_hybrid, teardown)
	const struct CMUnitTest tests[] = {
		on_both(test_values),	       on_both(test_second_sample), on_both(test_tree),
		on_both(test_few_descriptors), on_both(test_other_columns), on_both(test_every_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
