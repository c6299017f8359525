// SPDX-License-Identifier: MIT
#include "core/strbuf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void strbuf_init(struct strbuf *buffer)
{
	*buffer = (struct strbuf){ 0 };
}

void strbuf_done(struct strbuf *buffer)
{
	if (!buffer)
		return;
	free(buffer->data);
	*buffer = (struct strbuf){ 0 };
}

bool strbuf_reserve(struct strbuf *buffer, size_t extra)
{
	size_t wanted = buffer->length + extra + 1, capacity = buffer->capacity;
	char *data;

	if (buffer->failed)
		return false;
	if (wanted <= capacity)
		return true;
	capacity = capacity < 128 ? 128 : capacity;
	while (capacity < wanted)
		capacity *= 2;
	data = realloc(buffer->data, capacity);
	if (!data) {
		buffer->failed = true;
		return false;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

void strbuf_clear(struct strbuf *buffer)
{
	buffer->length = 0;
	buffer->failed = false;
	if (buffer->data)
		buffer->data[0] = '\0';
}

char *strbuf_take(struct strbuf *buffer)
{
	char *data = NULL;

	if (!buffer->failed && strbuf_reserve(buffer, 0)) {
		buffer->data[buffer->length] = '\0';
		data = buffer->data;
		buffer->data = NULL;
	}
	strbuf_done(buffer);
	return data;
}

void strbuf_add(struct strbuf *buffer, const char *data, size_t length)
{
	if (!strbuf_reserve(buffer, length))
		return;
	memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

void strbuf_add_string(struct strbuf *buffer, const char *text)
{
	strbuf_add(buffer, text, strlen(text));
}

void strbuf_add_char(struct strbuf *buffer, char c)
{
	strbuf_add(buffer, &c, 1);
}

void strbuf_add_u64(struct strbuf *buffer, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	strbuf_add(buffer, digits + at, sizeof(digits) - at);
}

void strbuf_add_fixed(struct strbuf *buffer, uint64_t value, unsigned int digits)
{
	uint64_t scale = 1, fraction;
	char text[20];

	for (unsigned int i = 0; i < digits; i++)
		scale *= 10;
	strbuf_add_u64(buffer, value / scale);
	fraction = value % scale;
	if (!fraction)
		return;
	for (unsigned int i = digits; i > 0; i--) {
		text[i - 1] = (char)('0' + fraction % 10);
		fraction /= 10;
	}
	while (digits > 0 && text[digits - 1] == '0')
		digits--;
	strbuf_add_char(buffer, '.');
	strbuf_add(buffer, text, digits);
}

void strbuf_add_double(struct strbuf *buffer, double value)
{
	char text[40];

	if (isnan(value) || isinf(value)) {
		strbuf_add_string(buffer, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
		return;
	}
	if (value >= 0 && value < 9e15 && value == floor(value)) {
		strbuf_add_u64(buffer, (uint64_t)value);
		return;
	}
	for (int precision = 15; precision <= 17; precision++) {
		snprintf(text, sizeof(text), "%.*g", precision, value);
		if (strtod(text, NULL) == value)
			break;
	}
	strbuf_add_string(buffer, text);
}

void strbuf_printf(struct strbuf *buffer, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0 || !strbuf_reserve(buffer, (size_t)length))
		return;
	va_start(arguments, format);
	vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, arguments);
	va_end(arguments);
	buffer->length += (size_t)length;
}
