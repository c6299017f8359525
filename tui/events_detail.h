/* SPDX-License-Identifier: MIT */
#pragma once

#include "tui/detail.h"

/* Everything about one event (a struct kernel_event), for detail_make(). */
void events_detail_lines(struct detail *detail, const void *data);
