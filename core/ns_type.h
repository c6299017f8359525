/* SPDX-License-Identifier: MIT */
#pragma once

/* The eight types of namespaces(7), in the order they are listed. */
enum ns_type { NS_MNT, NS_NET, NS_PID, NS_USER, NS_UTS, NS_IPC, NS_CGROUP, NS_TIME, NS_TYPE_COUNT };
