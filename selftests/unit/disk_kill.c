// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A disk whose server is killed between any two of its stores, beside an array of bytes:
 * what was written is there, what was discarded or never written is zeros, and no memory is
 * lost on the way. FERRY_TEST_SEED repeats a run. Linked with ramdisk.
 */
#include <linux/ferry_blk.h>

#include <ferry/block.h>

#include "../../lib/state.h"
#include "../claim.h"
#include "mortal.h"

#define ARGS	"size=3M,max=6M"
#define MAX	(6U << 20)
#define DATA	(96U << 10)

static uint64_t rnd, kill_rnd;
static u8 model[MAX], data[DATA];
static u64 size;
static u32 stores_max;

static u32 below(u32 n)
{
	return next_random(&rnd) % n;
}

static int call(u32 opcode, const void *in, u32 in_len, void *out, u32 out_len, u32 data_len)
{
	u32 stores = 0;

	if (stores_max)
		stores = next_random(&kill_rnd) % (1U << (1 + next_random(&kill_rnd) % stores_max));
	return mortal_call(stores, false, opcode, 0, in, in_len, NULL, NULL, out, out_len, data,
			   data_len, opcode == FERRY_BLK_WRITE);
}

static void compare(u64 off, u32 len)
{
	const struct ferry_blk_io io = { .offset = off, .length = len };

	CHECK_EQ(call(FERRY_BLK_READ, &io, sizeof(io), NULL, 0, len), len);
	if (memcmp(data, model + off, len))
		claim_fail(__FILE__, __LINE__, "%u bytes at %llu are others", len, off);
}

static void resize(void)
{
	struct ferry_blk_resize in = { (1 + below(MAX / 512)) * 512ULL }, out;

	CHECK_EQ(call(FERRY_BLK_RESIZE, &in, sizeof(in), &out, sizeof(out), 0), 0);
	CHECK_EQ(out.size, in.size);
	if (in.size < size)
		memset(model + in.size, 0, size - in.size);
	size = in.size;
}

static void step(void)
{
	struct ferry_blk_io io = { .offset = below(size / 512) * 512ULL };
	u32 what = below(20), i;

	/* Half of the time whole pages, and now and then many. */
	if (below(2))
		io.offset &= -(u64)FERRY_PAGE_SIZE;
	io.length = (1 + below(below(4) ? 16 : DATA / 512)) * 512;
	if (below(2) && io.length > FERRY_PAGE_SIZE)
		io.length &= -(u64)FERRY_PAGE_SIZE;
	io.length = min(io.length, size - io.offset);
	if (what < 9) {
		for (i = 0; i < io.length; i++)
			data[i] = next_random(&rnd);
		memcpy(model + io.offset, data, io.length);
		CHECK_EQ(call(FERRY_BLK_WRITE, &io, sizeof(io), NULL, 0, io.length), 0);
	} else if (what < 14) {
		compare(io.offset, io.length);
	} else if (what < 19) {
		if (!below(4))
			io.length = (1 + below((size - io.offset) / 512)) * 512ULL;
		memset(model + io.offset, 0, io.length);
		if (what >= 17 && below(2))
			io.flags = FERRY_BLK_KEEP;
		CHECK_EQ(call(what < 17 ? FERRY_BLK_DISCARD : FERRY_BLK_WRITE_ZEROES, &io,
			      sizeof(io), NULL, 0, 0), 0);
	} else {
		resize();
	}
}

static u64 run(unsigned int steps, u32 max)
{
	u64 off, used;

	rnd = test_seed() * 0x9e3779b97f4a7c15ULL;
	kill_rnd = test_seed() * 0xbf58476d1ce4e5b9ULL;
	stores_max = max;
	size = 3U << 20;
	memset(model, 0, sizeof(model));
	state_heap_keeps = 32;
	mortal_start(ARGS);
	while (steps--)
		step();
	mortal_kill();
	for (off = 0; off < size; off += min(size - off, (u64)DATA))
		compare(off, min(size - off, (u64)DATA));
	used = mortal_used();
	mortal_end();
	return used;
}

static void disk_holds(void)
{
	unsigned int steps = test_scale(1500), deaths, marked;
	u64 used;

	claim_note("FERRY_TEST_SEED=%u", test_seed());
	used = run(steps, 9);
	deaths = mortal_deaths(&marked);
	claim_note("%u deaths, %u of them with the request done", deaths, marked);
	CHECK(deaths > steps / 8);
	CHECK_EQ(used, run(steps, 0));
}

static const struct claim claims[] = {
	{ "a disk is what was written to it, whenever its servers die", disk_holds, 300 },
};

CLAIMS_MAIN(claims)
