// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The heap in the state file: blocks of 2^order pages, split and joined in pairs, and
 * single pages cut into objects of one size.
 *
 * What is allocated stands in struct state_kind of its first page, and changes by one
 * store there, noted in the log before. The lists of what is free are each process's own,
 * also where they lie in the file: they are made anew from the kinds. All of it is used
 * in transactions alone, so it needs no lock.
 */
#include <sys/mman.h>

#include "state.h"

#define ORDER_MAX	27		/* the largest block: 512 GiB */
#define NIL		0xffffffffU
#define OBJECT_MAX	2048
#define MAP_WORDS	2		/* 128 objects of the smallest class */

/* Free blocks keep their memory for who comes next, up to so much, and small ones in any case. */
#define KEEP_PAGES	16384		/* 64 MiB */
#define KEEP_ORDER	4

/* struct state_kind.kind: what the page begins, and of which order or class */
#define KIND_FREE	(1U << 8)
#define KIND_BLOCK	(2U << 8)
#define KIND_OBJECTS	(3U << 8)
#define KIND_MASK	(~0xffU)

/**
 * struct state_kind - of a page that begins a block
 * @kind: KIND_* and, below it, the order or the class
 * @nr_free: KIND_OBJECTS: how many are free; KIND_FREE: how many of its pages may have memory;
 *	this process's own
 * @map: KIND_OBJECTS: which are allocated
 * @prev, @next: in a list of free blocks, or of pages with free objects; this process's own
 */
struct state_kind {
	u32 kind;
	u32 nr_free;
	u64 map[MAP_WORDS];
	u32 prev;
	u32 next;
};

static const u16 class_size[] = {
	32, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512, 672, 1024, 1360, OBJECT_MAX,
};

#define NR_CLASSES	ARRAY_SIZE(class_size)

static u8 class_of[OBJECT_MAX / 16 + 1];
static u32 free_blocks[ORDER_MAX + 1];
static u32 free_objects[NR_CLASSES];

u32 state_heap_keeps = KEEP_PAGES;
static u64 kept;		/* nr_free of all free blocks */
static u64 freed;		/* pages, since memory was given back */

static struct state_kind *kind_of(u32 page)
{
	return (struct state_kind *)(STATE_BASE + STATE_KINDS_OFF) + page;
}

static char *address_of(u32 page)
{
	return (char *)STATE_BASE + STATE_PAGES_OFF + (u64)page * FERRY_PAGE_SIZE;
}

static u32 page_of(const void *p)
{
	return ((uintptr_t)p - STATE_BASE - STATE_PAGES_OFF) / FERRY_PAGE_SIZE;
}

static u32 class_objects(u32 class)
{
	return FERRY_PAGE_SIZE / class_size[class];
}

bool state_heap_has(const void *p, size_t len)
{
	const u64 at = (uintptr_t)p - STATE_BASE;

	if (at < sizeof(*the_state))
		return len <= sizeof(*the_state) - at;
	return at >= STATE_PAGES_OFF && at < STATE_SIZE && len <= STATE_SIZE - at;
}

static void list_add(u32 *list, u32 page)
{
	struct state_kind *k = kind_of(page);

	k->prev = NIL;
	k->next = *list;
	if (*list != NIL)
		kind_of(*list)->prev = page;
	*list = page;
}

static void list_del(u32 *list, u32 page)
{
	struct state_kind *k = kind_of(page);

	if (k->prev != NIL)
		kind_of(k->prev)->next = k->next;
	else
		*list = k->next;
	if (k->next != NIL)
		kind_of(k->next)->prev = k->prev;
}

static void set_kind(u32 page, u32 kind)
{
	state_order();
	kind_of(page)->kind = kind;
	state_order();
}

/*
 * A free block goes where it belongs, joined with its other half as long as that is free.
 * @has: how many of its pages may have memory
 */
static void block_free(u32 page, u32 order, u32 has)
{
	kept += has;
	while (order < ORDER_MAX) {
		u32 other = page ^ (1U << order);

		if (other + (1U << order) > the_state->nr_pages ||
		    kind_of(other)->kind != (KIND_FREE | order))
			break;
		list_del(&free_blocks[order], other);
		has += kind_of(other)->nr_free;
		page = min(page, other);
		order++;
	}
	set_kind(page, KIND_FREE | order);
	kind_of(page)->nr_free = has;
	list_add(&free_blocks[order], page);
}

/* Pages that were never used, as free blocks, until there is one of @order. */
static bool grow(u32 order)
{
	u32 step;

	while (free_blocks[order] == NIL) {
		u32 page = the_state->nr_pages;

		/* up to the next multiple of the block's size in ever larger steps */
		step = page ? min((u32)__builtin_ctz(page), order) : order;
		if (page + (1ULL << step) > STATE_PAGES_MAX)
			return false;
		set_kind(page, KIND_FREE | step);
		the_state->nr_pages = page + (1U << step);
		block_free(page, step, 0);
	}
	return true;
}

/* The first page of a free block, taken off its list and cut to size; NIL: none is left. */
static u32 block_take(u32 order)
{
	u32 have = order;
	u32 page, has;

	while (have <= ORDER_MAX && free_blocks[have] == NIL)
		have++;
	if (have > ORDER_MAX) {
		if (!grow(order))
			return NIL;
		have = order;
	}
	page = free_blocks[have];
	list_del(&free_blocks[have], page);
	has = kind_of(page)->nr_free;
	while (have > order) {
		u32 half = page + (1U << --have);
		u32 first = min(has, 1U << have);

		/* The second half is seen when the first one becomes smaller. */
		set_kind(half, KIND_FREE | have);
		set_kind(page, KIND_FREE | have);
		kind_of(half)->nr_free = has - first;
		has = first;
		list_add(&free_blocks[have], half);
	}
	kept -= has;
	return page;
}

static void *block_alloc(u32 order, bool zero)
{
	u32 page = block_take(order);

	if (page == NIL)
		return NULL;
	state_tx_note(address_of(page), NOTE_ALLOC);
	set_kind(page, KIND_BLOCK | order);
	return zero ? memset(address_of(page), 0, (size_t)FERRY_PAGE_SIZE << order) :
		      address_of(page);
}

/* One more page of objects. */
static bool objects_make(u32 class)
{
	u32 page = block_take(0);
	struct state_kind *k;

	if (page == NIL)
		return false;
	k = kind_of(page);
	k->map[0] = 0;
	k->map[1] = 0;
	k->nr_free = class_objects(class);
	set_kind(page, KIND_OBJECTS | class);
	list_add(&free_objects[class], page);
	return true;
}

static void *object_alloc(u32 class)
{
	struct state_kind *k;
	u32 page, nr;
	void *p;

	if (free_objects[class] == NIL && !objects_make(class))
		return NULL;
	page = free_objects[class];
	k = kind_of(page);
	nr = ~k->map[0] ? __builtin_ctzll(~k->map[0]) : 64 + __builtin_ctzll(~k->map[1]);
	p = address_of(page) + nr * class_size[class];
	state_tx_note(p, NOTE_ALLOC);
	k->map[nr / 64] |= 1ULL << nr % 64;
	if (!--k->nr_free)
		list_del(&free_objects[class], page);
	return memset(p, 0, class_size[class]);
}

void *state_heap_alloc(size_t size)
{
	u64 pages = (size + FERRY_PAGE_SIZE - 1) / FERRY_PAGE_SIZE;

	if (size <= OBJECT_MAX)
		return object_alloc(class_of[(size + 15) / 16]);
	if (pages > 1U << ORDER_MAX)
		return NULL;
	return block_alloc(pages > 1 ? 64 - __builtin_clzll(pages - 1) : 0, true);
}

void *state_heap_page(bool zero)
{
	return block_alloc(0, zero);
}

static u32 object_nr(const struct state_kind *k, const void *p)
{
	return (uintptr_t)p % FERRY_PAGE_SIZE / class_size[k->kind & ~KIND_MASK];
}

/* Free in the file; the lists do not know. Can be repeated. */
void state_heap_mark_free(void *p)
{
	u32 page = page_of(p);
	struct state_kind *k = kind_of(page);
	u32 nr;

	switch (k->kind & KIND_MASK) {
	case KIND_BLOCK:
		set_kind(page, KIND_FREE | (k->kind & ~KIND_MASK));
		break;
	case KIND_OBJECTS:
		nr = object_nr(k, p);
		k->map[nr / 64] &= ~(1ULL << nr % 64);
		break;
	}
}

void state_heap_free(void *p)
{
	u32 page = page_of(p);
	struct state_kind *k = kind_of(page);
	u32 class = k->kind & ~KIND_MASK;

	if ((k->kind & KIND_MASK) == KIND_BLOCK) {
		freed += 1U << class;
		block_free(page, class, 1U << class);
		return;
	}
	state_heap_mark_free(p);
	if (!k->nr_free++)
		list_add(&free_objects[class], page);
	/* The last of its class is kept, for the next one. */
	if (k->nr_free < class_objects(class) ||
	    (free_objects[class] == page && k->next == NIL))
		return;
	list_del(&free_objects[class], page);
	freed++;
	block_free(page, 0, 1);
}

/*
 * The largest go first. What they hold is nothing that anybody reads, now or when this process
 * has died in here. Nothing is done before as much again was given back as is worth a walk
 * through the lists, for what is too much may lie in small blocks.
 */
void state_heap_trim(void)
{
	u32 order, page;

	if (likely(kept <= state_heap_keeps || freed < state_heap_keeps / 4))
		return;
	freed = 0;
	for (order = ORDER_MAX; order >= KEEP_ORDER; order--) {
		for (page = free_blocks[order]; page != NIL; page = kind_of(page)->next) {
			struct state_kind *k = kind_of(page);

			if (kept <= state_heap_keeps / 2)
				return;
			if (!k->nr_free ||
			    state_give_back(address_of(page), (u64)FERRY_PAGE_SIZE << order))
				continue;
			kept -= k->nr_free;
			k->nr_free = 0;
		}
	}
}

static void init_classes(void)
{
	u32 class = 0, i;

	for (i = 0; i < ARRAY_SIZE(class_of); i++) {
		if (i * 16 > class_size[class])
			class++;
		class_of[i] = class;
	}
	for (i = 0; i <= ORDER_MAX; i++)
		free_blocks[i] = NIL;
	for (i = 0; i < NR_CLASSES; i++)
		free_objects[i] = NIL;
	kept = 0;
	freed = 0;
}

u64 state_heap_used(void)
{
	u32 page = 0;
	u64 used = 0;

	while (page < the_state->nr_pages) {
		const struct state_kind *k = kind_of(page);
		u32 class = k->kind & ~KIND_MASK;

		if ((k->kind & KIND_MASK) == KIND_OBJECTS) {
			used += (class_objects(class) - k->nr_free) * class_size[class];
			page++;
			continue;
		}
		if ((k->kind & KIND_MASK) == KIND_BLOCK)
			used += (u64)FERRY_PAGE_SIZE << class;
		page += 1U << class;
	}
	return used;
}

/* Make the lists from what the pages say of themselves. */
void state_heap_init(void)
{
	u32 page = 0;

	init_classes();
	while (page < the_state->nr_pages) {
		struct state_kind *k = kind_of(page);
		u32 class = k->kind & ~KIND_MASK;
		u32 pages = 1;

		switch (k->kind & KIND_MASK) {
		case KIND_FREE:
			list_add(&free_blocks[class], page);
			pages = 1U << class;
			/* Nobody knows. */
			k->nr_free = pages;
			kept += pages;
			break;
		case KIND_BLOCK:
			pages = 1U << class;
			break;
		case KIND_OBJECTS:
			k->nr_free = class_objects(class) - __builtin_popcountll(k->map[0]) -
				     __builtin_popcountll(k->map[1]);
			if (k->nr_free)
				list_add(&free_objects[class], page);
			break;
		}
		page += pages;
	}
}
