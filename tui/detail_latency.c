// SPDX-License-Identifier: MIT
#include "tui/detail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/distribution.h"
#include "core/units.h"

/* Columns of a line of the picture: bound, count, bar; the same again for the total. */
#define BOUND_WIDTH 9
#define COUNT_WIDTH 8
/* From that width on the total stands beside the interval. */
#define BOTH_FROM 60

static const char *why_not(const struct detail *detail, const struct snapshot *snapshot,
			   const struct distribution_entry *entry, enum distribution_kind kind)
{
	return distributions_why(snapshot->distributions, entry, kind, detail->no_latency);
}

static void add_count(struct strbuf *text, uint64_t count)
{
	format_human(text, UNIT_NONE, (double)count, false);
}

static void add_summary(struct detail *detail, const struct snapshot *snapshot,
			const struct distribution_entry *entry, enum distribution_kind kind)
{
	const char *why = why_not(detail, snapshot, entry, kind);
	struct strbuf text = { 0 };
	enum role role = ROLE_DEFAULT;

	if (why) {
		strbuf_add_string(&text, why);
		role = ROLE_MISSING;
	} else if (entry->interval.count > 0) {
		distribution_add_summary(&text, &entry->interval);
	} else {
		strbuf_add_string(&text, "none");
		role = ROLE_ZERO;
		if (entry->total.count > 0) {
			strbuf_add_string(&text, " in the last interval; ");
			add_count(&text, entry->total.count);
			strbuf_add_string(&text, " before");
		}
	}
	detail_take_fact(detail, distribution_title(kind), &text, role);
	strbuf_done(&text);
}

/* ---- the picture ------------------------------------------------------------------------ */

static uint64_t highest(const struct distribution *distribution)
{
	uint64_t most = 0;

	for (int i = 0; i < DISTRIBUTION_BUCKETS; i++)
		most = distribution->buckets[i] > most ? distribution->buckets[i] : most;
	return most;
}

/* In eighths of a column; what is not nothing is seen. */
static void add_bar(struct strbuf *text, const struct canvas *canvas, uint64_t count, uint64_t most,
		    int width)
{
	int eighths = most ? (int)((double)count / (double)most * width * 8 + 0.5) : 0;

	if (eighths == 0 && count > 0)
		eighths = 1;
	for (; eighths >= 8; eighths -= 8)
		strbuf_add_string(text, canvas_glyph(canvas, GLYPH_BAR_8));
	if (eighths > 0)
		strbuf_add_string(text,
				  canvas_glyph(canvas, (enum glyph)(GLYPH_BAR_1 + eighths - 1)));
}

static void pad_to(struct strbuf *text, const struct canvas *canvas, int width)
{
	int used = text->failed || !text->data ? 0 : canvas_text_width(canvas, text->data);

	for (; used < width; used++)
		strbuf_add_char(text, ' ');
}

static void add_cell(struct strbuf *text, const struct canvas *canvas, uint64_t count,
		     uint64_t most, int width)
{
	struct strbuf number = { 0 };

	if (count > 0)
		add_count(&number, count);
	strbuf_printf(text, "%*s ", COUNT_WIDTH - 1, number.data ? number.data : "");
	strbuf_done(&number);
	add_bar(text, canvas, count, most, width - COUNT_WIDTH);
}

static void add_line(struct detail *detail, struct strbuf *text, enum role role)
{
	struct detail_line *line = text->failed ? NULL : detail_add(detail, "");

	if (line) {
		line->whole = true;
		line->role = role;
		line->value = strdup(text->data ? text->data : "");
	}
	strbuf_clear(text);
}

/* One line a bucket, from the first to the last that has anything. */
static void add_picture(struct detail *detail, const struct distribution_entry *entry)
{
	const struct distribution *total = &entry->total, *interval = &entry->interval;
	const struct canvas *canvas = detail->canvas;
	bool both = detail->width >= BOTH_FROM;
	int room = detail->width - BOUND_WIDTH - 2, half = both ? room / 2 : room, first = 0;
	uint64_t most = highest(interval), most_total = highest(total);
	struct strbuf text = { 0 };

	strbuf_printf(&text, "%*s %*s", BOUND_WIDTH, "", COUNT_WIDTH - 1, "interval");
	pad_to(&text, canvas, both ? BOUND_WIDTH + 2 + half : 0);
	strbuf_add_string(&text, both ? "  total, since it is watched" : "");
	add_line(detail, &text, ROLE_LABEL);
	while (first < DISTRIBUTION_BUCKETS && total->buckets[first] == 0)
		first++;
	for (int i = first; i <= distribution_last(total); i++) {
		strbuf_add_char(&text, ' ');
		distribution_add_bound(&text, (unsigned int)i);
		pad_to(&text, canvas, BOUND_WIDTH);
		add_cell(&text, canvas, interval->buckets[i], most, half - 1);
		pad_to(&text, canvas, both ? BOUND_WIDTH + 1 + half : 0);
		if (both)
			add_cell(&text, canvas, total->buckets[i], most_total, half - 1);
		add_line(detail, &text, ROLE_DEFAULT);
	}
	strbuf_done(&text);
}

static void add_chosen(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	enum distribution_kind kind = (enum distribution_kind)detail->latency_kind;
	const struct distribution_entry *entry = distributions_find(snapshot->distributions, index,
								    kind);
	char heading[128];

	if (why_not(detail, snapshot, entry, kind) || entry->total.count == 0)
		return;
	snprintf(heading, sizeof(heading), "%s (y: the next kind)", distribution_help(kind));
	detail_add_section(detail, heading);
	add_picture(detail, entry);
}

/* The one reason why there is none at all, or NULL. */
static const char *why_none(const struct detail *detail, const struct snapshot *snapshot,
			    uint32_t index)
{
	const char *common = NULL;

	for (int i = 0; i < DISTRIBUTION_KIND_COUNT; i++) {
		enum distribution_kind kind = (enum distribution_kind)i;
		const char *why = why_not(detail, snapshot,
					  distributions_find(snapshot->distributions, index, kind),
					  kind);

		if (!why || (common && strcmp(why, common) != 0))
			return NULL;
		common = why;
	}
	return common;
}

void detail_add_latency(struct detail *detail, const struct snapshot *snapshot, uint32_t index)
{
	const char *why = why_none(detail, snapshot, index);

	detail_add_section(detail, "waiting, in the last interval");
	if (why) {
		detail_add_fact(detail, "all", why, ROLE_MISSING);
		return;
	}
	for (int kind = 0; kind < DISTRIBUTION_KIND_COUNT; kind++)
		add_summary(detail, snapshot,
			    distributions_find(snapshot->distributions, index,
					       (enum distribution_kind)kind),
			    (enum distribution_kind)kind);
	add_chosen(detail, snapshot, index);
}

void detail_step_latency(struct detail *detail, int by)
{
	detail->latency_kind = (detail->latency_kind + by + DISTRIBUTION_KIND_COUNT) %
			       DISTRIBUTION_KIND_COUNT;
}
