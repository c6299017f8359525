/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/snapshot.h"
#include "tui/canvas.h"
#include "tui/list.h"
#include "tui/theme.h"

/* Columns that a metric's name takes where there is room. */
#define DETAIL_NAME_WIDTH 34

/* One line: a section's heading, a fact, or a metric with value, rate and remark. */
struct detail_line {
	char *name;
	char *value, *rate; /* NULL: not there */
	char *note;	    /* why there is no value, whose the limit is */
	enum role role, rate_role;
	bool section;
	bool fact; /* the value is words, takes the rest of the line and goes on below */
};

/* Everything about one cgroup, as lines. */
struct detail {
	struct detail_line *lines;
	size_t n, capacity;
	struct list list;
	bool show_absent; /* also what this kernel does not have */
	/* what the lines were made from */
	uint64_t serial, sequence;
	bool made_with_absent;
	const struct canvas *canvas; /* for widths; only while lines are made */
	int width;
};

void detail_done(struct detail *detail);
/* The columns that the lines are made from. */
void detail_needs(struct metric_set *set);
/*
 * Makes the lines anew if the cgroup, the snapshot, the choice or the width is another one.
 * `canvas` is only asked how wide texts are.
 */
void detail_update(struct detail *detail, const struct snapshot *snapshot, uint32_t index,
		   const struct canvas *canvas, int width);
void detail_draw(struct detail *detail, struct canvas *canvas, struct rect area);

/* For the builder in detail_lines.c. */
struct detail_line *detail_add(struct detail *detail, const char *name);
/* A fact, on as many lines as it needs. */
void detail_add_fact(struct detail *detail, const char *name, const char *text, enum role role);
void detail_build(struct detail *detail, const struct snapshot *snapshot, uint32_t index);
