// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/verbs/terminal_agent.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/defaults.h"
#include "agent/report_fetch.h"
#include "core/cleanup.h"

/* An agent answers in milliseconds; what was done by hand it reports when its queue is through. */
#define STATUS_PATIENCE_MS 2000
#define ORDER_PATIENCE_MS  25000
/* However short the interval of the samples is. */
#define PERIOD_MIN_USEC 200000

struct terminal_agent {
	char *state_dir;
	int notify_fd;
	int cancel_fd; /* an eventfd, readable once the thread shall end */
	pthread_t thread;
	pthread_mutex_t mutex; /* guards everything below it */
	pthread_cond_t wake;
	bool wanted, paused, stop, now;
	uint64_t interval_usec;
	struct policy_report *latest;
	char *order;	   /* a request, until the thread takes it */
	bool busy;	   /* one is on its way */
	bool done, failed; /* its outcome, until somebody takes it, */
	char *message;	   /* in the agent's words */
};

/* Waits until something is to be asked. The order is the caller's; NULL: the report. False to end.
 */
static bool wait_turn(struct terminal_agent *agent, char **ret_order)
{
	struct timespec next;
	uint64_t nsec;
	int r = 0;

	pthread_mutex_lock(&agent->mutex);
	clock_gettime(CLOCK_MONOTONIC, &next);
	nsec = agent->interval_usec > PERIOD_MIN_USEC ? agent->interval_usec : PERIOD_MIN_USEC;
	nsec = (uint64_t)next.tv_nsec + nsec * 1000;
	next.tv_sec += (time_t)(nsec / 1000000000);
	next.tv_nsec = (long)(nsec % 1000000000);
	while (!agent->stop && !agent->order && !(agent->wanted && agent->now) && r == 0) {
		if (agent->wanted && !agent->paused)
			r = pthread_cond_timedwait(&agent->wake, &agent->mutex, &next);
		else
			pthread_cond_wait(&agent->wake, &agent->mutex);
	}
	*ret_order = TAKE_PTR(agent->order);
	/* After an order what it changed is asked for at once. */
	agent->now = *ret_order != NULL;
	r = !agent->stop;
	pthread_mutex_unlock(&agent->mutex);
	return r;
}

static void fetch(struct terminal_agent *agent)
{
	struct policy_report *old,
		*report = report_fetch(agent->state_dir, STATUS_PATIENCE_MS, agent->cancel_fd);

	if (!report)
		return;
	pthread_mutex_lock(&agent->mutex);
	old = agent->latest;
	agent->latest = report;
	pthread_mutex_unlock(&agent->mutex);
	policy_report_unref(old);
	eventfd_write(agent->notify_fd, 1);
}

/* What went well is said with one of these words first; everything else is a reason why not. */
static bool is_good(const char *answer)
{
	static const char *const words[] = { "frozen", "thawed", "done", "it is so" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strncmp(answer, words[i], strlen(words[i])) == 0)
			return true;
	}
	return false;
}

static void carry_out(struct terminal_agent *agent, const char *order)
{
	_cleanup_(strbuf_done) struct strbuf answer = { 0 };
	int r = report_ask(agent->state_dir, order, ORDER_PATIENCE_MS, agent->cancel_fd, &answer);
	char *message = NULL;
	bool failed;

	if (r == -ETIMEDOUT)
		message = strdup("the agent did not answer: whether it was done is not known");
	else if (r < 0 && asprintf(&message, "the agent cannot be asked: %s", strerror(-r)) < 0)
		message = NULL;
	while (answer.length > 0 && answer.data[answer.length - 1] == '\n')
		answer.data[--answer.length] = '\0';
	failed = r < 0 || !answer.data || !is_good(answer.data);
	if (r == 0)
		message = strbuf_take(&answer);
	pthread_mutex_lock(&agent->mutex);
	free(agent->message);
	agent->message = message;
	agent->failed = failed;
	agent->done = true;
	agent->busy = false;
	pthread_mutex_unlock(&agent->mutex);
	eventfd_write(agent->notify_fd, 1);
}

static void *ask_loop(void *data)
{
	struct terminal_agent *agent = data;
	char *order;

	while (wait_turn(agent, &order)) {
		if (order)
			carry_out(agent, order);
		else
			fetch(agent);
		free(order);
	}
	free(order);
	return NULL;
}

int terminal_agent_new(const char *state_dir, int notify_fd, struct terminal_agent **ret_agent)
{
	struct terminal_agent *agent = calloc(1, sizeof(*agent));
	pthread_condattr_t attributes;
	int r;

	if (!agent)
		return -ENOMEM;
	agent->notify_fd = notify_fd;
	agent->interval_usec = DEFAULT_INTERVAL_USEC;
	agent->state_dir = strdup(state_dir);
	agent->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = !agent->state_dir ? -ENOMEM : agent->cancel_fd < 0 ? -errno : 0;
	pthread_mutex_init(&agent->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&agent->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	if (r == 0)
		r = -pthread_create(&agent->thread, NULL, ask_loop, agent);
	if (r < 0) {
		closep(&agent->cancel_fd);
		free(agent->state_dir);
		free(agent);
		return r;
	}
	*ret_agent = agent;
	return 0;
}

void terminal_agent_free(struct terminal_agent *agent)
{
	if (!agent)
		return;
	pthread_mutex_lock(&agent->mutex);
	agent->stop = true;
	pthread_cond_signal(&agent->wake);
	pthread_mutex_unlock(&agent->mutex);
	eventfd_write(agent->cancel_fd, 1);
	pthread_join(agent->thread, NULL);
	pthread_cond_destroy(&agent->wake);
	pthread_mutex_destroy(&agent->mutex);
	close(agent->cancel_fd);
	policy_report_unref(agent->latest);
	free(agent->state_dir);
	free(agent->order);
	free(agent->message);
	free(agent);
}

void terminal_agent_want(struct terminal_agent *agent, bool wanted)
{
	pthread_mutex_lock(&agent->mutex);
	agent->now = wanted;
	agent->wanted = wanted;
	pthread_cond_signal(&agent->wake);
	pthread_mutex_unlock(&agent->mutex);
}

void terminal_agent_set_interval(struct terminal_agent *agent, uint64_t usec)
{
	pthread_mutex_lock(&agent->mutex);
	agent->interval_usec = usec;
	agent->now = !agent->paused;
	pthread_cond_signal(&agent->wake);
	pthread_mutex_unlock(&agent->mutex);
}

void terminal_agent_set_paused(struct terminal_agent *agent, bool paused)
{
	pthread_mutex_lock(&agent->mutex);
	agent->paused = paused;
	agent->now = !paused;
	pthread_cond_signal(&agent->wake);
	pthread_mutex_unlock(&agent->mutex);
}

struct policy_report *terminal_agent_latest(struct terminal_agent *agent)
{
	struct policy_report *report;

	pthread_mutex_lock(&agent->mutex);
	report = policy_report_ref(agent->latest);
	pthread_mutex_unlock(&agent->mutex);
	return report;
}

int terminal_agent_order(struct terminal_agent *agent, const char *path, unsigned int seconds)
{
	_cleanup_(freep) char *order = NULL;
	int r = 0;

	/* A request is a line. */
	if (strchr(path, '\n'))
		return -EINVAL;
	r = seconds ? asprintf(&order, "freeze %u %s", seconds, path)
		    : asprintf(&order, "thaw %s", path);
	if (r < 0) {
		order = NULL;
		return -ENOMEM;
	}
	pthread_mutex_lock(&agent->mutex);
	r = agent->busy ? -EBUSY : 0;
	if (r == 0) {
		agent->order = TAKE_PTR(order);
		agent->busy = true;
		pthread_cond_signal(&agent->wake);
	}
	pthread_mutex_unlock(&agent->mutex);
	return r;
}

bool terminal_agent_outcome(struct terminal_agent *agent, bool *ret_failed, char **ret_message)
{
	bool done;

	pthread_mutex_lock(&agent->mutex);
	done = agent->done;
	agent->done = false;
	if (done) {
		*ret_failed = agent->failed;
		*ret_message = TAKE_PTR(agent->message);
	}
	pthread_mutex_unlock(&agent->mutex);
	return done;
}
