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

#include "agent/status.h"
#include "core/cleanup.h"

enum { REQUEST_MAX = 8192, CLIENTS_MAX = 16, PATIENCE_USEC = 10 * 1000000 };

/* One client: its request until the newline, then what is left of the answer. */
struct client {
	struct agent *agent;
	sd_event_source *source, *patience;
	struct strbuf request, answer;
	size_t sent;
	bool answering;
};

static void client_free(struct client *client)
{
	int fd = sd_event_source_get_io_fd(client->source);

	sd_event_source_disable_unref(client->source);
	sd_event_source_disable_unref(client->patience);
	client->agent->n_clients--;
	close(fd);
	strbuf_done(&client->request);
	strbuf_done(&client->answer);
	free(client);
}

static void answer_ping(struct agent *agent, const char *argument, struct strbuf *answer)
{
	(void)agent;
	(void)argument;
	strbuf_add_string(answer, "cgwatchd " CGWATCH_VERSION "\n");
}

static void answer_status(struct agent *agent, const char *argument, struct strbuf *answer)
{
	(void)argument;
	status_json(agent, answer);
}

static void answer_explain(struct agent *agent, const char *argument, struct strbuf *answer)
{
	status_explain(agent, argument, answer);
}

/*
 * Everything goes back now; policies whose condition still holds may act again after their
 * cooldown: to stop them, set them to mode = off and reload.
 */
static void answer_release_all(struct agent *agent, const char *argument, struct strbuf *answer)
{
	struct enforcer_stats before = { 0 }, after = { 0 };
	struct decisions decisions = { 0 };

	(void)argument;
	if (!agent->enforcer) {
		strbuf_add_string(answer, "nothing is enforced\n");
		return;
	}
	enforcer_get_stats(agent->enforcer, &before);
	engine_release_all(agent->engine, agent_now_usec(), "release-all", &decisions);
	for (size_t i = 0; i < decisions.n; i++)
		enforcer_submit(agent->enforcer, &decisions.list[i]);
	decisions_done(&decisions);
	enforcer_release_all(agent->enforcer);
	if (enforcer_drain(agent->enforcer, 20000) < 0)
		strbuf_add_string(answer, "still at work after 20s; see 'cgwatch policy status'\n");
	enforcer_get_stats(agent->enforcer, &after);
	strbuf_printf(answer, "restored %llu, conflicts %llu, failed %llu, still held %llu\n",
		      (unsigned long long)(after.released - before.released),
		      (unsigned long long)(after.conflicts - before.conflicts),
		      (unsigned long long)(after.failed - before.failed),
		      (unsigned long long)after.held);
}

static void answer_reload(struct agent *agent, const char *argument, struct strbuf *answer)
{
	(void)argument;
	if (agent_reload(agent) < 0)
		strbuf_add_string(
			answer,
			"the new configuration is wrong (see the log); the old one holds\n");
	else
		strbuf_add_string(answer, "reloaded\n");
}

static const struct {
	const char *name;
	void (*answer)(struct agent *agent, const char *argument, struct strbuf *answer);
} requests[] = {
	{ "ping", answer_ping },       { "status", answer_status },
	{ "explain", answer_explain }, { "release-all", answer_release_all },
	{ "reload", answer_reload },
};

static void answer_request(struct client *client)
{
	char *rest = client->request.data, *line = strsep(&rest, "\n"), *argument = line;
	const char *name = strsep(&argument, " ");

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (strcmp(requests[i].name, name) == 0) {
			requests[i].answer(client->agent, argument ? argument : "",
					   &client->answer);
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
	answer_request(client);
	return send_answer(client, fd);
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
