/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/self.h"

/*
 * A small HTTP server on libmicrohttpd: GET and HEAD for a table of routes. Handlers run on its
 * threads, several at a time.
 */
struct http;

/* What a handler may know of a request. */
struct http_request {
	bool gzip;		  /* the client would rather have it compressed */
	const char *const *names; /* values of name[] in the query */
	size_t n_names;
};

/*
 * What a handler answers; it starts as an empty 500. Text is copied unless `release` is set: then
 * `body` stays where it is until release(data) is called, from any thread.
 */
struct http_reply {
	unsigned int status;
	const char *type; /* static text */
	const char *body;
	size_t length;
	void (*release)(void *data);
	void *data;
	bool gzip;   /* the body is compressed */
	bool varies; /* it would be another one for another Accept-Encoding */
};

struct http_route {
	const char *path;
	void (*handle)(void *data, const struct http_request *request, struct http_reply *reply);
	bool limited; /* counts for max_requests */
};

/*
 * TLS and basic auth, when they come, are members here, read from a web configuration file by the
 * caller: libmicrohttpd takes the certificate as daemon options, and a password check belongs
 * before the routes.
 */
struct http_options {
	const char *const *addresses; /* as address_listen() takes them */
	size_t n_addresses;
	const struct http_route *routes; /* kept, not copied */
	size_t n_routes;
	void *data; /* for the handlers */
	unsigned int max_requests, max_connections, timeout_s;
};

/* Listens and serves. On failure a negative errno and a line as from address_listen(). */
int http_new(const struct http_options *options, struct http **ret_http, char **ret_error);
/* Stops, waits for its threads, and removes socket files. */
void http_free(struct http *http);
/* The TCP port of address number `index`; 0 for a Unix socket. */
uint16_t http_port(const struct http *http, size_t index);
/* Appends requests by handler and code, and those being served, in text format. */
void http_render(const struct http *http, struct strbuf *out);
/* Version of libmicrohttpd in use: static text. */
const char *http_version(void);
