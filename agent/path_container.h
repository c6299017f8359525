/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/container.h"
#include "core/strbuf.h"

/*
 * Appends the name of the container that a cgroup path is or lies in: its name if the runtime's
 * records (may be NULL) have one, else the first twelve characters of its id. False if it is in
 * none.
 */
bool path_container_name(const struct containers *containers, const char *cgroup,
			 struct strbuf *out);
/* The name of a container with that id, the same way. */
void container_add_name(const struct containers *containers, const char *id, struct strbuf *out);
