/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#ifndef KILL_POINTS_H
#define KILL_POINTS_H

#include <stdint.h>

/** kill_in - the process dies before so many more stores of the code under test; 0: never */
extern uint32_t kill_in;

/** kill_points - stores that it has made */
extern uint32_t kill_points;

#endif
