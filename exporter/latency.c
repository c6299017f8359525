// SPDX-License-Identifier: MIT
#include "exporter/latency.h"

#include "exporter/family.h"

static const char name[] = "cgwatch_cgroup_latency_seconds";

void latency_add_header(struct strbuf *out)
{
	family_add_header(out, name, "histogram",
			  "How long tasks and requests of watched cgroups waited, by kind.");
}

static void start_sample(struct strbuf *out, const char *suffix, const char *label, size_t length,
			 enum distribution_kind kind)
{
	strbuf_add(out, name, sizeof(name) - 1);
	strbuf_add_string(out, suffix);
	strbuf_add_string(out, "{cgroup=\"");
	strbuf_add(out, label, length);
	strbuf_add_string(out, "\",kind=\"");
	strbuf_add_string(out, distribution_name(kind));
	strbuf_add_char(out, '"');
}

static void add_bound(struct strbuf *out, unsigned int bucket)
{
	uint64_t bound = distribution_bound_ns(bucket);

	if (bound == UINT64_MAX)
		strbuf_add_string(out, "+Inf");
	else
		strbuf_add_double(out, (double)bound / 1e9);
}

void latency_add(struct strbuf *out, const struct distribution_entry *entry, const char *label,
		 size_t length)
{
	const struct distribution *distribution = &entry->total;
	uint64_t below = 0;

	for (unsigned int i = 0; i < DISTRIBUTION_BUCKETS; i++) {
		below += distribution->buckets[i];
		start_sample(out, "_bucket", label, length, entry->kind);
		strbuf_add_string(out, ",le=\"");
		add_bound(out, i);
		strbuf_add_string(out, "\"} ");
		strbuf_add_u64(out, below);
		strbuf_add_char(out, '\n');
	}
	start_sample(out, "_sum", label, length, entry->kind);
	strbuf_add_string(out, "} ");
	strbuf_add_fixed(out, distribution->sum_ns, 9);
	strbuf_add_char(out, '\n');
	/* The kernel's counters are not read at one moment: the count has to be that of +Inf. */
	start_sample(out, "_count", label, length, entry->kind);
	strbuf_add_string(out, "} ");
	strbuf_add_u64(out, below);
	strbuf_add_char(out, '\n');
}

const struct distribution_entry *latency_of(const struct distributions *distributions,
					    uint32_t node, uint32_t *ret_n)
{
	size_t low = 0, high = distributions ? distributions->n : 0;
	uint32_t n = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (distributions->list[middle].node < node)
			low = middle + 1;
		else
			high = middle;
	}
	while (distributions && low + n < distributions->n &&
	       distributions->list[low + n].node == node)
		n++;
	*ret_n = n;
	return n ? &distributions->list[low] : NULL;
}
