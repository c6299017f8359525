/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/snapshot.h"
#include "exporter/prometheus.h"
#include "exporter/self.h"

/*
 * The HTTP side: serves the latest published snapshot from threads of its own. A snapshot is
 * rendered at its first scrape and that text shared by all later ones, so nobody pays when nobody
 * scrapes.
 */
struct exporter;

struct exporter_options {
	/* "127.0.0.1:9753", "[::1]:9753", ":9753" (all addresses), "unix:/path"; port 0: any free.
	 */
	const char *const *addresses;
	size_t n_addresses;
	const char *telemetry_path;   /* NULL means "/metrics" */
	const char *version;	      /* for the landing page, or NULL */
	unsigned int max_requests;    /* at a time, more get 503; 0 means 40 */
	unsigned int max_connections; /* to each address, more wait; 0 means 128 */
	unsigned int timeout_s;	      /* of an idle connection; 0 means 10 */
	struct prometheus_options export;
};

/*
 * Listens and serves. Copies what it needs of the options. On failure a negative errno and in
 * `ret_error` one line for people, "ADDRESS: why", to be freed by the caller.
 */
int exporter_new(const struct exporter_options *options, struct exporter **ret_exporter,
		 char **ret_error);
/* Stops serving, waits for the threads, removes Unix sockets. */
void exporter_free(struct exporter *exporter);
/*
 * Puts a new snapshot in place (takes a reference) and what the agent says of itself (copied).
 * Cheap, never waits for a scrape that is being rendered. One caller at a time.
 */
void exporter_publish(struct exporter *exporter, struct snapshot *snapshot,
		      const struct exporter_self *self);
/* Other metrics and filters from the next scrape on, as after a reload. -ENOMEM changes nothing. */
int exporter_configure(struct exporter *exporter, const struct prometheus_options *options);
/* The TCP port that address number `index` is bound to; 0 for a Unix socket. */
uint16_t exporter_port(const struct exporter *exporter, size_t index);
/* Version of libmicrohttpd in use: static text, for build information. */
const char *exporter_http_version(void);
