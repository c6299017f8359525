// SPDX-License-Identifier: MIT
/* The HTTP side, over real sockets on loopback with ports the kernel chose. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>

#include "core/cleanup.h"
#include "exporter/exporter.h"

/* `n` cgroups that all used `seconds` of CPU. */
static struct snapshot *make_snapshot(uint32_t n, uint64_t seconds)
{
	struct prometheus_options options;
	struct strpool *pool = strpool_new();
	struct tree *tree = tree_new(n, 1, pool);
	struct snapshot *snapshot;

	prometheus_options_init(&options);
	for (uint32_t i = 0; i < n; i++) {
		char path[64];

		snprintf(path, sizeof(path), i ? "/machine.slice/group-%05u" : "/", i);
		tree->nodes[i] = node_new(path, i ? 2 : 0, 1);
		tree->nodes[i]->ids[0] = i + 1;
		tree->parent[i] = i ? 0 : NODE_NONE;
		tree->end[i] = i ? i + 1 : n;
	}
	snapshot = snapshot_new(tree, &options.metrics);
	for (uint32_t i = 0; i < n; i++)
		snapshot_set(snapshot, M_CPU_USAGE, i, (union value){ .u64 = seconds * 1000000 });
	tree_unref(tree);
	strpool_unref(pool);
	return snapshot;
}

static void publish(struct exporter *exporter, uint32_t n, uint64_t seconds)
{
	static const struct self_metric metric = { .name = "cgwatch_sample_duration_seconds",
						   .help = "Time the last sample took.",
						   .value = 0.001 };
	struct snapshot *snapshot = make_snapshot(n, seconds);

	exporter_publish(exporter, snapshot, &(struct exporter_self){ &metric, 1 });
	snapshot_unref(snapshot);
}

static struct exporter *start(struct exporter_options *options, const char *const *addresses,
			      size_t n)
{
	struct exporter *exporter;
	char *error;

	options->addresses = addresses;
	options->n_addresses = n;
	prometheus_options_init(&options->export);
	if (exporter_new(options, &exporter, &error) < 0)
		fail_msg("%s", error);
	return exporter;
}

static const char *const loopback[] = { "127.0.0.1:0" };

static struct exporter *start_default(void)
{
	struct exporter_options options = { .version = "test" };

	return start(&options, loopback, 1);
}

/* With a small buffer, a client that does not read holds up the server. */
static int connect_with(uint16_t port, int buffer)
{
	const struct sockaddr_in name = { .sin_family = AF_INET,
					  .sin_port = htons(port),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval patience = { .tv_sec = 60 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (buffer > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int connect_tcp(uint16_t port)
{
	return connect_with(port, 0);
}

static bool send_text(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Everything until the server closes: the requests ask it to. */
static void receive(int fd, struct strbuf *out)
{
	char chunk[16384];
	ssize_t n;

	while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0)
		strbuf_add(out, chunk, (size_t)n);
	strbuf_add(out, "", 0);
}

/* One request; the whole answer with its head into `out`. Returns the status, 0 without an answer.
 */
static unsigned int ask(uint16_t port, const char *method, const char *path, const char *headers,
			struct strbuf *out)
{
	_cleanup_(closep) int fd = connect_tcp(port);
	_cleanup_(freep) char *text = NULL;

	strbuf_init(out);
	if (fd < 0 || asprintf(&text, "%s %s HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\n\r\n",
			       method, path, headers) < 0)
		return 0;
	if (send_text(fd, text))
		receive(fd, out);
	return out->length > 12 ? (unsigned int)strtoul(out->data + 9, NULL, 10) : 0;
}

static const char *body_of(const struct strbuf *answer)
{
	const char *body = strstr(answer->data, "\r\n\r\n");

	assert_non_null(body);
	return body + 4;
}

/* Asks and checks the status; a text that has to be in the answer, head or body, or NULL. */
static void expect(uint16_t port, const char *method, const char *path, unsigned int status,
		   const char *text)
{
	struct strbuf answer;
	unsigned int got = ask(port, method, path, "", &answer);

	if (got != status)
		fail_msg("%s %s: %u, not %u", method, path, got, status);
	if (text && !strcasestr(answer.data, text))
		fail_msg("%s %s: no \"%s\" in: %s", method, path, text, answer.data);
	if (strcmp(method, "HEAD") == 0)
		assert_string_equal(body_of(&answer), "");
	strbuf_done(&answer);
}

static void test_before_the_first_snapshot(void **state)
{
	struct exporter *exporter = start_default();
	uint16_t port = exporter_port(exporter, 0);

	(void)state;
	assert_true(port > 0);
	assert_int_equal(exporter_port(exporter, 1), 0);
	expect(port, "GET", "/-/healthy", 200, "healthy");
	expect(port, "GET", "/-/ready", 503, "no sample");
	expect(port, "GET", "/metrics", 503, "no sample");
	expect(port, "GET", "/", 200, "No sample was taken yet");
	publish(exporter, 1, 1);
	expect(port, "GET", "/-/ready", 200, "ready");
	expect(port, "GET", "/metrics", 200, NULL);
	exporter_free(exporter);
}

static void test_routes(void **state)
{
	struct exporter *exporter = start_default();
	uint16_t port = exporter_port(exporter, 0);

	(void)state;
	publish(exporter, 3, 5);
	expect(port, "GET", "/metrics", 200,
	       "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
	expect(port, "GET", "/metrics", 200, "Vary: Accept-Encoding\r\n");
	expect(port, "GET", "/metrics", 200, "\ncgwatch_sample_duration_seconds 0.001\n");
	expect(port, "GET", "/metrics", 200, "_cpu_usage_seconds_total{cgroup=\"/\"} 5\n");
	expect(port, "GET", "/", 200, "<strong>3 cgroups</strong>");
	expect(port, "GET", "/", 200, "href=\"/metrics\"");
	expect(port, "HEAD", "/metrics", 200, "Content-Length: ");
	expect(port, "HEAD", "/-/ready", 200, "Content-Length: 6\r\n");
	expect(port, "GET", "/metricsx", 404, "not found");
	expect(port, "GET", "/metrics/", 404, NULL);
	expect(port, "GET", "/../etc/passwd", 404, NULL);
	expect(port, "POST", "/nothing", 404, NULL);
	expect(port, "POST", "/metrics", 405, "Allow: GET, HEAD\r\n");
	expect(port, "DELETE", "/-/healthy", 405, "Allow: GET, HEAD\r\n");
	/* Of this generation's text: what was asked before it was rendered. */
	publish(exporter, 3, 5);
	expect(port, "GET", "/metrics", 200,
	       "cgwatch_http_requests_total{handler=\"other\",code=\"404\"} 4\n");
	expect(port, "GET", "/metrics", 200,
	       "cgwatch_http_requests_total{handler=\"/-/healthy\",code=\"405\"} 1\n");
	exporter_free(exporter);
}

/* Prometheus keeps its connection: a scrape should not cost a new one. */
static void test_keep_alive(void **state)
{
	struct exporter *exporter = start_default();
	_cleanup_(closep) int fd = connect_tcp(exporter_port(exporter, 0));
	struct strbuf answer;
	const char *at;
	size_t answers = 0;

	(void)state;
	publish(exporter, 1, 5);
	for (int i = 0; i < 3; i++)
		assert_true(send_text(fd, "GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_true(
		send_text(fd, "GET /-/ready HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"));
	assert_true(send_text(fd, "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
	strbuf_init(&answer);
	receive(fd, &answer);
	for (at = answer.data; (at = strstr(at, "HTTP/1.1 200 OK")); at++)
		answers++;
	assert_int_equal(answers, 4);
	assert_non_null(strstr(answer.data, "HTTP/1.1 404 Not Found"));
	strbuf_done(&answer);
	exporter_free(exporter);
}

static void test_names(void **state)
{
	struct exporter *exporter = start_default();
	struct strbuf answer;
	const char *body;

	(void)state;
	publish(exporter, 2, 5);
	assert_int_equal(ask(exporter_port(exporter, 0), "GET",
			     "/metrics?name%5B%5D=cgwatch_cgroups&name[]=none&x=y",
			     "Accept-Encoding: gzip\r\n", &answer),
			 200);
	body = body_of(&answer);
	assert_string_equal(body, "# HELP cgwatch_cgroups Cgroups in this exposition.\n"
				  "# TYPE cgwatch_cgroups gauge\ncgwatch_cgroups 2\n");
	strbuf_done(&answer);
	expect(exporter_port(exporter, 0), "GET", "/metrics?name[]=none", 200,
	       "Content-Length: 0\r\n");
	exporter_free(exporter);
}

static void test_gzip(void **state)
{
	struct exporter *exporter = start_default();
	uint16_t port = exporter_port(exporter, 0);
	struct strbuf plain, packed;
	z_stream stream = { 0 };
	const char *body;
	char *text;
	size_t length;

	(void)state;
	publish(exporter, 200, 7);
	assert_int_equal(ask(port, "GET", "/metrics", "", &plain), 200);
	assert_int_equal(ask(port, "GET", "/metrics", "Accept-Encoding: gzip\r\n", &packed), 200);
	assert_null(strcasestr(plain.data, "Content-Encoding"));
	assert_non_null(strcasestr(packed.data, "Content-Encoding: gzip\r\n"));
	body = body_of(&packed);
	length = strlen(body_of(&plain));
	text = malloc(length + 1);
	stream.next_in = (Bytef *)body;
	stream.avail_in = (uInt)(packed.length - (size_t)(body - packed.data));
	stream.next_out = (Bytef *)text;
	stream.avail_out = (uInt)length + 1;
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	/* The same generation, so the same bytes. */
	assert_int_equal(stream.total_out, length);
	assert_memory_equal(text, body_of(&plain), length);
	inflateEnd(&stream);
	free(text);
	strbuf_done(&plain);
	strbuf_done(&packed);
	exporter_free(exporter);
}

static void test_configure(void **state)
{
	struct exporter_options options = { .telemetry_path = "/" };
	struct exporter *exporter = start(&options, loopback, 1);
	uint16_t port = exporter_port(exporter, 0);
	struct prometheus_options export;
	struct strbuf answer;

	(void)state;
	publish(exporter, 3, 5);
	expect(port, "GET", "/", 200, "cgwatch_cgroups 3\n");
	expect(port, "GET", "/metrics", 404, NULL);
	prometheus_options_init(&export);
	export.max_depth = 1;
	assert_int_equal(exporter_configure(exporter, &export), 0);
	assert_int_equal(ask(port, "GET", "/", "", &answer), 200);
	assert_non_null(strstr(answer.data, "cgwatch_cgroups 1\n"));
	strbuf_done(&answer);
	export.max_depth = 0;
	export.max_series = 3;
	assert_int_equal(exporter_configure(exporter, &export), 0);
	expect(port, "GET", "/", 200, "series_dropped_total{reason=\"max_series\"} 4\n");
	publish(exporter, 3, 5);
	expect(port, "GET", "/", 200, "series_dropped_total{reason=\"max_series\"} 8\n");
	exporter_free(exporter);
}

/* A client that asks and does not read occupies one of the places, and does no other harm. */
static void test_slow_client_and_503(void **state)
{
	struct exporter_options options = { .max_requests = 2 };
	struct exporter *exporter = start(&options, loopback, 1);
	uint16_t port = exporter_port(exporter, 0);
	struct strbuf answer;
	int slow[2];

	(void)state;
	publish(exporter, 40000, 5); /* more than the server's socket buffer holds */
	for (int i = 0; i < 2; i++) {
		char first;

		slow[i] = connect_with(port, 4096);
		assert_true(send_text(slow[i], "GET /metrics HTTP/1.1\r\nHost: x\r\n"
					       "Connection: close\r\n\r\n"));
		assert_int_equal(recv(slow[i], &first, 1, MSG_PEEK), 1);
	}
	expect(port, "GET", "/metrics", 503, "too many requests");
	expect(port, "GET", "/-/healthy", 200, NULL);
	publish(exporter, 1, 5);
	expect(port, "GET", "/", 200, "<strong>1 cgroup</strong>");
	/* What they asked for is still whole, though there is a newer one. */
	strbuf_init(&answer);
	receive(slow[0], &answer);
	assert_non_null(strstr(answer.data, "cgwatch_cgroups 40000\n"));
	assert_non_null(strstr(answer.data, "cgwatch_http_requests_in_flight"));
	assert_int_equal(answer.data[answer.length - 1], '\n');
	strbuf_done(&answer);
	close(slow[0]);
	close(slow[1]); /* gives up in the middle */
	for (int i = 0; i < 1000; i++) {
		unsigned int status = ask(port, "GET", "/metrics", "", &answer);

		strbuf_done(&answer);
		if (status == 200)
			break;
		assert_int_equal(status, 503);
		usleep(10000);
	}
	expect(port, "GET", "/metrics", 200, "cgwatch_cgroups 1\n");
	exporter_free(exporter);
}

struct scraper {
	pthread_t thread;
	uint16_t port;
	atomic_bool *stop;
	unsigned int scrapes, bad;
	const char *headers;
};

/* Every cgroup of one exposition has the same number: the text is of one snapshot. */
static bool is_consistent(const char *body)
{
	static const char name[] = "\ncgwatch_cgroup_cpu_usage_seconds_total{";
	const char *at = strstr(body, name);
	double first = at ? strtod(strchr(at, '}') + 1, NULL) : -1;
	unsigned int n = 0;

	for (; at; at = strstr(at + 1, name), n++) {
		if (strtod(strchr(at, '}') + 1, NULL) != first)
			return false;
	}
	return n == 300 && body[strlen(body) - 1] == '\n';
}

static void *scrape(void *data)
{
	struct scraper *scraper = data;

	while (!atomic_load(scraper->stop) || scraper->scrapes == 0) {
		struct strbuf answer;
		unsigned int status = ask(scraper->port, "GET", "/metrics", scraper->headers,
					  &answer);

		scraper->scrapes++;
		if (status != 200 || (!*scraper->headers && !is_consistent(body_of(&answer))))
			scraper->bad++;
		strbuf_done(&answer);
	}
	return NULL;
}

static void test_scrapes_during_publish(void **state)
{
	struct exporter *exporter = start_default();
	struct scraper scrapers[6] = { 0 };
	struct prometheus_options export;
	atomic_bool stop = false;

	(void)state;
	prometheus_options_init(&export);
	publish(exporter, 300, 1);
	for (size_t i = 0; i < ARRAY_SIZE(scrapers); i++) {
		scrapers[i] = (struct scraper){ .port = exporter_port(exporter, 0),
						.stop = &stop,
						.headers = i % 2 ? "Accept-Encoding: gzip\r\n"
								 : "" };
		assert_int_equal(pthread_create(&scrapers[i].thread, NULL, scrape, &scrapers[i]),
				 0);
	}
	for (unsigned int i = 0; i < 200; i++) {
		publish(exporter, 300, i);
		if (i % 10 == 0)
			assert_int_equal(exporter_configure(exporter, &export), 0);
		usleep(2000);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < ARRAY_SIZE(scrapers); i++) {
		pthread_join(scrapers[i].thread, NULL);
		assert_true(scrapers[i].scrapes > 0);
		assert_int_equal(scrapers[i].bad, 0);
	}
	exporter_free(exporter);
}

static void test_unix_socket(void **state)
{
	char directory[] = "/tmp/cgwatch-test-XXXXXX";
	char address[64];
	const char *addresses[] = { address, "127.0.0.1:0" };
	struct exporter_options options = { 0 };
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct exporter *exporter, *second;
	struct strbuf answer;
	struct stat st;
	char *error;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(address, sizeof(address), "unix:%s/http", directory);
	snprintf(name.sun_path, sizeof(name.sun_path), "%s/http", directory);
	/* One that was left behind by a crash. */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	close(fd);
	exporter = start(&options, addresses, 2);
	assert_int_equal(exporter_port(exporter, 0), 0);
	expect(exporter_port(exporter, 1), "GET", "/-/healthy", 200, NULL);
	assert_int_equal(stat(name.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(exporter_new(&options, &second, &error), -EADDRINUSE);
	assert_non_null(strstr(error, "/http: Address already in use"));
	free(error);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_true(send_text(fd, "GET /-/healthy HTTP/1.0\r\n\r\n"));
	strbuf_init(&answer);
	receive(fd, &answer);
	assert_non_null(strstr(answer.data, "healthy\n"));
	strbuf_done(&answer);
	close(fd);
	exporter_free(exporter);
	assert_int_equal(stat(name.sun_path, &st), -1);
	assert_int_equal(rmdir(directory), 0);
}

static void test_bad_addresses(void **state)
{
	static const struct {
		const char *address;
		int error;
	} cases[] = {
		{ "", -EINVAL },
		{ "9753", -EINVAL },
		{ "localhost", -EINVAL },
		{ "127.0.0.1:", -EINVAL },
		{ "127.0.0.1:70000", -EINVAL },
		{ "127.0.0.1:-1", -EINVAL },
		{ "127.0.0.1:80x", -EINVAL },
		{ "::1:9753", -EINVAL },
		{ "[::1]", -EINVAL },
		{ "[]:1", -EINVAL },
		{ "unix:relative", -EINVAL },
		{ "unix:/nowhere/at/all", -ENOENT },
		{ "192.0.2.1:0", -EADDRNOTAVAIL },
		{ "unix:/etc/passwd", -EADDRINUSE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *addresses[] = { "127.0.0.1:0", cases[i].address };
		struct exporter_options options = { .addresses = addresses, .n_addresses = 2 };
		struct exporter *exporter;
		char *error = NULL;
		int r = exporter_new(&options, &exporter, &error);

		if (r != cases[i].error)
			fail_msg("%s: %d, not %d", cases[i].address, r, cases[i].error);
		assert_memory_equal(error, cases[i].address, strlen(cases[i].address));
		assert_null(strchr(error, '\n'));
		free(error);
	}
}

static void test_port_in_use(void **state)
{
	struct exporter *exporter = start_default(), *second;
	struct exporter_options options = { .n_addresses = 1 };
	char address[32];
	const char *addresses[] = { address };
	char *error;

	(void)state;
	snprintf(address, sizeof(address), "127.0.0.1:%u", exporter_port(exporter, 0));
	options.addresses = addresses;
	assert_int_equal(exporter_new(&options, &second, &error), -EADDRINUSE);
	assert_non_null(strstr(error, ": Address already in use"));
	free(error);
	options.telemetry_path = "metrics";
	assert_int_equal(exporter_new(&options, &second, &error), -EINVAL);
	free(error);
	exporter_free(exporter);
	exporter_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_the_first_snapshot),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_configure),
		cmocka_unit_test(test_slow_client_and_503),
		cmocka_unit_test(test_scrapes_during_publish),
		cmocka_unit_test(test_unix_socket),
		cmocka_unit_test(test_bad_addresses),
		cmocka_unit_test(test_port_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
