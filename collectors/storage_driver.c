// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/storage_driver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "collectors/mountinfo.h"
#include "collectors/state_file.h"
#include "core/cleanup.h"

/*
 * Where moby's drivers put things (daemon/graphdriver/ of 20.10 to 28; aufs, devicemapper and
 * overlay left it in 24.0 and 25.0). The order is its own, of daemon/graphdriver/driver_linux.go.
 */
const struct driver_form docker_drivers[] = {
	{ "overlay2", "overlay2", "merged", "diff", NULL },
	{ "fuse-overlayfs", "fuse-overlayfs", "merged", "diff", NULL },
	{ "btrfs", "btrfs/subvolumes", "", "", NULL },
	{ "zfs", "zfs/graph", "", NULL, NULL },
	{ "aufs", "aufs/diff", NULL, "", "no longer in Docker (since 24.0)" },
	{ "overlay", "overlay", "merged", "upper", "no longer in Docker (since 24.0)" },
	{ "devicemapper", "devicemapper/metadata", NULL, NULL, "no longer in Docker (since 25.0)" },
	{ "vfs", "vfs/dir", "", "", "no sharing of layers: each is a full copy" },
	{ NULL },
};

const struct driver_form *docker_driver_find(const char *name)
{
	for (const struct driver_form *form = docker_drivers; name && form->name; form++) {
		if (strcmp(form->name, name) == 0)
			return form;
	}
	return NULL;
}

/* Filesystems whose answers come from a server, which may be dead. "fuse.x" is a fuse, too. */
static bool is_remote(const char *fstype)
{
	static const char *const names[] = { "nfs",   "nfs4",	  "cifs",    "smb3",   "9p",
					     "ceph",  "fuse",	  "afs",     "lustre", "gfs2",
					     "ocfs2", "orangefs", "virtiofs" };

	if (strncmp(fstype, "fuse.", 5) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(fstype, names[i]) == 0)
			return true;
	}
	return false;
}

/* No store can be on these: leaving them out keeps the list short on a host of many containers. */
static bool holds_no_store(const char *fstype)
{
	static const char *const names[] = { "overlay", "proc",	  "sysfs",   "cgroup", "cgroup2",
					     "devpts",	"mqueue", "nsfs",    "bpf",    "debugfs",
					     "tracefs", "pstore", "configfs" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(fstype, names[i]) == 0)
			return true;
	}
	return false;
}

static void clear(struct storage_mounts *mounts)
{
	for (uint32_t i = 0; i < mounts->n; i++) {
		free(mounts->list[i].mountpoint);
		free(mounts->list[i].fstype);
		free(mounts->list[i].options);
	}
	mounts->n = 0;
}

void storage_mounts_done(struct storage_mounts *mounts)
{
	clear(mounts);
	free(mounts->list);
	if (mounts->opened)
		close(mounts->watch.fd);
	*mounts = (struct storage_mounts){ 0 };
}

static int add_mount(struct storage_mounts *mounts, const struct mount_line *line)
{
	struct storage_mount mount = { .remote = is_remote(line->fstype) };

	if (mounts->n == mounts->capacity) {
		uint32_t capacity = mounts->capacity ? 2 * mounts->capacity : 16;
		struct storage_mount *list = realloc(mounts->list, capacity * sizeof(*list));

		if (!list)
			return -ENOMEM;
		mounts->list = list;
		mounts->capacity = capacity;
	}
	mount.mountpoint = strdup(line->mountpoint);
	mount.fstype = strdup(line->fstype);
	mount.options = strdup(line->super_options);
	mounts->list[mounts->n++] = mount;
	return mount.mountpoint && mount.fstype && mount.options ? 0 : -ENOMEM;
}

static int read_mounts(struct storage_mounts *mounts, const struct root *root)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	struct mount_line line;
	char *at;
	int r;

	r = root_read(root, ROOT_PROC, "self/mountinfo", &text);
	if (r < 0)
		return r;
	clear(mounts);
	at = text.data;
	while (at && mountinfo_next(&at, &line) > 0) {
		if (holds_no_store(line.fstype) && strcmp(line.mountpoint, "/") != 0)
			continue;
		r = add_mount(mounts, &line);
		if (r < 0) {
			clear(mounts);
			return r;
		}
	}
	return 0;
}

int storage_mounts_refresh(struct storage_mounts *mounts, const struct root *root)
{
	if (!mounts->opened) {
		int fd = root_open(root, ROOT_PROC, "self/mountinfo", O_RDONLY);

		if (fd < 0)
			return fd;
		mounts->watch = (struct pollfd){ .fd = fd, .events = POLLPRI };
		mounts->opened = true;
		return read_mounts(mounts, root);
	}
	if (mounts->n > 0 && poll(&mounts->watch, 1, 0) == 0)
		return 0;
	return read_mounts(mounts, root);
}

const struct storage_mount *storage_mount_of(const struct storage_mounts *mounts, const char *path)
{
	const struct storage_mount *best = NULL;
	size_t best_length = 0;

	for (uint32_t i = 0; i < mounts->n; i++) {
		const char *at = mounts->list[i].mountpoint;
		size_t length = strcmp(at, "/") == 0 ? 0 : strlen(at);

		if (strncmp(path, at, length) == 0 && (path[length] == '/' || !path[length]) &&
		    (!best || length >= best_length)) {
			best = &mounts->list[i];
			best_length = length;
		}
	}
	return best;
}

/*
 * Whether names come with their type, by looking: xfs without ftype and some old filesystems say
 * "unknown" for everything. Without any entry nothing can be said.
 */
static int note_type(void *data, const char *name, unsigned char type)
{
	struct storage_facts *facts = data;

	(void)name;
	facts->d_type_known = true;
	facts->d_type = type != DT_UNKNOWN;
	return 1;
}

static void probe_facts(struct storage_facts *facts, const struct storage_mounts *mounts,
			int dir_fd, const char *path)
{
	const struct storage_mount *mount = storage_mount_of(mounts, path);

	(void)state_dir_each(dir_fd, note_type, facts);
	facts->fstype[0] = '\0';
	facts->project_quota = false;
	if (!mount)
		return;
	strncat(facts->fstype, mount->fstype, sizeof(facts->fstype) - 1);
	facts->project_quota = mount_has_option(mount->options, "prjquota") ||
			       mount_has_option(mount->options, "pquota");
}

void storage_probe(struct storage_facts *facts, const struct storage_mounts *mounts, int dir_fd,
		   struct storage_driver *driver)
{
	struct statvfs numbers;
	struct stat status;

	if (fstat(dir_fd, &status) < 0)
		return;
	if (facts->device != status.st_dev || !facts->d_type_known) {
		probe_facts(facts, mounts, dir_fd, driver->root);
		facts->device = status.st_dev;
	}
	driver->fstype = facts->fstype[0] ? facts->fstype : NULL;
	driver->d_type = facts->d_type;
	driver->d_type_known = facts->d_type_known;
	driver->project_quota = facts->project_quota;
	if (fstatvfs(dir_fd, &numbers) < 0)
		return;
	driver->fs_bytes = (uint64_t)numbers.f_blocks * numbers.f_frsize;
	driver->fs_free_bytes = (uint64_t)numbers.f_bavail * numbers.f_frsize;
	driver->fs_inodes = numbers.f_files;
	driver->fs_free_inodes = numbers.f_favail;
}

struct counting {
	const char *const *but;
	uint32_t n;
};

static int count_directory(void *data, const char *name, unsigned char type)
{
	struct counting *counting = data;

	if (type != DT_DIR && type != DT_UNKNOWN)
		return 0;
	for (const char *const *but = counting->but; but && *but; but++) {
		if (strcmp(name, *but) == 0)
			return 0;
	}
	counting->n++;
	return 0;
}

uint32_t storage_count_directories(int dir_fd, const char *const *but)
{
	struct counting counting = { but, 0 };

	(void)state_dir_each(dir_fd, count_directory, &counting);
	return counting.n;
}
