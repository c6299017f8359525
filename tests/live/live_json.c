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
#include <sys/wait.h>

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

bool live_has_line(const char *text, const char *line)
{
	size_t length = strlen(line);

	for (; text && *text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL) {
		if (strncmp(text, line, length) == 0 && (text[length] == '\n' || !text[length]))
			return true;
	}
	return false;
}

/* NULL if there is no lsns. It fails where a process ends under its eyes: then once more. */
static char *run_lsns_once(bool *ret_there)
{
	FILE *pipe = popen("lsns -n -r -o NS,PID 2>/dev/null", "re");
	size_t used = 0, n;
	char *text = calloc(1, 1 << 20);
	int status;

	assert_non_null(pipe);
	assert_non_null(text);
	while ((n = fread(text + used, 1, (1 << 20) - 1 - used, pipe)) > 0)
		used += n;
	status = pclose(pipe);
	*ret_there = !WIFEXITED(status) || WEXITSTATUS(status) != 127;
	if (status == 0 && used > 0)
		return text;
	free(text);
	return NULL;
}

char *live_lsns(void)
{
	bool there = true;
	char *text = NULL;

	for (double end = live_now() + 30; !text && there && live_now() < end;)
		text = run_lsns_once(&there);
	if (there)
		assert_non_null(text);
	return text;
}
