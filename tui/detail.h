/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/policy_report.h"
#include "core/snapshot.h"
#include "tui/canvas.h"
#include "tui/list.h"
#include "tui/target.h"
#include "tui/theme.h"
#include "tui/users.h"

/* Columns that a metric's name takes where there is room. */
#define DETAIL_NAME_WIDTH 34

/* One line: a section's heading, a fact, or a metric with value, rate and remark. */
struct detail_line {
	char *name;
	char *value, *rate; /* NULL: not there */
	char *note;	    /* why there is no value, whose the limit is */
	enum role role, rate_role;
	bool section;
	bool whole; /* the value is the line */
	bool fact;  /* the value is words, takes the rest of the line and goes on below */
};

/* Everything about one cgroup, namespace or overlay, as lines. */
struct detail {
	struct detail_line *lines;
	size_t n, capacity;
	struct list list;
	bool show_absent;		    /* also what this kernel does not have */
	struct users *users;		    /* the program's */
	const struct policy_report *report; /* likewise; NULL: none yet */
	const char *no_latency; /* why there are no distributions; "": nothing is known of that */
	int latency_kind;	/* which distribution is drawn */
	/* what the lines were made from */
	struct target target; /* NONE: of `key` */
	uint64_t sequence, key;
	bool made_with_absent;
	int made_with_kind;
	const struct canvas *canvas; /* for widths; only while lines are made */
	int width;
};

void detail_done(struct detail *detail);
/* The columns that the lines about such a thing are made from. */
void detail_needs(enum target_kind kind, struct metric_set *set);
/* The parts of the inventory, likewise. */
unsigned int detail_inventory(enum target_kind kind);
/*
 * Makes the lines anew if the target, the snapshot, the choice or the width is another one.
 * `canvas` is only asked how wide texts are. False if the target is not in the snapshot (any
 * more): the lines stay as they are.
 */
bool detail_update(struct detail *detail, const struct snapshot *snapshot,
		   const struct target *target, const struct canvas *canvas, int width);
/*
 * Makes the lines by `lines`, of something that is no target. `key` says what it is about: while
 * it stays the same, so does what was scrolled to.
 */
void detail_make(struct detail *detail, const struct canvas *canvas, int width, uint64_t key,
		 void (*lines)(struct detail *detail, const void *data), const void *data);
void detail_draw(struct detail *detail, struct canvas *canvas, struct rect area);

/* For the builders. */
struct detail_line *detail_add(struct detail *detail, const char *name);
/* A heading, after an empty line. */
void detail_add_section(struct detail *detail, const char *name);
/* A fact, on as many lines as it needs. */
void detail_add_fact(struct detail *detail, const char *name, const char *text, enum role role);
/* The same with the text in `value`, which is empty afterwards. */
void detail_take_fact(struct detail *detail, const char *name, struct strbuf *value,
		      enum role role);
/* The same with bytes from outside; NULL adds nothing. */
void detail_add_text(struct detail *detail, const char *name, const char *text);
/* Facts, each in a file of its own. */
void detail_build_cgroup(struct detail *detail, const struct snapshot *snapshot, uint32_t index);
void detail_build_namespace(struct detail *detail, const struct snapshot *snapshot, uint32_t ns);
void detail_build_overlay(struct detail *detail, const struct snapshot *snapshot,
			  const struct overlay *overlay);
/* Those of a cgroup that the inventory knows: who it is; its namespaces and its overlay. */
void detail_add_owner(struct detail *detail, const struct snapshot *snapshot, uint32_t index);
void detail_add_join(struct detail *detail, const struct snapshot *snapshot, uint32_t index);
/* How long it waited: the distributions of a watched cgroup. */
void detail_add_latency(struct detail *detail, const struct snapshot *snapshot, uint32_t index);
/* The picture is of the next kind from now on. */
void detail_step_latency(struct detail *detail, int by);
/* What policies hold of it or are about to do. */
void detail_add_policies(struct detail *detail, const struct snapshot *snapshot, uint32_t index);
