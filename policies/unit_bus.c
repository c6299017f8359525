// SPDX-License-Identifier: MIT
#include "policies/unit_bus.h"

#include <errno.h>
#include <stdlib.h>

struct unit_bus {
	const struct unit_io *io;
};

int unit_bus_new(const struct unit_io *io, struct unit_bus **ret_bus)
{
	struct unit_bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return -ENOMEM;
	bus->io = io;
	*ret_bus = bus;
	return 0;
}

void unit_bus_free(struct unit_bus *bus)
{
	free(bus);
}

int unit_bus_find(struct unit_bus *bus, const char *path, char **ret_unit)
{
	(void)bus;
	(void)path;
	(void)ret_unit;
	return -ENOENT;
}

bool unit_bus_has(enum knob_id knob, bool v2)
{
	(void)knob;
	(void)v2;
	return false;
}

int unit_bus_set(struct unit_bus *bus, const char *unit, enum knob_id knob, bool v2,
		 const struct knob_value *value, char *reason, size_t size)
{
	(void)bus;
	(void)unit;
	(void)knob;
	(void)v2;
	(void)value;
	(void)reason;
	(void)size;
	return -EOPNOTSUPP;
}

int unit_bus_get(struct unit_bus *bus, const char *unit, enum knob_id knob, bool v2,
		 struct knob_value *ret_value)
{
	(void)bus;
	(void)unit;
	(void)knob;
	(void)v2;
	(void)ret_value;
	return -EOPNOTSUPP;
}
