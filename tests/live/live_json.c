// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "live_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

json_t *live_json(const struct live *live, const char *arguments)
{
	char *output = NULL;
	json_error_t error;
	json_t *object;
	int code = live_cgwatch(live, &output, "%s", arguments);

	if (code != 0)
		fail_msg("cgwatch %s: exit %d", arguments, code);
	object = json_loads(output, JSON_REJECT_DUPLICATES, &error);
	if (!object)
		fail_msg("cgwatch %s: %s: %.200s", arguments, error.text, output);
	assert_int_equal(json_integer_value(json_object_get(object, "schema")), 1);
	assert_true(json_is_string(json_object_get(object, "host")));
	free(output);
	return object;
}

uint64_t live_ns_inode(pid_t pid, const char *type)
{
	char path[64];
	struct stat info;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, type);
	return stat(path, &info) == 0 ? info.st_ino : 0;
}

json_t *live_find_number(json_t *list, const char *key, uint64_t number)
{
	json_t *one;
	size_t at;

	json_array_foreach(list, at, one)
	{
		if ((uint64_t)json_integer_value(json_object_get(one, key)) == number)
			return one;
	}
	return NULL;
}

json_t *live_find_text(json_t *list, const char *key, const char *text)
{
	json_t *one;
	size_t at;

	json_array_foreach(list, at, one)
	{
		const char *value = json_string_value(json_object_get(one, key));

		if (value && strcmp(value, text) == 0)
			return one;
	}
	return NULL;
}

const char *live_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

bool live_list_has(const json_t *list, const char *part)
{
	json_t *one;
	size_t at;

	json_array_foreach(list, at, one)
	{
		if (strstr(json_string_value(one), part))
			return true;
	}
	return false;
}

void live_same_text(const char *name, const char *what, const char *got, const char *wanted)
{
	if (strcmp(got, wanted) != 0)
		fail_msg("%s: %s is \"%s\", expected \"%s\"", name, what, got, wanted);
}

void live_same_number(const char *name, const char *what, json_t *got, uint64_t wanted)
{
	if (!json_is_integer(got) || (uint64_t)json_integer_value(got) != wanted)
		fail_msg("%s: %s is %lld, expected %llu", name, what,
			 json_is_integer(got) ? json_integer_value(got) : -1,
			 (unsigned long long)wanted);
}
