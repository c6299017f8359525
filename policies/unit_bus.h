/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/knob.h"

/*
 * Changes to what systemd manages, through systemd (org.freedesktop.systemd1, SetUnitProperties
 * with runtime=true; FreezeUnit, ThawUnit): written behind its back they would be undone at its
 * next look (CGROUP_DELEGATION.md). One thread uses a bus at a time.
 */
struct unit_bus;

/* How systemd is asked; for tests that have none. All return 0 or -errno. */
struct unit_io {
	/* The unit of a cgroup (GetUnitByControlGroup) and whether it is delegated; -ENOENT: none.
	 */
	int (*find)(void *data, const char *path, char **ret_unit, bool *ret_delegated);
	/* One property by its name in D-Bus; `text` is used where it is no number. */
	int (*set)(void *data, const char *unit, const char *property, uint64_t number,
		   const char *text, char *reason, size_t size);
	int (*get)(void *data, const char *unit, const char *property, uint64_t *ret_number,
		   char **ret_text);
	int (*freeze)(void *data, const char *unit, bool freeze);
	void *data;
};

/*
 * Connects at the first use. `io` NULL: the system bus. Where systemd is not process 1 every cgroup
 * is nobody's. 0 or -ENOMEM.
 */
int unit_bus_new(const struct unit_io *io, struct unit_bus **ret_bus);
void unit_bus_free(struct unit_bus *bus);
/*
 * The unit to be asked for changes to the cgroup at `path`. -ENOENT: systemd does not manage it (or
 * has given it away, Delegate=, and it lies below the unit's own cgroup): write the file. Another
 * -errno: it cannot be told, so nothing may be written. The caller frees.
 */
int unit_bus_find(struct unit_bus *bus, const char *path, char **ret_unit);
/*
 * True if that knob has a property. If not, nothing is written to a unit's cgroup and the reason
 * says so; container scopes are the exception (as runc does, the file for what systemd does not
 * know).
 */
bool unit_bus_has(enum knob_id knob, bool v2);
/*
 * Sets the value; systemd writes the file. -errno with the reason for people in `reason`.
 * KNOB_FREEZE is FreezeUnit/ThawUnit. CPU quotas become whole percents per second as systemd rounds
 * them.
 */
int unit_bus_set(struct unit_bus *bus, const char *unit, enum knob_id knob, bool v2,
		 const struct knob_value *value, char *reason, size_t size);
/*
 * What systemd has for it; so that a change somebody made through systemd that the file does not
 * show yet is seen, and for the journal.
 */
int unit_bus_get(struct unit_bus *bus, const char *unit, enum knob_id knob, bool v2,
		 struct knob_value *ret_value);
