// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include <math.h>

#include "policies/condition.h"

/* One cgroup with every column; what is in it depends on the column and on `turn`. */
static struct snapshot *make_snapshot(unsigned int turn)
{
	static const enum value_state states[] = { VALUE_OK, VALUE_OK, VALUE_UNLIMITED,
						   VALUE_ABSENT };
	struct strpool *pool = strpool_new();
	struct tree *tree = tree_new(1, 1, pool);
	struct metric_set all = { 0 };
	struct snapshot *snapshot;

	must(tree);
	tree->nodes[0] = node_new("/", 0, 1);
	tree->parent[0] = NODE_NONE;
	tree->end[0] = 1;
	metric_set_add_all(&all);
	snapshot = snapshot_new(tree, &all);
	must(snapshot && tree->nodes[0]);
	for (int id = M_NONE + 1; id < COLUMN_COUNT; id++) {
		enum value_state state = states[((unsigned int)id + turn) % 4];
		union value value = { .u64 = (uint64_t)id * 1000003 * turn };

		if (!snapshot->columns[id].states)
			continue;
		if (metric_is_double((enum metric_id)id))
			value.number = (double)id * 0.37 * turn;
		if (state == VALUE_OK && metric_get((enum metric_id)id)->kind != KIND_TEXT)
			snapshot_set(snapshot, (enum metric_id)id, 0, value);
		else
			snapshot_set_state(snapshot, (enum metric_id)id, 0,
					   state == VALUE_OK ? VALUE_ABSENT : state);
	}
	tree_unref(tree);
	strpool_unref(pool);
	return snapshot;
}

/* Made once: they are most of the work. */
static const struct snapshot *get_snapshot(unsigned int turn)
{
	static struct snapshot *made[4];

	if (!made[turn])
		made[turn] = make_snapshot(turn);
	return made[turn];
}

static void check_nearness(const struct condition *condition, const struct snapshot *snapshot)
{
	double near = condition_nearness(condition, snapshot, 0);
	enum outcome outcome = condition_evaluate(condition, snapshot, 0);
	const uint32_t index = 0;
	uint8_t along;
	size_t n;

	condition_evaluate_column(condition, snapshot, &index, 1, &along);
	must(along == (uint8_t)outcome);

	must(isnan(near) || (near >= 0 && near <= 1));
	if (condition_is_momentary(condition))
		must(outcome != OUTCOME_TRUE);
	if (condition_events(condition, &n))
		return;
	if (outcome == OUTCOME_TRUE)
		must(near >= 1);
	else
		must(isnan(near) || near < 1);
}

static void check_parsed(const char *text, const struct condition *condition)
{
	struct condition *again = NULL;
	struct metric_set needs = { 0 };
	struct strbuf explained;
	char reason[64];

	must(strcmp(condition_text(condition), text) == 0);
	must(condition_parse(text, &again, reason, sizeof(reason)) == 0);
	must(condition_equal(condition, again));
	condition_check_clear(condition, again, reason, sizeof(reason));
	condition_needs(condition, &needs);
	strbuf_init(&explained);
	for (unsigned int turn = 0; turn < 4; turn++) {
		const struct snapshot *snapshot = get_snapshot(turn);

		check_nearness(condition, snapshot);
		condition_evaluate_events(condition, snapshot, 0, UINT64_MAX);
		condition_explain_events(condition, snapshot, 0, UINT64_MAX, &explained);
		for (size_t i = 0; i < condition_operands(condition); i++) {
			struct condition_operand operand;

			condition_operand(condition, i, snapshot, 0, &operand);
			must(metric_set_has(&needs, operand.metric));
			must(operand.over == M_NONE || metric_set_has(&needs, operand.over));
		}
	}
	strbuf_done(&explained);
	condition_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size < 4096 ? size : 4096);
	struct condition *condition = NULL;
	char reason[64] = "";

	if (condition_parse(text, &condition, reason, sizeof(reason)) < 0)
		must(*reason && !condition);
	else
		check_parsed(text, condition);
	condition_free(condition);
	free(text);
	return 0;
}
