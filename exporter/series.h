/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/node.h"
#include "core/strbuf.h"

/* Writes families whose labels are made one by one. A family without a sample leaves no trace. */
struct series {
	struct strbuf *out;
	uint32_t max_label; /* bytes of a label value before escaping; 0: any */
	uint64_t n;	    /* samples so far */
	const char *name, *help;
	bool headed;	 /* HELP and TYPE are out */
	bool has_labels; /* of the sample at hand */
};

/* A new family of gauges; both texts must live as long as its samples are written. */
void series_family(struct series *series, const char *name, const char *help);
/* A sample: begin, any number of labels, end. */
void series_begin(struct series *series);
/* NULL is "". */
void series_label(struct series *series, const char *name, const char *value);
/* Static words of ours as label values have them: '_' for ' '. */
void series_label_word(struct series *series, const char *name, const char *words);
void series_label_u64(struct series *series, const char *name, uint64_t value);
/* "cgroup" with the path of the node, or "" for NULL. */
void series_label_cgroup(struct series *series, const struct node *node);
void series_end(struct series *series, double value);
