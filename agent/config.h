/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/log.h"
#include "core/metric.h"
#include "policies/ini_file.h"

/* A growing list of texts. */
struct texts {
	char **list;
	size_t n;
};

/* The agent's configuration: cgwatch.ini, then the command line (cgwatchd(8)). */
struct config {
	uint64_t interval_usec;
	char *state_dir;
	enum log_level log_level;
	unsigned int max_fds;
	bool dry_run;
	struct texts policies; /* files and directories */
	bool policies_given;   /* somebody named them: then each must exist */
	struct texts listen;   /* empty: no HTTP */
	char *telemetry_path;
	unsigned int max_requests;
	struct metric_set metrics; /* exported */
	struct texts include, exclude;
	unsigned int max_series, max_depth, max_label;
};

/* One word of the command line: "SECTION.KEY" and its value, applied after the file. */
struct config_override {
	const char *section, *key, *value;
};

/*
 * Defaults, then the file (a missing one is an error only if `required`), then the overrides. Every
 * mistake goes to `errors`; 0, or -EINVAL with nothing in `ret_config`, -ENOMEM.
 */
int config_load(const char *path, bool required, const struct config_override *overrides,
		size_t n_overrides, struct ini_errors *errors, struct config *ret_config);
void config_done(struct config *config);
