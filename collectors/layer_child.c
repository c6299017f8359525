// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_child.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What parent and child both see. */
struct shared {
	atomic_uint_fast64_t progress;
	atomic_int ended;
	int value;
	char result[] __attribute__((aligned(16)));
};

struct layer_child {
	pid_t pid;
	bool reaped;
	struct shared *shared;
	size_t size;
	uint64_t seen_progress, seen_ns;
};

static void close_between(unsigned int first, unsigned int last)
{
	if (close_range(first, last, 0) == 0)
		return;
	for (unsigned int fd = first; fd <= last && fd < 65536; fd++)
		close((int)fd);
}

/* Nothing of the parent's must stay open in a process that may live for long: no socket, no pipe.
 */
static void close_all_but(int kept)
{
	if (kept >= 0 && kept != LAYER_CHILD_FD)
		dup2(kept, LAYER_CHILD_FD);
	close_between(0, kept < 0 ? LAYER_CHILD_FD : LAYER_CHILD_FD - 1);
	close_between(LAYER_CHILD_FD + 1, ~0U);
}

static void run(layer_child_work *work, void *argument, struct shared *shared, int fd)
{
	sigset_t none;

	for (int signal = 1; signal < NSIG; signal++)
		sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close_all_but(fd);
	shared->value = work(argument, shared->result, &shared->progress);
	atomic_store(&shared->ended, 1);
	_exit(0);
}

int layer_child_start(layer_child_work *work, void *argument, size_t size, int fd,
		      struct layer_child **ret_child)
{
	struct layer_child *child = calloc(1, sizeof(*child));
	pid_t self = getpid();

	if (!child)
		return -ENOMEM;
	child->size = sizeof(*child->shared) + size;
	child->shared = mmap(NULL, child->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			     -1, 0);
	if (child->shared == MAP_FAILED) {
		free(child);
		return -ENOMEM;
	}
	child->pid = fork();
	if (child->pid < 0) {
		int r = -errno;

		munmap(child->shared, child->size);
		free(child);
		return r;
	}
	if (child->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != self)
			_exit(0);
		run(work, argument, child->shared, fd);
	}
	*ret_child = child;
	return 0;
}

bool layer_child_gone(struct layer_child *child)
{
	if (!child->reaped) {
		pid_t r = waitpid(child->pid, NULL, WNOHANG);

		/* ECHILD: somebody else waits for all children, or SIGCHLD is ignored. */
		child->reaped = r == child->pid || (r < 0 && errno == ECHILD);
	}
	return child->reaped;
}

int layer_child_poll(struct layer_child *child, int *ret_result)
{
	/* What it has to say may be there although closing its files takes forever. */
	if (!layer_child_gone(child) && !atomic_load(&child->shared->ended))
		return 0;
	*ret_result = atomic_load(&child->shared->ended) ? child->shared->value : -EIO;
	return 1;
}

uint64_t layer_child_silent_ns(struct layer_child *child, uint64_t now_ns)
{
	uint64_t progress = atomic_load(&child->shared->progress);

	if (child->seen_ns == 0 || progress != child->seen_progress) {
		child->seen_progress = progress;
		child->seen_ns = now_ns;
	}
	return now_ns - child->seen_ns;
}

const void *layer_child_result(const struct layer_child *child)
{
	return child->shared->result;
}

void layer_child_kill(struct layer_child *child)
{
	if (!layer_child_gone(child))
		kill(child->pid, SIGKILL);
}

void layer_child_leave(struct layer_child *child)
{
	if (!child)
		return;
	layer_child_kill(child);
	/* One that hangs in the kernel ends later, or never. */
	for (int i = 0; i < 100 && !layer_child_gone(child); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	/* The child has its own mapping. */
	munmap(child->shared, child->size);
	free(child);
}
