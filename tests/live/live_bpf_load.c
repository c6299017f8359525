// SPDX-License-Identifier: MIT
/*
 * Programs that the kernel refuses are left out with its reason, and cost the others nothing; what
 * the kernel is asked about itself.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/bpf_kernel.h"
#include "collectors/bpf_load.h"
#include "collectors/root.h"
#include "core/cleanup.h"

#include "refused.skel.h"

struct scene {
	struct refused_bpf *skeleton;
	int n_opened;
};

static struct bpf_object *open_skeleton(void *data)
{
	struct scene *scene = data;

	scene->n_opened++;
	scene->skeleton = refused_bpf__open();
	return scene->skeleton ? scene->skeleton->obj : NULL;
}

static int load_skeleton(void *data)
{
	return refused_bpf__load(((struct scene *)data)->skeleton);
}

static void close_skeleton(void *data)
{
	struct scene *scene = data;

	refused_bpf__destroy(scene->skeleton);
	scene->skeleton = NULL;
}

static int load(struct scene *scene, struct bpf_program_status *programs, size_t n)
{
	struct bpf_loader loader = { open_skeleton, load_skeleton, close_skeleton, scene };

	*scene = (struct scene){ 0 };
	return bpf_load(&loader, programs, n);
}

static void one_by_one(void **state)
{
	struct bpf_program_status programs[] = {
		{ "bad" }, { "good" }, { "lost" }, { "wordy" }, { "none of that name" }
	};
	struct scene scene;

	(void)state;
	assert_int_equal(load(&scene, programs, ARRAY_SIZE(programs)), 0);
	assert_non_null(scene.skeleton);
	assert_true(bpf_program__fd(scene.skeleton->progs.good) >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		print_message("%s: %s\n", programs[i].name, programs[i].reason);
		assert_int_equal(programs[i].loaded, i == 1);
		assert_int_equal(programs[i].reason[0] != '\0', i != 1);
	}
	/* The verifier's last line, and not its statistics. */
	assert_non_null(strstr(programs[0].reason, "invalid mem access"));
	assert_non_null(strstr(programs[3].reason, "invalid mem access"));
	assert_non_null(strstr(programs[2].reason, "not in this kernel"));
	close_skeleton(&scene);
}

static void none_at_all(void **state)
{
	struct bpf_program_status programs[] = { { "bad" },
						 { "good", .reason = "not wanted" },
						 { "lost", .reason = "not wanted" },
						 { "wordy", .reason = "not wanted" } };
	struct scene scene;

	(void)state;
	assert_true(load(&scene, programs, ARRAY_SIZE(programs)) < 0);
	assert_null(scene.skeleton);
	assert_false(programs[0].loaded);
	assert_non_null(strstr(programs[0].reason, "invalid mem access"));
	assert_false(programs[1].loaded);
	assert_string_equal(programs[1].reason, "not wanted");
}

/* What is good is loaded at the first try. */
static void at_once(void **state)
{
	struct bpf_program_status programs[] = { { "bad", .reason = "not wanted" },
						 { "good" },
						 { "lost", .reason = "not wanted" },
						 { "wordy", .reason = "not wanted" } };
	struct scene scene;

	(void)state;
	assert_int_equal(load(&scene, programs, ARRAY_SIZE(programs)), 0);
	assert_int_equal(scene.n_opened, 1);
	assert_true(programs[1].loaded);
	close_skeleton(&scene);
}

static void kernel_answers(void **state)
{
	char reason[BPF_REASON_SIZE] = "";
	struct bpf_kernel *kernel;
	struct root *root;
	int64_t value = -1;

	(void)state;
	assert_int_equal(bpf_kernel_open(&kernel, reason, sizeof(reason)), 0);
	assert_true(bpf_kernel_has_member(kernel, "cgroup"));
	assert_true(bpf_kernel_has_member(kernel, "cgroup.bstat.cputime.sum_exec_runtime"));
	assert_true(bpf_kernel_has_member(kernel, "cgroup.subsys[0]"));
	assert_false(bpf_kernel_has_member(kernel, "cgroup.no_such_member"));
	assert_false(bpf_kernel_has_member(kernel, "cgroup.bstat."));
	assert_false(bpf_kernel_has_member(kernel, "cgroup.kn.id"));
	assert_false(bpf_kernel_has_member(kernel, "no_such_structure.a"));
	assert_false(bpf_kernel_has_member(kernel, ""));
	assert_true(bpf_kernel_has_function(kernel, "copy_namespaces"));
	assert_false(bpf_kernel_has_function(kernel, "cgwatch_there_is_no_such_function"));
	assert_true(bpf_kernel_has_tracepoint(kernel, "sched_process_exec"));
	assert_false(bpf_kernel_has_tracepoint(kernel, "sched_no_such_thing"));
	assert_true(bpf_kernel_enum(kernel, "bpf_map_type", "BPF_MAP_TYPE_ARRAY", &value));
	assert_int_equal(value, 2);
	assert_false(bpf_kernel_enum(kernel, "bpf_map_type", "BPF_NO_SUCH_MAP", &value));
	assert_false(bpf_kernel_enum(kernel, "no_such_enum", "BPF_MAP_TYPE_ARRAY", &value));
	assert_int_equal(value, 2);
	bpf_kernel_close(kernel);

	assert_int_equal(root_new(NULL, &root), 0);
	/* It is a function. */
	assert_false(bpf_kernel_has_variable(root, "copy_namespaces"));
	root_free(root);
}

/* Variables: with the address, in pieces of any length, not as part of a longer name. */
static void names_of_variables(void **state)
{
	char top[] = "/tmp/cgwatch-test-XXXXXX", path[64];
	struct root *root;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(top));
	snprintf(path, sizeof(path), "mkdir %s/proc %s/sys", top, top);
	assert_int_equal(system(path), 0);
	snprintf(path, sizeof(path), "%s/proc/kallsyms", top);
	file = fopen(path, "w");
	for (int i = 0; i < 20000; i++)
		fprintf(file, "ffffffff8%07d T function_%d\t[module]\n", i, i);
	fputs("0000000000000000 D hidden\nffffffff81000000 D known\nffffffff81000000 T code\n"
	      "ffffffff81000000 b last",
	      file);
	fclose(file);
	assert_int_equal(root_new(top, &root), 0);
	assert_true(bpf_kernel_has_variable(root, "known"));
	assert_false(bpf_kernel_has_variable(root, "hidden"));
	assert_false(bpf_kernel_has_variable(root, "code"));
	assert_false(bpf_kernel_has_variable(root, "know"));
	assert_false(bpf_kernel_has_variable(root, "function_19999"));
	root_free(root);
	snprintf(path, sizeof(path), "rm -r %s", top);
	assert_int_equal(system(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_by_one),
		cmocka_unit_test(none_at_all),
		cmocka_unit_test(at_once),
		cmocka_unit_test(kernel_answers),
		cmocka_unit_test(names_of_variables),
	};
	char reason[BPF_REASON_SIZE];

	bpf_load_init();
	if (!bpf_load_allowed(reason, sizeof(reason))) {
		printf("skipped: %s\n", reason);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
