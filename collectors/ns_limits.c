// SPDX-License-Identifier: MIT
#include "collectors/ns_private.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * What include/linux/user_namespace.h calls ucounts: a new namespace counts for its maker in the
 * user namespace that owns it, and in each user namespace above for whoever made the one below. The
 * kernel does not tell the maker: the owner of the user namespace is taken for it.
 */

/* Limits of other user namespaces are seldom written and cost a process to read. */
static const uint64_t limits_last_ns = UINT64_C(30000000000);

struct charge {
	enum ns_type type;
	uint32_t user_ns;
	uid_t uid;
};

struct charges {
	struct charge *list;
	size_t n, capacity;
};

static int add_charge(struct charges *charges, struct charge charge)
{
	size_t capacity = charges->capacity ? charges->capacity * 2 : 256;
	struct charge *grown;

	if (charges->n == charges->capacity) {
		grown = realloc(charges->list, capacity * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		charges->list = grown;
		charges->capacity = capacity;
	}
	charges->list[charges->n++] = charge;
	return 0;
}

/* The kernel was born with it, so it counts nowhere. */
static bool is_free(const struct ns_namespace *ns)
{
	return ns_is_initial(ns->type, ns->inode) || (ns->type == NS_NET && ns->host);
}

static int charge(const struct namespaces *set, const struct ns_namespace *ns,
		  struct charges *charges)
{
	uint32_t user = ns->type == NS_USER ? ns->parent : ns->owner;
	uid_t uid = ns->owner_uid;
	bool known = ns->owner_known;
	int r = 0;

	if (is_free(ns))
		return 0;
	while (user != NS_NONE && known && r == 0) {
		const struct ns_namespace *above = &set->list[user];

		r = add_charge(charges, (struct charge){ ns->type, user, uid });
		uid = above->owner_uid;
		known = above->owner_known;
		user = above->parent;
	}
	return r;
}

static int compare_charges(const void *a, const void *b)
{
	const struct charge *x = a, *y = b;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->user_ns != y->user_ns)
		return x->user_ns < y->user_ns ? -1 : 1;
	return (x->uid > y->uid) - (x->uid < y->uid);
}

static int compare_limits(const void *a, const void *b)
{
	const struct ns_limit *x = a, *y = b;
	double p = ns_limit_ratio(x), q = ns_limit_ratio(y);

	if (p != q)
		return p > q ? -1 : 1;
	if (x->used != y->used)
		return x->used > y->used ? -1 : 1;
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->user_ns != y->user_ns)
		return x->user_ns < y->user_ns ? -1 : 1;
	return (x->uid > y->uid) - (x->uid < y->uid);
}

/*
 * A type that nobody made one of has nothing to count; but that the limit is far away is worth
 * saying too, or what waits for that would wait for ever.
 */
static void add_unused(struct namespaces *set)
{
	uint32_t n = set->n_limits;

	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		bool used = set->first[type] == set->first[type + 1];

		for (uint32_t i = 0; i < n && !used; i++)
			used = (int)set->limits[i].type == type &&
			       set->limits[i].user_ns == set->host[NS_USER];
		if (!used)
			set->limits[set->n_limits++] = (struct ns_limit){
				.type = (enum ns_type)type, .user_ns = set->host[NS_USER]
			};
	}
}

static int count(struct namespaces *set, struct charges *charges)
{
	if (charges->n > 0)
		qsort(charges->list, charges->n, sizeof(*charges->list), compare_charges);
	set->limits = arena_array(&set->arena, charges->n + NS_TYPE_COUNT, sizeof(*set->limits));
	if (!set->limits)
		return -ENOMEM;
	for (size_t i = 0; i < charges->n; i++) {
		const struct charge *one = &charges->list[i];

		if (i == 0 || compare_charges(one, one - 1) != 0)
			set->limits[set->n_limits++] = (struct ns_limit){ .type = one->type,
									  .user_ns = one->user_ns,
									  .uid = one->uid };
		set->limits[set->n_limits - 1].used++;
	}
	return 0;
}

/* Our own are always read, others with the details. */
static void read_limits(struct ns_scanner *scanner, struct ns_known *user)
{
	const struct ns_task *self = ns_task_find(scanner, getpid());

	if (self && self->ns[NS_USER] == user) {
		ns_own_limits(scanner, user->limits);
		user->limits_ns = scanner->boottime_ns;
	} else if (scanner->flags & NS_SCAN_DETAILS &&
		   (!user->limits_ns || scanner->boottime_ns - user->limits_ns >= limits_last_ns)) {
		user->limits_ns = 0;
		if (ns_inside_limits(scanner, user, user->limits) == 0)
			user->limits_ns = scanner->boottime_ns;
	}
}

static void find_limits(struct ns_scanner *scanner, struct namespaces *set)
{
	uint32_t first = set->first[NS_USER], n = set->first[NS_USER + 1] - first;
	bool *wanted = calloc(n ? n : 1, sizeof(*wanted));

	if (!wanted)
		return;
	for (uint32_t i = 0; i < set->n_limits; i++)
		wanted[set->limits[i].user_ns - first] = true;
	for (uint32_t i = 0; i < n && scanner->live && ns_stopped(scanner) == 0; i++) {
		if (wanted[i])
			read_limits(scanner, scanner->seen[first + i]);
	}
	free(wanted);
	for (uint32_t i = 0; i < set->n_limits; i++) {
		struct ns_limit *limit = &set->limits[i];
		const struct ns_known *user = scanner->seen[limit->user_ns];

		limit->limit_known = user->limits_ns &&
				     user->limits[limit->type] != NS_LIMIT_UNKNOWN;
		limit->limit = limit->limit_known ? user->limits[limit->type] : 0;
	}
}

int ns_limits_read(struct ns_scanner *scanner, struct namespaces *set)
{
	struct charges charges = { 0 };
	int r = 0;

	for (uint32_t i = 0; i < set->n && r == 0; i++)
		r = charge(set, &set->list[i], &charges);
	if (r == 0)
		r = count(set, &charges);
	free(charges.list);
	if (r < 0)
		return r;
	if (scanner->live && set->host[NS_USER] != NS_NONE)
		add_unused(set);
	find_limits(scanner, set);
	if (set->n_limits > 1)
		qsort(set->limits, set->n_limits, sizeof(*set->limits), compare_limits);
	return 0;
}
