// SPDX-License-Identifier: MIT
#include "agent/verbs/verbs.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "agent/output.h"
#include "agent/verbs/diff_format.h"
#include "agent/verbs/inventory_fetch.h"
#include "agent/verbs/overlay_view.h"
#include "core/cleanup.h"
#include "core/clock.h"

DEFINE_CLEANUP(struct inventory *, inventory_unref)

enum diff_form { FORM_DOCKER, FORM_LONG, FORM_SUMMARY, FORM_JSON };

/* What a run carries from entry to entry: text goes out in pieces, whatever its length. */
struct diff_run {
	struct context *context;
	enum diff_form form;
	struct jsonw json; /* its `out` is the text of all forms */
	struct diff_summary summary;
	int code; /* what writing said */
};

enum { PIECE = 1 << 16 };

static int flush(struct diff_run *run)
{
	if (run->json.out.length > 0 || run->json.out.failed)
		run->code = context_write(run->context, &run->json.out);
	strbuf_clear(&run->json.out);
	return run->code;
}

static int report(void *argument, const struct layer_diff_entry *entry)
{
	struct diff_run *run = argument;

	diff_summary_add(&run->summary, entry);
	if (run->form == FORM_DOCKER)
		diff_add_docker(&run->json.out, entry);
	else if (run->form == FORM_LONG)
		diff_add_long(&run->json.out, entry);
	else if (run->form == FORM_JSON)
		diff_json(&run->json, entry);
	return run->json.out.length >= PIECE ? flush(run) : 0;
}

static void begin(struct diff_run *run, const struct overlay *overlay)
{
	if (run->form != FORM_JSON)
		return;
	output_json_envelope(&run->json, clock_ns(CLOCK_REALTIME));
	jsonw_string(&run->json, "mount", overlay_mountpoint(overlay));
	if (overlay->container_id)
		jsonw_string(&run->json, "container_id", overlay->container_id);
	jsonw_begin(&run->json, "diff", '[');
}

static void end(struct diff_run *run, int error)
{
	if (run->form == FORM_SUMMARY)
		diff_summary_print(&run->json.out, &run->summary);
	if (run->form != FORM_JSON)
		return;
	jsonw_end(&run->json, ']');
	diff_summary_json(&run->json, &run->summary);
	jsonw_bool(&run->json, "complete", error == 0);
	if (error < 0)
		jsonw_string(&run->json, "error", strerror(-error));
	jsonw_end(&run->json, '}');
	strbuf_add_char(&run->json.out, '\n');
}

static int compare(struct context *context, const struct overlay *overlay, enum diff_form form,
		   bool no_content)
{
	const struct layer_diff_options options = { .no_content = no_content };
	struct diff_run run = { .context = context, .form = form };
	int error = 0, r;

	jsonw_init(&run.json);
	begin(&run, overlay);
	r = layer_diff_run(overlay, &options, report, &run, &error);
	if (run.code == 0) {
		end(&run, r < 0 ? r : error);
		flush(&run);
	}
	jsonw_done(&run.json);
	if (run.code != 0)
		return run.code;
	if (r == -ENOENT && !overlay_upper(overlay))
		return context_fail(context, EXIT_FAILED, "%s: it has no upper layer: read-only",
				    overlay_mountpoint(overlay));
	if (r < 0 || error < 0)
		return context_fail(context, EXIT_FAILED, "%s: %s%s", overlay_mountpoint(overlay),
				    strerror(r < 0 ? -r : -error),
				    r < 0 ? "" : ": not everything could be compared");
	return 0;
}

static int run_diff(struct context *context, const char *name, enum diff_form form, bool no_content)
{
	_cleanup_(inventory_unrefp) struct inventory *inventory = NULL;
	const struct overlay *overlay;
	struct overlay_view view;
	const char *reason = "";
	int r;

	/* A recorded tree has no layers to compare. */
	r = context_root(context);
	if (r == 0 && root_is_recorded(context->root))
		return context_fail(context, EXIT_HOST,
				    "diff: only on this machine, not on a "
				    "recorded tree");
	if (r == 0)
		r = inventory_fetch(context, NULL, INVENTORY_OVERLAYS, &inventory);
	if (r != 0)
		return r;
	r = overlay_view_init(&view, inventory, NULL);
	if (r < 0)
		return context_fail(context, EXIT_FAILED, "the mounts could not be read: %s",
				    strerror(-r));
	overlay = overlay_view_find(&view, name, &reason);
	r = overlay ? compare(context, overlay, form, no_content)
		    : context_fail(context, EXIT_FAILED, "%s: %s", name, reason);
	overlay_view_done(&view);
	return r;
}

int verb_overlay_diff(struct context *context, int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'J' },
						 { "long", no_argument, NULL, 'l' },
						 { "summary", no_argument, NULL, 's' },
						 { "no-content", no_argument, NULL, 'c' },
						 { NULL } };
	enum diff_form form = FORM_DOCKER;
	bool no_content = false;
	int option;

	optind = 0;
	context->argv = argv;
	while ((option = getopt_long(argc, argv, ":Jls", options, NULL)) != -1) {
		if (option == 'J')
			form = FORM_JSON;
		else if (option == 'l')
			form = FORM_LONG;
		else if (option == 's')
			form = FORM_SUMMARY;
		else if (option == 'c')
			no_content = true;
		else
			return context_bad_option(context);
	}
	if (optind != argc - 1)
		return context_usage(context, "diff: give one MOUNT, CGROUP or CONTAINER");
	return run_diff(context, argv[optind], form, no_content);
}
