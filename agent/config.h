/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/backend.h"
#include "core/kernel_event.h"
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
	enum backend backend; /* never BACKEND_UNSET */
	struct texts watch;   /* globs: cgroups whose waiting and traffic is counted */
	char *state_dir;
	enum log_level log_level;
	unsigned int max_fds;
	bool dry_run;
	uint32_t events; /* kinds of events from the kernel to count and to log (kernel_event.h) */
	char *audit_log; /* NULL: DEFAULT_AUDIT_LOG if its directory is there; empty: none */
	uint64_t audit_size;
	struct texts policies; /* files and directories */
	bool policies_given;   /* somebody named them: then each must exist */
	struct texts listen;   /* empty: no HTTP */
	char *telemetry_path;
	unsigned int max_requests;
	struct metric_set metrics; /* exported */
	struct texts include, exclude;
	unsigned int max_series, max_depth, max_label;
	bool export_inventory; /* families of namespaces, overlays and containers */
	bool export_usage;     /* what writable layers hold: they are walked for it */
	bool namespace_info;   /* a series for each namespace that is not the machine's own */
	struct config_inventory {
		uint64_t period_usec;
		unsigned int entries_per_second; /* 0: the default of the walker */
		uint64_t walk_period_usec;	 /* likewise */
		bool holders, orphans, fanotify;
		char *docker_root, *docker_socket; /* NULL: see struct runtime_options */
		char *containerd_root, *containerd_state, *podman_root;
	} inventory;
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
/* Where the audit log goes, or NULL for nowhere. Looks whether the default directory is there. */
const char *config_audit_log(const struct config *config);
void config_done(struct config *config);
bool config_same_inventory(const struct config_inventory *a, const struct config_inventory *b);
