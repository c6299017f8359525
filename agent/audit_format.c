// SPDX-License-Identifier: MIT
#include "agent/audit.h"

#include <string.h>
#include <time.h>

#include "core/jsonw.h"

void audit_format_time(uint64_t realtime_ns, struct strbuf *text)
{
	time_t seconds = (time_t)(realtime_ns / UINT64_C(1000000000));
	struct tm parts;
	char date[64];

	if (!gmtime_r(&seconds, &parts) ||
	    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts) == 0)
		return;
	strbuf_printf(text, "%s.%03uZ", date, (unsigned int)(realtime_ns / 1000000 % 1000));
}

static void add_time(struct jsonw *json, const char *name, uint64_t realtime_ns)
{
	struct strbuf text;

	strbuf_init(&text);
	audit_format_time(realtime_ns, &text);
	if (text.data)
		jsonw_string(json, name, text.data);
	strbuf_done(&text);
}

/* What a knob's number is in base units: seconds, bytes, cores; a plain number for the others. */
static double base_number(enum knob_id knob, const struct knob_value *value)
{
	if (knob == KNOB_CPU_QUOTA)
		return (double)value->number / (value->period ? (double)value->period : 1e6);
	if (knob == KNOB_CPU_BURST)
		return (double)value->number / 1e6;
	return (double)value->number;
}

static void add_limits(struct jsonw *json, const struct knob_value *value)
{
	static const char *const names[KNOB_IO_COUNT] = {
		[KNOB_IO_RBPS] = "rbps",
		[KNOB_IO_WBPS] = "wbps",
		[KNOB_IO_RIOPS] = "riops",
		[KNOB_IO_WIOPS] = "wiops",
	};

	for (int i = 0; i < KNOB_IO_COUNT; i++) {
		if (value->io[i] < KNOB_IO_LEAVE)
			jsonw_u64(json, names[i], value->io[i]);
	}
}

/* The exact words that knob_parse() reads, and beside them the number, where there is one. */
static void add_value(struct jsonw *json, const char *name, enum knob_id knob,
		      const struct knob_value *value)
{
	struct strbuf text;

	strbuf_init(&text);
	knob_format(knob, value, &text);
	jsonw_begin(json, name, '{');
	if (knob == KNOB_IO_MAX)
		add_limits(json, value);
	else if (!value->text[0] && value->number != KNOB_UNLIMITED)
		jsonw_double(json, "number", base_number(knob, value));
	jsonw_string(json, "text", text.data ? text.data : "");
	jsonw_end(json, '}');
	strbuf_done(&text);
}

static void add_text(struct jsonw *json, const char *name, const char *text)
{
	if (text && *text)
		jsonw_string(json, name, text);
}

static void add_cgroup(struct jsonw *json, const struct enforcer_result *result,
		       const struct node *node)
{
	jsonw_begin(json, "cgroup", '{');
	jsonw_u64(json, "id", result->cgroup_id ? result->cgroup_id : node ? node_id(node) : 0);
	jsonw_string(json, "path", result->path ? result->path : "");
	add_text(json, "unit", node ? node->unit : NULL);
	add_text(json, "container", node ? node->container_id : NULL);
	jsonw_end(json, '}');
}

static void add_values(struct jsonw *json, const struct enforcer_result *result)
{
	if (result->knob < 0 || result->knob >= KNOB_COUNT)
		return;
	jsonw_string(json, "knob", knob_name(result->knob));
	add_text(json, "through_unit", result->unit);
	if (result->has_before)
		add_value(json, "before", result->knob, &result->before);
	add_value(json, "requested", result->knob, &result->requested);
	if (result->error == 0 && !result->shadow && !result->cancelled)
		add_value(json, "read_back", result->knob, &result->after);
}

static void add_outcome(struct jsonw *json, const struct enforcer_result *result,
			const struct audit_moment *moment)
{
	jsonw_string(json, "result", result_word_name(result_word(result)));
	add_text(json, "errno", result_errno_name(result->error));
	add_text(json, "text", result->text);
	add_text(json, "restore_of", result->restore_of);
	if (result->lease_until) {
		/* Both clocks of the same moment: that of leases goes on while the machine sleeps.
		 */
		int64_t left = (int64_t)(result->lease_until - moment->boottime_usec) * 1000;

		add_time(json, "lease_until", moment->realtime_ns + (uint64_t)left);
	}
	if (result->processes > 0)
		jsonw_u64(json, "processes", result->processes);
	jsonw_double(json, "duration_seconds", (double)result->duration_usec / 1e6);
}

static const char *mode_of(const struct enforcer_result *result)
{
	/* The name that enforcer_by_hand() gives; no policy can have it, as it holds a space. */
	if (result->policy && strcmp(result->policy, "by hand") == 0)
		return "by hand";
	return result->shadow ? "shadow" : "enforce";
}

void audit_format(const struct enforcer_result *result, const struct audit_moment *moment,
		  struct strbuf *line)
{
	struct jsonw json;

	jsonw_init(&json);
	jsonw_begin(&json, NULL, '{');
	add_time(&json, "time", moment->realtime_ns);
	add_text(&json, "uuid", result->uuid);
	jsonw_string(&json, "policy", result->policy ? result->policy : "");
	add_text(&json, "file", result->file);
	if (result->line > 0)
		jsonw_u64(&json, "line", result->line);
	jsonw_string(&json, "mode", mode_of(result));
	add_cgroup(&json, result, moment->node);
	jsonw_string(&json, "op", result_op_name(result->op));
	if (result->action >= 0 && result->action < ACTION_COUNT)
		jsonw_string(&json, "action", action_name(result->action));
	jsonw_u64(&json, "step", result->step);
	add_text(&json, "trigger", result->trigger);
	jsonw_double(&json, "breach_seconds", (double)result->breach_usec / 1e6);
	add_values(&json, result);
	add_outcome(&json, result, moment);
	jsonw_end(&json, '}');
	strbuf_add_char(&json.out, '\n');
	if (json.out.failed)
		line->failed = true;
	else
		strbuf_add(line, json.out.data, json.out.length);
	jsonw_done(&json);
}
