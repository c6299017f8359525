/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/bpf_sample.h"
#include "collectors/walk.h"

/*
 * Reads the cgroup files that the wanted metrics come from, each once a sample, into the columns of
 * a snapshot. Files are kept open and read from offset 0 each time, as far as the budget of
 * descriptors goes; the rest is opened, read and closed.
 */
struct reader;

struct reader_counts {
	uint64_t opens, reads, errors, kept;
};

/* Borrows root and hierarchies; texts and names of parts go into `strings`. */
int reader_new(const struct root *root, const struct hierarchies *hierarchies,
	       struct strpool *strings, unsigned int max_fds, struct reader **ret_reader);
void reader_free(struct reader *reader);
/* Sets what is read from now on; what `bpf` (may be NULL) supplies, from there. 0 or -ENOMEM. */
int reader_plan(struct reader *reader, const struct metric_set *wanted, struct walk *walk,
		struct bpf_sample *bpf);
/*
 * Without a walker (`walk` NULL in reader_plan()): fills the raw columns of a snapshot of one
 * cgroup, keeping nothing open but the directories that are opened here. -ENOENT if it is gone,
 * -ESTALE if another one has its path.
 */
int reader_read_node(struct reader *reader, struct snapshot *snapshot);
/* Hierarchies of which every cgroup has a file in the plan: bits by index. */
uint32_t reader_mask(const struct reader *reader);
/* Of how many of `n` cgroups the walker may keep the directory open. */
unsigned int reader_spare_dirs(const struct reader *reader, uint32_t n);
/* Fills the raw columns of `snapshot`, whose tree is the walker's, from the last pass of `bpf`
 * (that of reader_plan()) and the files. */
int reader_read(struct reader *reader, struct walk *walk, struct bpf_sample *bpf,
		struct snapshot *snapshot);
/* Lets go of what is kept for a cgroup that went away. */
void reader_drop(struct reader *reader, struct live *live);
const struct reader_counts *reader_counts(const struct reader *reader);
