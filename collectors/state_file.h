/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "collectors/root.h"
#include "core/arena.h"
#include "core/container.h"
#include "core/strbuf.h"

/*
 * State files of container runtimes: bytes from outside, so sizes are bounded, nothing but regular
 * files is opened, and a file that makes no sense is one that is not there. What a file said is
 * kept until the file changes: an unchanged machine costs one stat a file.
 */

/* Larger files are not read (-EFBIG): a container's own, and lists of a whole store. */
#define STATE_FILE_MAX	(UINT64_C(4) << 20)
#define STATE_LIST_MAX	(UINT64_C(64) << 20)
#define STATE_DIR_MAX	100000 /* entries of a directory that are looked at */
#define STATE_NAME_SIZE 256    /* NAME_MAX and a NUL */

/* Tells one state of a file or directory from another. */
struct file_stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	int64_t mtime_ns, ctime_ns;
};

void file_stamp_set(struct file_stamp *stamp, const struct stat *status);
bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b);
/*
 * Notes what was seen, for the next time. What changed in this very second may change again without
 * another time stamp (they are as coarse as the kernel's tick): that is like nothing next time.
 */
void file_stamp_keep(struct file_stamp *kept, const struct file_stamp *seen, int64_t now_ns);
/* CLOCK_REALTIME of the last change of the contents. */
int64_t stat_mtime_ns(const struct stat *status);
int64_t stat_ctime_ns(const struct stat *status);

/* Opens a directory of the machine; its own path may lead through links. A descriptor or -errno. */
int state_dir_open(const struct root *root, const char *path);
/* The same below a directory, not through a link. */
int state_dir_open_at(int dir_fd, const char *name);
/* Appends a regular file of at most `limit` bytes. 0; -EFBIG, -EINVAL (no regular file), -errno. */
int state_read_at(int dir_fd, const char *name, uint64_t limit, struct strbuf *buffer);
/* The first line of a small file, without its newline and never empty. Its length or -errno. */
ssize_t state_read_line_at(int dir_fd, const char *name, char *line, size_t size);
/* The JSON in it, of at most `limit` bytes, or NULL. The caller owns the reference. */
json_t *state_read_json_at(int dir_fd, const char *name, uint64_t limit);
/* Calls `found` with each entry but "." and "..", until it returns other than 0. That, or -errno.
 */
int state_dir_each(int dir_fd, int (*found)(void *data, const char *name, unsigned char type),
		   void *data);

/* A string of an object, or NULL: also for another type, an empty text or a NULL object. */
const char *state_text(const json_t *object, const char *key);
/* The object below a key, or NULL. */
const json_t *state_object(const json_t *object, const char *key);
bool state_flag(const json_t *object, const char *key);
/* A formatted text in the arena, or NULL without memory. */
char *arena_format(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* True for 64 lower-case hexadecimal digits and nothing more: the ids of OCI engines, of layers. */
bool is_hex_id(const char *text);

/* What one file said. All memory is the arena's. */
struct state_file {
	char *path;
	struct file_stamp stamp;
	struct arena arena;
	struct container *list;
	uint32_t n, capacity;
	bool seen; /* in this pass */
};

/* A copy with all its texts in the arena. */
void container_copy(struct arena *arena, struct container *to, const struct container *from);
/* Adds a container to what a file said: its texts are copied. NULL without memory. */
struct container *state_file_add(struct state_file *file, const struct container *container);

/* Files by path. One thread uses a cache. */
struct state_cache {
	struct state_file **files; /* open addressing by the path's hash */
	uint32_t n, size;
	uint64_t reads, stats; /* since it was made */
	int64_t now_ns;	       /* CLOCK_REALTIME of the pass */
};

void state_cache_done(struct state_cache *cache);
/*
 * Fills the file from its text. -errno only without memory. With a limit of 0 the text is NULL and
 * not read: a database, which the parser opens for itself.
 */
typedef int (*state_parser)(struct state_file *file, const char *text, size_t length, void *data);
struct state_source {
	int dir_fd;
	const char *name; /* relative to dir_fd */
	const char *path; /* the whole, for people and as the key */
	uint64_t limit;
	state_parser parse;
	void *data;
};
/*
 * What the file says, read only if it changed. NULL in *ret_file: there is no such file, or it
 * cannot be read. Valid until the end of the next pass. 0 or -ENOMEM.
 */
int state_cache_get(struct state_cache *cache, const struct state_source *source,
		    const struct state_file **ret_file);
/* Forgets the files that were not asked for since the last call. */
void state_cache_sweep(struct state_cache *cache);
