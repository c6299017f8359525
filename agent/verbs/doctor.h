/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/context.h"
#include "core/inventory.h"
#include "core/jsonw.h"
#include "core/strbuf.h"

/* What the checks of `doctor` look at, and what each of them finds. */
enum verdict { VERDICT_YES, VERDICT_PART, VERDICT_NO };

struct programs;

struct examination {
	struct context *context;
	const struct sampler *sampler;
	const struct programs *programs; /* see doctor_ask_programs() */
	const struct hierarchies *hierarchies;
	const struct snapshot *snapshot;   /* with every column */
	const struct inventory *inventory; /* all but what is in layers; NULL: it cannot be read */
};

struct finding {
	enum verdict verdict;
	struct strbuf why;
};

/* Of the bpf backend: doctor_bpf.c. Loads all programs, to see whether that can be done. */
int doctor_ask_programs(const struct examination *examination, struct programs **ret_programs);
void doctor_free_programs(struct programs *programs);
void doctor_check_bpf(const struct examination *examination, struct finding *finding);
void doctor_check_programs(const struct examination *examination, struct finding *finding);
void doctor_check_kernel_types(const struct examination *examination, struct finding *finding);
/* Every program, and every metric that one could tell of: a member "bpf", or tables for people. */
void doctor_bpf_json(const struct examination *examination, struct jsonw *json);
void doctor_bpf_tables(const struct examination *examination, struct strbuf *out);
/* Of the inventory: doctor_inventory.c. */
void doctor_check_namespaces(const struct examination *examination, struct finding *finding);
void doctor_check_ids(const struct examination *examination, struct finding *finding);
void doctor_check_mounts(const struct examination *examination, struct finding *finding);
void doctor_check_layers(const struct examination *examination, struct finding *finding);
void doctor_check_containers(const struct examination *examination, struct finding *finding);
