// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/schedule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/cleanup.h"

enum {
	DAY_MINUTES = 24 * 60,
	ALL_DAYS = 0x7f,
	/* Clocks are changed at whole quarters of an hour, everywhere and in UTC too. */
	STEP_SECONDS = 15 * 60,
	HORIZON_SECONDS = 8 * 24 * 3600,
};

/* On the days of `days`, from minute `begin` to before `end`; over midnight if that is earlier. */
struct rule {
	unsigned int days; /* bit 0 is Sunday, as in tm_wday */
	int begin, end;
	bool not ;
};

struct schedule {
	struct rule *rules;
	size_t n;
	bool has_on; /* a rule that gives time; without one it is on but for what "not" takes */
	char *text;
};

static const char *const days[] = { "Sunday",	"Monday", "Tuesday", "Wednesday",
				    "Thursday", "Friday", "Saturday" };

static int fail(char *reason, size_t size, const char *what, size_t length, const char *why)
{
	snprintf(reason, size, "\"%.*s\": %s", (int)length, what, why);
	return -EINVAL;
}

/* "Mon" or "Monday". The day, or -1. */
static int parse_day(const char *text, size_t length)
{
	for (int day = 0; day < (int)ARRAY_SIZE(days); day++) {
		if ((length == 3 || length == strlen(days[day])) &&
		    strncasecmp(text, days[day], length) == 0)
			return day;
	}
	return -1;
}

/* "Mon", "Mon..Fri", "Fri..Mon". */
static int parse_span(const char *text, size_t length, unsigned int *mask)
{
	const char *dots = memmem(text, length, "..", 2);
	int from = parse_day(text, dots ? (size_t)(dots - text) : length);
	int to = dots ? parse_day(dots + 2, length - (size_t)(dots + 2 - text)) : from;

	if (from < 0 || to < 0)
		return -EINVAL;
	for (int day = from;; day = (day + 1) % 7) {
		*mask |= 1U << day;
		if (day == to)
			return 0;
	}
}

static int parse_days(const char *word, size_t length, unsigned int *ret_mask)
{
	unsigned int mask = 0;

	if (length == 5 && strncasecmp(word, "daily", 5) == 0) {
		*ret_mask = ALL_DAYS;
		return 0;
	}
	for (size_t at = 0; at <= length;) {
		size_t n = 0;

		while (at + n < length && word[at + n] != ',')
			n++;
		if (parse_span(word + at, n, &mask) < 0)
			return -EINVAL;
		at += n + 1;
	}
	*ret_mask = mask;
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "08:00", up to "24:00". Minutes, or -1. */
static int parse_minutes(const char *text)
{
	int hours, minutes;

	for (int i = 0; i < 5; i++) {
		if (i == 2 ? text[i] != ':' : !is_digit(text[i]))
			return -1;
	}
	hours = (text[0] - '0') * 10 + text[1] - '0';
	minutes = (text[3] - '0') * 10 + text[4] - '0';
	return hours > 24 || minutes > 59 || (hours == 24 && minutes > 0) ? -1
									  : hours * 60 + minutes;
}

static int parse_range(const char *text, size_t length, struct rule *rule, const char **ret_why)
{
	*ret_why = "write the time as in 08:00-20:00";
	if (length != 11 || text[5] != '-')
		return -EINVAL;
	rule->begin = parse_minutes(text);
	rule->end = parse_minutes(text + 6);
	if (rule->begin < 0 || rule->end < 0)
		return -EINVAL;
	*ret_why = "it begins when it ends; leave the time out for the whole day";
	if (rule->begin == rule->end || rule->begin == DAY_MINUTES)
		return -EINVAL;
	return 0;
}

static int add_rule(struct schedule *schedule, const struct rule *rule)
{
	struct rule *grown = realloc(schedule->rules, (schedule->n + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	schedule->rules = grown;
	grown[schedule->n++] = *rule;
	return 0;
}

/* "08:00-12:00,13:00-17:00": a rule each. */
static int add_ranges(struct schedule *schedule, const char *word, size_t length, struct rule *rule,
		      char *reason, size_t size)
{
	const char *why;
	int r = 0;

	for (size_t at = 0; at <= length && r == 0;) {
		size_t n = 0;

		while (at + n < length && word[at + n] != ',')
			n++;
		if (parse_range(word + at, n, rule, &why) < 0)
			return fail(reason, size, word, length, why);
		r = add_rule(schedule, rule);
		at += n + 1;
	}
	return r;
}

static const char *next_word(const char **text, size_t *ret_length)
{
	const char *word = *text + strspn(*text, " \t");

	*ret_length = strcspn(word, " \t");
	*text = word + *ret_length;
	return word;
}

static int parse_line(struct schedule *schedule, const char *text, char *reason, size_t size)
{
	struct rule rule = { .days = ALL_DAYS, .end = DAY_MINUTES };
	bool has_days = false;
	size_t length;
	const char *word = next_word(&text, &length);

	if (length == 3 && strncasecmp(word, "not", 3) == 0) {
		rule.not = true;
		word = next_word(&text, &length);
	}
	if (length > 0 && !is_digit(*word)) {
		if (parse_days(word, length, &rule.days) < 0)
			return fail(reason, size, word, length,
				    "write days as in Mon..Fri or Sat,Sun, or daily");
		has_days = true;
		word = next_word(&text, &length);
	}
	if (length == 0 && !has_days)
		return fail(reason, size, "", 0, "it needs days, a time or both");
	if (text[strspn(text, " \t")])
		return fail(reason, size, text, strlen(text),
			    "it is too much; write it as in Mon..Fri 08:00-20:00");
	return length == 0 ? add_rule(schedule, &rule)
			   : add_ranges(schedule, word, length, &rule, reason, size);
}

static int add_text(struct schedule *schedule, const char *text)
{
	char *grown;

	if (asprintf(&grown, "%s%s%s", schedule->text ? schedule->text : "",
		     schedule->text ? ", " : "", text) < 0)
		return -ENOMEM;
	free(schedule->text);
	schedule->text = grown;
	return 0;
}

int schedule_add(struct schedule **schedule, const char *text, char *reason, size_t size)
{
	struct schedule *target = *schedule ? *schedule : calloc(1, sizeof(*target));
	size_t before;
	int r;

	if (!target)
		return -ENOMEM;
	before = target->n;
	r = parse_line(target, text, reason, size);
	if (r == 0)
		r = add_text(target, text);
	if (r < 0)
		target->n = before; /* the line is taken as a whole or not at all */
	for (size_t i = before; i < target->n; i++)
		target->has_on |= !target->rules[i].not ;
	if (r < 0 && !*schedule)
		schedule_free(target);
	else
		*schedule = target;
	return r;
}

void schedule_free(struct schedule *schedule)
{
	if (!schedule)
		return;
	free(schedule->rules);
	free(schedule->text);
	free(schedule);
}

static bool rule_holds(const struct rule *rule, const struct tm *local)
{
	int minute = local->tm_hour * 60 + local->tm_min;
	bool today = rule->days >> local->tm_wday & 1;
	bool yesterday = rule->days >> ((local->tm_wday + 6) % 7) & 1;

	if (rule->begin < rule->end)
		return today && minute >= rule->begin && minute < rule->end;
	return (today && minute >= rule->begin) || (yesterday && minute < rule->end);
}

static bool is_on(const struct schedule *schedule, const struct tm *local)
{
	bool on = !schedule->has_on;

	for (size_t i = 0; i < schedule->n; i++) {
		if (!rule_holds(&schedule->rules[i], local))
			continue;
		if (schedule->rules[i].not )
			return false;
		on = true;
	}
	return on;
}

static bool local_time(int64_t realtime, struct tm *ret_local)
{
	const time_t time = (time_t)realtime;

	return localtime_r(&time, ret_local) != NULL;
}

bool schedule_is_on(const struct schedule *schedule, int64_t realtime)
{
	struct tm local;

	/* A year that no calendar has: rather do nothing. */
	return !schedule || (local_time(realtime, &local) && is_on(schedule, &local));
}

/* Seconds from `local` to a minute of the same day if that is nearer than `step`, else `step`. */
static int64_t nearer(const struct tm *local, int minute, int64_t step)
{
	int64_t away = minute * INT64_C(60) -
		       (local->tm_hour * 3600 + local->tm_min * 60 + local->tm_sec);

	return away > 0 && away < step ? away : step;
}

int64_t schedule_next_change(const struct schedule *schedule, int64_t realtime)
{
	int64_t at = realtime;
	struct tm local;
	bool on;

	if (!schedule || !local_time(at, &local))
		return 0;
	on = is_on(schedule, &local);
	while (at < realtime + HORIZON_SECONDS) {
		int64_t step = STEP_SECONDS - (at % STEP_SECONDS + STEP_SECONDS) % STEP_SECONDS;

		step = nearer(&local, DAY_MINUTES, step);
		for (size_t i = 0; i < schedule->n; i++) {
			step = nearer(&local, schedule->rules[i].begin, step);
			step = nearer(&local, schedule->rules[i].end, step);
		}
		at += step;
		if (!local_time(at, &local))
			return 0;
		if (is_on(schedule, &local) != on)
			return at;
	}
	return 0;
}

void schedule_format(const struct schedule *schedule, struct strbuf *buffer)
{
	strbuf_add_string(buffer, schedule && schedule->text ? schedule->text : "always");
}
