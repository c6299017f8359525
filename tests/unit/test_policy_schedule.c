// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "policies/schedule.h"

static int set_up(void **state)
{
	(void)state;
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	return 0;
}

/* "2026-11-23 08:00:00" as UTC, so that no test depends on mktime() choosing one of two hours. */
static int64_t utc(const char *text)
{
	struct tm time = { 0 };

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &time));
	return (int64_t)timegm(&time);
}

/* Lines end with '\n'. */
static struct schedule *parse(const char *lines)
{
	struct schedule *schedule = NULL;
	char reason[256] = "";

	while (*lines) {
		size_t length = strcspn(lines, "\n");
		_cleanup_(freep) char *line = strndup(lines, length);

		if (schedule_add(&schedule, line, reason, sizeof(reason)) < 0)
			fail_msg("%s: %s", line, reason);
		lines += length + (lines[length] == '\n');
	}
	return schedule;
}

/*
 * Times are UTC: Berlin is one hour ahead in winter (until 2026-03-29 01:00 UTC, again from
 * 2026-10-25 01:00 UTC) and two in summer. 2026-11-23 is a Monday.
 */
static const struct {
	const char *lines, *time;
	bool on;
	const char *next; /* NULL: never */
} cases[] = {
	{ "daily", "2026-11-23 10:00:00", true, NULL },
	{ "Mon..Fri 08:00-20:00", "2026-11-23 06:59:59", false, "2026-11-23 07:00:00" },
	{ "Mon..Fri 08:00-20:00", "2026-11-23 07:00:00", true, "2026-11-23 19:00:00" },
	{ "Mon..Fri 08:00-20:00", "2026-11-23 18:59:59", true, "2026-11-23 19:00:00" },
	{ "Mon..Fri 08:00-20:00", "2026-11-23 19:00:00", false, "2026-11-24 07:00:00" },
	{ "Mon..Fri 08:00-20:00", "2026-11-27 19:00:00", false, "2026-11-30 07:00:00" },
	{ "monday,TUE", "2026-11-23 12:00:00", true, "2026-11-24 23:00:00" },
	{ "Sat,Sun", "2026-11-27 22:59:59", false, "2026-11-27 23:00:00" },
	{ "Sat,Sun", "2026-11-28 12:00:00", true, "2026-11-29 23:00:00" },
	{ "Fri..Mon", "2026-11-23 12:00:00", true, "2026-11-23 23:00:00" },
	{ "Fri..Mon", "2026-11-25 12:00:00", false, "2026-11-26 23:00:00" },
	{ "08:00-12:00,13:00-17:00", "2026-11-23 11:30:00", false, "2026-11-23 12:00:00" },
	{ "08:00-12:00,13:00-17:00", "2026-11-23 12:30:00", true, "2026-11-23 16:00:00" },
	{ "08:00-12:00\n12:00-17:00", "2026-11-23 10:00:00", true, "2026-11-23 16:00:00" },
	{ "00:00-24:00", "2026-11-23 10:00:00", true, NULL },
	/* Over midnight the day is that of the beginning. */
	{ "22:00-06:00", "2026-11-23 20:59:59", false, "2026-11-23 21:00:00" },
	{ "22:00-06:00", "2026-11-23 21:00:00", true, "2026-11-24 05:00:00" },
	{ "22:00-06:00", "2026-11-23 23:30:00", true, "2026-11-24 05:00:00" },
	{ "22:00-06:00", "2026-11-24 05:00:00", false, "2026-11-24 21:00:00" },
	{ "22:00-00:00", "2026-11-23 22:59:59", true, "2026-11-23 23:00:00" },
	{ "Fri 22:00-06:00", "2026-11-28 04:00:00", true, "2026-11-28 05:00:00" },
	{ "Fri 22:00-06:00", "2026-11-27 04:00:00", false, "2026-11-27 21:00:00" },
	{ "Fri 22:00-06:00", "2026-11-28 22:00:00", false, "2026-12-04 21:00:00" },
	{ "Sun 22:00-06:00", "2026-11-23 04:59:59", true, "2026-11-23 05:00:00" },
	/* "not" takes away, also where nothing was given. */
	{ "daily\nnot Mon", "2026-11-23 12:00:00", false, "2026-11-23 23:00:00" },
	{ "not Mon", "2026-11-23 12:00:00", false, "2026-11-23 23:00:00" },
	{ "not Mon", "2026-11-24 12:00:00", true, "2026-11-29 23:00:00" },
	{ "not 12:00-13:00\nMon..Fri", "2026-11-23 11:00:00", false, "2026-11-23 12:00:00" },
	{ "not 12:00-13:00\nMon..Fri", "2026-11-23 10:00:00", true, "2026-11-23 11:00:00" },
	/* Spring: 02:00 to 03:00 is not there; 01:59:59 (00:59:59 UTC) is followed by 03:00. */
	{ "02:00-03:00", "2026-03-29 00:59:59", false, "2026-03-30 00:00:00" },
	{ "02:30-05:00", "2026-03-29 00:59:59", false, "2026-03-29 01:00:00" },
	{ "02:30-05:00", "2026-03-29 01:00:00", true, "2026-03-29 03:00:00" },
	{ "01:00-02:30", "2026-03-29 00:30:00", true, "2026-03-29 01:00:00" },
	{ "22:00-06:00", "2026-03-28 21:00:00", true, "2026-03-29 04:00:00" },
	/* Autumn: 02:00 to 03:00 comes twice, at 00:00 UTC and again at 01:00 UTC. */
	{ "02:00-02:30", "2026-10-25 00:10:00", true, "2026-10-25 00:30:00" },
	{ "02:00-02:30", "2026-10-25 00:30:00", false, "2026-10-25 01:00:00" },
	{ "02:00-02:30", "2026-10-25 01:10:00", true, "2026-10-25 01:30:00" },
	{ "02:00-02:30", "2026-10-25 01:30:00", false, "2026-10-26 01:00:00" },
	{ "01:00-03:00", "2026-10-25 00:30:00", true, "2026-10-25 02:00:00" },
	{ "22:00-06:00", "2026-10-24 20:00:00", true, "2026-10-25 05:00:00" },
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schedule *schedule = parse(cases[i].lines);
		int64_t now = utc(cases[i].time), next = schedule_next_change(schedule, now);
		int64_t expected = cases[i].next ? utc(cases[i].next) : 0;

		if (schedule_is_on(schedule, now) != cases[i].on || next != expected)
			fail_msg("%s at %s: %d, %lld and not %lld", cases[i].lines, cases[i].time,
				 (int)schedule_is_on(schedule, now), (long long)next,
				 (long long)expected);
		schedule_free(schedule);
	}
}

/* The next change is where it changes, and nothing changes before: minute by minute for a year. */
static void test_next_is_next(void **state)
{
	static const char *const lines[] = { "Mon..Fri 02:10-20:00\nnot Wed\nSat 23:59-00:01",
					     "Sun 22:00-02:30" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct schedule *schedule = parse(lines[i]);
		int64_t now = utc("2026-01-01 00:00:00"), end = utc("2027-01-01 00:00:00");
		int64_t next = schedule_next_change(schedule, now);
		bool on = schedule_is_on(schedule, now);

		for (; now < end; now += 60) {
			if (now >= next) {
				assert_int_equal(now, next);
				on = !on;
				next = schedule_next_change(schedule, now);
			}
			assert_int_equal(schedule_is_on(schedule, now), on);
		}
		schedule_free(schedule);
	}
}

/* Half an hour of summer time, and offsets of three quarters of an hour. */
static void test_odd_zones(void **state)
{
	static const struct {
		const char *zone, *lines, *time, *next;
	} zones[] = {
		{ "Australia/Lord_Howe", "02:00-04:00", "2026-10-03 15:00:00",
		  "2026-10-03 15:30:00" },
		{ "Asia/Kathmandu", "08:00-20:00", "2026-11-23 00:00:00", "2026-11-23 02:15:00" },
		{ "UTC", "08:01-20:00", "2026-11-23 00:00:07", "2026-11-23 08:01:00" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(zones); i++) {
		struct schedule *schedule = parse(zones[i].lines);

		setenv("TZ", zones[i].zone, 1);
		tzset();
		assert_int_equal(schedule_next_change(schedule, utc(zones[i].time)),
				 utc(zones[i].next));
		schedule_free(schedule);
	}
	set_up(state);
}

static void test_none(void **state)
{
	struct schedule *schedule = parse("Mon\nnot 12:00-13:00");
	struct strbuf text;

	(void)state;
	assert_true(schedule_is_on(NULL, 0));
	assert_int_equal(schedule_next_change(NULL, 0), 0);
	strbuf_init(&text);
	schedule_format(schedule, &text);
	assert_string_equal(text.data, "Mon, not 12:00-13:00");
	strbuf_done(&text);
	schedule_free(schedule);
	schedule_free(NULL);
}

static const char *const wrong[][2] = {
	{ "", "it needs days, a time or both" },
	{ "not", "it needs days, a time or both" },
	{ "Mo", "write days as in Mon..Fri" },
	{ "Mon.Fri", "write days" },
	{ "Mon..", "write days" },
	{ "Mon,,Tue", "write days" },
	{ "Mon,", "write days" },
	{ "Mon..Tue..Wed", "write days" },
	{ "always", "write days" },
	{ "8:00-20:00", "write the time as in 08:00-20:00" },
	{ "08:00", "write the time" },
	{ "08:00-", "write the time" },
	{ "08:00-20:60", "write the time" },
	{ "08:00-25:00", "write the time" },
	{ "08:00-24:01", "write the time" },
	{ "08:00-20:00,", "write the time" },
	{ "08:00-08:00", "it begins when it ends" },
	{ "24:00-06:00", "it begins when it ends" },
	{ "08:00-20:00 Mon", "it is too much" },
	{ "Mon 08:00-20:00 not", "it is too much" },
};

static void test_wrong(void **state)
{
	struct schedule *schedule = parse("Mon");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct schedule *none = NULL;
		struct strbuf text;
		char reason[256] = "";

		assert_int_equal(schedule_add(&none, wrong[i][0], reason, sizeof(reason)), -EINVAL);
		assert_null(none);
		if (!strstr(reason, wrong[i][1]))
			fail_msg("%s: \"%s\"", wrong[i][0], reason);
		/* And one that is there stays as it is. */
		assert_int_equal(schedule_add(&schedule, wrong[i][0], reason, sizeof(reason)),
				 -EINVAL);
		strbuf_init(&text);
		schedule_format(schedule, &text);
		assert_string_equal(text.data, "Mon");
		strbuf_done(&text);
		assert_false(schedule_is_on(schedule, utc("2026-11-24 12:00:00")));
	}
	schedule_free(schedule);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	  cmocka_unit_test(test_next_is_next),
		cmocka_unit_test(test_odd_zones), cmocka_unit_test(test_none),
		cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
