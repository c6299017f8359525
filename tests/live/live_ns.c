// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "live_ns.h"

#include <sys/mman.h>

struct actor actor_start(struct live *live, void (*work)(struct actor *actor))
{
	struct actor actor;
	int go[2], done[2];

	assert_true(live->n_children < LIVE_MAX);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	actor.numbers = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(actor.numbers != MAP_FAILED);
	fflush(NULL);
	actor.pid = fork();
	assert_true(actor.pid >= 0);
	if (actor.pid == 0) {
		follow_parent();
		close(go[1]);
		close(done[0]);
		actor.go = go[0];
		actor.done = done[1];
		work(&actor);
		actor_stay(&actor);
	}
	live->children[live->n_children++] = actor.pid;
	close(go[0]);
	close(done[1]);
	actor.go = go[1];
	actor.done = done[0];
	actor_expect(&actor);
	return actor;
}

void actor_end(struct live *live, struct actor *actor)
{
	live_end(live, actor->pid);
	close(actor->go);
	close(actor->done);
	munmap((void *)actor->numbers, 4096);
}
