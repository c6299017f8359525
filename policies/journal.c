// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "core/units.h"
#include "policies/journal_private.h"
#include "policies/knob_private.h"

static const char entry_prefix[] = "held-";

void journal_free(struct journal *journal)
{
	if (!journal)
		return;
	closep(&journal->dir_fd);
	closep(&journal->lock_fd); /* the lock stays while a watchdog shares the descriptor */
	free(journal);
}
DEFINE_CLEANUP(struct journal *, journal_free)

void journal_fds(const struct journal *journal, int ret_fds[2])
{
	ret_fds[0] = journal->dir_fd;
	ret_fds[1] = journal->lock_fd;
}

void journal_entry_done(struct journal_entry *entry)
{
	free(entry->hierarchy);
	free(entry->path);
	free(entry->holders);
	free(entry->unit);
	free(entry->target);
	for (size_t i = 0; i < entry->n_list; i++)
		free(entry->list[i].policy);
	free(entry->list);
	journal_moves_free(entry->moves, entry->n_moves);
	*entry = (struct journal_entry){ 0 };
}

void journal_moves_free(struct journal_move *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].hierarchy);
		free(list[i].from);
	}
	free(list);
}

void journal_list_free(struct journal_entry *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		journal_entry_done(&list[i]);
	free(list);
}

/* ---- opening
 * ------------------------------------------------------------------------------------- */

static int read_boot_id(struct journal *journal)
{
	struct root *root = NULL;
	struct strbuf text;
	int r = root_new(NULL, &root);

	strbuf_init(&text);
	if (r == 0)
		r = root_read(root, ROOT_PROC, "sys/kernel/random/boot_id", &text);
	if (r == 0 && text.data)
		snprintf(journal->boot_id, sizeof(journal->boot_id), "%.*s",
			 (int)strcspn(text.data, "\n"), text.data);
	strbuf_done(&text);
	root_free(root);
	return r;
}

/* Who may write here can have us write to any cgroup. */
static int open_state_dir(const char *path)
{
	struct stat status;
	int fd;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0 || status.st_uid != geteuid() || (status.st_mode & 022)) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

static pid_t read_holder(int fd)
{
	char text[32];
	uint64_t pid = 0;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, &pid) == 0 && pid < INT32_MAX ? (pid_t)pid : 0;
}

static int take_lock(struct journal *journal, unsigned int wait_ms, pid_t *ret_holder)
{
	uint64_t deadline = knob_clock_ms() + wait_ms;
	char text[32];
	int length;

	journal->lock_fd = openat(journal->dir_fd, "lock",
				  O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (journal->lock_fd < 0)
		return -errno;
	while (flock(journal->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (knob_clock_ms() >= deadline) {
			if (ret_holder)
				*ret_holder = read_holder(journal->lock_fd);
			return -EBUSY;
		}
		usleep(20000);
	}
	length = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(journal->lock_fd, 0) < 0 ||
	    pwrite(journal->lock_fd, text, (size_t)length, 0) != length)
		return errno ? -errno : -EIO;
	return 0;
}

/* The number of an entry's file name; false for other files. */
static bool parse_name(const char *name, uint64_t *ret_seq)
{
	const size_t length = sizeof(entry_prefix) - 1;

	return strncmp(name, entry_prefix, length) == 0 && parse_u64(name + length, ret_seq) == 0;
}

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

static DIR *open_list(const struct journal *journal)
{
	int fd = openat(journal->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !directory)
		close(fd);
	return directory;
}

static int scan(struct journal *journal, int *ret_count)
{
	_cleanup_(closedirp) DIR *directory = open_list(journal);
	struct dirent *entry;
	int count = 0;

	if (!directory)
		return -errno;
	while ((entry = readdir(directory))) {
		uint64_t seq;

		if (!parse_name(entry->d_name, &seq))
			continue;
		count++;
		if (seq >= journal->next_seq)
			journal->next_seq = seq + 1;
	}
	*ret_count = count;
	return 0;
}

int journal_open(const char *state_dir, unsigned int wait_ms, struct journal **ret_journal,
		 pid_t *ret_holder)
{
	_cleanup_(journal_freep) struct journal *journal = calloc(1, sizeof(*journal));
	int r, count;

	if (!journal)
		return -ENOMEM;
	*journal = (struct journal){ .dir_fd = -1, .lock_fd = -1, .next_seq = 1 };
	journal->dir_fd = open_state_dir(state_dir);
	if (journal->dir_fd < 0)
		return journal->dir_fd;
	r = take_lock(journal, wait_ms, ret_holder);
	if (r == 0)
		r = read_boot_id(journal);
	if (r == 0)
		r = scan(journal, &count);
	if (r < 0)
		return r;
	*ret_journal = TAKE_PTR(journal);
	return 0;
}

int journal_count(struct journal *journal)
{
	int count = 0, r = scan(journal, &count);

	return r < 0 ? r : count;
}

/* ---- entries
 * ------------------------------------------------------------------------------------- */

static int write_synced(int dir_fd, const char *name, const char *text)
{
	_cleanup_(closep) int fd = openat(
		dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	size_t length = strlen(text);

	while (fd >= 0 && length > 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		length -= (size_t)n;
	}
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int journal_put(struct journal *journal, struct journal_entry *entry)
{
	uint64_t seq = entry->seq ? entry->seq : journal->next_seq;
	char name[64], temporary[64];
	_cleanup_(freep) char *text = journal_encode(journal, entry);
	int r;

	if (!text)
		return -ENOMEM;
	snprintf(name, sizeof(name), "%s%llu", entry_prefix, (unsigned long long)seq);
	snprintf(temporary, sizeof(temporary), "new-%llu", (unsigned long long)seq);
	r = write_synced(journal->dir_fd, temporary, text);
	if (r == 0 && renameat(journal->dir_fd, temporary, journal->dir_fd, name) < 0)
		r = -errno;
	if (r == 0 && fsync(journal->dir_fd) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(journal->dir_fd, temporary, 0);
		return r;
	}
	if (!entry->seq)
		journal->next_seq++;
	entry->seq = seq;
	return 0;
}

int journal_remove(struct journal *journal, uint64_t seq)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%llu", entry_prefix, (unsigned long long)seq);
	if (unlinkat(journal->dir_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return fsync(journal->dir_fd) < 0 ? -errno : 0;
}

static void set_aside(struct journal *journal, const char *name, uint64_t seq,
		      struct journal_replay *replay)
{
	char aside[64];

	snprintf(aside, sizeof(aside), "broken-%llu", (unsigned long long)seq);
	renameat(journal->dir_fd, name, journal->dir_fd, aside);
	log_error("journal: entry %s cannot be understood: kept as %s, nothing restored from it",
		  name, aside);
	replay->broken++;
}

static int load_one(struct journal *journal, const char *name, uint64_t seq,
		    struct journal_entry *ret_entry, struct journal_replay *replay)
{
	char boot_id[64];
	struct strbuf text;
	int r;

	strbuf_init(&text);
	r = read_file_at(journal->dir_fd, name, &text);
	if (r == 0)
		r = journal_decode(text.data ? text.data : "", text.length, ret_entry, boot_id,
				   sizeof(boot_id));
	strbuf_done(&text);
	if (r == -ENOENT)
		return r;
	if (r == -EINVAL) {
		set_aside(journal, name, seq, replay);
		return r;
	}
	if (r < 0) {
		/* No descriptor or no memory is left, say: the entry is as good as it was. */
		log_error("journal: entry %s cannot be read: %s", name, strerror(-r));
		replay->failed++;
		return r;
	}
	ret_entry->seq = seq;
	if (strcmp(boot_id, journal->boot_id) == 0)
		return 0;
	/* The cgroups of another boot are gone with it, and so are their limits. */
	journal_entry_done(ret_entry);
	journal_remove(journal, seq);
	replay->other_boot++;
	return -ESTALE;
}

int journal_load(struct journal *journal, struct journal_entry **ret_list, size_t *ret_n,
		 struct journal_replay *replay)
{
	_cleanup_(closedirp) DIR *directory = open_list(journal);
	struct journal_entry *list = NULL;
	struct dirent *file;
	size_t n = 0;

	if (!directory)
		return -errno;
	while ((file = readdir(directory))) {
		struct journal_entry *grown;
		uint64_t seq;

		if (!parse_name(file->d_name, &seq))
			continue;
		grown = realloc(list, (n + 1) * sizeof(*grown));
		if (!grown) {
			journal_list_free(list, n);
			return -ENOMEM;
		}
		list = grown;
		if (load_one(journal, file->d_name, seq, &list[n], replay) == 0)
			n++;
	}
	*ret_list = list;
	*ret_n = n;
	return 0;
}

int journal_list(struct journal *journal, struct journal_entry **ret_list, size_t *ret_n)
{
	struct journal_replay replay = { 0 };

	return journal_load(journal, ret_list, ret_n, &replay);
}
