/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct app;

/* The bottom line while it asks something. */
struct prompt {
	bool active;
	bool question; /* only y or n */
	char label[256];
	char text[256];
	void (*changed)(struct app *app, const char *text);
	void (*done)(struct app *app, const char *text);
};

/* What a key did to the prompt. */
enum prompt_result { PROMPT_NOTHING, PROMPT_CHANGED, PROMPT_ACCEPTED, PROMPT_CANCELLED };

enum prompt_result prompt_handle_key(struct prompt *prompt, uint32_t key);
