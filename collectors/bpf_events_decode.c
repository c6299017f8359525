// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "collectors/bpf_events_private.h"
#include "core/cleanup.h"

enum {
	BATCH_MOST = 16384, /* of one read; the rest at the next */
	PAGE = 4096,
};

/* A text that is added: its offset plus one as a pointer, until the batch is finished. */
static const char *keep(struct event_batch *batch, const char *text, size_t size)
{
	size_t at = batch->texts.length, length = text ? strnlen(text, size) : 0;

	if (!text)
		return NULL;
	strbuf_add(&batch->texts, text, length);
	strbuf_add_char(&batch->texts, '\0');
	return (const char *)(uintptr_t)(at + 1);
}

static const char *keep_string(struct event_batch *batch, const char *text)
{
	return text ? keep(batch, text, strlen(text)) : NULL;
}

/* The index of a hierarchy by the kernel's number, or HIERARCHY_MAX. */
static unsigned int index_of(const struct bpf_events *events, uint32_t number)
{
	for (unsigned int i = 0; i < events->n_known; i++) {
		if (events->known[i].number == number)
			return events->known[i].index;
	}
	return HIERARCHY_MAX;
}

static const char *path_of(struct bpf_events *events, const struct ke_place *place)
{
	unsigned int h = index_of(events, place->hierarchy);

	if (h == HIERARCHY_MAX)
		return NULL;
	return keep_string(&events->batch, event_paths_find(events->paths, h, place->cgroup));
}

static struct kernel_event *add(struct bpf_events *events, const struct ke_head *head)
{
	struct event_batch *batch = &events->batch;
	unsigned int h = index_of(events, head->place.hierarchy);
	struct kernel_event *event;

	if (batch->n == batch->capacity) {
		size_t capacity = batch->capacity ? batch->capacity * 2 : 64;

		event = reallocarray(batch->list, capacity, sizeof(*event));
		if (!event)
			return NULL;
		batch->list = event;
		batch->capacity = capacity;
	}
	event = &batch->list[batch->n++];
	*event = (struct kernel_event){
		.kind = (enum kernel_event_kind)head->kind,
		.boottime_ns = head->time,
		.realtime_ns = head->time + events->realtime_offset,
		.cgroup = head->place.cgroup,
		.pid = (pid_t)head->who.pid,
		.uid = head->who.uid,
	};
	if (h != HIERARCHY_MAX)
		event->hierarchy = keep_string(batch, events->hierarchies->list[h].name);
	event->path = path_of(events, &head->place);
	event->comm = keep(batch, head->who.comm, sizeof(head->who.comm));
	return event;
}

static void fill_created(struct bpf_events *events, const void *data, struct kernel_event *event)
{
	(void)events;
	(void)data;
	(void)event;
}

static void fill_attached(struct bpf_events *events, const void *data, struct kernel_event *event)
{
	const struct ke_cgroup *record = data;
	struct ke_place before = { record->other, record->head.place.hierarchy, 0 };

	if (record->other)
		event->text = path_of(events, &before);
}

static void fill_fork(struct bpf_events *events, const void *data, struct kernel_event *event)
{
	const struct ke_fork *record = data;

	(void)events;
	event->parent_pid = (pid_t)record->parent_pid;
}

static void fill_exec(struct bpf_events *events, const void *data, struct kernel_event *event)
{
	const struct ke_exec *record = data;

	event->parent_pid = (pid_t)record->parent_pid;
	if (record->length > 0)
		event->text = keep(&events->batch, record->program, sizeof(record->program));
}

static void fill_exit(struct bpf_events *events, const void *data, struct kernel_event *event)
{
	const struct ke_exit *record = data;
	int status = (int)record->status;

	(void)events;
	event->parent_pid = (pid_t)record->parent_pid;
	event->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	event->exit_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	event->lifetime_ns = record->lifetime;
	event->cpu_ns = record->cpu;
}

static void fill_oom(struct bpf_events *events, const void *data, struct kernel_event *event)
{
	const struct ke_oom *record = data;

	event->victim = (pid_t)record->victim.pid;
	event->victim_uid = record->victim.uid;
	event->victim_comm = keep(&events->batch, record->victim.comm, sizeof(record->victim.comm));
	event->victim_path = path_of(events, &record->victim_place);
	event->memory_bytes = record->usage * PAGE;
	event->limit_bytes = record->limit * PAGE;
	event->victim_bytes = record->rss * PAGE;
}

static void fill_ns(struct bpf_events *events, const void *data, struct kernel_event *event)
{
	const struct ke_ns *record = data;

	(void)events;
	event->ns_type = (enum ns_type)record->type;
	event->ns_inode = record->inode;
	/* One that was there before us: nothing is known about who made it. */
	if (event->pid == 0)
		event->comm = NULL;
}

/* Handlers cut words apart with NULs where they met them; spaces and line ends do not matter. */
static void fill_write(struct bpf_events *events, const void *data, struct kernel_event *event)
{
	const struct ke_write *record = data;
	char text[sizeof(record->text)];
	size_t n = record->length < sizeof(text) - 1 ? record->length : sizeof(text) - 1;

	for (size_t i = 0; i < n; i++)
		text[i] = record->text[i] ? record->text[i] : ' ';
	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\n'))
		n--;
	event->file = keep(&events->batch, record->file, sizeof(record->file));
	event->text = keep(&events->batch, text, n);
	event->error = record->result < 0 ? -record->result : 0;
}

static const struct {
	size_t size;
	void (*fill)(struct bpf_events *events, const void *data, struct kernel_event *event);
} kinds[KERNEL_EVENT_KIND_COUNT] = {
	[KERNEL_EVENT_CREATED] = { sizeof(struct ke_created), fill_created },
	[KERNEL_EVENT_REMOVED] = { sizeof(struct ke_cgroup), fill_created },
	[KERNEL_EVENT_ATTACHED] = { sizeof(struct ke_cgroup), fill_attached },
	[KERNEL_EVENT_FORK] = { sizeof(struct ke_fork), fill_fork },
	[KERNEL_EVENT_EXEC] = { sizeof(struct ke_exec), fill_exec },
	[KERNEL_EVENT_EXIT] = { sizeof(struct ke_exit), fill_exit },
	[KERNEL_EVENT_OOM_KILL] = { sizeof(struct ke_oom), fill_oom },
	[KERNEL_EVENT_FREEZE] = { sizeof(struct ke_cgroup), fill_created },
	[KERNEL_EVENT_THAW] = { sizeof(struct ke_cgroup), fill_created },
	[KERNEL_EVENT_NS_CREATED] = { sizeof(struct ke_ns), fill_ns },
	[KERNEL_EVENT_NS_DESTROYED] = { sizeof(struct ke_ns), fill_ns },
	[KERNEL_EVENT_WRITE] = { sizeof(struct ke_write), fill_write },
};

_Static_assert(KERNEL_EVENT_KIND_COUNT <= (int)KE_KINDS, "lost[] has one for each kind");

/* So that later events of a cgroup have its path, also if nobody wants to hear of this one. */
static void learn(struct bpf_events *events, const struct ke_head *head)
{
	const struct ke_created *created = (const struct ke_created *)head;
	unsigned int h = index_of(events, head->place.hierarchy);
	char name[sizeof(created->name) + 1] = "";

	if (h == HIERARCHY_MAX)
		return;
	if (head->kind == KERNEL_EVENT_REMOVED)
		event_paths_removed(events->paths, h, head->place.cgroup);
	if (head->kind != KERNEL_EVENT_CREATED)
		return;
	memcpy(name, created->name, sizeof(created->name));
	event_paths_created(events->paths, h, head->place.cgroup, created->cgroup.other, name);
}

int bpf_events_decode(void *data, void *record, size_t size)
{
	struct bpf_events *events = data;
	const struct ke_head *head = record;
	struct kernel_event *event;

	if (size < sizeof(*head) || head->kind >= KERNEL_EVENT_KIND_COUNT ||
	    size < kinds[head->kind].size)
		return 0;
	learn(events, head);
	if (!(events->wanted & KERNEL_EVENT_BIT(head->kind)))
		return 0;
	event = add(events, head);
	if (event)
		kinds[head->kind].fill(events, record, event);
	if (!event)
		events->stats.lost_here++;
	else
		events->stats.events[head->kind]++;
	return events->batch.n >= BATCH_MOST ? -EAGAIN : 0;
}

static int compare_times(const void *a, const void *b)
{
	const struct kernel_event *x = a, *y = b;

	return (x->boottime_ns > y->boottime_ns) - (x->boottime_ns < y->boottime_ns);
}

static void point(const char **text, const char *base)
{
	*text = *text ? base + (uintptr_t)*text - 1 : NULL;
}

int bpf_events_finish(struct event_batch *batch, struct kernel_events **ret_events)
{
	struct kernel_events *events = calloc(1, sizeof(*events));

	if (!events || batch->texts.failed) {
		free(events);
		free(batch->list);
		strbuf_done(&batch->texts);
		return -ENOMEM;
	}
	atomic_init(&events->refs, 1);
	events->list = batch->list;
	events->n = batch->n;
	events->memory = batch->n ? strbuf_take(&batch->texts) : NULL;
	strbuf_done(&batch->texts);
	for (size_t i = 0; i < events->n; i++) {
		struct kernel_event *event = &events->list[i];
		const char **texts[] = { &event->hierarchy,  &event->path, &event->comm,
					 &event->text,	     &event->file, &event->victim_comm,
					 &event->victim_path };

		for (size_t j = 0; j < ARRAY_SIZE(texts); j++)
			point(texts[j], events->memory);
	}
	/* Programs on several CPUs write side by side; merge sort, so that equals keep their order.
	 */
	if (events->n > 1)
		qsort(events->list, events->n, sizeof(*events->list), compare_times);
	*ret_events = events;
	return 0;
}
