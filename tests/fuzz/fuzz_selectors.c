// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include "core/snapshot.h"
#include "policies/selector.h"

static const char *const paths[] = { "/", "/a.service", "/a.service/0123456789abcdef" };

static struct snapshot *make_snapshot(void)
{
	struct strpool *pool = strpool_new();
	struct tree *tree = tree_new(3, 1, pool);
	struct metric_set none = { 0 };
	struct snapshot *snapshot;

	must(tree);
	for (uint32_t i = 0; i < 3; i++) {
		tree->nodes[i] = node_new(paths[i], i, 1);
		must(tree->nodes[i]);
		tree->parent[i] = i ? i - 1 : NODE_NONE;
		tree->end[i] = 3;
	}
	tree->nodes[1]->unit = strdup("a.service");
	tree->nodes[1]->kind = NODE_SERVICE;
	tree->nodes[2]->container_id = strdup("0123456789abcdef");
	tree->nodes[2]->kind = NODE_CONTAINER;
	snapshot = snapshot_new(tree, &none);
	must(snapshot);
	tree_unref(tree);
	strpool_unref(pool);
	return snapshot;
}

static void add_line(struct selectors *selectors, const char *line)
{
	unsigned int which = (unsigned char)line[0] - 'a';
	enum selector_kind kind = (enum selector_kind)(which / 2 % SELECTOR_COUNT);
	size_t before = selectors_count(selectors, kind, which % 2);
	char reason[64] = "";
	int r = selectors_add(selectors, kind, which % 2, line + 1, reason, sizeof(reason));

	must(r == 0 || *reason);
	must(selectors_count(selectors, kind, which % 2) == before + (r == 0));
	if (r == 0)
		must(strcmp(selectors_text(selectors, kind, which % 2, before), line + 1) == 0);
}

/* Each line: a letter that says which selector, then its value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size < 2048 ? size : 2048), *save = NULL;
	struct snapshot *snapshot = make_snapshot();
	struct selectors *selectors;
	struct strbuf back;

	must(selectors_new(&selectors) == 0);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		add_line(selectors, line);
	for (uint32_t i = 0; i < 3; i++) {
		enum outcome outcome = selectors_match(selectors, snapshot, i);

		/* What the path alone denies nothing else can grant. */
		if (!selectors_could_match(selectors, snapshot->tree->nodes[i]))
			must(outcome == OUTCOME_FALSE);
		else if (selectors_inventory(selectors) == 0)
			must(outcome == OUTCOME_TRUE);
	}
	must(selectors_cover(selectors, selectors));
	strbuf_init(&back);
	selectors_format(selectors, &back);
	strbuf_done(&back);
	selectors_free(selectors);
	snapshot_unref(snapshot);
	free(text);
	return 0;
}
