// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/bpf_kernel.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/keyed.h"
#include "collectors/root.h"

struct bpf_kernel {
	struct btf *btf;
};

int bpf_kernel_open(struct bpf_kernel **ret_kernel, char *reason, size_t size)
{
	struct bpf_kernel *kernel = calloc(1, sizeof(*kernel));
	int r = -ENOMEM;

	if (kernel)
		kernel->btf = btf__load_vmlinux_btf();
	if (kernel && !kernel->btf)
		r = errno ? -errno : -ENOENT;
	if (!kernel || !kernel->btf) {
		snprintf(reason, size, "no type information of the kernel (BTF): %s", strerror(-r));
		free(kernel);
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

bool bpf_kernel_has_member(const struct bpf_kernel *kernel, const char *path)
{
	size_t length = strcspn(path, ".");
	char name[64];
	const struct btf_type *type;
	int id;

	if (length >= sizeof(name))
		return false;
	memcpy(name, path, length);
	name[length] = '\0';
	id = btf__find_by_name_kind(kernel->btf, name, BTF_KIND_STRUCT);
	type = id > 0 ? btf__type_by_id(kernel->btf, (uint32_t)id) : NULL;
	while (type && path[length] == '.') {
		path += length + 1;
		length = strcspn(path, ".");
		if (!btf_is_composite(type))
			return false;
		/* "events[0]" is a member "events". */
		type = find_member(kernel->btf, type, path, strcspn(path, ".["));
	}
	return type != NULL;
}

bool bpf_kernel_has_function(const struct bpf_kernel *kernel, const char *name)
{
	return btf__find_by_name_kind(kernel->btf, name, BTF_KIND_FUNC) > 0;
}

bool bpf_kernel_has_tracepoint(const struct bpf_kernel *kernel, const char *name)
{
	char text[128];

	snprintf(text, sizeof(text), "btf_trace_%s", name);
	return btf__find_by_name_kind(kernel->btf, text, BTF_KIND_TYPEDEF) > 0;
}

int bpf_kernel_tracepoint_arguments(const struct bpf_kernel *kernel, const char *name)
{
	const struct btf_type *type;
	char text[128];
	int id;

	snprintf(text, sizeof(text), "btf_trace_%s", name);
	id = btf__find_by_name_kind(kernel->btf, text, BTF_KIND_TYPEDEF);
	type = id > 0 ? btf__type_by_id(kernel->btf, (uint32_t)id) : NULL;
	type = type ? btf__type_by_id(kernel->btf, type->type) : NULL;
	if (type && btf_is_ptr(type))
		type = btf__type_by_id(kernel->btf, type->type);
	/* The first one is the tracepoint's own. */
	return type && btf_is_func_proto(type) ? btf_vlen(type) - 1 : -ENOENT;
}

bool bpf_kernel_enum(const struct bpf_kernel *kernel, const char *enumeration, const char *name,
		     int64_t *ret_value)
{
	int id = btf__find_by_name_kind(kernel->btf, enumeration, BTF_KIND_ENUM);
	const struct btf_type *type = id > 0 ? btf__type_by_id(kernel->btf, (uint32_t)id) : NULL;
	const struct btf_enum *value = type ? btf_enum(type) : NULL;

	for (int i = 0; type && i < btf_vlen(type); i++, value++) {
		if (strcmp(btf__name_by_offset(kernel->btf, value->name_off), name) == 0) {
			*ret_value = value->val;
			return true;
		}
	}
	return false;
}

bool bpf_kernel_has_variable(const struct root *root, const char *name)
{
	struct strbuf text;
	struct span rest, line, word;
	bool found = false;

	strbuf_init(&text);
	if (root_read(root, ROOT_PROC, "kallsyms", &text) < 0)
		text.length = 0;
	rest = (struct span){ text.data, text.data + text.length };
	while (!found && span_line(&rest, &line)) {
		/* "address type name" */
		if (span_word(&line, &word) && span_word(&line, &word) &&
		    strchr("dDbBrRvV", *word.at) && span_word(&line, &word))
			found = span_is(word, name);
	}
	strbuf_done(&text);
	return found;
}
