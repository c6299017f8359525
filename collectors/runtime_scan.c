// SPDX-License-Identifier: MIT
#include "collectors/runtime_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/orphans.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/log.h"

/*
 * In order of trust: where two tell of the same container, the first one's words count and the
 * others fill its gaps.
 */
static const struct {
	const char *name;
	int (*read)(struct runtime_pass *pass);
} readers[] = {
	{ "docker", runtime_docker_read },
	{ "socket", runtime_socket_read },
	{ "containerd", runtime_containerd_read },
	{ "storage", runtime_storage_read },
	{ "lxc", runtime_lxc_read },
	{ "nspawn", runtime_nspawn_read },
	{ "kubernetes", runtime_kubernetes_read },
};

static int copy_text(const char *text, const char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return text && !*ret_copy ? -ENOMEM : 0;
}

static int copy_options(struct runtime_options *to, const struct runtime_options *from)
{
	if (!from)
		return 0;
	*to = (struct runtime_options){ .orphans = from->orphans,
					.orphan_grace_ns = from->orphan_grace_ns };
	if (copy_text(from->docker_root, &to->docker_root) < 0 ||
	    copy_text(from->containerd_root, &to->containerd_root) < 0 ||
	    copy_text(from->containerd_state, &to->containerd_state) < 0 ||
	    copy_text(from->podman_root, &to->podman_root) < 0 ||
	    copy_text(from->docker_socket, &to->docker_socket) < 0)
		return -ENOMEM;
	return 0;
}

int runtime_scanner_new(const struct root *root, const struct runtime_options *options,
			struct runtime_scanner **ret_scanner)
{
	struct runtime_scanner *scanner = calloc(1, sizeof(*scanner));

	if (!scanner)
		return -ENOMEM;
	scanner->root = root;
	if (copy_options(&scanner->options, options) < 0) {
		runtime_scanner_free(scanner);
		return -ENOMEM;
	}
	*ret_scanner = scanner;
	return 0;
}

static void drop_store(struct runtime_store *store)
{
	orphans_kept_free(store->orphans);
	free(store->root);
}

void runtime_scanner_free(struct runtime_scanner *scanner)
{
	if (!scanner)
		return;
	for (uint32_t i = 0; i < scanner->n_stores; i++)
		drop_store(&scanner->stores[i]);
	state_cache_done(&scanner->files);
	storage_mounts_done(&scanner->mounts);
	docker_roots_done(&scanner->docker);
	free((char *)scanner->options.docker_root);
	free((char *)scanner->options.containerd_root);
	free((char *)scanner->options.containerd_state);
	free((char *)scanner->options.podman_root);
	free((char *)scanner->options.docker_socket);
	free(scanner);
}

int runtime_add(struct runtime_pass *pass, const struct container *container)
{
	if (pass->n_found == pass->found_capacity) {
		uint32_t capacity = pass->found_capacity ? 2 * pass->found_capacity : 32;
		struct found_container *found = realloc(pass->found, capacity * sizeof(*found));

		if (!found)
			return -ENOMEM;
		pass->found = found;
		pass->found_capacity = capacity;
	}
	pass->found[pass->n_found] = (struct found_container){ .container = *container,
							       .order = pass->n_found };
	pass->n_found++;
	return 0;
}

int runtime_add_file(struct runtime_pass *pass, const struct state_file *file)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < file->n; i++) {
		struct container container = file->list[i];

		/* The file may not have changed when its process was killed, and another has its
		 * pid. */
		if (container.pid > 0 && is_hex_id(container.id) &&
		    !runtime_pid_valid(pass->root, container.pid, container.id))
			container.pid = 0;
		r = runtime_add(pass, &container);
	}
	return r;
}

int runtime_add_source(struct runtime_pass *pass, const struct state_source *source)
{
	const struct state_file *file;
	int r = state_cache_get(&pass->scanner->files, source, &file);

	if (r < 0 || !file)
		return r;
	r = runtime_add_file(pass, file);
	return r < 0 ? r : (int)file->n;
}

/* Grows an array of the set's arena: the old one stays in it, which doubling bounds. */
static void *grow(struct arena *arena, void *list, uint32_t n, uint32_t *capacity, size_t size)
{
	uint32_t wanted = *capacity ? 2 * *capacity : 8;
	void *grown;

	if (n < *capacity)
		return list;
	grown = arena_array(arena, wanted, size);
	if (!grown)
		return NULL;
	if (n > 0)
		memcpy(grown, list, n * size);
	*capacity = wanted;
	return grown;
}

int runtime_add_driver(struct runtime_pass *pass, const struct storage_driver *driver)
{
	struct containers *set = pass->set;
	struct storage_driver *to, *list = grow(&set->arena, set->drivers, set->n_drivers,
						&pass->drivers_capacity, sizeof(*list));

	if (!list)
		return -ENOMEM;
	set->drivers = list;
	to = &list[set->n_drivers++];
	*to = *driver;
	to->root = arena_string(&set->arena, driver->root);
	to->driver = arena_string(&set->arena, driver->driver);
	to->note = arena_string(&set->arena, driver->note);
	to->fstype = arena_string(&set->arena, driver->fstype);
	return set->arena.failed ? -ENOMEM : 0;
}

int runtime_add_orphan(struct runtime_pass *pass, const struct orphan *orphan)
{
	struct containers *set = pass->set;
	struct orphan *list = grow(&set->arena, set->orphans, set->n_orphans,
				   &pass->orphans_capacity, sizeof(*list));

	if (!list)
		return -ENOMEM;
	set->orphans = list;
	list[set->n_orphans] = *orphan;
	list[set->n_orphans++].path = arena_string(&set->arena, orphan->path);
	return set->arena.failed ? -ENOMEM : 0;
}

struct runtime_store *runtime_store(struct runtime_pass *pass, const char *runtime,
				    const char *root)
{
	struct runtime_scanner *scanner = pass->scanner;
	struct runtime_store *store;

	for (uint32_t i = 0; i < scanner->n_stores; i++) {
		store = &scanner->stores[i];
		if (store->runtime == runtime && strcmp(store->root, root) == 0) {
			store->seen = true;
			return store;
		}
	}
	if (scanner->n_stores == RUNTIME_STORES)
		return NULL;
	store = &scanner->stores[scanner->n_stores];
	*store = (struct runtime_store){ .runtime = runtime, .root = strdup(root), .seen = true };
	if (!store->root)
		return NULL;
	scanner->n_stores++;
	return store;
}

static void sweep_stores(struct runtime_scanner *scanner)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < scanner->n_stores; i++) {
		struct runtime_store *store = &scanner->stores[i];

		if (!store->seen) {
			drop_store(store);
			continue;
		}
		store->seen = false;
		scanner->stores[n++] = *store;
	}
	scanner->n_stores = n;
}

/*
 * A dead server of a network or FUSE filesystem holds up whoever touches it, for ever: such a place
 * is not touched, unless all of the machine is on it. The last component may be a link.
 */
static bool may_hang(struct runtime_pass *pass, const char *path)
{
	const struct storage_mount *mount = storage_mount_of(&pass->scanner->mounts, path);
	char target[PATH_MAX];
	ssize_t n;

	if (mount && mount->remote && strcmp(mount->mountpoint, "/") != 0)
		return true;
	if (root_is_recorded(pass->root))
		return false;
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0 || target[0] != '/')
		return false;
	target[n] = '\0';
	mount = storage_mount_of(&pass->scanner->mounts, target);
	return mount && mount->remote && strcmp(mount->mountpoint, "/") != 0;
}

int runtime_open(struct runtime_pass *pass, const char *path, const char **ret_real)
{
	char link[32], real[PATH_MAX];
	int fd;

	if (may_hang(pass, path))
		return -EREMOTE;
	fd = state_dir_open(pass->root, path);
	if (fd < 0)
		return fd;
	(void)snprintf(link, sizeof(link), "self/fd/%d", fd);
	if (root_is_recorded(pass->root) ||
	    root_readlink(pass->root, ROOT_PROC, link, real, sizeof(real)) < 0)
		*ret_real = arena_string(&pass->set->arena, path);
	else
		*ret_real = arena_string(&pass->set->arena, real);
	if (!*ret_real) {
		close(fd);
		return -ENOMEM;
	}
	return fd;
}

pid_t runtime_pid(json_int_t number)
{
	return number > 0 && number <= INT_MAX ? (pid_t)number : 0;
}

pid_t runtime_read_pid(int dir_fd, const char *name)
{
	char line[24], *end;
	json_int_t number;

	if (state_read_line_at(dir_fd, name, line, sizeof(line)) < 0)
		return 0;
	errno = 0;
	number = strtoll(line, &end, 10);
	return errno == 0 && end > line && !*end ? runtime_pid(number) : 0;
}

bool runtime_pid_valid(const struct root *root, pid_t pid, const char *id)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	char path[32];

	(void)snprintf(path, sizeof(path), "%d/cgroup", (int)pid);
	return pid > 0 && root_read(root, ROOT_PROC, path, &text) == 0 && text.data &&
	       strstr(text.data, id);
}

/* By id; those of one container in the order of trust, in which they were found. */
static int compare_found(const void *a, const void *b)
{
	const struct found_container *x = a, *y = b;
	int order = strcmp(x->container.id, y->container.id);

	return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

static void fill(const char **text, const char *other)
{
	if (!*text)
		*text = other;
}

/* The gaps of `to` from another description of the same container. */
static void fill_gaps(struct container *to, const struct container *from)
{
	fill(&to->runtime, from->runtime);
	fill(&to->name, from->name);
	fill(&to->image, from->image);
	fill(&to->image_id, from->image_id);
	fill(&to->state, from->state);
	fill(&to->pod, from->pod);
	fill(&to->pod_namespace, from->pod_namespace);
	fill(&to->pod_uid, from->pod_uid);
	fill(&to->mount, from->mount);
	fill(&to->upper, from->upper);
	if (to->pid == 0)
		to->pid = from->pid;
}

/* Ids of OCI engines are unique in the world; a name may stand for one container of each kind. */
static bool is_same(const struct container *a, const struct container *b)
{
	return strcmp(a->id, b->id) == 0 && (is_hex_id(a->id) || !b->runtime ||
					     (a->runtime && strcmp(a->runtime, b->runtime) == 0));
}

static int publish(struct runtime_pass *pass)
{
	struct containers *set = pass->set;
	uint32_t n = 0;

	if (pass->n_found == 0)
		return 0;
	qsort(pass->found, pass->n_found, sizeof(*pass->found), compare_found);
	for (uint32_t i = 0; i < pass->n_found; i++) {
		struct container *last = n > 0 ? &pass->found[n - 1].container : NULL;

		if (last && is_same(last, &pass->found[i].container))
			fill_gaps(last, &pass->found[i].container);
		else
			pass->found[n++] = pass->found[i];
	}
	set->list = arena_array(&set->arena, n, sizeof(*set->list));
	if (!set->list)
		return -ENOMEM;
	for (set->n = 0; set->n < n; set->n++) {
		/* Only kubelet's logs speak of it. */
		fill(&pass->found[set->n].container.runtime, "kubernetes");
		container_copy(&set->arena, &set->list[set->n], &pass->found[set->n].container);
	}
	return set->arena.failed ? -ENOMEM : 0;
}

static int run_pass(struct runtime_pass *pass)
{
	int r = storage_mounts_refresh(&pass->scanner->mounts, pass->root);

	if (r < 0)
		log_debug("mounts: %s", strerror(-r));
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		r = readers[i].read(pass);
		if (r < 0) {
			log_debug("%s: %s", readers[i].name, strerror(-r));
			return r;
		}
	}
	r = publish(pass);
	if (r < 0)
		return r;
	state_cache_sweep(&pass->scanner->files);
	sweep_stores(pass->scanner);
	return 0;
}

int runtime_scanner_scan(struct runtime_scanner *scanner, const struct overlays *overlays,
			 struct containers **ret_containers)
{
	struct runtime_pass pass = { .scanner = scanner,
				     .root = scanner->root,
				     .overlays = overlays,
				     .now_ns = (int64_t)clock_ns(CLOCK_REALTIME),
				     .set = containers_new() };
	int r;

	if (!pass.set)
		return -ENOMEM;
	scanner->files.now_ns = pass.now_ns;
	pass.set->boottime_ns = clock_ns(CLOCK_BOOTTIME);
	pass.set->orphans_searched = scanner->options.orphans && overlays;
	r = run_pass(&pass);
	free(pass.found);
	if (r < 0) {
		containers_unref(pass.set);
		return r;
	}
	*ret_containers = pass.set;
	return 0;
}
