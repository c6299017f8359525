// SPDX-License-Identifier: MIT
#include "policies/guards_table.h"

#include <fnmatch.h>
#include <string.h>

#include "core/cleanup.h"

/*
 * Rule 10 of the enforcement rules: what, once frozen or starved, takes the operator's way in, or
 * hangs whatever waits for it, ourselves included. Of containers it is what holds them, not what is
 * in them.
 */
static const struct guard guards[] = {
	{ "systemd", { NULL }, "a service manager" },
	{ "systemd-journald", { "systemd-journald*.service" }, "the journal" },
	{ "systemd-udevd", { "systemd-udevd.service" }, "device nodes" },
	{ "systemd-logind", { "systemd-logind.service" }, "logins" },
	{ "systemd-networkd", { "systemd-networkd.service" }, "the network", true },
	{ "systemd-resolved", { "systemd-resolved.service" }, "names of hosts", true },
	{ "systemd-oomd", { "systemd-oomd.service" }, "the out-of-memory killer", true },
	{ "systemd-machined", { "systemd-machined.service" }, "containers" },
	{ "systemd-nspawn", { NULL }, "a container" },
	{ "udevd", { NULL }, "device nodes" },
	{ "eudev", { NULL }, "device nodes" },
	{ "dbus-daemon", { "dbus.service" }, "the message bus", true },
	{ "dbus-broker*", { "dbus-broker.service" }, "the message bus", true },
	{ "polkitd", { "polkit.service" }, "authorization", true },
	{ "rsyslogd", { "rsyslog.service", "syslog.service" }, "the system log", true },
	{ "syslog-ng", { "syslog-ng*.service" }, "the system log" },
	{ "sshd",
	  { "ssh.service", "sshd.service", "ssh@*.service", "sshd@*.service" },
	  "the operator's way in" },
	{ "sshd-session", { NULL }, "the operator's way in" },
	{ "sshd-auth", { NULL }, "the operator's way in" },
	{ "dropbear", { "dropbear*.service" }, "the operator's way in" },
	{ "login", { NULL }, "the operator's way in" },
	{ "agetty",
	  { "getty@*.service", "serial-getty@*.service", "console-getty.service" },
	  "the operator's way in" },
	{ "containerd-shim*", { NULL }, "a container" },
	{ "conmon", { NULL }, "a container" },
	{ "lxc-start", { NULL }, "a container" },
	{ "lxc-monitord", { "lxc-monitord.service" }, "containers" },
	{ "lxcfs", { "lxcfs.service" }, "files of containers" },
	{ "lxd", { "lxd.service" }, "containers" },
	{ "incusd", { "incus.service" }, "containers" },
	{ "dockerd", { "docker.service" }, "containers" },
	{ "containerd", { "containerd.service" }, "containers" },
	{ "crio", { "crio.service" }, "containers" },
	{ "podman", { "podman.service" }, "containers" },
	{ "kubelet", { "kubelet.service" }, "pods" },
	{ "k3s*", { "k3s*.service" }, "pods" },
	{ "libvirtd", { "libvirtd.service" }, "virtual machines" },
	{ "virtqemud", { "virtqemud.service" }, "virtual machines" },
	{ "NetworkManager", { "NetworkManager.service" }, "the network" },
	{ "wpa_supplicant", { "wpa_supplicant*.service" }, "the network" },
	{ "dhclient", { NULL }, "the network" },
	{ "dhcpcd", { "dhcpcd.service" }, "the network", true },
	{ "sssd*", { "sssd*.service" }, "users and logins", true },
	{ "nscd", { "nscd.service" }, "users and logins", true },
	{ "rpc.*", { "rpc-*.service", "nfs-*.service" }, "a network filesystem", true },
	{ "rpcbind", { "rpcbind.service" }, "a network filesystem", true },
	{ "blkmapd", { NULL }, "a network filesystem" },
	{ "nfsdcld", { "nfsdcld.service" }, "a network filesystem", true },
	{ "nfsdcltrack", { NULL }, "a network filesystem" },
	{ "automount", { "autofs.service" }, "a network filesystem" },
	{ "ganesha.nfsd", { "nfs-ganesha.service" }, "a network filesystem" },
	{ "glusterd", { "glusterd.service" }, "a network filesystem" },
	{ "glusterfs*", { NULL }, "a network filesystem" },
	{ "ceph-*", { "ceph-*.service" }, "storage", true },
	{ "radosgw", { NULL }, "storage", true },
	{ "iscsid", { "iscsid.service" }, "storage" },
	{ "iscsiuio", { "iscsiuio.service" }, "storage" },
	{ "multipathd", { "multipathd.service" }, "storage" },
	{ "dmeventd", { "dm-event.service" }, "storage" },
	{ "lvmpolld", { "lvm2-lvmpolld.service" }, "storage" },
	{ "mdadm", { "mdmonitor.service" }, "storage" },
	{ "mdmon", { "mdmon@*.service" }, "storage" },
	{ "zed", { "zfs-zed.service" }, "storage" },
};

static const struct guard *find(const char *name, size_t cut)
{
	for (size_t i = 0; i < ARRAY_SIZE(guards); i++) {
		const char *pattern = guards[i].program;

		if (fnmatch(pattern, name, FNM_NOESCAPE) == 0)
			return &guards[i];
		/* A comm that is full may stand for a longer name. */
		if (cut && strlen(name) == cut && strncmp(pattern, name, cut) == 0)
			return &guards[i];
	}
	return NULL;
}

const struct guard *guard_of_program(const char *name)
{
	return find(name, 0);
}

const struct guard *guard_of_comm(const char *comm)
{
	enum { COMM_LENGTH = 15 };

	return find(comm, COMM_LENGTH);
}

/*
 * What lies below such a unit is not meant: container engines that do not ask systemd put
 * containers below their own service.
 */
const struct guard *guard_of_path(const char *path)
{
	static const char slice[] = "/system.slice/";
	const char *name = strrchr(path, '/');

	if (!name || strncmp(path, slice, sizeof(slice) - 1) != 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(guards); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(guards[i].units) && guards[i].units[j]; j++) {
			if (fnmatch(guards[i].units[j], name + 1, FNM_NOESCAPE) == 0)
				return &guards[i];
		}
	}
	return NULL;
}

bool guard_unit(size_t at, const char **ret_pattern)
{
	const size_t each = ARRAY_SIZE(guards[0].units);

	if (at >= ARRAY_SIZE(guards) * each)
		return false;
	*ret_pattern = guards[at / each].units[at % each];
	return true;
}
