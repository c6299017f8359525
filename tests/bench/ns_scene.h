/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the benches of namespaces look at: 125 groups with one namespace of each type and 32
 * processes. All of them end when the descriptor that ns_scene_make() gives is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

enum { NS_SCENE_GROUPS = 125, NS_SCENE_MEMBERS = 32 };

static const int ns_scene_types = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS |
				  CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_NEWPID | CLONE_NEWTIME;

static inline void ns_scene_say_ready(int ready)
{
	if (write(ready, "r", 1) != 1)
		_exit(1);
}

/* Process 1 of the group: when the bench ends, its end of the pipe does, and all the group with it.
 */
static inline void __attribute__((noreturn)) ns_scene_be_group(int hold, int ready)
{
	char byte;

	for (int i = 1; i < NS_SCENE_MEMBERS; i++) {
		pid_t pid = fork();

		if (pid < 0)
			_exit(1);
		if (pid == 0) {
			close(hold);
			ns_scene_say_ready(ready);
			for (;;)
				pause();
		}
	}
	ns_scene_say_ready(ready);
	while (read(hold, &byte, 1) < 0 && errno == EINTR)
		continue;
	_exit(0);
}

static inline int ns_scene_make_group(int hold, int ready)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (unshare(ns_scene_types) < 0) {
			perror("bench: unshare");
			_exit(1);
		}
		pid = fork();
		if (pid == 0)
			ns_scene_be_group(hold, ready);
		_exit(pid < 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

/* The write end of `hold` is the scene: closing it ends all of it. */
static inline int ns_scene_make(int *ret_hold)
{
	int hold[2], ready[2];
	char byte;

	if (pipe2(hold, O_CLOEXEC) < 0 || pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	for (int i = 0; i < NS_SCENE_GROUPS; i++) {
		pid_t pid = fork();
		int status;

		/* One that has not the write end starts them: else they would hold themselves. */
		if (pid == 0) {
			close(hold[1]);
			_exit(ns_scene_make_group(hold[0], ready[1]) < 0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			return -1;
	}
	for (int i = 0; i < NS_SCENE_GROUPS * NS_SCENE_MEMBERS; i++) {
		if (read(ready[0], &byte, 1) != 1)
			return -1;
	}
	close(hold[0]);
	*ret_hold = hold[1];
	return 0;
}
