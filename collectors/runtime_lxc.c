// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collectors/config_text.h"
#include "collectors/runtime_private.h"
#include "core/cleanup.h"

/*
 * LXC 2.0 to 6.0, lxc.container.conf(5): LXCPATH/NAME/config with lxc.rootfs.path (up to 2.0
 * lxc.rootfs), a path or "dir:PATH" or "overlay:LOWER:UPPER" (overlayfs: before 3.0). LXCPATH is
 * lxc.lxcpath of /etc/lxc/lxc.conf (lxc.system.conf(5)). What runs is not on disk: the cgroup
 * lxc.payload.NAME tells it.
 */
struct lxc {
	struct runtime_pass *pass;
	const char *path;
	int fd, error;
};

static void set_rootfs(struct state_file *file, struct container *container, const char *rootfs)
{
	const char *colon;

	if (strncmp(rootfs, "dir:", 4) == 0)
		rootfs += 4;
	if (rootfs[0] == '/') {
		container->mount = arena_string(&file->arena, rootfs);
		return;
	}
	if (strncmp(rootfs, "overlay:", 8) != 0 && strncmp(rootfs, "overlayfs:", 10) != 0)
		return;
	/* The last part is the writable layer; lowers may be several. */
	colon = strrchr(rootfs, ':');
	if (colon > strchr(rootfs, ':') && colon[1] == '/')
		container->upper = arena_string(&file->arena, colon + 1);
}

static int parse_config(struct state_file *file, const char *text, size_t length, void *data)
{
	char rootfs[PATH_MAX] = "", old[PATH_MAX] = "";
	const struct config_wanted wanted[] = {
		{ "", "lxc.rootfs.path", rootfs, sizeof(rootfs) },
		{ "", "lxc.rootfs", old, sizeof(old) },
		{ 0 },
	};
	struct container container = {
		.id = data, .runtime = "lxc", .name = data, .source = file->path
	};

	(void)length;
	config_parse(text, wanted);
	set_rootfs(file, &container, *rootfs ? rootfs : old);
	return state_file_add(file, &container) ? 0 : -ENOMEM;
}

static int read_container(void *data, const char *name, unsigned char type)
{
	struct lxc *lxc = data;
	char relative[STATE_NAME_SIZE + 8];
	struct state_source source = { .dir_fd = lxc->fd,
				       .name = relative,
				       .limit = STATE_FILE_MAX,
				       .parse = parse_config,
				       .data = (void *)name };
	int r;

	if (type != DT_DIR && type != DT_UNKNOWN)
		return 0;
	(void)snprintf(relative, sizeof(relative), "%s/config", name);
	source.path = arena_format(&lxc->pass->set->arena, "%s/%s", lxc->path, relative);
	if (!source.path)
		return lxc->error = -ENOMEM;
	r = runtime_add_source(lxc->pass, &source);
	lxc->error = r < 0 ? r : 0;
	return lxc->error;
}

int runtime_lxc_read(struct runtime_pass *pass)
{
	char path[PATH_MAX] = "/var/lib/lxc";
	const struct config_wanted wanted[] = { { "", "lxc.lxcpath", path, sizeof(path) }, { 0 } };
	_cleanup_(closep) int etc = state_dir_open(pass->root, "/etc/lxc");
	_cleanup_(closep) int fd = -1;
	struct lxc lxc = { .pass = pass };

	if (etc >= 0)
		(void)config_read_at(etc, "lxc.conf", wanted);
	fd = runtime_open(pass, path, &lxc.path);
	if (fd < 0)
		return root_is_short(fd) ? fd : 0;
	lxc.fd = fd;
	(void)state_dir_each(fd, read_container, &lxc);
	return lxc.error;
}
