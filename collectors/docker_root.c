// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/runtime_private.h"
#include "core/cleanup.h"

/* Passes between two looks at every process of the machine, which costs an open each. */
enum { PASSES_BETWEEN_LOOKS = 64 };

static const char default_root[] = "/var/lib/docker";
static const char default_config[] = "/etc/docker/daemon.json";

void docker_roots_done(struct docker_roots *roots)
{
	for (uint32_t i = 0; i < roots->n; i++)
		free(roots->paths[i]);
	*roots = (struct docker_roots){ 0 };
}

static int add_root(struct docker_roots *roots, const char *path)
{
	for (uint32_t i = 0; i < roots->n; i++) {
		if (strcmp(roots->paths[i], path) == 0)
			return 0;
	}
	if (roots->n == RUNTIME_ROOTS || path[0] != '/')
		return 0;
	roots->paths[roots->n] = strdup(path);
	return roots->paths[roots->n++] ? 0 : -ENOMEM;
}

/* "data-root" of a daemon.json, or the old "graph". NULL if it has none. */
static json_t *read_config(const struct root *root, const char *path, const char **ret_data_root)
{
	_cleanup_(closep) int dir = -1;
	const char *slash = strrchr(path, '/');
	char *parent = strndup(path, slash ? (size_t)(slash - path) : 0);
	json_t *config = NULL;

	*ret_data_root = NULL;
	if (parent && *parent)
		dir = state_dir_open(root, parent);
	free(parent);
	if (dir >= 0)
		config = state_read_json_at(dir, slash + 1, STATE_FILE_MAX);
	if (config)
		*ret_data_root = state_text(config, "data-root");
	if (config && !*ret_data_root)
		*ret_data_root = state_text(config, "graph");
	return config;
}

static int add_configured(struct docker_roots *roots, const struct root *root, const char *path)
{
	const char *data_root;
	json_t *config = read_config(root, path, &data_root);
	int r = data_root ? add_root(roots, data_root) : 0;

	json_decref(config);
	return r < 0 ? r : data_root != NULL;
}

/* The value of one of the options in a command line (words with NULs between), or NULL. */
static const char *find_option(const char *words, size_t length, const char *const *names)
{
	const char *end = words + length;

	for (const char *word = words; word < end; word += strlen(word) + 1) {
		for (const char *const *name = names; *name; name++) {
			size_t n = strlen(*name);

			if (strncmp(word, *name, n) != 0)
				continue;
			if (word[n] == '=')
				return word + n + 1;
			if (!word[n] && word + n + 1 < end)
				return word + n + 1;
		}
	}
	return NULL;
}

/* The root in a daemon's command line, else in the configuration it names, else the default. */
static int add_daemon(struct docker_roots *roots, const struct root *root, const char *words,
		      size_t length)
{
	static const char *const root_options[] = { "--data-root", "--graph", "-g", NULL };
	static const char *const config_options[] = { "--config-file", NULL };
	const char *data_root = find_option(words, length, root_options);
	const char *config = find_option(words, length, config_options);
	int r;

	if (data_root)
		return add_root(roots, data_root);
	r = add_configured(roots, root, config ? config : default_config);
	return r != 0 ? r : add_root(roots, default_root);
}

/* A daemon of another mount namespace (rootless, inside a container) may mean other paths. */
static bool same_mounts(const struct root *root, const char *pid)
{
	char path[64], own[64], other[64];

	(void)snprintf(path, sizeof(path), "%.20s/ns/mnt", pid);
	return root_readlink(root, ROOT_PROC, "self/ns/mnt", own, sizeof(own)) < 0 ||
	       root_readlink(root, ROOT_PROC, path, other, sizeof(other)) < 0 ||
	       strcmp(own, other) == 0;
}

static bool stat_below(const struct root *root, const char *below, const char *path,
		       struct stat *ret_status)
{
	_cleanup_(closep) int top = root_open(root, ROOT_PROC, below, O_PATH | O_DIRECTORY);

	return top >= 0 &&
	       fstatat(top, path + strspn(path, "/"), ret_status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The path is the same directory for that process and for us. */
static bool same_directory(const struct root *root, const char *pid, const char *path)
{
	struct stat own, other;
	char below[64];

	(void)snprintf(below, sizeof(below), "%.20s/root", pid);
	return stat_below(root, "self/root", path, &own) && stat_below(root, below, path, &other) &&
	       S_ISDIR(own.st_mode) && own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

/* Services with a mount namespace of their own, as cgwatchd may be, see most of the machine's. */
static int add_foreign(struct docker_roots *roots, const struct root *root, const char *pid,
		       const struct strbuf *words)
{
	struct docker_roots found = { 0 };
	int r = add_daemon(&found, root, words->data, words->length);

	for (uint32_t i = 0; r >= 0 && i < found.n; i++) {
		if (same_directory(root, pid, found.paths[i]))
			r = add_root(roots, found.paths[i]);
	}
	docker_roots_done(&found);
	return r;
}

struct look {
	struct docker_roots *roots;
	const struct root *root;
	int error;
};

static int look_at_process(void *data, const char *name, unsigned char type)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	struct look *look = data;
	char path[64];

	(void)type;
	if (name[0] < '1' || name[0] > '9')
		return 0;
	(void)snprintf(path, sizeof(path), "%.20s/comm", name);
	if (root_read(look->root, ROOT_PROC, path, &text) < 0 || !text.data ||
	    strcmp(text.data, "dockerd\n") != 0)
		return 0;
	strbuf_clear(&text);
	(void)snprintf(path, sizeof(path), "%.20s/cmdline", name);
	if (root_read(look->root, ROOT_PROC, path, &text) < 0 || text.length == 0)
		return 0;
	look->error = same_mounts(look->root, name)
			      ? add_daemon(look->roots, look->root, text.data, text.length)
			      : add_foreign(look->roots, look->root, name, &text);
	return look->error < 0;
}

/* Whether a file came, went or changed since the last call. */
static bool changed(const struct root *root, const char *path, struct file_stamp *stamp)
{
	_cleanup_(closep) int fd = root_open_absolute(root, path, O_PATH | O_NOFOLLOW);
	struct file_stamp now = { 0 };
	struct stat status;
	bool same;

	if (fd >= 0 && fstat(fd, &status) == 0)
		file_stamp_set(&now, &status);
	same = file_stamp_same(&now, stamp);
	*stamp = now;
	return !same;
}

static int look_around(struct docker_roots *roots, const struct root *root)
{
	_cleanup_(closep) int proc = root_open(root, ROOT_PROC, ".", O_RDONLY | O_DIRECTORY);
	struct look look = { roots, root, 0 };
	int r;

	if (proc >= 0)
		(void)state_dir_each(proc, look_at_process, &look);
	if (look.error < 0)
		return look.error;
	/* No daemon is running: where one would look for its data. */
	if (roots->n > 0)
		return 0;
	r = add_configured(roots, root, default_config);
	return r != 0 ? r : add_root(roots, default_root);
}

int docker_roots_find(struct docker_roots *roots, const struct root *root, const char *option)
{
	struct docker_roots fresh = { .pidfile = roots->pidfile, .config = roots->config };
	bool news;
	int r;

	if (option)
		return roots->n == 0 ? add_root(roots, option) : 0;
	news = changed(root, "/run/docker.pid", &fresh.pidfile);
	news = changed(root, default_config, &fresh.config) || news;
	if (!news && roots->passes > 0 && roots->passes < PASSES_BETWEEN_LOOKS) {
		roots->passes++;
		return 0;
	}
	r = look_around(&fresh, root);
	if (r < 0) {
		docker_roots_done(&fresh);
		return r;
	}
	fresh.passes = 1;
	docker_roots_done(roots);
	*roots = fresh;
	return 0;
}
