// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "exporter/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/strbuf.h"

/* Two digits a division: half the time of one by one. */
static char *add_u64(char *at, uint64_t value)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	char text[20];
	size_t start = sizeof(text);

	while (value >= 100) {
		start -= 2;
		memcpy(text + start, pairs + 2 * (value % 100), 2);
		value /= 100;
	}
	if (value >= 10) {
		start -= 2;
		memcpy(text + start, pairs + 2 * value, 2);
	} else {
		text[--start] = (char)('0' + value);
	}
	return mempcpy(at, text + start, sizeof(text) - start);
}

/* `fraction` / 10^digits without trailing zeros, nothing for 0. */
static char *add_fraction(char *at, uint64_t fraction, unsigned int digits)
{
	if (!fraction)
		return at;
	*at++ = '.';
	for (unsigned int i = digits; i-- > 0;) {
		at[i] = (char)('0' + fraction % 10);
		fraction /= 10;
	}
	while (at[digits - 1] == '0')
		digits--;
	return at + digits;
}

static char *write_integer(char *at, union value value, unsigned int digits)
{
	(void)digits;
	return add_u64(at, value.u64);
}

static char *write_fixed(char *at, union value value, unsigned int digits)
{
	static const uint64_t scales[] = { 1, 10, 100, 1000, 10000, 100000, 1000000 };

	at = add_u64(at, value.u64 / scales[digits]);
	return add_fraction(at, value.u64 % scales[digits], digits);
}

static char *write_signed(char *at, union value value, unsigned int digits)
{
	(void)digits;
	if (value.i64 >= 0)
		return add_u64(at, value.u64);
	*at++ = '-';
	return add_u64(at, -value.u64);
}

/*
 * Shares and counts of cores need no more than nine decimals. What is so small that this would cost
 * it its digits, or too large, is written exactly, which takes many times as long.
 */
static char *write_real(char *at, union value value, unsigned int digits)
{
	const double number = value.number, scale = 1e9;
	uint64_t scaled;
	struct strbuf exact;

	(void)digits;
	if (number >= 0 && number < 9e15 && number == floor(number))
		return add_u64(at, (uint64_t)number);
	if (number >= 1e-4 && number < 1e9) {
		scaled = (uint64_t)(number * scale + 0.5);
		at = add_u64(at, scaled / 1000000000);
		return add_fraction(at, scaled % 1000000000, 9);
	}
	strbuf_init(&exact);
	strbuf_add_double(&exact, number);
	if (exact.failed)
		at = mempcpy(at, "NaN", 3);
	else
		at = mempcpy(at, exact.data, exact.length);
	strbuf_done(&exact);
	return at;
}

number_writer *number_writer_of(enum metric_id id)
{
	if (metric_is_double(id))
		return write_real;
	if (metric_get(id)->kind == KIND_SIGNED)
		return write_signed;
	return unit_digits(metric_get(id)->unit) > 0 ? write_fixed : write_integer;
}
