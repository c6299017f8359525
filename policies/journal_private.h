/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/journal.h"

struct journal {
	int dir_fd, lock_fd;
	uint64_t next_seq;
	char boot_id[64];
};

/* Every entry on disk. What cannot be read is moved aside, logged and counted in `ret_broken`. */
int journal_load(struct journal *journal, struct journal_entry **ret_list, size_t *ret_n,
		 struct journal_replay *replay);
/* JSON of an entry (free it), and back. NULL; -EINVAL. */
char *journal_encode(const struct journal *journal, const struct journal_entry *entry);
int journal_decode(const char *text, size_t length, struct journal_entry *ret_entry,
		   char *ret_boot_id, size_t boot_id_size);
/* The descriptors that a watchdog needs. */
void journal_fds(const struct journal *journal, int ret_fds[2]);
