// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

#include <getopt.h>
#include <string.h>

#include "agent/output.h"

static const char *const kinds[] = {
	[KIND_COUNTER] = "counter", [KIND_GAUGE] = "gauge", [KIND_SIGNED] = "gauge",
	[KIND_LIMIT] = "limit",	    [KIND_TEXT] = "text",   [KIND_DERIVED] = "derived",
};

static const char *unit_text(const struct metric *metric)
{
	const char *name = unit_name(metric->unit);

	return name ? name : metric->kind == KIND_TEXT ? "" : "count";
}

static void add_source(struct strbuf *out, const char *file, const char *key)
{
	if (!file)
		return;
	strbuf_add_string(out, file);
	if (key) {
		strbuf_add_char(out, ' ');
		strbuf_add_string(out, key);
	}
}

/* A v1 source that has a key only where the kernel prints one. */
static bool has_v1(const struct metric *metric)
{
	return metric->v1.file && !(strcmp(metric->v1.file, "memory.stat") == 0 && !metric->v1.key);
}

static void add_json(struct jsonw *json, const struct metric *metric, enum metric_id id)
{
	struct strbuf text;

	strbuf_init(&text);
	jsonw_begin(json, NULL, '{');
	jsonw_string(json, "name", metric->name);
	jsonw_string(json, "kind", kinds[metric->kind]);
	jsonw_string(json, "unit", unit_text(metric));
	jsonw_bool(json, "rate", metric_rate(id) != M_NONE);
	jsonw_bool(json, "exported", metric->flags & METRIC_EXPORT);
	if (metric->key_label)
		jsonw_string(json, "parts", metric->key_label);
	add_source(&text, metric->v2.file, metric->v2.key);
	if (text.length)
		jsonw_string(json, "v2", text.data);
	strbuf_clear(&text);
	if (has_v1(metric))
		add_source(&text, metric->v1.file, metric->v1.key);
	if (text.length)
		jsonw_string(json, "v1", text.data);
	jsonw_string(json, "title", metric->title);
	jsonw_string(json, "help", metric->help);
	jsonw_end(json, '}');
	strbuf_done(&text);
}

static void add_row(struct strbuf *out, const struct metric *metric, bool markdown)
{
	const char *gap = markdown ? " | " : "  ";

	strbuf_add_string(out, markdown ? "| " : "");
	output_pad(out, metric->name, 36, false);
	strbuf_add_string(out, gap);
	output_pad(out, kinds[metric->kind], 7, false);
	strbuf_add_string(out, gap);
	output_pad(out, unit_text(metric), 7, false);
	if (markdown) {
		strbuf_add_string(out, gap);
		add_source(out, metric->v2.file, metric->v2.key);
		strbuf_add_string(out, gap);
		if (has_v1(metric))
			add_source(out, metric->v1.file, metric->v1.key);
	}
	strbuf_add_string(out, gap);
	strbuf_add_string(out, metric->help);
	strbuf_add_string(out, markdown ? " |\n" : "\n");
}

static void add_heading(struct strbuf *out, bool markdown)
{
	strbuf_add_string(
		out, markdown ? "| name | kind | unit | v2 | v1 | what it is |\n"
				"|---|---|---|---|---|---|\n"
			      : "NAME                                  KIND     UNIT     WHAT IT "
				"IS (counters also have NAME.rate)\n");
}

int verb_metrics(struct context *context, int argc, char **argv)
{
	static const struct option options[] = { { "markdown", no_argument, NULL, 'm' },
						 { "json", no_argument, NULL, 'j' },
						 { NULL } };
	bool markdown = false, as_json = false;
	struct jsonw json;
	int option, r;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		markdown |= option == 'm';
		as_json |= option == 'j';
		if (option != 'm' && option != 'j')
			return context_bad_option(context);
	}
	if (optind < argc)
		return context_usage(context, "%s: takes no argument", argv[optind]);
	jsonw_init(&json);
	if (as_json) {
		jsonw_begin(&json, NULL, '{');
		jsonw_u64(&json, "schema", 1);
		jsonw_begin(&json, "metrics", '[');
	} else {
		add_heading(&json.out, markdown);
	}
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (as_json)
			add_json(&json, metric_get((enum metric_id)id), (enum metric_id)id);
		else
			add_row(&json.out, metric_get((enum metric_id)id), markdown);
	}
	if (as_json) {
		jsonw_end(&json, ']');
		jsonw_end(&json, '}');
		strbuf_add_char(&json.out, '\n');
	}
	r = context_write(context, &json.out);
	jsonw_done(&json);
	return r;
}
