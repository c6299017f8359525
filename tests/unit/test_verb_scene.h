/* SPDX-License-Identifier: MIT */
#pragma once

/* What the tests of verbs that print lists have in common. Include it behind cmocka.h. */

#include "agent/field.h"
#include "agent/labels.h"

/* The names of the users of fake_inventory.h: 0 and 1000 have one, 33 has none. */
static inline struct labels *scene_labels(void)
{
	struct labels *labels = labels_new(NULL);

	assert_non_null(labels);
	assert_int_equal(labels_set_user(labels, 0, "root"), 0);
	assert_int_equal(labels_set_user(labels, 1000, "ann"), 0);
	assert_int_equal(labels_set_user(labels, 33, NULL), 0);
	return labels;
}

/* The fields of that list; the test fails if there is no such field. */
static inline struct field_list choose(const struct fields *fields, const char *text)
{
	struct field_list chosen = { .n = 0 };
	const char *bad = "";
	size_t length = 0;

	if (field_parse_list(fields, text, &chosen, &bad, &length) < 0)
		fail_msg("%.*s: no such column", (int)length, bad);
	return chosen;
}
