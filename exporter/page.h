/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/strbuf.h"

/* What the landing page tells. */
struct page {
	const char *version, *telemetry_path;
	bool ready; /* there is a snapshot, and what follows is valid */
	uint32_t cgroups;
	uint64_t sample_age_ms;
};

/* Appends the landing page as HTML: what this is and where the metrics are. */
void page_render(const struct page *page, struct strbuf *out);
