/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Runs commands (and other things that may take long) on a thread of its own, a few at a time, each
 * with a time limit. A command is executed without a shell: its own process group, /dev/null as
 * input and output, no other descriptor, only the environment given. The thread starts with the
 * first job.
 */
struct hooks;

/* How a job ended: 0 or -errno, with text for people. Called on the hooks' thread. */
typedef void (*hooks_done)(void *data, void *about, int error, const char *text);

struct hook {
	char *words; /* the command and its arguments, a NUL behind each; an absolute path */
	size_t length;
	char *environment; /* "KEY=value", a NUL behind each */
	size_t environment_length;
	/* Instead of a command: called on the thread. 0 or -errno. */
	int (*call)(const struct hook *hook, char *text, size_t size);
	uint64_t timeout_usec; /* then SIGTERM to the group, and SIGKILL two seconds later */
	void *about;	       /* for hooks_done */
};

/* At most `max` commands at a time; `done` is called for each job once. 0 or -ENOMEM. */
int hooks_new(unsigned int max, hooks_done done, void *data, struct hooks **ret_hooks);
/*
 * Queues a job and takes over what it holds (`about` too, on success). 0; -EAGAIN if too many wait;
 * -ENOMEM or another -errno: then nothing was taken.
 */
int hooks_push(struct hooks *hooks, const struct hook *hook);
/* How many commands run now. NULL: 0. */
size_t hooks_running(struct hooks *hooks);
/* Ends everything: what waits is told -ECANCELED, what runs is given a moment, then killed. */
void hooks_free(struct hooks *hooks);
