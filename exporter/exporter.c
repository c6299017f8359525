// SPDX-License-Identifier: MIT
#include "exporter/exporter.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "exporter/exposition.h"
#include "exporter/http.h"
#include "exporter/page.h"

static const char exposition_type[] = "text/plain; version=0.0.4; charset=utf-8";

/* Metrics first: a telemetry path of "/" takes the place of the landing page. */
enum { ROUTE_METRICS, ROUTE_LANDING, ROUTE_HEALTHY, ROUTE_READY, ROUTE_COUNT };

struct exporter {
	struct http *http;
	struct http_route routes[ROUTE_COUNT];
	char *telemetry_path, *version;

	/* Held only to swap references, so that publishing never waits for a rendering. */
	pthread_mutex_t lock;
	struct prometheus *prometheus;
	struct snapshot *snapshot; /* NULL before the first */
	struct strbuf self;
	uint64_t generation;	       /* rises with each change of the three above */
	struct exposition *exposition; /* of this generation, or NULL */

	/* Held while one scrape renders and the others wait for its text. Taken before `lock`. */
	pthread_mutex_t render_lock;
	struct prometheus_stats stats; /* of the last rendering */
	uint64_t dropped_series;       /* by all of them */
	size_t last_text;	       /* bytes */
	double render_seconds;
	atomic_size_t last_gzip; /* bytes; made without a lock of ours */
};

/* What the exporter says of itself, behind all that it was given. */
static void add_own(struct exporter *exporter, struct strbuf *out)
{
	const struct self_metric list[] = {
		{ .name = "cgwatch_exporter_series",
		  .help = "Series of cgroups in this exposition.",
		  .value = (double)exporter->stats.series },
		{ .name = "cgwatch_exporter_series_dropped_total",
		  .help = "Series left out of expositions, with their whole cgroup, by reason.",
		  .type = SELF_COUNTER,
		  .labels = { { "reason", "max_series" } },
		  .value = (double)exporter->dropped_series },
		{ .name = "cgwatch_exporter_cgroups_dropped",
		  .help = "Cgroups left out of this exposition, by reason.",
		  .labels = { { "reason", "max_series" } },
		  .value = (double)exporter->stats.dropped_cgroups },
		{ .name = "cgwatch_exporter_exposition_bytes",
		  .help = "Size of the last exposition that was sent, by encoding.",
		  .labels = { { "encoding", "identity" } },
		  .value = (double)exporter->last_text },
		{ .name = "cgwatch_exporter_exposition_bytes",
		  .labels = { { "encoding", "gzip" } },
		  .value = (double)atomic_load(&exporter->last_gzip) },
		{ .name = "cgwatch_exporter_render_duration_seconds",
		  .help = "Time it took to render this exposition.",
		  .value = exporter->render_seconds },
	};

	self_render(&(struct exporter_self){ list, ARRAY_SIZE(list) }, out);
	http_render(exporter->http, out);
}

/* What one rendering works on, references of its own. */
struct work {
	struct prometheus *prometheus;
	struct snapshot *snapshot;
	uint64_t generation;
	struct strbuf text; /* begins with what the agent says of itself */
};

static void work_done(struct work *work)
{
	prometheus_unref(work->prometheus);
	snapshot_unref(work->snapshot);
	strbuf_done(&work->text);
}

/* Renders what `work` holds. Called with render_lock held. NULL if there is no memory. */
static struct exposition *render(struct exporter *exporter, struct work *work)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	struct exposition *exposition;

	/* Growing step by step would move megabytes again and again. */
	strbuf_reserve(&work->text, exporter->last_text + exporter->last_text / 16);
	if (prometheus_render(work->prometheus, work->snapshot, &work->text, &exporter->stats) < 0)
		return NULL;
	exporter->dropped_series += exporter->stats.dropped_series;
	exporter->render_seconds = (double)(clock_ns(CLOCK_MONOTONIC) - start) / 1e9;
	add_own(exporter, &work->text);
	exporter->last_text = work->text.length;
	exposition = exposition_new(&work->text);
	if (!exposition)
		return NULL;
	pthread_mutex_lock(&exporter->lock);
	if (exporter->generation == work->generation)
		exporter->exposition = exposition_ref(exposition);
	pthread_mutex_unlock(&exporter->lock);
	return exposition;
}

/*
 * The exposition of the latest snapshot, rendered if nobody asked for it before; the caller gets a
 * reference. -EAGAIN before the first snapshot, -ENOMEM.
 */
static int get_exposition(struct exporter *exporter, struct exposition **ret_exposition)
{
	_cleanup_(work_done) struct work work = { 0 };
	struct exposition *exposition = NULL;
	int r = 0;

	pthread_mutex_lock(&exporter->render_lock);
	pthread_mutex_lock(&exporter->lock);
	if (exporter->exposition) {
		exposition = exposition_ref(exporter->exposition);
	} else if (exporter->snapshot) {
		work.prometheus = prometheus_ref(exporter->prometheus);
		work.snapshot = snapshot_ref(exporter->snapshot);
		work.generation = exporter->generation;
		strbuf_add(&work.text, exporter->self.data ? exporter->self.data : "",
			   exporter->self.length);
	}
	pthread_mutex_unlock(&exporter->lock);
	if (!exposition && !work.snapshot)
		r = -EAGAIN;
	else if (!exposition && !(exposition = render(exporter, &work)))
		r = -ENOMEM;
	pthread_mutex_unlock(&exporter->render_lock);
	if (r == 0)
		*ret_exposition = exposition;
	return r;
}

static void set_text(struct http_reply *reply, unsigned int status, const char *text)
{
	reply->status = status;
	reply->type = "text/plain; charset=utf-8";
	reply->body = text;
	reply->length = strlen(text);
}

/* Gives the text away to the reply; it stays a 500 if there is no memory. */
static void set_owned(struct http_reply *reply, const char *type, struct strbuf *text)
{
	size_t length = text->length;
	char *body = strbuf_take(text);

	if (!body)
		return;
	*reply = (struct http_reply){ .status = 200,
				      .type = type,
				      .body = body,
				      .length = length,
				      .release = free,
				      .data = body };
}

static void release_exposition(void *data)
{
	exposition_unref(data);
}

static void set_exposition(struct exporter *exporter, const struct http_request *request,
			   struct http_reply *reply, struct exposition *exposition)
{
	const char *body = NULL;
	size_t length = 0;
	bool gzip = false;

	if (request->gzip) {
		body = exposition_gzip(exposition, &length);
		gzip = body;
	}
	if (gzip)
		atomic_store(&exporter->last_gzip, length);
	else
		body = exposition_text(exposition, &length);
	*reply = (struct http_reply){ .status = 200,
				      .type = exposition_type,
				      .body = body,
				      .length = length,
				      .release = release_exposition,
				      .data = exposition,
				      .gzip = gzip,
				      .varies = true };
}

static void handle_metrics(void *data, const struct http_request *request, struct http_reply *reply)
{
	struct exporter *exporter = data;
	struct exposition *exposition;
	struct strbuf chosen;
	const char *text;
	size_t length;
	int r;

	r = get_exposition(exporter, &exposition);
	if (r == -EAGAIN)
		set_text(reply, 503, "no sample was taken yet\n");
	if (r < 0)
		return;
	if (request->n_names == 0) {
		set_exposition(exporter, request, reply, exposition);
		return;
	}
	strbuf_init(&chosen);
	text = exposition_text(exposition, &length);
	exposition_filter(text, length, request->names, request->n_names, &chosen);
	exposition_unref(exposition);
	set_owned(reply, exposition_type, &chosen);
}

static struct snapshot *get_snapshot(struct exporter *exporter)
{
	struct snapshot *snapshot;

	pthread_mutex_lock(&exporter->lock);
	snapshot = exporter->snapshot ? snapshot_ref(exporter->snapshot) : NULL;
	pthread_mutex_unlock(&exporter->lock);
	return snapshot;
}

static void handle_landing(void *data, const struct http_request *request, struct http_reply *reply)
{
	struct exporter *exporter = data;
	struct snapshot *snapshot = get_snapshot(exporter);
	struct page page = { .version = exporter->version,
			     .telemetry_path = exporter->telemetry_path,
			     .ready = snapshot };
	struct strbuf text;

	(void)request;
	if (snapshot) {
		page.cgroups = snapshot->tree->n;
		page.sample_age_ms = (clock_ns(CLOCK_BOOTTIME) - snapshot->boottime_ns) / 1000000;
	}
	strbuf_init(&text);
	page_render(&page, &text);
	snapshot_unref(snapshot);
	set_owned(reply, "text/html; charset=utf-8", &text);
}

static void handle_healthy(void *data, const struct http_request *request, struct http_reply *reply)
{
	(void)data;
	(void)request;
	set_text(reply, 200, "healthy\n");
}

static void handle_ready(void *data, const struct http_request *request, struct http_reply *reply)
{
	struct snapshot *snapshot = get_snapshot(data);

	(void)request;
	if (snapshot)
		set_text(reply, 200, "ready\n");
	else
		set_text(reply, 503, "no sample was taken yet\n");
	snapshot_unref(snapshot);
}

static const struct http_route routes[ROUTE_COUNT] = {
	[ROUTE_METRICS] = { NULL, handle_metrics, true }, /* the path is configured */
	[ROUTE_LANDING] = { "/", handle_landing, false },
	[ROUTE_HEALTHY] = { "/-/healthy", handle_healthy, false },
	[ROUTE_READY] = { "/-/ready", handle_ready, false },
};

static int copy_options(struct exporter *exporter, const struct exporter_options *options)
{
	exporter->telemetry_path = strdup(options->telemetry_path ? options->telemetry_path
								  : "/metrics");
	exporter->version = options->version ? strdup(options->version) : NULL;
	if (!exporter->telemetry_path || (options->version && !exporter->version))
		return -ENOMEM;
	memcpy(exporter->routes, routes, sizeof(routes));
	exporter->routes[ROUTE_METRICS].path = exporter->telemetry_path;
	return prometheus_new(&options->export, &exporter->prometheus);
}

int exporter_new(const struct exporter_options *options, struct exporter **ret_exporter,
		 char **ret_error)
{
	struct exporter *exporter = calloc(1, sizeof(*exporter));
	struct http_options http = {
		.addresses = options->addresses,
		.n_addresses = options->n_addresses,
		.n_routes = ROUTE_COUNT,
		.max_requests = options->max_requests ? options->max_requests : 40,
		.max_connections = options->max_connections ? options->max_connections : 128,
		.timeout_s = options->timeout_s ? options->timeout_s : 10,
	};
	int r;

	*ret_error = NULL;
	if (!exporter)
		return -ENOMEM;
	if (options->telemetry_path && options->telemetry_path[0] != '/') {
		free(exporter);
		*ret_error = strdup("the telemetry path must begin with '/'");
		return -EINVAL;
	}
	pthread_mutex_init(&exporter->lock, NULL);
	pthread_mutex_init(&exporter->render_lock, NULL);
	r = copy_options(exporter, options);
	http.data = exporter;
	http.routes = exporter->routes;
	if (r == 0)
		r = http_new(&http, &exporter->http, ret_error);
	if (r < 0) {
		exporter_free(exporter);
		return r;
	}
	*ret_exporter = exporter;
	return 0;
}

void exporter_free(struct exporter *exporter)
{
	if (!exporter)
		return;
	http_free(exporter->http); /* no thread uses the rest afterwards */
	exposition_unref(exporter->exposition);
	snapshot_unref(exporter->snapshot);
	prometheus_unref(exporter->prometheus);
	strbuf_done(&exporter->self);
	free(exporter->telemetry_path);
	free(exporter->version);
	pthread_mutex_destroy(&exporter->lock);
	pthread_mutex_destroy(&exporter->render_lock);
	free(exporter);
}

void exporter_publish(struct exporter *exporter, struct snapshot *snapshot,
		      const struct exporter_self *self)
{
	struct snapshot *old_snapshot;
	struct exposition *old_exposition;
	struct strbuf text, old_self;

	/* A few kilobytes of text: less work than a deep copy of the list would be. */
	strbuf_init(&text);
	if (self)
		self_render(self, &text);
	snapshot_ref(snapshot);
	pthread_mutex_lock(&exporter->lock);
	old_snapshot = exporter->snapshot;
	old_exposition = exporter->exposition;
	old_self = exporter->self;
	exporter->snapshot = snapshot;
	exporter->exposition = NULL;
	exporter->self = text;
	exporter->generation++;
	pthread_mutex_unlock(&exporter->lock);
	snapshot_unref(old_snapshot);
	exposition_unref(old_exposition);
	strbuf_done(&old_self);
}

int exporter_configure(struct exporter *exporter, const struct prometheus_options *options)
{
	struct prometheus *prometheus, *old_prometheus;
	struct exposition *old_exposition;
	int r;

	r = prometheus_new(options, &prometheus);
	if (r < 0)
		return r;
	pthread_mutex_lock(&exporter->lock);
	old_prometheus = exporter->prometheus;
	old_exposition = exporter->exposition;
	exporter->prometheus = prometheus;
	exporter->exposition = NULL;
	exporter->generation++;
	pthread_mutex_unlock(&exporter->lock);
	prometheus_unref(old_prometheus);
	exposition_unref(old_exposition);
	return 0;
}

uint16_t exporter_port(const struct exporter *exporter, size_t index)
{
	return http_port(exporter->http, index);
}

const char *exporter_http_version(void)
{
	return http_version();
}
