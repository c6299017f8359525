// SPDX-License-Identifier: MIT
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/context.h"
#include "agent/defaults.h"
#include "core/cleanup.h"

enum { MAX_OVERRIDES = 64 };

/* Options that are keys of cgwatch.ini by another name. */
static const struct {
	const char *option, *section, *key, *help;
} overriding[] = {
	{ "interval", "agent", "interval", "time between samples (default 1s)" },
	{ "state", "agent", "state_dir",
	  "journal and control socket (default " DEFAULT_STATE_DIR ")" },
	{ "policies", "agent", "policies", "policy file or directory; may be repeated" },
	{ "dry-run", "agent", "dry_run", "act as if every policy were in shadow mode" },
	{ "max-fds", "agent", "max_fds", "descriptors to keep open at most (default 16384)" },
	{ "backend", "sampling", "backend",
	  "auto, files or bpf: where samples come from (default auto)" },
	{ "log.level", "agent", "log_level", "error, warning, info or debug" },
	{ "web.listen-address", "web", "listen",
	  "ADDRESS:PORT, unix:/PATH or none; may be repeated (default " DEFAULT_LISTEN ")" },
	{ "web.telemetry-path", "web", "telemetry_path", "default /metrics" },
	{ "web.max-requests", "web", "max_requests", "at a time; more get 503" },
};

enum { OPT_CONFIG = 256, OPT_CHECK, OPT_ROOT, OPT_HELP, OPT_VERSION, OPT_OVERRIDE };

static void print_help(void)
{
	printf("cgwatchd " CGWATCH_VERSION
	       ": samples cgroups, serves Prometheus, enforces policies\n\n"
	       "usage: cgwatchd [--config FILE] [--check] [OPTION …]\n\n"
	       "  %-24s %s\n  %-24s %s\n  %-24s %s\n",
	       "--config FILE", "default " DEFAULT_CONFIG, "--check",
	       "read configuration and policies, say what is wrong, exit", "--root DIR",
	       "sample a recorded tree instead of this machine");
	for (size_t i = 0; i < ARRAY_SIZE(overriding); i++)
		printf("  --%-22s %s\n", overriding[i].option, overriding[i].help);
	printf("  --%-22s\n  --%-22s\n\nManual: cgwatchd(8), cgwatch.ini(5).\n", "help", "version");
}

static void fill_options(struct option *options)
{
	static const struct option fixed[] = {
		{ "config", required_argument, NULL, OPT_CONFIG },
		{ "check", no_argument, NULL, OPT_CHECK },
		{ "root", required_argument, NULL, OPT_ROOT },
		{ "help", no_argument, NULL, OPT_HELP },
		{ "version", no_argument, NULL, OPT_VERSION },
	};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(overriding); i++) {
		bool flag = strcmp(overriding[i].option, "dry-run") == 0;

		options[n++] = (struct option){ overriding[i].option,
						flag ? no_argument : required_argument, NULL,
						OPT_OVERRIDE + (int)i };
	}
	memcpy(options + n, fixed, sizeof(fixed));
	options[n + ARRAY_SIZE(fixed)] = (struct option){ NULL };
}

struct arguments {
	struct agent_sources sources;
	struct config_override overrides[MAX_OVERRIDES];
	bool check;
	int code; /* -1: go on */
};

static void take_option(struct arguments *arguments, int option, char **argv)
{
	struct agent_sources *sources = &arguments->sources;

	if (option == OPT_CONFIG) {
		sources->config_path = optarg;
		sources->config_required = true;
	} else if (option == OPT_ROOT) {
		sources->prefix = optarg;
	} else if (option == OPT_CHECK) {
		arguments->check = true;
	} else if (option == OPT_HELP || option == OPT_VERSION) {
		if (option == OPT_HELP)
			print_help();
		else
			printf("cgwatchd " CGWATCH_VERSION "\n");
		arguments->code = EXIT_GOOD;
	} else if (option >= OPT_OVERRIDE && sources->n_overrides < MAX_OVERRIDES) {
		size_t i = (size_t)(option - OPT_OVERRIDE);

		arguments->overrides[sources->n_overrides++] = (struct config_override){
			overriding[i].section, overriding[i].key, optarg ? optarg : "yes"
		};
	} else {
		fprintf(stderr,
			"cgwatchd: %s: no such option, or its value is missing; see --help\n",
			argv[optind - 1]);
		arguments->code = EXIT_USAGE;
	}
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .sources = { .config_path = DEFAULT_CONFIG }, .code = -1 };
	struct option options[ARRAY_SIZE(overriding) + 8];
	int option;

	setlocale(LC_ALL, "");
	setlocale(LC_NUMERIC, "C");
	log_set_journal(getenv("JOURNAL_STREAM") != NULL);
	fill_options(options);
	arguments.sources.overrides = arguments.overrides;
	while (arguments.code < 0 && (option = getopt_long(argc, argv, ":", options, NULL)) != -1)
		take_option(&arguments, option, argv);
	if (arguments.code >= 0)
		return arguments.code;
	if (optind < argc) {
		fprintf(stderr, "cgwatchd: %s: takes no argument; see --help\n", argv[optind]);
		return EXIT_USAGE;
	}
	return arguments.check ? agent_check(&arguments.sources) : agent_run(&arguments.sources);
}
