/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/knob.h"

/*
 * Changes by hand, for `cgwatch set`, `freeze` and `thaw`: the same write path with the same
 * guards, but no journal, as they are meant to stay. The previous value is in result->before.
 */

/* One "KNOB=VALUE". 0 or -errno, with the reason in ret->text in any case. */
int manual_set(const struct knob_context *context, const struct node *node, const char *assignment,
	       struct knob_result *ret);
/*
 * Several, in the order the kernel wants them (v1 memory before or after memsw, a burst
 * after its quota). All are parsed
 * before the first is written; stops at the first that fails. `ret` has room for `n`, in the order
 * given; those not reached have error -ECANCELED.
 */
int manual_set_all(const struct knob_context *context, const struct node *node,
		   const char *const *assignments, size_t n, struct knob_result *ret);
/* Freezes or thaws; both are fine if it is so already. */
int manual_freeze(const struct knob_context *context, const struct node *node, bool freeze,
		  struct knob_result *ret);
