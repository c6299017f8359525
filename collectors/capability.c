// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/capability.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct sets {
	uint64_t effective, permitted, inheritable;
};

/* glibc has no wrapper, and what libcap has on top of it nobody needs here. */
static int get_sets(struct sets *ret_sets)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	*ret_sets = (struct sets){
		.effective = data[0].effective | (uint64_t)data[1].effective << 32,
		.permitted = data[0].permitted | (uint64_t)data[1].permitted << 32,
		.inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32,
	};
	return 0;
}

static int set_sets(const struct sets *sets)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)sets->effective, (uint32_t)sets->permitted,
		  (uint32_t)sets->inheritable },
		{ (uint32_t)(sets->effective >> 32), (uint32_t)(sets->permitted >> 32),
		  (uint32_t)(sets->inheritable >> 32) },
	};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

uint64_t capability_effective(void)
{
	struct sets sets = { 0 };

	get_sets(&sets);
	return sets.effective;
}

uint64_t capability_permitted(void)
{
	struct sets sets = { 0 };

	get_sets(&sets);
	return sets.permitted;
}

int capability_drop(uint64_t set)
{
	struct sets sets;
	int r = get_sets(&sets);

	if (r < 0)
		return r;
	/* A program that root executes gets back what is in the bounding set. */
	for (unsigned long i = 0; i <= CAP_LAST_CAP; i++) {
		if (set >> i & 1)
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	}
	/* Ambient is never more than permitted and inheritable: it goes with them. */
	sets.effective &= ~set;
	sets.permitted &= ~set;
	sets.inheritable &= ~set;
	return set_sets(&sets);
}

int capability_lower(uint64_t set)
{
	struct sets sets;
	int r = get_sets(&sets);

	if (r < 0 || !(sets.effective & set))
		return r;
	sets.effective &= ~set;
	return set_sets(&sets);
}

uint64_t capability_raise(uint64_t set)
{
	struct sets sets;
	uint64_t more;

	if (get_sets(&sets) < 0)
		return 0;
	more = set & sets.permitted & ~sets.effective;
	sets.effective |= more;
	return more && set_sets(&sets) == 0 ? more : 0;
}
