// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/guards.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/units.h"
#include "policies/guards_table.h"
#include "policies/ownership.h"

/* A cgroup with a protected process in it. */
struct guarded {
	unsigned int hierarchy;
	pid_t pid;
	const struct guard *guard;
	char *path;
};

struct guarded_list {
	struct guarded *list;
	size_t n, capacity;
};

struct guards {
	const struct root *root;
	const struct hierarchies *hierarchies;
	pthread_mutex_t refreshing; /* one looks at a time; taken before `mutex` */
	pthread_mutex_t mutex;	    /* what is below */
	bool known;
	uint64_t looked_ns; /* CLOCK_MONOTONIC */
	struct guarded_list guarded;
};

/* What /proc/PID/status says (proc_pid_status(5)). */
struct status {
	char comm[64];
	uint64_t real_uid, effective_uid;
	bool kernel, other_namespace;
};

static void list_done(struct guarded_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->list[i].path);
	free(list->list);
	*list = (struct guarded_list){ 0 };
}

int guards_new(const struct root *root, const struct hierarchies *hierarchies,
	       struct guards **ret_guards)
{
	struct guards *guards = calloc(1, sizeof(*guards));

	if (!guards)
		return -ENOMEM;
	guards->root = root;
	guards->hierarchies = hierarchies;
	pthread_mutex_init(&guards->refreshing, NULL);
	pthread_mutex_init(&guards->mutex, NULL);
	*ret_guards = guards;
	return 0;
}

void guards_free(struct guards *guards)
{
	if (!guards)
		return;
	pthread_mutex_destroy(&guards->refreshing);
	pthread_mutex_destroy(&guards->mutex);
	list_done(&guards->guarded);
	free(guards);
}

/* ---- one process -------------------------------------------------------------------------------
 */

/* The value of a line of status, up to its end; NULL if there is none. `key` has its "\n" and ":".
 */
static const char *status_value(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? at + strlen(key) + strspn(at + strlen(key), "\t ") : NULL;
}

static const char *status_number(const char *at, uint64_t *ret_number)
{
	char digits[24];
	size_t n = strspn(at, "0123456789");

	if (n == 0 || n >= sizeof(digits))
		return NULL;
	memcpy(digits, at, n);
	digits[n] = '\0';
	if (parse_u64(digits, ret_number) < 0)
		return NULL;
	return at + n + strspn(at + n, "\t ");
}

/*
 * Name comes first, and the kernel escapes newlines in it: no name can look like another line. The
 * second number of NSpid means that it lives in a PID namespace below the one of our /proc.
 */
static bool status_parse(const char *text, struct status *ret_status)
{
	static const char first[] = "Name:\t";
	const char *uid = status_value(text, "\nUid:"), *pids = status_value(text, "\nNSpid:");
	struct status status = { .comm = "" };
	size_t length;

	if (!uid || strncmp(text, first, sizeof(first) - 1) != 0)
		return false;
	length = strcspn(text + sizeof(first) - 1, "\n");
	if (length >= sizeof(status.comm))
		length = sizeof(status.comm) - 1;
	memcpy(status.comm, text + sizeof(first) - 1, length);
	uid = status_number(uid, &status.real_uid);
	if (!uid || !status_number(uid, &status.effective_uid))
		return false;
	pids += pids ? strspn(pids, "0123456789") : 0;
	status.other_namespace = pids && *pids != '\n' && *pids != '\0';
	/* Neither kernel threads nor zombies have memory. */
	status.kernel = !strstr(text, "\nVmSize:");
	*ret_status = status;
	return true;
}

static bool is_root(const struct status *status)
{
	return status->real_uid == 0 && status->effective_uid == 0;
}

/*
 * Who is called sshd is not sshd: a user could shield what he runs from all policies by one process
 * of that name. So a name counts only where no ordinary user can have put it: real and effective
 * user are root (a setuid program has its starter's real user, and its comm is that of any link to
 * it); or, for what runs as an account of its own, a system account, with an executable that is
 * root's. What an account in the table does with its rights is not looked into, and neither what
 * root does: both can do worse.
 */
static bool may_count(const struct guards *guards, const char *pid, const struct status *status,
		      const struct guard *guard)
{
	enum { FIRST_USER = 1000 }; /* login.defs(5), UID_MIN; systemd-sysusers too */
	_cleanup_(closep) int fd = -1;
	struct stat info;
	char path[64];

	if (is_root(status))
		return true;
	if (!guard->account || status->real_uid >= FIRST_USER ||
	    status->effective_uid >= FIRST_USER)
		return false;
	snprintf(path, sizeof(path), "%s/exe", pid);
	fd = root_open(guards->root, ROOT_PROC, path, O_PATH);
	return fd >= 0 && fstat(fd, &info) == 0 && info.st_uid == 0 && !(info.st_mode & 022);
}

static const struct guard *guard_of_exe(const struct guards *guards, const char *pid)
{
	static const char deleted[] = " (deleted)";
	char path[64], target[PATH_MAX + sizeof(deleted)];
	ssize_t length;
	char *name;

	snprintf(path, sizeof(path), "%s/exe", pid);
	length = root_readlink(guards->root, ROOT_PROC, path, target, sizeof(target));
	if (length <= 0)
		return NULL;
	/* After an upgrade the old one goes on. */
	if ((size_t)length > sizeof(deleted) &&
	    strcmp(target + length - (sizeof(deleted) - 1), deleted) == 0)
		target[length - (ssize_t)(sizeof(deleted) - 1)] = '\0';
	name = strrchr(target, '/');
	return guard_of_program(name ? name + 1 : target);
}

/*
 * By the executable; root's also by comm: systemd-udevd is a link to udevadm, some are busybox, and
 * without CAP_SYS_PTRACE no link can be read.
 */
static const struct guard *guard_of(const struct guards *guards, const char *pid,
				    const struct status *status)
{
	const struct guard *guard = guard_of_exe(guards, pid);

	if (!guard && is_root(status))
		guard = guard_of_comm(status->comm);
	return guard && may_count(guards, pid, status, guard) ? guard : NULL;
}

static int list_add(struct guarded_list *list, const struct guarded *guarded)
{
	if (list->n == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 64;
		struct guarded *grown = realloc(list->list, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		list->list = grown;
		list->capacity = capacity;
	}
	list->list[list->n++] = *guarded;
	return 0;
}

/* Its cgroups. Roots are left out: they are never touched anyway, and hold all of the machine. */
static int add_cgroups(const struct guards *guards, pid_t pid, const struct guard *guard,
		       struct guarded_list *list)
{
	char *paths[HIERARCHY_MAX];
	int r = hierarchies_of_process(guards->hierarchies, guards->root, pid, paths);

	if (r < 0)
		return root_is_short(r) ? r : 0;
	for (unsigned int i = 0; i < HIERARCHY_MAX; i++) {
		struct guarded guarded = { i, pid, guard, paths[i] };
		int error = 0;

		if (paths[i] && paths[i][strspn(paths[i], "/")] && r == 0)
			r = error = list_add(list, &guarded);
		else
			error = -ENOENT;
		if (error < 0)
			free(paths[i]);
	}
	return r;
}

/* NULL if it is not protected, also if it vanished meanwhile. */
static int find_guard(const struct guards *guards, const char *pid, const struct guard **ret_guard)
{
	struct status status;
	struct strbuf text;
	char path[64];
	bool good;
	int r;

	*ret_guard = NULL;
	snprintf(path, sizeof(path), "%s/status", pid);
	strbuf_init(&text);
	r = root_read(guards->root, ROOT_PROC, path, &text);
	good = r == 0 && text.data && status_parse(text.data, &status);
	strbuf_done(&text);
	if (!good)
		return root_is_short(r) ? r : 0;
	if (!status.kernel && !status.other_namespace)
		*ret_guard = guard_of(guards, pid, &status);
	return 0;
}

/* 0 also if it vanished meanwhile. */
static int look_at(const struct guards *guards, const char *pid, struct guarded_list *list)
{
	const struct guard *guard;
	uint64_t number;
	int r;

	if (strlen(pid) > 16 || parse_u64(pid, &number) < 0)
		return 0;
	r = find_guard(guards, pid, &guard);
	return r < 0 || !guard ? r : add_cgroups(guards, (pid_t)number, guard, list);
}

/* ---- all of them -------------------------------------------------------------------------------
 */

static int compare(const void *a, const void *b)
{
	const struct guarded *x = a, *y = b;
	int r = strcmp(x->path, y->path);

	if (r == 0)
		r = (x->hierarchy > y->hierarchy) - (x->hierarchy < y->hierarchy);
	return r ? r : (x->pid > y->pid) - (x->pid < y->pid);
}

/* One process a cgroup is enough to protect it. */
static void drop_doubles(struct guarded_list *list)
{
	size_t n = 0;

	if (list->n > 1)
		qsort(list->list, list->n, sizeof(*list->list), compare);
	for (size_t i = 0; i < list->n; i++) {
		if (n > 0 && list->list[n - 1].hierarchy == list->list[i].hierarchy &&
		    strcmp(list->list[n - 1].path, list->list[i].path) == 0)
			free(list->list[i].path);
		else
			list->list[n++] = list->list[i];
	}
	list->n = n;
}

static int look(const struct guards *guards, struct guarded_list *list)
{
	int fd = root_open(guards->root, ROOT_PROC, ".", O_RDONLY | O_DIRECTORY), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		closep(&fd);
		return fd < 0 ? fd : -ENOMEM;
	}
	while (r == 0 && (entry = readdir(dir)))
		r = look_at(guards, entry->d_name, list);
	closedir(dir);
	drop_doubles(list);
	return r;
}

static bool is_fresh(struct guards *guards, unsigned int max_age_ms)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	bool fresh;

	pthread_mutex_lock(&guards->mutex);
	fresh = max_age_ms > 0 && guards->known &&
		now - guards->looked_ns <= (uint64_t)max_age_ms * 1000000;
	pthread_mutex_unlock(&guards->mutex);
	return fresh;
}

int guards_refresh(struct guards *guards, unsigned int max_age_ms)
{
	struct guarded_list list = { 0 }, old;
	uint64_t now;
	int r = 0;

	pthread_mutex_lock(&guards->refreshing);
	if (is_fresh(guards, max_age_ms)) {
		pthread_mutex_unlock(&guards->refreshing);
		return 0;
	}
	/* As old as its beginning: who came meanwhile may have been missed. */
	now = clock_ns(CLOCK_MONOTONIC);
	r = look(guards, &list);
	if (r == 0) {
		pthread_mutex_lock(&guards->mutex);
		old = guards->guarded;
		guards->guarded = list;
		guards->known = true;
		guards->looked_ns = now;
		pthread_mutex_unlock(&guards->mutex);
		list = old;
	}
	pthread_mutex_unlock(&guards->refreshing);
	list_done(&list);
	return r;
}

static int refuse(const struct guard *guard, pid_t pid, char *reason, size_t size)
{
	snprintf(reason, size, "%s (%s, pid %d) lives in it", guard->program, guard->what_for,
		 (int)pid);
	return -EPERM;
}

static bool check_processes(const struct guards *guards, int hierarchy, const char *path,
			    char *reason, size_t size)
{
	for (size_t i = 0; i < guards->guarded.n; i++) {
		const struct guarded *guarded = &guards->guarded.list[i];

		if ((hierarchy >= 0 && guarded->hierarchy != (unsigned int)hierarchy) ||
		    !ownership_contains(path, guarded->path))
			continue;
		refuse(guarded->guard, guarded->pid, reason, size);
		return true;
	}
	return false;
}

int guards_check_path(const char *path, char *reason, size_t size)
{
	const struct guard *guard = guard_of_path(path);

	if (!guard)
		return 0;
	snprintf(reason, size, "it is the place of %s (%s)", guard->program, guard->what_for);
	return -EPERM;
}

int guards_check_process(const struct guards *guards, pid_t pid, char *reason, size_t size)
{
	const struct guard *guard;
	char name[16];
	int r;

	snprintf(name, sizeof(name), "%d", (int)pid);
	r = find_guard(guards, name, &guard);
	if (r < 0)
		snprintf(reason, size, "it cannot be told whether pid %d is protected: %s",
			 (int)pid, strerror(-r));
	return r < 0 || !guard ? r : refuse(guard, pid, reason, size);
}

int guards_check(struct guards *guards, int hierarchy, const char *path, char *reason, size_t size)
{
	int r = guards_check_path(path, reason, size);

	if (r < 0)
		return r;
	pthread_mutex_lock(&guards->mutex);
	if (!guards->known) {
		snprintf(reason, size, "it is not known yet which processes live where");
		r = -EPERM;
	} else if (check_processes(guards, hierarchy, path, reason, size)) {
		r = -EPERM;
	}
	pthread_mutex_unlock(&guards->mutex);
	return r;
}
