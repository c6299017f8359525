/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/namespaces.h"
#include "core/strbuf.h"

/*
 * Facts about namespaces in words, for people: the same in the terminal and in verbs. Appended,
 * and safe for a terminal.
 */

/* "fd 7 of sshd (100)", "mounted at /run/netns/blue in mnt 4026531830". */
void ns_holder_text(struct strbuf *text, const struct ns_holder *holder);
/* "0-65535 is 100000-165535 outside, …" */
void ns_maps_text(struct strbuf *text, const struct ns_map *maps, uint32_t n);
/* "monotonic +2h30m, boot 0": how far its clocks are ahead. */
void ns_offsets_text(struct strbuf *text, const struct ns_namespace *ns);
/* "net 4026532205" */
void ns_name_text(struct strbuf *text, const struct ns_namespace *ns);
