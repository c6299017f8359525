/* SPDX-License-Identifier: MIT */
#pragma once

#include "test_tui_scene.h"

#ifndef CGWATCH_SOURCE_DIR
#define CGWATCH_SOURCE_DIR "."
#endif

/* Drawn screens against the ones in tests/golden; UPDATE_GOLDEN=1 writes them anew. */

static inline void write_golden(const char *path, const struct strbuf *text)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text->data, 1, text->length, file), text->length);
}

static inline void compare_golden(const char *path, const struct strbuf *text)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "r");
	_cleanup_(freep) char *expected = NULL;
	size_t capacity = 0;
	ssize_t length;

	if (!file)
		fail_msg("%s is missing: run with UPDATE_GOLDEN=1", path);
	length = getdelim(&expected, &capacity, EOF, file);
	if (length != (ssize_t)text->length || memcmp(expected, text->data, text->length) != 0)
		fail_msg("%s differs; this is drawn now:\n%s", path, text->data);
}

static inline void check_golden(struct scene *scene, const char *name)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	char path[512];

	app_draw(&scene->app, &scene->canvas);
	dump(&scene->canvas, &text);
	assert_false(text.failed);
	snprintf(path, sizeof(path), "%s/tests/golden/tui-%s.txt", CGWATCH_SOURCE_DIR, name);
	if (getenv("UPDATE_GOLDEN"))
		write_golden(path, &text);
	else
		compare_golden(path, &text);
}
