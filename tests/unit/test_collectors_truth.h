/* SPDX-License-Identifier: MIT */
#pragma once

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/sampler.h"
#include "core/cleanup.h"

/*
 * The sampler on recorded machines, against a second, slow reading of the same files that shares no
 * code with it: sscanf, strtok and doubles, as nobody should do it.
 */
struct fixture {
	const char *name;
	bool hybrid;
	char dir[512];
	struct root *root;
	struct sampler *sampler;
	struct snapshot *snapshot;
	unsigned int compared, faults;
};

/* What the raw file says: a number in stored units, a text, "max", or nothing. */
struct truth {
	enum { NOTHING, NUMBER, TEXT, UNLIMITED } what;
	double number;
	char text[2048];
};

static inline bool slurp(const struct fixture *fixture, const char *hierarchy, const char *path,
			 const char *file, char *text, size_t size)
{
	char full[4096];
	FILE *stream;
	size_t n;

	snprintf(full, sizeof(full), "%s/sys/fs/cgroup/%s%s/%s", fixture->dir, hierarchy, path,
		 file);
	stream = fopen(full, "r");
	if (!stream)
		return false;
	n = fread(text, 1, size - 1, stream);
	text[n] = '\0';
	fclose(stream);
	return true;
}

static inline void strip(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		text[--n] = '\0';
}

static inline bool number_of(const char *word, struct truth *truth)
{
	char *end;

	if (!word || !*word)
		return false;
	if (strcmp(word, "max") == 0) {
		truth->what = UNLIMITED;
		return true;
	}
	truth->number = strtod(word, &end);
	truth->what = NUMBER;
	return *end == '\0';
}

/* "key value" lines; "id key=value" and "id key value" lines, summed over the ids, limits by least.
 */
static inline void truth_of_lines(char *text, const char *key, const char *key_label, bool limit,
				  struct truth *truth)
{
	char *outer = NULL;

	for (char *line = strtok_r(text, "\n", &outer); line; line = strtok_r(NULL, "\n", &outer)) {
		struct truth part = { NOTHING };
		char copy[4096], *inner = NULL, *word;

		snprintf(copy, sizeof(copy), "%s", line);
		word = strtok_r(copy, " ", &inner);
		if (!key_label) {
			if (word && strcmp(word, key) == 0)
				number_of(strtok_r(NULL, " ", &inner), truth);
			continue;
		}
		while (key && (word = strtok_r(NULL, " ", &inner))) {
			size_t length = strlen(key);

			if (strcmp(word, key) == 0)
				number_of(strtok_r(NULL, " ", &inner), &part);
			else if (strncmp(word, key, length) == 0 && word[length] == '=')
				number_of(word + length + 1, &part);
		}
		if (!key)
			number_of(strtok_r(NULL, " ", &inner), &part);
		if (part.what == UNLIMITED && truth->what == NOTHING)
			truth->what = UNLIMITED;
		if (part.what != NUMBER)
			continue;
		if (truth->what != NUMBER)
			truth->number = part.number;
		else if (limit)
			truth->number = fmin(truth->number, part.number);
		else
			truth->number += part.number;
		truth->what = NUMBER;
	}
}

static inline void truth_of_pressure(char *text, const char *key, struct truth *truth)
{
	char share[16], what[16], *at;

	sscanf(key, "%15[^.].%15s", share, what);
	at = strstr(text, share);
	at = at ? strstr(at, what) : NULL;
	if (at && sscanf(at + strlen(what), "=%lf", &truth->number) == 1) {
		truth->what = NUMBER;
		if (strncmp(what, "avg", 3) == 0)
			truth->number = round(truth->number * 100);
	}
}

static inline void truth_of_text(char *text, struct truth *truth)
{
	char *outer = NULL;

	truth->what = TEXT;
	truth->text[0] = '\0';
	for (char *line = strtok_r(text, "\n", &outer); line; line = strtok_r(NULL, "\n", &outer)) {
		strip(line);
		if (truth->text[0])
			strcat(truth->text, ", ");
		strcat(truth->text, line);
	}
}

static inline void truth_of_cpu_list(char *text, struct truth *truth)
{
	char *outer = NULL;

	truth->what = NUMBER;
	truth->number = 0;
	for (char *word = strtok_r(text, ",\n", &outer); word;
	     word = strtok_r(NULL, ",\n", &outer)) {
		int low, high;

		if (sscanf(word, "%d-%d", &low, &high) == 2)
			truth->number += high - low + 1;
		else
			truth->number += 1;
	}
}

static inline void truth_of_file(const struct metric *metric, const char *file, const char *key,
				 char *text, struct truth *truth)
{
	bool limit = metric->kind == KIND_LIMIT;
	double a, b;

	if (strcmp(file, "cgroup.procs") == 0 || strcmp(file, "cgroup.threads") == 0 ||
	    strcmp(file, "tasks") == 0) {
		truth->what = NUMBER;
		truth->number = 0;
		for (const char *at = text; *at; at++)
			truth->number += *at == '\n';
	} else if (metric->flags & METRIC_LIST) {
		truth_of_cpu_list(text, truth);
	} else if (metric->kind == KIND_TEXT) {
		truth_of_text(text, truth);
	} else if (strstr(file, ".pressure") && key) {
		truth_of_pressure(text, key, truth);
	} else if (strcmp(file, "cpu.max") == 0) {
		if (sscanf(text, "max %lf", &b) == 1)
			truth->what = *key == '0' ? UNLIMITED : NUMBER;
		else if (sscanf(text, "%lf %lf", &a, &b) == 2)
			truth->what = NUMBER;
		truth->number = *key == '0' ? a : b;
	} else if (strcmp(file, "freezer.state") == 0) {
		truth->what = NUMBER;
		truth->number = strcmp(strtok(text, "\n"), key) == 0;
	} else if (strcmp(file, "cpuacct.usage_percpu") == 0) {
		for (char *word = strtok(text, " \n"); word; word = strtok(NULL, " \n")) {
			truth->number += floor(strtod(word, NULL) / 1000);
			truth->what = NUMBER;
		}
	} else if (key || metric->key_label) {
		truth_of_lines(text, key, metric->key_label, limit, truth);
		if (truth->what == NOTHING && (metric->flags & METRIC_ZERO))
			truth->what = NUMBER;
		if (truth->what == NOTHING && limit && metric->key_label)
			truth->what = UNLIMITED;
	} else {
		strip(text);
		number_of(text, truth);
	}
	if (limit && truth->what == NUMBER &&
	    (truth->number < 0 || (metric->unit == UNIT_BYTES && truth->number > 9.2e18)))
		truth->what = UNLIMITED;
}

/* "hugetlb.*.max": page sizes summed, limits by least. */
static inline struct truth truth_of_source(const struct fixture *fixture,
					   const struct metric *metric, const char *hierarchy,
					   const char *path, const char *file, const char *key)
{
	static const char *const sizes[] = { "2MB", "1GB" };
	const char *star = strchr(file, '*');
	struct truth truth = { NOTHING };
	char text[65536];

	if (!star) {
		if (slurp(fixture, hierarchy, path, file, text, sizeof(text)))
			truth_of_file(metric, file, key, text, &truth);
		return truth;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct metric plain = *metric;
		struct truth part = { NOTHING };
		char name[256];

		plain.key_label = NULL;
		snprintf(name, sizeof(name), "%.*s%s%s", (int)(star - file), file, sizes[i],
			 star + 1);
		if (!slurp(fixture, hierarchy, path, name, text, sizeof(text)))
			continue;
		truth_of_file(&plain, name, key, text, &part);
		if (part.what == NUMBER && truth.what == NUMBER)
			truth.number = metric->kind == KIND_LIMIT ? fmin(truth.number, part.number)
								  : truth.number + part.number;
		else if (part.what == NUMBER || truth.what == NOTHING)
			truth = part;
	}
	return truth;
}

/* Where processes are: systemd's hierarchy, then whichever has any. */
static inline struct truth truth_of_any(const struct fixture *fixture, const struct metric *metric,
					const char *path)
{
	static const char *const names[] = { "systemd", "cpu",	   "cpuacct", "cpuset", "memory",
					     "devices", "freezer", "blkio",   "pids" };
	struct truth truth = { NOTHING };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct truth one = truth_of_source(fixture, metric, names[i], path, metric->v1.file,
						   NULL);

		if (truth.what != NUMBER || (truth.number == 0 && one.what == NUMBER))
			truth = one;
	}
	return truth;
}

static inline struct truth truth_of(const struct fixture *fixture, const struct metric *metric,
				    const char *path)
{
	struct truth truth = { NOTHING };

	if (fixture->hybrid && metric->v1.file) {
		if (strcmp(metric->v1.controller, ANY_CONTROLLER) == 0)
			truth = truth_of_any(fixture, metric, path);
		else if (metric->v1.key || strcmp(metric->v1.file, "memory.stat") != 0)
			truth = truth_of_source(fixture, metric, metric->v1.controller, path,
						metric->v1.file, metric->v1.key);
		if (truth.what == NUMBER && metric->v1_mul)
			truth.number *= metric->v1_mul;
		/* Per-CPU values are divided one by one, above. */
		if (truth.what == NUMBER && metric->v1_div && !metric->key_label)
			truth.number = floor(truth.number / metric->v1_div);
	}
	if (truth.what == NOTHING && metric->v2.file)
		truth = truth_of_source(fixture, metric, fixture->hybrid ? "unified" : "", path,
					metric->v2.file, metric->v2.key);
	return truth;
}
