/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/snapshot.h"
#include "core/strbuf.h"
#include "policies/condition.h"

/*
 * Which cgroups a policy is for. Several lines of one selector are OR, different selectors AND, and
 * a line with _not excludes. Values may be comma-separated where a comma cannot be part of one (all
 * but `match`). Pure.
 */
enum selector_kind {
	SELECTOR_MATCH,	    /* cgroup path, a glob by component ("/batch/" and "**") */
	SELECTOR_UNIT,	    /* systemd unit, a glob: "batch-*.service" */
	SELECTOR_CONTAINER, /* its name or id, a glob; an id may be cut short as Docker does */
	SELECTOR_IMAGE,	    /* "nginx:*", a glob */
	SELECTOR_KIND,	    /* service, scope, slice, container, pod, user, cgroup */
	SELECTOR_USER,	    /* name or uid of the user it belongs to */
	SELECTOR_PROCESS,   /* a glob; true if a process of the cgroup itself has such a name */
	SELECTOR_NAMESPACE, /* "net:own", "user:host", "pid:several", "mnt:4026531840" (its inode)
			     */
	SELECTOR_COUNT,
};

struct selectors;

/* An empty one. -ENOMEM. */
int selectors_new(struct selectors **ret_selectors);
void selectors_free(struct selectors *selectors);
/* Adds one line. -EINVAL with the reason in `reason` (of `size` bytes); -ENOMEM. */
int selectors_add(struct selectors *selectors, enum selector_kind kind, bool not, const char *value,
		  char *reason, size_t size);
/* "match", "unit", …: the key of the policy file; with "_not" for what excludes. Static text. */
const char *selector_name(enum selector_kind kind);
/* True if no line selects (a policy needs one that does; those that exclude do not count). */
bool selectors_is_empty(const struct selectors *selectors);
/* Number of lines of one kind, and the text of one: lives as long as the selectors. */
size_t selectors_count(const struct selectors *selectors, enum selector_kind kind, bool not );
const char *selectors_text(const struct selectors *selectors, enum selector_kind kind, bool not,
			   size_t at);
/* The parts of the inventory it looks at (enum inventory_parts); 0: paths and units are enough. */
unsigned int selectors_inventory(const struct selectors *selectors);
/*
 * Whether a cgroup is selected. OUTCOME_UNKNOWN while the inventory that would say it is not there
 * (yet), or says that it could not look: nothing is done to such a cgroup.
 */
enum outcome selectors_match(const struct selectors *selectors, const struct snapshot *snapshot,
			     uint32_t index);
/*
 * What `match`, `unit` and `kind` alone say of a node, the others taken for true and what they
 * exclude for false: so that a policy that could match is found out also when there is no such
 * cgroup.
 */
bool selectors_could_match(const struct selectors *selectors, const struct node *node);
/*
 * True if `wide` selects at least what `narrow` does, by comparing what is written: what `wide`
 * demands `narrow` demands too, and what `wide` excludes `narrow` excludes too.
 */
bool selectors_cover(const struct selectors *wide, const struct selectors *narrow);
/* All lines as in a policy file, ", " between them. */
void selectors_format(const struct selectors *selectors, struct strbuf *buffer);
