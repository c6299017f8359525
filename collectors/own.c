// SPDX-License-Identifier: MIT
#include "collectors/own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Fields of /proc/self/stat behind the name in brackets, counted from 0 (proc_pid_stat(5)). */
enum {
	FIELD_UTIME = 11,
	FIELD_STIME = 12,
	FIELD_THREADS = 17,
	FIELD_START = 19,
	FIELD_VSIZE = 20,
	FIELD_RSS = 21,
	FIELDS = 22
};

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
	double fields[FIELDS] = { 0 }, tick = (double)sysconf(_SC_CLK_TCK);
	struct rlimit limit = { 0, 0 };
	struct strbuf text;
	char *at;
	int r;

	strbuf_init(&text);
	r = root_read(root, ROOT_PROC, "self/stat", &text);
	at = text.data ? strrchr(text.data, ')') : NULL;
	if (r < 0 || !at) {
		strbuf_done(&text);
		return r < 0 ? r : -EINVAL;
	}
	at++;
	for (size_t i = 0; i < FIELDS; i++) {
		char *word = strsep(&at, " ");

		/* The first word is the empty one before the state. */
		if (i == 0)
			word = strsep(&at, " ");
		fields[i] = word ? strtod(word, NULL) : 0;
	}
	strbuf_done(&text);
	getrlimit(RLIMIT_NOFILE, &limit);
	*ret_own = (struct own){
		.cpu_seconds = (fields[FIELD_UTIME] + fields[FIELD_STIME]) / tick,
		.start_seconds = boot_seconds() + fields[FIELD_START] / tick,
		.resident_bytes = fields[FIELD_RSS] * (double)sysconf(_SC_PAGESIZE),
		.virtual_bytes = fields[FIELD_VSIZE],
		.open_fds = count_fds(root),
		.max_fds = (double)limit.rlim_cur,
		.threads = fields[FIELD_THREADS],
	};
	return 0;
}
