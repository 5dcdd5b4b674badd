// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The terminal as a screen and single keys: the few sequences that every terminal knows. */
#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ALTERNATE	"\033[?1049h\033[?25l\033[?7l"	/* no cursor, no wrapping */
#define ORDINARY	"\033[?7h\033[?25h\033[?1049l"
#define CLEAR		"\033[H\033[J"

static struct termios before;
static volatile sig_atomic_t ended;
static char buffer[1 << 16];

static void on_signal(int sig)
{
	ended = 1;
}

bool screen_open(void)
{
	struct sigaction end = { .sa_handler = on_signal };
	struct termios raw;

	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before))
		return false;
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGHUP, &end, NULL);
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs(ALTERNATE, stdout);
	return true;
}

void screen_close(void)
{
	fputs(ORDINARY, stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

size_t screen_lines(void)
{
	struct winsize size;

	return !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row > 4 ? size.ws_row : 24;
}

void screen_clear(void)
{
	fputs(CLEAR, stdout);
}

void screen_show(void)
{
	fflush(stdout);
}

int screen_key(int timeout_ms)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	unsigned char key;
	int n;

	n = ended ? 0 : poll(&in, 1, timeout_ms);
	if (ended || (n < 0 && errno != EINTR))
		return SCREEN_END;
	if (n <= 0)
		return 0;
	return read(STDIN_FILENO, &key, 1) == 1 ? key : SCREEN_END;
}
