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
extern const struct knob_form knob_form_burst, knob_form_list, knob_form_throttle;

/* One knob of one cgroup, opened. */
struct knob_access {
	const struct knob_context *context;
	enum knob_id knob;
	const struct knob_row *row;
	const struct hierarchy *hierarchy;
	unsigned int index; /* of the hierarchy */
	const struct node *node;
	const char *file;
	int fd;				    /* the cgroup's directory, O_PATH */
	const struct knob_request *request; /* NULL: only to be read */
	char *unit;			    /* of systemd, which is to write; NULL: the file */
};

/* Finds and opens; on failure result->error and text say why. */
int knob_access_open(const struct knob_context *context, enum knob_id knob, const struct node *node,
		     struct knob_access *ret_access, struct knob_result *result);
void knob_access_done(struct knob_access *access);

/* How that context reaches files: its own way, or the kernel's. Never NULL. */
const struct knob_io *knob_context_io(const struct knob_context *context);
/* One line without its end. 0 or -errno; -EBADMSG if it does not fit or holds a NUL. */
int knob_read_line(const struct knob_access *access, const char *file, char *line, size_t size);
int knob_read_number(const struct knob_access *access, const char *file, uint64_t *ret_number);
int knob_write_text(const struct knob_access *access, const char *file, const char *text);

/* The whole file, appended. */
int knob_read_text(const struct knob_access *access, const char *file, struct strbuf *ret_text);
/* A number behind `key` in a flat keyed file ("anon 4096"). -ENODATA if there is none. */
int knob_read_key(const struct knob_access *access, const char *file, const char *key,
		  uint64_t *ret_number);
/* Opens below a directory without following links or leaving the mount. */
int knob_open_beneath(int base_fd, const char *path);

/* Reads the present value of the access's knob; of KNOB_IO_MAX that of the device `place`. */
int knob_read_value(const struct knob_access *access, const struct knob_value *place,
		    struct knob_value *ret_value);
/* Writes `result->requested`, which differs from `result->before`. */
int knob_write_value(const struct knob_access *access, struct knob_result *result);

/*
 * Looks who writes: ret_access->unit and result->unit if systemd does. -EOPNOTSUPP if it manages
 * the cgroup but does not know the knob.
 */
int knob_find_unit(struct knob_access *access, struct knob_result *result);
/* Another knob of the same cgroup, borrowed; false if it is not there or not ours to write. */
bool knob_access_other(const struct knob_access *access, enum knob_id knob,
		       struct knob_access *ret_other);
/* Says to the journal that `next` will be where `present` is. 0 or -errno, with a text. */
int knob_announce(const struct knob_access *access, const struct knob_value *present,
		  const struct knob_value *next, struct knob_result *result);
/* Writes without announcing: what was announced, and to undo. */
int knob_put(const struct knob_access *access, const struct knob_value *value,
	     struct knob_result *result);
/* Both. */
int knob_step(const struct knob_access *access, const struct knob_value *present,
	      const struct knob_value *next, struct knob_result *result);
/* Another knob that was moved for this one is as it was. */
void knob_put_back(const struct knob_access *access, enum knob_id knob,
		   const struct knob_result *result);
/* Equal, or as near as systemd's rounding brings it. */
bool knob_near(const struct knob_access *access, const struct knob_value *a,
	       const struct knob_value *b);
/* The reason for an errno, where it can be told; sets the result. Returns `error`. */
int knob_explain(const struct knob_access *access, struct knob_result *result, int error);

/* KNOB_IO_MAX, limit by limit: what allows less; KNOB_IO_LEAVE becomes what stands there. */
void knob_throttle_tightest(const struct knob_value *a, const struct knob_value *b,
			    struct knob_value *ret_value);
void knob_throttle_resolve(const struct knob_value *before, struct knob_value *value);

/* The harder ones, a file each. */
int knob_write_cpu(const struct knob_access *access, struct knob_result *result);
/* cpu.quota's burst: lowered before (1 if it was), put back after. */
int knob_lower_burst(const struct knob_access *access, struct knob_result *result);
int knob_restore_burst(const struct knob_access *access, uint64_t burst,
		       struct knob_result *result);
/* A restore whose quota is back, while the burst is still lower than it was. */
bool knob_lacks_burst(const struct knob_access *access, const struct knob_result *result);
void knob_clamp_burst(const struct knob_access *access, struct knob_result *result);
int knob_write_memory(const struct knob_access *access, struct knob_result *result);
/* What would be refused, without doing anything: for a dry run. */
int knob_check_memory(const struct knob_access *access, struct knob_result *result);
int knob_check_lowering(const struct knob_access *access, struct knob_result *result);
int knob_explain_memory(const struct knob_access *access, struct knob_result *result, int error);
/* Brings memory.max, memory.high or a v1 limit down step by step. */
int knob_lower_memory(const struct knob_access *access, struct knob_result *result);
int knob_read_freeze(const struct knob_access *access, struct knob_value *ret_value);
int knob_write_freeze(const struct knob_access *access, struct knob_result *result);
int knob_read_throttle(const struct knob_access *access, const struct knob_value *place,
		       struct knob_value *ret_value);
int knob_write_throttle(const struct knob_access *access, struct knob_result *result);
/* Sets result->error and, if there is none yet, the text. Returns `error`. */
int knob_fail(struct knob_result *result, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Goes on with the text. */
void knob_append(struct knob_result *result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Milliseconds of CLOCK_MONOTONIC; how long waits may last. */
uint64_t knob_clock_ms(void);
uint64_t knob_deadline_ms(const struct knob_access *access);
