// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/ini_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ini.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "policies/safe_path.h"

enum {
	LINE_MAX_BYTES = 1 << 20, /* of inih's buffer: the line, its end and a NUL */
	FILE_MAX_BYTES = 16 << 20,
};

__attribute__((format(printf, 5, 0))) static void
ini_errors_add_va(struct ini_errors *errors, const char *file, unsigned int line, bool warning,
		  const char *format, va_list arguments)
{
	struct ini_error *grown;
	struct ini_error error = { .line = line, .warning = warning };

	errors->n_errors += !warning;
	if (vasprintf(&error.text, format, arguments) < 0)
		return;
	error.file = strdup(file);
	grown = realloc(errors->list, (errors->n + 1) * sizeof(*grown));
	if (grown)
		errors->list = grown;
	if (!grown || !error.file) {
		free(error.text);
		free(error.file);
		return;
	}
	grown[errors->n++] = error;
}

void ini_errors_add(struct ini_errors *errors, const char *file, unsigned int line, bool warning,
		    const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	ini_errors_add_va(errors, file, line, warning, format, arguments);
	va_end(arguments);
}

void ini_errors_format(const struct ini_error *error, struct strbuf *buffer)
{
	escape_terminal_append(buffer, error->file, strlen(error->file));
	if (error->line)
		strbuf_printf(buffer, ":%u", error->line);
	strbuf_add_string(buffer, error->warning ? ": warning: " : ": ");
	escape_terminal_append(buffer, error->text, strlen(error->text));
}

void ini_errors_done(struct ini_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		free(errors->list[i].file);
		free(errors->list[i].text);
	}
	free(errors->list);
	*errors = (struct ini_errors){ 0 };
}

/*
 * Whoever can write the file can command a program that runs as root (CVE-2018-14348 was such a
 * file). A sticky directory is fine: nobody else can replace our file there.
 */
static const char *distrust(const struct stat *status, bool sticky_is_fine)
{
	if (status->st_uid != 0 && status->st_uid != geteuid())
		return "it belongs to another user: make it root's or your own";
	if ((status->st_mode & 022) && !(sticky_is_fine && (status->st_mode & S_ISVTX)))
		return "group or others may write it: chmod go-w";
	return NULL;
}

static int open_directory(const char *path, bool sticky_is_fine, bool follow,
			  struct ini_errors *errors)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
	_cleanup_(closep) int fd = open(path, flags);
	char reason[512];
	struct stat status;
	const char *why;
	int kept, r;

	if (fd < 0 || fstat(fd, &status) < 0) {
		r = -errno;
		ini_errors_add(errors, path, 0, false, "directory: %s", strerror(-r));
		return r;
	}
	why = distrust(&status, sticky_is_fine);
	if (why) {
		ini_errors_add(errors, path, 0, false, "directory is not safe: %s", why);
		return -EPERM;
	}
	/* Nor may anybody else put another directory in its place. */
	r = safe_path_check_directory(path, reason, sizeof(reason));
	if (r < 0) {
		ini_errors_add(errors, path, 0, false, "directory is not safe: %s", reason);
		return r;
	}
	kept = fd;
	fd = -1;
	return kept;
}

static int open_checked(const char *path, struct ini_errors *errors)
{
	_cleanup_(freep) char *parent = strdup(path);
	_cleanup_(closep) int directory = -1, fd = -1;
	struct stat status;
	const char *why = NULL;
	char *slash;
	int kept;

	if (!parent)
		return -ENOMEM;
	slash = strrchr(parent, '/');
	if (slash)
		slash[slash == parent] = '\0';
	directory = open_directory(slash ? parent : ".", true, true, errors);
	if (directory < 0)
		return directory;
	/* O_NONBLOCK: a FIFO must not hang us before we have seen that it is one. */
	slash = strrchr(path, '/');
	fd = openat(directory, slash ? slash + 1 : path,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &status) < 0) {
		int r = -errno;

		ini_errors_add(errors, path, 0, false, "cannot be read: %s",
			       r == -ELOOP ? "it is a symbolic link" : strerror(-r));
		return r;
	}
	why = S_ISREG(status.st_mode) ? distrust(&status, false) : "it is not a regular file";
	if (!why && status.st_size > FILE_MAX_BYTES)
		why = "it is larger than 16 MiB";
	if (why) {
		ini_errors_add(errors, path, 0, false, "refused: %s", why);
		return -EPERM;
	}
	kept = fd;
	fd = -1;
	return kept;
}

static int read_all(int fd, struct strbuf *text)
{
	for (;;) {
		ssize_t n;

		if (text->length > FILE_MAX_BYTES)
			return -EFBIG;
		if (!strbuf_reserve(text, 65536))
			return -ENOMEM;
		n = read(fd, text->data + text->length, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text->length += (size_t)n;
		text->data[text->length] = '\0';
		if (n == 0)
			return 0;
	}
}

/* What inih needs from us, and what it does not tell: line numbers and the bad lines. */
struct reader {
	const char *file;
	char *at, *end; /* what was not handed out yet */
	char *line_end; /* of the line being handed out */
	unsigned int line;
	bool expects_key;
	char *section;
	void (*handler)(void *data, const struct ini_entry *entry);
	void *data;
	struct ini_errors *errors;
};

static void reader_call(const struct reader *reader, const char *key, const char *value)
{
	struct ini_entry entry = { .file = reader->file,
				   .line = reader->line,
				   .section = reader->section ? reader->section : "",
				   .key = key,
				   .value = value };

	reader->handler(reader->data, &entry);
}

/* inih cuts section names at 49 bytes in silence and does not tell of empty sections: read here. */
static void reader_begin_section(struct reader *reader, const char *start, const char *end)
{
	const char *close = memchr(start, ']', (size_t)(end - start));
	const char *rest = close ? close + 1 : end;

	free(reader->section);
	reader->section = NULL;
	while (rest < end && strchr(" \t\r\n", *rest))
		rest++;
	if (!close) {
		ini_errors_add(reader->errors, reader->file, reader->line, false,
			       "section: the closing ']' is missing");
	} else if (rest < end && *rest != ';' && *rest != '#') {
		ini_errors_add(reader->errors, reader->file, reader->line, false,
			       "section: something stands behind the ']'");
	}
	reader->section = strndup(start + 1, (size_t)((close ? close : end) - start - 1));
	if (reader->section)
		reader_call(reader, NULL, NULL);
}

static void reader_finish_line(struct reader *reader)
{
	if (reader->expects_key)
		ini_errors_add(reader->errors, reader->file, reader->line, false,
			       "line: neither [section] nor key = value");
	reader->expects_key = false;
}

/* Looks at the next line as a whole. False if it must not reach inih. */
static bool reader_check_line(struct reader *reader)
{
	const char *start = reader->at, *end = reader->line_end;
	bool too_long = end - start > LINE_MAX_BYTES - 3;
	const char *what = NULL;

	if (too_long)
		what = "it is longer than 1 MiB";
	else if (memchr(start, '\0', (size_t)(end - start)))
		what = "it holds a NUL byte: this is no text file, and not read on";
	if (what) {
		ini_errors_add(reader->errors, reader->file, reader->line, false, "line: %s", what);
		/* No text file at all gets one error, not one a line. */
		if (!too_long)
			reader->line_end = reader->end;
		return false;
	}
	if (reader->line == 1 && end - start >= 3 && memcmp(start, "\xef\xbb\xbf", 3) == 0)
		start += 3;
	while (start < end && strchr(" \t\r\n\v\f", *start))
		start++;
	if (start == end || *start == ';' || *start == '#')
		return true;
	if (*start == '[')
		reader_begin_section(reader, start, end);
	else
		reader->expects_key = true;
	return true;
}

static bool reader_next_line(struct reader *reader)
{
	do {
		char *newline;

		reader_finish_line(reader);
		if (reader->line_end)
			reader->at = reader->line_end;
		if (reader->at == reader->end)
			return false;
		/* NOLINTNEXTLINE: an empty file has no text, but then at == end above */
		newline = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
		reader->line_end = newline ? newline + 1 : reader->end;
		reader->line++;
	} while (!reader_check_line(reader));
	return true;
}

/* Like fgets(3): inih calls again for the rest of a line that did not fit. */
static char *reader_get(char *target, int size, void *data)
{
	struct reader *reader = data;
	size_t n;

	if (size < 2)
		return NULL;
	if (reader->at == reader->line_end || !reader->line_end) {
		if (!reader_next_line(reader))
			return NULL;
	}
	n = (size_t)(reader->line_end - reader->at);
	if (n > (size_t)size - 1)
		n = (size_t)size - 1;
	memcpy(target, reader->at, n);
	target[n] = '\0';
	reader->at += n;
	return target;
}

static int reader_handle(void *data, const char *section, const char *key, const char *value)
{
	struct reader *reader = data;

	(void)section;
	reader->expects_key = false;
	if (!*key)
		ini_errors_add(reader->errors, reader->file, reader->line, false,
			       "line: the key before the '=' is missing");
	else
		reader_call(reader, key, value);
	return 1;
}

static int parse(struct reader *reader)
{
	int r;

	/* Debian's build has these as variables; the stock limits cut lines at 200 bytes. */
	ini_use_stack = false;
	ini_allow_realloc = true;
	ini_max_line = LINE_MAX_BYTES;
	ini_allow_multiline = false;
	ini_allow_bom = true;
	r = ini_parse_stream(reader_get, reader, reader_handle, reader);
	reader_finish_line(reader);
	if (r == -2)
		return -ENOMEM;
	/* A line that inih did not like and we did: never pass over it. */
	if (r > 0 && reader->errors->n_errors == 0)
		ini_errors_add(reader->errors, reader->file, (unsigned int)r, false,
			       "line: not understood");
	return 0;
}

int ini_file_parse(const char *path, void (*handler)(void *data, const struct ini_entry *entry),
		   void *data, struct ini_errors *errors)
{
	struct reader reader = { .file = path, .handler = handler, .data = data, .errors = errors };
	size_t before = errors->n_errors;
	_cleanup_(closep) int fd = -1;
	struct strbuf text;
	int r;

	fd = open_checked(path, errors);
	if (fd < 0)
		return fd;
	strbuf_init(&text);
	r = read_all(fd, &text);
	if (r < 0)
		ini_errors_add(errors, path, 0, false, "cannot be read: %s", strerror(-r));
	if (r == 0 && text.length > 0) {
		reader.at = text.data;
		reader.end = text.data + text.length;
		r = parse(&reader);
		if (r < 0)
			ini_errors_add(errors, path, 0, false, "no memory");
	}
	free(reader.section);
	strbuf_done(&text);
	if (r == 0 && errors->n_errors > before)
		return -EINVAL;
	return r;
}

static bool is_ini(const char *name)
{
	size_t length = strlen(name);

	return name[0] != '.' && length > 4 && strcmp(name + length - 4, ".ini") == 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_path(char ***paths, size_t *n, const char *directory, const char *name)
{
	char **grown = realloc(*paths, (*n + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	*paths = grown;
	if (asprintf(&grown[*n], "%s/%s", directory, name) < 0)
		return -ENOMEM;
	(*n)++;
	return 0;
}

static void close_directory(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

int ini_directory_list(const char *path, char ***ret_paths, size_t *ret_n,
		       struct ini_errors *errors)
{
	_cleanup_(close_directory) DIR *directory = NULL;
	struct dirent *entry;
	char **paths = NULL;
	size_t n = 0;
	int r, fd = open_directory(path, false, false, errors);

	if (fd < 0)
		return fd;
	directory = fdopendir(fd);
	if (!directory) {
		close(fd);
		return -ENOMEM;
	}
	r = 0;
	while (r == 0 && (entry = readdir(directory))) {
		if (is_ini(entry->d_name))
			r = add_path(&paths, &n, path, entry->d_name);
	}
	if (r < 0) {
		while (n > 0)
			free(paths[--n]);
		free(paths);
		return r;
	}
	if (n > 0)
		qsort(paths, n, sizeof(*paths), compare_names);
	*ret_paths = paths;
	*ret_n = n;
	return 0;
}
