// SPDX-License-Identifier: MIT
#include "agent/verbs/show_latency.h"

#include "agent/output.h"
#include "core/cleanup.h"
#include "core/distribution.h"

static void add_buckets(struct strbuf *out, const struct distribution *distribution)
{
	for (unsigned int i = 0; i < DISTRIBUTION_BUCKETS; i++) {
		if (distribution->buckets[i] == 0)
			continue;
		strbuf_add_string(out, "    ");
		distribution_add_bound(out, i);
		strbuf_add_char(out, ' ');
		strbuf_add_u64(out, distribution->buckets[i]);
		strbuf_add_char(out, '\n');
	}
}

void show_latency_print(struct strbuf *out, const struct snapshot *snapshot, uint32_t index,
			const char *none)
{
	for (int i = 0; i < DISTRIBUTION_KIND_COUNT; i++) {
		enum distribution_kind kind = (enum distribution_kind)i;
		const struct distribution_entry *entry = distributions_find(snapshot->distributions,
									    index, kind);
		const char *why = distributions_why(snapshot->distributions, entry, kind, none);

		/* One reason is enough where there is nothing at all. */
		if (!snapshot->distributions) {
			output_pad(out, "waiting", 14, false);
			strbuf_printf(out, "unknown: %s\n", why ? why : "");
			return;
		}
		output_pad(out, distribution_title(kind), 14, false);
		if (why)
			strbuf_add_string(out, why);
		else
			distribution_add_summary(out, &entry->interval);
		strbuf_add_char(out, '\n');
		if (!why)
			add_buckets(out, &entry->interval);
	}
}

static void json_seconds(struct jsonw *json, const char *name, double ns)
{
	jsonw_double(json, name, ns / 1e9);
}

static void json_distribution(struct jsonw *json, const struct distribution *distribution)
{
	static const struct {
		const char *name;
		double share;
	} quantiles[] = { { "p50_seconds", 0.5 }, { "p90_seconds", 0.9 }, { "p99_seconds", 0.99 } };
	double ns;

	jsonw_u64(json, "count", distribution->count);
	json_seconds(json, "sum_seconds", (double)distribution->sum_ns);
	for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++) {
		if (distribution_quantile(distribution, quantiles[i].share, &ns))
			json_seconds(json, quantiles[i].name, ns);
	}
	jsonw_begin(json, "buckets", '[');
	for (unsigned int i = 0; i < DISTRIBUTION_BUCKETS; i++) {
		if (distribution->buckets[i] == 0)
			continue;
		jsonw_begin(json, NULL, '{');
		if (distribution_bound_ns(i) != UINT64_MAX)
			json_seconds(json, "le", (double)distribution_bound_ns(i));
		jsonw_u64(json, "count", distribution->buckets[i]);
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
}

void show_latency_json(struct jsonw *json, const struct snapshot *snapshot, uint32_t index,
		       const char *none)
{
	jsonw_begin(json, "waiting", '{');
	for (int i = 0; i < DISTRIBUTION_KIND_COUNT; i++) {
		enum distribution_kind kind = (enum distribution_kind)i;
		const struct distribution_entry *entry = distributions_find(snapshot->distributions,
									    index, kind);
		const char *why = distributions_why(snapshot->distributions, entry, kind, none);

		jsonw_begin(json, distribution_name(kind), '{');
		if (why)
			jsonw_string(json, "absent", why);
		else
			json_distribution(json, &entry->interval);
		jsonw_end(json, '}');
	}
	jsonw_end(json, '}');
}
