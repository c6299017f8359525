// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include "policies/actions.h"

static bool same_text(const char *a, const char *b, size_t length)
{
	return (!a && !b) || (a && b && memcmp(a, b, length) == 0);
}

/* A command's words, each with its NUL, fill the text exactly. */
static void check_command(const struct action *action)
{
	size_t at = 0;

	must(action->text[0] == '/');
	while (at < action->text_length)
		at += strlen(action->text + at) + 1;
	must(at == action->text_length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	struct action action, again;
	struct strbuf back, twice;
	char reason[64] = "";

	if (action_parse(text, &action, reason, sizeof(reason)) < 0) {
		must(*reason);
		free(text);
		return 0;
	}
	if (action.id == ACTION_EXEC)
		check_command(&action);
	must(action.id != ACTION_FREEZE || action.lease_usec > 0);
	strbuf_init(&back);
	strbuf_init(&twice);
	action_format(&action, &back);
	must(action_parse(back.data, &again, reason, sizeof(reason)) == 0);
	must(again.id == action.id && again.lease_usec == action.lease_usec &&
	     again.timeout_usec == action.timeout_usec && again.back == action.back &&
	     again.allow_oom == action.allow_oom && again.text_length == action.text_length);
	must(same_text(again.text, action.text, action.text_length));
	must(!action.target || strcmp(again.target, action.target) == 0);
	action_format(&again, &twice);
	must(strcmp(back.data, twice.data) == 0);
	strbuf_done(&back);
	strbuf_done(&twice);
	action_done(&action);
	action_done(&again);
	free(text);
	return 0;
}
