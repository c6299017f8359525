// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#define NCURSES_WIDECHAR 1
#include "tui/term.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "tui/signals.h"
#include "tui/theme.h"

#define ESCAPE_DELAY_MS 25

struct terminal {
	SCREEN *screen;
	enum theme_level level;
	struct canvas front; /* what the terminal shows; no cells: not known */
	struct termios modes;
};

static const struct {
	int theirs;
	uint32_t ours;
} keys[] = {
	{ KEY_UP, K_UP },
	{ KEY_DOWN, K_DOWN },
	{ KEY_LEFT, K_LEFT },
	{ KEY_RIGHT, K_RIGHT },
	{ KEY_SR, K_SHIFT_UP },
	{ KEY_SF, K_SHIFT_DOWN },
	{ KEY_SLEFT, K_SHIFT_LEFT },
	{ KEY_SRIGHT, K_SHIFT_RIGHT },
	{ KEY_PPAGE, K_PAGE_UP },
	{ KEY_NPAGE, K_PAGE_DOWN },
	{ KEY_HOME, K_HOME },
	{ KEY_END, K_END },
	{ KEY_IC, K_INSERT },
	{ KEY_DC, K_DELETE },
	{ KEY_BTAB, K_SHIFT_TAB },
	{ KEY_BACKSPACE, K_BACKSPACE },
	{ KEY_ENTER, K_ENTER },
	{ KEY_RESIZE, K_RESIZE },
	{ KEY_A1, K_HOME },
	{ KEY_A3, K_PAGE_UP },
	{ KEY_C1, K_END },
	{ KEY_C3, K_PAGE_DOWN },
};

/*
 * Sequences that terminals send for these keys although terminfo says another one: a program inside
 * tmux with the outer TERM, the linux console over ssh, keypads in either mode.
 */
static const struct {
	const char *bytes;
	int key;
} sequences[] = {
	{ "\033[A", KEY_UP },	    { "\033OA", KEY_UP },      { "\033[B", KEY_DOWN },
	{ "\033OB", KEY_DOWN },	    { "\033[C", KEY_RIGHT },   { "\033OC", KEY_RIGHT },
	{ "\033[D", KEY_LEFT },	    { "\033OD", KEY_LEFT },    { "\033[H", KEY_HOME },
	{ "\033OH", KEY_HOME },	    { "\033[1~", KEY_HOME },   { "\033[7~", KEY_HOME },
	{ "\033[F", KEY_END },	    { "\033OF", KEY_END },     { "\033[4~", KEY_END },
	{ "\033[8~", KEY_END },	    { "\033[2~", KEY_IC },     { "\033[3~", KEY_DC },
	{ "\033[5~", KEY_PPAGE },   { "\033[6~", KEY_NPAGE },  { "\033[Z", KEY_BTAB },
	{ "\033[1;2A", KEY_SR },    { "\033[1;2B", KEY_SF },   { "\033[1;2C", KEY_SRIGHT },
	{ "\033[1;2D", KEY_SLEFT }, { "\033OP", KEY_F(1) },    { "\033OQ", KEY_F(2) },
	{ "\033OR", KEY_F(3) },	    { "\033OS", KEY_F(4) },    { "\033[11~", KEY_F(1) },
	{ "\033[12~", KEY_F(2) },   { "\033[13~", KEY_F(3) },  { "\033[14~", KEY_F(4) },
	{ "\033[[A", KEY_F(1) },    { "\033[[B", KEY_F(2) },   { "\033[[C", KEY_F(3) },
	{ "\033[[D", KEY_F(4) },    { "\033[[E", KEY_F(5) },   { "\033[15~", KEY_F(5) },
	{ "\033[17~", KEY_F(6) },   { "\033[18~", KEY_F(7) },  { "\033[19~", KEY_F(8) },
	{ "\033[20~", KEY_F(9) },   { "\033[21~", KEY_F(10) }, { "\033[23~", KEY_F(11) },
	{ "\033[24~", KEY_F(12) },
};

/* tputs() hands its bytes to a function without an argument. */
static struct {
	char bytes[256];
	size_t length;
} gathered;

static int gather(int c)
{
	if (gathered.length < sizeof(gathered.bytes))
		gathered.bytes[gathered.length++] = (char)c;
	return c;
}

/* What brings the terminal back without curses, for fatal signals. */
static void arm_rescue(const struct terminal *term, bool mouse)
{
	static const char *const names[] = { "sgr0", "op", "rmkx", "cnorm", "rmcup" };
	static const char mouse_off[] = "\033[?1006l\033[?1000l";

	gathered.length = 0;
	for (size_t i = 0; mouse && i < sizeof(mouse_off) - 1; i++)
		gather(mouse_off[i]);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *text = tigetstr(names[i]);

		if (text && text != (char *)-1)
			tputs(text, 1, gather);
	}
	signals_set_rescue(STDOUT_FILENO, gathered.bytes, gathered.length, &term->modes);
}

static short pair_of(unsigned int style)
{
	return (short)(1 + 2 * (style & STYLE_ROLE) + (style & STYLE_SELECTED ? 1 : 0));
}

static void set_colors(struct terminal *term, bool no_color)
{
	term->level = THEME_MONO;
	if (no_color || !has_colors() || start_color() == ERR || use_default_colors() == ERR)
		return;
	if (COLOR_PAIRS <= 2 * ROLE_COUNT)
		return;
	term->level = theme_level_for(COLORS);
	for (unsigned int i = 0; i < 2 * ROLE_COUNT; i++) {
		unsigned int style = i / 2 | (i & 1 ? STYLE_SELECTED : 0);
		struct theme_look look = theme_look(style, term->level);

		init_pair(pair_of(style), look.fg, look.bg);
	}
}

static bool set_modes(struct terminal *term, bool no_color)
{
	mmask_t mouse;

	set_escdelay(ESCAPE_DELAY_MS);
	cbreak();
	noecho();
	nonl();
	intrflush(stdscr, FALSE);
	keypad(stdscr, TRUE);
	for (size_t i = 0; i < ARRAY_SIZE(sequences); i++) {
		/* What terminfo has is right where it says something. */
		if (key_defined(sequences[i].bytes) == 0)
			define_key(sequences[i].bytes, sequences[i].key);
	}
	nodelay(stdscr, TRUE);
	leaveok(stdscr, TRUE);
	/* A picture is drawn whole, also while keys wait. */
	typeahead(-1);
	curs_set(0);
	mouseinterval(0);
	mouse = mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
	set_colors(term, no_color);
	return mouse != 0;
}

int term_open(bool no_color, struct terminal **ret_term)
{
	struct terminal *term;
	bool mouse;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return -ENOTTY;
	term = calloc(1, sizeof(*term));
	if (!term)
		return -ENOMEM;
	tcgetattr(STDOUT_FILENO, &term->modes);
	term->screen = newterm(NULL, stdout, stdin);
	if (!term->screen || !tigetstr("cup")) {
		if (term->screen) {
			endwin();
			delscreen(term->screen);
		}
		free(term);
		return -ENODEV;
	}
	mouse = set_modes(term, no_color);
	arm_rescue(term, mouse);
	*ret_term = term;
	return 0;
}

void term_close(struct terminal *term)
{
	if (!term)
		return;
	mousemask(0, NULL);
	endwin();
	signals_set_rescue(-1, NULL, 0, NULL);
	delscreen(term->screen);
	canvas_done(&term->front);
	free(term);
}

bool term_is_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

void term_get_size(int *ret_width, int *ret_height)
{
	*ret_width = COLS;
	*ret_height = LINES;
}

void term_resize(struct terminal *term)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
		resizeterm(size.ws_row, size.ws_col);
	canvas_done(&term->front);
}

static attr_t attributes_of(unsigned int attributes)
{
	attr_t result = A_NORMAL;

	if (attributes & ATTRIBUTE_BOLD)
		result |= A_BOLD;
	if (attributes & ATTRIBUTE_DIM)
		result |= A_DIM;
	if (attributes & ATTRIBUTE_REVERSE)
		result |= A_REVERSE;
	if (attributes & ATTRIBUTE_UNDERLINE)
		result |= A_UNDERLINE;
	return result;
}

static void put_cell(const struct terminal *term, int x, int y, const struct cell *cell)
{
	struct theme_look look = theme_look(cell->style, term->level);
	wchar_t text[CELL_CODES + 1] = { 0 };
	cchar_t glyph;

	for (int i = 0; i < CELL_CODES && cell->codes[i]; i++)
		text[i] = (wchar_t)cell->codes[i];
	if (setcchar(&glyph, text, attributes_of(look.attributes),
		     term->level == THEME_MONO ? 0 : pair_of(cell->style), NULL) == OK)
		mvadd_wch(y, x, &glyph);
}

/* The front becomes a blank of the canvas' size. False if there is no memory. */
static bool renew_front(struct terminal *term, const struct canvas *canvas)
{
	canvas_done(&term->front);
	erase();
	return canvas_init(&term->front, canvas->width, canvas->height, canvas->ascii) == 0;
}

void term_show(struct terminal *term, const struct canvas *canvas, bool repaint)
{
	struct canvas *front = &term->front;

	if (repaint || !front->cells || front->width != canvas->width ||
	    front->height != canvas->height) {
		if (!renew_front(term, canvas))
			return;
		clearok(curscr, TRUE);
	}
	for (int y = 0; y < canvas->height; y++) {
		for (int x = 0; x < canvas->width; x++) {
			size_t at = (size_t)y * (size_t)canvas->width + (size_t)x;

			if (memcmp(&front->cells[at], &canvas->cells[at], sizeof(struct cell)) == 0)
				continue;
			front->cells[at] = canvas->cells[at];
			if (canvas->cells[at].width > 0)
				put_cell(term, x, y, &canvas->cells[at]);
		}
	}
	refresh();
}

static bool read_mouse(struct key_event *event)
{
	MEVENT mouse;

	if (getmouse(&mouse) != OK)
		return false;
	*event = (struct key_event){ K_CLICK, mouse.x, mouse.y };
	if (mouse.bstate & BUTTON4_PRESSED)
		event->key = K_WHEEL_UP;
	else if (mouse.bstate & BUTTON5_PRESSED)
		event->key = K_WHEEL_DOWN;
	return true;
}

static uint32_t special_key(wint_t code)
{
	if (code >= KEY_F(1) && code <= KEY_F(12))
		return K_F(code - KEY_F0);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if ((wint_t)keys[i].theirs == code)
			return keys[i].ours;
	}
	return K_NONE;
}

/*
 * After an escape: the rest of a sequence that nobody knows is thrown away, so that its letters do
 * not act as keys. True if the escape was the key itself.
 */
static bool is_plain_escape(void)
{
	wint_t code;
	int kind = get_wch(&code);

	if (kind == ERR)
		return true;
	if (kind != OK || (code != '[' && code != 'O')) {
		if (kind == OK)
			unget_wch((wchar_t)code);
		else
			ungetch((int)code);
		return true;
	}
	do {
		kind = get_wch(&code);
	} while (kind == OK && !(code >= 0x40 && code <= 0x7e));
	return false;
}

bool term_read_key(struct terminal *term, struct key_event *ret_event)
{
	(void)term;
	for (;;) {
		wint_t code;
		int kind = get_wch(&code);

		if (kind == ERR)
			return false;
		*ret_event = (struct key_event){ .key = code == '\r' ? K_ENTER : (uint32_t)code };
		if (kind == OK && code == K_ESCAPE && !is_plain_escape())
			continue;
		if (kind == OK)
			return true;
		if (code == KEY_MOUSE && read_mouse(ret_event))
			return true;
		ret_event->key = special_key(code);
		if (code != KEY_MOUSE && ret_event->key != K_NONE)
			return true;
	}
}

void term_suspend(struct terminal *term)
{
	def_prog_mode();
	endwin();
	signals_stop();
	reset_prog_mode();
	canvas_done(&term->front);
}
