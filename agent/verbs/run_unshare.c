// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/verbs/run.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"

const enum ns_type run_order[NS_TYPE_COUNT] = { NS_USER, NS_CGROUP, NS_UTS, NS_IPC,
						NS_NET,	 NS_MNT,    NS_PID, NS_TIME };

static int read_sysctl(const struct run *run, const char *path, char *ret_text, size_t size)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	int r = root_read(run->context->root, ROOT_PROC, path, &text);

	if (r < 0)
		return r;
	snprintf(ret_text, size, "%.*s", (int)strcspn(text.data ? text.data : "", "\n"),
		 text.data ? text.data : "");
	return 0;
}

/* ENOSPC has nothing to do with a disk here: it is the only symptom of a limit. */
static int explain_full(const struct run *run, enum ns_type type)
{
	const char *name = ns_type_name(type);
	char path[64], value[32] = "?";

	snprintf(path, sizeof(path), "sys/user/max_%s_namespaces", name);
	read_sysctl(run, path, value, sizeof(value));
	return context_fail(
		run->context, EXIT_FAILED,
		"--unshare: %s: %s: the limit /proc/%s (here %s) is reached, here or in "
		"an outer user namespace%s",
		name, strerror(ENOSPC), path, value,
		type == NS_USER ? ", or 32 of them are nested" : "");
}

static int explain_denied(const struct run *run, enum ns_type type)
{
	static const struct {
		const char *path, *value;
	} switches[] = {
		{ "sys/kernel/unprivileged_userns_clone", "0" },
		{ "sys/kernel/apparmor_restrict_unprivileged_userns", "1" },
	};
	char value[32];

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		if (geteuid() != 0 &&
		    read_sysctl(run, switches[i].path, value, sizeof(value)) == 0 &&
		    strcmp(value, switches[i].value) == 0)
			return context_fail(run->context, EXIT_HOST,
					    "--unshare: %s: %s: /proc/%s is %s", ns_type_name(type),
					    strerror(EPERM), switches[i].path, value);
	}
	return context_fail(run->context, EXIT_FAILED, "--unshare: %s: %s%s", ns_type_name(type),
			    strerror(EPERM),
			    type == NS_USER || run_has(run->unshare, NS_USER)
				    ? ": this machine or a chroot forbids it"
				    : ": root may, others with 'user' in the list");
}

static bool kernel_has(const struct run *run, enum ns_type type)
{
	char path[32], link[64];

	snprintf(path, sizeof(path), "self/ns/%s", ns_type_name(type));
	return root_readlink(run->context->root, ROOT_PROC, path, link, sizeof(link)) != -ENOENT;
}

static int explain(const struct run *run, enum ns_type type, int error)
{
	if (error == ENOSPC)
		return explain_full(run, type);
	if (error == EPERM)
		return explain_denied(run, type);
	if (error == EINVAL && !kernel_has(run, type))
		return context_fail(run->context, EXIT_HOST,
				    "--unshare: %s: this kernel has no such namespaces",
				    ns_type_name(type));
	return context_fail(run->context, EXIT_FAILED, "--unshare: %s: %s", ns_type_name(type),
			    strerror(error));
}

/* What is mounted inside stays inside; what is mounted outside does not come in. */
static int set_up_mnt(const struct run *run)
{
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return context_fail(run->context, EXIT_FAILED,
				    "--unshare: mnt: / cannot be made private: %s",
				    strerror(errno));
	return 0;
}

static int set_up_net(const struct run *run)
{
	/* Any socket does: the interface is found by name, in the namespace of the socket. */
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo" };

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return context_fail(run->context, EXIT_FAILED, "--unshare: net: lo: %s",
				    strerror(errno));
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return context_fail(run->context, EXIT_FAILED,
				    "--unshare: net: lo cannot be brought up: %s", strerror(errno));
	return 0;
}

static int set_up_uts(const struct run *run)
{
	if (run->hostname && sethostname(run->hostname, strlen(run->hostname)) < 0)
		return context_fail(run->context, EXIT_FAILED, "--hostname: %s: %s", run->hostname,
				    strerror(errno));
	if (run->domainname && setdomainname(run->domainname, strlen(run->domainname)) < 0)
		return context_fail(run->context, EXIT_FAILED, "--domainname: %s: %s",
				    run->domainname, strerror(errno));
	return 0;
}

/* Offsets can be set until the first process is in (time_namespaces(7)); then we go in. */
static int set_up_time(const struct run *run)
{
	static const char *const clocks[] = {
		[RUN_MONOTONIC] = "monotonic", [RUN_BOOTTIME] = "boottime"
	};
	_cleanup_(closep) int fd = -1;

	for (int i = 0; i < RUN_CLOCKS; i++) {
		_cleanup_(closep) int offsets = -1;
		char line[80];
		int length;

		if (!run->offset_texts[i])
			continue;
		length = snprintf(line, sizeof(line), "%s %lld %ld\n", clocks[i],
				  (long long)run->offsets[i].tv_sec, run->offsets[i].tv_nsec);
		offsets = root_open(run->context->root, ROOT_PROC, "self/timens_offsets", O_WRONLY);
		if (offsets >= 0 && write(offsets, line, (size_t)length) == length)
			continue;
		return context_fail(run->context, EXIT_FAILED, "--%s: %s: %s%s", clocks[i],
				    run->offset_texts[i], strerror(offsets < 0 ? -offsets : errno),
				    offsets >= 0 && errno == ERANGE
					    ? ": the clock would start below 0 or end too soon"
					    : "");
	}
	fd = root_open(run->context->root, ROOT_PROC, "self/ns/time_for_children", O_RDONLY);
	if (fd < 0 || setns(fd, ns_type_flag(NS_TIME)) < 0)
		return context_fail(run->context, EXIT_FAILED, "--unshare: time: %s",
				    strerror(fd < 0 ? -fd : errno));
	return 0;
}

int run_unshare(const struct run *run, int channel)
{
	static int (*const set_up[NS_TYPE_COUNT])(const struct run *run) = {
		[NS_MNT] = set_up_mnt,
		[NS_NET] = set_up_net,
		[NS_UTS] = set_up_uts,
		[NS_TIME] = set_up_time,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < NS_TYPE_COUNT; i++) {
		enum ns_type type = run_order[i];

		if (!run_has(run->unshare, type))
			continue;
		/* One by one: the kernel does not say which of several it could not make. */
		if (unshare(ns_type_flag(type)) < 0)
			r = explain(run, type, errno);
		else if (type == NS_USER)
			r = run_map_write(run, channel);
		else if (set_up[type])
			r = set_up[type](run);
	}
	return r;
}
