// SPDX-License-Identifier: MIT
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/defaults.h"
#include "agent/verbs/verbs.h"
#include "core/cleanup.h"
#include "core/log.h"

static const struct verb verbs[] = {
	{ "ls",
	  "ls [GLOB] [--tree|--list] [--json|--csv] [--columns A,B|all] [--sort [-]COL] "
	  "[--interval 1s] [--watch]",
	  "cgroups and what they use", verb_ls },
	{ "show", "show CGROUP [--json] [--interval 1s] [--budget 2s]",
	  "everything about one cgroup", verb_show },
	{ "ps", "ps [CGROUP [--own]] [-o COLUMNS] [-Q FILTER] [-s [-]COLUMN] [-H] [--json]",
	  "processes with their cgroup, container and namespaces", verb_ps },
	{ "ns",
	  "ns [INODE] [-t TYPE,…] [-p PID] [-o COLUMNS] [-Q FILTER] [--tree "
	  "[owner|parent|process]] "
	  "[--json]\n"
	  "       cgwatch ns --leaks | --holders | -P | --limits | --diff PID PID | -H   "
	  "(all options: cgwatch(1))",
	  "namespaces: who is in them, what keeps them, why two processes differ", verb_ns },
	{ "overlay",
	  "overlay [MOUNT|CGROUP|CONTAINER] [--sizes] [-o COLUMNS] [-Q FILTER] [-s [-]COLUMN] "
	  "[--json]\n"
	  "       cgwatch overlay --layers | --orphans | --drivers | -H\n"
	  "       cgwatch overlay diff MOUNT|CGROUP|CONTAINER [-l|--summary|--json]   "
	  "(all options: cgwatch(1))",
	  "overlay mounts: layers, what was written, whose they are", verb_overlay },
	{ "controllers", "controllers [-m|-a] [--json]",
	  "controllers and where each lives, as lssubsys", verb_controllers },
	{ "run",
	  "run [--cgroup PATH] [--cpu 50%] [--memory 512M] [--pids N]\n"
	  "                   [--unshare LIST [--hostname NAME] [--domainname NAME]\n"
	  "                    [--map-root | --map-user UID[:GID] | --map-auto]\n"
	  "                    [--monotonic OFFSET] [--boottime OFFSET] [--as-pid1] [--keep-proc] "
	  "|\n"
	  "                    --target PID|CGROUP|CONTAINER [--ns LIST|all]] -- CMD…",
	  "start a command in a cgroup, with limits, in fresh or joined namespaces", verb_run },
	{ "set", "set CGROUP KNOB=VALUE…", "change limits by hand", verb_set },
	{ "freeze", "freeze CGROUP", "stop every task of a cgroup", verb_freeze },
	{ "thaw", "thaw CGROUP", "let it go on", verb_thaw },
	{ "policy",
	  "policy check FILE… [--json]\n"
	  "       cgwatch policy explain CGROUP [FILE…]\n"
	  "       cgwatch policy status [--json]\n"
	  "       cgwatch policy simulate FILE… --from RECORDING [--json] [--verbose]\n"
	  "       cgwatch policy release-all [--force]",
	  "look into policies, try them out; undo what they did", verb_policy },
	{ "metrics", "metrics [--markdown|--json]", "the table of metrics", verb_metrics },
	{ "doctor", "doctor [--json]", "what this kernel, these rights and this build can do",
	  verb_doctor },
};

static void print_help(void)
{
	printf("cgwatch %s: cgroups of this machine: what they use, what they may, what holds "
	       "them\n"
	       "\n"
	       "usage: cgwatch [--root DIR] [--state DIR] [--max-fds N] [--backend B] [VERB …]\n"
	       "\n"
	       "Without a verb: the interactive terminal.\n\n",
	       CGWATCH_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-12s %s\n", verbs[i].name, verbs[i].summary);
	printf("\n"
	       "  --root DIR     look at a recorded tree instead of this machine\n"
	       "  --state DIR    state directory of the agent (default /run/cgwatch)\n"
	       "  --max-fds N    descriptors to keep open at most (default 16384)\n"
	       "  --backend B    auto, files or bpf: where samples come from (default: auto for\n"
	       "                 what goes on sampling, files for the rest)\n"
	       "  --help         this text; after a verb: how to call it\n"
	       "  --version\n"
	       "\n"
	       "Exit codes: 0 good, 1 the thing asked for failed, 2 usage, 77 this host cannot do "
	       "it.\n"
	       "Manual: cgwatch(1), cgwatchd(8).\n");
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

/* "VERB --help", or "VERB WORD --help" where a verb has words of its own, as policy and overlay. */
static bool wants_help(const struct verb *verb, int argc, char **argv)
{
	bool words = strcmp(verb->name, "policy") == 0 || strcmp(verb->name, "overlay") == 0;
	int last = words ? 2 : 1;

	for (int i = 1; i <= last && i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	}
	return false;
}

/* getopt_long() starts anew for the verb's own options. */
static int run_verb(struct context *context, const struct verb *verb, int argc, char **argv)
{
	context->verb = verb->name;
	context->argv = argv;
	if (wants_help(verb, argc, argv)) {
		printf("usage: cgwatch %s\n\n%s\n", verb->usage, verb->summary);
		return EXIT_GOOD;
	}
	optind = 0;
	return verb->run(context, argc, argv);
}

static int parse_max_fds(struct context *context)
{
	uint64_t value;

	if (parse_u64(optarg, &value) < 0 || value > 1000000)
		return context_usage(context, "--max-fds: %s: not a number from 0 to 1000000",
				     optarg);
	context->max_fds = value ? (unsigned int)value : 1;
	return 0;
}

static int parse_globals(struct context *context, int argc, char **argv, bool *ret_done)
{
	static const struct option options[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "max-fds", required_argument, NULL, 'm' },
		{ "state", required_argument, NULL, 's' },
		{ "backend", required_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL },
	};
	int option, r = 0;

	while (r == 0 && (option = getopt_long(argc, argv, "+:hv", options, NULL)) != -1) {
		if (option == 'r')
			context->prefix = optarg;
		else if (option == 's')
			context->state_dir = optarg;
		else if (option == 'b' && backend_parse(optarg, &context->backend) < 0)
			r = context_usage(context, "--backend: %s: say auto, files or bpf", optarg);
		else if (option == 'b')
			r = 0;
		else if (option == 'm')
			r = parse_max_fds(context);
		else if (option == 'h' || option == 'v')
			*ret_done = true;
		else
			r = context_usage(context, "%s: no such option, or its value is missing",
					  argv[optind - 1]);
		if (option == 'h')
			print_help();
		if (option == 'v')
			printf("cgwatch %s\n", CGWATCH_VERSION);
		if (*ret_done)
			break;
	}
	return r;
}

/* Not on a terminal, `cgwatch` alone prints one table: for scripts and for a first look. */
static int run_default(struct context *context, char **arguments)
{
	if (CGWATCH_HAVE_TUI && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
		context->verb = "terminal";
		context->argv = arguments;
		return verb_terminal(context, 1, arguments);
	}
	return run_verb(context, find_verb("ls"), 1, arguments);
}

int main(int argc, char **argv)
{
	struct context context = { .state_dir = DEFAULT_STATE_DIR };
	char *arguments[] = { argv[0], NULL };
	const struct verb *verb;
	bool done = false;
	int r;

	setlocale(LC_ALL, "");
	/* Numbers are written and read as in C everywhere: JSON, CSV and policies are no prose. */
	setlocale(LC_NUMERIC, "C");
	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_WARNING);
	r = parse_globals(&context, argc, argv, &done);
	if (r != 0 || done)
		return r;
	if (optind == argc) {
		r = run_default(&context, arguments);
	} else if ((verb = find_verb(argv[optind]))) {
		r = run_verb(&context, verb, argc - optind, argv + optind);
	} else {
		r = context_usage(&context, "%s: no such verb; 'cgwatch --help' lists them",
				  argv[optind]);
	}
	root_free(context.root);
	return r;
}
