/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* The forms in which the kernel writes cgroup files (cgroup-v2.rst, "Conventions", and v1's own).
 */
enum shape {
	SHAPE_SINGLE,	/* "123", "max", "-1" */
	SHAPE_FLAT,	/* "key value" lines, keys known beforehand */
	SHAPE_NESTED,	/* "254:0 rbytes=1 wbytes=2" lines: parts with known keys */
	SHAPE_PARTS,	/* "part value" lines: every key is a part */
	SHAPE_BLKIO,	/* v1: "254:0 Read 1" lines */
	SHAPE_LIST,	/* one line of numbers, parts by position */
	SHAPE_PAIR,	/* "quota period": keys "0" and "1" */
	SHAPE_PRESSURE, /* "some avg10=0.00 … total=1" lines: keys "some.avg10" */
	SHAPE_TEXT,	/* words; with a key: whether the text is that word */
	SHAPE_LINES,	/* the number of lines */
};

/* A file in a cgroup directory. A '*' in the name stands for one part ("hugetlb.*.max"). */
struct cgroup_file {
	const char *name;
	enum shape shape;
	const char *controller; /* v2: without it the file or some of its keys are missing */
	bool core;		/* v2: the file is there without the controller too */
	bool root;		/* the hierarchy's root has it as well */
};

/* The tables, ended by a NULL name. */
extern const struct cgroup_file cgroup_files_v1[], cgroup_files_v2[];
/* The row of that name, or NULL. */
const struct cgroup_file *cgroup_file_find(bool v2, const char *name);
