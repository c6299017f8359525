// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "fake_engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fake_snapshot.h"

static const char *const names[FAKE_CGROUPS] = { "root", "a", "x", "b", "c" };
static const char *const paths[FAKE_CGROUPS] = { "/", "/a", "/a/x", "/b", "/c" };

static const struct {
	const char *name;
	enum metric_id id;
	double scale; /* of a double; 0: an integer */
} columns[FAKE_COLUMNS] = {
	{ "cpu", M_CPU_USAGE_RATE, 0.01 },	    { "mem", M_MEMORY_CURRENT, 0 },
	{ "procs", M_CGROUP_PROCS_SUBTREE, 1 },	    { "oom", M_MEMORY_EVENTS_OOM_KILL, 0 },
	{ "pop", M_CGROUP_POPULATED, 0 },	    { "frozen", M_FREEZER_FROZEN, 0 },
	{ "psi", M_PSI_CPU_SOME_TOTAL_RATE, 0.01 }, { "ncpu", M_CPUSET_NR_CPUS, 0 },
};

static const struct {
	const char *name;
	int error;
} errors[] = { { "EBUSY", -EBUSY }, { "EPERM", -EPERM }, { "EIO", -EIO } };

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "fake_engine: %s\n", what);
	abort();
}

static void must(bool holds, const char *what)
{
	if (!holds)
		give_up(what);
}

struct policy_set *fake_policies(const char *text)
{
	char path[] = "/tmp/cgwatch-test-engine-XXXXXX";
	const char *files[] = { path };
	struct ini_errors found = { 0 };
	struct policy_set *set = NULL;
	int fd = mkstemp(path);
	size_t length = strlen(text);

	must(fd >= 0 && write(fd, text, length) == (ssize_t)length, path);
	close(fd);
	if (policy_set_load(files, 1, NULL, &found, &set) < 0)
		give_up(found.n ? found.list[0].text : "no memory");
	unlink(path);
	ini_errors_done(&found);
	return set;
}

static size_t cgroup_of(const char *name, size_t length)
{
	for (size_t i = 0; i < FAKE_CGROUPS; i++) {
		if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
			return i;
	}
	give_up(name);
}

static void make_tree(struct fake_engine *fake)
{
	const char *there[FAKE_CGROUPS];
	struct tree *tree;
	uint32_t n = 0;

	for (size_t i = 0; i < FAKE_CGROUPS; i++) {
		if (!fake->gone[i])
			there[n++] = paths[i];
	}
	tree = fake_tree(there, n, fake->tree);
	if (fake->tree)
		tree_unref(fake->tree);
	fake->tree = tree;
	fake->tree_changed = false;
}

void fake_engine_init(struct fake_engine *fake, const char *policies)
{
	*fake = (struct fake_engine){ .set = fake_policies(policies) };
	for (size_t i = 0; i < FAKE_CGROUPS; i++) {
		for (size_t j = 0; j < FAKE_COLUMNS; j++)
			fake->cells[i][j].state = VALUE_OK;
	}
	fake->wall_ahead = 1700000000;
	make_tree(fake);
	must(engine_new(1000000, &fake->engine) == 0, "engine_new");
	must(engine_set_policies(fake->engine, fake->set, 0, &fake->decisions) == 0, "policies");
}

void fake_engine_done(struct fake_engine *fake)
{
	decisions_done(&fake->decisions);
	engine_free(fake->engine);
	policy_set_unref(fake->set);
	if (fake->latest)
		snapshot_unref(fake->latest);
	tree_unref(fake->tree);
}

uint64_t fake_engine_serial(const struct fake_engine *fake, const char *name)
{
	uint32_t index = tree_find(fake->tree, paths[cgroup_of(name, strlen(name))]);

	must(index != NODE_NONE, name);
	return fake->tree->nodes[index]->serial;
}

/* ---- ticks ---- */

static void set_cell(struct fake_engine *fake, const char *word)
{
	const char *dot = strchr(word, '.'), *equals = strchr(word, '=');
	size_t cgroup = cgroup_of(word, (size_t)(dot - word));
	struct fake_cell *cell = NULL;

	for (size_t j = 0; j < FAKE_COLUMNS; j++) {
		size_t length = strlen(columns[j].name);

		if (length == (size_t)(equals - dot - 1) &&
		    memcmp(columns[j].name, dot + 1, length) == 0)
			cell = &fake->cells[cgroup][j];
	}
	must(cell != NULL, word);
	cell->state = equals[1] == '?' ? VALUE_FIRST : equals[1] == '-' ? VALUE_ABSENT : VALUE_OK;
	cell->number = strtod(equals + 1, NULL);
}

static void set_presence(struct fake_engine *fake, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t cgroup = cgroup_of(word, (size_t)(equals - word));

	/* Made anew: gone in between, so that it gets another serial. */
	if (strcmp(equals, "=new") == 0) {
		fake->gone[cgroup] = true;
		make_tree(fake);
	}
	fake->gone[cgroup] = strcmp(equals, "=gone") == 0;
	fake->tree_changed = true;
}

static void set_wall_clock(struct fake_engine *fake, const char *text)
{
	struct tm tm = { .tm_isdst = -1 };

	must(strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) != NULL, text);
	fake->wall_ahead = (int64_t)mktime(&tm) - (int64_t)(fake->now / 1000000);
}

static void fill(const struct fake_engine *fake, struct snapshot *snapshot)
{
	for (size_t i = 0; i < FAKE_CGROUPS; i++) {
		for (size_t j = 0; j < FAKE_COLUMNS && !fake->gone[i]; j++) {
			const struct fake_cell *cell = &fake->cells[i][j];

			if (cell->state != VALUE_OK)
				fake_set_state(snapshot, paths[i], columns[j].id, cell->state);
			else if (columns[j].scale > 0)
				fake_set_number(snapshot, paths[i], columns[j].id,
						cell->number * columns[j].scale);
			else
				fake_set_u64(snapshot, paths[i], columns[j].id,
					     (uint64_t)cell->number);
		}
	}
}

static void sample(struct fake_engine *fake)
{
	struct metric_set wanted = { 0 };

	if (fake->tree_changed)
		make_tree(fake);
	for (size_t j = 0; j < FAKE_COLUMNS; j++)
		metric_set_add(&wanted, columns[j].id);
	if (fake->latest)
		snapshot_unref(fake->latest);
	fake->latest = fake_snapshot(tree_ref(fake->tree), &wanted, ++fake->sequence);
	fake->latest->realtime_ns = (uint64_t)(fake->wall_ahead + (int64_t)(fake->now / 1000000)) *
				    1000000000;
	fill(fake, fake->latest);
}

/* ---- what is told from outside ---- */

/* "p:a0" or "p:a0:EBUSY" */
static void report(struct fake_engine *fake, enum decision_op op, char *text, int error)
{
	char *cgroup = strchr(text, ':'), *code, *step;
	uint64_t serial;

	must(cgroup != NULL, text);
	*cgroup++ = '\0';
	code = strchr(cgroup, ':');
	if (code)
		*code++ = '\0';
	for (size_t i = 0; code && i < ARRAY_SIZE(errors); i++) {
		if (strcmp(errors[i].name, code) == 0)
			error = errors[i].error;
	}
	step = cgroup + strlen(cgroup) - 1;
	serial = fake->tree
			 ->nodes[tree_find(fake->tree,
					   paths[cgroup_of(cgroup, (size_t)(step - cgroup))])]
			 ->serial;
	if (op == DECISION_OP_COUNT)
		engine_taken(fake->engine, serial, text, (unsigned int)(*step - '0'), fake->now);
	else
		engine_report(fake->engine, serial, text, op, (unsigned int)(*step - '0'), error,
			      fake->now);
}

/* Not a report of something that was decided. */
static void tell_taken(struct fake_engine *fake, char *text)
{
	report(fake, DECISION_OP_COUNT, text, 0);
}

static void tell_done(struct fake_engine *fake, char *text)
{
	report(fake, DECISION_APPLY, text, 0);
}

static void tell_cancelled(struct fake_engine *fake, char *text)
{
	report(fake, DECISION_APPLY, text, -ECANCELED);
}

static void tell_released(struct fake_engine *fake, char *text)
{
	report(fake, DECISION_RELEASE, text, 0);
}

static void tell_event(struct fake_engine *fake, char *text)
{
	struct event_spec spec;
	char *name = strchr(text, ':'), reason[256];
	uint64_t serial;

	must(name != NULL, text);
	*name++ = '\0';
	for (char *blank = name; (blank = strchr(blank, '~'));)
		*blank = ' ';
	must(event_parse(name, &spec, reason, sizeof(reason)) == 0, name);
	serial = fake_engine_serial(fake, text);
	must(engine_event(fake->engine, fake->latest, serial, &spec, fake->now, &fake->decisions) ==
		     0,
	     name);
}

static void tell_stop(struct fake_engine *fake, char *text)
{
	(void)text;
	must(engine_stop(fake->engine, true, fake->now, &fake->decisions) == 0, "stop");
}

static void tell_go(struct fake_engine *fake, char *text)
{
	(void)text;
	must(engine_stop(fake->engine, false, fake->now, &fake->decisions) == 0, "go");
}

static void tell_release_all(struct fake_engine *fake, char *text)
{
	(void)text;
	must(engine_release_all(fake->engine, fake->now, "by hand", &fake->decisions) == 0, "all");
}

static const struct {
	const char *name;
	void (*tell)(struct fake_engine *fake, char *text);
} tellings[] = {
	{ "!event:", tell_event },
	{ "!done:", tell_done },
	{ "!fail:", tell_done },
	{ "!cancelled:", tell_cancelled },
	{ "!released:", tell_released },
	{ "!unreleased:", tell_released },
	{ "!taken:", tell_taken },
	{ "!stop", tell_stop },
	{ "!go", tell_go },
	{ "!release-all", tell_release_all },
};

static void tell(struct fake_engine *fake, char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(tellings); i++) {
		size_t length = strlen(tellings[i].name);

		if (strncmp(word, tellings[i].name, length) == 0) {
			tellings[i].tell(fake, word + length);
			return;
		}
	}
	give_up(word);
}

/* True if it asks for no tick. */
static bool hear(struct fake_engine *fake, char *word)
{
	if (*word == '!')
		tell(fake, word);
	else if (strncmp(word, "at=", 3) == 0)
		set_wall_clock(fake, word + 3);
	else if (strchr(word, '.'))
		set_cell(fake, word);
	else
		set_presence(fake, word);
	return *word == '!';
}

static void describe(struct fake_engine *fake)
{
	static const char signs[] = {
		[DECISION_APPLY] = '+', [DECISION_RELEASE] = '-', [DECISION_REPORT] = '~'
	};
	size_t used = 0;

	fake->text[0] = '\0';
	for (size_t i = 0; i < fake->decisions.n; i++) {
		const struct decision *decision = &fake->decisions.list[i];

		used += (size_t)snprintf(fake->text + used, sizeof(fake->text) - used,
					 "%s%c%s:%s%u", i ? " " : "", signs[decision->op],
					 decision->policy, decision->node->name, decision->step);
	}
}

const char *fake_engine_keep(struct fake_engine *fake, double at, const char *words)
{
	_cleanup_(freep) char *copy = strdup(words);
	bool ticks = true;
	char *rest = NULL;

	decisions_done(&fake->decisions);
	fake->now = (uint64_t)(at * 1e6 + 0.5);
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		ticks &= !hear(fake, word);
	if (ticks) {
		sample(fake);
		must(engine_tick(fake->engine, fake->latest, fake->now, &fake->decisions) == 0,
		     "engine_tick");
	}
	describe(fake);
	return fake->text;
}

const char *fake_engine_do(struct fake_engine *fake, double at, const char *words)
{
	fake_engine_keep(fake, at, words);
	decisions_done(&fake->decisions);
	return fake->text;
}

static void add_track(void *data, const struct engine_track *track)
{
	struct fake_engine *fake = data;
	size_t used = strlen(fake->text);
	bool blocked = track->block != BLOCK_NOTHING;

	snprintf(fake->text + used, sizeof(fake->text) - used, "%s%s:%s:%s:%u%s%s%s",
		 used ? " " : "", track->policy->name, track->node->name,
		 engine_phase_name(track->phase), track->rungs, blocked ? "(" : "",
		 blocked ? engine_block_name(track->block) : "", blocked ? ")" : "");
}

const char *fake_engine_tracks(struct fake_engine *fake)
{
	fake->text[0] = '\0';
	engine_each(fake->engine, add_track, fake);
	return fake->text;
}
