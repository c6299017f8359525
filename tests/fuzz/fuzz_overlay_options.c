// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include "collectors/overlay_options.h"

static void check(const struct overlay_options *options, size_t size)
{
	size_t texts = options->work ? strlen(options->work) : 0;

	must(options->options);
	texts += strlen(options->options);
	for (size_t i = 0; i < options->n_layers; i++) {
		must(options->layers[i].path);
		must(i == 0 || options->layers[i].kind >= options->layers[i - 1].kind);
		must(i == 0 || options->layers[i].kind != OVERLAY_UPPER);
		/* The upper's name may be empty; a lower's "" is a separator. */
		texts += strlen(options->layers[i].path);
	}
	must(texts <= size);
	must(options->option_bytes <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	const char *array[] = { text, NULL };
	const struct mount_entry entries[] = {
		{ .super_options = text, .escaped = true },
		{ .super_options = "", .option_array = array },
		{ .super_options = "", .mountpoint = "/m" },
	};
	struct overlay_options options;

	for (int i = 0; i < 2; i++) {
		must(overlay_options_parse(&entries[i], NULL, &options) == 0);
		check(&options, size);
		overlay_options_done(&options);
	}
	free(text);
	/* With its NULs, as a command line that ends in one or not. */
	text = malloc(size + 1);
	must(text);
	memcpy(text, data, size);
	text[size] = '\0';
	if (overlay_options_parse_fuse(&entries[2], text, size, &options) == 0) {
		check(&options, 2 * size);
		overlay_options_done(&options);
	}
	free(text);
	return 0;
}
