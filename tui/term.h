/* SPDX-License-Identifier: MIT */
#pragma once

#include "tui/canvas.h"
#include "tui/keymap.h"

/* The terminal: the only module that knows curses. There is one at a time. */
struct terminal;

/*
 * Takes standard input and output over. -ENOTTY if they are no terminal, -ENODEV if TERM is not
 * known or cannot place a cursor, -ENOMEM.
 */
int term_open(bool no_color, struct terminal **ret_term);
/* Gives the terminal back as it was. */
void term_close(struct terminal *term);
void term_get_size(int *ret_width, int *ret_height);
/* Asks the kernel for the size and lets curses know. */
void term_resize(struct terminal *term);
/* True if the locale can write more than ASCII. */
bool term_is_utf8(void);
/* Copies what differs from the canvas shown before; with `repaint`, all. */
void term_show(struct terminal *term, const struct canvas *canvas, bool repaint);
/* The next key that is there already. False if there is none. */
bool term_read_key(struct terminal *term, struct key_event *ret_event);
/* Gives the terminal to the shell, stops, and takes it again. */
void term_suspend(struct terminal *term);
