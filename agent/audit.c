// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"

/* What may wait for a slow disk. */
enum { WAITING_MAX = 4096, WAITING_BYTES_MAX = 8 << 20, GOODBYE_MS = 2000 };

struct entry {
	char *text;
	size_t length;
	struct entry *next;
};

struct audit {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	/* Under the lock. */
	struct entry *first, **last;
	size_t waiting_bytes;
	bool busy, stopping, reopen, warned;
	char *path;
	uint64_t max_size;
	struct audit_stats stats;
	/* Of the thread. */
	int fd;
	uint64_t size;
	bool torn; /* the file ends in half a line */
};

static void entry_free(struct entry *entry)
{
	if (entry)
		free(entry->text);
	free(entry);
}

/* Somebody could have put a link or a pipe there; O_NONBLOCK so that a pipe does not hold us up. */
static int open_file(struct audit *audit, const char *path)
{
	int fd = open(path,
		      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
			      O_NOCTTY,
		      0640);
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		close(fd);
		return -ENOTSUP;
	}
	audit->fd = fd;
	audit->size = (uint64_t)status.st_size;
	audit->torn = false;
	return 0;
}

static void close_file(struct audit *audit)
{
	if (audit->fd >= 0)
		close(audit->fd);
	audit->fd = -1;
}

static int rotate(struct audit *audit, const char *path)
{
	_cleanup_(freep) char *old = NULL;

	if (asprintf(&old, "%s.1", path) < 0) {
		old = NULL;
		return -ENOMEM;
	}
	close_file(audit);
	if (rename(path, old) < 0)
		return -errno;
	return open_file(audit, path);
}

static int write_line(struct audit *audit, const char *path, uint64_t max_size,
		      const struct entry *entry)
{
	ssize_t n;
	int r = audit->fd < 0 ? open_file(audit, path) : 0;

	if (r == 0 && max_size > 0 && audit->size > 0 && audit->size + entry->length > max_size)
		r = rotate(audit, path);
	if (r < 0)
		return r;
	if (audit->torn && write(audit->fd, "\n", 1) == 1)
		audit->torn = false;
	n = write(audit->fd, entry->text, entry->length);
	if (n < 0)
		return -errno;
	audit->size += (uint64_t)n;
	audit->torn = (size_t)n < entry->length;
	return audit->torn ? -ENOSPC : 0;
}

static struct entry *take(struct audit *audit)
{
	struct entry *entry = audit->first;

	audit->first = entry->next;
	if (!audit->first)
		audit->last = &audit->first;
	audit->waiting_bytes -= entry->length;
	audit->stats.waiting--;
	return entry;
}

/* Once until it works again: a full disk must not fill the journal as well. */
static void account(struct audit *audit, const char *path, int error)
{
	if (error == 0) {
		audit->stats.written++;
		audit->stats.error = 0;
		audit->warned = false;
		return;
	}
	audit->stats.lost++;
	audit->stats.error = error;
	if (!audit->warned)
		log_warning("audit log %s: %s: lines are lost", path, strerror(-error));
	audit->warned = true;
}

/* Writes one line outside the lock. Called and returns with the lock held. */
static void write_one(struct audit *audit)
{
	struct entry *entry = take(audit);
	_cleanup_(freep) char *path = audit->path ? strdup(audit->path) : NULL;
	uint64_t max_size = audit->max_size;
	bool reopen = audit->reopen;
	int r = -ENOMEM;

	audit->reopen = false;
	audit->busy = true;
	pthread_mutex_unlock(&audit->lock);
	if (reopen)
		close_file(audit);
	if (path)
		r = write_line(audit, path, max_size, entry);
	entry_free(entry);
	pthread_mutex_lock(&audit->lock);
	audit->busy = false;
	account(audit, path ? path : "", r);
}

static void *run(void *data)
{
	struct audit *audit = data;

	pthread_mutex_lock(&audit->lock);
	for (;;) {
		while (!audit->first && !audit->stopping)
			pthread_cond_wait(&audit->work, &audit->lock);
		if (!audit->first)
			break;
		write_one(audit);
		if (!audit->first)
			pthread_cond_broadcast(&audit->idle);
	}
	pthread_mutex_unlock(&audit->lock);
	close_file(audit);
	return NULL;
}

int audit_new(struct audit **ret_audit)
{
	struct audit *audit = calloc(1, sizeof(*audit));
	pthread_condattr_t attributes;
	int r;

	if (!audit)
		return -ENOMEM;
	audit->fd = -1;
	audit->last = &audit->first;
	pthread_mutex_init(&audit->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&audit->work, NULL);
	pthread_cond_init(&audit->idle, &attributes);
	pthread_condattr_destroy(&attributes);
	r = pthread_create(&audit->thread, NULL, run, audit);
	if (r != 0) {
		free(audit);
		return -r;
	}
	*ret_audit = audit;
	return 0;
}

static void drop_waiting(struct audit *audit)
{
	while (audit->first) {
		entry_free(take(audit));
		audit->stats.lost++;
	}
}

void audit_free(struct audit *audit)
{
	struct timespec until;

	if (!audit)
		return;
	audit_flush(audit, GOODBYE_MS);
	pthread_mutex_lock(&audit->lock);
	drop_waiting(audit);
	audit->stopping = true;
	pthread_cond_signal(&audit->work);
	pthread_mutex_unlock(&audit->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += GOODBYE_MS / 1000;
	/* A disk that does not answer must not keep us: the thread and its memory are left behind.
	 */
	if (pthread_timedjoin_np(audit->thread, NULL, &until) != 0) {
		pthread_detach(audit->thread);
		return;
	}
	pthread_mutex_destroy(&audit->lock);
	pthread_cond_destroy(&audit->work);
	pthread_cond_destroy(&audit->idle);
	free(audit->path);
	free(audit);
}

int audit_configure(struct audit *audit, const char *path, uint64_t max_size)
{
	char *copy = path ? strdup(path) : NULL;

	if (path && !copy)
		return -ENOMEM;
	pthread_mutex_lock(&audit->lock);
	free(audit->path);
	audit->path = copy;
	audit->max_size = max_size;
	audit->reopen = true;
	audit->warned = false;
	if (!path)
		drop_waiting(audit);
	pthread_mutex_unlock(&audit->lock);
	return 0;
}

/* The text becomes the entry's. */
static struct entry *entry_new(struct strbuf *line)
{
	struct entry *entry = line->failed ? NULL : calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->length = line->length;
	entry->text = strbuf_take(line);
	return entry;
}

void audit_add_line(struct audit *audit, struct strbuf *line)
{
	struct entry *entry = entry_new(line);

	pthread_mutex_lock(&audit->lock);
	if (!audit->path) {
		entry_free(entry);
	} else if (!entry || audit->stats.waiting >= WAITING_MAX ||
		   audit->waiting_bytes + entry->length > WAITING_BYTES_MAX) {
		entry_free(entry);
		audit->stats.lost++;
	} else {
		*audit->last = entry;
		audit->last = &entry->next;
		audit->waiting_bytes += entry->length;
		audit->stats.waiting++;
		pthread_cond_signal(&audit->work);
	}
	pthread_mutex_unlock(&audit->lock);
}

void audit_add(struct audit *audit, const struct enforcer_result *result,
	       const struct audit_moment *moment)
{
	struct strbuf line;

	strbuf_init(&line);
	audit_format(result, moment, &line);
	audit_add_line(audit, &line);
	strbuf_done(&line);
}

int audit_flush(struct audit *audit, unsigned int timeout_ms)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&audit->lock);
	while ((audit->first || audit->busy) && r == 0)
		r = pthread_cond_timedwait(&audit->idle, &audit->lock, &until);
	pthread_mutex_unlock(&audit->lock);
	return r == 0 ? 0 : -ETIMEDOUT;
}

void audit_get_stats(struct audit *audit, struct audit_stats *ret_stats)
{
	pthread_mutex_lock(&audit->lock);
	*ret_stats = audit->stats;
	pthread_mutex_unlock(&audit->lock);
}
