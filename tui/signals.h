/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/*
 * Signals as bytes in a pipe: window size, stop, and the ones that end the program arrive on the
 * loop like keys do. Fatal ones (SIGSEGV, SIGABRT, …) first give the terminal back.
 */

/* Takes the signals over. The descriptor (non-blocking) yields one byte, the number, for each. */
int signals_open(int *ret_fd);
/* Back to what was before. */
void signals_close(void);
/*
 * What a fatal signal writes to `fd` before the program dies: at most 255 bytes. `modes` (a struct
 * termios) is set as well. NULL: nothing any more.
 */
struct termios;
void signals_set_rescue(int fd, const char *bytes, size_t length, const struct termios *modes);
/* Stops the program as ^Z does; returns when it goes on. */
void signals_stop(void);
