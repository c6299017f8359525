// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/event_psi.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BATCH = 64 };

struct event_psi {
	int epoll, bell, stop;
	pthread_t thread;
	bool running;
	pthread_mutex_t mutex;
	pthread_cond_t room; /* in the queue */
	bool stopping;
	struct event_psi_wake queue[EVENT_PSI_QUEUE];
	size_t n;
};

static void ring(int fd)
{
	uint64_t one = 1;

	/* It can only fail when it rings already. */
	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

/* Waits for room: what is not asked for yet stays in the kernel's list. */
static void put(struct event_psi *psi, const struct epoll_event *list, int n)
{
	pthread_mutex_lock(&psi->mutex);
	for (int i = 0; i < n && !psi->stopping; i++) {
		while (psi->n == EVENT_PSI_QUEUE && !psi->stopping)
			pthread_cond_wait(&psi->room, &psi->mutex);
		if (psi->stopping || list[i].data.u64 == 0)
			continue;
		psi->queue[psi->n++] = (struct event_psi_wake){
			.id = list[i].data.u64, .gone = list[i].events & (EPOLLERR | EPOLLHUP)
		};
		ring(psi->bell);
	}
	pthread_mutex_unlock(&psi->mutex);
}

static bool stopping(struct event_psi *psi)
{
	bool stop;

	pthread_mutex_lock(&psi->mutex);
	stop = psi->stopping;
	pthread_mutex_unlock(&psi->mutex);
	return stop;
}

static void *run(void *data)
{
	struct event_psi *psi = data;
	struct epoll_event list[BATCH];

	while (!stopping(psi)) {
		int n = epoll_wait(psi->epoll, list, BATCH, -1);

		if (n < 0 && errno != EINTR)
			break;
		if (n > 0)
			put(psi, list, n);
	}
	return NULL;
}

static int start(struct event_psi *psi)
{
	struct epoll_event event = { .events = EPOLLIN };
	sigset_t all, old;
	int r;

	if (epoll_ctl(psi->epoll, EPOLL_CTL_ADD, psi->stop, &event) < 0)
		return -errno;
	/* Signals are for the other threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&psi->thread, NULL, run, psi);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	psi->running = r == 0;
	return -r;
}

int event_psi_new(struct event_psi **ret_psi)
{
	struct event_psi *psi = calloc(1, sizeof(*psi));
	int r;

	if (!psi)
		return -ENOMEM;
	pthread_mutex_init(&psi->mutex, NULL);
	pthread_cond_init(&psi->room, NULL);
	psi->epoll = epoll_create1(EPOLL_CLOEXEC);
	psi->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	psi->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = psi->epoll < 0 || psi->bell < 0 || psi->stop < 0 ? -errno : start(psi);
	if (r < 0) {
		event_psi_free(psi);
		return r;
	}
	*ret_psi = psi;
	return 0;
}

void event_psi_free(struct event_psi *psi)
{
	if (!psi)
		return;
	if (psi->running) {
		pthread_mutex_lock(&psi->mutex);
		psi->stopping = true;
		pthread_cond_signal(&psi->room);
		pthread_mutex_unlock(&psi->mutex);
		ring(psi->stop);
		pthread_join(psi->thread, NULL);
	}
	if (psi->epoll >= 0)
		close(psi->epoll);
	if (psi->bell >= 0)
		close(psi->bell);
	if (psi->stop >= 0)
		close(psi->stop);
	pthread_cond_destroy(&psi->room);
	pthread_mutex_destroy(&psi->mutex);
	free(psi);
}

int event_psi_bell(const struct event_psi *psi)
{
	return psi->bell;
}

/* By edges: a trigger of a removed cgroup says so for ever, and once is enough. */
int event_psi_add(struct event_psi *psi, int fd, uint64_t id)
{
	struct epoll_event event = { .events = EPOLLPRI | EPOLLET, .data.u64 = id };

	return epoll_ctl(psi->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

size_t event_psi_take(struct event_psi *psi, struct event_psi_wake ret_list[EVENT_PSI_QUEUE])
{
	uint64_t rings;
	size_t n;

	/* The bell first: what comes afterwards rings it again. */
	while (read(psi->bell, &rings, sizeof(rings)) < 0 && errno == EINTR)
		continue;
	pthread_mutex_lock(&psi->mutex);
	n = psi->n;
	for (size_t i = 0; i < n; i++)
		ret_list[i] = psi->queue[i];
	psi->n = 0;
	pthread_cond_signal(&psi->room);
	pthread_mutex_unlock(&psi->mutex);
	return n;
}
