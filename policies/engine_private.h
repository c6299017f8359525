/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/engine.h"

/* The state of one cgroup under one policy; exists only while it is not idle. */
struct track {
	struct node *node; /* owned reference */
	enum engine_phase phase;
	unsigned int held; /* a bit for each rung */
	uint64_t lease_until[POLICY_STEPS_MAX];
	uint64_t breach_since, clear_since, held_since;
	uint64_t rung_since;   /* the last rung was applied or undone */
	uint64_t settle_until; /* rates still speak of the time when it was frozen */
	uint64_t retry_at;     /* the enforcer failed: not before this */
	uint64_t cooldown_until;
	int last_error;
};

/* One policy and the nodes of the present tree that it matches, in their order. */
struct watch {
	const struct policy *policy;
	uint32_t n;
	uint32_t *indices;
	struct track **tracks; /* beside indices; NULL where idle */
};

struct engine {
	uint64_t interval;
	struct policy_set *set;
	struct watch *watches;
	size_t n_watches;
	uint64_t generation; /* of the tree that `indices` speak of */
	bool matched;	     /* indices are those of `generation` */
	uint64_t last_now;
};

enum {
	ENGINE_RETRY_USEC = 10000000,
	/* Ticks of a busy machine come late: no shorter pause of them is a gap. */
	ENGINE_GAP_USEC = 10000000,
};

/* The highest rung that is held plus one; 0 if none is. */
static inline unsigned int track_next_rung(const struct track *track)
{
	return track->held ? (unsigned int)(32 - __builtin_clz(track->held)) : 0;
}

/* The track of a node under a policy, or NULL. */
struct track *engine_find(const struct engine *engine, const char *policy, uint64_t serial);
void track_free(struct track *track);
/* Brings a track from held into cooldown of at least `least`. */
void track_cool_down(struct track *track, const struct policy *policy, uint64_t now,
		     uint64_t least);
/* Adds one decision; `why` is copied. 0 or -ENOMEM. */
int engine_decide(struct decisions *decisions, enum decision_op op, const struct policy *policy,
		  const struct track *track, unsigned int step, const char *why);
/* Adds the release of every rung that is held, the highest first. */
int engine_decide_release(struct decisions *decisions, const struct policy *policy,
			  const struct track *track, const char *why);
/* Brings indices and tracks to a new tree: what held a cgroup that is gone is released. */
int engine_match(struct engine *engine, const struct snapshot *snapshot,
		 struct decisions *decisions);
