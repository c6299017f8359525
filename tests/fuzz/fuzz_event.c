// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include "core/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	struct event_spec spec = { 0 }, again;
	enum event_sign sign;
	struct strbuf back;
	char reason[128] = "";

	if (event_parse(text, &spec, reason, sizeof(reason)) < 0) {
		must(*reason);
		free(text);
		return 0;
	}
	must((unsigned int)spec.kind < EVENT_KIND_COUNT);
	must(event_column(&spec, &sign) < COLUMN_COUNT);
	must(spec.kind != EVENT_PSI || (spec.stall_usec > 0 && spec.stall_usec < spec.window_usec));
	strbuf_init(&back);
	event_format(&spec, &back);
	must(event_parse(back.data, &again, reason, sizeof(reason)) == 0);
	must(event_equal(&spec, &again));
	strbuf_done(&back);
	free(text);
	return 0;
}
