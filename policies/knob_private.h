/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/knob.h"

enum { KNOB_TIMEOUT_MS = 2000 };

struct knob_access;

/* How values of one form are read, written and compared. */
struct knob_form {
	int (*parse)(enum knob_id knob, const char *text, struct knob_value *ret_value,
		     const char **ret_reason);
	void (*format)(const struct knob_value *value, struct strbuf *buffer);
	void (*human)(const struct knob_value *value, struct strbuf *buffer);
	bool (*equal)(const struct knob_value *a, const struct knob_value *b);
	bool (*tighter)(const struct knob_value *a, const struct knob_value *b);
};

struct knob_row {
	const char *name, *aliases[4];
	const struct knob_form *form;
	uint64_t min, max;	   /* of a number that is not "max" */
	bool unlimited;		   /* "max" is a value */
	bool nonblock;		   /* v2: the write would reclaim or kill; open with O_NONBLOCK */
	const char *v2_controller; /* "" is the v2 tree itself, NULL: not on v2 */
	const char *v1_controller;
	const char *v2_file, *v1_file, *v1_other_file;
	const char *why_not_v1, *why_not_v2;
};

extern const struct knob_row knob_rows[KNOB_COUNT];
extern const struct knob_form knob_form_burst, knob_form_throttle;

/* One knob of one cgroup, opened. */
struct knob_access {
	const struct knob_context *context;
	enum knob_id knob;
	const struct knob_row *row;
	const struct hierarchy *hierarchy;
	unsigned int index; /* of the hierarchy */
	const struct node *node;
	const char *file;
	int fd; /* the cgroup's directory, O_PATH */
};

/* Finds and opens; on failure result->error and text say why. */
int knob_access_open(const struct knob_context *context, enum knob_id knob, const struct node *node,
		     struct knob_access *ret_access, struct knob_result *result);
void knob_access_done(struct knob_access *access);

/* One line without its end. 0 or -errno; -EBADMSG if it does not fit or holds a NUL. */
int knob_read_line(const struct knob_access *access, const char *file, char *line, size_t size);
int knob_read_number(const struct knob_access *access, const char *file, uint64_t *ret_number);
int knob_write_text(const struct knob_access *access, const char *file, const char *text);

/* Reads the present value of the access's knob. */
int knob_read_value(const struct knob_access *access, struct knob_value *ret_value);
/* Writes `result->requested`, which differs from `result->before`. */
int knob_write_value(const struct knob_access *access, const struct knob_request *request,
		     struct knob_result *result);

/* KNOB_IO_MAX, limit by limit: what allows less; KNOB_IO_LEAVE becomes what stands there. */
void knob_throttle_tightest(const struct knob_value *a, const struct knob_value *b,
			    struct knob_value *ret_value);
void knob_throttle_resolve(const struct knob_value *before, struct knob_value *value);

/* The harder ones, a file each. */
int knob_write_cpu(const struct knob_access *access, struct knob_result *result);
int knob_write_memory(const struct knob_access *access, const struct knob_request *request,
		      struct knob_result *result);
int knob_read_freeze(const struct knob_access *access, struct knob_value *ret_value);
int knob_write_freeze(const struct knob_access *access, struct knob_result *result);

/* Sets result->error and, if there is none yet, the text. Returns `error`. */
int knob_fail(struct knob_result *result, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Milliseconds of CLOCK_MONOTONIC; how long waits may last. */
uint64_t knob_clock_ms(void);
uint64_t knob_deadline_ms(const struct knob_access *access);
