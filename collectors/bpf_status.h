/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/metric.h"

/* Why something of the bpf backend is there or is not: for doctor, self-metrics and logs. */

enum { BPF_REASON_SIZE = 160 };

/* A program for the kernel. */
struct bpf_program_status {
	const char *name;	      /* in the object */
	const char *purpose;	      /* for people: "sampling of cgroups" */
	bool loaded;		      /* it passed the verifier */
	bool attached;		      /* it runs now: somebody asked for it */
	char reason[BPF_REASON_SIZE]; /* why it is not loaded; "" if it is */
	bool spare;		      /* not loaded as another one does its work: no loss */
};

/* Where a metric comes from in one hierarchy. */
struct bpf_metric_status {
	enum metric_id id;
	unsigned int hierarchy;
	bool bpf;
	char reason[BPF_REASON_SIZE]; /* why not, where a row says that it could */
};
