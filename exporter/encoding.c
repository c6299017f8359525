// SPDX-License-Identifier: MIT
#include "exporter/encoding.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* The quality of one element of Accept-Encoding in thousandths; 1000 if it has none. */
static int quality(const char *element, size_t length)
{
	const char *end = element + length, *at = memchr(element, ';', length);
	int value = 0;

	if (!at)
		return 1000;
	for (at++; at < end && (*at == ' ' || *at == '\t'); at++)
		;
	if (end - at < 3 || (*at != 'q' && *at != 'Q') || at[1] != '=')
		return 1000;
	at += 2;
	if (*at == '1')
		return 1000;
	if (*at != '0')
		return 0;
	for (int scale = 100, i = 2; scale > 0 && at + i < end && at[i] >= '0' && at[i] <= '9';
	     scale /= 10, i++)
		value += scale * (at[i] - '0');
	return value;
}

static bool is_coding(const char *element, size_t length, const char *name)
{
	size_t n = strlen(name);

	return length >= n && strncasecmp(element, name, n) == 0 &&
	       (length == n || strchr(" \t;", element[n]));
}

bool encoding_prefers_gzip(const char *accept_encoding)
{
	int gzip = -1, identity = -1, any = -1;

	for (const char *at = accept_encoding; at && *at; at += *at == ',') {
		size_t length;

		at += strspn(at, " \t");
		length = strcspn(at, ",");
		if (is_coding(at, length, "gzip") || is_coding(at, length, "x-gzip"))
			gzip = quality(at, length);
		else if (is_coding(at, length, "identity"))
			identity = quality(at, length);
		else if (is_coding(at, length, "*"))
			any = quality(at, length);
		at += length;
	}
	gzip = gzip < 0 ? any : gzip;
	/* Not listed, it may be sent but was not asked for. */
	return gzip > 0 && gzip >= identity;
}
