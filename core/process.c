// SPDX-License-Identifier: MIT
#include "core/process.h"

#include <stdlib.h>

void process_list_done(struct process_list *processes)
{
	if (!processes)
		return;
	for (size_t i = 0; i < processes->n; i++) {
		free(processes->list[i].command);
		free(processes->list[i].cgroup);
	}
	free(processes->list);
	*processes = (struct process_list){ 0 };
}
