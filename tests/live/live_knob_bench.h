/* SPDX-License-Identifier: MIT */
#pragma once

/* What the live tests of the write path share: knobs on the live hierarchies, all files counted. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "live.h"
#include "policies/manual.h"

enum { MIB = 1 << 20 };

/* One knob context on the live hierarchies, with what goes through it counted. */
struct bench {
	struct live *live;
	struct root *root;
	struct hierarchies *hierarchies;
	struct knob_context context;
	struct knob_io io;
	unsigned int writes;
	const char *vanish; /* this cgroup is removed before the next read */
	unsigned int n_steps;
	struct knob_value steps[64];
};

static inline int counted_read(void *data, int dir_fd, const char *file, struct strbuf *ret_text)
{
	struct bench *bench = data;

	if (bench->vanish) {
		live_remove(bench->live, bench->vanish);
		bench->vanish = NULL;
	}
	return read_file_at(dir_fd, file, ret_text);
}

static inline int counted_write(void *data, int dir_fd, const char *file, const char *text,
				bool nonblock)
{
	_cleanup_(closep) int fd = openat(dir_fd, file,
					  O_WRONLY | O_CLOEXEC | (nonblock ? O_NONBLOCK : 0));
	struct bench *bench = data;

	bench->writes++;
	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static inline void begin(struct bench *bench, void **state)
{
	memset(bench, 0, sizeof(*bench));
	bench->live = *state;
	assert_int_equal(root_new(NULL, &bench->root), 0);
	assert_int_equal(hierarchies_new(bench->root, &bench->hierarchies), 0);
	bench->io = (struct knob_io){ counted_read, counted_write, bench };
	bench->context = (struct knob_context){ .root = bench->root,
						.hierarchies = bench->hierarchies,
						.timeout_ms = 10000,
						.io = &bench->io };
}

static inline void end(struct bench *bench)
{
	hierarchies_free(bench->hierarchies);
	root_free(bench->root);
}

/* Made if it is not there. In v2 a parent must pass the controllers on. */
static inline struct node *make(struct bench *bench, const char *name)
{
	char path[256];
	struct node *node;
	uint32_t depth = 0;

	live_cgroup(bench->live, name);
	snprintf(path, sizeof(path), "%s/%s", bench->live->top, name);
	for (const char *at = path; *at; at++)
		depth += *at == '/';
	node = node_new(path, depth, bench->hierarchies->n);
	assert_non_null(node);
	for (unsigned int i = 0; i < bench->hierarchies->n; i++) {
		struct stat status;

		if (fstatat(bench->hierarchies->list[i].fd, path + 1, &status, 0) == 0)
			node->ids[i] = status.st_ino;
	}
	return node;
}

static inline void pass_on(struct bench *bench, const char *name)
{
	if (bench->live->v2)
		assert_int_equal(
			live_write(bench->live, "", name, "cgroup.subtree_control", "+cpu +memory"),
			0);
}

static inline void expect(struct bench *bench, const char *controller, const char *name,
			  const char *file, const char *content)
{
	_cleanup_(freep) char *text = live_read(bench->live, controller, name, file);

	assert_non_null(text);
	assert_string_equal(text, content);
}

static inline void expect_quota(struct bench *bench, const char *name, const char *v1,
				const char *v2)
{
	expect(bench, "cpu", name, bench->live->v2 ? "cpu.max" : "cpu.cfs_quota_us",
	       bench->live->v2 ? v2 : v1);
}

static inline int set(struct bench *bench, struct node *node, const char *assignment,
		      struct knob_result *ret)
{
	int r = manual_set(&bench->context, node, assignment, ret);

	if (getenv("CGWATCH_TEST_LOG"))
		fprintf(stderr, "%s %s: %d: %s\n", node->path, assignment, r, ret->text);
	return r;
}
