// SPDX-License-Identifier: MIT
#include "exporter/exposition.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <zlib.h>

struct exposition {
	atomic_int refs;
	struct strbuf text;
	pthread_mutex_t lock; /* of what follows */
	char *gzip;
	size_t gzip_length;
};

struct exposition *exposition_new(struct strbuf *text)
{
	struct exposition *exposition = calloc(1, sizeof(*exposition));

	if (!exposition || text->failed || !text->data) {
		free(exposition);
		strbuf_done(text);
		return NULL;
	}
	atomic_init(&exposition->refs, 1);
	pthread_mutex_init(&exposition->lock, NULL);
	exposition->text = *text;
	strbuf_init(text);
	return exposition;
}

struct exposition *exposition_ref(struct exposition *exposition)
{
	atomic_fetch_add_explicit(&exposition->refs, 1, memory_order_relaxed);
	return exposition;
}

void exposition_unref(struct exposition *exposition)
{
	if (!exposition ||
	    atomic_fetch_sub_explicit(&exposition->refs, 1, memory_order_acq_rel) != 1)
		return;
	strbuf_done(&exposition->text);
	free(exposition->gzip);
	pthread_mutex_destroy(&exposition->lock);
	free(exposition);
}

const char *exposition_text(const struct exposition *exposition, size_t *ret_length)
{
	*ret_length = exposition->text.length;
	return exposition->text.data;
}

/* Level 1 takes half the time of the default for an eighth more bytes. */
static char *compress_gzip(const struct strbuf *text, size_t *ret_length)
{
	const int gzip_window = 15 + 16, level = 1, memory = 9;
	z_stream stream = { .next_in = (Bytef *)text->data, .avail_in = (uInt)text->length };
	size_t bound;
	char *data, *fitting;
	int r;

	/* zlib counts in 32 bits; nobody scrapes 4 GB. */
	if (text->length > UINT32_MAX / 2 || deflateInit2(&stream, level, Z_DEFLATED, gzip_window,
							  memory, Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	bound = deflateBound(&stream, text->length);
	data = malloc(bound);
	if (!data) {
		deflateEnd(&stream);
		return NULL;
	}
	stream.next_out = (Bytef *)data;
	stream.avail_out = (uInt)bound;
	r = deflate(&stream, Z_FINISH);
	*ret_length = bound - stream.avail_out;
	deflateEnd(&stream);
	if (r != Z_STREAM_END) {
		free(data);
		return NULL;
	}
	fitting = realloc(data, *ret_length);
	return fitting ? fitting : data;
}

const char *exposition_gzip(struct exposition *exposition, size_t *ret_length)
{
	const char *data;

	pthread_mutex_lock(&exposition->lock);
	if (!exposition->gzip)
		exposition->gzip = compress_gzip(&exposition->text, &exposition->gzip_length);
	data = exposition->gzip;
	*ret_length = exposition->gzip_length;
	pthread_mutex_unlock(&exposition->lock);
	return data;
}

static bool is_named(const char *name, size_t length, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strncmp(names[i], name, length) == 0 && !names[i][length])
			return true;
	}
	return false;
}

void exposition_filter(const char *text, size_t length, const char *const *names, size_t n,
		       struct strbuf *out)
{
	static const char help[] = "# HELP "; /* begins every family */
	const size_t help_length = sizeof(help) - 1;
	const char *end = text + length, *from = text;
	bool keep = false;

	for (const char *line = text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *next = newline ? newline + 1 : end;

		if ((size_t)(next - line) > help_length && memcmp(line, help, help_length) == 0) {
			const char *name = line + help_length;

			if (keep)
				strbuf_add(out, from, (size_t)(line - from));
			keep = is_named(name, strcspn(name, " "), names, n);
			from = line;
		}
		line = next;
	}
	if (keep)
		strbuf_add(out, from, (size_t)(end - from));
}
