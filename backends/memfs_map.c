// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * u64 -> pointer in order of the key: a radix tree of 64-way nodes, which grows
 * in height with the largest key. Used for the pages of a file and for the
 * order of a directory's listing. The caller locks.
 */
#include "memfs.h"

#define BITS		6
#define SLOTS		(1U << BITS)
#define HEIGHT_MAX	10	/* keys below 2^60 */

struct branch {
	void *slot[SLOTS];
};

static bool fits(const struct memfs_map *map, u64 key)
{
	return !(key >> (map->height * BITS));
}

static bool branch_empty(const struct branch *b)
{
	u32 i;

	for (i = 0; i < SLOTS; i++)
		if (b->slot[i])
			return false;
	return true;
}

/* Free the branches on the way to @key that hold nothing. */
static void prune(struct memfs_map *map, u64 key)
{
	void **way[HEIGHT_MAX + 1];
	u32 shift = map->height * BITS;
	u32 n = 0;

	way[n] = &map->root;
	while (shift && *way[n]) {
		struct branch *b = *way[n];

		shift -= BITS;
		way[++n] = &b->slot[(key >> shift) % SLOTS];
	}
	/* way[n] is a slot of the branch in *way[n - 1] */
	while (n-- && branch_empty(*way[n])) {
		ferry_state_free(*way[n]);
		ferry_tx_save(*way[n]);
		*way[n] = NULL;
	}
	if (!map->root) {
		ferry_tx_save(map->height);
		map->height = 0;
	}
}

/*
 * Put @item, not NULL, at @key; what was there is forgotten
 * Return: 0, -ENOMEM, or -EFBIG for a key of 2^60 and more
 */
int memfs_map_set(struct memfs_map *map, u64 key, void *item)
{
	void **slot;
	u32 shift;

	if (key >> (HEIGHT_MAX * BITS))
		return -EFBIG;

	if (!fits(map, key))
		ferry_tx_save(*map);
	while (!fits(map, key)) {
		if (map->root) {
			struct branch *b = ferry_state_alloc(sizeof(*b));

			if (!b)
				return -ENOMEM;
			b->slot[0] = map->root;
			map->root = b;
		}
		map->height++;
	}

	slot = &map->root;
	for (shift = map->height * BITS; shift; ) {
		struct branch *b = *slot;

		if (!b) {
			b = ferry_state_alloc(sizeof(*b));
			if (!b) {
				prune(map, key);
				return -ENOMEM;
			}
			ferry_tx_save(*slot);
			*slot = b;
		}
		shift -= BITS;
		slot = &b->slot[(key >> shift) % SLOTS];
	}
	ferry_tx_save(*slot);
	*slot = item;
	return 0;
}

/*
 * What is at @key, which fits. NULL: and nothing at the keys around it, those which differ in
 * the lowest @shift bits alone.
 */
static inline void *descend(const struct memfs_map *map, u64 key, u32 *shift)
{
	void *p = map->root;

	*shift = map->height * BITS;
	while (p && *shift) {
		*shift -= BITS;
		p = ((struct branch *)p)->slot[(key >> *shift) % SLOTS];
	}
	return p;
}

/* What is at @key, or NULL */
void *memfs_map_get(const struct memfs_map *map, u64 key)
{
	u32 shift;

	return fits(map, key) ? descend(map, key, &shift) : NULL;
}

/*
 * The first item at @key or behind it
 * @key: in: where to begin; out: the item's
 * Return: the item, or NULL if there is none
 */
void *memfs_map_next(const struct memfs_map *map, u64 *key)
{
	u64 k = *key;
	u32 shift;

	while (map->root && fits(map, k)) {
		void *p = descend(map, k, &shift);

		if (p) {
			*key = k;
			return p;
		}
		/* nothing below that slot: go on behind all it could hold */
		k = ((k >> shift) + 1) << shift;
	}
	return NULL;
}

/*
 * The last item at @key or before it
 * @key: in: where to begin; out: the item's
 * Return: the item, or NULL if there is none
 */
void *memfs_map_prev(const struct memfs_map *map, u64 *key)
{
	u64 k = fits(map, *key) ? *key : (1ULL << (map->height * BITS)) - 1;
	u32 shift;

	while (map->root) {
		void *p = descend(map, k, &shift);

		if (p) {
			*key = k;
			return p;
		}
		/* nothing below that slot: go on before all it could hold */
		k = k >> shift << shift;
		if (!k--)
			break;
	}
	return NULL;
}

/* Take away what is at @key, and return it */
void *memfs_map_del(struct memfs_map *map, u64 key)
{
	u32 shift = map->height * BITS;
	void **slot = &map->root;
	void *item;

	if (!fits(map, key))
		return NULL;
	while (*slot && shift) {
		struct branch *b = *slot;

		shift -= BITS;
		slot = &b->slot[(key >> shift) % SLOTS];
	}
	item = *slot;
	if (!item)
		return NULL;
	ferry_tx_save(*slot);
	*slot = NULL;
	prune(map, key);
	return item;
}
