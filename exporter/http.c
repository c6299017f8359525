// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "exporter/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "exporter/address.h"
#include "exporter/encoding.h"

#define POOL_SIZE 2  /* threads an address */
#define NAMES_MAX 64 /* name[] in one query */

static const struct {
	unsigned int status;
	const char *text, *body;
} codes[] = {
	{ 200, "200", "" },
	{ 400, "400", "bad request\n" },
	{ 404, "404", "not found\n" },
	{ 405, "405", "only GET and HEAD\n" },
	{ 500, "500", "internal error\n" },
	{ 503, "503", "too many requests at a time\n" },
};

struct listener {
	struct MHD_Daemon *daemon;
	char *unix_path; /* to remove at the end, or NULL */
	uint16_t port;
};

struct http {
	const struct http_route *routes;
	size_t n_routes;
	void *data;
	unsigned int max_requests;
	atomic_uint in_flight;
	/* By route and code; the row behind the last route is for paths that are none. */
	atomic_ullong (*counts)[ARRAY_SIZE(codes)];
	struct listener *listeners;
	size_t n_listeners;
};

/* Marks of a request, so that the next call and its end know what was before. */
static const char started, counted;

static size_t code_index(unsigned int status)
{
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(codes) && codes[i].status != status)
		i++;
	return i;
}

struct names {
	const char *list[NAMES_MAX];
	size_t n;
	bool too_many;
};

static enum MHD_Result collect_name(void *data, enum MHD_ValueKind kind, const char *key,
				    const char *value)
{
	struct names *names = data;

	(void)kind;
	if (strcmp(key, "name[]") != 0 || !value)
		return MHD_YES;
	if (names->n == NAMES_MAX)
		names->too_many = true;
	else
		names->list[names->n++] = value;
	return MHD_YES;
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, const struct http_reply *reply)
{
	struct MHD_Response *response;
	enum MHD_Result r;

	if (reply->release)
		response = MHD_create_response_from_buffer_with_free_callback_cls(
			reply->length, (void *)reply->body, reply->release, reply->data);
	else
		response = MHD_create_response_from_buffer(reply->length, (void *)reply->body,
							   MHD_RESPMEM_MUST_COPY);
	if (!response) {
		if (reply->release)
			reply->release(reply->data);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", reply->type);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (reply->varies)
		MHD_add_response_header(response, "Vary", "Accept-Encoding");
	if (reply->gzip)
		MHD_add_response_header(response, "Content-Encoding", "gzip");
	if (reply->status == 405)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	r = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return r;
}

static void plain_reply(struct http_reply *reply, unsigned int status)
{
	const char *body = codes[code_index(status)].body;

	*reply = (struct http_reply){ .status = status,
				      .type = "text/plain; charset=utf-8",
				      .body = body,
				      .length = strlen(body) };
}

static const struct http_route *find_route(const struct http *http, const char *path)
{
	for (size_t i = 0; i < http->n_routes; i++) {
		if (strcmp(http->routes[i].path, path) == 0)
			return &http->routes[i];
	}
	return NULL;
}

/* True if there is room for one more; on_completed() takes it back. */
static bool enter(struct http *http, void **mark)
{
	if (atomic_fetch_add(&http->in_flight, 1) >= http->max_requests) {
		atomic_fetch_sub(&http->in_flight, 1);
		return false;
	}
	*mark = (void *)&counted;
	return true;
}

static void on_completed(void *data, struct MHD_Connection *connection, void **mark,
			 enum MHD_RequestTerminationCode why)
{
	struct http *http = data;

	(void)connection;
	(void)why;
	if (*mark == &counted)
		atomic_fetch_sub(&http->in_flight, 1);
	*mark = NULL;
}

static bool is_read(const char *method)
{
	return strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
	       strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

static void answer(struct http *http, struct MHD_Connection *connection,
		   const struct http_route *route, const char *method, struct http_reply *reply)
{
	struct names names = { .n = 0 };
	struct http_request request = { .names = names.list };

	plain_reply(reply, 405);
	if (!is_read(method))
		return;
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, collect_name, &names);
	plain_reply(reply, 400);
	if (names.too_many)
		return;
	request.n_names = names.n;
	request.gzip = encoding_prefers_gzip(MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT_ENCODING));
	plain_reply(reply, 500);
	route->handle(http->data, &request, reply);
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_length, void **mark)
{
	struct http *http = data;
	const struct http_route *route = find_route(http, path);
	size_t row = route ? (size_t)(route - http->routes) : http->n_routes;
	struct http_reply reply;

	(void)version;
	(void)upload;
	/* An answer to the first call, which comes before any body, would end the connection. */
	if ((!*mark && is_read(method)) || *upload_length > 0) {
		*mark = (void *)&started;
		*upload_length = 0;
		return MHD_YES;
	}
	if (!route)
		plain_reply(&reply, 404);
	else if (route->limited && !enter(http, mark))
		plain_reply(&reply, 503);
	else
		answer(http, connection, route, method, &reply);
	atomic_fetch_add_explicit(&http->counts[row][code_index(reply.status)], 1,
				  memory_order_relaxed);
	return send_reply(connection, &reply);
}

/* "Setting TCP_NODELAY failed" comes with every connection of a Unix socket: nothing to tell. */
__attribute__((format(printf, 2, 0))) static void on_log(void *data, const char *format,
							 va_list arguments)
{
	_cleanup_(freep) char *line = NULL;

	(void)data;
	if (vasprintf(&line, format, arguments) < 0) {
		line = NULL;
		return;
	}
	line[strcspn(line, "\n")] = '\0';
	log_debug("http: %s", line);
}

/* Signals are for the agent's loop: no thread of the pool may take one. */
static struct MHD_Daemon *start_daemon(struct http *http, const struct http_options *options,
				       int fd)
{
	struct MHD_Daemon *daemon;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL,
				  on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
				  MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE,
				  (unsigned int)POOL_SIZE, MHD_OPTION_CONNECTION_LIMIT,
				  options->max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
				  options->timeout_s, MHD_OPTION_STRICT_FOR_CLIENT, 1,
				  MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return daemon;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);

	if (getsockname(fd, (struct sockaddr *)&name, &length) < 0)
		return 0;
	if (name.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&name)->sin_port);
	if (name.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&name)->sin6_port);
	return 0;
}

static int add_listener(struct http *http, const struct http_options *options, const char *address,
			char **ret_error)
{
	struct listener *listener = &http->listeners[http->n_listeners];
	const char *path = address_unix_path(address);
	int fd, r;

	r = address_listen(address, &fd, ret_error);
	if (r < 0)
		return r;
	listener->port = port_of(fd);
	listener->unix_path = path ? strdup(path) : NULL;
	listener->daemon = start_daemon(http, options, fd);
	if (listener->daemon) {
		http->n_listeners++;
		return 0;
	}
	r = errno ? -errno : -ENOMEM;
	close(fd);
	if (path)
		unlink(path);
	free(listener->unix_path);
	if (asprintf(ret_error, "%s: cannot start the HTTP threads: %s", address,
		     strerrordesc_np(-r)) < 0)
		*ret_error = NULL;
	return r;
}

int http_new(const struct http_options *options, struct http **ret_http, char **ret_error)
{
	struct http *http = calloc(1, sizeof(*http));
	int r = 0;

	*ret_error = NULL;
	if (!http)
		return -ENOMEM;
	http->routes = options->routes;
	http->n_routes = options->n_routes;
	http->data = options->data;
	http->max_requests = options->max_requests;
	http->counts = calloc(http->n_routes + 1, sizeof(*http->counts));
	http->listeners = calloc(options->n_addresses + 1, sizeof(*http->listeners));
	if (!http->counts || !http->listeners)
		r = -ENOMEM;
	for (size_t i = 0; i < options->n_addresses && r == 0; i++)
		r = add_listener(http, options, options->addresses[i], ret_error);
	if (r < 0) {
		http_free(http);
		return r;
	}
	*ret_http = http;
	return 0;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	for (size_t i = 0; i < http->n_listeners; i++) {
		MHD_stop_daemon(http->listeners[i].daemon);
		if (http->listeners[i].unix_path)
			unlink(http->listeners[i].unix_path);
		free(http->listeners[i].unix_path);
	}
	free(http->listeners);
	free(http->counts);
	free(http);
}

uint16_t http_port(const struct http *http, size_t index)
{
	return index < http->n_listeners ? http->listeners[index].port : 0;
}

void http_render(const struct http *http, struct strbuf *out)
{
	const size_t size = (http->n_routes + 1) * ARRAY_SIZE(codes);
	_cleanup_(freep) struct self_metric *list = calloc(size + 1, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; list && i < size; i++) {
		size_t row = i / ARRAY_SIZE(codes), code = i % ARRAY_SIZE(codes);
		bool other = row == http->n_routes;
		unsigned long long count = atomic_load(&http->counts[row][code]);

		if (count == 0 && (other || codes[code].status != 200))
			continue;
		list[n++] = (struct self_metric){
			.name = "cgwatch_http_requests_total",
			.help = "HTTP requests answered.",
			.type = SELF_COUNTER,
			.labels = { { "handler", other ? "other" : http->routes[row].path },
				    { "code", codes[code].text } },
			.value = (double)count,
		};
	}
	if (!list)
		return;
	list[n++] = (struct self_metric){ .name = "cgwatch_http_requests_in_flight",
					  .help = "Scrapes being served.",
					  .value = atomic_load(&http->in_flight) };
	self_render(&(struct exporter_self){ list, n }, out);
}

const char *http_version(void)
{
	return MHD_get_version();
}
