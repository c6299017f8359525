// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/verbs/run.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/units.h"

static int write_self(const struct run *run, const char *name, const char *text)
{
	char path[32];
	_cleanup_(closep) int fd = -1;

	snprintf(path, sizeof(path), "self/%s", name);
	fd = root_open(run->context->root, ROOT_PROC, path, O_WRONLY);
	if (fd < 0)
		return fd;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int write_map(const struct run *run, const char *name, unsigned int inside,
		     unsigned int outside)
{
	char map[64];
	int r;

	snprintf(map, sizeof(map), "%u %u 1\n", inside, outside);
	r = write_self(run, name, map);
	if (r < 0)
		return context_fail(run->context, EXIT_FAILED, "--unshare: user: %s: %s", name,
				    strerror(-r));
	return 0;
}

/* The parent is outside and does it; it has said why if it could not. */
static int ask(int channel)
{
	char request = 'm';
	int answer = EXIT_FAILED;

	if (send(channel, &request, 1, MSG_NOSIGNAL) != 1 ||
	    recv(channel, &answer, sizeof(answer), 0) != sizeof(answer))
		return EXIT_FAILED;
	return answer;
}

int run_map_write(const struct run *run, int channel)
{
	uid_t uid = run->map == RUN_MAP_USER ? run->map_uid : 0;
	gid_t gid = run->map != RUN_MAP_USER ? 0 : run->map_gid_given ? run->map_gid : run->gid;
	int r;

	if (run->map == RUN_MAP_AUTO)
		return ask(channel);
	/* Without this right a group that takes rights away could be left (user_namespaces(7)). */
	r = write_self(run, "setgroups", "deny");
	if (r < 0 && r != -ENOENT)
		return context_fail(run->context, EXIT_FAILED, "--unshare: user: setgroups: %s",
				    strerror(-r));
	r = write_map(run, "uid_map", uid, run->uid);
	return r ? r : write_map(run, "gid_map", gid, run->gid);
}

struct range {
	char start[16], count[16];
};

/* The first line NAME:START:COUNT of subuid(5) or subgid(5) that is ours, by name or number. */
static int find_range(const struct run *run, const char *file, const char *name,
		      struct range *ret_range)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	_cleanup_(closep) int etc = root_open_absolute(run->context->root, "/etc",
						       O_PATH | O_DIRECTORY);
	char number[16], *line, *at;
	int r = etc < 0 ? etc : read_file_at(etc, file, &text);

	if (r < 0)
		return r;
	snprintf(number, sizeof(number), "%u", (unsigned int)run->uid);
	at = text.data;
	while (at && (line = strsep(&at, "\n"))) {
		char *who = strsep(&line, ":"), *start = strsep(&line, ":"), *count = line;
		uint64_t first, n;

		if (!count || (strcmp(who, number) != 0 && strcmp(who, name) != 0) ||
		    parse_u64(start, &first) < 0 || parse_u64(count, &n) < 0 ||
		    first >= UINT32_MAX || n == 0 || n >= UINT32_MAX)
			continue;
		snprintf(ret_range->start, sizeof(ret_range->start), "%s", start);
		snprintf(ret_range->count, sizeof(ret_range->count), "%s", count);
		return 0;
	}
	return -ENOENT;
}

/* newuidmap(1) and newgidmap(1) have the right that an ordinary user lacks. */
static int call_mapper(const struct run *run, const char *program, pid_t pid, unsigned int own,
		       const struct range *range)
{
	char pid_text[16], own_text[16];
	const char *argv[] = { program, pid_text,     "0",	    own_text, "1",
			       "1",	range->start, range->count, NULL };
	pid_t mapper;
	int r, status;

	snprintf(pid_text, sizeof(pid_text), "%d", (int)pid);
	snprintf(own_text, sizeof(own_text), "%u", own);
	r = posix_spawnp(&mapper, program, NULL, NULL, (char *const *)argv, environ);
	if (r != 0)
		return context_fail(run->context, r == ENOENT ? EXIT_HOST : EXIT_FAILED,
				    "--map-auto: %s: %s", program, strerror(r));
	if (waitpid(mapper, &status, 0) != mapper || status != 0)
		return context_fail(run->context, EXIT_FAILED, "--map-auto: %s failed", program);
	return 0;
}

int run_map_answer(const struct run *run, pid_t pid)
{
	static const struct {
		const char *file, *program;
	} parts[] = { { "subuid", "newuidmap" }, { "subgid", "newgidmap" } };
	const struct passwd *user = getpwuid(run->uid);
	const char *name = user ? user->pw_name : "";
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++) {
		struct range range;

		r = find_range(run, parts[i].file, name, &range);
		if (r < 0)
			return context_fail(run->context, EXIT_FAILED,
					    "--map-auto: /etc/%s: no line for the user %s (%u)",
					    parts[i].file, name, (unsigned int)run->uid);
		r = call_mapper(run, parts[i].program, pid, i == 0 ? run->uid : run->gid, &range);
	}
	return r;
}
