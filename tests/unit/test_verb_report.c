// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/report_fetch.h"
#include "agent/report_read.h"
#include "agent/verbs/terminal_agent.h"
#include "core/cleanup.h"

/* The agent's status as others read it: every field, nothing, and what is no status at all. */

static const char full[] =
	"{\"schema\":1,\"agent\":true,\"time\":1000.5,\"enforcing\":true,\"not_enforcing\":null,"
	"\"stopped\":false,\"conflicts\":1,\"failed\":\"2\",\"restores_pending\":3,\"frozen\":4,"
	"\"news\":{\"of\":[\"tomorrow\"]},"
	"\"policies\":[{\"name\":\"cpu-hog\",\"file\":\"/etc/cgwatch/policies/a.ini\",\"line\":7,"
	"\"mode\":\"enforce\",\"priority\":-3,\"selects\":\"match = /batch/**\","
	"\"when\":\"cpu.usage > 50%\",\"clear_when\":\"cpu.usage < 20%\","
	"\"ladder\":\"cpu.quota = 20%\",\"schedule\":\"mon-fri 08:00-18:00\",\"asleep\":true,"
	"\"matches\":5,\"pending\":1,\"held\":2,\"cooldown\":3,\"blocked\":4,\"fired\":10,"
	"\"actions\":11,\"failed\":12,\"ineffective\":13,\"fired_last_hour\":6,"
	"\"last_fired\":999.25,\"unknown\":[]},{\"priority\":1e+06}],"
	"\"tracks\":[{\"policy\":\"cpu-hog\",\"path\":\"/batch/a\","
	"\"cgroup_id\":\"18446744073709551615\",\"phase\":\"pending\",\"shadow\":true,\"rungs\":1,"
	"\"of_rungs\":2,\"breach_seconds\":3,\"breach_wanted\":10,\"clear_seconds\":0.5,"
	"\"clear_wanted\":30,\"held_since\":900,\"until\":2000,\"trigger\":\"cpu.usage 80% > 50%\","
	"\"blocked\":\"max_concurrent\",\"error\":\"EBUSY\",\"ineffective\":true}],"
	"\"holds\":[{\"policy\":\"cpu-hog\",\"path\":\"/batch/b\",\"cgroup_id\":42,"
	"\"knob\":\"cpu.quota\",\"unit\":\"b.service\",\"step\":1,\"original\":\"max\","
	"\"wanted\":\"20%\",\"in_force\":\"10%\",\"effective\":true,\"since\":950,\"until\":1300,"
	"\"uuid\":\"0f\",\"by_hand\":true}],"
	"\"actions\":[{\"time\":999,\"policy\":\"cpu-hog\",\"path\":\"/batch/b\","
	"\"action\":\"cpu.quota\",\"op\":\"apply\",\"result\":\"done\",\"text\":\"max -> 20%\"}]}";

static struct policy_report *read_good(const char *text)
{
	struct policy_report *report = NULL;
	char *error = NULL;
	int r = report_read(text, strlen(text), &report, &error);

	if (r < 0)
		fail_msg("%s: %s", text, error ? error : strerror(-r));
	assert_null(error);
	return report;
}

static void test_everything(void **state)
{
	struct policy_report *report = read_good(full);
	const struct report_policy *policy = &report->policies[0];
	const struct report_track *track = report->tracks;
	const struct report_hold *hold = report->holds;
	const struct report_action *action = report->actions;

	(void)state;
	assert_true(report->agent && report->enforcing && !report->stopped);
	assert_null(report->not_enforcing);
	assert_true(report->time == 1000.5);
	assert_int_equal(report->conflicts, 1);
	assert_int_equal(report->failed, 2);
	assert_int_equal(report->restores_pending, 3);
	assert_int_equal(report->frozen, 4);
	assert_int_equal(report->n_policies, 2);
	assert_string_equal(policy->name, "cpu-hog");
	assert_string_equal(policy->mode, "enforce");
	assert_int_equal(policy->line, 7);
	assert_int_equal(policy->priority, -3);
	assert_string_equal(policy->clear_when, "cpu.usage < 20%");
	assert_true(policy->asleep);
	assert_int_equal(policy->matches, 5);
	assert_int_equal(policy->ineffective, 13);
	assert_int_equal(policy->fired_last_hour, 6);
	assert_true(policy->last_fired == 999.25);
	assert_null(report->policies[1].name);
	assert_int_equal(report->policies[1].priority, 1000000);
	assert_int_equal(report->n_tracks, 1);
	assert_int_equal(track->cgroup_id, UINT64_MAX);
	assert_true(track->shadow && track->ineffective);
	assert_true(track->breach_seconds == 3 && track->clear_seconds == 0.5);
	assert_string_equal(track->blocked, "max_concurrent");
	assert_int_equal(report->n_holds, 1);
	assert_int_equal(hold->cgroup_id, 42);
	assert_string_equal(hold->in_force, "10%");
	assert_true(hold->effective && hold->by_hand);
	assert_int_equal(report->n_actions, 1);
	assert_string_equal(action->text, "max -> 20%");
	policy_report_unref(report);
}

static void test_missing_is_empty(void **state)
{
	static const char *const texts[] = {
		"{}",
		" {\"policies\":[],\"tracks\":null}\n",
		"{\"schema\":1,\"later\":{\"a\":[1,2,{\"b\":null}]}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct policy_report *report = read_good(texts[i]);

		assert_true(report->agent);
		assert_int_equal(report->n_policies + report->n_tracks + report->n_holds, 0);
		assert_true(report->time == 0);
		policy_report_unref(report);
	}
}

static void test_wrong_is_an_error_line(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", "no JSON" },
		{ "no such request\n", "no JSON" },
		{ "{\"policies\":[", "no JSON" },
		{ "{} trailing", "no JSON" },
		{ "{\"time\":1e999}", "no JSON" },
		{ "{\"conflicts\":99999999999999999999}", "no JSON" },
		{ "{\"not_enforcing\":\"a\\u0000b\"}", "no JSON" },
		{ "{\"not_enforcing\":\"\xff\"}", "no JSON" },
		{ "[]", "status: an object is wanted" },
		{ "{\"schema\":2}", "schema: 1 " },
		{ "{\"schema\":\"one\"}", "schema: a whole number" },
		{ "{\"agent\":1}", "agent: true or false" },
		{ "{\"time\":\"now\"}", "time: a number of seconds" },
		{ "{\"time\":-1}", "time: a number of seconds" },
		{ "{\"conflicts\":-1}", "conflicts: a whole number" },
		{ "{\"conflicts\":1.5}", "conflicts: a whole number" },
		{ "{\"conflicts\":\"18446744073709551616\"}", "conflicts: a whole number" },
		{ "{\"conflicts\":\"12x\"}", "conflicts: a whole number" },
		{ "{\"policies\":{}}", "policies: a list" },
		{ "{\"policies\":[{},7]}", "policies[1]: an object" },
		{ "{\"policies\":[{\"name\":[]}]}", "policies[0].name: a text" },
		{ "{\"policies\":[{\"line\":4294967296}]}", "policies[0].line: a whole number" },
		{ "{\"policies\":[{\"priority\":3000000000}]}", "policies[0].priority: a whole" },
		{ "{\"policies\":[{\"priority\":1.5}]}", "policies[0].priority: a whole" },
		{ "{\"holds\":[{},{},{\"effective\":\"yes\"}]}", "holds[2].effective: true or" },
		{ "{\"actions\":[{\"time\":{}}]}", "actions[0].time: a number" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *error = NULL;
		struct policy_report *report = NULL;

		assert_int_equal(report_read(cases[i].text, strlen(cases[i].text), &report, &error),
				 -EINVAL);
		assert_null(report);
		if (!error || !strstr(error, cases[i].error) || strchr(error, '\n'))
			fail_msg("%s: \"%s\"", cases[i].text, error ? error : "");
		/* Also for who does not want to know why. */
		assert_int_equal(report_read(cases[i].text, strlen(cases[i].text), &report, NULL),
				 -EINVAL);
	}
}

/* Cut anywhere it is an error, never a report that looks whole. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t length = 0; length < strlen(full); length++) {
		_cleanup_(freep) char *copy = malloc(length + 1);
		struct policy_report *report = NULL;

		memcpy(copy, full, length);
		assert_int_equal(report_read(copy, length, &report, NULL), -EINVAL);
	}
}

static void test_nested_too_deep(void **state)
{
	const size_t depth = 1000000;
	_cleanup_(freep) char *text = malloc(depth);
	_cleanup_(freep) char *error = NULL;
	struct policy_report *report = NULL;

	(void)state;
	memset(text, '[', depth);
	assert_int_equal(report_read(text, depth, &report, &error), -EINVAL);
	assert_non_null(error);
}

/* ---- asking ------------------------------------------------------------------------------ */

/* An agent of one answer. NULL: it says nothing and waits until the other side is gone. */
struct fake_agent {
	char dir[64], request[256];
	atomic_bool accepted;
	int fd;
	const char *answer;
	pthread_t thread;
};

static void *serve(void *data)
{
	struct fake_agent *agent = data;
	char rest[256];
	int fd = accept(agent->fd, NULL, NULL);
	size_t used = 0;
	ssize_t n;

	atomic_store(&agent->accepted, true);
	do {
		n = recv(fd, agent->request + used, sizeof(agent->request) - 1 - used, 0);
		used += n > 0 ? (size_t)n : 0;
	} while (n > 0 && !strchr(agent->request, '\n'));
	if (n > 0 && agent->answer)
		send(fd, agent->answer, strlen(agent->answer), MSG_NOSIGNAL);
	while (!agent->answer && recv(fd, rest, sizeof(rest), 0) > 0)
		continue;
	close(fd);
	return NULL;
}

static void start_agent(struct fake_agent *agent, const char *answer)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*agent = (struct fake_agent){ .answer = answer };
	snprintf(agent->dir, sizeof(agent->dir), "/tmp/cgwatch-test-XXXXXX");
	assert_non_null(mkdtemp(agent->dir));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", agent->dir);
	agent->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(agent->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(agent->fd, 4), 0);
	assert_int_equal(pthread_create(&agent->thread, NULL, serve, agent), 0);
}

static void stop_agent(struct fake_agent *agent)
{
	char path[128];

	pthread_join(agent->thread, NULL);
	close(agent->fd);
	snprintf(path, sizeof(path), "%s/control", agent->dir);
	unlink(path);
	rmdir(agent->dir);
}

static void test_fetch(void **state)
{
	struct policy_report *report;
	struct fake_agent agent;

	(void)state;
	start_agent(&agent, full);
	report = report_fetch(agent.dir, 60000, -1);
	stop_agent(&agent);
	assert_non_null(report);
	assert_true(report->agent);
	assert_int_equal(report->n_holds, 1);
	policy_report_unref(report);
	start_agent(&agent, "no such request\n");
	report = report_fetch(agent.dir, 60000, -1);
	stop_agent(&agent);
	assert_false(report->agent);
	assert_non_null(strstr(report->why, "no JSON"));
	policy_report_unref(report);
}

static void test_fetch_from_nobody(void **state)
{
	struct policy_report *report = report_fetch("/nonexistent/cgwatch-test", 60000, -1);
	struct fake_agent agent;
	int cancel = eventfd(1, EFD_CLOEXEC);

	(void)state;
	assert_false(report->agent);
	assert_non_null(strstr(report->why, "start cgwatchd"));
	policy_report_unref(report);
	/* It is there but says nothing. */
	start_agent(&agent, NULL);
	report = report_fetch(agent.dir, 50, -1);
	stop_agent(&agent);
	assert_false(report->agent);
	assert_non_null(strstr(report->why, "did not answer within 50 ms"));
	policy_report_unref(report);
	/* Who leaves does not wait for that. */
	start_agent(&agent, NULL);
	assert_null(report_fetch(agent.dir, 1 << 30, cancel));
	stop_agent(&agent);
	close(cancel);
}

/* ---- the terminal's thread --------------------------------------------------------------- */

static void order(const char *answer, unsigned int seconds, bool want_failed, const char *want)
{
	_cleanup_(freep) char *message = NULL;
	struct terminal_agent *terminal = NULL;
	struct fake_agent agent;
	int notify = eventfd(0, EFD_CLOEXEC);
	bool failed = !want_failed;
	eventfd_t count;

	start_agent(&agent, answer);
	assert_int_equal(terminal_agent_new(agent.dir, notify, &terminal), 0);
	assert_false(terminal_agent_outcome(terminal, &failed, &message));
	assert_int_equal(terminal_agent_order(terminal, "/a\nb", seconds), -EINVAL);
	assert_int_equal(terminal_agent_order(terminal, "/a b", seconds), 0);
	assert_int_equal(eventfd_read(notify, &count), 0);
	assert_true(terminal_agent_outcome(terminal, &failed, &message));
	assert_int_equal(failed, want_failed);
	assert_string_equal(message, want);
	/* Only once, and the report was not asked for: nobody wants it. */
	free(message);
	message = NULL;
	assert_false(terminal_agent_outcome(terminal, &failed, &message));
	assert_null(terminal_agent_latest(terminal));
	terminal_agent_free(terminal);
	stop_agent(&agent);
	assert_string_equal(agent.request, seconds ? "freeze 300 /a b\n" : "thaw /a b\n");
	close(notify);
}

static void test_orders(void **state)
{
	(void)state;
	order("done: thawed -> frozen\n", 300, false, "done: thawed -> frozen");
	order("failed: it is protected\n", 300, true, "failed: it is protected");
	order("done: \n", 0, false, "done: ");
	order("no such request\n", 0, true, "no such request");
}

static void test_terminal_takes_the_report(void **state)
{
	struct terminal_agent *terminal = NULL;
	struct policy_report *report;
	struct fake_agent agent;
	int notify = eventfd(0, EFD_CLOEXEC);
	eventfd_t count;

	(void)state;
	start_agent(&agent, full);
	assert_int_equal(terminal_agent_new(agent.dir, notify, &terminal), 0);
	terminal_agent_set_interval(terminal, UINT64_C(3600000000));
	terminal_agent_want(terminal, true);
	assert_int_equal(eventfd_read(notify, &count), 0);
	report = terminal_agent_latest(terminal);
	assert_non_null(report);
	assert_int_equal(report->n_tracks, 1);
	policy_report_unref(report);
	terminal_agent_free(terminal);
	stop_agent(&agent);
	/* One that says nothing does not keep the terminal from ending. */
	start_agent(&agent, NULL);
	assert_int_equal(terminal_agent_new(agent.dir, notify, &terminal), 0);
	terminal_agent_want(terminal, true);
	while (!agent.accepted)
		usleep(1000);
	terminal_agent_free(terminal);
	stop_agent(&agent);
	close(notify);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_missing_is_empty),
		cmocka_unit_test(test_wrong_is_an_error_line),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_nested_too_deep),
		cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_fetch_from_nobody),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_terminal_takes_the_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
