// SPDX-License-Identifier: MIT
#include "tui/theme.h"

#include "tui/canvas.h"

#define BOLD	  ATTRIBUTE_BOLD
#define DIM	  ATTRIBUTE_DIM
#define REVERSE	  ATTRIBUTE_REVERSE
#define UNDERLINE ATTRIBUTE_UNDERLINE

/* clang-format off */
static const struct {
	const char *name;
	char letter;
	struct theme_look looks[THEME_LEVELS]; /* mono, 8, 16, 256 colours */
} roles[ROLE_COUNT] = {
	[ROLE_DEFAULT] =      { "default",   '.', { { -1, -1, 0 }, { -1, -1, 0 }, { -1, -1, 0 }, { -1, -1, 0 } } },
	[ROLE_ZERO] =	      { "zero",	     'z', { { -1, -1, DIM }, { -1, -1, DIM }, { 8, -1, 0 }, { 242, -1, 0 } } },
	[ROLE_MISSING] =      { "missing",   'm', { { -1, -1, DIM }, { -1, -1, DIM }, { 8, -1, 0 }, { 242, -1, 0 } } },
	[ROLE_DENIED] =	      { "denied",    'd', { { -1, -1, DIM }, { 1, -1, DIM }, { 1, -1, 0 }, { 131, -1, 0 } } },
	[ROLE_OK] =	      { "ok",	     'g', { { -1, -1, 0 }, { 2, -1, 0 }, { 2, -1, 0 }, { 71, -1, 0 } } },
	[ROLE_WARN] =	      { "warn",	     'y', { { -1, -1, BOLD }, { 3, -1, BOLD }, { 11, -1, 0 }, { 221, -1, 0 } } },
	[ROLE_BAD] =	      { "bad",	     'r', { { -1, -1, BOLD | UNDERLINE }, { 1, -1, BOLD }, { 9, -1, BOLD }, { 203, -1, BOLD } } },
	[ROLE_FROZEN] =	      { "frozen",    'f', { { -1, -1, UNDERLINE }, { 6, -1, 0 }, { 14, -1, 0 }, { 87, -1, 0 } } },
	[ROLE_NEW] =	      { "new",	     'n', { { -1, -1, BOLD }, { 2, -1, BOLD }, { 10, -1, BOLD }, { 120, -1, BOLD } } },
	[ROLE_GROUP] =	      { "group",     'p', { { -1, -1, BOLD }, { -1, -1, BOLD }, { -1, -1, BOLD }, { -1, -1, BOLD } } },
	[ROLE_CONTAINER] =    { "container", 'c', { { -1, -1, 0 }, { 5, -1, 0 }, { 13, -1, 0 }, { 177, -1, 0 } } },
	[ROLE_TREE] =	      { "tree",	     't', { { -1, -1, DIM }, { -1, -1, DIM }, { 8, -1, 0 }, { 240, -1, 0 } } },
	[ROLE_TITLE] =	      { "title",     'b', { { -1, -1, BOLD }, { -1, -1, BOLD }, { -1, -1, BOLD }, { -1, -1, BOLD } } },
	[ROLE_LABEL] =	      { "label",     'l', { { -1, -1, 0 }, { 6, -1, 0 }, { 6, -1, 0 }, { 109, -1, 0 } } },
	[ROLE_HEADING] =      { "heading",   'h', { { -1, -1, REVERSE }, { 0, 2, 0 }, { 0, 2, 0 }, { 234, 65, 0 } } },
	[ROLE_HEADING_SORT] = { "sort",	     'o', { { -1, -1, REVERSE | BOLD }, { 0, 6, 0 }, { 0, 6, 0 }, { 234, 116, 0 } } },
	[ROLE_SECTION] =      { "section",   's', { { -1, -1, BOLD | UNDERLINE }, { 6, -1, BOLD }, { 14, -1, BOLD }, { 116, -1, BOLD } } },
	[ROLE_HINT_KEY] =     { "key",	     'k', { { -1, -1, BOLD }, { -1, -1, BOLD }, { -1, -1, BOLD }, { -1, -1, BOLD } } },
	[ROLE_HINT] =	      { "hint",	     'i', { { -1, -1, REVERSE }, { 0, 6, 0 }, { 0, 6, 0 }, { 252, 238, 0 } } },
	[ROLE_STATUS] =	      { "status",    'u', { { -1, -1, BOLD }, { 3, -1, BOLD }, { 11, -1, 0 }, { 221, -1, 0 } } },
	[ROLE_ERROR] =	      { "error",     'e', { { -1, -1, REVERSE }, { 7, 1, BOLD }, { 15, 1, BOLD }, { 231, 124, BOLD } } },
	[ROLE_PAUSED] =	      { "paused",    'a', { { -1, -1, REVERSE }, { 0, 3, 0 }, { 0, 11, 0 }, { 234, 221, 0 } } },
	[ROLE_SELECTED] =     { "selected",  'S', { { -1, -1, REVERSE }, { 7, 4, BOLD }, { 15, 4, 0 }, { 231, 24, 0 } } },
};
/* clang-format on */

struct theme_look theme_look(unsigned int style, enum theme_level level)
{
	enum role role = (enum role)(style & STYLE_ROLE);
	struct theme_look look = roles[role].looks[level];
	const struct theme_look *selected = &roles[ROLE_SELECTED].looks[level];

	if (!(style & STYLE_SELECTED))
		return look;
	look.bg = selected->bg;
	look.attributes |= selected->attributes;
	/* What is dim on the default background would vanish on this one. */
	if (look.fg < 0 || role == ROLE_ZERO || role == ROLE_MISSING || role == ROLE_TREE)
		look.fg = selected->fg;
	look.attributes &= ~(unsigned int)DIM;
	return look;
}

enum theme_level theme_level_for(int colors)
{
	return colors >= 256  ? THEME_256
	       : colors >= 16 ? THEME_16
	       : colors >= 8  ? THEME_8
			      : THEME_MONO;
}

const char *theme_role_name(enum role role)
{
	return roles[role].name;
}

char theme_role_letter(enum role role)
{
	return roles[role].letter;
}
