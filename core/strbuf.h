/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * A growing text. After an allocation failed, `failed` stays set and appends do nothing: check once
 * at the end. Always NUL-terminated once something was appended.
 */
struct strbuf {
	char *data;
	size_t length, capacity;
	bool failed;
};

void strbuf_init(struct strbuf *buffer);
void strbuf_done(struct strbuf *buffer);
/* Makes room for `extra` more bytes and a NUL. False if there is no memory. */
bool strbuf_reserve(struct strbuf *buffer, size_t extra);
void strbuf_clear(struct strbuf *buffer);
/* Gives the text away; the buffer is empty afterwards. NULL if it failed. */
char *strbuf_take(struct strbuf *buffer);
void strbuf_add(struct strbuf *buffer, const char *data, size_t length);
void strbuf_add_string(struct strbuf *buffer, const char *text);
void strbuf_add_char(struct strbuf *buffer, char c);
void strbuf_add_u64(struct strbuf *buffer, uint64_t value);
/* value / 10^digits, exactly, without trailing zeros: 1500000 with 6 digits is "1.5". */
void strbuf_add_fixed(struct strbuf *buffer, uint64_t value, unsigned int digits);
/* The shortest decimal that reads back as the same double. NaN and infinities as NaN, +Inf, -Inf.
 */
void strbuf_add_double(struct strbuf *buffer, double value);
void strbuf_printf(struct strbuf *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
