// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Replays a corpus through LLVMFuzzerTestOneInput() and then a number of mutations of it, the same
 * ones each time, so that a fuzzer is also a test, without libFuzzer:
 *
 *   fuzz_x [-runs=N] [-seed=N] FILE|DIR...
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_SIZE_MAX = 1 << 14, INPUTS_MAX = 256 };

struct input {
	uint8_t *data;
	size_t size;
};

static struct input inputs[INPUTS_MAX];
static size_t n_inputs;
static uint64_t state;

static uint64_t next(void)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static size_t below(size_t limit)
{
	return limit ? (size_t)(next() % limit) : 0;
}

static void add_input(const uint8_t *data, size_t size)
{
	if (n_inputs == INPUTS_MAX)
		return;
	inputs[n_inputs].data = malloc(size + 1);
	if (!inputs[n_inputs].data)
		exit(2);
	memcpy(inputs[n_inputs].data, data, size);
	inputs[n_inputs++].size = size;
}

static int add_file(const char *path)
{
	static uint8_t data[INPUT_SIZE_MAX];
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		return -1;
	}
	add_input(data, fread(data, 1, sizeof(data), file));
	fclose(file);
	return 0;
}

/* In the order of names: the mutations that follow depend on it. */
static int add_path(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort), r = 0;

	if (n < 0)
		return add_file(path);
	for (int i = 0; i < n; i++) {
		char name[4096];

		if (entries[i]->d_name[0] != '.') {
			snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
			r |= add_file(name);
		}
		free(entries[i]);
	}
	free(entries);
	return r;
}

static void try_input(const uint8_t *data, size_t size)
{
	/* A copy of exactly this size: ASan sees the first byte behind it. */
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		exit(2);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

/* Makes room for `length` bytes from `from` at a place of chance. */
static size_t insert(uint8_t *data, size_t size, const void *from, size_t length)
{
	size_t at = below(size + 1);

	if (size + length > INPUT_SIZE_MAX)
		return size;
	memmove(data + at + length, data + at, size - at);
	memcpy(data + at, from, length);
	return size + length;
}

static size_t insert_other(uint8_t *data, size_t size)
{
	const struct input *other = &inputs[below(n_inputs)];
	size_t from = below(other->size + 1), length = below(other->size - from + 1);

	return insert(data, size, other->data + from, length);
}

static size_t insert_word(uint8_t *data, size_t size)
{
	static const char *const words[] = {
		"max",
		"-1",
		"0",
		"18446744073709551615",
		"18446744073709551616",
		"-9223372036854775808",
		"\n",
		" ",
		"=",
		"\\",
		"\\040",
		"**",
		"[!",
		"]",
		"/",
		"//",
		"\xff",
		"\xc3\xa9",
		"\xe2\x80\xae",
		"\xed\xa0\x80",
		"1e9",
		"0x",
		".",
		"%",
		"KiB",
		"\x1b[31m",
		"\"",
		",",
		"\t",
		"- ",
		"\r\n",
		"\\xff",
		" and ",
		" or ",
		"not ",
		"(",
		")",
		"event ",
		" within 5s",
		" / ",
		"50%",
		"..",
		"08:00-20:00",
	};
	const char *word = words[below(sizeof(words) / sizeof(words[0]))];

	return insert(data, size, word, strlen(word));
}

static size_t mutate(uint8_t *data, size_t size)
{
	size_t at = below(size), length = below(size - at + 1);

	switch (below(6)) {
	case 0:
		if (size > 0)
			data[at] = (uint8_t)next();
		return size;
	case 1:
		if (size > 0)
			data[at] ^= (uint8_t)(1u << below(8));
		return size;
	case 2:
		memmove(data + at, data + at + length, size - at - length);
		return size - length;
	case 3:
		return insert_other(data, size);
	case 4:
		return at;
	default:
		return insert_word(data, size);
	}
}

static void fuzz(unsigned long runs)
{
	static uint8_t data[INPUT_SIZE_MAX];

	for (unsigned long run = 0; run < runs; run++) {
		const struct input *input = &inputs[below(n_inputs)];
		size_t size = input->size;

		memcpy(data, input->data, size);
		for (size_t i = below(8) + 1; i > 0; i--)
			size = mutate(data, size);
		try_input(data, size);
	}
}

int main(int argc, char **argv)
{
	unsigned long runs = 20000;
	int r = 0;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "-runs=", 6) == 0)
			runs = strtoul(argv[i] + 6, NULL, 10);
		else if (strncmp(argv[i], "-seed=", 6) == 0)
			state = strtoull(argv[i] + 6, NULL, 10);
		else
			r |= add_path(argv[i]);
	}
	if (r < 0)
		return 2;
	add_input((const uint8_t *)"", 0);
	for (size_t i = 0; i < n_inputs; i++)
		try_input(inputs[i].data, inputs[i].size);
	fuzz(runs);
	printf("%zu inputs and %lu mutations of them\n", n_inputs, runs);
	for (size_t i = 0; i < n_inputs; i++)
		free(inputs[i].data);
	return 0;
}
