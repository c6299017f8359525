// SPDX-License-Identifier: MIT
#include "collectors/overlay_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/mountinfo.h"
#include "core/cleanup.h"

struct parser {
	struct overlay_options *to;
	struct strbuf others;
	size_t capacity;
	const char *upper;
	bool failed;
};

static void add_layer(struct parser *parser, enum overlay_layer_kind kind, const char *path)
{
	struct overlay_options *to = parser->to;

	if (to->n_layers == parser->capacity) {
		size_t capacity = parser->capacity ? parser->capacity * 2 : 32;
		struct overlay_option_layer *grown = reallocarray(to->layers, capacity,
								  sizeof(*grown));

		if (!grown) {
			parser->failed = true;
			return;
		}
		to->layers = grown;
		parser->capacity = capacity;
	}
	to->layers[to->n_layers++] = (struct overlay_option_layer){ kind, path };
}

/* The kernel takes any byte behind a backslash as it is; a last one alone stays. */
static void unescape_backslashes(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (from[0] == '\\' && from[1])
			from++;
		*to++ = *from;
	}
	*to = '\0';
}

/* Up to the next `separator` that no backslash stands before. */
static size_t span(const char *text, char separator)
{
	size_t n = 0;

	while (text[n] && text[n] != separator)
		n += text[n] == '\\' && text[n + 1] ? 2 : 1;
	return n;
}

/* "a:b::c": an empty name says that what follows is data-only. */
static void add_colon_list(struct parser *parser, const char *value)
{
	enum overlay_layer_kind kind = OVERLAY_LOWER;

	for (;;) {
		size_t n = span(value, ':');

		if (n > 0) {
			char *path = arena_copy(&parser->to->arena, value, n);

			if (!path)
				return;
			unescape_backslashes(path);
			add_layer(parser, kind, path);
		} else if (parser->to->n_layers > 0 && *value) {
			kind = OVERLAY_DATA;
		}
		if (!value[n])
			return;
		value += n + 1;
	}
}

static void add_lower(struct parser *parser, const char *value)
{
	char *path = arena_string(&parser->to->arena, value);

	if (path)
		add_layer(parser, OVERLAY_LOWER, path);
}

static void add_data(struct parser *parser, const char *value)
{
	char *path = arena_string(&parser->to->arena, value);

	if (path)
		add_layer(parser, OVERLAY_DATA, path);
}

static void set_upper(struct parser *parser, const char *value)
{
	char *path = arena_string(&parser->to->arena, value);

	if (path)
		unescape_backslashes(path);
	parser->upper = path;
}

static void set_work(struct parser *parser, const char *value)
{
	char *path = arena_string(&parser->to->arena, value);

	if (path)
		unescape_backslashes(path);
	parser->to->work = path;
}

static const struct {
	const char *key;
	void (*take)(struct parser *parser, const char *value);
} layer_keys[] = {
	{ "lowerdir=", add_colon_list }, { "lowerdir+=", add_lower }, { "datadir+=", add_data },
	{ "upperdir=", set_upper },	 { "workdir=", set_work },
};

static void set_flag(struct overlay_options *to, const char *option)
{
	const struct {
		const char *word;
		bool *flag, value;
	} words[] = {
		{ "ro", &to->read_only, true },
		{ "userxattr", &to->userxattr, true },
		{ "volatile", &to->is_volatile, true },
		{ "fsync=volatile", &to->is_volatile, true }, /* from 6.18 on */
		{ "metacopy=on", &to->metacopy, true },
		{ "metacopy=off", &to->metacopy, false },
		{ "redirect_dir=on", &to->redirect_dir, true },
		{ "redirect_dir=off", &to->redirect_dir, false },
		{ "redirect_dir=follow", &to->redirect_dir, false },
		{ "redirect_dir=nofollow", &to->redirect_dir, false },
		{ "index=on", &to->index, true },
		{ "index=off", &to->index, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(option, words[i].word) == 0)
			*words[i].flag = words[i].value;
	}
}

/* One option without mountinfo's escapes. */
static void add_option(struct parser *parser, const char *option)
{
	for (size_t i = 0; i < ARRAY_SIZE(layer_keys); i++) {
		size_t length = strlen(layer_keys[i].key);

		if (strncmp(option, layer_keys[i].key, length) != 0)
			continue;
		parser->to->option_bytes += strlen(option) + (parser->to->option_bytes > 0);
		layer_keys[i].take(parser, option + length);
		return;
	}
	set_flag(parser->to, option);
	if (parser->others.length > 0)
		strbuf_add_char(&parser->others, ',');
	strbuf_add_string(&parser->others, option);
}

static void add_text(struct parser *parser, const char *text, bool escaped)
{
	struct strbuf option;

	strbuf_init(&option);
	while (*text) {
		size_t n = strcspn(text, ",");

		if (n == 0) {
			text++;
			continue;
		}
		strbuf_clear(&option);
		strbuf_add(&option, text, n);
		if (!option.data || option.failed)
			break;
		if (escaped)
			mountinfo_unescape(option.data);
		add_option(parser, option.data);
		text += n;
	}
	parser->failed |= option.failed;
	strbuf_done(&option);
}

static int compare_kinds(const struct overlay_option_layer *a, const struct overlay_option_layer *b)
{
	return (a->kind > b->kind) - (a->kind < b->kind);
}

/* The upper first, data-only layers last; each kind in the order given. */
static void order_layers(struct overlay_options *to)
{
	for (size_t i = 1; i < to->n_layers; i++) {
		struct overlay_option_layer layer = to->layers[i];
		size_t at = i;

		while (at > 0 && compare_kinds(&to->layers[at - 1], &layer) > 0) {
			to->layers[at] = to->layers[at - 1];
			at--;
		}
		to->layers[at] = layer;
	}
}

static void start(struct parser *parser, struct overlay_options *to)
{
	*to = (struct overlay_options){ 0 };
	arena_init(&to->arena);
	*parser = (struct parser){ .to = to };
	strbuf_init(&parser->others);
}

static int finish(struct parser *parser)
{
	struct overlay_options *to = parser->to;

	if (parser->upper)
		add_layer(parser, OVERLAY_UPPER, parser->upper);
	order_layers(to);
	to->options = arena_copy(&to->arena, parser->others.data ? parser->others.data : "",
				 parser->others.length);
	parser->failed |= parser->others.failed || to->arena.failed;
	strbuf_done(&parser->others);
	if (!parser->failed)
		return 0;
	overlay_options_done(to);
	return -ENOMEM;
}

static void add_entry(struct parser *parser, const struct mount_entry *entry)
{
	add_text(parser, entry->super_options, entry->escaped);
	for (size_t i = 0; entry->option_array && entry->option_array[i]; i++)
		add_option(parser, entry->option_array[i]);
}

int overlay_options_parse(const struct mount_entry *entry, const struct overlay_defaults *defaults,
			  struct overlay_options *ret_options)
{
	struct parser parser;

	start(&parser, ret_options);
	if (defaults) {
		ret_options->redirect_dir = defaults->redirect_dir;
		ret_options->metacopy = defaults->metacopy;
		ret_options->index = defaults->index;
	}
	add_entry(&parser, entry);
	return finish(&parser);
}

/* The text behind -o: commas may have a backslash before them. */
static void add_fuse_options(struct parser *parser, const char *text)
{
	struct strbuf option;

	strbuf_init(&option);
	while (*text) {
		size_t n = span(text, ',');

		if (n == 0) {
			text++;
			continue;
		}
		strbuf_clear(&option);
		strbuf_add(&option, text, n);
		if (!option.data || option.failed)
			break;
		/* What the mount itself does not show; the rest stands in `entry` already. */
		for (size_t i = 0; i < ARRAY_SIZE(layer_keys); i++) {
			if (strncmp(option.data, layer_keys[i].key, strlen(layer_keys[i].key)) == 0)
				add_option(parser, option.data);
		}
		text += n;
	}
	parser->failed |= option.failed;
	strbuf_done(&option);
}

int overlay_options_parse_fuse(const struct mount_entry *entry, const char *cmdline, size_t length,
			       struct overlay_options *ret_options)
{
	const char *end = cmdline + length, *last = NULL;
	struct parser parser;
	bool options_next = false;

	start(&parser, ret_options);
	add_entry(&parser, entry);
	for (const char *word = cmdline; word < end; word += strlen(word) + 1) {
		if (options_next)
			add_fuse_options(&parser, word);
		else if (strncmp(word, "-o", 2) == 0 && word[2])
			add_fuse_options(&parser, word + 2);
		else if (word > cmdline && word[0] != '-')
			last = word;
		options_next = !options_next && strcmp(word, "-o") == 0;
	}
	if (!last || strcmp(last, entry->mountpoint) != 0) {
		if (finish(&parser) == 0)
			overlay_options_done(ret_options);
		return -ENOENT;
	}
	return finish(&parser);
}

void overlay_options_done(struct overlay_options *options)
{
	free(options->layers);
	arena_done(&options->arena);
	*options = (struct overlay_options){ 0 };
}
