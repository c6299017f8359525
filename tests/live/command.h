/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/*
 * cgwatch as a test starts it, with what it writes. The command that cgwatch runs is often the test
 * program itself with a word that says what to look at from inside ("--probe WORD …"): see
 * command_probe(). Every wait has an end: then the test fails, and nothing it started goes on,
 * since commands end when their standard input does.
 */
enum { COMMAND_TEXT = 1 << 16, COMMAND_PATIENCE = 120 /* seconds */ };

struct command {
	pid_t pid;
	int in;	 /* its standard input: open until command_end() */
	int out; /* its standard output */
	FILE *err_file;
	char text[COMMAND_TEXT]; /* standard output so far */
	size_t length;
	char err[4096]; /* standard error, after command_end() */
};

/* Starts cgwatch with these words, ended by NULL. `before` (or NULL) is called in the new process.
 */
void command_start(struct command *command, void (*before)(void), const char *const *words);
#define command_run(command, before, ...) \
	command_start(command, before, (const char *const[]){ __VA_ARGS__, NULL })
/* Reads until `text` is in the output; fails the test if it ends before. */
void command_await(struct command *command, const char *text);
/* Reads until nobody has its output open any more. */
void command_drain(struct command *command);
/* Closes its input, reads all, waits for its end. Exit code, or -signal. */
int command_end(struct command *command);
/* Runs it and fails the test if it does not end with `code`. */
void command_expect(struct command *command, int code);

/* Path of this test program, to be run as a command: a descriptor that everyone inherits. */
const char *command_self(void);
enum { COMMAND_SELF = 99 };
/*
 * If argv is "--probe WORD …", calls the one of that name and returns true with its exit code. The
 * list ends with a NULL name; "look" is always there.
 */
struct probe {
	const char *name;
	int (*look)(char **arguments);
};
/*
 * Writes what a process sees of itself, as KEY=value: its links in /proc/self/ns by type; pid,
 * ppid, uid, gid; host, domain; uid_map, gid_map, setgroups; self (/proc/self); lo (1: up);
 * monotonic, boottime (seconds); shared (mounts with propagation); cgroups (not "/"); cwd. Then
 * "ready=1", and with the argument "stay" it goes on until its input ends.
 */
int look(char **arguments);
bool command_probe(int argc, char **argv, const struct probe *probes, int *ret_code);

/* For `before`: an ordinary user from here on. */
void become_nobody(void);
enum { NOBODY = 65534 };
/* Waits until `check` says true: false after COMMAND_PATIENCE. */
bool until(bool (*check)(void *data), void *data);
/* Why an ordinary user cannot make a user namespace here, or NULL: he can. */
const char *no_user_namespaces(void);

/* "net:[4026531840]" of a process (0: this one), into `link` of 64 bytes. Fails the test. */
void ns_link(pid_t pid, const char *type, char *link);
/* The part of the output behind "KEY=" on a line of its own, into `value`. Fails the test. */
void command_value(const struct command *command, const char *key, char *value, size_t size);
