/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The terminal as a screen and single keys. */
#ifndef FERRY_SCREEN_H
#define FERRY_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

/* screen_key(): a signal wants us to end, or the terminal is gone. */
#define SCREEN_END	(-1)

/** screen_open() - take the terminal; false: stdin and stdout are none */
bool screen_open(void);
void screen_close(void);

size_t screen_lines(void);

/* What is printed to stdout between the two is seen at once, and cut at the right edge. */
void screen_clear(void);
void screen_show(void);

/** screen_key() - the next key, 0 if none is pressed in time, or SCREEN_END */
int screen_key(int timeout_ms);

#endif
