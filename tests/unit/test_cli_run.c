// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"

/* The arguments of `cgwatch run`: what is wrong is said in one line, and nothing is started. */

struct call {
	const char *arguments[8]; /* behind "run" */
	int status;
	const char *says; /* the whole line behind "cgwatch: run: ", or NULL: none */
};

#define OFFSET_HINT "give an offset as in 3600, 1h or -30s"
#define TYPES	    "not one of mnt net pid user uts ipc cgroup time"

static const struct call calls[] = {
	/* the list of --unshare */
	{ { "--unshare=", "true" }, 2, "--unshare: '': an empty name" },
	{ { "--unshare", "mnt,,pid", "true" }, 2, "--unshare: 'mnt,,pid': an empty name" },
	{ { "--unshare", ",mnt", "true" }, 2, "--unshare: ',mnt': an empty name" },
	{ { "--unshare", "mnt,", "true" }, 2, "--unshare: 'mnt,': an empty name" },
	{ { "--unshare", "mnt,nets", "true" }, 2, "--unshare: nets: " TYPES },
	{ { "--unshare", "ne", "true" }, 2, "--unshare: ne: " TYPES },
	{ { "--unshare", "mnt pid", "true" }, 2, "--unshare: mnt pid: " TYPES },
	{ { "--unshare", "all", "true" }, 2, "--unshare: all: " TYPES },
	{ { "--unshare", "a\nb", "true" }, 2, "--unshare: a\\x0ab: " TYPES },
	{ { "--unshare" }, 2, "--unshare: no such option, or its value is missing" },
	/* the list of --ns */
	{ { "--target", "1", "--ns", "net,,", "true" }, 2, "--ns: 'net,,': an empty name" },
	{ { "--target", "1", "--ns", "net,x", "true" }, 2, "--ns: x: " TYPES " all" },
	{ { "--target", "1", "--ns", "allx", "true" }, 2, "--ns: allx: " TYPES " all" },
	{ { "--ns", "net", "true" }, 2, "--ns: needs --target" },
	{ { "--target=", "true" }, 2, "--target: give a process, a cgroup or a container" },
	{ { "--target", "1", "--unshare", "uts", "true" },
	  2,
	  "--target: cannot be combined with --unshare" },
	/* options that mean something only beside another one */
	{ { "--hostname", "a", "true" }, 2, "--hostname: needs 'uts' in --unshare" },
	{ { "--unshare", "net", "--domainname", "a", "true" },
	  2,
	  "--domainname: needs 'uts' in --unshare" },
	{ { "--map-root", "true" }, 2, "--map-root: needs 'user' in --unshare" },
	{ { "--map-auto", "true" }, 2, "--map-auto: needs 'user' in --unshare" },
	{ { "--map-user", "5", "true" }, 2, "--map-user: needs 'user' in --unshare" },
	{ { "--monotonic", "1h", "true" }, 2, "--monotonic: needs 'time' in --unshare" },
	{ { "--boottime", "1h", "true" }, 2, "--boottime: needs 'time' in --unshare" },
	{ { "--keep-proc", "true" }, 2, "--keep-proc: needs 'pid' in --unshare" },
	{ { "--as-pid1", "true" }, 2, "--as-pid1: needs 'pid' in --unshare" },
	{ { "--unshare", "user", "--map-root", "--map-user", "1", "true" },
	  2,
	  "--map-user: there is another --map- option already" },
	/* values */
	{ { "--hostname=", "true" }, 2, "--hostname: give 1 to 64 bytes" },
	{ { "--hostname", "0123456789012345678901234567890123456789012345678901234567890123x",
	    "true" },
	  2,
	  "--hostname: give 1 to 64 bytes" },
	{ { "--map-user", "joe", "true" }, 2, "--map-user: joe: give UID or UID:GID, as numbers" },
	{ { "--map-user", "1:", "true" }, 2, "--map-user: 1:: give UID or UID:GID, as numbers" },
	{ { "--map-user", "1:2:3", "true" },
	  2,
	  "--map-user: 1:2:3: give UID or UID:GID, as numbers" },
	{ { "--map-user", "4294967295", "true" },
	  2,
	  "--map-user: 4294967295: give UID or UID:GID, as numbers" },
	{ { "--map-user", "00000000000000000001", "true" },
	  2,
	  "--map-user: 00000000000000000001: give UID or UID:GID, as numbers" },
	{ { "--boottime", "", "true" }, 2, "--boottime: : " OFFSET_HINT },
	{ { "--boottime", "-", "true" }, 2, "--boottime: -: " OFFSET_HINT },
	{ { "--boottime", "--1h", "true" }, 2, "--boottime: --1h: " OFFSET_HINT },
	{ { "--monotonic", "1x", "true" }, 2, "--monotonic: 1x: " OFFSET_HINT },
	{ { "--monotonic", "99999999999999999999", "true" },
	  2,
	  "--monotonic: 99999999999999999999: " OFFSET_HINT },
	{ { "--unshare", "pid,mnt,user" }, 2, "give a command, as in -- make -j8" },
	/* good ones, down to the command */
	{ { "--", "true" }, 0, NULL },
	{ { "--", "sh", "-c", "exit 7" }, 7, NULL },
	{ { "--", "sh", "-c", "kill -TERM $$" }, 143, NULL },
	{ { "--", "/" }, 126, "/: Permission denied" },
	{ { "--", "/nonexistent/x" }, 127, "/nonexistent/x: No such file or directory" },
};

static char *slurp(FILE *file)
{
	char *text = calloc(1, 4096);

	assert_non_null(text);
	rewind(file);
	text[fread(text, 1, 4095, file)] = '\0';
	fclose(file);
	return text;
}

static int call_run(const struct call *call, char **ret_err)
{
	const char *program = getenv("CGWATCH"), *argv[16] = { "cgwatch", "run" };
	FILE *err = tmpfile();
	int status;
	pid_t pid;

	assert_non_null(program);
	assert_non_null(err);
	for (size_t i = 0; i < ARRAY_SIZE(call->arguments) && call->arguments[i]; i++)
		argv[i + 2] = call->arguments[i];
	pid = fork();
	if (pid == 0) {
		dup2(fileno(err), STDERR_FILENO);
		execv(program, (char *const *)argv);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	*ret_err = slurp(err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void test_arguments(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		char *err, want[256];
		int status = call_run(&calls[i], &err);

		snprintf(want, sizeof(want), "cgwatch: run: %s\n", calls[i].says);
		if (status != calls[i].status || strcmp(err, calls[i].says ? want : "") != 0)
			fail_msg("run %s %s: exit code %d, says: %s", calls[i].arguments[0],
				 calls[i].arguments[1], status, err);
		free(err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_arguments) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
