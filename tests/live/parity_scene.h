/* SPDX-License-Identifier: MIT */
#pragma once

/* The cgroups, limits and loads of live_bpf_parity. */

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "live.h"

/* Only in the v2 tree, so that on a hybrid host it is asked what v1 tells of the others. */
static const char only_v2[] = "v2", frozen_v2[] = "v2/frozen";

/* Half of the time in the kernel, so that there is something to split. */
static void work_calls(void)
{
	char text[4096];
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	for (volatile unsigned long i = 0;; i++) {
		if (i % 64 == 0 && read(fd, text, sizeof(text)) < 0)
			_exit(1);
	}
}

static void work_nice(void)
{
	if (nice(10) == -1)
		_exit(1);
	live_burn();
}

/* More tasks than are allowed. */
static void work_refused(void)
{
	for (int i = 0; i < 4; i++) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			live_sleep();
		}
	}
	live_sleep();
}

/* Page cache that comes and goes, and writes to whatever disk is below. */
static void work_files(void)
{
	char name[] = "/var/tmp/cgwatch-test-XXXXXX", block[65536] = { 1 };
	int fd = mkostemp(name, O_CLOEXEC);

	if (fd < 0)
		_exit(1);
	unlink(name);
	for (;;) {
		for (int i = 0; i < 64; i++) {
			if (pwrite(fd, block, sizeof(block), (off_t)i * (off_t)sizeof(block)) < 0)
				_exit(1);
		}
		fsync(fd);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		if (pread(fd, block, sizeof(block), 0) < 0)
			_exit(1);
		usleep(20000);
	}
}

static const char *const names[] = { "burn",	   "burn/inner", "alloc",     "fork",
				     "refused",	   "frozen",	 "frozen/in", "limits",
				     "still",	   "files",	 "empty",     "idle",
				     "empty/leaf", "unlimited",	 only_v2,     frozen_v2 };

/* Both the v1 and the v2 names: each kernel has those that it knows. */
static const struct {
	const char *cgroup, *file, *text;
} settings[] = {
	{ "", "cpuset.cpus", "0-1" },
	{ "", "cpuset.mems", "0" },
	{ "burn", "cpu.cfs_quota_us", "5000" },
	{ "burn", "cpu.cfs_burst_us", "2000" },
	{ "burn", "cpu.max", "5000 100000" },
	{ "burn", "cpu.max.burst", "2000" },
	{ "refused", "pids.max", "3" },
	{ "limits", "cpu.cfs_period_us", "50000" },
	{ "limits", "cpu.cfs_quota_us", "75000" },
	{ "limits", "cpu.max", "75000 50000" },
	{ "limits", "cpu.shares", "333" },
	{ "limits", "cpu.weight", "77" },
	{ "limits", "cpu.uclamp.min", "12.34" },
	{ "limits", "cpu.uclamp.max", "56.78" },
	{ "limits", "cpu.rt_period_us", "500000" },
	{ "limits", "cpuset.cpus", "0" },
	{ "limits", "cpuset.mems", "0" },
	{ "still", "cpuset.cpus", "0-1" },
	{ "limits", "pids.max", "17" },
	{ "limits", "memory.min", "1048576" },
	{ "limits", "memory.low", "2097152" },
	{ "limits", "memory.high", "67108864" },
	{ "limits", "memory.max", "134217728" },
	{ "limits", "memory.swap.max", "33554432" },
	{ "limits", "memory.limit_in_bytes", "134217728" },
	{ "limits", "memory.memsw.limit_in_bytes", "268435456" },
	{ "limits", "memory.soft_limit_in_bytes", "67108864" },
	{ "limits", "memory.oom.group", "1" },
	{ "limits", "memory.swappiness", "13" },
	{ "limits", "cgroup.max.depth", "3" },
	{ "limits", "cgroup.max.descendants", "9" },
	{ "limits", "cgroup.pressure", "0" },
	{ "limits", "io.weight", "default 55" },
	{ "idle", "cpu.idle", "1" },
	{ "frozen", "freezer.state", "FROZEN" },
	{ "frozen", "cgroup.freeze", "1" },
	{ frozen_v2, "cgroup.freeze", "1" },
};

/* What this scene cannot make other than nothing, and why. */
static const struct {
	const char *metric, *why;
} nothing[] = {
	{ "cgroup.stat.nr_dying_descendants", "removed cgroups are freed soon" },
	{ "cgroup.stat.nr_dying_subsys_", "removed cgroups are freed soon" },
	{ "cpu.core_sched.force_idle", "nobody schedules by cores" },
	{ "cpu.rt_runtime", "none is given" },
	{ "memory.", "told by its own test" },
	{ "io.", "there may be no disk below" },
	{ "cpu.nr_bursts", "a burst needs a quiet period first" },
	{ "cpu.burst_time", "a burst needs a quiet period first" },
	{ "cgroup.stat.nr_subsys_", "controllers may live elsewhere" },
};

static bool is_only_v2(const char *name)
{
	return strncmp(name, only_v2, sizeof(only_v2) - 1) == 0;
}

/* Values of these change only by what we do. */
static bool is_still(const char *name)
{
	static const char *const moving[] = { "",      "burn",	"burn/inner", "unlimited", "fork",
					      "files", "alloc", "refused",    only_v2 };

	for (size_t i = 0; i < ARRAY_SIZE(moving); i++) {
		if (strcmp(name, moving[i]) == 0)
			return false;
	}
	return true;
}
