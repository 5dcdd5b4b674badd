// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does a blk-mq driver have to ask for merging?
 * Until 6.13; "block: remove BLK_MQ_F_SHOULD_MERGE".
 */
#include <linux/blk-mq.h>

unsigned int probe(void);
unsigned int probe(void)
{
	return BLK_MQ_F_SHOULD_MERGE;
}
