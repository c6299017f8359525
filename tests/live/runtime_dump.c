// SPDX-License-Identifier: MIT
/*
 * What the runtime scanner sees, as lines for shell tests, with a TAB between fields:
 *   container ID RUNTIME NAME IMAGE STATE PID MOUNT UPPER POD NAMESPACE UID
 *   driver RUNTIME ROOT DRIVER FSTYPE D_TYPE LAYERS CONTAINERS FREE_BYTES NOTE
 *   orphan REASON RUNTIME PATH BYTES
 * Arguments: KEY=VALUE with the names of struct runtime_options; overlay=UPPER tells of a mounted
 * overlay with that upper layer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/runtime_scan.h"
#include "core/cleanup.h"

static const char *shown(const char *text)
{
	return text ? text : "-";
}

static void dump(const struct containers *set)
{
	for (uint32_t i = 0; i < set->n; i++) {
		const struct container *c = &set->list[i];

		printf("container\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", c->id,
		       shown(c->runtime), shown(c->name), shown(c->image), shown(c->state),
		       (int)c->pid, shown(c->mount), shown(c->upper), shown(c->pod),
		       shown(c->pod_namespace), shown(c->pod_uid));
	}
	for (uint32_t i = 0; i < set->n_drivers; i++) {
		const struct storage_driver *d = &set->drivers[i];

		printf("driver\t%s\t%s\t%s\t%s\t%s\t%u\t%u\t%" PRIu64 "\t%s\n", d->runtime, d->root,
		       shown(d->driver), shown(d->fstype),
		       !d->d_type_known ? "unknown"
		       : d->d_type	? "yes"
					: "no",
		       d->n_layers, d->n_containers, d->fs_free_bytes, shown(d->note));
	}
	for (uint32_t i = 0; i < set->n_orphans; i++) {
		const struct orphan *o = &set->orphans[i];

		printf("orphan\t%s\t%s\t%s\t%" PRId64 "\n", orphan_reason_name(o->reason),
		       o->runtime, o->path, o->bytes_known ? (int64_t)o->bytes : -1);
	}
}

static void add_overlay(struct overlays *set, const char *upper)
{
	struct overlay *list = arena_array(&set->arena, set->n + 1, sizeof(*list));
	struct overlay_layer *layer = arena_array(&set->arena, 1, sizeof(*layer));

	if (!list || !layer)
		exit(1);
	if (set->n > 0)
		memcpy(list, set->list, set->n * sizeof(*list));
	*layer = (struct overlay_layer){ .kind = OVERLAY_UPPER, .path = upper, .resolved = upper };
	list[set->n].layers = layer;
	list[set->n].n_layers = 1;
	set->list = list;
	set->n++;
}

static void set_option(struct runtime_options *options, struct overlays *overlays, const char *word)
{
	struct {
		const char *key, **value;
	} texts[] = {
		{ "docker_root=", &options->docker_root },
		{ "containerd_root=", &options->containerd_root },
		{ "containerd_state=", &options->containerd_state },
		{ "podman_root=", &options->podman_root },
		{ "docker_socket=", &options->docker_socket },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (strncmp(word, texts[i].key, strlen(texts[i].key)) == 0)
			*texts[i].value = strchr(word, '=') + 1;
	}
	if (strncmp(word, "overlay=", 8) == 0)
		add_overlay(overlays, word + 8);
	if (strncmp(word, "grace=", 6) == 0)
		options->orphan_grace_ns = strtoull(word + 6, NULL, 10);
	if (strcmp(word, "orphans") == 0)
		options->orphans = true;
}

int main(int argc, char **argv)
{
	struct runtime_options options = { 0 };
	struct runtime_scanner *scanner = NULL;
	struct containers *set = NULL;
	struct overlays *overlays = overlays_new();
	struct root *root = NULL;
	int r = overlays ? root_new(NULL, &root) : -1;

	for (int i = 1; r == 0 && i < argc; i++)
		set_option(&options, overlays, argv[i]);
	if (r == 0)
		r = runtime_scanner_new(root, &options, &scanner);
	if (r == 0)
		r = runtime_scanner_scan(scanner, overlays, &set);
	if (r == 0)
		dump(set);
	else
		fprintf(stderr, "scan: %s\n", strerror(-r));
	containers_unref(set);
	runtime_scanner_free(scanner);
	root_free(root);
	overlays_unref(overlays);
	return r == 0 ? 0 : 1;
}
