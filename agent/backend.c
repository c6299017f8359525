// SPDX-License-Identifier: MIT
#include "agent/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/log.h"

static const char *const names[BACKEND_COUNT] = {
	[BACKEND_AUTO] = "auto", [BACKEND_FILES] = "files", [BACKEND_BPF] = "bpf"
};

int backend_parse(const char *text, enum backend *ret_backend)
{
	for (int i = BACKEND_AUTO; i < BACKEND_COUNT; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret_backend = (enum backend)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *backend_name(enum backend backend)
{
	return names[backend] ? names[backend] : names[BACKEND_AUTO];
}

/* Whether some hierarchy of this machine has a file of it. */
static bool is_here(const struct metric *metric, const struct hierarchies *hierarchies)
{
	return (metric->v2.file && hierarchies_v2(hierarchies)) ||
	       (metric->v1.file && metric->v1.controller &&
		hierarchies_find(hierarchies, metric->v1.controller));
}

void backend_summarise(const struct sampler *sampler, struct backend_summary *ret_summary)
{
	const struct hierarchies *hierarchies = sampler_hierarchies(sampler);
	uint8_t bpf[METRIC_COUNT] = { 0 }, files[METRIC_COUNT] = { 0 };
	_cleanup_(freep) struct bpf_metric_status *list = NULL;
	const struct bpf_sample *sample;
	size_t n = 0;

	*ret_summary = (struct backend_summary){ 0 };
	sample = sampler_bpf(sampler, &ret_summary->reason);
	ret_summary->bpf = sample != NULL;
	if (sample && bpf_sample_metrics(sample, &list, &n) < 0)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		if (list[i].bpf)
			bpf[list[i].id] = 1;
		else
			files[list[i].id] = 1;
	}
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (!is_here(metric_get((enum metric_id)id), hierarchies))
			continue;
		ret_summary->by_bpf += bpf[id];
		ret_summary->by_files += !bpf[id];
		ret_summary->incomplete += bpf[id] && files[id];
	}
}

void backend_describe(const struct sampler *sampler, struct strbuf *out)
{
	struct backend_summary summary;

	backend_summarise(sampler, &summary);
	if (summary.bpf)
		strbuf_printf(out,
			      "%u of %u metrics by programs in the kernel (bpf), the others from "
			      "files",
			      summary.by_bpf, summary.by_bpf + summary.by_files);
	else
		strbuf_printf(out, "from files, without bpf: %s", summary.reason);
}

void backend_log(const struct sampler *sampler, enum backend backend)
{
	const char *reason;
	struct strbuf line;

	strbuf_init(&line);
	backend_describe(sampler, &line);
	if (backend == BACKEND_BPF && !sampler_bpf(sampler, &reason))
		log_warning("sampling: %s", line.data ? line.data : "");
	else
		log_info("sampling: %s", line.data ? line.data : "");
	strbuf_done(&line);
}
