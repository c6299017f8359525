/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A machine made of plain files, for the tests of the collectors: a temporary directory with a proc
 * and a sys in it, as `root_new(directory)` takes it. Steps that fail end the test.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/root.h"

struct fake_machine {
	char dir[64];
};

static inline void machine_path(const struct fake_machine *machine, const char *path,
				char out[4096])
{
	assert_true(snprintf(out, 4096, "%s/%s", machine->dir, path) < 4096);
}

static inline void machine_mkdir(const struct fake_machine *machine, const char *path)
{
	char full[4096];

	machine_path(machine, path, full);
	for (char *at = strchr(full + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(full, 0755) < 0)
			assert_int_equal(errno, EEXIST);
		*at = '/';
	}
	if (mkdir(full, 0755) < 0)
		assert_int_equal(errno, EEXIST);
}

static inline void machine_write_bytes(const struct fake_machine *machine, const char *path,
				       const char *data, size_t length)
{
	char full[4096], *slash;
	FILE *file;

	machine_path(machine, path, full);
	slash = strrchr(full, '/');
	*slash = '\0';
	machine_mkdir(machine, full + strlen(machine->dir) + 1);
	*slash = '/';
	/* Written over in place: a kept descriptor goes on with the file, as with the kernel's. */
	file = fopen(full, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static inline void machine_write(const struct fake_machine *machine, const char *path,
				 const char *text)
{
	machine_write_bytes(machine, path, text, strlen(text));
}

static inline int machine_remove_one(const char *path, const struct stat *info, int flag,
				     struct FTW *ftw)
{
	(void)info;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void machine_remove(const struct fake_machine *machine, const char *path)
{
	char full[4096];

	machine_path(machine, path, full);
	assert_int_equal(nftw(full, machine_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline void machine_rename(const struct fake_machine *machine, const char *from,
				  const char *to)
{
	char a[4096], b[4096];

	machine_path(machine, from, a);
	machine_path(machine, to, b);
	assert_int_equal(rename(a, b), 0);
}

static inline void machine_init(struct fake_machine *machine)
{
	strcpy(machine->dir, "/tmp/cgwatch-test-XXXXXX");
	assert_non_null(mkdtemp(machine->dir));
	machine_mkdir(machine, "proc/self");
	machine_mkdir(machine, "sys/fs/cgroup");
}

static inline void machine_done(struct fake_machine *machine)
{
	assert_int_equal(nftw(machine->dir, machine_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline struct root *machine_root(const struct fake_machine *machine)
{
	struct root *root = NULL;

	assert_int_equal(root_new(machine->dir, &root), 0);
	assert_true(root_is_recorded(root));
	return root;
}
