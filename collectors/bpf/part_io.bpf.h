/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#pragma once

/*
 * Part io of the sampling pass: io.stat of v2, as blkcg_print_one_stat() prints it. Devices are
 * entries of a map of their own, those of one cgroup beside each other.
 */

#include "collectors/bpf/kernel.bpf.h"

#include "collectors/bpf/record.h"

/* Beyond that many devices of one cgroup its file is asked. */
enum { IO_DEVICES_MAX = 32 };

/* Whether the file has a line for it, which is filled in. -1: this one only the file can tell. */
static __always_inline int read_device(const struct blkcg *blkcg, const struct blkcg_gq *blkg,
				       struct cg_io *io)
{
	const struct gendisk *disk = BPF_CORE_READ(blkg, q, disk);

	bpf_probe_read_kernel(io->bytes, sizeof(io->bytes),
			      (void *)blkg +
				      bpf_core_field_offset(struct blkcg_gq, iostat.cur.bytes));
	bpf_probe_read_kernel(io->ios, sizeof(io->ios),
			      (void *)blkg +
				      bpf_core_field_offset(struct blkcg_gq, iostat.cur.ios));
	if (!disk || !(io->bytes[0] | io->bytes[1] | io->ios[0] | io->ios[1]))
		return 0;
	/* A hidden disk, which the file calls "(unknown)". */
	if (!BPF_CORE_READ(disk, bdi, dev))
		return -1;
	io->major = BPF_CORE_READ(disk, major);
	io->minor = BPF_CORE_READ(disk, first_minor);
	/* Last, as it may be taken apart by now: then what was read is not of this cgroup. */
	return BPF_CORE_READ(blkg, online) && BPF_CORE_READ(blkg, blkcg) == blkcg;
}

/* False: the file has to be asked. Entries beyond the map are only counted. */
static __always_inline bool read_devices(struct cgroup_subsys_state *css, void *map,
					 struct cg_record *record)
{
	const struct blkcg *blkcg = (const void *)css;
	struct hlist_node *node = BPF_CORE_READ(blkcg, blkg_list.first);

	for (int i = 0; i < IO_DEVICES_MAX && node; i++) {
		const struct blkcg_gq *blkg = (void *)node -
					      bpf_core_field_offset(struct blkcg_gq, blkcg_node);
		u32 at = control.n_io;
		struct cg_io *io = bpf_map_lookup_elem(map, &at);
		int found = io ? read_device(blkcg, blkg, io) : 1;

		if (found < 0)
			return false;
		record->n_io += (u32)found;
		control.n_io += (u32)found;
		node = BPF_CORE_READ(node, next);
	}
	return !node;
}

static __always_inline bool read_io(struct cgroup_subsys_state *css, u32 hierarchy,
				    struct cg_record *record)
{
	void *map = bpf_map_lookup_elem(&ios, &hierarchy);
	bool complete;

	record->first_io = control.n_io;
	record->n_io = 0;
	if (!map)
		return false;
	if (have_rcu)
		bpf_rcu_read_lock();
	complete = read_devices(css, map, record);
	if (have_rcu)
		bpf_rcu_read_unlock();
	return complete;
}
