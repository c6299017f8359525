/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A subtree of the test's own on the real kernel, /cgwatch-test-PID in every hierarchy that matters
 * here (v1, hybrid) or in v2, with processes in it, and the programs under test. live_done() ends
 * every process by its own id, thaws and removes everything, also after a failed assertion.
 */
enum { LIVE_MAX = 32, LIVE_HIERARCHIES = 16 };

/*
 * Seconds that a test waits for what has to come. Long, since it is only waited for in vain when
 * something is wrong, while a busy or emulated machine may need most of it.
 */
enum { LIVE_PATIENCE = 120 };

struct live {
	bool v2;
	char top[64];	 /* "/cgwatch-test-123" */
	char state[128]; /* directory for config, policies and the agent's state */
	struct {
		char controller[32], path[256]; /* mount point */
	} hierarchies[LIVE_HIERARCHIES];
	size_t n_hierarchies;
	char names[LIVE_MAX][64]; /* cgroups below top */
	size_t n_names;
	pid_t children[LIVE_MAX];
	size_t n_children;
	pid_t agent;
	char listen[192]; /* "" if the agent is to serve nothing */
};

/* cmocka setup and teardown; *state is a struct live. Needs root; the environment names the
 * programs (CGWATCH, CGWATCHD). */
int live_setup(void **state);
int live_teardown(void **state);

/* Makes the cgroup TOP/name everywhere. */
void live_cgroup(struct live *live, const char *name);
/* Removes it everywhere. */
void live_remove(struct live *live, const char *name);
/* The directory of TOP/name for a controller (v2: of the one tree). */
void live_dir(const struct live *live, const char *controller, const char *name, char *path,
	      size_t size);
/* Text of a file without its newline, or NULL. Free it. */
char *live_read(const struct live *live, const char *controller, const char *name,
		const char *file);
/* A number in a file: the whole text, or behind `key` in a flat keyed one. UINT64_MAX for "max". */
uint64_t live_number(const struct live *live, const char *controller, const char *name,
		     const char *file, const char *key);
int live_write(const struct live *live, const char *controller, const char *name, const char *file,
	       const char *text);
/* Starts `work` in TOP/name; it is ended by teardown. */
pid_t live_start(struct live *live, const char *name, void (*work)(void));
void live_end(struct live *live, pid_t pid);
/* Things for a process to do: spin; hold 32 MiB and touch it; fork and reap all the time; sleep. */
void live_burn(void);
void live_allocate(void);
void live_fork(void);
void live_sleep(void);

/* CPU time of TOP/name in seconds, from the kernel's file. */
double live_cpu(const struct live *live, const char *name);
/* CPU use of TOP/name over at least `seconds`, in cores; rather too little than too much. */
double live_cpu_rate(const struct live *live, const char *name, double seconds);
double live_now(void);
void live_wait(double seconds);

/* Runs cgwatch with these words; its stdout in *ret_output (free it) if not NULL. The exit code. */
int live_cgwatch(const struct live *live, char **ret_output, const char *arguments, ...)
	__attribute__((format(printf, 3, 4)));
/* `cgwatch ls --json` of TOP and below. */
json_t *live_ls(const struct live *live, const char *arguments);
/* The object of TOP/name in it, and a number of its metrics (fails the test if it is not there). */
json_t *live_find(const struct live *live, json_t *root, const char *name);
double live_metric(json_t *cgroup, const char *metric);

/* Writes policies ("%s" in the text is TOP) and starts cgwatchd with them; waits until it is ready.
 */
void live_agent(struct live *live, const char *policies);
/* Writes these keys into [agent] of the agent's configuration; SIGHUP makes it read them. */
void live_config(const struct live *live, const char *keys);
/* Sends the signal and waits for its end; the wait status. */
int live_agent_end(struct live *live, int signal);
/* Waits until `check` says true, at most `seconds`: rather LIVE_PATIENCE than less. */
bool live_until(const struct live *live, bool (*check)(const struct live *live), double seconds);
/* What the agent serves at the Unix socket `at`; free it. NULL if there is no answer (yet). */
char *live_scrape(const char *at);
/* True if a line of it starts with `start` and has `part` in it. */
bool live_has_series(const char *text, const char *start, const char *part);
