// SPDX-License-Identifier: MIT
/*
 * Every kind of event that programs in the kernel tell of really happens in a cgroup here, and is
 * told with the right cgroup, process and text; what a kernel cannot tell has a reason. What finds
 * no room is counted, and nothing else is missing.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sched.h>
#include <time.h>

#include "bpf_event_scene.h"

enum { BURST = 4000, PACED = 3000, PACE = 50 };

static void test_created_removed(void **state)
{
	struct listener listener;
	struct scene *scene = *state;
	const struct kernel_event *event;

	listen_to(&listener, scene,
		  KERNEL_EVENT_BIT(KERNEL_EVENT_CREATED) | KERNEL_EVENT_BIT(KERNEL_EVENT_REMOVED));
	assert_true(is_told(&listener, KERNEL_EVENT_CREATED));
	live_cgroup(scene->live, "a");
	live_cgroup(scene->live, "a/b");
	live_remove(scene->live, "a/b");
	live_remove(scene->live, "a");
	event = expect(&listener,
		       &(struct pattern){ KERNEL_EVENT_REMOVED, .name = "a", .pid = getpid() });
	assert_true(event->cgroup > 0);
	event = find(&listener,
		     &(struct pattern){ KERNEL_EVENT_CREATED, .name = "a/b", .pid = getpid() });
	assert_non_null(event);
	assert_non_null(event->hierarchy);
	assert_string_equal(event->comm, "live_bpf_events");
	assert_non_null(find(&listener, &(struct pattern){ KERNEL_EVENT_REMOVED, .name = "a/b" }));
	stop(&listener);
}

static void test_attached(void **state)
{
	struct listener listener;
	struct scene *scene = *state;
	const struct kernel_event *event;
	pid_t pid;

	cgroup(scene, "a");
	cgroup(scene, "b");
	pid = start(scene, "a", live_sleep);
	listen_to(&listener, scene, KERNEL_EVENT_BIT(KERNEL_EVENT_ATTACHED));
	if (is_told(&listener, KERNEL_EVENT_ATTACHED)) {
		char text[24], old[256];

		snprintf(text, sizeof(text), "%d", (int)pid);
		live_write(scene->live, "memory", "b", "cgroup.procs", text);
		event = expect(&listener,
			       &(struct pattern){ KERNEL_EVENT_ATTACHED, .name = "b", .pid = pid });
		snprintf(old, sizeof(old), "%s/a", scene->live->top);
		/* Where functions cannot be watched nobody knows where it was. */
		if (event->text)
			assert_string_equal(event->text, old);
		else
			printf("not here: where a task was\n");
	}
	stop(&listener);
}

/* Ends with its second child's end, after some work. */
static void family(void)
{
	pid_t pid;

	/* Where it is to be: the parent moves it in all hierarchies first. */
	live_wait(0.3);
	pid = fork();
	if (pid == 0)
		_exit(7);
	waitpid(pid, NULL, 0);
	for (clock_t end = clock() + CLOCKS_PER_SEC / 20; clock() < end;)
		;
	execl(getenv("CGWATCH"), "cgwatch", "--version", NULL);
	_exit(1);
}

static void test_processes(void **state)
{
	uint32_t kinds = KERNEL_EVENT_BIT(KERNEL_EVENT_FORK) | KERNEL_EVENT_BIT(KERNEL_EVENT_EXEC) |
			 KERNEL_EVENT_BIT(KERNEL_EVENT_EXIT);
	const struct kernel_event *fork_event, *event;
	struct listener listener;
	struct scene *scene = *state;
	pid_t pid;

	cgroup(scene, "a");
	listen_to(&listener, scene, kinds);
	assert_int_equal(listener.told, kinds);
	pid = start(scene, "a", family);
	event = expect(&listener, &(struct pattern){ KERNEL_EVENT_EXEC, .name = "a", .pid = pid });
	assert_string_equal(event->text, getenv("CGWATCH"));
	assert_int_equal(event->parent_pid, getpid());
	event = expect(&listener, &(struct pattern){ KERNEL_EVENT_EXIT, .name = "a", .pid = pid });
	assert_int_equal(event->exit_code, 0);
	assert_int_equal(event->exit_signal, 0);
	assert_string_equal(event->comm, "cgwatch");
	/* It worked for 50 ms, on one CPU at a time. */
	assert_true(event->cpu_ns >= 50000000);
	assert_true(event->lifetime_ns >= event->cpu_ns);
	fork_event = find(&listener, &(struct pattern){ KERNEL_EVENT_FORK, .name = "a" });
	assert_non_null(fork_event);
	assert_int_equal(fork_event->parent_pid, pid);
	event = find(&listener,
		     &(struct pattern){ KERNEL_EVENT_EXIT, .name = "a", .pid = fork_event->pid });
	assert_non_null(event);
	assert_int_equal(event->exit_code, 7);
	assert_int_equal(event->parent_pid, pid);
	/* Less than a tick, and yet not nothing. */
	assert_true(event->cpu_ns > 0 && event->cpu_ns <= event->lifetime_ns);
	stop(&listener);
}

static void test_oom_kill(void **state)
{
	struct listener listener;
	struct scene *scene = *state;
	const struct kernel_event *event;
	pid_t pid;

	cgroup(scene, "a");
	limit_memory(scene, "memory.max", "16M");
	listen_to(&listener, scene, KERNEL_EVENT_BIT(KERNEL_EVENT_OOM_KILL));
	if (!is_told(&listener, KERNEL_EVENT_OOM_KILL)) {
		stop(&listener);
		return;
	}
	pid = start(scene, "a", live_allocate);
	for (double end = live_now() + LIVE_PATIENCE; live_now() < end;) {
		siginfo_t info = { 0 };

		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    info.si_pid == pid)
			break;
		live_wait(0.01);
	}
	/* It is read only when the cgroup is gone, and the tree without it is known. */
	live_end(scene->live, pid);
	live_remove(scene->live, "a");
	look(scene);
	bpf_events_set_tree(listener.events, scene->now->tree);
	event = expect(&listener, &(struct pattern){ KERNEL_EVENT_OOM_KILL, .name = "a" });
	assert_int_equal(event->victim, pid);
	assert_string_equal(event->victim_comm, "live_bpf_events");
	assert_int_equal(event->victim_uid, 0);
	assert_int_equal(event->limit_bytes, 16 << 20);
	assert_true(event->memory_bytes > 15 << 20 && event->memory_bytes <= 16 << 20);
	assert_true(event->victim_bytes > 1 << 20);
	stop(&listener);
}

static void test_freeze(void **state)
{
	struct listener listener;
	struct scene *scene = *state;

	if (!*scene->v2) {
		printf("not here: no v2 tree\n");
		return;
	}
	cgroup(scene, "a");
	listen_to(&listener, scene,
		  KERNEL_EVENT_BIT(KERNEL_EVENT_FREEZE) | KERNEL_EVENT_BIT(KERNEL_EVENT_THAW));
	if (is_told(&listener, KERNEL_EVENT_FREEZE)) {
		v2_write(scene, "a", "cgroup.freeze", "1");
		v2_write(scene, "a", "cgroup.freeze", "0");
		expect(&listener,
		       &(struct pattern){ KERNEL_EVENT_FREEZE, .name = "a", .pid = getpid() });
		expect(&listener,
		       &(struct pattern){ KERNEL_EVENT_THAW, .name = "a", .pid = getpid() });
	}
	stop(&listener);
}

static void test_write(void **state)
{
	struct listener listener;
	struct scene *scene = *state;
	const char *file = scene->live->v2 ? "memory.max" : "memory.limit_in_bytes";
	const struct kernel_event *event;

	cgroup(scene, "a");
	listen_to(&listener, scene, KERNEL_EVENT_BIT(KERNEL_EVENT_WRITE));
	if (is_told(&listener, KERNEL_EVENT_WRITE)) {
		live_write(scene->live, "memory", "a", file, "nonsense");
		event = expect(&listener, &(struct pattern){ KERNEL_EVENT_WRITE, .name = "a",
							     .pid = getpid(), .file = file });
		assert_string_equal(event->text, "nonsense");
		assert_int_equal(event->error, EINVAL);
		limit_memory(scene, "memory.max", "512M\n");
		do
			event = expect(&listener,
				       &(struct pattern){ KERNEL_EVENT_WRITE, .name = "a",
							  .pid = getpid(), .file = file }),
			read_events(&listener), live_wait(0.01);
		while (listener.lists[listener.n - 1]->list[0].error);
		event = &listener.lists[listener.n - 1]->list[0];
		assert_string_equal(event->text, "512M");
		assert_string_equal(event->comm, "live_bpf_events");
	}
	stop(&listener);
}

static void make_namespace(void)
{
	live_wait(0.3);
	_exit(unshare(CLONE_NEWUTS | CLONE_NEWIPC) < 0);
}

static void test_namespaces(void **state)
{
	struct listener listener;
	struct scene *scene = *state;
	const struct kernel_event *made, *ended;
	pid_t pid;

	cgroup(scene, "a");
	listen_to(&listener, scene,
		  KERNEL_EVENT_BIT(KERNEL_EVENT_NS_CREATED) |
			  KERNEL_EVENT_BIT(KERNEL_EVENT_NS_DESTROYED));
	if (is_told(&listener, KERNEL_EVENT_NS_CREATED) &&
	    is_told(&listener, KERNEL_EVENT_NS_DESTROYED)) {
		pid = start(scene, "a", make_namespace);
		made = expect(&listener, &(struct pattern){ KERNEL_EVENT_NS_CREATED, .name = "a",
							    .pid = pid });
		ended = expect(&listener, &(struct pattern){ KERNEL_EVENT_NS_DESTROYED, .name = "a",
							     .pid = pid });
		assert_true(made->ns_type == NS_UTS || made->ns_type == NS_IPC);
		assert_true(made->ns_inode > 0);
		assert_true(ended->ns_inode > 0);
		assert_string_equal(ended->comm, "live_bpf_events");
	}
	stop(&listener);
}

/* ---- storms ---- */

/* Below TOP in one hierarchy. */
static void storm_path(const struct scene *scene, int i, char path[1100])
{
	char top[1024];

	live_dir(scene->live, "memory", "", top, sizeof(top));
	snprintf(path, 1100, "%s/storm%d", top, i);
}

static void make(const struct scene *scene, int i)
{
	char path[1100];

	storm_path(scene, i, path);
	if (mkdir(path, 0755) < 0)
		fail_msg("%s: %s", path, strerror(errno));
}

static void unmake(const struct scene *scene, int i)
{
	char path[1100];

	storm_path(scene, i, path);
	if (rmdir(path) < 0)
		fail_msg("%s: %s", path, strerror(errno));
}

struct sums {
	uint64_t created, removed, others, without_path;
};

static struct sums sum_up(const struct listener *listener)
{
	struct sums sums = { 0 };
	char start[128];

	snprintf(start, sizeof(start), "%s/storm", listener->scene->live->top);
	for (size_t i = 0; i < listener->n; i++) {
		for (size_t j = 0; j < listener->lists[i]->n; j++) {
			const struct kernel_event *event = &listener->lists[i]->list[j];
			bool ours = event->path && strncmp(event->path, start, strlen(start)) == 0;

			sums.created += ours && event->kind == KERNEL_EVENT_CREATED;
			sums.removed += ours && event->kind == KERNEL_EVENT_REMOVED;
			sums.others += event->path && !ours;
			sums.without_path += !event->path;
		}
	}
	return sums;
}

static void read_all(struct listener *listener)
{
	size_t n;

	do {
		n = listener->n;
		live_wait(0.1);
		read_events(listener);
	} while (listener->n > n);
}

/* What was told and what was lost are all that there was. Others may be at work as well. */
static void check_sums(struct listener *listener, uint64_t made, bool lossy)
{
	struct sums sums = sum_up(listener);
	struct bpf_events_stats stats;
	uint64_t lost_created, lost_removed;

	bpf_events_get_stats(listener->events, &stats);
	lost_created = stats.lost_of[KERNEL_EVENT_CREATED];
	lost_removed = stats.lost_of[KERNEL_EVENT_REMOVED];
	printf("%llu made: created %llu told %llu lost, removed %llu told %llu lost, %llu of "
	       "others, %llu without path\n",
	       (unsigned long long)made, (unsigned long long)sums.created,
	       (unsigned long long)lost_created, (unsigned long long)sums.removed,
	       (unsigned long long)lost_removed, (unsigned long long)sums.others,
	       (unsigned long long)sums.without_path);
	assert_true(sums.created <= made && sums.removed <= made);
	assert_true((lost_created > 0) == lossy);
	assert_int_equal(stats.lost, lost_created + lost_removed);
	assert_true(sums.created + lost_created >= made);
	/* A removed one whose creation was lost has no path. */
	assert_true(sums.removed + lost_removed + sums.without_path >= made);
	if (sums.others == 0)
		assert_int_equal(sums.created + lost_created, made);
	if (sums.others == 0 && sums.without_path <= lost_created)
		assert_int_equal(sums.removed + lost_removed + sums.without_path, made);
}

/* More than the ring holds, and nobody reads. */
static void test_burst(void **state)
{
	struct listener listener;
	struct scene *scene = *state;

	listen_to(&listener, scene,
		  KERNEL_EVENT_BIT(KERNEL_EVENT_CREATED) | KERNEL_EVENT_BIT(KERNEL_EVENT_REMOVED));
	for (int i = 0; i < BURST; i++) {
		make(scene, i);
		unmake(scene, i);
	}
	read_all(&listener);
	check_sums(&listener, BURST, true);
	stop(&listener);
}

/* As fast as the machine makes them, but read now and then: nothing is lost. */
static void test_paced(void **state)
{
	struct listener listener;
	struct scene *scene = *state;
	double start_at;

	listen_to(&listener, scene,
		  KERNEL_EVENT_BIT(KERNEL_EVENT_CREATED) | KERNEL_EVENT_BIT(KERNEL_EVENT_REMOVED));
	start_at = live_now();
	for (int i = 0; i < PACED; i++) {
		make(scene, i);
		unmake(scene, i);
		if (i % PACE == 0)
			read_events(&listener);
	}
	printf("%.0f cgroups a second\n", PACED / (live_now() - start_at));
	read_all(&listener);
	check_sums(&listener, PACED, false);
	assert_int_equal(sum_up(&listener).created, PACED);
	assert_int_equal(sum_up(&listener).removed, PACED);
	stop(&listener);
}

/* Nothing runs that nobody wants. */
static void test_off(void **state)
{
	const struct bpf_program_status *programs;
	struct listener listener;
	size_t n, attached = 0;

	listen_to(&listener, *state, KERNEL_EVENT_BIT(KERNEL_EVENT_EXEC));
	programs = bpf_events_programs(listener.events, &n);
	for (size_t i = 0; i < n; i++) {
		if (programs[i].attached)
			printf("for exec: %s\n", programs[i].name);
		attached += programs[i].attached;
		assert_true(programs[i].loaded || programs[i].reason[0]);
	}
	/* exec, and the two that keep the paths true. */
	assert_int_equal(attached, 3);
	assert_int_equal(bpf_events_want(listener.events, 0), 0);
	for (size_t i = 0; i < n; i++)
		assert_false(programs[i].attached);
	stop(&listener);
}

/* ---- the agent ---- */

static bool has_quota(const struct live *live)
{
	char *text = live_read(live, "cpu", "a", live->v2 ? "cpu.max" : "cpu.cfs_quota_us");
	bool same = text && strncmp(text, "50000", 5) == 0;

	free(text);
	return same;
}

static bool has_looked(const struct live *live)
{
	return live_cgwatch(live, NULL, "policy status --json | grep -Eq '\"matches\": ?1'") == 0;
}

static bool has_kill(const struct live *live)
{
	char *text = live_scrape(live->listen + strlen("unix:")), path[160];
	bool same;

	snprintf(path, sizeof(path), "cgroup=\"%s/a\"} 1", live->top);
	same = text && live_has_series(text, "cgwatch_oom_kills_total{", path);
	free(text);
	return same;
}

/* It samples every hour: what is done after the first sample is done because of an event. */
static void test_agent(void **state)
{
	struct scene *scene = *state;
	struct live *live = scene->live;
	char keys[512];
	pid_t pid;

	cgroup(scene, "a");
	snprintf(live->listen, sizeof(live->listen), "unix:%s/metrics", live->state);
	snprintf(keys, sizeof(keys),
		 "interval = 1h\nevents = oom_kill\naudit_log = %s/audit.jsonl\n", live->state);
	live_config(live, keys);
	live_agent(live, "[policy react]\nmatch = %s/a\nwhen = event exit\n"
			 "clear_when = cgroup.procs < 0\naction = cpu.quota 50%\n"
			 "mode = enforce\n");
	assert_true(live_until(live, has_looked, LIVE_PATIENCE));
	assert_false(has_quota(live));
	limit_memory(scene, "memory.max", "16M");
	pid = start(scene, "a", live_allocate);
	assert_true(live_until(live, has_quota, LIVE_PATIENCE));
	live_end(live, pid);
	snprintf(keys, sizeof(keys),
		 "interval = 100ms\nevents = oom_kill\naudit_log = %s/audit.jsonl\n", live->state);
	live_config(live, keys);
	live_remove(live, "a");
	kill(live->agent, SIGHUP);
	assert_true(live_until(live, has_kill, LIVE_PATIENCE));
	live_agent_end(live, SIGTERM);
	snprintf(keys, sizeof(keys), "grep -q '\"kind\":\"oom_kill\".*\"pid\":%d' %s/audit.jsonl",
		 (int)pid, live->state);
	assert_int_equal(system(keys), 0);
}

#define in_scene(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_scene(test_created_removed), in_scene(test_attached),
		in_scene(test_processes),	in_scene(test_oom_kill),
		in_scene(test_freeze),		in_scene(test_write),
		in_scene(test_namespaces),	in_scene(test_burst),
		in_scene(test_paced),		in_scene(test_off),
		in_scene(test_agent),
	};
	char reason[BPF_REASON_SIZE] = "";
	struct hierarchies *hierarchies;
	struct bpf_events *events;
	struct root *root;

	if (root_new(NULL, &root) < 0 || hierarchies_new(root, &hierarchies) < 0)
		return 1;
	if (bpf_events_new(root, hierarchies, &events, reason, sizeof(reason)) < 0) {
		printf("skipped: no events from the kernel: %s\n", reason);
		return 77;
	}
	bpf_events_free(events);
	hierarchies_free(hierarchies);
	root_free(root);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
