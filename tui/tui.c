// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "tui/tui.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "tui/app.h"
#include "tui/signals.h"
#include "tui/term.h"

struct loop {
	struct app app;
	struct canvas canvas;
	struct terminal *term;
	int signal_fd;
	bool ascii;
};

enum { FD_KEYS, FD_SNAPSHOTS, FD_SIGNALS, FD_COUNT };

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int fit_canvas(struct loop *loop)
{
	int width, height;

	term_get_size(&width, &height);
	if (loop->canvas.cells && loop->canvas.width == width && loop->canvas.height == height)
		return 0;
	canvas_done(&loop->canvas);
	return canvas_init(&loop->canvas, width, height, loop->ascii);
}

static int draw(struct loop *loop)
{
	int r = fit_canvas(loop);

	if (r < 0)
		return r;
	app_draw(&loop->app, &loop->canvas);
	term_show(loop->term, &loop->canvas, loop->app.repaint);
	loop->app.repaint = false;
	return 0;
}

static void handle_signals(struct loop *loop)
{
	unsigned char number;

	while (read(loop->signal_fd, &number, 1) == 1) {
		if (number == SIGTSTP)
			term_suspend(loop->term);
		if (number == SIGWINCH || number == SIGTSTP)
			term_resize(loop->term);
		else
			loop->app.quit = true;
	}
}

static void handle_keys(struct loop *loop, short events)
{
	struct key_event event;
	int waiting = 0;

	/* Readable with nothing to read: the other side is gone. */
	if ((events & (POLLERR | POLLHUP | POLLNVAL)) ||
	    (ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 && waiting == 0)) {
		loop->app.quit = true;
		return;
	}
	while (!loop->app.quit && term_read_key(loop->term, &event))
		app_handle_key(&loop->app, &event);
}

static void handle_snapshot(struct loop *loop, const struct tui_source *source)
{
	uint64_t count;

	if (read(source->event_fd, &count, sizeof(count)) < 0)
		return;
	app_set_snapshot(&loop->app, source->latest(source->data));
}

static int run_loop(struct loop *loop, const struct tui_source *source)
{
	struct pollfd fds[FD_COUNT] = {
		[FD_KEYS] = { STDIN_FILENO, POLLIN, 0 },
		[FD_SNAPSHOTS] = { source->event_fd, POLLIN, 0 },
		[FD_SIGNALS] = { loop->signal_fd, POLLIN, 0 },
	};

	app_set_snapshot(&loop->app, source->latest(source->data));
	while (!loop->app.quit) {
		int r = draw(loop);

		if (r < 0)
			return r;
		if (poll(fds, FD_COUNT, app_timeout_ms(&loop->app)) < 0 && errno != EINTR)
			return -errno;
		loop->app.now_ns = clock_ns();
		if (fds[FD_SIGNALS].revents)
			handle_signals(loop);
		if (fds[FD_SNAPSHOTS].revents & POLLIN)
			handle_snapshot(loop, source);
		if (fds[FD_KEYS].revents)
			handle_keys(loop, fds[FD_KEYS].revents);
	}
	return 0;
}

int tui_run(const struct tui_source *source, const struct tui_options *options)
{
	struct loop loop = { .ascii = options->ascii || !term_is_utf8() };
	int r = signals_open(&loop.signal_fd);

	if (r < 0)
		return r;
	r = term_open(options->no_color, &loop.term);
	if (r == 0)
		r = app_init(&loop.app, source, options);
	if (r == 0) {
		loop.app.now_ns = clock_ns();
		r = run_loop(&loop, source);
		app_done(&loop.app);
	}
	canvas_done(&loop.canvas);
	term_close(loop.term);
	signals_close();
	return r;
}
