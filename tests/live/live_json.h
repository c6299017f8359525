/* SPDX-License-Identifier: MIT */
#pragma once

#include "live.h"

/* Runs cgwatch with these words and returns the object it printed; anything else fails the test. */
json_t *live_json(const struct live *live, const char *arguments);
/* Inode of a link in /proc/PID/ns; 0 if there is none. */
uint64_t live_ns_inode(pid_t pid, const char *type);
/* The object of a list whose `key` has that number, or that text; NULL if there is none. */
json_t *live_find_number(json_t *list, const char *key, uint64_t number);
json_t *live_find_text(json_t *list, const char *key, const char *text);
/* A member that is a text, else "". */
const char *live_text(const json_t *object, const char *key);
/* True if a list of texts has one with `part` in it. */
bool live_list_has(const json_t *list, const char *part);
/* The test fails if they are not the same; `name` and `what` say of what. */
void live_same_text(const char *name, const char *what, const char *got, const char *wanted);
void live_same_number(const char *name, const char *what, json_t *got, uint64_t wanted);
