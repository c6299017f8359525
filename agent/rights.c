// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <sys/fanotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/log.h"

/*
 * Calls with arguments that cannot work: the kernel's own answer is never EPERM as long as the
 * capability is there, so EPERM (or ENOSYS, as some filters say) is a filter's.
 */
static bool is_refused(long r)
{
	return r < 0 && (errno == EPERM || errno == ENOSYS);
}

static bool fanotify_refused(void)
{
	return is_refused(fanotify_init(~0U, 0)) ||
	       is_refused(fanotify_mark(-1, FAN_MARK_ADD, FAN_CREATE, AT_FDCWD, NULL));
}

/* A sandbox cannot look into its arguments, so it may refuse it whatever they are. */
static bool paths_refused(void)
{
	return is_refused(syscall(SYS_openat2, -1, NULL, NULL, 0));
}

static bool handles_refused(void)
{
	return is_refused(syscall(SYS_open_by_handle_at, -1, NULL, O_PATH));
}

static bool uts_refused(void)
{
	return is_refused(setns(-1, CLONE_NEWUTS));
}

static bool net_refused(void)
{
	return is_refused(setns(-1, CLONE_NEWNET));
}

static bool user_refused(void)
{
	return is_refused(setns(-1, CLONE_NEWUSER));
}

static bool mnt_refused(void)
{
	return is_refused(setns(-1, CLONE_NEWNS));
}

static bool copy_refused(void)
{
	return is_refused(syscall(SYS_pidfd_getfd, -1, -1, 0));
}

#define BIT(capability) (UINT64_C(1) << (capability))

static const struct {
	const char *name, *needs, *loss;
	uint64_t all; /* capabilities */
	bool (*refused)(void);
} rights[RIGHT_COUNT] = {
	[RIGHT_PATHS] = { "paths", "openat2()",
			  "layers and state files, as paths cannot be looked up safely", 0,
			  paths_refused },
	[RIGHT_FILES] = { "files", "CAP_DAC_OVERRIDE",
			  "cgroups, layers and state files of other users", BIT(CAP_DAC_OVERRIDE),
			  NULL },
	[RIGHT_PROCESSES] = { "processes", "CAP_SYS_PTRACE",
			      "namespaces, root and open files of other processes",
			      BIT(CAP_SYS_PTRACE), NULL },
	[RIGHT_TRUSTED] = { "trusted", "CAP_SYS_ADMIN",
			    "what overlayfs notes in layers (trusted.overlay.*), and so their "
			    "sizes "
			    "by kind",
			    BIT(CAP_SYS_ADMIN), NULL },
	[RIGHT_FANOTIFY] = { "fanotify", "CAP_SYS_ADMIN",
			     "news of the cgroup tree and of layers: both are looked at again and "
			     "again",
			     BIT(CAP_SYS_ADMIN), fanotify_refused },
	[RIGHT_HANDLES] = { "handles", "CAP_DAC_READ_SEARCH",
			    "which directory of a layer an event is of", BIT(CAP_DAC_READ_SEARCH),
			    handles_refused },
	[RIGHT_ENTER_UTS] = { "enter_uts", "CAP_SYS_ADMIN", "host names of other UTS namespaces",
			      BIT(CAP_SYS_ADMIN), uts_refused },
	[RIGHT_ENTER_NET] = { "enter_net", "CAP_SYS_ADMIN",
			      "interfaces of network namespaces without a process",
			      BIT(CAP_SYS_ADMIN), net_refused },
	[RIGHT_ENTER_USER] = { "enter_user", "CAP_SYS_ADMIN", "limits of other user namespaces",
			       BIT(CAP_SYS_ADMIN), user_refused },
	[RIGHT_ENTER_MNT] = { "enter_mnt", "CAP_SYS_ADMIN and CAP_SYS_CHROOT",
			      "mounts of namespaces without a process, before Linux 6.11",
			      BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_CHROOT), mnt_refused },
	[RIGHT_COPY_FDS] = { "copy_fds", "CAP_SYS_PTRACE", "namespaces that only a socket keeps",
			     BIT(CAP_SYS_PTRACE), copy_refused },
};

const char *right_name(enum right right)
{
	return rights[right].name;
}

const char *right_loss(enum right right)
{
	return rights[right].loss;
}

const char *right_needs(enum right right)
{
	return rights[right].needs;
}

static uint64_t effective(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

void rights_ask(enum right_state ret_states[RIGHT_COUNT])
{
	uint64_t have = effective();

	for (int i = 0; i < RIGHT_COUNT; i++) {
		if ((have & rights[i].all) != rights[i].all)
			ret_states[i] = RIGHT_NO_CAPABILITY;
		else if (rights[i].refused && rights[i].refused())
			ret_states[i] = RIGHT_FILTERED;
		else
			ret_states[i] = RIGHT_GRANTED;
	}
}

void rights_log(const enum right_state states[RIGHT_COUNT])
{
	for (int i = 0; i < RIGHT_COUNT; i++) {
		if (states[i] == RIGHT_NO_CAPABILITY)
			log_info("not known without %s: %s", rights[i].needs, rights[i].loss);
		else if (states[i] == RIGHT_FILTERED)
			log_info("not known, as its system call is refused: %s", rights[i].loss);
	}
}
