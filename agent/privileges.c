// SPDX-License-Identifier: MIT
#include "agent/privileges.h"

#include <linux/capability.h>

#include "collectors/capability.h"
#include "collectors/root.h"

/*
 * Making a map is refused without CAP_BPF or CAP_SYS_ADMIN where kernel.unprivileged_bpf_disabled
 * is not 0 (Linux 5.15 on; before 6.5 also for lack of the file). All else that is done once
 * programs are loaded (attaching them, iterators, reading maps) goes by descriptors that are open
 * already.
 */
static bool maps_need_it(const struct root *root)
{
	struct strbuf text;
	bool free_for_all;

	if (capability_effective() & CAPABILITY_BIT(CAP_SYS_ADMIN))
		return false;
	strbuf_init(&text);
	free_for_all = root_read(root, ROOT_PROC, "sys/kernel/unprivileged_bpf_disabled", &text) ==
			       0 &&
		       text.length > 0 && text.data[0] == '0';
	strbuf_done(&text);
	return !free_for_all;
}

int privileges_drop(const struct root *root, bool bpf)
{
	uint64_t gone = CAPABILITY_BIT(CAP_PERFMON) | CAPABILITY_BIT(CAP_SYSLOG);
	int r = 0;

	if (bpf && maps_need_it(root))
		r = capability_lower(CAPABILITY_BIT(CAP_BPF));
	else
		gone |= CAPABILITY_BIT(CAP_BPF);
	return r < 0 ? r : capability_drop(gone);
}
