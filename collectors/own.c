// SPDX-License-Identifier: MIT
#include "collectors/own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "collectors/proc_stat.h"

static double count_fds(const struct root *root)
{
	int fd = root_open(root, ROOT_PROC, "self/fd", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	double n = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	for (struct dirent *entry; (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* the one it is read through */
}

/* Start times are in ticks since boot; the difference of the two clocks is when the machine booted.
 */
static double boot_seconds(void)
{
	struct timespec real, boot;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (double)(real.tv_sec - boot.tv_sec) + (double)(real.tv_nsec - boot.tv_nsec) / 1e9;
}

int own_read(const struct root *root, struct own *ret_own)
{
	double tick = (double)sysconf(_SC_CLK_TCK);
	struct rlimit limit = { 0, 0 };
	struct proc_stat stat;
	struct strbuf text;
	int r;

	strbuf_init(&text);
	r = root_read(root, ROOT_PROC, "self/stat", &text);
	if (r == 0)
		r = text.data ? proc_stat_parse(text.data, &stat) : -EINVAL;
	strbuf_done(&text);
	if (r < 0)
		return r;
	getrlimit(RLIMIT_NOFILE, &limit);
	*ret_own = (struct own){
		.cpu_seconds = (double)(stat.user_ticks + stat.system_ticks) / tick,
		.start_seconds = boot_seconds() + (double)stat.start_ticks / tick,
		.resident_bytes = (double)stat.resident_pages * (double)sysconf(_SC_PAGESIZE),
		.virtual_bytes = (double)stat.virtual_bytes,
		.open_fds = count_fds(root),
		.max_fds = (double)limit.rlim_cur,
		.threads = (double)stat.threads,
	};
	return 0;
}
