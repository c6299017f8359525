// SPDX-License-Identifier: MIT
/*
 * The kernel's records of tasks say what /proc says of each: of every task of the machine that was
 * the same before and after the pass, and of a scene of the odd ones. The table that it prints says
 * how many were compared.
 */
#define _GNU_SOURCE
#include "live_tasks.h"

#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <pthread.h>
#include <sys/mount.h>

/* ---- comparing ------------------------------------------------------------------------ */

struct compared {
	size_t tasks, threads, kthreads, zombies, ns[NS_LINK_COUNT], cgroups, ids;
	size_t hidden; /* tasks that no iterator shows */
};

static void compare_ns(const struct seen *seen, const struct task_record *record,
		       struct compared *compared)
{
	for (unsigned int link = 0; link < NS_LINK_COUNT; link++) {
		if (record->ns_inodes[link] != seen->ns[link])
			fail_msg("task %d, %s: the record says %u, /proc %llu", (int)seen->tid,
				 ns_link_name(link), record->ns_inodes[link],
				 (unsigned long long)seen->ns[link]);
		compared->ns[link] += seen->ns[link] != 0;
		compared->ids += record->ns_ids[link] != 0;
	}
}

static void compare_cgroups(const struct passes *passes, const struct seen *seen,
			    const struct task_record *record, struct compared *compared)
{
	if (!(record->flags & TASK_CGROUPS))
		return;
	for (unsigned int h = 0; h < passes->hierarchies->n; h++) {
		if (!bpf_tasks_has_hierarchy(passes->tasks, h) || !seen->cgroups[h])
			continue;
		if (record->cgroups[h] != seen->cgroups[h])
			fail_msg("task %d, %s: the record says %llu, /proc %llu", (int)seen->tid,
				 passes->hierarchies->list[h].name,
				 (unsigned long long)record->cgroups[h],
				 (unsigned long long)seen->cgroups[h]);
		compared->cgroups++;
	}
}

static void compare(const struct passes *passes, const struct seen *seen,
		    const struct task_record *record, struct compared *compared)
{
	assert_int_equal(record->tid, seen->tid);
	assert_int_equal(record->pid, seen->pid);
	assert_int_equal(record->ppid, seen->ppid);
	assert_int_equal(record->start_ns / 10000000, seen->start_ticks);
	assert_int_equal(record->uid, seen->uid);
	assert_int_equal(record->euid, seen->euid);
	assert_int_equal(record->threads, seen->threads);
	assert_int_equal((record->flags & TASK_ZOMBIE) != 0, seen->zombie);
	assert_int_equal((record->flags & TASK_KTHREAD) != 0, seen->kthread);
	if (!seen->kthread)
		assert_true(strncmp(record->comm, seen->comm, TASK_COMM_SIZE) == 0);
	if (record->root_inode && record->root_device >> 20)
		assert_true(gnu_dev_makedev(record->root_device >> 20,
					    record->root_device & 0xfffff) == seen->root_device);
	compare_ns(seen, record, compared);
	compare_cgroups(passes, seen, record, compared);
	compared->tasks++;
	compared->threads += seen->tid != seen->pid;
	compared->zombies += seen->zombie;
	compared->kthreads += seen->kthread;
}

static void print(const struct compared *compared, const struct passes *passes)
{
	print_message(
		"compared %zu tasks of %zu (%zu threads, %zu of the kernel, %zu ended; %zu of "
		"process 1 are not shown), %zu cgroups, %zu 64-bit ids; namespaces:",
		compared->tasks, passes->n, compared->threads, compared->kthreads,
		compared->zombies, compared->hidden, compared->cgroups, compared->ids);
	for (unsigned int link = 0; link < NS_LINK_COUNT; link++)
		print_message(" %s %zu", ns_link_name(link), compared->ns[link]);
	print_message("\n");
}

static const struct seen *find_seen(const struct seen *list, size_t n, pid_t tid)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].tid == tid)
			return &list[i];
	}
	return NULL;
}

static void compare_all(struct passes *passes, struct compared *compared)
{
	struct seen *before, *after;
	size_t n_before = see_all(passes, &before), n_after;

	take(passes);
	n_after = see_all(passes, &after);
	for (size_t i = 0; i < n_before; i++) {
		const struct seen *again = find_seen(after, n_after, before[i].tid);

		if (!again || memcmp(again, &before[i], sizeof(*again)) != 0)
			continue;
		/* Kernels were seen that keep process 1 from iterators. */
		if (again->pid == 1 && !look_for(passes, again->tid))
			compared->hidden++;
		else
			compare(passes, again, find(passes, again->tid), compared);
	}
	free(before);
	free(after);
}

/* ---- the scene ------------------------------------------------------------------------ */

static void *thread_elsewhere(void *context)
{
	struct actor *actor = context;

	ACTOR(unshare(CLONE_NEWNET | CLONE_NEWUTS) == 0);
	actor->numbers[0] = (int64_t)syscall(SYS_gettid);
	actor_stay(actor);
	return NULL;
}

static void work_thread(struct actor *actor)
{
	pthread_t thread;

	ACTOR(pthread_create(&thread, NULL, thread_elsewhere, actor) == 0);
	for (;;)
		pause();
}

/* Its leading thread has ended, another one lives on. */
static void work_headless(struct actor *actor)
{
	pthread_t thread;

	ACTOR(pthread_create(&thread, NULL, thread_elsewhere, actor) == 0);
	syscall(SYS_exit, 0);
}

static void work_children(struct actor *actor)
{
	pid_t pid;

	(void)actor;
	ACTOR(unshare(CLONE_NEWPID) == 0);
	if (kernel_has(NS_TIME))
		ACTOR(unshare(CLONE_NEWTIME) == 0);
	pid = fork();
	ACTOR(pid >= 0);
	if (pid == 0)
		_exit(0);
	ACTOR(waitpid(pid, NULL, 0) == pid);
}

/* Of a pid namespace without a process 1 /proc shows nothing. */
static void work_unborn(struct actor *actor)
{
	(void)actor;
	ACTOR(unshare(CLONE_NEWPID) == 0);
}

static void work_inside(struct actor *actor)
{
	pid_t pid;

	ACTOR(unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC |
		      CLONE_NEWCGROUP) == 0);
	pid = fork();
	ACTOR(pid >= 0);
	if (pid == 0) {
		follow_parent();
		for (;;)
			pause();
	}
	actor->numbers[0] = pid;
}

static void work_zombie(struct actor *actor)
{
	pid_t pid = fork();
	siginfo_t info;

	ACTOR(pid >= 0);
	if (pid == 0)
		_exit(0);
	ACTOR(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
	actor->numbers[0] = pid;
}

static void work_user(struct actor *actor)
{
	(void)actor;
	ACTOR(setresuid(65533, 65534, 0) == 0);
}

static void test_parity(void **state)
{
	struct live *live = *state;
	struct compared compared = { 0 };
	struct actor thread, headless, children, unborn, inside, zombie, user;
	const struct task_record *record, *own;
	struct passes passes;

	if (!passes_start(&passes))
		skip();
	live_cgroup(live, "placed");
	live_start(live, "placed", live_sleep);
	thread = actor_start(live, work_thread);
	headless = actor_start(live, work_headless);
	children = actor_start(live, work_children);
	unborn = actor_start(live, work_unborn);
	inside = actor_start(live, work_inside);
	zombie = actor_start(live, work_zombie);
	user = actor_start(live, work_user);
	compare_all(&passes, &compared);
	print(&compared, &passes);
	assert_true(compared.tasks > 10 && compared.threads >= 2 && compared.kthreads > 0 &&
		    compared.zombies >= 2 && compared.cgroups > 10);
	own = find(&passes, getpid());
	record = find(&passes, (pid_t)thread.numbers[0]);
	assert_int_equal(record->pid, thread.pid);
	assert_int_not_equal(record->ns_inodes[TASK_NS_NET], own->ns_inodes[TASK_NS_NET]);
	assert_int_equal(find(&passes, (pid_t)headless.numbers[0])->pid, headless.pid);
	assert_int_equal(find(&passes, headless.pid)->ns_inodes[TASK_NS_NET], 0);
	record = find(&passes, children.pid);
	assert_true(record->ns_inodes[TASK_NS_PID_CHILDREN] &&
		    record->ns_inodes[TASK_NS_PID_CHILDREN] != own->ns_inodes[TASK_NS_PID]);
	assert_int_equal(find(&passes, unborn.pid)->ns_inodes[TASK_NS_PID_CHILDREN], 0);
	record = find(&passes, (pid_t)inside.numbers[0]);
	assert_int_not_equal(record->ns_inodes[TASK_NS_PID], own->ns_inodes[TASK_NS_PID]);
	assert_int_not_equal(record->ns_inodes[TASK_NS_USER], own->ns_inodes[TASK_NS_USER]);
	assert_true(find(&passes, (pid_t)zombie.numbers[0])->flags & TASK_ZOMBIE);
	assert_int_equal(find(&passes, user.pid)->euid, 65534);
	passes_stop(&passes);
}

/* The kernel's ids are those that NS_GET_ID tells. */
static void test_ids(void **state)
{
	struct passes passes;
	uint64_t id = 0;
	int fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	if (ioctl(fd, _IOR(0xb7, 13, uint64_t), &id) < 0 || !passes_start(&passes)) {
		print_message("this kernel has no 64-bit ids of namespaces\n");
		close(fd);
		skip();
	}
	close(fd);
	take(&passes);
	assert_true(find(&passes, getpid())->ns_ids[TASK_NS_UTS] == id);
	passes_stop(&passes);
}

/* Who sleeps is known to have rested, who ran is not. */
static void work_turns(struct actor *actor)
{
	for (;;) {
		actor_ready(actor);
		actor_wait(actor);
	}
}

static void test_rests(void **state)
{
	struct live *live = *state;
	struct task_record before[2], *at = before;
	struct actor actor = { 0 }, other;
	struct passes passes;
	bool rested = false;

	if (!passes_start(&passes))
		skip();
	actor = actor_start(live, work_turns);
	other = actor_start(live, work_user);
	/* It may be a moment until it is off its CPU. */
	for (int i = 0; i < 1000 && !rested; i++) {
		take(&passes);
		at[0] = *find(&passes, actor.pid);
		at[1] = *find(&passes, other.pid);
		live_wait(0.01);
		take(&passes);
		rested = task_record_rested(&at[0], find(&passes, actor.pid)) &&
			 task_record_rested(&at[1], find(&passes, other.pid));
	}
	assert_true(rested);
	actor_go(&actor);
	actor_expect(&actor);
	take(&passes);
	assert_false(task_record_rested(&at[0], find(&passes, actor.pid)));
	assert_true(task_record_rested(&at[1], find(&passes, other.pid)));
	passes_stop(&passes);
}

/* Seen from inside a pid namespace numbers are those of that namespace. */
static void work_reader(struct actor *actor)
{
	pid_t pid;

	ACTOR(unshare(CLONE_NEWPID | CLONE_NEWNS) == 0);
	pid = fork();
	ACTOR(pid >= 0);
	if (pid == 0) {
		struct passes passes;
		pid_t child;

		follow_parent();
		ACTOR(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		ACTOR(mount("proc", "/proc", "proc", 0, NULL) == 0);
		child = fork();
		if (child == 0) {
			follow_parent();
			for (;;)
				pause();
		}
		if (passes_start(&passes)) {
			take(&passes);
			ACTOR(passes.n == 2);
			ACTOR(passes.list[0]->pid == 1 && passes.list[1]->pid == 2);
			ACTOR(passes.list[0]->ppid == 0 && passes.list[1]->ppid == 1);
			ACTOR(passes.list[1]->ns_inodes[TASK_NS_PID] == inode_of(2, "pid"));
			passes_stop(&passes);
			actor->numbers[0] = 1;
		}
		_exit(0);
	}
	ACTOR(waitpid(pid, NULL, 0) == pid);
}

static void test_inside(void **state)
{
	struct passes passes;
	struct actor actor;

	if (!passes_start(&passes))
		skip();
	passes_stop(&passes);
	actor = actor_start(*state, work_reader);
	assert_int_equal(actor.numbers[0], 1);
}

/* Processes and namespaces that come and go all the time. */
static void work_storm(struct actor *actor)
{
	actor_ready(actor);
	for (;;) {
		pid_t pid = fork();

		if (pid == 0) {
			if (unshare(CLONE_NEWUTS | CLONE_NEWIPC) < 0)
				_exit(1);
			_exit(unshare(CLONE_NEWUTS) < 0);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
		actor->numbers[0]++;
	}
}

static void test_storm(void **state)
{
	struct live *live = *state;
	struct compared compared = { 0 };
	struct actor storms[2];
	struct passes passes;
	double until;

	if (!passes_start(&passes))
		skip();
	storms[0] = actor_start(live, work_storm);
	storms[1] = actor_start(live, work_storm);
	until = live_now() + 2;
	for (int i = 0; live_now() < until || i < 100; i++) {
		const struct task_record *own;

		take(&passes);
		own = find(&passes, getpid());
		assert_int_equal(own->ns_inodes[TASK_NS_UTS], inode_of(getpid(), "uts"));
		for (size_t k = 0; k < passes.n; k++) {
			const struct task_record *record = passes.list[k];
			bool ours = record->ppid == (uint32_t)storms[0].pid ||
				    record->ppid == (uint32_t)storms[1].pid;

			if (k > 0)
				assert_true(passes.list[k - 1]->pid <= record->pid);
			if (!ours)
				continue;
			/* Of theirs everything but two types is ours. */
			assert_int_equal(record->ns_inodes[TASK_NS_USER],
					 own->ns_inodes[TASK_NS_USER]);
			assert_true(!record->ns_inodes[TASK_NS_NET] ||
				    record->ns_inodes[TASK_NS_NET] == own->ns_inodes[TASK_NS_NET]);
			assert_true(!record->ns_inodes[TASK_NS_MNT] ||
				    record->ns_inodes[TASK_NS_MNT] == own->ns_inodes[TASK_NS_MNT]);
		}
	}
	compare_all(&passes, &compared);
	print(&compared, &passes);
	assert_true(compared.tasks > 10);
	assert_true(storms[0].numbers[0] > 10 && storms[1].numbers[0] > 10);
	passes_stop(&passes);
}

/* ---- the scanner ---------------------------------------------------------------------- */

static uint64_t inode_in(const struct namespaces *set, uint32_t index)
{
	return index == NS_NONE ? 0 : set->list[index].inode;
}

/* What differs, or NULL. */
static const char *differs(const struct namespaces *a, const struct ns_process *x,
			   const struct namespaces *b, const struct ns_process *y)
{
	if (x->start_ns / 10000000 != y->start_ns / 10000000)
		return "start";
	if (x->ppid != y->ppid || x->uid != y->uid || x->threads != y->threads)
		return "parent, user or threads";
	/* Kernel threads are called by what they do at the moment. */
	if (strncmp(x->comm, "kworker/", 8) != 0 && strcmp(x->comm, y->comm) != 0)
		return "name";
	if ((x->cgroup == NULL) != (y->cgroup == NULL) ||
	    (x->cgroup && strcmp(x->cgroup, y->cgroup) != 0))
		return "cgroup";
	if (x->root_device != y->root_device)
		return "root";
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		if (inode_in(a, x->ns[type]) != inode_in(b, y->ns[type]))
			return ns_type_name(type);
	}
	if (inode_in(a, x->pid_for_children) != inode_in(b, y->pid_for_children) ||
	    inode_in(a, x->time_for_children) != inode_in(b, y->time_for_children))
		return "what children get";
	return NULL;
}

static void compare_namespace(const struct namespaces *a, const struct ns_namespace *x,
			      const struct namespaces *b, const struct ns_namespace *y)
{
	assert_true(x->id == y->id);
	assert_true(inode_in(a, x->parent) == inode_in(b, y->parent));
	assert_true(inode_in(a, x->owner) == inode_in(b, y->owner));
	assert_int_equal(x->host, y->host);
	assert_int_equal(x->owner_uid, y->owner_uid);
}

/* All that lives through three passes is the same by records and by /proc. */
static void compare_sets(const struct namespaces *before, const struct namespaces *records,
			 const struct namespaces *after, size_t *processes, size_t *namespaces)
{
	for (uint32_t i = 0; i < before->n_processes; i++) {
		const struct ns_process *old = &before->processes[i];
		uint32_t at = namespaces_find_process(after, old->pid);
		const char *what;

		if (at == NS_NONE || differs(before, old, after, &after->processes[at]))
			continue;
		what = differs(before, old, records, find_process(records, old->pid));
		if (what)
			fail_msg("process %d (%s): %s", (int)old->pid, old->comm, what);
		++*processes;
	}
	for (uint32_t i = 0; i < before->n; i++) {
		const struct ns_namespace *old = &before->list[i];
		uint32_t at = namespaces_find(after, old->type, old->inode);

		if (at == NS_NONE || after->list[at].id != old->id)
			continue;
		compare_namespace(before, old, records, find_ns(records, old->type, old->inode));
		++*namespaces;
	}
}

static void test_scanner(void **state)
{
	static const unsigned int flags = NS_SCAN_CGROUPS | NS_SCAN_PROCESSES;
	struct scan by_proc, by_records;
	struct live *live = *state;
	struct passes passes;

	if (!passes_start(&passes))
		skip();
	live_cgroup(live, "placed");
	live_start(live, "placed", live_sleep);
	actor_start(live, work_thread);
	actor_start(live, work_headless);
	actor_start(live, work_children);
	actor_start(live, work_inside);
	actor_start(live, work_zombie);
	actor_start(live, work_user);
	scan_start(&by_proc);
	scan_start(&by_records);
	ns_scanner_use(by_records.scanner, passes.tasks);
	/* Anew, with what is remembered, and in between without records. */
	for (int i = 0; i < 4; i++) {
		struct namespaces *before = namespaces_ref(
			(struct namespaces *)scan_take(&by_proc, flags));
		size_t processes = 0, namespaces = 0;

		ns_scanner_use(by_records.scanner, i == 2 ? NULL : passes.tasks);
		scan_take(&by_records, flags);
		scan_take(&by_proc, flags);
		compare_sets(before, by_records.set, by_proc.set, &processes, &namespaces);
		print_message("%zu of %u processes and %zu of %u namespaces compared\n", processes,
			      before->n_processes, namespaces, before->n);
		assert_true(processes > 10 && namespaces >= NS_TYPE_COUNT);
		namespaces_unref(before);
	}
	scan_stop(&by_records);
	scan_stop(&by_proc);
	passes_stop(&passes);
}

/* More tasks than the map has room for: it grows, and the pass is repeated. */
static void *idle_thread(void *context)
{
	for (;;)
		pause();
	return context;
}

static void work_many(struct actor *actor)
{
	pthread_attr_t attributes;
	pthread_t thread;

	ACTOR(pthread_attr_init(&attributes) == 0);
	ACTOR(pthread_attr_setstacksize(&attributes, 65536) == 0);
	for (int i = 0; i < 1500; i++)
		ACTOR(pthread_create(&thread, &attributes, idle_thread, actor) == 0);
}

static void test_grows(void **state)
{
	struct bpf_tasks_stats stats;
	struct passes passes;
	struct actor actor;
	size_t n = 0;

	if (!passes_start(&passes))
		skip();
	actor = actor_start(*state, work_many);
	take(&passes);
	for (size_t i = 0; i < passes.n; i++)
		n += passes.list[i]->pid == (uint32_t)actor.pid;
	assert_int_equal(n, 1501);
	assert_int_equal(find(&passes, actor.pid)->threads, 1501);
	bpf_tasks_get_stats(passes.tasks, &stats);
	assert_true(stats.grown >= 1 &&
		    stats.memory_bytes >= passes.n * sizeof(struct task_record));
	/* Nor is that much memory kept for ever. */
	actor_end(*state, &actor);
	for (int i = 0; i < 100; i++)
		take(&passes);
	assert_true(find(&passes, getpid())->ns_inodes[TASK_NS_MNT] == inode_of(getpid(), "mnt"));
	n = stats.memory_bytes;
	bpf_tasks_get_stats(passes.tasks, &stats);
	if (passes.n < 300)
		assert_true(stats.memory_bytes < n);
	passes_stop(&passes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_parity, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_ids, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_rests, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_inside, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_storm, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_scanner, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_grows, live_setup, live_teardown),
	};
	struct passes passes;

	if (!passes_start(&passes))
		return 77;
	passes_stop(&passes);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
