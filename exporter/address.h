/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A listening, non-blocking socket for "127.0.0.1:9753", "[::1]:9753", "localhost:0", ":9753"
 * (every address, both families) or "unix:/run/cgwatch/metrics.sock". A socket file that nobody
 * listens on any more is replaced. On failure a negative errno and in `ret_error` the line
 * "ADDRESS: why", to be freed by the caller.
 */
int address_listen(const char *address, int *ret_fd, char **ret_error);
/* The path of a "unix:" address, pointing into it; NULL for any other. */
const char *address_unix_path(const char *address);
