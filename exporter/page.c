// SPDX-License-Identifier: MIT
#include "exporter/page.h"

static const char head[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n"
	"<head>\n"
	"<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width\">\n"
	"<title>cgwatch</title>\n"
	"<style>\n"
	":root { color-scheme: light dark; }\n"
	"body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; "
	"padding: 0 1rem; }\n"
	"h1 { margin-bottom: 0; }\n"
	"h1 small { font-size: 1rem; font-weight: normal; opacity: .7; }\n"
	"code { font-family: ui-monospace, monospace; }\n"
	"li { margin: .3rem 0; }\n"
	"</style>\n"
	"</head>\n"
	"<body>\n";

static void add_html(struct strbuf *out, const char *text)
{
	static const char *const entities[128] = {
		['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;",
	};

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 128 && entities[c])
			strbuf_add_string(out, entities[c]);
		else
			strbuf_add_char(out, *text);
	}
}

static void add_link(struct strbuf *out, const char *path, const char *meaning)
{
	strbuf_add_string(out, "<li><a href=\"");
	add_html(out, path);
	strbuf_add_string(out, "\"><code>");
	add_html(out, path);
	strbuf_add_string(out, "</code></a> ");
	strbuf_add_string(out, meaning);
	strbuf_add_string(out, "</li>\n");
}

static void add_state(struct strbuf *out, const struct page *page)
{
	if (!page->ready) {
		strbuf_add_string(out, "<p>No sample was taken yet.</p>\n");
		return;
	}
	strbuf_add_string(out, "<p>Watching <strong>");
	strbuf_add_u64(out, page->cgroups);
	strbuf_add_string(out, page->cgroups == 1 ? " cgroup" : " cgroups");
	strbuf_add_string(out, "</strong>; the last sample is ");
	strbuf_add_fixed(out, page->sample_age_ms / 100, 1);
	strbuf_add_string(out, " s old.</p>\n");
}

void page_render(const struct page *page, struct strbuf *out)
{
	strbuf_add(out, head, sizeof(head) - 1);
	strbuf_add_string(out, "<h1>cgwatch");
	if (page->version) {
		strbuf_add_string(out, " <small>");
		add_html(out, page->version);
		strbuf_add_string(out, "</small>");
	}
	strbuf_add_string(out, "</h1>\n<p>Resource monitor and enforcer for Linux cgroups.</p>\n");
	add_state(out, page);
	strbuf_add_string(out, "<ul>\n");
	add_link(out, page->telemetry_path, "metrics for Prometheus");
	add_link(out, "/-/healthy", "200 while the agent serves");
	add_link(out, "/-/ready", "200 once there is a sample");
	strbuf_add_string(out, "</ul>\n</body>\n</html>\n");
}
