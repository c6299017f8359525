// SPDX-License-Identifier: MIT
#include "agent/verbs/doctor.h"

#include <unistd.h>

#include "collectors/layer_format.h"
#include "collectors/layer_watch.h"
#include "collectors/root.h"
#include "core/overlays.h"

static bool is_unknown(const struct examination *examination, const void *part,
		       struct finding *finding)
{
	if (examination->inventory && part)
		return false;
	finding->verdict = VERDICT_NO;
	strbuf_add_string(&finding->why, "/proc cannot be read");
	return true;
}

static const struct namespaces *namespaces_of(const struct examination *examination)
{
	return examination->inventory ? examination->inventory->namespaces : NULL;
}

static void add_count(struct finding *finding, uint32_t n, const char *one, const char *many)
{
	strbuf_printf(&finding->why, "%u %s", n, n == 1 ? one : many);
}

void doctor_check_namespaces(const struct examination *examination, struct finding *finding)
{
	const struct namespaces *set = namespaces_of(examination);

	if (is_unknown(examination, set, finding))
		return;
	add_count(finding, set->n, "namespace of ", "namespaces of ");
	add_count(finding, set->n_processes, "process", "processes");
	if (set->n_denied == 0)
		return;
	finding->verdict = VERDICT_PART;
	strbuf_printf(&finding->why, "; %u could not be looked into%s", set->n_denied,
		      geteuid() == 0 ? "" : " (needs CAP_SYS_PTRACE)");
}

/* Both are asked of the namespace itself, so one that was asked tells of the kernel. */
void doctor_check_ids(const struct examination *examination, struct finding *finding)
{
	const struct namespaces *set = namespaces_of(examination);
	bool id = false, owner = false;

	if (is_unknown(examination, set, finding))
		return;
	for (uint32_t i = 0; i < set->n; i++) {
		id |= set->list[i].id != 0;
		owner |= set->list[i].owner != NS_NONE || set->list[i].owner_known;
	}
	strbuf_add_string(&finding->why, owner ? "owners and parents are known"
					       : "owners and parents are not known");
	strbuf_add_string(&finding->why,
			  id ? ", and ids that never come back"
			     : "; no ids that never come back (they need a newer kernel)");
	if (!id || !owner)
		finding->verdict = owner ? VERDICT_PART : VERDICT_NO;
}

void doctor_check_mounts(const struct examination *examination, struct finding *finding)
{
	const struct overlays *set = examination->inventory ? examination->inventory->overlays
							    : NULL;

	if (is_unknown(examination, set, finding))
		return;
	add_count(finding, set->n, "overlay in ", "overlays in ");
	add_count(finding, set->n_mount_ns, "mount namespace", "mount namespaces");
	strbuf_add_string(&finding->why, set->by_statmount ? ", by statmount()" : ", by mountinfo");
	if (set->n_denied == 0)
		return;
	finding->verdict = VERDICT_PART;
	strbuf_printf(&finding->why, "; %u could not be looked into", set->n_denied);
}

void doctor_check_layers(const struct examination *examination, struct finding *finding)
{
	if (root_is_recorded(examination->context->root)) {
		finding->verdict = VERDICT_NO;
		strbuf_add_string(&finding->why, "this is a recorded tree");
	} else if (!layer_can_see_trusted()) {
		finding->verdict = VERDICT_PART;
		strbuf_add_string(&finding->why,
				  "layers are walked again and again, and what overlayfs notes in "
				  "them is hidden (needs CAP_SYS_ADMIN)");
	} else if (layer_watch_works()) {
		strbuf_add_string(&finding->why, "fanotify tells what is written through overlays");
	} else {
		finding->verdict = VERDICT_PART;
		strbuf_add_string(&finding->why,
				  "layers are walked again and again: this kernel tells nothing of "
				  "what is written through overlays, or has none");
	}
}

void doctor_check_containers(const struct examination *examination, struct finding *finding)
{
	const struct containers *set = examination->inventory ? examination->inventory->containers
							      : NULL;

	if (is_unknown(examination, set, finding))
		return;
	add_count(finding, set->n, "container", "containers");
	for (uint32_t i = 0; i < set->n_drivers; i++) {
		const struct storage_driver *driver = &set->drivers[i];

		strbuf_printf(&finding->why, "; %s (%s) in %s", driver->runtime,
			      driver->driver ? driver->driver : "driver not known", driver->root);
	}
	if (set->n_drivers == 0)
		strbuf_add_string(&finding->why, "; no store of Docker, containerd or podman");
	if (geteuid() == 0)
		return;
	finding->verdict = VERDICT_PART;
	strbuf_add_string(&finding->why, " that this user may read: what is root's is left out");
}
