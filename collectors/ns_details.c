// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/ns_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "collectors/keyed.h"
#include "core/cleanup.h"

/* Linux 6.11 and 6.12; Debian 12's headers do not have them. */
#ifndef NS_GET_PID_FROM_PIDNS
#define NS_GET_PID_FROM_PIDNS _IOR(NSIO, 0x6, int)
#endif
struct mnt_info_v0 {
	uint32_t size, nr_mounts;
	uint64_t mnt_ns_id;
};
#define MNT_GET_INFO_V0 _IOR(NSIO, 10, struct mnt_info_v0)

/* A file of a task into scanner->text; NULL if it cannot be read. */
static const char *read_of(struct ns_scanner *scanner, const struct ns_task *task, const char *file)
{
	char path[64];

	if (task->pid == task->tid)
		snprintf(path, sizeof(path), "%d/%s", (int)task->pid, file);
	else
		snprintf(path, sizeof(path), "%d/task/%d/%s", (int)task->pid, (int)task->tid, file);
	strbuf_clear(&scanner->text);
	if (root_read(scanner->root, ROOT_PROC, path, &scanner->text) < 0)
		return NULL;
	return scanner->text.data ? scanner->text.data : "";
}

/* A process or thread that is in it, or NULL. */
static const struct ns_task *member_of(const struct ns_known *known)
{
	return known->lowest ? known->lowest : known->thread;
}

int32_t ns_interfaces_parse(const char *text, struct strbuf *ret_names)
{
	int32_t n = 0;

	/* Two lines of headings without a colon behind the name, then "  eth0: 1 2 3 …". A name may
	 * hold a colon itself (an alias's), but no space. */
	while (*text) {
		size_t line = strcspn(text, "\n"), blank = strspn(text, " ");
		size_t word = strcspn(text + blank, " |\n");
		const char *name = text + blank, *colon = NULL;

		for (size_t i = 0; i < word; i++) {
			if (name[i] == ':')
				colon = name + i;
		}
		if (colon && colon > name && name[word] != '|') {
			if (n++)
				strbuf_add_char(ret_names, ' ');
			strbuf_add(ret_names, name, (size_t)(colon - name));
		}
		text += line;
		text += *text == '\n';
	}
	return n;
}

struct nsid_request {
	struct nlmsghdr header;
	struct rtgenmsg message;
	char pad[3];
	struct rtattr attribute;
	uint32_t value;
};

static bool open_netlink(struct ns_scanner *scanner)
{
	if (scanner->netlink < 0)
		scanner->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	return scanner->netlink >= 0;
}

/* The answer's NETNSA_NSID. */
static bool parse_nsid(const char *data, size_t length, uint32_t sequence, int32_t *ret_nsid)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)data;
	const struct rtattr *attribute;
	int rest;

	if (length < sizeof(*header) || header->nlmsg_len > length ||
	    header->nlmsg_seq != sequence || header->nlmsg_type != RTM_NEWNSID)
		return false;
	rest = (int)header->nlmsg_len - (int)NLMSG_SPACE(sizeof(struct rtgenmsg));
	attribute = (const struct rtattr *)(data + NLMSG_SPACE(sizeof(struct rtgenmsg)));
	for (; rest > 0 && RTA_OK(attribute, rest); attribute = RTA_NEXT(attribute, rest)) {
		if (attribute->rta_type == NETNSA_NSID) {
			memcpy(ret_nsid, RTA_DATA(attribute), sizeof(*ret_nsid));
			return true;
		}
	}
	return false;
}

/* RTM_GETNSID: which number our own net namespace knows that one by. */
static bool read_nsid(struct ns_scanner *scanner, uint16_t by, uint32_t value, int32_t *ret_nsid)
{
	struct nsid_request request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETNSID,
			    .nlmsg_flags = NLM_F_REQUEST,
			    .nlmsg_seq = ++scanner->netlink_sequence },
		.message = { .rtgen_family = AF_UNSPEC },
		.attribute = { .rta_len = RTA_LENGTH(sizeof(value)), .rta_type = by },
		.value = value,
	};
	char answer[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t n;

	if (!open_netlink(scanner) || send(scanner->netlink, &request, sizeof(request), 0) < 0)
		return false;
	n = recv(scanner->netlink, answer, sizeof(answer), 0);
	return n > 0 && parse_nsid(answer, (size_t)n, scanner->netlink_sequence, ret_nsid);
}

static void read_net(struct ns_scanner *scanner, struct ns_known *known, struct namespaces *set,
		     struct ns_namespace *ns)
{
	const struct ns_task *task = member_of(known);
	const char *text = task ? read_of(scanner, task, "net/dev") : NULL;
	struct strbuf names;

	if (text) {
		strbuf_init(&names);
		ns->n_interfaces = ns_interfaces_parse(text, &names);
		ns->interfaces = arena_string(&set->arena, names.data ? names.data : "");
		strbuf_done(&names);
	}
	if (!scanner->live)
		return;
	if (known->lowest) {
		ns->netnsid_known = read_nsid(scanner, NETNSA_PID, (uint32_t)known->lowest->pid,
					      &ns->netnsid);
	} else {
		_cleanup_(closep) int fd = ns_known_open(scanner, known);

		if (fd >= 0)
			ns->netnsid_known = read_nsid(scanner, NETNSA_FD, (uint32_t)fd,
						      &ns->netnsid);
	}
}

bool ns_map_parse(const char *text, struct arena *arena, struct ns_map **ret_map, uint32_t *ret_n)
{
	struct span rest = { text, text + strlen(text) }, line, word;
	uint32_t n = 0, lines = 0;
	struct ns_map *map;

	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	map = arena_array(arena, lines + 1, sizeof(*map));
	if (!map)
		return false;
	while (span_line(&rest, &line)) {
		uint32_t *const fields[] = { &map[n].inside, &map[n].outside, &map[n].count };

		for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
			char *end;

			if (!span_word(&line, &word))
				return false;
			*fields[i] = (uint32_t)strtoul(word.at, &end, 10);
			if (end != word.end)
				return false;
		}
		if (span_word(&line, &word))
			return false;
		n++;
	}
	*ret_map = map;
	*ret_n = n;
	return true;
}

static void read_user(struct ns_scanner *scanner, struct ns_known *known, struct namespaces *set,
		      struct ns_namespace *ns)
{
	const struct ns_task *task = member_of(known);
	const char *text;

	if (!task)
		return;
	text = read_of(scanner, task, "uid_map");
	if (text)
		ns_map_parse(text, &set->arena, &ns->uid_map, &ns->n_uid_map);
	text = read_of(scanner, task, "gid_map");
	if (text)
		ns_map_parse(text, &set->arena, &ns->gid_map, &ns->n_gid_map);
	text = read_of(scanner, task, "setgroups");
	ns->setgroups_denied = text && strncmp(text, "deny", 4) == 0;
}

/* Whether it is number 1 in its innermost pid namespace: the last number of "NSpid:	100 1". */
static bool is_init(struct ns_scanner *scanner, const struct ns_task *task)
{
	const char *text = read_of(scanner, task, "status"), *line, *end;

	line = text ? strstr(text, "\nNSpid:\t") : NULL;
	if (!line)
		return false;
	line += 8;
	end = line + strcspn(line, "\n");
	return end - line >= 1 && end[-1] == '1' && (end - line == 1 || end[-2] == '\t');
}

static void read_pid(struct ns_scanner *scanner, struct ns_known *known, struct namespaces *set,
		     struct ns_namespace *ns)
{
	_cleanup_(closep) int fd = ns_known_open(scanner, known);
	int pid;

	(void)set;
	pid = fd < 0 ? -1 : ioctl(fd, NS_GET_PID_FROM_PIDNS, 1);
	if (pid > 0)
		ns->init = pid;
	if (pid > 0 || (fd >= 0 && errno != ENOTTY && errno != EINVAL))
		return;
	/* Before Linux 6.11 everyone in it is asked, as a rule the first one is it. */
	for (size_t i = 0; i < scanner->n_current && ns->init == 0; i++) {
		const struct ns_task *task = scanner->current[i];

		if (task->pid == task->tid && task->ns[NS_PID] == known && is_init(scanner, task))
			ns->init = task->pid;
	}
}

static int64_t count_lines(const char *text)
{
	int64_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void read_mnt(struct ns_scanner *scanner, struct ns_known *known, struct namespaces *set,
		     struct ns_namespace *ns)
{
	const struct ns_task *task = member_of(known);
	struct mnt_info_v0 info = { .size = sizeof(info) };
	char path[64], target[4096];
	struct statx status;

	if (ns->n_mounts < 0 && !scanner->no_mount_info) {
		_cleanup_(closep) int fd = ns_known_open(scanner, known);

		if (fd >= 0 && ioctl(fd, MNT_GET_INFO_V0, &info) == 0)
			ns->n_mounts = info.nr_mounts;
		else
			scanner->no_mount_info = fd >= 0 && (errno == ENOTTY || errno == EINVAL);
	}
	if (!task)
		return;
	if (ns->n_mounts < 0) {
		const char *text = read_of(scanner, task, "mountinfo");

		ns->n_mounts = text ? count_lines(text) : -1;
	}
	snprintf(path, sizeof(path), "%d/root", (int)task->tid);
	if (root_readlink(scanner->root, ROOT_PROC, path, target, sizeof(target)) >= 0)
		ns->root = arena_string(&set->arena, target);
	/* Never ask the server of a file system: it may be dead. */
	if (scanner->live && statx(scanner->proc_fd, path, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
				   STATX_TYPE, &status) == 0)
		ns->root_device = makedev(status.stx_dev_major, status.stx_dev_minor);
}

/* "monotonic 0 0\nboottime -5 100\n": seconds, which may be negative, and nanoseconds. */
bool ns_offsets_parse(const char *text, int64_t *ret_monotonic_ns, int64_t *ret_boottime_ns)
{
	static const char *const names[] = { "monotonic", "boottime" };
	int64_t values[ARRAY_SIZE(names)] = { 0 };
	struct span rest = { text, text + strlen(text) }, line, word;
	unsigned int found = 0;

	while (span_line(&rest, &line)) {
		int64_t numbers[2];
		char *end;

		if (!span_word(&line, &word))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			struct span fields = line, number;

			if (!span_is(word, names[i]))
				continue;
			for (size_t k = 0; k < ARRAY_SIZE(numbers); k++) {
				if (!span_word(&fields, &number))
					return false;
				numbers[k] = strtoll(number.at, &end, 10);
				if (end != number.end)
					return false;
			}
			if (__builtin_mul_overflow(numbers[0], INT64_C(1000000000), &values[i]) ||
			    __builtin_add_overflow(values[i], numbers[1], &values[i]))
				return false;
			found |= 1U << i;
		}
	}
	if (found != 3)
		return false;
	*ret_monotonic_ns = values[0];
	*ret_boottime_ns = values[1];
	return true;
}

/* The file shows the offsets of the namespace that children will be in. */
static void read_time(struct ns_scanner *scanner, struct ns_known *known, struct namespaces *set,
		      struct ns_namespace *ns)
{
	const struct ns_task *task = known->lowest;
	const char *text;

	(void)set;
	if (!task || task->ns[NS_LINK_TIME_CHILDREN] != known)
		task = known->maker;
	for (size_t i = 0; i < scanner->n_current && !task; i++) {
		if (scanner->current[i]->pid == scanner->current[i]->tid &&
		    scanner->current[i]->ns[NS_LINK_TIME_CHILDREN] == known)
			task = scanner->current[i];
	}
	text = task && task->pid == task->tid ? read_of(scanner, task, "timens_offsets") : NULL;
	if (text)
		ns->offsets_known = ns_offsets_parse(text, &ns->monotonic_ns, &ns->boottime_ns);
}

static void (*const readers[NS_TYPE_COUNT])(struct ns_scanner *scanner, struct ns_known *known,
					    struct namespaces *set, struct ns_namespace *ns) = {
	[NS_NET] = read_net, [NS_USER] = read_user, [NS_PID] = read_pid,
	[NS_MNT] = read_mnt, [NS_TIME] = read_time,
};

/* What the mount table has counted need not be asked again. */
static void take_mounts(const struct mount_table *mounts, struct namespaces *set)
{
	const struct mount_ns_info *spaces;
	size_t n;

	spaces = mount_table_spaces(mounts, &n);
	for (size_t i = 0; i < n; i++) {
		uint32_t index = namespaces_find(set, NS_MNT, spaces[i].inode);

		if (index != NS_NONE)
			set->list[index].n_mounts = spaces[i].n_mounts;
	}
}

int ns_details_read(struct ns_scanner *scanner, const struct mount_table *mounts,
		    struct namespaces *set)
{
	if (mounts)
		take_mounts(mounts, set);
	for (uint32_t i = 0; i < set->n && ns_stopped(scanner) == 0; i++) {
		struct ns_namespace *ns = &set->list[i];

		if (readers[ns->type])
			readers[ns->type](scanner, scanner->seen[i], set, ns);
	}
	if (scanner->live)
		ns_inside_read(scanner, set);
	return set->arena.failed ? -ENOMEM : 0;
}
