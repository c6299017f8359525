// SPDX-License-Identifier: MIT
#include "tui/prompt.h"

#include <stdio.h>
#include <string.h>

#include "tui/keymap.h"
#include "core/escape.h"

static enum prompt_result add(struct prompt *prompt, uint32_t code)
{
	size_t length = strlen(prompt->text), n;
	char bytes[4];

	n = utf8_encode(code, bytes);
	if (length + n >= sizeof(prompt->text))
		return PROMPT_NOTHING;
	memcpy(prompt->text + length, bytes, n);
	prompt->text[length + n] = '\0';
	return PROMPT_CHANGED;
}

static enum prompt_result remove_last(struct prompt *prompt)
{
	size_t length = strlen(prompt->text);

	if (length == 0)
		return PROMPT_NOTHING;
	while (--length > 0 && ((unsigned char)prompt->text[length] & 0xc0) == 0x80)
		;
	prompt->text[length] = '\0';
	return PROMPT_CHANGED;
}

static enum prompt_result answer(struct prompt *prompt, uint32_t key)
{
	if (key != 'y' && key != 'Y')
		return PROMPT_CANCELLED;
	snprintf(prompt->text, sizeof(prompt->text), "y");
	return PROMPT_ACCEPTED;
}

enum prompt_result prompt_handle_key(struct prompt *prompt, uint32_t key)
{
	if (prompt->question)
		return answer(prompt, key);
	if (key == K_ESCAPE || key == K_CONTROL('c') || key == K_CONTROL('g'))
		return PROMPT_CANCELLED;
	if (key == K_ENTER)
		return PROMPT_ACCEPTED;
	if (key == K_BACKSPACE || key == K_CONTROL('h') || key == K_DELETE)
		return remove_last(prompt);
	if (key == K_CONTROL('u') || key == K_CONTROL('w')) {
		prompt->text[0] = '\0';
		return PROMPT_CHANGED;
	}
	if (key >= 0x20 && key < K_SPECIAL && !(key >= 0x7f && key < 0xa0))
		return add(prompt, key);
	return PROMPT_NOTHING;
}
