// SPDX-License-Identifier: MIT
#include "agent/agent_exporter.h"

#include <string.h>

#include "core/cleanup.h"

#if CGWATCH_HAVE_EXPORTER
static void fill_export(const struct config *config, struct prometheus_options *options)
{
	prometheus_options_init(options);
	options->metrics = config->metrics;
	options->include = (const char *const *)config->include.list;
	options->n_include = config->include.n;
	options->exclude = (const char *const *)config->exclude.list;
	options->n_exclude = config->exclude.n;
	options->inventory = config->export_inventory;
	options->namespace_info = config->namespace_info;
	options->max_series = config->max_series;
	options->max_depth = config->max_depth;
	if (config->max_label)
		options->max_label = config->max_label;
}

int agent_exporter_configure(struct agent *agent, const struct config *config)
{
	struct prometheus_options options;

	if (!agent->exporter)
		return 0;
	fill_export(config, &options);
	return exporter_configure(agent->exporter, &options);
}

int agent_exporter_start(struct agent *agent)
{
	struct exporter_options options = {
		.addresses = (const char *const *)agent->config.listen.list,
		.n_addresses = agent->config.listen.n,
		.telemetry_path = agent->config.telemetry_path,
		.version = CGWATCH_VERSION,
		.max_requests = agent->config.max_requests,
	};
	_cleanup_(freep) char *error = NULL;
	int r;

	if (agent->config.listen.n == 0)
		return 0;
	fill_export(&agent->config, &options.export);
	r = exporter_new(&options, &agent->exporter, &error);
	if (r < 0) {
		log_error("listen: %s", error ? error : strerror(-r));
		return r;
	}
	for (size_t i = 0; i < options.n_addresses; i++) {
		unsigned int port = exporter_port(agent->exporter, i);

		/* A Unix socket has none. */
		if (port == 0)
			log_info("serving %s on %s", options.telemetry_path, options.addresses[i]);
		else
			log_info("serving %s on %s (port %u)", options.telemetry_path,
				 options.addresses[i], port);
	}
	return 0;
}

void agent_exporter_stop(struct agent *agent)
{
	exporter_free(agent->exporter);
	agent->exporter = NULL;
}
#else
int agent_exporter_configure(struct agent *agent, const struct config *config)
{
	(void)agent;
	(void)config;
	return 0;
}

int agent_exporter_start(struct agent *agent)
{
	if (agent->config.listen.n > 0)
		log_info("built without the exporter: nothing is served");
	return 0;
}

void agent_exporter_stop(struct agent *agent)
{
	(void)agent;
}
#endif
