// SPDX-License-Identifier: MIT
/*
 * Records as the ring buffer hands them over, good and bad, through the decoder and both texts. A
 * record is a byte for its kind, a byte for its size, and up to 64 bytes of what is in it.
 */
#include "tests/fuzz/fuzz.h"

#include "collectors/bpf_events_private.h"

enum { FILLED = 64, IDS = 6, HIERARCHIES = 3 };

union record {
	struct ke_head head;
	struct ke_created created;
	struct ke_exec exec;
	struct ke_exit exit;
	struct ke_oom oom;
	struct ke_ns ns;
	struct ke_write write;
};

/* Bytes of the input, over and over, so that no text of a record has an end of its own. */
static size_t fill(union record *record, const uint8_t *data, size_t size)
{
	uint8_t *bytes = (uint8_t *)record;
	size_t n = size < FILLED ? size : FILLED;

	for (size_t i = sizeof(record->head); i < sizeof(*record); i++)
		bytes[i] = n ? data[i % n] : 0;
	record->head = (struct ke_head){ .time = n > 2 ? data[2] : 0 };
	record->head.place.cgroup = n > 3 ? data[3] % IDS : 1;
	record->head.place.hierarchy = n > 4 ? data[4] % (HIERARCHIES + 1) : 0;
	record->head.who.pid = n > 5 ? data[5] : 0;
	memset(record->head.who.comm, n > 6 ? data[6] : 'c', sizeof(record->head.who.comm));
	return n;
}

static size_t decode(struct bpf_events *events, const uint8_t *data, size_t size)
{
	union record record;
	size_t n = 2 + fill(&record, data + 2, size - 2);
	/* Sizes that a kind has, and all around them. */
	size_t length = data[1] < 128 ? sizeof(record) : (size_t)(data[1] - 128) * 4;
	void *copy;

	record.head.kind = data[0] % (KERNEL_EVENT_KIND_COUNT + 2);
	if (record.head.kind == KERNEL_EVENT_CREATED || record.head.kind == KERNEL_EVENT_ATTACHED)
		record.created.cgroup.other %= IDS;
	length = length < sizeof(record) ? length : sizeof(record);
	copy = malloc(length ? length : 1);
	must(copy);
	memcpy(copy, &record, length);
	must(bpf_events_decode(events, copy, length) == 0);
	free(copy);
	return n;
}

static bool is_clean(const struct strbuf *text)
{
	for (size_t i = 0; i < text->length; i++) {
		unsigned char byte = (unsigned char)text->data[i];

		if (byte < ' ' || byte == 0x7f)
			return false;
	}
	return true;
}

static void look(const struct kernel_event *event)
{
	struct strbuf text;

	must((unsigned int)event->kind < KERNEL_EVENT_KIND_COUNT);
	must(!event->path || event->path[0] == '/');
	must(!event->comm || strlen(event->comm) <= KE_COMM);
	must(!event->file || strlen(event->file) <= KE_FILE);
	strbuf_init(&text);
	kernel_event_describe(event, &text);
	must(text.data && is_clean(&text));
	text.length = 0;
	kernel_event_json(event, &text);
	must(text.length > 1 && text.data[text.length - 1] == '\n');
	text.length--;
	must(is_clean(&text) && text.data[0] == '{' && text.data[text.length - 1] == '}');
	strbuf_done(&text);
}

static void add_tree(struct event_paths *paths)
{
	struct strpool *strings = strpool_new();
	struct tree *tree = tree_new(1, HIERARCHIES, strings);

	must(tree);
	strpool_unref(strings);
	tree->nodes[0] = node_new("/", false, HIERARCHIES);
	must(tree->nodes[0]);
	for (unsigned int h = 0; h < HIERARCHIES; h++)
		tree->nodes[0]->ids[h] = 1;
	event_paths_set_tree(paths, tree);
	tree_unref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char name[] = "memory\n\"\\";
	struct hierarchies hierarchies = { .n = HIERARCHIES };
	struct bpf_events events = { .hierarchies = &hierarchies, .wanted = ~0U };
	struct kernel_events *list;
	uint64_t told = 0;

	events.paths = event_paths_new();
	must(events.paths);
	add_tree(events.paths);
	for (unsigned int h = 0; h < HIERARCHIES; h++) {
		hierarchies.list[h].name = name;
		events.known[h].number = events.known[h].index = h;
	}
	events.n_known = HIERARCHIES;
	if (size > 0)
		events.wanted = data[0] % 4 ? ~0U : data[0];
	for (size_t at = 1; at + 2 <= size;)
		at += decode(&events, data + at, size - at);
	must(bpf_events_finish(&events.batch, &list) == 0);
	for (size_t i = 0; i < list->n; i++) {
		must(i == 0 || list->list[i - 1].boottime_ns <= list->list[i].boottime_ns);
		must(events.wanted & KERNEL_EVENT_BIT(list->list[i].kind));
		look(&list->list[i]);
	}
	for (int kind = 0; kind < KERNEL_EVENT_KIND_COUNT; kind++)
		told += events.stats.events[kind];
	must(told == list->n && events.stats.lost_here == 0);
	kernel_events_unref(list);
	event_paths_free(events.paths);
	return 0;
}
