// SPDX-License-Identifier: MIT
#include "core/overlay_text.h"

#include <string.h>

#include "core/units.h"

void overlay_flags_text(struct strbuf *text, unsigned int flags)
{
	const char *between = "";

	for (unsigned int flag = 1; flag && flag <= flags; flag <<= 1) {
		const char *name = flags & flag ? overlay_flag_name(flag) : NULL;

		if (!name)
			continue;
		strbuf_printf(text, "%s%s", between, name);
		between = ", ";
	}
}

bool layer_has_numbers(const struct layer_usage *usage)
{
	return usage->state == LAYER_COMPLETE || usage->state == LAYER_PARTIAL ||
	       (usage->state == LAYER_STUCK && usage->boottime_ns > 0);
}

void layer_freshness_text(struct strbuf *text, const struct layer_usage *usage, uint64_t now_ns)
{
	strbuf_add_string(text, layer_state_name(usage->state));
	if (layer_has_numbers(usage)) {
		uint64_t age = now_ns > usage->boottime_ns ? now_ns - usage->boottime_ns : 0;

		strbuf_add_string(text, ", ");
		format_age(text, (double)age / 1e9);
		strbuf_add_string(text, usage->incremental ? " old, kept up to date" : " old");
	}
	if (usage->error < 0)
		strbuf_printf(text, ": %s", strerror(-usage->error));
}

const char *layer_kind_name(enum overlay_layer_kind kind)
{
	static const char *const names[] = {
		[OVERLAY_UPPER] = "upper",
		[OVERLAY_LOWER] = "lower",
		[OVERLAY_DATA] = "data only",
	};

	return names[kind];
}
