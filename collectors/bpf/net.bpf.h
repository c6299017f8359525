/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#pragma once

/*
 * Bytes of TCP and UDP that tasks of watched cgroups sent and took, as the calls return them:
 * payload, no headers, nothing sent twice. Counted for the task's cgroup, not the socket's: a
 * socket knows only a cgroup of v2 (sk_cgrp_data), which on a v1 or hybrid host is the root for
 * all, and keeps it when it is handed to another service. What the kernel sends for itself (kTLS,
 * NFS) is not seen here.
 */

#include "collectors/bpf/watched.bpf.h"

enum { AF_INET_ = 2, AF_INET6_ = 10, MSG_PEEK_ = 0x2, MSG_ERRQUEUE_ = 0x2000, TCP_ = 6, UDP_ = 17 };

static __always_inline int count_net(u32 which, long result)
{
	struct lat_slot *slot;

	if (result <= 0)
		return 0;
	slot = slot_of(cgroup_of((void *)bpf_get_current_task_btf(), &net_tree));
	if (slot)
		count_bytes(slot, which, (u64)result);
	return 0;
}

/* Looked at but not taken, or an error message of the kernel's: no bytes of the stream. */
static __always_inline bool takes(int flags)
{
	return !(flags & (MSG_PEEK_ | MSG_ERRQUEUE_));
}

/* 6.3 (6e6eda44b939, "sock: add tracepoint for send recv length"): all in two places. */
static __always_inline int count_sock(const struct sock___wait *sk, int result, bool sent)
{
	unsigned short family = sk->__sk_common.skc_family;

	if (result <= 0 || (family != AF_INET_ && family != AF_INET6_))
		return 0;
	if (sk->sk_protocol == TCP_)
		return count_net(sent ? LAT_TCP_TX : LAT_TCP_RX, result);
	if (sk->sk_protocol == UDP_)
		return count_net(sent ? LAT_UDP_TX : LAT_UDP_RX, result);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(net_sock_send, struct sock___wait *sk, int result, int flags)
{
	return count_sock(sk, result, true);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(net_sock_recv, struct sock___wait *sk, int result, int flags)
{
	return takes(flags) ? count_sock(sk, result, false) : 0;
}

/* Before, one function a protocol. */
SEC("fexit/tcp_sendmsg")
int BPF_PROG(net_tcp_sendmsg, void *sk, void *msg, u64 size, int result)
{
	return count_net(LAT_TCP_TX, result);
}

/* Up to 6.4: sendfile(2); then it goes through tcp_sendmsg() (dc97391e6610, "sock: Remove
 * ->sendpage*() in favour of sendmsg(MSG_SPLICE_PAGES)"). */
SEC("fexit/tcp_sendpage")
int BPF_PROG(net_tcp_sendpage, void *sk, void *page, int offset, u64 size, int flags, int result)
{
	return count_net(LAT_TCP_TX, result);
}

SEC("fexit/tcp_recvmsg")
int BPF_PROG(net_tcp_recvmsg, void *sk, void *msg, u64 size, int flags, void *length, int result)
{
	return takes(flags) ? count_net(LAT_TCP_RX, result) : 0;
}

/* splice(2) and readers in the kernel, which pass by the tracepoints as well. */
SEC("fexit/tcp_read_sock")
int BPF_PROG(net_tcp_read_sock, void *sk, void *descriptor, void *actor, int result)
{
	return count_net(LAT_TCP_RX, result);
}

SEC("fexit/udp_sendmsg")
int BPF_PROG(net_udp_sendmsg, struct sock___wait *sk, void *msg, u64 size, int result)
{
	/* udpv6_sendmsg() calls it for an IPv4 address: counted there. */
	return sk->__sk_common.skc_family == AF_INET_ ? count_net(LAT_UDP_TX, result) : 0;
}

SEC("fexit/udpv6_sendmsg")
int BPF_PROG(net_udpv6_sendmsg, void *sk, void *msg, u64 size, int result)
{
	return count_net(LAT_UDP_TX, result);
}

SEC("fexit/udp_recvmsg")
int BPF_PROG(net_udp_recvmsg, void *sk, void *msg, u64 size, int flags, void *length, int result)
{
	return takes(flags) ? count_net(LAT_UDP_RX, result) : 0;
}

SEC("fexit/udpv6_recvmsg")
int BPF_PROG(net_udpv6_recvmsg, void *sk, void *msg, u64 size, int flags, void *length, int result)
{
	return takes(flags) ? count_net(LAT_UDP_RX, result) : 0;
}
