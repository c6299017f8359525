// SPDX-License-Identifier: MIT
#include "collectors/bpf_events.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int bpf_events_new(const struct root *root, const struct hierarchies *hierarchies,
		   struct bpf_events **ret_events, char *reason, size_t size)
{
	(void)root;
	(void)hierarchies;
	(void)ret_events;
	snprintf(reason, size, "not there yet");
	return -EOPNOTSUPP;
}

void bpf_events_free(struct bpf_events *events)
{
	(void)events;
}

uint32_t bpf_events_want(struct bpf_events *events, uint32_t kinds)
{
	(void)events;
	(void)kinds;
	return 0;
}

int bpf_events_fd(const struct bpf_events *events)
{
	(void)events;
	return -1;
}

void bpf_events_set_tree(struct bpf_events *events, struct tree *tree)
{
	(void)events;
	(void)tree;
}

int bpf_events_read(struct bpf_events *events, struct kernel_events **ret_events)
{
	(void)events;
	(void)ret_events;
	return -EOPNOTSUPP;
}

void bpf_events_get_stats(const struct bpf_events *events, struct bpf_events_stats *ret_stats)
{
	(void)events;
	memset(ret_stats, 0, sizeof(*ret_stats));
}

const struct bpf_program_status *bpf_events_programs(const struct bpf_events *events, size_t *ret_n)
{
	(void)events;
	*ret_n = 0;
	return NULL;
}
