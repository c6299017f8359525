// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

bool until(bool (*check)(void *data), void *data)
{
	double end = now() + COMMAND_PATIENCE;

	while (!check(data)) {
		struct timespec pause = { 0, 10000000 };

		if (now() > end)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

void command_start(struct command *command, void (*before)(void), const char *const *words)
{
	const char *argv[32] = { "cgwatch" };
	int in[2], out[2], program, self;

	memset(command, 0, sizeof(*command));
	for (size_t i = 0; words[i]; i++) {
		assert_true(i < 30);
		argv[i + 1] = words[i];
	}
	/* By descriptor: an ordinary user may not get through the directories above them. */
	program = open(getenv("CGWATCH"), O_PATH | O_CLOEXEC);
	self = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	assert_true(program >= 0 && self >= 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	command->err_file = tmpfile();
	assert_non_null(command->err_file);
	fflush(NULL);
	command->pid = fork();
	assert_true(command->pid >= 0);
	if (command->pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(fileno(command->err_file), STDERR_FILENO);
		dup2(self, COMMAND_SELF);
		if (before)
			before();
		fexecve(program, (char *const *)argv, environ);
		_exit(99);
	}
	close(program);
	close(self);
	close(in[0]);
	close(out[1]);
	command->in = in[1];
	command->out = out[0];
}

/* False at the end of the output. */
static bool read_more(struct command *command, double end)
{
	struct pollfd poll_fd = { .fd = command->out, .events = POLLIN };
	double left = end - now();
	ssize_t n;

	if (left <= 0 || poll(&poll_fd, 1, (int)(left * 1000) + 1) == 0)
		fail_msg("the command neither went on nor ended; so far: %s", command->text);
	assert_true(command->length < sizeof(command->text) - 1);
	n = read(command->out, command->text + command->length,
		 sizeof(command->text) - 1 - command->length);
	if (n > 0)
		command->length += (size_t)n;
	return n > 0 || (n < 0 && errno == EINTR);
}

void command_await(struct command *command, const char *text)
{
	double end = now() + COMMAND_PATIENCE;

	while (!strstr(command->text, text)) {
		if (read_more(command, end))
			continue;
		command_end(command);
		fail_msg("it ended before it said '%s': %s%s", text, command->text, command->err);
	}
}

void command_drain(struct command *command)
{
	double end = now() + COMMAND_PATIENCE;

	while (read_more(command, end))
		continue;
}

static bool has_ended(void *data)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)((struct command *)data)->pid, &info,
		      WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid != 0;
}

int command_end(struct command *command)
{
	int status = 0;

	close(command->in);
	command_drain(command);
	close(command->out);
	if (!until(has_ended, command))
		fail_msg("cgwatch did not end: %s", command->text);
	assert_int_equal(waitpid(command->pid, &status, 0), command->pid);
	rewind(command->err_file);
	command->err[fread(command->err, 1, sizeof(command->err) - 1, command->err_file)] = '\0';
	fclose(command->err_file);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void command_expect(struct command *command, int code)
{
	int status = command_end(command);

	if (status != code)
		fail_msg("ended with %d, not with %d: %s%s", status, code, command->text,
			 command->err);
}

const char *command_self(void)
{
	return "/proc/self/fd/99";
}

bool command_probe(int argc, char **argv, const struct probe *probes, int *ret_code)
{
	if (argc < 3 || strcmp(argv[1], "--probe") != 0)
		return false;
	*ret_code = strcmp(argv[2], "look") == 0 ? look(argv + 3) : 98;
	for (; probes->name; probes++) {
		if (strcmp(probes->name, argv[2]) == 0)
			*ret_code = probes->look(argv + 3);
	}
	return true;
}

void become_nobody(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		_exit(97);
	/* Or its own files in /proc would stay root's. */
	prctl(PR_SET_DUMPABLE, 1);
}

const char *no_user_namespaces(void)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		become_nobody();
		_exit(unshare(CLONE_NEWUSER) < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? NULL : strerror(WEXITSTATUS(status));
}

void ns_link(pid_t pid, const char *type, char *link)
{
	char path[64];
	ssize_t n;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, type);
	else
		snprintf(path, sizeof(path), "/proc/self/ns/%s", type);
	n = readlink(path, link, 63);
	if (n < 0)
		fail_msg("%s: %s", path, strerror(errno));
	link[n] = '\0';
}

void command_value(const struct command *command, const char *key, char *value, size_t size)
{
	size_t length = strlen(key);
	const char *line = command->text;

	while (line && (strncmp(line, key, length) != 0 || line[length] != '=')) {
		line = strchr(line, '\n');
		line += line != NULL;
	}
	if (!line)
		fail_msg("no %s in: %s%s", key, command->text, command->err);
	snprintf(value, size, "%.*s", (int)strcspn(line + length + 1, "\n"), line + length + 1);
}
