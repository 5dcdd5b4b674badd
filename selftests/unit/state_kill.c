// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The state's heap in a process that is killed between any two of its stores, beside a
 * twin that lives and has the C library's heap: after each request both hold the same
 * bytes, in pieces of all sizes. FERRY_TEST_SEED repeats a run.
 */
#include <linux/fuse.h>

#include "../../lib/state.h"
#include "../claim.h"
#include "fsclient.h"
#include "mortal.h"

#define PIECES	200

/* A backend whose one operation takes, changes and gives back pieces. */
struct piece {
	u8 *p;
	u32 len;
	u8 fill;
};

static u32 some_len(uint64_t *r)
{
	return 1 + next_random(r) % (1U << (1 + next_random(r) % 17));
}

static void change(struct piece *piece, uint64_t *r)
{
	u32 i;

	ferry_tx_save(*piece);
	piece->fill = next_random(r);
	if (!piece->p) {
		piece->len = some_len(r);
		piece->p = piece->len == FERRY_PAGE_SIZE ? ferry_state_page_alloc() :
							   ferry_state_alloc(piece->len);
		for (i = 0; i < piece->len; i++)
			if (piece->p[i])
				claim_fail(__FILE__, __LINE__, "new memory is not zero");
	} else if (next_random(r) % 3) {
		if (piece->len == FERRY_PAGE_SIZE)
			ferry_state_page_free(piece->p);
		else
			ferry_state_free(piece->p);
		piece->p = NULL;
		return;
	} else {
		ferry_tx_add(piece->p, piece->len);
	}
	memset(piece->p, piece->fill, piece->len);
}

static void op_setattr(struct ferry_req *req, u64 node, const struct ferry_setattr *set,
		       struct ferry_handle *handle)
{
	struct piece *pieces = ferry_req_server(req)->priv;
	uint64_t r = node * 0x9e3779b97f4a7c15ULL;
	struct ferry_attr attr = { .node = node };
	u32 i, n = set->size ? set->size : next_random(&r) % 20;

	while (n--)
		change(&pieces[set->size ? n : next_random(&r) % PIECES], &r);
	for (i = 0; i < PIECES; i++) {
		const struct piece *p = &pieces[i];
		u32 at;

		for (at = 0; p->p && at < p->len; at++)
			if (p->p[at] != p->fill)
				claim_fail(__FILE__, __LINE__, "piece %u has other bytes", i);
		attr.size = attr.size * 31 + (p->p ? p->len * 256 + p->fill : 0);
	}
	ferry_reply_attr(req, &attr, 0);
}

static int heap_init(struct ferry_server *server, const char *args)
{
	server->priv = ferry_state_root();
	if (server->priv)
		return 0;
	server->priv = ferry_state_alloc(PIECES * sizeof(struct piece));
	ferry_state_set_root(server->priv);
	return 0;
}

static void heap_destroy(struct ferry_server *server)
{
	struct piece *pieces = server->priv;
	u32 i;

	if (ferry_state_is_kept())
		return;
	for (i = 0; i < PIECES; i++)
		ferry_state_free(pieces[i].p);
	ferry_state_free(pieces);
}

static const struct ferry_fs_ops heap_ops = {
	.size = sizeof(heap_ops),
	.init = heap_init,
	.destroy = heap_destroy,
	.setattr = op_setattr,
};

FERRY_BACKEND(heap, .flags = FERRY_RECOVERS, .fs = &heap_ops);

static void call(struct ferry_server *twin, u32 stores, u64 node)
{
	const struct fuse_setattr_in in = { 0 };
	struct fuse_attr_out a, b;

	CHECK_EQ(fs_call(twin, FUSE_SETATTR, node, &in, sizeof(in), NULL, NULL, &a, sizeof(a),
			 NULL, 0, false), 0);
	CHECK_EQ(mortal_call(stores, false, FUSE_SETATTR, node, &in, sizeof(in), NULL, NULL, &b,
			     sizeof(b), NULL, 0, false), 0);
	CHECK_EQ(b.attr.size, a.attr.size);
}

static u64 run(unsigned int steps, u32 stores_max)
{
	struct ferry_server *twin = fs_start(NULL);
	uint64_t rnd = test_seed() * 0x9e3779b97f4a7c15ULL;
	uint64_t kill_rnd = test_seed() * 0xbf58476d1ce4e5b9ULL;
	u64 used;

	/* Memory goes back all the time. */
	state_heap_keeps = 32;
	mortal_start(NULL);
	while (steps--)
		call(twin, stores_max ? next_random(&kill_rnd) %
		     (1U << (1 + next_random(&kill_rnd) % stores_max)) : 0, next_random(&rnd));
	mortal_kill();
	call(twin, 0, next_random(&rnd));
	used = mortal_used();
	mortal_end();
	fs_stop(twin);
	return used;
}

static void heap_holds(void)
{
	unsigned int steps = test_scale(1500), deaths, marked;
	u64 used;

	claim_note("FERRY_TEST_SEED=%u", test_seed());
	used = run(steps, 9);
	deaths = mortal_deaths(&marked);
	claim_note("%u deaths, %u of them with the request done", deaths, marked);
	CHECK(marked);
	/* Nothing is lost, nothing is left over. */
	CHECK_EQ(used, run(steps, 0));
}

static const struct claim claims[] = {
	{ "what is allocated stays so and what is not is free, whenever the process dies",
	  heap_holds, 300 },
};

CLAIMS_MAIN(claims)
