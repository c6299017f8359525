// SPDX-License-Identifier: MIT
#include "collectors/overlay_share.h"

#include <stdlib.h>

#include "core/cleanup.h"

void overlay_groups_done(struct overlay_groups *groups)
{
	for (size_t i = 0; i < groups->size; i++) {
		struct overlay_group *next;

		for (struct overlay_group *group = groups->table[i]; group; group = next) {
			next = group->next;
			free(group);
		}
	}
	free(groups->table);
	*groups = (struct overlay_groups){ 0 };
}

static struct overlay_group **slot_of(const struct overlay_groups *groups, dev_t device,
				      uint64_t inode)
{
	uint64_t hash = (inode ^ (uint64_t)device << 32) * UINT64_C(0x9e3779b97f4a7c15);

	return &groups->table[(hash ^ hash >> 32) & (groups->size - 1)];
}

static int grow(struct overlay_groups *groups)
{
	const struct overlay_groups old = *groups;
	size_t size = old.size ? old.size * 2 : 64;
	struct overlay_group **table = calloc(size, sizeof(*table));

	if (!table)
		return old.size ? 0 : -1; /* chains only get longer */
	groups->table = table;
	groups->size = size;
	for (size_t i = 0; i < old.size; i++) {
		struct overlay_group *next;

		for (struct overlay_group *group = old.table[i]; group; group = next) {
			struct overlay_group **slot = slot_of(groups, group->device, group->inode);

			next = group->next;
			group->next = *slot;
			*slot = group;
		}
	}
	free(old.table);
	return 0;
}

struct overlay_group *overlay_groups_join(struct overlay_groups *groups, dev_t device,
					  uint64_t inode, const struct overlay_share *share)
{
	struct overlay_group **slot, *group;

	if (groups->n >= groups->size && grow(groups) < 0)
		return NULL;
	slot = slot_of(groups, device, inode);
	for (group = *slot; group; group = group->next) {
		if (group->device == device && group->inode == inode)
			break;
	}
	if (!group) {
		group = calloc(1, sizeof(*group));
		if (!group)
			return NULL;
		*group = (struct overlay_group){ .next = *slot, .device = device, .inode = inode };
		*slot = group;
		groups->n++;
	}
	group->members++;
	for (int role = 0; role < OVERLAY_ROLE_COUNT; role++)
		group->share.users[role] += share->users[role];
	return group;
}

void overlay_groups_leave(struct overlay_groups *groups, struct overlay_group *group,
			  const struct overlay_share *share)
{
	struct overlay_group **link;

	if (!group)
		return;
	for (int role = 0; role < OVERLAY_ROLE_COUNT; role++)
		group->share.users[role] -= share->users[role];
	if (--group->members > 0)
		return;
	link = slot_of(groups, group->device, group->inode);
	while (*link != group)
		link = &(*link)->next;
	*link = group->next;
	groups->n--;
	free(group);
}
