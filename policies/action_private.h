/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/actions.h"

enum { ACTION_WORDS_MAX = 64 };

/* A line cut at its blanks. What stood in double quotes is one word. */
struct action_word {
	char *text;
	bool quoted; /* it began with a quote: never an option */
};

struct action_words {
	char *storage;
	struct action_word list[ACTION_WORDS_MAX];
	size_t n;
};

/* Where to say what is wrong. */
struct action_reason {
	char *text;
	size_t size;
};

struct action_row;

struct action_option {
	const char *name;
	int (*parse)(const char *text, struct action *action, const char **ret_reason);
	/* Appends " name=value" if it is set. */
	void (*format)(const struct action *action, struct strbuf *buffer);
};

/* One action of the table. */
struct action_row {
	const char *name;
	enum knob_id knob; /* KNOB_COUNT: it holds none */
	const char *example;
	bool raw;	  /* the rest of the line as it is, no words */
	bool needs_lease; /* without an end a freeze is an outage: the lease is not optional */
	/* What stands behind the name, but for the options, which are taken out before. */
	int (*parse)(const struct action_row *row, const struct action_words *words,
		     struct action *action, const struct action_reason *reason);
	void (*format)(const struct action *action, struct strbuf *buffer);
	/* As knob_check_host(), where the knob does not say it. NULL: every machine can. */
	int (*check_host)(const struct hierarchies *hierarchies, const char **ret_reason);
	const struct action_option *options[4];
};

extern const struct action_row action_rows[ACTION_COUNT];

int action_fail(const struct action_reason *reason, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What rows have as `parse`. */
int action_parse_knob(const struct action_row *row, const struct action_words *words,
		      struct action *action, const struct action_reason *reason);
int action_parse_io(const struct action_row *row, const struct action_words *words,
		    struct action *action, const struct action_reason *reason);
int action_parse_freeze(const struct action_row *row, const struct action_words *words,
			struct action *action, const struct action_reason *reason);
int action_parse_size(const struct action_row *row, const struct action_words *words,
		      struct action *action, const struct action_reason *reason);
int action_parse_nothing(const struct action_row *row, const struct action_words *words,
			 struct action *action, const struct action_reason *reason);
int action_parse_target(const struct action_row *row, const struct action_words *words,
			struct action *action, const struct action_reason *reason);
int action_parse_text(const struct action_row *row, const struct action_words *words,
		      struct action *action, const struct action_reason *reason);
int action_parse_command(const struct action_row *row, const struct action_words *words,
			 struct action *action, const struct action_reason *reason);

extern const struct action_option action_option_lease, action_option_timeout,
	action_option_allow_oom, action_option_below_working_set, action_option_step,
	action_option_process, action_option_back;

/* A word so that it is read back as the same one. */
void action_add_word(struct strbuf *buffer, const char *word, bool quote);
