// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "fake_cgroupfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/units.h"

static const struct {
	const char *controller, *file, *text;
} v1_files[] = {
	{ "cpu", "cpu.cfs_quota_us", "-1" },
	{ "cpu", "cpu.cfs_period_us", "100000" },
	{ "cpu", "cpu.shares", "1024" },
	{ "memory", "memory.limit_in_bytes", "9223372036854771712" },
	{ "memory", "memory.memsw.limit_in_bytes", "9223372036854771712" },
	{ "memory", "memory.usage_in_bytes", "104857600" },
	{ "memory", "memory.max_usage_in_bytes", "209715200" },
	{ "freezer", "freezer.state", "THAWED" },
	{ "freezer", "freezer.self_freezing", "0" },
	{ "cpu", "cpu.cfs_burst_us", "0" },
	{ "memory", "memory.memsw.usage_in_bytes", "104857600" },
	{ "memory", "memory.memsw.max_usage_in_bytes", "209715200" },
	{ "freezer", "freezer.parent_freezing", "0" },
	{ "pids", "pids.max", "max" },
	{ "pids", "pids.current", "5" },
	{ "cpuset", "cpuset.cpus", "0-1" },
	{ "cpuset", "cpuset.mems", "0" },
	{ "blkio", "blkio.bfq.weight", "100" },
	{ "blkio", "blkio.throttle.read_bps_device", "" },
	{ "blkio", "blkio.throttle.write_bps_device", "" },
	{ "blkio", "blkio.throttle.read_iops_device", "" },
	{ "blkio", "blkio.throttle.write_iops_device", "" },
};

static const struct {
	const char *file, *text;
} v2_files[] = {
	{ "cpu.max", "max 100000" },
	{ "cpu.weight", "100" },
	{ "memory.max", "max" },
	{ "memory.high", "max" },
	{ "memory.low", "0" },
	{ "memory.current", "104857600" },
	{ "memory.reclaim", "" },
	{ "pids.max", "max" },
	{ "io.weight", "default 100" },
	{ "cpuset.cpus", "" },
	{ "cgroup.freeze", "0" },
	{ "cgroup.events", "populated 1\nfrozen 0" },
	{ "cpu.max.burst", "0" },
	{ "pids.current", "5" },
	{ "io.max", "" },
	{ "memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0" },
};

static void need(bool good)
{
	if (!good)
		abort();
}

static void write_at(int dir_fd, const char *file, const char *text)
{
	int fd = openat(dir_fd, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	need(fd >= 0 && dprintf(fd, "%s\n", text) > 0);
	close(fd);
}

static uint64_t number_at(int dir_fd, const char *file)
{
	struct strbuf text;
	uint64_t number = UINT64_MAX;

	strbuf_init(&text);
	need(read_file_at(dir_fd, file, &text) == 0);
	text.data[strcspn(text.data, "\n")] = '\0';
	if (parse_u64(text.data, &number) < 0)
		number = UINT64_MAX;
	strbuf_done(&text);
	return number;
}

static struct fake_fault *take_fault(struct fake_cgroupfs *fs, const char *file, bool on_write)
{
	for (size_t i = 0; i < ARRAY_SIZE(fs->faults); i++) {
		struct fake_fault *fault = &fs->faults[i];

		if (!fault->file || fault->on_write != on_write || fault->times == 0 ||
		    strcmp(fault->file, file) != 0)
			continue;
		if (fault->skip > 0) {
			fault->skip--;
			continue;
		}
		fault->times -= fault->times != UINT32_MAX;
		return fault;
	}
	return NULL;
}

static void read_slowly(struct fake_cgroupfs *fs, int dir_fd, const char *file)
{
	if (strcmp(file, "freezer.state") == 0 && number_at(dir_fd, "freezer.self_freezing") == 1) {
		bool freezing = fs->never_freezes || fs->freezes_after_thaw ||
				fs->freezing_reads > 0;

		fs->freezing_reads -= fs->freezing_reads > 0;
		write_at(dir_fd, file, freezing ? "FREEZING" : "FROZEN");
	}
	if (strcmp(file, "cgroup.events") == 0 && number_at(dir_fd, "cgroup.freeze") == 1) {
		bool frozen = !fs->never_freezes && fs->frozen_reads == 0;

		fs->frozen_reads -= fs->frozen_reads > 0;
		write_at(dir_fd, file, frozen ? "populated 1\nfrozen 1" : "populated 1\nfrozen 0");
	}
}

static int fake_read(void *data, int dir_fd, const char *file, struct strbuf *ret_text)
{
	struct fake_cgroupfs *fs = data;
	const struct fake_fault *fault = take_fault(fs, file, false);
	int r;

	if (fault && fault->error < 0)
		return fault->error;
	read_slowly(fs, dir_fd, file);
	r = read_file_at(dir_fd, file, ret_text);
	if (r == 0 && fault && ret_text->length > fault->cut) {
		ret_text->length = fault->cut;
		ret_text->data[fault->cut] = '\0';
	}
	return r;
}

static int write_freezer_state(struct fake_cgroupfs *fs, int dir_fd, const char *text)
{
	if (strcmp(text, "THAWED") == 0)
		fs->freezes_after_thaw = false;
	write_at(dir_fd, "freezer.self_freezing", strcmp(text, "FROZEN") == 0 ? "1" : "0");
	write_at(dir_fd, "freezer.state", strcmp(text, "FROZEN") == 0 ? "FREEZING" : "THAWED");
	return 0;
}

static int write_cgroup_freeze(struct fake_cgroupfs *fs, int dir_fd, const char *text)
{
	bool frozen = strcmp(text, "1") == 0 && !fs->never_freezes;

	write_at(dir_fd, "cgroup.freeze", text);
	write_at(dir_fd, "cgroup.events",
		 frozen ? "populated 1\nfrozen 1" : "populated 1\nfrozen 0");
	return 0;
}

static int write_reclaim(struct fake_cgroupfs *fs, int dir_fd, const char *text)
{
	uint64_t much, current = number_at(dir_fd, "memory.current");
	char left[32];

	need(parse_u64(text, &much) == 0);
	if (current <= fs->unreclaimable)
		return -EAGAIN;
	current -= much < current - fs->unreclaimable ? much : current - fs->unreclaimable;
	snprintf(left, sizeof(left), "%llu", (unsigned long long)current);
	write_at(dir_fd, "memory.current", left);
	return 0;
}

static int write_memory_max(struct fake_cgroupfs *fs, int dir_fd, const char *text)
{
	uint64_t limit;

	if (parse_u64(text, &limit) == 0 && limit < number_at(dir_fd, "memory.current")) {
		char events[96];

		fs->oom_kills++;
		snprintf(events, sizeof(events), "low 0\nhigh 0\nmax 0\noom %u\noom_kill %u",
			 fs->oom_kills, fs->oom_kills);
		write_at(dir_fd, "memory.events", events);
	}
	write_at(dir_fd, "memory.max", text);
	return 0;
}

/* The kernel refuses a quota below the burst, and the other way round. */
static int write_cpu_max(struct fake_cgroupfs *fs, int dir_fd, const char *text)
{
	uint64_t quota = UINT64_MAX;
	char first[64];

	(void)fs;
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(text, " "), text);
	need(strcmp(first, "max") == 0 || parse_u64(first, &quota) == 0);
	if (quota < number_at(dir_fd, "cpu.max.burst"))
		return -EINVAL;
	write_at(dir_fd, "cpu.max", text);
	return 0;
}

static int write_cpu_burst(struct fake_cgroupfs *fs, int dir_fd, const char *text)
{
	struct strbuf quota;
	uint64_t burst = 0, most = UINT64_MAX;

	(void)fs;
	strbuf_init(&quota);
	need(read_file_at(dir_fd, "cpu.max", &quota) == 0 && parse_u64(text, &burst) == 0);
	quota.data[strcspn(quota.data, " ")] = '\0';
	if (parse_u64(quota.data, &most) < 0)
		most = UINT64_MAX;
	strbuf_done(&quota);
	if (burst > most)
		return -EINVAL;
	write_at(dir_fd, "cpu.max.burst", text);
	return 0;
}

static int write_v1_quota(struct fake_cgroupfs *fs, int dir_fd, const char *text)
{
	uint64_t quota = UINT64_MAX;

	(void)fs;
	need(text[0] == '-' || parse_u64(text, &quota) == 0);
	if (quota < 1000 || quota < number_at(dir_fd, "cpu.cfs_burst_us"))
		return -EINVAL;
	write_at(dir_fd, "cpu.cfs_quota_us", text);
	return 0;
}

static int write_v1_burst(struct fake_cgroupfs *fs, int dir_fd, const char *text)
{
	uint64_t burst;

	(void)fs;
	need(parse_u64(text, &burst) == 0);
	if (burst > number_at(dir_fd, "cpu.cfs_quota_us"))
		return -EINVAL;
	write_at(dir_fd, "cpu.cfs_burst_us", text);
	return 0;
}

/* One device only, which is enough: the line as it would be read. */
static int write_io_max(struct fake_cgroupfs *fs, int dir_fd, const char *text)
{
	static const char *const keys[] = { "rbps", "wbps", "riops", "wiops" };
	struct strbuf old;
	char line[256];
	int n;

	(void)fs;
	strbuf_init(&old);
	need(read_file_at(dir_fd, "io.max", &old) == 0);
	n = snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, " "), text);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *from = strstr(text, keys[i]);

		if (!from)
			from = strstr(old.data, keys[i]);
		n += snprintf(line + n, sizeof(line) - (size_t)n, " %s%.*s", from ? "" : keys[i],
			      from ? (int)strcspn(from, " \n") : 4, from ? from : "=max");
	}
	write_at(dir_fd, "io.max",
		 strstr(line, "rbps=max wbps=max riops=max wiops=max") ? "" : line);
	strbuf_done(&old);
	return 0;
}

/* "8:0 0" takes the line away. */
static int write_v1_throttle(struct fake_cgroupfs *fs, int dir_fd, const char *file,
			     const char *text)
{
	size_t length = strlen(text);

	(void)fs;
	write_at(dir_fd, file, length > 2 && strcmp(text + length - 2, " 0") == 0 ? "" : text);
	return 0;
}

/* What the kernel gains before it answers EBUSY stays gained. */
static bool v1_fits(struct fake_cgroupfs *fs, int dir_fd, const char *file, uint64_t limit)
{
	uint64_t usage = number_at(dir_fd, file);
	char left[32];

	if (limit >= usage || !fs->v1_reclaims)
		return limit >= usage;
	snprintf(left, sizeof(left), "%llu",
		 (unsigned long long)(limit > fs->unreclaimable ? limit : fs->unreclaimable));
	write_at(dir_fd, file, left);
	return limit >= fs->unreclaimable;
}

static int write_v1_limit(struct fake_cgroupfs *fs, int dir_fd, const char *text)
{
	uint64_t limit = UINT64_MAX;

	if (strcmp(text, "-1") == 0)
		text = "9223372036854771712";
	need(parse_u64(text, &limit) == 0);
	if (limit > number_at(dir_fd, "memory.memsw.limit_in_bytes"))
		return -EINVAL;
	if (!v1_fits(fs, dir_fd, "memory.usage_in_bytes", limit))
		return -EBUSY;
	write_at(dir_fd, "memory.limit_in_bytes", text);
	return 0;
}

static int write_v1_memsw(struct fake_cgroupfs *fs, int dir_fd, const char *text)
{
	uint64_t limit = UINT64_MAX;

	if (strcmp(text, "-1") == 0)
		text = "9223372036854771712";
	need(parse_u64(text, &limit) == 0);
	if (limit < number_at(dir_fd, "memory.limit_in_bytes"))
		return -EINVAL;
	if (!v1_fits(fs, dir_fd, "memory.memsw.usage_in_bytes", limit))
		return -EBUSY;
	write_at(dir_fd, "memory.memsw.limit_in_bytes", text);
	return 0;
}

static const struct {
	const char *file;
	int (*write)(struct fake_cgroupfs *fs, int dir_fd, const char *text);
} behaviours[] = {
	{ "freezer.state", write_freezer_state },
	{ "cgroup.freeze", write_cgroup_freeze },
	{ "memory.reclaim", write_reclaim },
	{ "memory.max", write_memory_max },
	{ "memory.limit_in_bytes", write_v1_limit },
	{ "memory.memsw.limit_in_bytes", write_v1_memsw },
	{ "cpu.max", write_cpu_max },
	{ "cpu.max.burst", write_cpu_burst },
	{ "cpu.cfs_quota_us", write_v1_quota },
	{ "cpu.cfs_burst_us", write_v1_burst },
	{ "io.max", write_io_max },
};

static int write_as_kernel(struct fake_cgroupfs *fs, int dir_fd, const char *file, const char *text)
{
	if (strncmp(file, "blkio.throttle.", 15) == 0)
		return write_v1_throttle(fs, dir_fd, file, text);
	for (size_t i = 0; i < ARRAY_SIZE(behaviours); i++) {
		if (strcmp(behaviours[i].file, file) == 0)
			return behaviours[i].write(fs, dir_fd, text);
	}
	write_at(dir_fd, file, text);
	return 0;
}

static int fake_write(void *data, int dir_fd, const char *file, const char *text, bool nonblock)
{
	struct fake_cgroupfs *fs = data;
	const struct fake_fault *fault = take_fault(fs, file, true);
	int r;

	(void)nonblock;
	if (fs->writes < ARRAY_SIZE(fs->written))
		snprintf(fs->written[fs->writes], sizeof(fs->written[0]), "%s %s", file, text);
	fs->writes++;
	if (fault)
		return fault->error;
	if (faccessat(dir_fd, file, F_OK, 0) < 0)
		return -errno;
	r = write_as_kernel(fs, dir_fd, file, text);
	if (r < 0 || !fs->overwrite ||
	    (fs->overwrite_file && strcmp(fs->overwrite_file, file) != 0))
		return r;
	if (fs->overwrite_skip > 0) {
		fs->overwrite_skip--;
		return 0;
	}
	write_at(dir_fd, file, fs->overwrite);
	fs->overwrite = NULL;
	return 0;
}

/* ---- the tree
 * -------------------------------------------------------------------------------------- */

static void add_hierarchy(struct fake_cgroupfs *fs, bool v2, const char *name,
			  const char *const *controllers)
{
	struct hierarchy *hierarchy = &fs->hierarchies.list[fs->hierarchies.n++];
	size_t n = 0;

	while (controllers[n])
		n++;
	hierarchy->v2 = v2;
	hierarchy->name = strdup(name);
	hierarchy->controllers = calloc(n + 1, sizeof(char *));
	for (size_t i = 0; i < n; i++)
		hierarchy->controllers[i] = strdup(controllers[i]);
	need(asprintf(&hierarchy->mountpoint, "%s/%s", fs->top, name) > 0);
	hierarchy->mount_root = strdup("/");
	need(mkdir(hierarchy->mountpoint, 0755) == 0);
	hierarchy->fd = open(hierarchy->mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
	need(hierarchy->fd >= 0);
}

struct fake_cgroupfs *fake_cgroupfs_new(bool v2)
{
	static const char *const unified[] = { "cpuset", "cpu", "io", "memory", "pids", NULL };
	static const char *const separate[] = { "cpu",	"memory", "freezer",
						"pids", "cpuset", "blkio" };
	struct fake_cgroupfs *fs = calloc(1, sizeof(*fs));

	need(fs != NULL);
	snprintf(fs->top, sizeof(fs->top), "/tmp/cgwatch-test-fake-XXXXXX");
	need(mkdtemp(fs->top) != NULL && root_new(NULL, &fs->root) == 0);
	fs->io = (struct knob_io){ fake_read, fake_write, fs };
	fs->next_serial = 1;
	if (v2)
		add_hierarchy(fs, true, "unified", unified);
	for (size_t i = 0; i < ARRAY_SIZE(separate) && !v2; i++) {
		const char *const one[] = { separate[i], NULL };

		add_hierarchy(fs, false, separate[i], one);
	}
	return fs;
}

void fake_cgroupfs_free(struct fake_cgroupfs *fs)
{
	char command[128];

	for (unsigned int i = 0; i < fs->hierarchies.n; i++) {
		struct hierarchy *hierarchy = &fs->hierarchies.list[i];

		for (size_t j = 0; hierarchy->controllers[j]; j++)
			free(hierarchy->controllers[j]);
		free(hierarchy->controllers);
		free(hierarchy->name);
		free(hierarchy->mountpoint);
		free(hierarchy->mount_root);
		close(hierarchy->fd);
	}
	snprintf(command, sizeof(command), "rm -rf %s", fs->top);
	need(system(command) == 0);
	root_free(fs->root);
	free(fs);
}

static void make_files(const struct hierarchy *hierarchy, int dir_fd)
{
	for (size_t i = 0; i < ARRAY_SIZE(v2_files) && hierarchy->v2; i++)
		write_at(dir_fd, v2_files[i].file, v2_files[i].text);
	for (size_t i = 0; i < ARRAY_SIZE(v1_files) && !hierarchy->v2; i++) {
		if (strcmp(v1_files[i].controller, hierarchy->name) == 0)
			write_at(dir_fd, v1_files[i].file, v1_files[i].text);
	}
}

static uint64_t make_cgroup(const struct hierarchy *hierarchy, const char *path)
{
	struct stat status;
	int fd;

	need(mkdirat(hierarchy->fd, path + 1, 0755) == 0);
	fd = openat(hierarchy->fd, path + 1, O_PATH | O_DIRECTORY | O_CLOEXEC);
	need(fd >= 0 && fstat(fd, &status) == 0);
	make_files(hierarchy, fd);
	close(fd);
	return status.st_ino;
}

struct node *fake_cgroupfs_add(struct fake_cgroupfs *fs, const char *path)
{
	uint32_t depth = 0;
	struct node *node;

	for (const char *at = path; *at; at++)
		depth += *at == '/';
	node = node_new(path, depth, fs->hierarchies.n);
	need(node != NULL);
	node->serial = fs->next_serial++;
	for (unsigned int i = 0; i < fs->hierarchies.n; i++)
		node->ids[i] = make_cgroup(&fs->hierarchies.list[i], path);
	return node;
}

void fake_cgroupfs_remove(struct fake_cgroupfs *fs, const char *path)
{
	for (unsigned int i = 0; i < fs->hierarchies.n; i++) {
		char command[256];

		/* Moved away, not removed: the file system must not give its inode to the next one.
		 */
		snprintf(command, sizeof(command), "mv %s%s %s/gone-%u-%llu",
			 fs->hierarchies.list[i].mountpoint, path, fs->top, i,
			 (unsigned long long)fs->next_serial++);
		need(system(command) == 0);
	}
}

void fake_cgroupfs_recreate(struct fake_cgroupfs *fs, const char *path)
{
	fake_cgroupfs_remove(fs, path);
	for (unsigned int i = 0; i < fs->hierarchies.n; i++)
		make_cgroup(&fs->hierarchies.list[i], path);
}

static int open_with(struct fake_cgroupfs *fs, const char *path, const char *file)
{
	for (unsigned int i = 0; i < fs->hierarchies.n; i++) {
		int fd = openat(fs->hierarchies.list[i].fd, path + 1,
				O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0 && faccessat(fd, file, F_OK, 0) == 0)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	abort();
}

void fake_cgroupfs_put(struct fake_cgroupfs *fs, const char *path, const char *file,
		       const char *text)
{
	int fd = open_with(fs, path, file);

	write_at(fd, file, text);
	close(fd);
}

void fake_cgroupfs_create(struct fake_cgroupfs *fs, const char *controller, const char *path,
			  const char *file, const char *text)
{
	char name[256];

	snprintf(name, sizeof(name), "%s/%s", path + 1, file);
	write_at(hierarchies_find(&fs->hierarchies, controller)->fd, name, text);
}

const char *fake_cgroupfs_get(struct fake_cgroupfs *fs, const char *path, const char *file)
{
	static char line[256];
	int fd = open_with(fs, path, file);
	struct strbuf text;

	strbuf_init(&text);
	need(read_file_at(fd, file, &text) == 0);
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(text.data, "\n"), text.data);
	strbuf_done(&text);
	close(fd);
	return line;
}

struct knob_context fake_cgroupfs_context(struct fake_cgroupfs *fs)
{
	return (struct knob_context){ .root = fs->root,
				      .hierarchies = &fs->hierarchies,
				      .timeout_ms = 60000,
				      .io = &fs->io };
}
