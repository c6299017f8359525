// SPDX-License-Identifier: MIT
/*
 * What the agent tells of policies, and what one may ask of it: check, explain, status, simulate,
 * release-all, the audit log, the metrics, the kill-switch file, reloads.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live.h"

static const char throttle[] = "[policy throttle]\n"
			       "match = %s/burner\n"
			       "when = cpu.usage.rate > 1%\n"
			       "for = 400ms\n"
			       "clear_when = pids.current < 1\n"
			       "action = cpu.quota 20%\n"
			       "cooldown = 1s\n"
			       "mode = enforce\n";

static const char rehearse[] = "[policy rehearse]\n"
			       "match = %s/burner\n"
			       "when = cpu.usage.rate > 1%\n"
			       "clear_when = pids.current < 1\n"
			       "action = cpu.quota 30%\n"
			       "cooldown = 1m\n";

static bool has_quota(const struct live *live, const char *v2, const char *v1)
{
	char *text = live_read(live, "cpu", "burner", live->v2 ? "cpu.max" : "cpu.cfs_quota_us");
	bool same = text && strcmp(text, live->v2 ? v2 : v1) == 0;

	free(text);
	return same;
}

static bool is_throttled(const struct live *live)
{
	return has_quota(live, "20000 100000", "20000");
}

static bool is_unthrottled(const struct live *live)
{
	return has_quota(live, "max 100000", "-1");
}

/* A file of the test's own directory with this text; `%s` is TOP. */
static void write_text(const struct live *live, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", live->state, name);
	file = fopen(path, "we");
	assert_non_null(file);
	for (const char *at = text; *at; at++) {
		if (strncmp(at, "%s", 2) == 0)
			fputs(live->top, file), at++;
		else
			fputc(*at, file);
	}
	fchmod(fileno(file), 0600);
	fclose(file);
}

static void start(struct live *live, const char *policies)
{
	char keys[512];

	live_cgroup(live, "burner");
	live_start(live, "burner", live_burn);
	snprintf(keys, sizeof(keys), "interval = 200ms\naudit_log = %s/audit.jsonl\n", live->state);
	live_config(live, keys);
	live_agent(live, policies);
}

static json_t *status(const struct live *live)
{
	json_error_t error;
	char *output;
	json_t *root;

	assert_int_equal(live_cgwatch(live, &output, "policy status --json"), 0);
	root = json_loads(output, 0, &error);
	if (!root)
		fail_msg("no JSON: %s: %.200s", error.text, output);
	free(output);
	return root;
}

static const char *text_at(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* The row of a list whose member is that, or NULL. */
static const json_t *row_of(const json_t *root, const char *list, const char *member,
			    const char *text)
{
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(root, list), i, row)
	{
		if (strcmp(text_at(row, member), text) == 0)
			return row;
	}
	return NULL;
}

static bool both_told(const struct live *live)
{
	json_t *root = status(live);
	const json_t *done = row_of(root, "actions", "policy", "throttle");
	const json_t *shadow = row_of(root, "actions", "policy", "rehearse");
	bool told = done && shadow;

	json_decref(root);
	return told;
}

/* The last line of the audit log of that policy and op; the caller's. NULL: none yet. */
static json_t *audit_line(const struct live *live, const char *policy, const char *op)
{
	json_t *found = NULL, *line;
	char path[256], *text = NULL;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/audit.jsonl", live->state);
	file = fopen(path, "re");
	while (file && getline(&text, &size, file) > 0) {
		/* The one that is being written now. */
		if (!strchr(text, '\n'))
			break;
		line = json_loads(text, 0, NULL);
		assert_non_null(line);
		if (strcmp(text_at(line, "policy"), policy) == 0 &&
		    strcmp(text_at(line, "op"), op) == 0) {
			json_decref(found);
			found = json_incref(line);
		}
		json_decref(line);
	}
	free(text);
	if (file)
		fclose(file);
	return found;
}

static bool release_is_audited(const struct live *live)
{
	json_t *line = audit_line(live, "throttle", "release");
	bool is = line != NULL;

	json_decref(line);
	return is;
}

static void check_audit(const struct live *live)
{
	json_t *apply = audit_line(live, "throttle", "apply");
	json_t *release = audit_line(live, "throttle", "release");
	json_t *shadow = audit_line(live, "rehearse", "apply");
	char path[128];

	snprintf(path, sizeof(path), "%s/burner", live->top);
	assert_non_null(apply);
	assert_string_equal(text_at(json_object_get(apply, "cgroup"), "path"), path);
	assert_string_equal(text_at(apply, "action"), "cpu.quota");
	assert_string_equal(text_at(apply, "knob"), "cpu.quota");
	assert_string_equal(text_at(apply, "result"), "done");
	assert_int_equal(strlen(text_at(apply, "uuid")), 36);
	assert_non_null(strstr(text_at(apply, "trigger"), "cpu.usage.rate"));
	assert_true(json_number_value(json_object_get(apply, "breach_seconds")) >= 0.4);
	assert_true(json_number_value(
			    json_object_get(json_object_get(apply, "read_back"), "number")) == 0.2);
	assert_non_null(strstr(text_at(json_object_get(apply, "before"), "text"), "max"));
	assert_true(json_integer_value(json_object_get(apply, "line")) > 0);
	assert_non_null(release);
	assert_string_equal(text_at(release, "restore_of"), text_at(apply, "uuid"));
	assert_string_equal(text_at(shadow, "result"), "shadow");
	assert_string_equal(text_at(shadow, "mode"), "shadow");
	json_decref(apply);
	json_decref(release);
	json_decref(shadow);
}

static void check_status(const struct live *live)
{
	json_t *root = status(live);
	const json_t *row = row_of(root, "policies", "name", "throttle");
	char path[128];

	snprintf(path, sizeof(path), "%s/burner", live->top);
	assert_true(json_is_true(json_object_get(root, "enforcing")));
	assert_false(json_is_true(json_object_get(root, "stopped")));
	assert_string_equal(text_at(row, "mode"), "enforce");
	assert_int_equal(json_integer_value(json_object_get(row, "matches")), 1);
	assert_int_equal(json_integer_value(json_object_get(row, "held")), 1);
	assert_true(json_number_value(json_object_get(row, "last_fired")) > 1e9);
	row = row_of(root, "tracks", "policy", "throttle");
	assert_string_equal(text_at(row, "path"), path);
	assert_string_equal(text_at(row, "phase"), "held");
	assert_non_null(strstr(text_at(row, "trigger"), "cpu.usage.rate"));
	row = row_of(root, "holds", "policy", "throttle");
	assert_string_equal(text_at(row, "knob"), "cpu.quota");
	assert_true(json_is_true(json_object_get(row, "effective")));
	assert_true(json_number_value(json_object_get(row, "since")) > 1e9);
	assert_null(row_of(root, "holds", "policy", "rehearse"));
	row = row_of(root, "actions", "policy", "rehearse");
	assert_string_equal(text_at(row, "result"), "shadow");
	json_decref(root);
}

static void test_told(void **state)
{
	struct live *live = *state;
	char policies[2048], *output;

	snprintf(policies, sizeof(policies), "%s%s", throttle, rehearse);
	start(live, policies);
	assert_true(live_until(live, is_throttled, LIVE_PATIENCE));
	assert_true(live_until(live, both_told, LIVE_PATIENCE));
	check_status(live);
	assert_int_equal(live_cgwatch(live, &output, "policy status"), 0);
	assert_non_null(strstr(output, "enforcing"));
	assert_non_null(strstr(output, "cpu.quota = 20%"));
	free(output);
	assert_int_equal(live_cgwatch(live, &output, "policy explain '%s/burner'", live->top), 0);
	assert_non_null(strstr(output, "throttle"));
	assert_non_null(strstr(output, "rehearse"));
	free(output);
	assert_int_equal(live_cgwatch(live, &output, "policy release-all"), 0);
	assert_non_null(strstr(output, "restored 1"));
	assert_non_null(strstr(output, "act again"));
	free(output);
	assert_true(live_until(live, release_is_audited, LIVE_PATIENCE));
	check_audit(live);
	assert_int_equal(live_agent_end(live, SIGTERM), 0);
	assert_true(is_unthrottled(live));
}

static bool is_stopped(const struct live *live)
{
	json_t *root = status(live);
	bool stopped = json_is_true(json_object_get(root, "stopped"));

	json_decref(root);
	return stopped;
}

static void test_stop_file(void **state)
{
	struct live *live = *state;
	char path[256];

	start(live, throttle);
	assert_true(live_until(live, is_throttled, LIVE_PATIENCE));
	snprintf(path, sizeof(path), "%s/state/stop", live->state);
	write_text(live, "state/stop", "");
	assert_true(live_until(live, is_stopped, LIVE_PATIENCE));
	assert_true(live_until(live, is_unthrottled, LIVE_PATIENCE));
	/* Longer than its cooldown. */
	live_wait(2);
	assert_true(is_unthrottled(live));
	assert_int_equal(unlink(path), 0);
	assert_true(live_until(live, is_throttled, LIVE_PATIENCE));
	assert_false(is_stopped(live));
	assert_int_equal(live_agent_end(live, SIGTERM), 0);
	assert_true(is_unthrottled(live));
}

static bool is_left(const struct live *live)
{
	json_t *root = status(live);
	const json_t *track = row_of(root, "tracks", "policy", "leave");
	bool left = track && strcmp(text_at(track, "phase"), "cooldown") == 0 && is_throttled(live);

	json_decref(root);
	return left;
}

/* What a policy leaves on purpose when it clears goes back too. */
static void test_stop_file_left(void **state)
{
	static const char leave[] = "[policy leave]\n"
				    "match = %s/burner\n"
				    "when = cpu.usage.rate > 1%\n"
				    "clear_when = pids.current > 0\n"
				    "clear_for = 2s\n"
				    "action = cpu.quota 20%\n"
				    "restore = on-exit\n"
				    "cooldown = 20s\n"
				    "mode = enforce\n";
	struct live *live = *state;

	start(live, leave);
	assert_true(live_until(live, is_left, LIVE_PATIENCE));
	write_text(live, "state/stop", "");
	assert_true(live_until(live, is_unthrottled, LIVE_PATIENCE));
	assert_true(is_stopped(live));
	assert_int_equal(live_agent_end(live, SIGTERM), 0);
}

static bool reload_failed(const struct live *live)
{
	char command[256];

	snprintf(command, sizeof(command), "grep -q 'the old one stays in force' '%s/log'",
		 live->state);
	return system(command) == 0;
}

/* A file with one policy that is gone, one that is good and one that is wrong changes nothing. */
static void test_reload(void **state)
{
	struct live *live = *state;
	json_t *root;

	start(live, throttle);
	assert_true(live_until(live, is_throttled, LIVE_PATIENCE));
	write_text(live, "policies.ini",
		   "[policy good]\nmatch = %s/burner\nwhen = cpu.usage.rate > 1%\n"
		   "action = cpu.quota 50%\ncooldown = 1s\n"
		   "[policy wrong]\nmatch = %s/burner\nwhen = cpu.usage.rate > 1\n"
		   "action = cpu.quota 50%\n");
	kill(live->agent, SIGHUP);
	assert_true(live_until(live, reload_failed, LIVE_PATIENCE));
	live_wait(1);
	assert_true(is_throttled(live));
	root = status(live);
	assert_int_equal(json_array_size(json_object_get(root, "policies")), 1);
	assert_non_null(row_of(root, "policies", "name", "throttle"));
	json_decref(root);
	/* And a good one is taken over whole: what the old one held goes back. */
	write_text(live, "policies.ini", rehearse);
	kill(live->agent, SIGHUP);
	assert_true(live_until(live, is_unthrottled, LIVE_PATIENCE));
	root = status(live);
	assert_null(row_of(root, "policies", "name", "throttle"));
	assert_non_null(row_of(root, "policies", "name", "rehearse"));
	json_decref(root);
	assert_int_equal(live_agent_end(live, SIGTERM), 0);
}

/* An agent that does not answer is found out, and can be done without. */
static void test_release_all_hung(void **state)
{
	struct live *live = *state;
	int wait_status;
	char *output;

	start(live, throttle);
	assert_true(live_until(live, is_throttled, LIVE_PATIENCE));
	kill(live->agent, SIGSTOP);
	assert_int_equal(live_cgwatch(live, &output, "policy release-all 2>&1"), 1);
	assert_non_null(strstr(output, "does not answer"));
	assert_non_null(strstr(output, "--force"));
	free(output);
	assert_true(is_throttled(live));
	assert_int_equal(live_cgwatch(live, &output, "policy release-all --force"), 0);
	printf("%s", output);
	free(output);
	assert_true(is_unthrottled(live));
	assert_int_equal(waitpid(live->agent, &wait_status, 0), live->agent);
	assert_true(WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL);
	live->agent = 0;
}

/* A policy that waits for what this kernel cannot tell is warned of, and only then. */
static void check_events(const struct live *live)
{
	bool told = live_cgwatch(live, NULL, "events --kind write --duration 10ms") == 0;
	char *output;

	write_text(live, "events.ini",
		   "[policy waits]\nmatch = %s/*\nwhen = event write or event exec\n"
		   "action = pids.max 1000\ncooldown = 1m\n");
	assert_int_equal(
		live_cgwatch(live, &output, "policy check '%s/events.ini' 2>&1", live->state), 0);
	assert_int_equal(strstr(output, "event write cannot be told here") == NULL, told);
	assert_null(strstr(output, "event exec cannot"));
	free(output);
}

static void test_check(void **state)
{
	struct live *live = *state;
	json_t *root, *row, *match;
	char *output;

	live_cgroup(live, "burner");
	live_start(live, "burner", live_burn);
	write_text(live, "good.ini",
		   "[policy near]\nmatch = %s/*\nwhen = pids.current > 0\n"
		   "action = pids.max 1000\n"
		   "[policy far]\nmatch = %s/*\nwhen = pids.current >= 100000\n"
		   "action = pids.max 1000\n");
	assert_int_equal(live_cgwatch(live, &output, "policy check '%s/good.ini'", live->state), 0);
	assert_non_null(strstr(output, "holds now"));
	assert_non_null(strstr(output, "0% of the way"));
	free(output);
	assert_int_equal(
		live_cgwatch(live, &output, "policy check --json '%s/good.ini'", live->state), 0);
	root = json_loads(output, 0, NULL);
	assert_true(json_is_true(json_object_get(root, "good")));
	row = json_array_get(json_object_get(root, "policies"), 0);
	match = json_array_get(json_object_get(row, "matches"), 0);
	assert_string_equal(text_at(match, "when"), "true");
	json_decref(root);
	free(output);
	write_text(live, "bad.ini",
		   "[policy bad]\nmatch = %s/*\nwhen = no.such > 1\n"
		   "action = fly\n");
	assert_int_equal(
		live_cgwatch(live, &output, "policy check --json '%s/bad.ini'", live->state), 1);
	root = json_loads(output, 0, NULL);
	assert_false(json_is_true(json_object_get(root, "good")));
	assert_true(json_array_size(json_object_get(root, "errors")) >= 2);
	json_decref(root);
	free(output);
	check_events(live);
}

/* What is recorded of a burner makes a policy fire that was never armed. */
static void test_simulate(void **state)
{
	struct live *live = *state;
	const json_t *row;
	json_t *root;
	char *output;

	live_cgroup(live, "burner");
	live_start(live, "burner", live_burn);
	write_text(live, "p.ini", throttle);
	live_cgwatch(live, NULL,
		     "ls '%s/**' --json --watch --interval 200ms "
		     "--columns cpu.usage.rate,pids.current | head -n 15 > '%s/recording'",
		     live->top, live->state);
	assert_int_equal(live_cgwatch(live, &output,
				      "policy simulate '%s/p.ini' --from '%s/recording' --json",
				      live->state, live->state),
			 0);
	root = json_loads(output, 0, NULL);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(root, "recording"), "samples")),
		15);
	row = row_of(root, "policies", "name", "throttle");
	assert_true(json_integer_value(json_object_get(row, "fired")) >= 1);
	assert_int_equal(json_integer_value(json_object_get(row, "cgroups")), 1);
	assert_true(json_number_value(json_object_get(row, "held_share")) > 0);
	json_decref(root);
	free(output);
	/* What it lacks is said by name. */
	write_text(live, "p.ini",
		   "[policy x]\nmatch = %s/*\nwhen = memory.current > 1M\n"
		   "action = cpu.quota 20%\n");
	assert_int_equal(live_cgwatch(live, &output,
				      "policy simulate '%s/p.ini' --from - < '%s/recording'",
				      live->state, live->state),
			 0);
	assert_non_null(strstr(output, "lacks memory.current"));
	assert_non_null(strstr(output, "would not have fired"));
	free(output);
}

/* One request on the agent's socket, as the terminal sends it; the answer in `answer`. */
static void ask(const struct live *live, const char *request, char *answer, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t length = 0;
	ssize_t n;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/state/control", live->state);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	while (length < size - 1 && (n = recv(fd, answer + length, size - 1 - length, 0)) > 0)
		length += (size_t)n;
	answer[length] = '\0';
	close(fd);
}

static bool is_frozen(const struct live *live)
{
	char *text;
	bool frozen;

	if (live->v2)
		return live_number(live, "", "burner", "cgroup.events", "frozen") == 1;
	text = live_read(live, "freezer", "burner", "freezer.state");
	frozen = text && strcmp(text, "FROZEN") == 0;
	free(text);
	return frozen;
}

static bool is_thawed(const struct live *live)
{
	return !is_frozen(live);
}

/* By hand: until a lease is over, or until it is thawed; what is no cgroup is said to be none. */
static void test_by_hand(void **state)
{
	struct live *live = *state;
	char request[256], answer[512];

	start(live, "# nothing\n");
	snprintf(request, sizeof(request), "freeze 600 %s/burner\n", live->top);
	ask(live, request, answer, sizeof(answer));
	printf("%s", answer);
	assert_int_equal(strncmp(answer, "done", 4), 0);
	assert_true(is_frozen(live));
	snprintf(request, sizeof(request), "thaw %s/burner\n", live->top);
	ask(live, request, answer, sizeof(answer));
	assert_int_equal(strncmp(answer, "done", 4), 0);
	assert_true(is_thawed(live));
	snprintf(request, sizeof(request), "freeze 1 %s/burner\n", live->top);
	ask(live, request, answer, sizeof(answer));
	assert_true(live_until(live, is_thawed, LIVE_PATIENCE));
	ask(live, "freeze 0 /\n", answer, sizeof(answer));
	assert_int_equal(strncmp(answer, "failed", 6), 0);
	ask(live, "freeze 5 /cgwatch-none\n", answer, sizeof(answer));
	assert_non_null(strstr(answer, "no such cgroup"));
	/* Nobody may do that to everything. */
	ask(live, "freeze 5 /\n", answer, sizeof(answer));
	assert_int_equal(strncmp(answer, "failed", 6), 0);
	assert_int_equal(live_agent_end(live, SIGTERM), 0);
}

static char *scrape(const struct live *live)
{
	return live_scrape(live->listen + strlen("unix:"));
}

static bool action_is_counted(const struct live *live)
{
	char *text = scrape(live);
	bool is = text && live_has_series(text, "cgwatch_policy_actions_total{policy=\"throttle\"",
					  "action=\"cpu.quota\",op=\"apply\",result=\"done\"");

	free(text);
	return is;
}

static void test_metrics(void **state)
{
	static const char *const series[][2] = {
		{ "cgwatch_policy_cgroups{policy=\"throttle\",phase=\"held\"} 1", "" },
		{ "cgwatch_policy_mode{policy=\"throttle\",mode=\"enforce\"} 1", "" },
		{ "cgwatch_policy_matches{policy=\"throttle\"} 1", "" },
		{ "cgwatch_policy_fired_total{policy=\"throttle\"}", "" },
		{ "cgwatch_policy_breach_seconds{policy=\"throttle\"}", "" },
		{ "cgwatch_policy_last_fired_timestamp_seconds{policy=\"throttle\"}", "" },
		{ "cgwatch_policy_blocked_total{policy=\"throttle\"", "schedule" },
		{ "cgwatch_policy_action_seconds_total{action=\"cpu.quota\"", "apply" },
		{ "cgwatch_policy_restores_pending 0", "" },
		{ "cgwatch_policy_stopped 0", "" },
		{ "cgwatch_policy_held 1", "" },
		{ "cgwatch_audit_lost_total 0", "" },
	};
	struct live *live = *state;
	char *text;

	snprintf(live->listen, sizeof(live->listen), "unix:%s/metrics", live->state);
	start(live, throttle);
	assert_true(live_until(live, is_throttled, LIVE_PATIENCE));
	text = scrape(live);
	if (!text) {
		assert_int_equal(live_agent_end(live, SIGTERM), 0);
		printf("built without the exporter\n");
		return;
	}
	free(text);
	assert_true(live_until(live, action_is_counted, LIVE_PATIENCE));
	text = scrape(live);
	for (size_t i = 0; i < sizeof(series) / sizeof(series[0]); i++) {
		if (!live_has_series(text, series[i][0], series[i][1]))
			fail_msg("not served: %s", series[i][0]);
	}
	free(text);
	assert_int_equal(live_agent_end(live, SIGTERM), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_told, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_stop_file, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_stop_file_left, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_reload, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_release_all_hung, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_by_hand, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_check, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_simulate, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_metrics, live_setup, live_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
