#include "lib/user.h"

enum {
	CTRL_C = 'C' & 31,
	CTRL_D = 'D' & 31,
	CTRL_U = 'U' & 31,
	CTRL_W = 'W' & 31,
	BACKSPACE = '\b',
	ESCAPE = 27,
	DELETE = 127,
};

/* The next byte of input; -1 when the console is gone. */
static int
getchar_blocking(void)
{
	unsigned char c;

	return sys_console_read(&c, 1, true) == 1 ? c : -1;
}

static void
erase(size_t n)
{
	while (n--)
		printf("\b \b");
}

/* Where the last word of buf[0..len) begins. */
static size_t
word_start(const char *buf, size_t len)
{
	while (len && buf[len - 1] == ' ')
		len--;
	while (len && buf[len - 1] != ' ')
		len--;
	return len;
}

/* How much of buf[0..len) an editing key leaves. */
static size_t
kept(int key, const char *buf, size_t len)
{
	switch (key) {
	case BACKSPACE:
	case DELETE:
		return len ? len - 1 : 0;
	case CTRL_U:
		return 0;
	case CTRL_W:
		return word_start(buf, len);
	default:
		return len;
	}
}

/* Cursor and function keys come as ESC [ ... letter; they mean nothing here. */
static void
skip_escape_sequence(void)
{
	int c = getchar_blocking();

	if (c != '[' && c != 'O')
		return;
	do
		c = getchar_blocking();
	while (c >= 0 && c < '@');
}

int
readline(const char *prompt, char *buf, size_t size)
{
	size_t len = 0, keep;

	printf("%s", prompt);
	for (;;) {
		int c = getchar_blocking();

		switch (c) {
		case -1:
			return READLINE_END;
		case CTRL_C:
			printf("^C\n");
			return READLINE_CANCELLED;
		case CTRL_D:
			if (len == 0)
				return READLINE_END;
			break;
		case '\r':
		case '\n':
			buf[len] = 0;
			putchar('\n');
			return len;
		case ESCAPE:
			skip_escape_sequence();
			break;
		default:
			if (c >= ' ' && c < DELETE && len + 1 < size)
				buf[len++] = putchar(c);
			keep = kept(c, buf, len);
			erase(len - keep);
			len = keep;
		}
	}
}
