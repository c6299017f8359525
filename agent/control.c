// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/agent_policies.h"
#include "agent/status.h"
#include "core/cleanup.h"
#include "core/units.h"

enum {
	REQUEST_MAX = 8192,
	CLIENTS_MAX = 16,
	PATIENCE_USEC = 10 * 1000000,
	/* The enforcer may be at work on something slow: then the answer says so. */
	WAIT_USEC = 20 * 1000000,
	LOOK_USEC = 20 * 1000,
};

/*
 * One client: its request until the newline, then what is left of the answer. What the enforcer has
 * to do first is waited for without holding up the loop: `finish` adds to the answer when it is
 * done.
 */
struct client {
	struct agent *agent;
	sd_event_source *source, *patience, *look;
	struct strbuf request, answer;
	size_t sent;
	bool answering;
	void (*finish)(struct client *client, bool done);
	uint64_t wait_until;
	struct enforcer_stats before; /* release-all */
	uint64_t node_serial, asked;  /* by hand: which cgroup, and results there were */
};

static void client_free(struct client *client)
{
	int fd = sd_event_source_get_io_fd(client->source);

	sd_event_source_disable_unref(client->source);
	sd_event_source_disable_unref(client->patience);
	sd_event_source_disable_unref(client->look);
	client->agent->n_clients--;
	close(fd);
	strbuf_done(&client->request);
	strbuf_done(&client->answer);
	free(client);
}

static int send_answer(struct client *client, int fd);

static int on_look(sd_event_source *source, uint64_t usec, void *data)
{
	struct client *client = data;
	bool done = enforcer_drain(client->agent->enforcer, 0) == 0;
	void (*finish)(struct client * client, bool done) = client->finish;

	(void)usec;
	if (!done && agent_now_usec() < client->wait_until) {
		sd_event_source_set_time_relative(source, LOOK_USEC);
		return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	}
	/* Results that are there but were not taken yet. */
	agent_policies_collect(client->agent);
	client->finish = NULL;
	finish(client, done);
	return send_answer(client, sd_event_source_get_io_fd(client->source));
}

/* The answer comes when the enforcer is done with everything it was given so far. */
static void answer_later(struct client *client, void (*finish)(struct client *, bool))
{
	client->wait_until = agent_now_usec() + WAIT_USEC;
	if (sd_event_add_time_relative(client->agent->event, &client->look, CLOCK_BOOTTIME, 0, 1000,
				       on_look, client) < 0) {
		finish(client, false);
		return;
	}
	client->finish = finish;
	sd_event_source_set_time_relative(client->patience, WAIT_USEC + PATIENCE_USEC);
}

static void answer_ping(struct client *client, const char *argument)
{
	(void)argument;
	strbuf_add_string(&client->answer, "cgwatchd " CGWATCH_VERSION "\n");
}

static void answer_status(struct client *client, const char *argument)
{
	(void)argument;
	status_json(client->agent, &client->answer);
}

static void answer_explain(struct client *client, const char *argument)
{
	status_explain(client->agent, argument, &client->answer);
}

static void finish_release_all(struct client *client, bool done)
{
	struct enforcer_stats before = client->before, after = { 0 };

	enforcer_get_stats(client->agent->enforcer, &after);
	if (!done)
		strbuf_add_string(&client->answer,
				  "still at work after 20s; see 'cgwatch policy status'\n");
	strbuf_printf(
		&client->answer, "restored %llu, conflicts %llu, failed %llu, still held %llu\n",
		(unsigned long long)(after.released - before.released),
		(unsigned long long)(after.conflicts - before.conflicts),
		(unsigned long long)(after.failed - before.failed), (unsigned long long)after.held);
	if (!engine_is_stopped(client->agent->engine) &&
	    policy_set_size(client->agent->policies) > 0) {
		strbuf_add_string(&client->answer,
				  "policies act again when their cooldown is over (10s at least), "
				  "unless you make the file ");
		agent_policies_stop_file(client->agent, &client->answer);
		strbuf_add_char(&client->answer, '\n');
	}
}

/*
 * Everything goes back now; policies whose condition still holds may act again after their
 * cooldown: to stop them, make the kill-switch file, or set them to mode = off and reload.
 */
static void answer_release_all(struct client *client, const char *argument)
{
	struct agent *agent = client->agent;
	struct decisions decisions = { 0 };

	(void)argument;
	enforcer_get_stats(agent->enforcer, &client->before);
	engine_release_all(agent->engine, agent_now_usec(), "release-all", &decisions);
	agent_policies_submit(agent, &decisions);
	enforcer_release_all(agent->enforcer);
	answer_later(client, finish_release_all);
}

static void answer_reload(struct client *client, const char *argument)
{
	(void)argument;
	if (agent_reload(client->agent) < 0)
		strbuf_add_string(
			&client->answer,
			"the new configuration is wrong (see the log); the old one holds\n");
	else
		strbuf_add_string(&client->answer, "reloaded\n");
}

static void finish_by_hand(struct client *client, bool done)
{
	const struct recent *recent = &client->agent->recent;
	const struct recent_action *action;
	uint64_t n = recent->n - client->asked;

	for (size_t i = 0; i < n && (action = recent_get(recent, i)); i++) {
		if (action->node_serial != client->node_serial)
			continue;
		if (action->word == RESULT_DONE || action->word == RESULT_UNCHANGED)
			strbuf_printf(&client->answer, "done%s%s\n", *action->text ? ": " : "",
				      action->text);
		else
			strbuf_printf(&client->answer, "failed: %s\n",
				      *action->text ? action->text
						    : result_word_name(action->word));
		return;
	}
	strbuf_add_string(&client->answer, done ? "failed: the agent did nothing\n"
						: "failed: still at work after 20s\n");
}

static void by_hand(struct client *client, const char *path, bool freeze, uint64_t lease_until)
{
	struct agent *agent = client->agent;
	uint32_t index = tree_find(agent->latest->tree, path);
	struct node *node;
	int r;

	if (index == NODE_NONE) {
		strbuf_printf(&client->answer, "failed: %s: no such cgroup\n", path);
		return;
	}
	if (!agent->journal) {
		strbuf_printf(&client->answer, "failed: nothing is enforced: %s\n",
			      agent->no_journal);
		return;
	}
	node = agent->latest->tree->nodes[index];
	client->node_serial = node->serial;
	client->asked = agent->recent.n;
	r = enforcer_by_hand(agent->enforcer, node, freeze, lease_until);
	if (r < 0)
		strbuf_printf(&client->answer, "failed: %s\n", strerror(-r));
	else
		answer_later(client, finish_by_hand);
}

/* "SECONDS PATH". */
static void answer_freeze(struct client *client, const char *argument)
{
	const char *path = strchr(argument, ' ');
	char number[16] = "";
	uint64_t seconds = 0;

	if (path && (size_t)(path - argument) < sizeof(number))
		memcpy(number, argument, (size_t)(path - argument));
	if (parse_u64(number, &seconds) < 0 || seconds == 0 || seconds > 86400)
		strbuf_add_string(&client->answer,
				  "failed: give the seconds, from 1 to 86400, and a cgroup\n");
	else
		by_hand(client, path + 1, true, agent_now_usec() + seconds * 1000000);
}

static void answer_thaw(struct client *client, const char *argument)
{
	by_hand(client, argument, false, 0);
}

static const struct {
	const char *name;
	void (*answer)(struct client *client, const char *argument);
} requests[] = {
	{ "ping", answer_ping },       { "status", answer_status },
	{ "explain", answer_explain }, { "release-all", answer_release_all },
	{ "reload", answer_reload },   { "freeze", answer_freeze },
	{ "thaw", answer_thaw },
};

static void answer_request(struct client *client)
{
	char *rest = client->request.data, *line = strsep(&rest, "\n"), *argument = line;
	const char *name = strsep(&argument, " ");

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (strcmp(requests[i].name, name) == 0) {
			requests[i].answer(client, argument ? argument : "");
			return;
		}
	}
	strbuf_add_string(&client->answer, "no such request\n");
}

static int send_answer(struct client *client, int fd)
{
	while (client->sent < client->answer.length) {
		ssize_t n = send(fd, client->answer.data + client->sent,
				 client->answer.length - client->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return sd_event_source_set_io_events(client->source, EPOLLOUT);
		if (n < 0)
			break;
		client->sent += (size_t)n;
	}
	client_free(client);
	return 0;
}

static int on_client(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct client *client = data;
	char chunk[1024];
	ssize_t n;

	(void)source;
	if (client->finish && (events & (EPOLLERR | EPOLLHUP)) == 0)
		return 0;
	if (client->answering)
		return events & (EPOLLERR | EPOLLHUP) ? (client_free(client), 0)
						      : send_answer(client, fd);
	n = recv(fd, chunk, sizeof(chunk), 0);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0 || client->request.length + (size_t)n > REQUEST_MAX) {
		client_free(client);
		return 0;
	}
	strbuf_add(&client->request, chunk, (size_t)n);
	if (client->request.failed) {
		client_free(client);
		return 0;
	}
	if (!memchr(client->request.data, '\n', client->request.length))
		return 0;
	client->answering = true;
	/* Nothing more is read: what comes now would only wake us. */
	sd_event_source_set_io_events(client->source, 0);
	answer_request(client);
	return client->finish ? 0 : send_answer(client, fd);
}

static int on_patience(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	client_free(data);
	return 0;
}

static bool is_allowed(int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static int on_connect(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct agent *agent = data;
	struct client *client;
	int client_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)source;
	(void)events;
	if (client_fd < 0)
		return 0;
	client = is_allowed(client_fd) && agent->n_clients < CLIENTS_MAX
			 ? calloc(1, sizeof(*client))
			 : NULL;
	if (!client) {
		close(client_fd);
		return 0;
	}
	client->agent = agent;
	if (sd_event_add_io(agent->event, &client->source, client_fd, EPOLLIN, on_client, client) <
	    0) {
		close(client_fd);
		free(client);
		return 0;
	}
	agent->n_clients++;
	/* Who says nothing must not keep a place for ever. */
	sd_event_add_time_relative(agent->event, &client->patience, CLOCK_MONOTONIC, PATIENCE_USEC,
				   0, on_patience, client);
	return 0;
}

int control_start(struct agent *agent)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd, n, r;

	n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/control",
		     agent->config.state_dir);
	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* The journal's lock says that no other agent lives here: what is there is a leftover. */
	unlink(address.sun_path);
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && listen(fd, 16) < 0)
		r = -errno;
	if (r == 0)
		r = sd_event_add_io(agent->event, &agent->control, fd, EPOLLIN, on_connect, agent);
	if (r < 0) {
		close(fd);
		return r;
	}
	sd_event_source_set_io_fd_own(agent->control, true);
	return 0;
}

void control_stop(struct agent *agent)
{
	char path[200];

	if (!agent->control)
		return;
	agent->control = sd_event_source_disable_unref(agent->control);
	snprintf(path, sizeof(path), "%s/control", agent->config.state_dir);
	unlink(path);
}
