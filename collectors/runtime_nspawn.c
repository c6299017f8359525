// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/config_text.h"
#include "collectors/runtime_private.h"
#include "core/cleanup.h"

/*
 * systemd-machined (systemd 240 to 257, src/machine/machine.c): /run/systemd/machines/NAME with
 * NAME, SCOPE, SERVICE, ROOT, LEADER, CLASS. Virtual machines are there, too: they are none of
 * ours. Beside the files stand links "unit:SCOPE".
 */
struct nspawn {
	struct runtime_pass *pass;
	int fd, error;
};

struct machine {
	struct runtime_pass *pass;
	const char *name;
};

static int parse_machine(struct state_file *file, const char *text, size_t length, void *data)
{
	const struct machine *machine = data;
	char class[32] = "", service[64] = "", place[PATH_MAX] = "", leader[24] = "";
	char scope[STATE_NAME_SIZE] = "";
	const struct config_wanted wanted[] = {
		{ "", "CLASS", class, sizeof(class) }, { "", "SERVICE", service, sizeof(service) },
		{ "", "ROOT", place, sizeof(place) },  { "", "LEADER", leader, sizeof(leader) },
		{ "", "SCOPE", scope, sizeof(scope) }, { 0 },
	};
	struct container container = { .id = machine->name,
				       .runtime = "systemd-nspawn",
				       .name = machine->name,
				       .state = "running",
				       .source = file->path };

	(void)length;
	config_parse(text, wanted);
	if (strcmp(class, "container") != 0)
		return 0;
	if (strcmp(service, "libvirt-lxc") == 0)
		container.runtime = "libvirt-lxc";
	container.mount = *place ? place : NULL;
	container.pid = runtime_pid(strtoll(leader, NULL, 10));
	if (!*scope || !runtime_pid_valid(machine->pass->root, container.pid, scope)) {
		container.pid = 0;
		container.state = NULL;
	}
	return state_file_add(file, &container) ? 0 : -ENOMEM;
}

static int read_machine(void *data, const char *name, unsigned char type)
{
	struct nspawn *nspawn = data;
	struct machine machine = { nspawn->pass, name };
	struct state_source source = { .dir_fd = nspawn->fd,
				       .name = name,
				       .limit = STATE_FILE_MAX,
				       .parse = parse_machine,
				       .data = &machine };
	int r;

	if (type != DT_REG && type != DT_UNKNOWN)
		return 0;
	source.path = arena_format(&nspawn->pass->set->arena, "/run/systemd/machines/%s", name);
	if (!source.path)
		return nspawn->error = -ENOMEM;
	r = runtime_add_source(nspawn->pass, &source);
	nspawn->error = r < 0 ? r : 0;
	return nspawn->error;
}

int runtime_nspawn_read(struct runtime_pass *pass)
{
	_cleanup_(closep) int fd = state_dir_open(pass->root, "/run/systemd/machines");
	struct nspawn nspawn = { .pass = pass, .fd = fd };

	if (fd < 0)
		return 0;
	(void)state_dir_each(fd, read_machine, &nspawn);
	return nspawn.error;
}
