// SPDX-License-Identifier: MIT
#include "core/distribution_text.h"

#include "core/cleanup.h"
#include "core/units.h"

int distribution_last(const struct distribution *distribution)
{
	int last = DISTRIBUTION_BUCKETS - 1;

	while (last >= 0 && distribution->buckets[last] == 0)
		last--;
	return last;
}

void distribution_add_time(struct strbuf *buffer, double ns)
{
	static const struct {
		double ns;
		const char *unit;
	} units[] = { { 60e9, "m" }, { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" }, { 1, "ns" } };
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(units) && ns < units[i].ns)
		i++;
	ns /= units[i].ns;
	/* One digit where there would be one figure only; none behind a whole number. */
	strbuf_printf(buffer, "%.*f%s", ns < 9.95 && ns - (double)(uint64_t)ns > 0.05 ? 1 : 0, ns,
		      units[i].unit);
}

void distribution_add_bound(struct strbuf *buffer, unsigned int bucket)
{
	bool last = distribution_bound_ns(bucket) == UINT64_MAX;

	strbuf_add_string(buffer, last ? "> " : "<= ");
	distribution_add_time(buffer, (double)distribution_bound_ns(last ? bucket - 1 : bucket));
}

void distribution_add_summary(struct strbuf *buffer, const struct distribution *distribution)
{
	static const struct {
		double share;
		const char *name;
	} shares[] = { { 0.5, "p50" }, { 0.9, "p90" }, { 0.99, "p99" } };
	double ns;

	if (distribution->count == 0) {
		strbuf_add_string(buffer, "none");
		return;
	}
	format_human(buffer, UNIT_NONE, (double)distribution->count, false);
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
		if (!distribution_quantile(distribution, shares[i].share, &ns))
			continue;
		strbuf_printf(buffer, "  %s ", shares[i].name);
		distribution_add_time(buffer, ns);
	}
	/* A reading may find a count without its bucket. */
	if (distribution_last(distribution) < 0)
		return;
	strbuf_add_string(buffer, "  max ");
	distribution_add_bound(buffer, (unsigned int)distribution_last(distribution));
}

const char *distributions_why(const struct distributions *distributions,
			      const struct distribution_entry *entry, enum distribution_kind kind,
			      const char *none)
{
	if (distributions && (distributions->missing & (UINT32_C(1) << kind)))
		return "this kernel cannot tell";
	if (!distributions && none && *none)
		return none;
	return entry && !entry->first ? NULL : "not yet: counted from now on";
}
