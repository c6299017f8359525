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
	/*
	 * The unit of a cgroup (GetUnitByControlGroup), and whether the cgroup lies below the
	 * unit's own and is given away by it (Delegate=). -ENOENT: none, or it lies below a unit
	 * that knows nothing of it.
	 */
	int (*find)(void *data, const char *path, char **ret_unit, bool *ret_delegated);
	/*
	 * One property by its name in D-Bus. `text` is used where it is no number: a list of CPUs,
	 * the device ("8:0") whose limit `number` is, or lines of "8:0 LIMIT" when it is read.
	 */
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
 * False where systemd has no cgroups for units at all: the freezer and cpuset of v1. What is there
 * by a unit's name, somebody else made (CGROUP_DELEGATION.md, "Controller Support"): the file may
 * be written.
 */
bool unit_bus_manages(enum knob_id knob, bool v2);
/*
 * Makes of a new CPU quota the whole percents of a core that systemd's own files can hold, rounded
 * up: a finer one would change at the next daemon-reload. Other knobs stay as they are. Not for
 * what is put back.
 */
void unit_bus_round(enum knob_id knob, struct knob_value *value);
/*
 * Sets the value; systemd writes the file. -errno with the reason for people in `reason`.
 * KNOB_FREEZE is FreezeUnit/ThawUnit: -ETIMEDOUT if it did not freeze; then it was thawed again.
 * See unit_bus_round() for quotas.
 */
int unit_bus_set(struct unit_bus *bus, const char *unit, enum knob_id knob, bool v2,
		 const struct knob_value *value, char *reason, size_t size);
/*
 * What systemd has for it; so that a change somebody made through systemd that the file does not
 * show yet is seen, and for the journal. In the file's words: a weight that is not set is the
 * kernel's, a quota comes with its period. Of KNOB_IO_MAX, ret_value->text says which device.
 * -errno.
 */
int unit_bus_get(struct unit_bus *bus, const char *unit, enum knob_id knob, bool v2,
		 struct knob_value *ret_value);
