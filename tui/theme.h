/* SPDX-License-Identifier: MIT */
#pragma once

/* What a text means; how it looks is the theme's business. */
enum role {
	ROLE_DEFAULT,
	ROLE_ZERO,    /* nothing used */
	ROLE_MISSING, /* stands for a value that is not there */
	ROLE_DENIED,  /* not there for want of rights */
	ROLE_OK,      /* a ratio far from its limit */
	ROLE_WARN,
	ROLE_BAD,
	ROLE_FROZEN,
	ROLE_NEW,   /* a cgroup that just appeared */
	ROLE_GROUP, /* slices and other inner nodes */
	ROLE_CONTAINER,
	ROLE_TREE, /* lines of the tree */
	ROLE_TITLE,
	ROLE_LABEL,
	ROLE_HEADING,
	ROLE_HEADING_SORT,
	ROLE_SECTION,
	ROLE_HINT_KEY,
	ROLE_HINT,
	ROLE_STATUS,
	ROLE_ERROR,
	ROLE_PAUSED,
	ROLE_SELECTED, /* lends its background to every role of a selected row */
	ROLE_COUNT,
};

enum theme_level { THEME_MONO, THEME_8, THEME_16, THEME_256, THEME_LEVELS };

enum theme_attributes {
	ATTRIBUTE_BOLD = 1 << 0,
	ATTRIBUTE_DIM = 1 << 1,
	ATTRIBUTE_REVERSE = 1 << 2,
	ATTRIBUTE_UNDERLINE = 1 << 3,
};

/* Colours are numbers of the terminal's palette; -1 is its default. */
struct theme_look {
	short fg, bg;
	unsigned int attributes;
};

/* How a style (a role, perhaps with STYLE_SELECTED) looks with that many colours. */
struct theme_look theme_look(unsigned int style, enum theme_level level);
/* The best level for a terminal with `colors` colours. */
enum theme_level theme_level_for(int colors);
const char *theme_role_name(enum role role);
/* One character for the role, as style maps of drawn screens have it. */
char theme_role_letter(enum role role);
