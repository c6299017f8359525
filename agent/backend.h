/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/sampler.h"
#include "core/strbuf.h"

/* Where samples come from, as people choose it and as it turned out. */
enum backend {
	BACKEND_UNSET, /* what suits who asks: see backend_is_bpf() */
	BACKEND_AUTO,  /* by programs in the kernel as far as they can be had, else files */
	BACKEND_FILES,
	BACKEND_BPF, /* as auto, but it is said aloud if they cannot be had */
	BACKEND_COUNT
};

/* "auto", "files", "bpf". 0 or -EINVAL. */
int backend_parse(const char *text, enum backend *ret_backend);
/* The same word. */
const char *backend_name(enum backend backend);

/* What became of it. */
struct backend_summary {
	bool bpf;		 /* programs are in use */
	const char *reason;	 /* why not; borrowed from the sampler */
	unsigned int by_bpf;	 /* metrics that come from programs in at least one hierarchy */
	unsigned int by_files;	 /* metrics of cgroups' files that do not */
	unsigned int incomplete; /* of by_bpf: those that come from files in some hierarchy */
};

/* Counts metrics of the whole table, as far as this machine's hierarchies could have them. */
void backend_summarise(const struct sampler *sampler, struct backend_summary *ret_summary);
/* The agent's log: that line, and a warning if programs were asked for and there are none. */
void backend_log(const struct sampler *sampler, enum backend backend);
/* One line: what came from where, and why. Appended. */
void backend_describe(const struct sampler *sampler, struct strbuf *out);
