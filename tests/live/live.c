// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "live.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"

double live_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void live_wait(double seconds)
{
	struct timespec pause = { (time_t)seconds,
				  (long)((seconds - (double)(time_t)seconds) * 1e9) };

	while (nanosleep(&pause, &pause) < 0 && errno == EINTR)
		continue;
}

/* The hierarchies that the tests use, as far as the host has them. */
static void find_hierarchies(struct live *live)
{
	static const char *const wanted[] = {
		"cpu", "cpuacct", "memory", "pids", "freezer", "blkio"
	};
	char line[4096];
	FILE *file = fopen("/proc/self/mountinfo", "re");

	while (file && fgets(line, sizeof(line), file)) {
		char mountpoint[256], *dash = strstr(line, " - "), options[512];

		if (!dash || sscanf(line, "%*s %*s %*s %*s %255s", mountpoint) != 1)
			continue;
		if (strncmp(dash, " - cgroup2 ", 11) == 0 && !live->v2) {
			/* Only if it is the one tree, not the empty half of a hybrid host. */
			snprintf(options, sizeof(options), "%s/cgroup.subtree_control", mountpoint);
			if (access(mountpoint, F_OK) == 0 && live->n_hierarchies == 0 &&
			    strcmp(mountpoint, "/sys/fs/cgroup") == 0) {
				live->v2 = true;
				strcpy(live->hierarchies[0].path, mountpoint);
				live->n_hierarchies = 1;
			}
			continue;
		}
		if (strncmp(dash, " - cgroup ", 10) != 0)
			continue;
		if (sscanf(dash, " - %*s %*s %511s", options) != 1)
			continue;
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
			char *at = options, *word;
			char copy[512];

			snprintf(copy, sizeof(copy), "%s", options);
			at = copy;
			while ((word = strsep(&at, ","))) {
				if (strcmp(word, wanted[i]) != 0 ||
				    live->n_hierarchies == LIVE_HIERARCHIES)
					continue;
				strcpy(live->hierarchies[live->n_hierarchies].controller, word);
				strcpy(live->hierarchies[live->n_hierarchies++].path, mountpoint);
			}
		}
	}
	if (file)
		fclose(file);
}

static const char *mount_of(const struct live *live, const char *controller)
{
	if (live->v2)
		return live->hierarchies[0].path;
	for (size_t i = 0; i < live->n_hierarchies; i++) {
		if (strcmp(live->hierarchies[i].controller, controller) == 0)
			return live->hierarchies[i].path;
	}
	return "/nonexistent";
}

/* Private, as the agent reads no configuration that others may change. */
static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	chmod(path, 0600);
}

/* In v2 the controllers must be on for the children. */
static void enable_controllers(const char *dir)
{
	_cleanup_(closep) int fd = -1;
	char path[512];

	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	for (const char *const *word =
		     (const char *const[]){ "+cpu", "+memory", "+pids", "+io", "+cpuset", NULL };
	     fd >= 0 && *word; word++) {
		if (write(fd, *word, strlen(*word)) < 0)
			fprintf(stderr, "%s: %s: %s\n", path, *word, strerror(errno));
	}
}

static void make_everywhere(struct live *live, const char *name)
{
	for (size_t i = 0; i < live->n_hierarchies; i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s%s%s%s", live->hierarchies[i].path, live->top,
			 *name ? "/" : "", name);
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			fail_msg("%s: %s", path, strerror(errno));
		if (live->v2 && !*name)
			enable_controllers(path);
	}
}

int live_setup(void **state)
{
	struct live *live = calloc(1, sizeof(*live));

	if (!live || geteuid() != 0 || !getenv("CGWATCH") || !getenv("CGWATCHD")) {
		fprintf(stderr, "live tests need root and CGWATCH, CGWATCHD in the environment\n");
		free(live);
		return -1;
	}
	*state = live;
	snprintf(live->top, sizeof(live->top), "/cgwatch-test-%d", (int)getpid());
	snprintf(live->state, sizeof(live->state), "/tmp/cgwatch-test-XXXXXX");
	if (!mkdtemp(live->state))
		return -1;
	find_hierarchies(live);
	if (live->n_hierarchies == 0)
		return -1;
	make_everywhere(live, "");
	return 0;
}

void live_cgroup(struct live *live, const char *name)
{
	make_everywhere(live, name);
	for (size_t i = 0; i < live->n_names; i++) {
		if (strcmp(live->names[i], name) == 0)
			return;
	}
	assert_true(live->n_names < LIVE_MAX);
	snprintf(live->names[live->n_names++], sizeof(live->names[0]), "%s", name);
}

void live_remove(struct live *live, const char *name)
{
	for (size_t i = 0; i < live->n_hierarchies; i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s%s%s%s", live->hierarchies[i].path, live->top,
			 *name ? "/" : "", name);
		/* A process that was killed leaves when it gets to run. */
		for (double end = live_now() + LIVE_PATIENCE;
		     rmdir(path) < 0 && errno == EBUSY && live_now() < end;)
			live_wait(0.01);
	}
}

void live_dir(const struct live *live, const char *controller, const char *name, char *path,
	      size_t size)
{
	snprintf(path, size, "%s%s%s%s", mount_of(live, controller), live->top, *name ? "/" : "",
		 name);
}

char *live_read(const struct live *live, const char *controller, const char *name, const char *file)
{
	char path[600], text[16384];
	_cleanup_(closep) int fd = -1;
	ssize_t n;

	live_dir(live, controller, name, path, 512);
	strcat(path, "/");
	strcat(path, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return NULL;
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	return strdup(text);
}

uint64_t live_number(const struct live *live, const char *controller, const char *name,
		     const char *file, const char *key)
{
	char *text = live_read(live, controller, name, file), *at = text;
	uint64_t value;

	if (!text)
		fail_msg("%s of %s: %s", file, name, strerror(errno));
	if (key) {
		size_t length = strlen(key);

		while (at && (strncmp(at, key, length) != 0 || at[length] != ' ')) {
			at = strchr(at, '\n');
			at += at != NULL;
		}
		if (!at)
			fail_msg("%s of %s: no key %s", file, name, key);
		at += length + 1;
	}
	value = strncmp(at, "max", 3) == 0 ? UINT64_MAX : strtoull(at, NULL, 10);
	free(text);
	return value;
}

int live_write(const struct live *live, const char *controller, const char *name, const char *file,
	       const char *text)
{
	_cleanup_(closep) int fd = -1;
	char path[600];

	live_dir(live, controller, name, path, 512);
	strcat(path, "/");
	strcat(path, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* One that works only for a moment, or is killed at once, was there all the same. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid != pid)
		return false;
	if (info.si_code == CLD_EXITED && info.si_status == 99)
		fail_msg("process %d was not let in", (int)pid);
	return true;
}

pid_t live_start(struct live *live, const char *name, void (*work)(void))
{
	double end = live_now() + LIVE_PATIENCE;
	char want[24];
	pid_t pid;

	assert_true(live->n_children < LIVE_MAX);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (size_t i = 0; i < live->n_hierarchies; i++) {
			if (live_write(live, live->hierarchies[i].controller, name, "cgroup.procs",
				       "0") < 0)
				_exit(99);
		}
		work();
		_exit(0);
	}
	live->children[live->n_children++] = pid;
	/* Until it has arrived everywhere: the last hierarchy is entered last. */
	snprintf(want, sizeof(want), "\n%d\n", (int)pid);
	while (live_now() < end) {
		char *text = live_read(live, live->hierarchies[live->n_hierarchies - 1].controller,
				       name, "cgroup.procs");
		char padded[16400];

		snprintf(padded, sizeof(padded), "\n%s\n", text ? text : "");
		free(text);
		if (strstr(padded, want) || has_ended(pid))
			return pid;
		live_wait(0.01);
	}
	fail_msg("process %d did not get into %s", (int)pid, name);
	return -1;
}

void live_end(struct live *live, pid_t pid)
{
	for (size_t i = 0; i < live->n_children; i++) {
		if (live->children[i] != pid)
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		live->children[i] = live->children[--live->n_children];
		return;
	}
}

static void thaw_all(struct live *live)
{
	for (size_t i = 0; i < live->n_names; i++) {
		if (live->v2)
			live_write(live, "", live->names[i], "cgroup.freeze", "0");
		else
			live_write(live, "freezer", live->names[i], "freezer.state", "THAWED");
	}
}

/* Grandchildren of live_fork() are in our cgroups too: they end by themselves at once. */
int live_teardown(void **state)
{
	struct live *live = *state;
	char command[256];

	if (live->agent > 0) {
		kill(live->agent, SIGKILL);
		waitpid(live->agent, NULL, 0);
		live_wait(1); /* its watchdog puts things back */
	}
	for (size_t i = 0; i < live->n_children; i++)
		kill(live->children[i], SIGKILL);
	thaw_all(live);
	for (size_t i = 0; i < live->n_children; i++)
		waitpid(live->children[i], NULL, 0);
	for (size_t i = live->n_names; i-- > 0;)
		live_remove(live, live->names[i]);
	live_remove(live, "");
	snprintf(command, sizeof(command), "rm -rf '%s'", live->state);
	if (system(command) != 0)
		fprintf(stderr, "%s was not removed\n", live->state);
	free(live);
	return 0;
}

void live_burn(void)
{
	for (volatile unsigned long i = 0;; i++)
		continue;
}

void live_allocate(void)
{
	const size_t size = 32 << 20;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		_exit(98);
	for (size_t i = 0; i < size; i += 4096)
		memory[i] = 1;
	/* Or the kernel may swap out what nobody uses. */
	if (mlock(memory, size) < 0)
		_exit(97);
	for (;;)
		pause();
}

void live_fork(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		usleep(2000);
	}
}

void live_sleep(void)
{
	for (;;)
		pause();
}

double live_cpu(const struct live *live, const char *name)
{
	if (live->v2)
		return (double)live_number(live, "cpu", name, "cpu.stat", "usage_usec") / 1e6;
	return (double)live_number(live, "cpuacct", name, "cpuacct.usage", NULL) / 1e9;
}

double live_cpu_rate(const struct live *live, const char *name, double seconds)
{
	double start = live_now(), used = live_cpu(live, name);

	live_wait(seconds);
	used = live_cpu(live, name) - used;
	return used / (live_now() - start);
}

static int run_command(const char *command, char **ret_output)
{
	FILE *pipe = popen(command, "re");
	size_t used = 0, size = 1 << 16;
	char *text = malloc(size);
	int status;

	assert_non_null(pipe);
	assert_non_null(text);
	for (;;) {
		size_t n = fread(text + used, 1, size - used - 1, pipe);

		if (n == 0)
			break;
		used += n;
		if (size - used < 4096) {
			size *= 2;
			text = realloc(text, size);
			assert_non_null(text);
		}
	}
	text[used] = '\0';
	status = pclose(pipe);
	if (ret_output)
		*ret_output = text;
	else
		free(text);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int live_cgwatch(const struct live *live, char **ret_output, const char *arguments, ...)
{
	char words[2048], command[4096];
	va_list list;

	va_start(list, arguments);
	vsnprintf(words, sizeof(words), arguments, list);
	va_end(list);
	snprintf(command, sizeof(command), "'%s' --state '%s/state' %s", getenv("CGWATCH"),
		 live->state, words);
	return run_command(command, ret_output);
}

json_t *live_ls(const struct live *live, const char *arguments)
{
	char *output;
	json_error_t error;
	json_t *root;

	assert_int_equal(live_cgwatch(live, &output, "ls '%s/**' --json %s", live->top, arguments),
			 0);
	root = json_loads(output, 0, &error);
	if (!root)
		fail_msg("no JSON: %s at %d: %.200s", error.text, error.position, output);
	free(output);
	return root;
}

json_t *live_find(const struct live *live, json_t *root, const char *name)
{
	json_t *cgroup, *list = json_object_get(root, "cgroups");
	char path[256];
	size_t i;

	snprintf(path, sizeof(path), "%s/%s", live->top, name);
	json_array_foreach(list, i, cgroup)
	{
		if (strcmp(json_string_value(json_object_get(cgroup, "path")), path) == 0)
			return cgroup;
	}
	fail_msg("%s is not listed", path);
	return NULL;
}

double live_metric(json_t *cgroup, const char *metric)
{
	json_t *value = json_object_get(json_object_get(cgroup, "metrics"), metric);

	if (!value) {
		json_t *why = json_object_get(json_object_get(cgroup, "absent"), metric);

		fail_msg("%s: no %s (%s)", json_string_value(json_object_get(cgroup, "path")),
			 metric, why ? json_string_value(why) : "not asked for");
	}
	return json_number_value(value);
}

void live_config(const struct live *live, const char *keys)
{
	char path[256], text[1024];

	snprintf(path, sizeof(path), "%s/config.ini", live->state);
	snprintf(text, sizeof(text), "[agent]\n%s", keys);
	write_file(path, text);
}

static void start_agent(struct live *live)
{
	char path[256], state[256], log[256], config[256];
	int fd;

	snprintf(path, sizeof(path), "%s/policies.ini", live->state);
	snprintf(state, sizeof(state), "%s/state", live->state);
	snprintf(log, sizeof(log), "%s/log", live->state);
	snprintf(config, sizeof(config), "%s/config.ini", live->state);
	if (access(config, F_OK) < 0)
		live_config(live, "interval = 200ms\naudit_log = none\n");
	fflush(NULL);
	live->agent = fork();
	assert_true(live->agent >= 0);
	if (live->agent > 0)
		return;
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
	execl(getenv("CGWATCHD"), "cgwatchd", "--config", config, "--state", state, "--policies",
	      path, "--web.listen-address", *live->listen ? live->listen : "none", (char *)NULL);
	_exit(97);
}

static void print_log(const struct live *live)
{
	char command[256];

	snprintf(command, sizeof(command), "cat '%s/log' >&2", live->state);
	if (system(command) != 0)
		fprintf(stderr, "no log\n");
}

void live_agent(struct live *live, const char *policies)
{
	double end = live_now() + LIVE_PATIENCE;
	char path[256], text[8192];

	if (policies) {
		size_t used = 0;

		for (const char *at = policies; *at && used < sizeof(text) - 128;) {
			if (strncmp(at, "%s", 2) == 0) {
				used += (size_t)sprintf(text + used, "%s", live->top);
				at += 2;
			} else {
				text[used++] = *at++;
			}
		}
		text[used] = '\0';
		snprintf(path, sizeof(path), "%s/policies.ini", live->state);
		write_file(path, text);
	}
	start_agent(live);
	while (live_now() < end) {
		char *output;
		int code = live_cgwatch(live, &output, "policy status 2>/dev/null");

		free(output);
		if (code == 0)
			return;
		if (waitpid(live->agent, NULL, WNOHANG) == live->agent) {
			live->agent = 0;
			break;
		}
		live_wait(0.1);
	}
	print_log(live);
	fail_msg("cgwatchd did not get ready");
}

int live_agent_end(struct live *live, int signal)
{
	int status = 0;

	kill(live->agent, signal);
	waitpid(live->agent, &status, 0);
	live->agent = 0;
	return status;
}

bool live_until(const struct live *live, bool (*check)(const struct live *live), double seconds)
{
	double end = live_now() + seconds;

	while (live_now() < end) {
		if (check(live))
			return true;
		live_wait(0.05);
	}
	print_log(live);
	return check(live);
}
