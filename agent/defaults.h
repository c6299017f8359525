/* SPDX-License-Identifier: MIT */
#pragma once

/* What holds without any configuration (see cgwatchd(8)). */
#define DEFAULT_CONFIG	       "/etc/cgwatch/cgwatch.ini"
#define DEFAULT_POLICIES       "/etc/cgwatch/policies.d"
#define DEFAULT_STATE_DIR      "/run/cgwatch"
#define DEFAULT_AUDIT_DIR      "/var/lib/cgwatch"
#define DEFAULT_AUDIT_LOG      DEFAULT_AUDIT_DIR "/audit.jsonl"
#define DEFAULT_AUDIT_SIZE     (UINT64_C(64) << 20)
#define DEFAULT_LISTEN	       "127.0.0.1:9753"
#define DEFAULT_INTERVAL_USEC  1000000
#define DEFAULT_INVENTORY_USEC 5000000
