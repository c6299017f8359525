// SPDX-License-Identifier: MIT
/* Commands that policies start: what they inherit, and that they end with the agent. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "policies/hooks.h"

enum { PATIENCE_MS = 120000, TEXT_MAX = 8192 };

static const char command[] = "{ echo pid=$$; cat /proc/self/status; echo adj=$(cat "
			      "/proc/$$/oom_score_adj); cat /proc/$$/stat; } > $OUT.new; "
			      "mv $OUT.new $OUT; exec sleep 1000";

static void on_done(void *data, void *about, int error, const char *text)
{
	(void)data;
	(void)about;
	(void)error;
	(void)text;
}

/* Texts with a NUL behind each, on the heap. */
static char *join(const char *const *list, size_t n, size_t *ret_length)
{
	char *joined = calloc(1, TEXT_MAX);
	size_t length = 0;

	assert_non_null(joined);
	for (size_t i = 0; i < n; i++) {
		memcpy(joined + length, list[i], strlen(list[i]) + 1);
		length += strlen(list[i]) + 1;
	}
	*ret_length = length;
	return joined;
}

static struct hooks *start_hook(const char *out)
{
	const char *words[] = { "/bin/sh", "-c", command };
	struct hook hook = { .timeout_usec = UINT64_C(1000000) * 1000 };
	struct hooks *hooks = NULL;
	char variable[128];
	const char *environment[] = { variable, "PATH=/usr/bin:/bin" };

	snprintf(variable, sizeof(variable), "OUT=%s", out);
	hook.words = join(words, ARRAY_SIZE(words), &hook.length);
	hook.environment = join(environment, ARRAY_SIZE(environment), &hook.environment_length);
	assert_int_equal(hooks_new(1, on_done, NULL, &hooks), 0);
	assert_int_equal(hooks_push(hooks, &hook), 0);
	return hooks;
}

/* As soon as it is there. */
static void await_text(const char *path, char text[TEXT_MAX])
{
	FILE *file = NULL;

	for (int tries = 0; !file && tries < PATIENCE_MS / 20; tries++) {
		file = fopen(path, "r");
		if (!file)
			usleep(20000);
	}
	assert_non_null(file);
	text[fread(text, 1, TEXT_MAX - 1, file)] = '\0';
	fclose(file);
}

static pid_t pid_of(const char *text)
{
	assert_int_equal(strncmp(text, "pid=", 4), 0);
	return (pid_t)strtol(text + 4, NULL, 10);
}

/* An orphan of ours, as we are a subreaper. */
static bool comes_to_end(pid_t pid)
{
	int status = 0;

	for (int tries = 0; tries < PATIENCE_MS / 20; tries++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		usleep(20000);
	}
	kill(pid, SIGKILL);
	return false;
}

static bool protect_ourselves(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, "-500", 4) == 4;

	close(fd);
	return done;
}

/* The agent is killed: so is what it started. */
static void test_ends_with_agent(void **state)
{
	char out[64], text[TEXT_MAX], session[64];
	pid_t agent, hook;
	int status;

	(void)state;
	snprintf(out, sizeof(out), "/tmp/cgwatch-test-hook-%d", (int)getpid());
	unlink(out);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	agent = fork();
	assert_true(agent >= 0);
	if (agent == 0) {
		/* Neither is to be inherited. */
		signal(SIGPIPE, SIG_IGN);
		if (!protect_ourselves())
			fprintf(stderr, "oom_score_adj cannot be lowered here: not looked at\n");
		start_hook(out);
		for (;;)
			pause();
	}
	await_text(out, text);
	unlink(out);
	hook = pid_of(text);
	assert_int_equal(kill(hook, 0), 0);
	kill(agent, SIGKILL);
	assert_int_equal(waitpid(agent, &status, 0), agent);
	assert_true(comes_to_end(hook));
	assert_non_null(strstr(text, "\nNoNewPrivs:\t1\n"));
	assert_non_null(strstr(text, "\nSigIgn:\t0000000000000000\n"));
	assert_non_null(strstr(text, "\nSigBlk:\t0000000000000000\n"));
	assert_null(strstr(text, "\nadj=-500\n"));
	/* proc_pid_stat(5): state, parent, group, session. */
	snprintf(session, sizeof(session), " %d %d %d ", (int)agent, (int)hook, (int)hook);
	assert_non_null(strstr(text, session));
}

/* A polite end takes them along too. */
static void test_freed(void **state)
{
	char out[64], text[TEXT_MAX];
	struct hooks *hooks;

	(void)state;
	snprintf(out, sizeof(out), "/tmp/cgwatch-test-hook-%d", (int)getpid());
	unlink(out);
	hooks = start_hook(out);
	await_text(out, text);
	unlink(out);
	hooks_free(hooks);
	assert_int_equal(kill(pid_of(text), 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends_with_agent),
		cmocka_unit_test(test_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
