// SPDX-License-Identifier: MIT
#include "agent/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/defaults.h"
#include "core/cleanup.h"
#include "core/glob.h"

struct loader {
	struct config *config;
	struct ini_errors *errors;
	uint64_t seen; /* keys of this source: bits by row of the table */
	bool failed;   /* no memory */
};

static int texts_add(struct texts *texts, const char *text)
{
	char **grown = realloc(texts->list, (texts->n + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	texts->list = grown;
	grown[texts->n] = strdup(text);
	if (!grown[texts->n])
		return -ENOMEM;
	texts->n++;
	return 0;
}

static void texts_clear(struct texts *texts)
{
	for (size_t i = 0; i < texts->n; i++)
		free(texts->list[i]);
	free(texts->list);
	*texts = (struct texts){ 0 };
}

/* Setters: 0, -EINVAL with *reason set, or -ENOMEM. */
static int set_text(char **target, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*target);
	*target = copy;
	return 0;
}

static int set_absolute(char **target, const char *value, const char **reason)
{
	*reason = "give an absolute path";
	return value[0] == '/' ? set_text(target, value) : -EINVAL;
}

static int set_count(unsigned int *target, const char *value, uint64_t most, const char **reason)
{
	uint64_t number;

	*reason = "give a whole number, not too large";
	if (parse_u64(value, &number) < 0 || number > most)
		return -EINVAL;
	*target = (unsigned int)number;
	return 0;
}

static int set_bool(bool *target, const char *value, const char **reason)
{
	*reason = "say yes or no";
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return -EINVAL;
	*target = *value == 'y';
	return 0;
}

static int set_interval(struct config *config, const char *value, const char **reason)
{
	uint64_t usec;

	*reason = "give a time with its unit from 100ms to 1h, as in 1s";
	if (parse_duration(value, &usec) < 0 || usec < 100000 || usec > 3600000000u)
		return -EINVAL;
	config->interval_usec = usec;
	return 0;
}

static int set_state_dir(struct config *config, const char *value, const char **reason)
{
	return set_absolute(&config->state_dir, value, reason);
}

static int set_log_level(struct config *config, const char *value, const char **reason)
{
	*reason = "say error, warning, info or debug";
	return log_level_parse(value, &config->log_level);
}

static int set_backend(struct config *config, const char *value, const char **reason)
{
	*reason = "say auto, files or bpf";
	return backend_parse(value, &config->backend);
}

static int set_max_fds(struct config *config, const char *value, const char **reason)
{
	return set_count(&config->max_fds, value, 1000000, reason);
}

static int set_dry_run(struct config *config, const char *value, const char **reason)
{
	return set_bool(&config->dry_run, value, reason);
}

static int set_events(struct config *config, const char *value, const char **reason)
{
	*reason = "say off, on, or kinds of events as in oom_kill,write ('cgwatch events' has "
		  "them)";
	if (strcmp(value, "off") == 0)
		config->events = 0;
	else if (strcmp(value, "on") == 0)
		config->events = (UINT32_C(1) << KERNEL_EVENT_KIND_COUNT) - 1;
	else
		return kernel_events_parse_kinds(value, &config->events);
	return 0;
}

static int set_audit_log(struct config *config, const char *value, const char **reason)
{
	int r;

	if (strcmp(value, "none") == 0)
		return set_text(&config->audit_log, "");
	r = set_absolute(&config->audit_log, value, reason);
	*reason = "give an absolute path, or none";
	return r;
}

static int set_audit_size(struct config *config, const char *value, const char **reason)
{
	uint64_t bytes;

	*reason = "give a size with its unit from 64K to 1T, as in 64M";
	if (parse_size(value, &bytes) < 0 || bytes < (64 << 10) || bytes > UINT64_C(1) << 40)
		return -EINVAL;
	config->audit_size = bytes;
	return 0;
}

static int set_policies(struct config *config, const char *value, const char **reason)
{
	*reason = "give an absolute path of a file or directory";
	config->policies_given = true;
	return value[0] == '/' ? texts_add(&config->policies, value) : -EINVAL;
}

static int set_listen(struct config *config, const char *value, const char **reason)
{
	*reason = "give ADDRESS:PORT, unix:/PATH, or none";
	if (!*value)
		return -EINVAL;
	if (strcmp(value, "none") != 0)
		return texts_add(&config->listen, value);
	texts_clear(&config->listen);
	return 0;
}

static int set_telemetry_path(struct config *config, const char *value, const char **reason)
{
	*reason = "give a path that starts with '/' and is not '/' alone";
	if (value[0] != '/' || !value[1])
		return -EINVAL;
	return set_text(&config->telemetry_path, value);
}

static int set_max_requests(struct config *config, const char *value, const char **reason)
{
	return set_count(&config->max_requests, value, 100000, reason);
}

static int set_metrics(struct config *config, const char *value, const char **reason)
{
	struct metric_set set = { 0 };
	const char *bad;
	size_t length;

	*reason = "an unknown metric; 'cgwatch metrics' lists them ('all' and 'export' are sets)";
	if (metric_parse_list(value, &set, NULL, 0, &bad, &length) < 0)
		return -EINVAL;
	metric_set_merge(&config->metrics, &set);
	return 0;
}

static int add_glob(struct texts *texts, const char *value, const char **reason)
{
	return glob_check(value, reason) < 0 ? -EINVAL : texts_add(texts, value);
}

static int set_include(struct config *config, const char *value, const char **reason)
{
	return add_glob(&config->include, value, reason);
}

static int set_exclude(struct config *config, const char *value, const char **reason)
{
	return add_glob(&config->exclude, value, reason);
}

static int set_watch(struct config *config, const char *value, const char **reason)
{
	return add_glob(&config->watch, value, reason);
}

static int set_max_series(struct config *config, const char *value, const char **reason)
{
	return set_count(&config->max_series, value, 100000000, reason);
}

static int set_max_depth(struct config *config, const char *value, const char **reason)
{
	return set_count(&config->max_depth, value, 1000, reason);
}

static int set_max_label(struct config *config, const char *value, const char **reason)
{
	return set_count(&config->max_label, value, 100000, reason);
}

static int set_export_inventory(struct config *config, const char *value, const char **reason)
{
	return set_bool(&config->export_inventory, value, reason);
}

static int set_export_usage(struct config *config, const char *value, const char **reason)
{
	return set_bool(&config->export_usage, value, reason);
}

static int set_namespace_info(struct config *config, const char *value, const char **reason)
{
	return set_bool(&config->namespace_info, value, reason);
}

static int set_time(uint64_t *target, const char *value, const char **reason)
{
	uint64_t usec;

	*reason = "give a time with its unit from 1s to 1d, as in 30s";
	if (parse_duration(value, &usec) < 0 || usec < 1000000 || usec > UINT64_C(86400000000))
		return -EINVAL;
	*target = usec;
	return 0;
}

static int set_period(struct config *config, const char *value, const char **reason)
{
	return set_time(&config->inventory.period_usec, value, reason);
}

static int set_walk_period(struct config *config, const char *value, const char **reason)
{
	return set_time(&config->inventory.walk_period_usec, value, reason);
}

static int set_entries(struct config *config, const char *value, const char **reason)
{
	return set_count(&config->inventory.entries_per_second, value, 100000000, reason);
}

static int set_holders(struct config *config, const char *value, const char **reason)
{
	return set_bool(&config->inventory.holders, value, reason);
}

static int set_orphans(struct config *config, const char *value, const char **reason)
{
	return set_bool(&config->inventory.orphans, value, reason);
}

static int set_fanotify(struct config *config, const char *value, const char **reason)
{
	return set_bool(&config->inventory.fanotify, value, reason);
}

static int set_docker_root(struct config *config, const char *value, const char **reason)
{
	return set_absolute(&config->inventory.docker_root, value, reason);
}

static int set_docker_socket(struct config *config, const char *value, const char **reason)
{
	return set_absolute(&config->inventory.docker_socket, value, reason);
}

static int set_containerd_root(struct config *config, const char *value, const char **reason)
{
	return set_absolute(&config->inventory.containerd_root, value, reason);
}

static int set_containerd_state(struct config *config, const char *value, const char **reason)
{
	return set_absolute(&config->inventory.containerd_state, value, reason);
}

static int set_podman_root(struct config *config, const char *value, const char **reason)
{
	return set_absolute(&config->inventory.podman_root, value, reason);
}

static void clear_policies(struct config *config)
{
	texts_clear(&config->policies);
}

static void clear_listen(struct config *config)
{
	texts_clear(&config->listen);
}

static void clear_metrics(struct config *config)
{
	config->metrics = (struct metric_set){ 0 };
}

static void clear_watch(struct config *config)
{
	texts_clear(&config->watch);
}

static void clear_include(struct config *config)
{
	texts_clear(&config->include);
}

static void clear_exclude(struct config *config)
{
	texts_clear(&config->exclude);
}

/* `clear` marks keys that may stand several times: the first of a source replaces what was before.
 */
static const struct config_key {
	const char *section, *key;
	int (*set)(struct config *config, const char *value, const char **reason);
	void (*clear)(struct config *config);
} keys[] = {
	{ "agent", "interval", set_interval },
	{ "agent", "state_dir", set_state_dir },
	{ "agent", "log_level", set_log_level },
	{ "agent", "max_fds", set_max_fds },
	{ "agent", "dry_run", set_dry_run },
	{ "agent", "policies", set_policies, clear_policies },
	{ "agent", "events", set_events },
	{ "agent", "audit_log", set_audit_log },
	{ "agent", "audit_size", set_audit_size },
	{ "sampling", "backend", set_backend },
	{ "sampling", "watch", set_watch, clear_watch },
	{ "web", "listen", set_listen, clear_listen },
	{ "web", "telemetry_path", set_telemetry_path },
	{ "web", "max_requests", set_max_requests },
	{ "export", "metrics", set_metrics, clear_metrics },
	{ "export", "include", set_include, clear_include },
	{ "export", "exclude", set_exclude, clear_exclude },
	{ "export", "max_series", set_max_series },
	{ "export", "max_depth", set_max_depth },
	{ "export", "max_label", set_max_label },
	{ "export", "inventory", set_export_inventory },
	{ "export", "usage", set_export_usage },
	{ "export", "namespace_info", set_namespace_info },
	{ "inventory", "period", set_period },
	{ "inventory", "holders", set_holders },
	{ "inventory", "orphans", set_orphans },
	{ "inventory", "fanotify", set_fanotify },
	{ "inventory", "walk_period", set_walk_period },
	{ "inventory", "entries_per_second", set_entries },
	{ "inventory", "docker_root", set_docker_root },
	{ "inventory", "docker_socket", set_docker_socket },
	{ "inventory", "containerd_root", set_containerd_root },
	{ "inventory", "containerd_state", set_containerd_state },
	{ "inventory", "podman_root", set_podman_root },
};

static bool known_section(const char *section)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].section, section) == 0)
			return true;
	}
	return false;
}

static void apply_key(struct loader *loader, const struct ini_entry *entry, size_t row)
{
	const struct config_key *key = &keys[row];
	const char *reason = "not a value";
	bool again = loader->seen >> row & 1;
	int r;

	if (again && !key->clear) {
		ini_errors_add(loader->errors, entry->file, entry->line, false,
			       "%s: given twice in [%s]", key->key, key->section);
		return;
	}
	if (!again && key->clear)
		key->clear(loader->config);
	loader->seen |= UINT64_C(1) << row;
	r = key->set(loader->config, entry->value, &reason);
	loader->failed |= r == -ENOMEM;
	if (r == -EINVAL)
		ini_errors_add(loader->errors, entry->file, entry->line, false, "%s = %s: %s",
			       key->key, entry->value, reason);
}

static void apply(void *data, const struct ini_entry *entry)
{
	struct loader *loader = data;

	if (!known_section(entry->section)) {
		ini_errors_add(loader->errors, entry->file, entry->line, false,
			       "[%s]: no such section; there are agent, sampling, web, export and "
			       "inventory",
			       entry->section);
		return;
	}
	if (!entry->key)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].section, entry->section) == 0 &&
		    strcmp(keys[i].key, entry->key) == 0) {
			apply_key(loader, entry, i);
			return;
		}
	}
	ini_errors_add(loader->errors, entry->file, entry->line, false, "%s: no such key in [%s]",
		       entry->key, entry->section);
}

static int set_defaults(struct config *config)
{
	const char *bad;
	size_t length;

	*config = (struct config){ .interval_usec = DEFAULT_INTERVAL_USEC,
				   .backend = BACKEND_AUTO,
				   .audit_size = DEFAULT_AUDIT_SIZE,
				   .log_level = LOG_LEVEL_INFO,
				   .max_series = 1000000,
				   .export_inventory = true,
				   .export_usage = true,
				   .inventory = { .period_usec = DEFAULT_INVENTORY_USEC,
						  .fanotify = true } };
	metric_parse_list("export", &config->metrics, NULL, 0, &bad, &length);
	if (set_text(&config->state_dir, DEFAULT_STATE_DIR) < 0 ||
	    set_text(&config->telemetry_path, "/metrics") < 0 ||
	    texts_add(&config->policies, DEFAULT_POLICIES) < 0 ||
	    texts_add(&config->listen, DEFAULT_LISTEN) < 0)
		return -ENOMEM;
	return 0;
}

/* Who names cgroups to be watched wants to see their traffic; distributions go by themselves. */
static void export_watched(struct config *config)
{
	static const enum metric_id traffic[] = { M_NET_TCP_RX, M_NET_TCP_TX, M_NET_UDP_RX,
						  M_NET_UDP_TX };

	for (size_t i = 0; config->watch.n > 0 && i < ARRAY_SIZE(traffic); i++)
		metric_set_add(&config->metrics, traffic[i]);
}

int config_load(const char *path, bool required, const struct config_override *overrides,
		size_t n_overrides, struct ini_errors *errors, struct config *ret_config)
{
	struct config config;
	struct loader loader = { &config, errors };
	int r = set_defaults(&config);

	/* "--config /dev/null" is how one says: none, not even the standard one. */
	if (r == 0 && strcmp(path, "/dev/null") != 0 && (required || access(path, F_OK) == 0))
		r = ini_file_parse(path, apply, &loader, errors);
	loader.seen = 0;
	for (size_t i = 0; i < n_overrides; i++) {
		struct ini_entry entry = { "command line", 0, overrides[i].section,
					   overrides[i].key, overrides[i].value };

		apply(&loader, &entry);
	}
	if (loader.failed)
		r = -ENOMEM;
	else if (r == 0 && errors->n_errors > 0)
		r = -EINVAL;
	if (r < 0) {
		config_done(&config);
		return r;
	}
	export_watched(&config);
	*ret_config = config;
	return 0;
}

const char *config_audit_log(const struct config *config)
{
	if (!config->audit_log)
		return access(DEFAULT_AUDIT_DIR, W_OK) == 0 ? DEFAULT_AUDIT_LOG : NULL;
	return *config->audit_log ? config->audit_log : NULL;
}

void config_done(struct config *config)
{
	if (!config)
		return;
	free(config->state_dir);
	free(config->audit_log);
	free(config->telemetry_path);
	free(config->inventory.docker_root);
	free(config->inventory.docker_socket);
	free(config->inventory.containerd_root);
	free(config->inventory.containerd_state);
	free(config->inventory.podman_root);
	texts_clear(&config->policies);
	texts_clear(&config->listen);
	texts_clear(&config->watch);
	texts_clear(&config->include);
	texts_clear(&config->exclude);
	*config = (struct config){ 0 };
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool config_same_inventory(const struct config_inventory *a, const struct config_inventory *b)
{
	return a->period_usec == b->period_usec && a->walk_period_usec == b->walk_period_usec &&
	       a->entries_per_second == b->entries_per_second && a->holders == b->holders &&
	       a->orphans == b->orphans && a->fanotify == b->fanotify &&
	       same_text(a->docker_root, b->docker_root) &&
	       same_text(a->docker_socket, b->docker_socket) &&
	       same_text(a->containerd_root, b->containerd_root) &&
	       same_text(a->containerd_state, b->containerd_state) &&
	       same_text(a->podman_root, b->podman_root);
}
