// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/hooks.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "policies/hook_spawn.h"
#include "policies/knob_private.h"

enum { RUNNING_MAX = 32, WAITING_MAX = 256, TERM_MS = 2000, GOODBYE_MS = 500, LAST_MS = 5000 };

struct job {
	struct hook hook;
	struct job *next;
};

/* Of the thread alone. */
struct running {
	struct job *job;
	pid_t pid;
	int fd; /* pidfd */
	uint64_t deadline_ms;
	bool terminated, killed;
};

struct hooks {
	unsigned int max;
	hooks_done done;
	void *data;
	int wake_fd;
	pthread_t thread;
	bool started;
	struct running running[RUNNING_MAX];

	pthread_mutex_t lock;
	bool stopping;
	struct job *first, **last;
	size_t n_waiting, n_running;
};

static void job_free(struct job *job)
{
	free(job->hook.words);
	free(job->hook.environment);
	free(job);
}

static void finish(struct hooks *hooks, struct job *job, int error, const char *text)
{
	hooks->done(hooks->data, job->hook.about, error, text);
	job_free(job);
}

/* ---- starting a command ------------------------------------------------------------------------
 */

/* The list that execve() wants, of texts that stand one behind the other. Free the list alone. */
static char **split(char *text, size_t length)
{
	size_t n = 0, at = 0;
	char **list;

	for (size_t i = 0; i < length; i++)
		n += text[i] == '\0';
	list = calloc(n + 1, sizeof(*list));
	for (size_t i = 0; list && i < n; i++) {
		list[i] = text + at;
		at += strlen(list[i]) + 1;
	}
	return list;
}

/* Who may write it decides what runs with our rights. */
static int check_program(const char *path, char *text, size_t size)
{
	struct stat status;

	if (path[0] != '/') {
		snprintf(text, size, "%s: not an absolute path", path);
		return -EINVAL;
	}
	if (stat(path, &status) < 0) {
		int error = errno;

		snprintf(text, size, "%s: %s", path, strerror(error));
		return -error;
	}
	if (!S_ISREG(status.st_mode) || (status.st_uid != 0 && status.st_uid != geteuid()) ||
	    (status.st_mode & 022)) {
		snprintf(text, size,
			 "%s: refused: it must be a file of root that nobody else can write", path);
		return -EPERM;
	}
	return 0;
}

static int spawn(const struct hook *hook, pid_t *ret_pid)
{
	_cleanup_(freep) char **words = split(hook->words, hook->length);
	_cleanup_(freep) char **environment = split(hook->environment, hook->environment_length);

	return words && environment ? hook_spawn(words, environment, ret_pid) : -ENOMEM;
}

static struct running *find_free(struct hooks *hooks)
{
	for (unsigned int i = 0; i < hooks->max; i++) {
		if (!hooks->running[i].job)
			return &hooks->running[i];
	}
	return NULL;
}

static void start_command(struct hooks *hooks, struct running *running, struct job *job)
{
	char text[384] = "";
	pid_t pid;
	int r = check_program(job->hook.words, text, sizeof(text)), fd = -1;

	if (r == 0) {
		r = spawn(&job->hook, &pid);
		if (r < 0)
			snprintf(text, sizeof(text), "%s: %s", job->hook.words, strerror(-r));
	}
	if (r == 0)
		fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (r == 0 && fd < 0) {
		r = -errno;
		snprintf(text, sizeof(text), "pidfd_open: %s", strerror(-r));
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (r < 0) {
		finish(hooks, job, r, text);
		return;
	}
	*running = (struct running){ .job = job,
				     .pid = pid,
				     .fd = fd,
				     .deadline_ms = knob_clock_ms() +
						    job->hook.timeout_usec / 1000 };
	pthread_mutex_lock(&hooks->lock);
	hooks->n_running++;
	pthread_mutex_unlock(&hooks->lock);
}

/* ---- waiting for their end ---------------------------------------------------------------------
 */

static void tell_end(struct hooks *hooks, const struct running *running, const siginfo_t *info)
{
	char text[128];
	int error = 0;

	if (running->terminated) {
		error = -ETIMEDOUT;
		snprintf(text, sizeof(text), "the hook did not end in time and was killed");
	} else if (info->si_code != CLD_EXITED) {
		error = -EIO;
		snprintf(text, sizeof(text), "the hook ended by signal %d", info->si_status);
	} else {
		error = info->si_status ? -EIO : 0;
		snprintf(text, sizeof(text), "the hook ended with exit code %d", info->si_status);
	}
	finish(hooks, running->job, error, text);
}

static void reap(struct hooks *hooks, struct running *running)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)running->pid, &info, WEXITED | WNOHANG) < 0 && errno == EINTR)
		return;
	if (info.si_pid == 0)
		return;
	close(running->fd);
	tell_end(hooks, running, &info);
	*running = (struct running){ .fd = -1 };
	pthread_mutex_lock(&hooks->lock);
	hooks->n_running--;
	pthread_mutex_unlock(&hooks->lock);
}

/* The group's leader is not reaped yet, so that the number is still its own. */
static void press(struct running *running, uint64_t now)
{
	if (now < running->deadline_ms || running->killed)
		return;
	running->killed = running->terminated;
	kill(-running->pid, running->terminated ? SIGKILL : SIGTERM);
	running->terminated = true;
	running->deadline_ms = now + TERM_MS;
}

static void wait_for_something(struct hooks *hooks)
{
	struct pollfd fds[RUNNING_MAX + 1] = { { .fd = hooks->wake_fd, .events = POLLIN } };
	uint64_t now = knob_clock_ms(), next = UINT64_MAX, count;

	for (unsigned int i = 0; i < hooks->max; i++) {
		const struct running *running = &hooks->running[i];

		fds[i + 1] = (struct pollfd){ .fd = running->job ? running->fd : -1,
					      .events = POLLIN };
		if (running->job && !running->killed && running->deadline_ms < next)
			next = running->deadline_ms;
	}
	poll(fds, hooks->max + 1,
	     next == UINT64_MAX	      ? -1
	     : next <= now	      ? 0
	     : next - now > INT32_MAX ? INT32_MAX
				      : (int)(next - now));
	if (fds[0].revents && read(hooks->wake_fd, &count, sizeof(count)) < 0)
		return;
}

static void look_after(struct hooks *hooks)
{
	uint64_t now = knob_clock_ms();

	for (unsigned int i = 0; i < hooks->max; i++) {
		if (hooks->running[i].job)
			reap(hooks, &hooks->running[i]);
		if (hooks->running[i].job)
			press(&hooks->running[i], now);
	}
}

static struct job *take(struct hooks *hooks)
{
	struct job *job;

	pthread_mutex_lock(&hooks->lock);
	job = hooks->first;
	if (job) {
		hooks->first = job->next;
		hooks->n_waiting--;
		if (!hooks->first)
			hooks->last = &hooks->first;
	}
	pthread_mutex_unlock(&hooks->lock);
	return job;
}

static void start_jobs(struct hooks *hooks)
{
	struct running *running;
	struct job *job;

	while ((running = find_free(hooks)) && (job = take(hooks))) {
		char text[128] = "";

		if (job->hook.call)
			finish(hooks, job, job->hook.call(&job->hook, text, sizeof(text)), text);
		else
			start_command(hooks, running, job);
	}
}

static bool is_stopping(struct hooks *hooks)
{
	bool stopping;

	pthread_mutex_lock(&hooks->lock);
	stopping = hooks->stopping;
	pthread_mutex_unlock(&hooks->lock);
	return stopping;
}

static bool is_lost(struct running *running, uint64_t deadline)
{
	return running->killed && knob_clock_ms() >= deadline;
}

static void abandon(struct hooks *hooks, struct running *running)
{
	close(running->fd);
	finish(hooks, running->job, -ETIMEDOUT, "the hook does not end, not even by SIGKILL");
	*running = (struct running){ .fd = -1 };
}

/* A moment to end by themselves, another after SIGTERM, then SIGKILL. */
static void end_all(struct hooks *hooks)
{
	struct job *job;

	while ((job = take(hooks)))
		finish(hooks, job, -ECANCELED, "the agent stops: the hook was not started");
	for (unsigned int i = 0; i < hooks->max; i++) {
		struct running *running = &hooks->running[i];
		uint64_t deadline = knob_clock_ms() + GOODBYE_MS;

		/* What does not even die by SIGKILL waits for a disk or a server: not for us. */
		while (running->job && !is_lost(running, deadline)) {
			struct pollfd wait = { .fd = running->fd, .events = POLLIN };

			poll(&wait, 1, 20);
			reap(hooks, running);
			if (running->job && knob_clock_ms() >= deadline) {
				running->deadline_ms = 0;
				press(running, knob_clock_ms());
				deadline = knob_clock_ms() +
					   (running->killed ? LAST_MS : GOODBYE_MS);
			}
		}
		if (running->job)
			abandon(hooks, running);
	}
}

static void *run(void *data)
{
	struct hooks *hooks = data;

	while (!is_stopping(hooks)) {
		start_jobs(hooks);
		wait_for_something(hooks);
		look_after(hooks);
	}
	end_all(hooks);
	return NULL;
}

/* ---- from outside ------------------------------------------------------------------------------
 */

int hooks_new(unsigned int max, hooks_done done, void *data, struct hooks **ret_hooks)
{
	struct hooks *hooks = calloc(1, sizeof(*hooks));

	if (!hooks)
		return -ENOMEM;
	hooks->max = max > RUNNING_MAX ? RUNNING_MAX : max;
	hooks->done = done;
	hooks->data = data;
	hooks->last = &hooks->first;
	pthread_mutex_init(&hooks->lock, NULL);
	hooks->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (hooks->wake_fd < 0) {
		hooks_free(hooks);
		return -errno;
	}
	*ret_hooks = hooks;
	return 0;
}

static void wake(struct hooks *hooks)
{
	const uint64_t one = 1;

	/* It can only fail when it is full, and then it is readable already. */
	if (write(hooks->wake_fd, &one, sizeof(one)) < 0)
		return;
}

/* All signals are for the main loop. */
static int start_thread(struct hooks *hooks)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&hooks->thread, NULL, run, hooks);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

int hooks_push(struct hooks *hooks, const struct hook *hook)
{
	struct job *job = calloc(1, sizeof(*job));
	int r = job ? 0 : -ENOMEM;

	pthread_mutex_lock(&hooks->lock);
	if (r == 0 && hooks->n_waiting >= WAITING_MAX)
		r = -EAGAIN;
	if (r == 0 && !hooks->started)
		r = start_thread(hooks);
	if (r == 0) {
		hooks->started = true;
		job->hook = *hook;
		*hooks->last = job;
		hooks->last = &job->next;
		hooks->n_waiting++;
	}
	pthread_mutex_unlock(&hooks->lock);
	if (r == 0)
		wake(hooks);
	else
		free(job);
	return r;
}

size_t hooks_running(struct hooks *hooks)
{
	size_t n;

	if (!hooks)
		return 0;
	pthread_mutex_lock(&hooks->lock);
	n = hooks->n_running;
	pthread_mutex_unlock(&hooks->lock);
	return n;
}

void hooks_free(struct hooks *hooks)
{
	if (!hooks)
		return;
	pthread_mutex_lock(&hooks->lock);
	hooks->stopping = true;
	pthread_mutex_unlock(&hooks->lock);
	if (hooks->started) {
		wake(hooks);
		pthread_join(hooks->thread, NULL);
	}
	pthread_mutex_destroy(&hooks->lock);
	closep(&hooks->wake_fd);
	free(hooks);
}
