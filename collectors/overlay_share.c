// SPDX-License-Identifier: MIT
#include "collectors/overlay_share.h"

#include <errno.h>
#include <stdlib.h>

#include "core/cleanup.h"

struct slot {
	const struct overlay_place *place; /* the first that was found; NULL: empty */
	const struct overlay_body *last;   /* counted as a user already */
	struct overlay_share share;
};

struct overlay_shares {
	struct slot *slots;
	size_t size; /* a power of 2 */
};

/* Directories that were found are compared by inode, the others by place. */
static bool same(const struct overlay_place *a, const struct overlay_place *b)
{
	if (a == b)
		return true;
	return a->state == 0 && b->state == 0 && a->device == b->device && a->inode == b->inode;
}

static size_t hash_of(const struct overlay_place *place)
{
	uint64_t hash = place->state == 0 ? place->inode ^ (uint64_t)place->device << 32
					  : (uint64_t)(uintptr_t)place;

	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(hash ^ hash >> 32);
}

static struct slot *find(const struct overlay_shares *shares, const struct overlay_place *place)
{
	size_t at = hash_of(place) & (shares->size - 1);

	while (shares->slots[at].place && !same(shares->slots[at].place, place))
		at = (at + 1) & (shares->size - 1);
	return &shares->slots[at];
}

static struct overlay_share *count(struct overlay_shares *shares, const struct overlay_body *body,
				   const struct overlay_place *place)
{
	struct slot *slot = find(shares, place);

	slot->place = place;
	if (slot->last != body)
		slot->share.users++;
	slot->last = body;
	return &slot->share;
}

static void count_body(struct overlay_shares *shares, const struct overlay_body *body)
{
	for (size_t i = 0; body->places && i < body->options.n_layers; i++) {
		if (!body->places[i])
			continue;
		if (body->options.layers[i].kind == OVERLAY_UPPER)
			count(shares, body, body->places[i])->uppers++;
		else
			count(shares, body, body->places[i])->lowers++;
	}
	if (body->work)
		find(shares, body->work)->place = body->work;
	if (body->work)
		find(shares, body->work)->share.works++;
}

int overlay_shares_new(struct overlay_body *const *bodies, size_t n,
		       struct overlay_shares **ret_shares)
{
	struct overlay_shares *shares = calloc(1, sizeof(*shares));
	size_t places = 1;

	if (!shares)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		places += bodies[i]->options.n_layers + 1;
	for (shares->size = 16; shares->size < 2 * places;)
		shares->size *= 2;
	shares->slots = calloc(shares->size, sizeof(*shares->slots));
	if (!shares->slots) {
		free(shares);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		count_body(shares, bodies[i]);
	*ret_shares = shares;
	return 0;
}

void overlay_shares_free(struct overlay_shares *shares)
{
	if (!shares)
		return;
	free(shares->slots);
	free(shares);
}

struct overlay_share overlay_shares_of(const struct overlay_shares *shares,
				       const struct overlay_place *place)
{
	return place ? find(shares, place)->share : (struct overlay_share){ 0 };
}
