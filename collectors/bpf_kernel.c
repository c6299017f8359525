// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/bpf_kernel.h"

#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/keyed.h"
#include "collectors/root.h"
#include "core/cleanup.h"

/* Types by name: there are more than 100,000, and some hundred questions. */
enum { BUCKETS = 1 << 15 };

struct bpf_kernel {
	struct btf *btf;
	uint32_t buckets[BUCKETS]; /* ids; 0: none */
	uint32_t *next;		   /* by id */
};

static uint32_t bucket_of(const char *name)
{
	uint32_t hash = 2166136261;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619;
	return (hash ^ hash >> 15) % BUCKETS;
}

static const char *name_of(const struct bpf_kernel *kernel, uint32_t id)
{
	return btf__name_by_offset(kernel->btf, btf__type_by_id(kernel->btf, id)->name_off);
}

/* From the last to the first, so that of several of one name the lowest id stands first. */
static int index_types(struct bpf_kernel *kernel)
{
	uint32_t n = btf__type_cnt(kernel->btf);

	kernel->next = calloc(n, sizeof(*kernel->next));
	if (!kernel->next)
		return -ENOMEM;
	for (uint32_t id = n - 1; id > 0; id--) {
		const char *name = name_of(kernel, id);
		uint32_t bucket;

		if (!name || !*name)
			continue;
		bucket = bucket_of(name);
		kernel->next[id] = kernel->buckets[bucket];
		kernel->buckets[bucket] = id;
	}
	return 0;
}

/* The first type of that name behind `id` (0: of all); 0: none. */
static uint32_t next_named(const struct bpf_kernel *kernel, uint32_t id, const char *name)
{
	id = id ? kernel->next[id] : kernel->buckets[bucket_of(name)];
	while (id && strcmp(name_of(kernel, id), name) != 0)
		id = kernel->next[id];
	return id;
}

/* The type of that name and kind, or NULL. */
static const struct btf_type *find_type(const struct bpf_kernel *kernel, const char *name,
					uint32_t kind)
{
	for (uint32_t id = 0; (id = next_named(kernel, id, name)) > 0;) {
		const struct btf_type *type = btf__type_by_id(kernel->btf, id);

		if (btf_kind(type) == kind)
			return type;
	}
	return NULL;
}

int bpf_kernel_open(struct bpf_kernel **ret_kernel, char *reason, size_t size)
{
	struct bpf_kernel *kernel = calloc(1, sizeof(*kernel));
	int r;

	if (!kernel) {
		snprintf(reason, size, "out of memory");
		return -ENOMEM;
	}
	errno = 0;
	kernel->btf = btf__load_vmlinux_btf();
	if (!kernel->btf) {
		r = errno ? -errno : -ENOENT;
		/* ESRCH is libbpf's word for "nowhere", also after a file that makes no sense. */
		snprintf(reason, size, "no type information of the kernel (BTF): %s",
			 r == -ESRCH ? "none was found" : strerror(-r));
		free(kernel);
		return r;
	}
	r = index_types(kernel);
	if (r < 0) {
		snprintf(reason, size, "out of memory");
		bpf_kernel_close(kernel);
		return r;
	}
	*ret_kernel = kernel;
	return 0;
}

void bpf_kernel_close(struct bpf_kernel *kernel)
{
	if (!kernel)
		return;
	btf__free(kernel->btf);
	free(kernel->next);
	free(kernel);
}

static const struct btf_type *skip_modifiers(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	while (type && (btf_is_mod(type) || btf_is_typedef(type) || btf_is_array(type)))
		type = btf__type_by_id(btf,
				       btf_is_array(type) ? btf_array(type)->type : type->type);
	return type;
}

/* The type of a member of that name, also within unnamed structures and unions; NULL: none. */
static const struct btf_type *find_member(const struct btf *btf, const struct btf_type *type,
					  const char *name, size_t length)
{
	const struct btf_member *member = btf_members(type);

	for (int i = 0; i < btf_vlen(type); i++, member++) {
		const char *text = btf__name_by_offset(btf, member->name_off);
		const struct btf_type *inner = skip_modifiers(btf, member->type);

		if (text && strlen(text) == length && memcmp(text, name, length) == 0)
			return inner;
		if ((!text || !*text) && inner && btf_is_composite(inner)) {
			inner = find_member(btf, inner, name, length);
			if (inner)
				return inner;
		}
	}
	return NULL;
}

/* The type of "structure.member.member", or NULL. */
static const struct btf_type *find_path(const struct bpf_kernel *kernel, const char *path)
{
	size_t length = strcspn(path, ".");
	char name[64];
	const struct btf_type *type;

	if (length == 0 || length >= sizeof(name))
		return NULL;
	memcpy(name, path, length);
	name[length] = '\0';
	type = find_type(kernel, name, BTF_KIND_STRUCT);
	while (type && path[length] == '.') {
		path += length + 1;
		length = strcspn(path, ".");
		if (!btf_is_composite(type) || length == 0)
			return NULL;
		/* "events[0]" is a member "events". */
		type = find_member(kernel->btf, type, path, strcspn(path, ".["));
	}
	return type;
}

bool bpf_kernel_has_member(const struct bpf_kernel *kernel, const char *path)
{
	return find_path(kernel, path) != NULL;
}

bool bpf_kernel_is_array(const struct bpf_kernel *kernel, const char *path)
{
	const struct btf_type *type = find_path(kernel, path), *inner;

	inner = type && btf_is_ptr(type) ? skip_modifiers(kernel->btf, type->type) : NULL;
	return inner && btf_is_ptr(inner);
}

bool bpf_kernel_has_function(const struct bpf_kernel *kernel, const char *name)
{
	return find_type(kernel, name, BTF_KIND_FUNC) != NULL;
}

bool bpf_kernel_has_tracepoint(const struct bpf_kernel *kernel, const char *name)
{
	char text[128];

	snprintf(text, sizeof(text), "btf_trace_%s", name);
	return find_type(kernel, text, BTF_KIND_TYPEDEF) != NULL;
}

int bpf_kernel_tracepoint_arguments(const struct bpf_kernel *kernel, const char *name)
{
	const struct btf_type *type;
	char text[128];

	snprintf(text, sizeof(text), "btf_trace_%s", name);
	type = find_type(kernel, text, BTF_KIND_TYPEDEF);
	type = type ? btf__type_by_id(kernel->btf, type->type) : NULL;
	if (type && btf_is_ptr(type))
		type = btf__type_by_id(kernel->btf, type->type);
	/* The first one is the tracepoint's own. */
	return type && btf_is_func_proto(type) ? btf_vlen(type) - 1 : -ENOENT;
}

static bool find_value(const struct btf *btf, const struct btf_type *type, const char *name,
		       int64_t *ret_value)
{
	bool wide = btf_is_enum64(type);

	for (int i = 0; i < btf_vlen(type); i++) {
		uint32_t text = wide ? btf_enum64(type)[i].name_off : btf_enum(type)[i].name_off;

		if (strcmp(btf__name_by_offset(btf, text), name) != 0)
			continue;
		*ret_value = wide ? (int64_t)btf_enum64_value(&btf_enum64(type)[i])
				  : btf_enum(type)[i].val;
		return true;
	}
	return false;
}

static bool has_one(const struct bpf_kernel *kernel, char *name)
{
	char *call = strstr(name, "()"), *colon = strchr(name, ':');
	int64_t value;

	if (call) {
		*call = '\0';
		return bpf_kernel_has_function(kernel, name);
	}
	if (colon) {
		*colon = '\0';
		return bpf_kernel_enum(kernel, name, colon + 1, &value);
	}
	return bpf_kernel_has_member(kernel, name);
}

bool bpf_kernel_has(const struct bpf_kernel *kernel, const char *needs)
{
	for (;;) {
		size_t length = strcspn(needs, "|");
		char name[96];

		if (length >= sizeof(name))
			return false;
		memcpy(name, needs, length);
		name[length] = '\0';
		if (has_one(kernel, name))
			return true;
		if (!needs[length])
			return false;
		needs += length + 1;
	}
}

/* A name may stand for several of them, and only one has the number. */
bool bpf_kernel_enum(const struct bpf_kernel *kernel, const char *enumeration, const char *name,
		     int64_t *ret_value)
{
	for (uint32_t id = 0; (id = next_named(kernel, id, enumeration)) > 0;) {
		const struct btf_type *type = btf__type_by_id(kernel->btf, id);

		if (btf_is_any_enum(type) && find_value(kernel->btf, type, name, ret_value))
			return true;
	}
	return false;
}

/* "address type name [module]": a variable whose address this process may know. */
static bool is_variable(struct span line, const char *name)
{
	struct span address, type, word;
	bool known = false;

	if (!span_word(&line, &address) || !span_word(&line, &type) || !span_word(&line, &word) ||
	    !strchr("dDbBrRvV", *type.at) || !span_is(word, name))
		return false;
	for (const char *at = address.at; at < address.end; at++)
		known |= *at != '0';
	return known;
}

/* Five megabytes and more: read by pieces. */
bool bpf_kernel_has_variable(const struct root *root, const char *name)
{
	enum { PIECE = 64 * 1024 };
	_cleanup_(freep) char *piece = malloc(PIECE);
	_cleanup_(closep) int fd = root_open(root, ROOT_PROC, "kallsyms", O_RDONLY);
	size_t length = 0;
	ssize_t n;

	if (!piece || fd < 0)
		return false;
	while ((n = read(fd, piece + length, PIECE - length)) > 0) {
		char *end = memrchr(piece, '\n', length + (size_t)n);
		struct span rest = { piece, end ? end + 1 : piece }, line;

		while (span_line(&rest, &line)) {
			if (is_variable(line, name))
				return true;
		}
		length = (size_t)(piece + length + n - rest.end);
		if (length == PIECE)
			return false; /* no line is that long */
		memmove(piece, rest.end, length);
	}
	return false;
}
