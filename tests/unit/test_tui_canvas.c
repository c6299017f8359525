// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "test_tui_scene.h"

static void test_canvas_clips(void **state)
{
	_cleanup_(canvas_done) struct canvas canvas;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	assert_int_equal(canvas_init(&canvas, 10, 3, false), 0);
	assert_int_equal(canvas_text(&canvas, 7, 0, 20, "abcdef", 0), 6);
	canvas_text(&canvas, -2, 1, 20, "abcdef", 0);
	canvas_text(&canvas, 0, -1, 20, "x", 0);
	canvas_text(&canvas, 0, 3, 20, "x", 0);
	canvas_set_clip(&canvas, (struct rect){ 2, 2, 3, 9 });
	canvas_text(&canvas, 0, 2, 20, "0123456789", ROLE_BAD);
	canvas_mark(&canvas, 0, 2, 10, STYLE_SELECTED);
	row_text(&canvas, 0, &text);
	assert_string_equal(text.data, "       abc");
	row_text(&canvas, 1, &text);
	assert_string_equal(text.data, "cdef");
	row_text(&canvas, 2, &text);
	assert_string_equal(text.data, "  234");
	assert_int_equal(canvas_cell(&canvas, 4, 2)->style, ROLE_BAD | STYLE_SELECTED);
	assert_int_equal(canvas_cell(&canvas, 5, 2)->style, ROLE_DEFAULT);
}

static void test_canvas_wide(void **state)
{
	_cleanup_(canvas_done) struct canvas canvas;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	assert_int_equal(canvas_init(&canvas, 8, 4, false), 0);
	assert_int_equal(canvas_text_width(&canvas, "a日b"), 4);
	/* Half of a character does not fit. */
	assert_int_equal(canvas_text(&canvas, 0, 0, 3, "日本", 0), 2);
	/* At the clip's edge as well. */
	canvas_text(&canvas, 5, 1, 9, "日本", 0);
	row_text(&canvas, 1, &text);
	assert_string_equal(text.data, "     日");
	/* Drawing over either half leaves a blank for the other. */
	canvas_text(&canvas, 0, 2, 8, "日本日", 0);
	canvas_text(&canvas, 1, 2, 1, "x", 0);
	canvas_text(&canvas, 2, 2, 1, "y", 0);
	row_text(&canvas, 2, &text);
	assert_string_equal(text.data, " xy 日");
	assert_int_equal(canvas_cell(&canvas, 4, 2)->width, 2);
	assert_int_equal(canvas_cell(&canvas, 5, 2)->width, 0);
	canvas_text(&canvas, 5, 2, 2, "日", 0);
	row_text(&canvas, 2, &text);
	assert_string_equal(text.data, " xy  日");
	/* Marks stay on their letter, and there is an end to them. */
	assert_int_equal(canvas_text(&canvas, 0, 3, 8, "\xcc\x81 e\xcc\x81\xcc\x81\xcc\x81!", 0),
			 3);
	assert_int_equal(canvas_cell(&canvas, 0, 3)->codes[1], 0);
	assert_int_equal(canvas_cell(&canvas, 1, 3)->codes[1], 0x301);
	assert_int_equal(canvas_cell(&canvas, 2, 3)->codes[0], '!');
}

static void test_canvas_cuts(void **state)
{
	_cleanup_(canvas_done) struct canvas canvas;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	assert_int_equal(canvas_init(&canvas, 8, 4, false), 0);
	assert_int_equal(canvas_text_cut(&canvas, 0, 0, 5, "abcdef", CUT_END, 0), 5);
	assert_int_equal(canvas_text_cut(&canvas, 0, 1, 5, "abcdef", CUT_START, 0), 5);
	assert_int_equal(canvas_text_cut(&canvas, 0, 2, 6, "日本日本", CUT_START, 0), 5);
	canvas_text_right(&canvas, 0, 3, 8, "日x", 0);
	row_text(&canvas, 0, &text);
	assert_string_equal(text.data, "abcd…");
	row_text(&canvas, 1, &text);
	assert_string_equal(text.data, "…cdef");
	row_text(&canvas, 2, &text);
	assert_string_equal(text.data, "…日本");
	row_text(&canvas, 3, &text);
	assert_string_equal(text.data, "     日x");
	assert_int_equal(canvas_text_fit(&canvas, "日本日", 5), 6);
	assert_int_equal(canvas_text_fit(&canvas, "日", 1), 3);
	assert_int_equal(canvas_text_cut(&canvas, 0, 0, 0, "abc", CUT_END, 0), 0);
}

static void test_canvas_unsafe_bytes(void **state)
{
	_cleanup_(canvas_done) struct canvas canvas, ascii;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	assert_int_equal(canvas_init(&canvas, 30, 2, false), 0);
	assert_int_equal(canvas_init(&ascii, 30, 2, true), 0);
	/* ESC, DEL, C1, a lone byte, a variation selector, a tag. */
	assert_int_equal(canvas_text(&canvas, 0, 0, 30,
				     "a\x1b\x7f\xc2\x9b\xff\xef\xb8\x8f\xf3\xa0\x81\xa1z", 0),
			 8);
	row_text(&canvas, 0, &text);
	assert_string_equal(text.data, "a������z");
	canvas_text(&ascii, 0, 0, 30, "é日\xff\x1b", 0);
	row_text(&ascii, 0, &text);
	assert_string_equal(text.data, "\\u00e9\\u65e5??");
	assert_int_equal(canvas_text_width(&ascii, "é"), 6);
	canvas_text_cut(&ascii, 0, 1, 4, "abcdef", CUT_END, 0);
	row_text(&ascii, 1, &text);
	assert_string_equal(text.data, "abc~");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canvas_clips),
		cmocka_unit_test(test_canvas_wide),
		cmocka_unit_test(test_canvas_cuts),
		cmocka_unit_test(test_canvas_unsafe_bytes),
	};

	/* Widths of characters come from the locale. */
	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
