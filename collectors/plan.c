// SPDX-License-Identifier: MIT
#include "collectors/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void file_done(struct plan_file *file)
{
	for (size_t i = 0; i < file->n_hints; i++)
		free(file->hints[i].key);
	free(file->hints);
	free(file->fields);
	free(file->name);
	free(file->part);
}

void plan_done(struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		file_done(&plan->files[i]);
	free(plan->files);
	*plan = (struct plan){ 0 };
}

/* "hugetlb.*.max" and "2MB" make "hugetlb.2MB.max". */
static char *fill_in(const char *pattern, const char *part)
{
	const char *star = strchr(pattern, '*');
	struct strbuf name;

	strbuf_init(&name);
	strbuf_add(&name, pattern, (size_t)(star - pattern));
	strbuf_add_string(&name, part);
	strbuf_add_string(&name, star + 1);
	return strbuf_take(&name);
}

static struct plan_file *get_file(struct plan *plan, const struct cgroup_file *file,
				  unsigned int hierarchy, const char *part)
{
	struct plan_file *found;

	for (size_t i = 0; i < plan->n; i++) {
		found = &plan->files[i];
		if (found->file == file && found->hierarchy == hierarchy &&
		    (!part || strcmp(found->part, part) == 0))
			return found;
	}
	found = realloc(plan->files, (plan->n + 1) * sizeof(*plan->files));
	if (!found)
		return NULL;
	plan->files = found;
	found += plan->n;
	*found = (struct plan_file){ .file = file, .hierarchy = hierarchy };
	found->name = part ? fill_in(file->name, part) : strdup(file->name);
	found->part = part ? strdup(part) : NULL;
	if (!found->name || (part && !found->part)) {
		file_done(found);
		return NULL;
	}
	plan->n++;
	return found;
}

static int add_field(struct plan_file *file, enum metric_id id, const char *key, uint32_t mul,
		     uint32_t div)
{
	struct plan_field *fields;

	fields = realloc(file->fields, (file->n_fields + 1) * sizeof(*file->fields));
	if (!fields)
		return -ENOMEM;
	file->fields = fields;
	fields[file->n_fields++] = (struct plan_field){ id, key, key ? strlen(key) : 0,
							mul ? mul : 1, div ? div : 1 };
	return 0;
}

struct source {
	const struct cgroup_file *file;
	const char *key;
	unsigned int hierarchy;
	uint32_t mul, div;
	bool any;
};

struct planner {
	struct plan *plan;
	const struct hierarchies *hierarchies;
	char *const *parts;
	size_t n_parts;
};

static int add_source(struct planner *planner, enum metric_id id, const struct source *source)
{
	bool split = strchr(source->file->name, '*') != NULL;
	size_t n = split ? planner->n_parts : 1;

	for (size_t i = 0; i < n; i++) {
		struct plan_file *file = get_file(planner->plan, source->file, source->hierarchy,
						  split ? planner->parts[i] : NULL);

		if (!file || add_field(file, id, source->key, source->mul, source->div) < 0)
			return -ENOMEM;
		file->any |= source->any;
	}
	return 0;
}

/*
 * Where a process is can differ by hierarchy. systemd's own is asked first, the others in turn: the
 * first in which the cgroup has processes counts.
 */
static int add_any(struct planner *planner, enum metric_id id, struct source *source)
{
	const struct hierarchies *hierarchies = planner->hierarchies;
	const struct hierarchy *first = hierarchies_find(hierarchies, "name=systemd");
	int r = 0;

	source->any = true;
	if (first) {
		source->hierarchy = (unsigned int)(first - hierarchies->list);
		r = add_source(planner, id, source);
	}
	for (unsigned int h = 0; h < hierarchies->n && r == 0; h++) {
		if (hierarchies->list[h].v2 || &hierarchies->list[h] == first)
			continue;
		source->hierarchy = h;
		r = add_source(planner, id, source);
	}
	return r;
}

static int add_v1(struct planner *planner, enum metric_id id, bool *found)
{
	const struct metric *metric = metric_get(id);
	const struct hierarchy *where;
	struct source source = { .key = metric->v1.key,
				 .mul = metric->v1_mul,
				 .div = metric->v1_div };

	if (!metric->v1.file || !(source.file = cgroup_file_find(false, metric->v1.file)))
		return 0;
	/* A key of a v1 memory.stat that only v2 has leaves the row's key NULL. */
	if (source.file->shape == SHAPE_FLAT && !source.key)
		return 0;
	if (strcmp(metric->v1.controller, ANY_CONTROLLER) == 0)
		return add_any(planner, id, &source);
	where = hierarchies_find(planner->hierarchies, metric->v1.controller);
	if (!where || where->v2)
		return 0;
	*found = true;
	source.hierarchy = (unsigned int)(where - planner->hierarchies->list);
	return add_source(planner, id, &source);
}

static int add_v2(struct planner *planner, enum metric_id id, bool *found)
{
	const struct metric *metric = metric_get(id);
	const struct hierarchy *v2 = hierarchies_v2(planner->hierarchies);
	struct source source = { .key = metric->v2.key };

	if (!v2 || !metric->v2.file || !(source.file = cgroup_file_find(true, metric->v2.file)))
		return 0;
	/* On a hybrid host the controller may be on v1: only core files then say something here. */
	if (!source.file->core && source.file->controller &&
	    !hierarchy_has(v2, source.file->controller))
		return 0;
	*found = true;
	source.any = metric->v1.file != NULL;
	source.hierarchy = (unsigned int)(v2 - planner->hierarchies->list);
	return add_source(planner, id, &source);
}

static bool any_v1(const struct hierarchies *hierarchies)
{
	for (unsigned int h = 0; h < hierarchies->n; h++) {
		if (!hierarchies->list[h].v2)
			return true;
	}
	return false;
}

/*
 * True if the kernel has the metric's controller but nobody mounted it. On a pure v2 host that says
 * nothing about metrics that only v1 has: they do not exist there.
 */
static bool is_unmounted(const struct hierarchies *hierarchies, const struct metric *metric)
{
	const struct cgroup_file *v2 = metric->v2.file ? cgroup_file_find(true, metric->v2.file)
						       : NULL;
	const char *v1 = metric->v1.file && any_v1(hierarchies) ? metric->v1.controller : NULL;

	for (unsigned int i = 0; i < hierarchies->n_controllers; i++) {
		const char *name = hierarchies->controllers[i].name;

		if ((v1 && strcmp(v1, name) == 0) ||
		    (v2 && v2->controller && strcmp(v2->controller, name) == 0))
			return hierarchies->controllers[i].hierarchy < 0;
	}
	return false;
}

/*
 * Files that may only fill in what others left open are read last. Stable, so that alternatives
 * keep their order among each other.
 */
static int put_alternatives_last(struct plan *plan)
{
	struct plan_file *sorted = malloc((plan->n ? plan->n : 1) * sizeof(*sorted));
	size_t n = 0;

	if (!sorted)
		return -ENOMEM;
	for (int alternative = 0; alternative <= 1; alternative++) {
		for (size_t i = 0; i < plan->n; i++) {
			if (plan->files[i].any == alternative)
				sorted[n++] = plan->files[i];
		}
	}
	free(plan->files);
	plan->files = sorted;
	return 0;
}

int plan_init(struct plan *plan, const struct hierarchies *hierarchies,
	      const struct metric_set *wanted, char *const *parts, size_t n_parts)
{
	struct planner planner = { plan, hierarchies, parts, n_parts };
	int r = 0;

	*plan = (struct plan){ 0 };
	for (int id = M_NONE + 1; id < METRIC_COUNT && r == 0; id++) {
		const struct metric *metric = metric_get((enum metric_id)id);
		bool found = false;

		if (!metric_set_has(wanted, (enum metric_id)id) || metric->kind == KIND_DERIVED ||
		    metric->inventory || metric->watched)
			continue;
		metric_set_add(&plan->raw, (enum metric_id)id);
		r = add_v1(&planner, (enum metric_id)id, &found);
		if (r == 0)
			r = add_v2(&planner, (enum metric_id)id, &found);
		plan->missing[id] = found || is_unmounted(hierarchies, metric) ? VALUE_DISABLED
									       : VALUE_ABSENT;
	}
	if (r == 0)
		r = put_alternatives_last(plan);
	if (r < 0)
		plan_done(plan);
	return r;
}

static int find_field(const struct plan_file *file, const char *key, size_t length)
{
	for (size_t i = 0; i < file->n_fields; i++) {
		if (file->fields[i].key_length == length &&
		    memcmp(file->fields[i].key, key, length) == 0)
			return (int)i;
	}
	return -1;
}

static void remember(struct plan_file *file, size_t line, const char *key, size_t length, int field)
{
	if (line >= file->n_hints) {
		struct plan_hint *hints = realloc(file->hints, (line + 1) * sizeof(*hints));

		if (!hints)
			return;
		memset(hints + file->n_hints, 0, (line + 1 - file->n_hints) * sizeof(*hints));
		file->hints = hints;
		file->n_hints = line + 1;
	}
	free(file->hints[line].key);
	/* Not strndup(): a strange file may hold a NUL, and the length must stay true. */
	file->hints[line].key = malloc(length + 1);
	file->hints[line].length = file->hints[line].key ? length : 0;
	if (file->hints[line].key)
		memcpy(file->hints[line].key, key, length);
	file->hints[line].field = field;
}

const struct plan_field *plan_match(struct plan_file *file, size_t line, const char *key,
				    size_t length)
{
	int field;

	if (line < file->n_hints && file->hints[line].length == length && file->hints[line].key &&
	    memcmp(file->hints[line].key, key, length) == 0) {
		field = file->hints[line].field;
	} else {
		field = find_field(file, key, length);
		/* A hostile or strange file must not grow this without end. */
		if (line < 512)
			remember(file, line, key, length, field);
	}
	return field < 0 ? NULL : &file->fields[field];
}
