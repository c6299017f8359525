// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/ns_private.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"

/* What the kernel shows only to whoever is inside: one thread of ours goes in and ends there. */
struct visit {
	struct ns_scanner *scanner;
	struct namespaces *set;
};

static bool enter(struct ns_scanner *scanner, struct ns_known *known)
{
	_cleanup_(closep) int fd = ns_known_open(scanner, known);

	return fd >= 0 && setns(fd, ns_type_flag(known->type)) == 0;
}

static void visit_uts(struct visit *visit, uint32_t index)
{
	struct ns_namespace *ns = &visit->set->list[index];
	struct utsname names;

	if (!enter(visit->scanner, visit->scanner->seen[index]) || uname(&names) < 0)
		return;
	ns->nodename = arena_string(&visit->set->arena, names.nodename);
	ns->domainname = arena_string(&visit->set->arena, names.domainname);
}

static void visit_net(struct visit *visit, uint32_t index)
{
	struct ns_namespace *ns = &visit->set->list[index];
	struct strbuf *text = &visit->scanner->text;
	struct strbuf names;

	if (ns->n_interfaces >= 0 || !enter(visit->scanner, visit->scanner->seen[index]))
		return;
	strbuf_clear(text);
	if (root_read(visit->scanner->root, ROOT_PROC, "thread-self/net/dev", text) < 0)
		return;
	strbuf_init(&names);
	ns->n_interfaces = ns_interfaces_parse(text->data ? text->data : "", &names);
	ns->interfaces = arena_string(&visit->set->arena, names.data ? names.data : "");
	strbuf_done(&names);
}

static void *visit_all(void *context)
{
	struct visit *visit = context;
	struct namespaces *set = visit->set;

	for (uint32_t i = set->first[NS_UTS]; i < set->first[NS_UTS + 1]; i++) {
		if (ns_stopped(visit->scanner) == 0)
			visit_uts(visit, i);
	}
	for (uint32_t i = set->first[NS_NET]; i < set->first[NS_NET + 1]; i++) {
		if (ns_stopped(visit->scanner) == 0)
			visit_net(visit, i);
	}
	return NULL;
}

/* Our own host name needs no right at all. */
static void read_own(struct ns_scanner *scanner, struct namespaces *set)
{
	const struct ns_task *self = ns_task_find(scanner, getpid());
	const struct ns_known *own = self ? self->ns[NS_UTS] : NULL;
	struct utsname names;

	if (!own || set->list[own->index].nodename || uname(&names) < 0)
		return;
	set->list[own->index].nodename = arena_string(&set->arena, names.nodename);
	set->list[own->index].domainname = arena_string(&set->arena, names.domainname);
}

void ns_inside_read(struct ns_scanner *scanner, struct namespaces *set)
{
	struct visit visit = { scanner, set };
	sigset_t all, before;
	pthread_t thread;

	/* Signals are for the threads that stay. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, visit_all, &visit) == 0)
		pthread_join(thread, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	read_own(scanner, set);
}

/* Safe between fork and exit in a program with threads: no allocation. */
static uint64_t read_limit(int proc_fd, enum ns_type type)
{
	static const char *const files[NS_TYPE_COUNT] = {
		[NS_MNT] = "sys/user/max_mnt_namespaces",
		[NS_NET] = "sys/user/max_net_namespaces",
		[NS_PID] = "sys/user/max_pid_namespaces",
		[NS_USER] = "sys/user/max_user_namespaces",
		[NS_UTS] = "sys/user/max_uts_namespaces",
		[NS_IPC] = "sys/user/max_ipc_namespaces",
		[NS_CGROUP] = "sys/user/max_cgroup_namespaces",
		[NS_TIME] = "sys/user/max_time_namespaces",
	};
	int fd = openat(proc_fd, files[type], O_RDONLY | O_CLOEXEC);
	uint64_t value = 0;
	char text[32];
	ssize_t n;

	if (fd < 0)
		return NS_LIMIT_UNKNOWN;
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n <= 0 || text[0] < '0' || text[0] > '9')
		return NS_LIMIT_UNKNOWN;
	for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	return value;
}

static void __attribute__((noreturn)) child(int proc_fd, int user_fd, int out_fd)
{
	uint64_t limits[NS_TYPE_COUNT];

	/* In there somebody may have every right over us: nobody is to get at our memory and
	 * descriptors. */
	prctl(PR_SET_DUMPABLE, 0);
	if (user_fd >= 0 && setns(user_fd, CLONE_NEWUSER) < 0)
		_exit(1);
	for (int type = 0; type < NS_TYPE_COUNT; type++)
		limits[type] = read_limit(proc_fd, (enum ns_type)type);
	if (write(out_fd, limits, sizeof(limits)) != (ssize_t)sizeof(limits))
		_exit(1);
	_exit(0);
}

void ns_own_limits(struct ns_scanner *scanner, uint64_t ret_limits[NS_TYPE_COUNT])
{
	for (int type = 0; type < NS_TYPE_COUNT; type++)
		ret_limits[type] = read_limit(scanner->proc_fd, (enum ns_type)type);
}

/* /proc/sys/user shows the limits of the reader's own user namespace, and a process with threads
 * cannot enter another one. */
int ns_inside_limits(struct ns_scanner *scanner, struct ns_known *user,
		     uint64_t ret_limits[NS_TYPE_COUNT])
{
	_cleanup_(closep) int fd = ns_known_open(scanner, user);
	uint64_t limits[NS_TYPE_COUNT];
	int ends[2];
	ssize_t n;
	pid_t pid;

	if (fd < 0)
		return fd;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		child(scanner->proc_fd, fd, ends[1]);
	close(ends[1]);
	do {
		n = pid < 0 ? 0 : read(ends[0], limits, sizeof(limits));
	} while (n < 0 && errno == EINTR);
	close(ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	if (n != (ssize_t)sizeof(limits))
		return -EPERM;
	memcpy(ret_limits, limits, sizeof(limits));
	return 0;
}
