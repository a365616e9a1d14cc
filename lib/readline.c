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

/* getchar_blocking() gave no byte. */
enum { CONSOLE_GONE = -1, CHILD_ENDED = -2 };

/* The next byte of input. */
static int
getchar_blocking(unsigned int how)
{
	unsigned char c;
	long n = sys_console_read(&c, 1, how);

	if (n == 1)
		return c;
	return n == -E_AGAIN ? CHILD_ENDED : CONSOLE_GONE;
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

/*
 * Cursor and function keys come as ESC [ ... letter; they mean nothing here.  Returns the control
 * character that ended one before its letter, or what getchar_blocking() gave; else 0.
 */
static int
skip_escape_sequence(void)
{
	int c = getchar_blocking(CONSOLE_WAIT);

	if (c == '[' || c == 'O') {
		do
			c = getchar_blocking(CONSOLE_WAIT);
		while (c >= ' ' && c < '@');
	}
	return c < ' ' ? c : 0;
}

/* The next key, or 0 for those that mean nothing. */
static int
next_key(unsigned int how)
{
	int c = getchar_blocking(how);

	while (c == ESCAPE)
		c = skip_escape_sequence();
	return c;
}

int
readline(const char *prompt, char *buf, size_t size)
{
	return readline_news(prompt, buf, size, NULL);
}

int
readline_news(const char *prompt, char *buf, size_t size, void (*news)(void))
{
	size_t len = 0, keep;

	printf("%s", prompt);
	for (;;) {
		int c = next_key(news ? CONSOLE_WAIT_CHILD : CONSOLE_WAIT);

		switch (c) {
		case CONSOLE_GONE:
			return READLINE_END;
		case CHILD_ENDED:
			erase(strlen(prompt) + len);
			news();
			printf("%s%.*s", prompt, (int)len, buf);
			break;
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
		default:
			if (c >= ' ' && c < DELETE && len + 1 < size)
				buf[len++] = putchar(c);
			keep = kept(c, buf, len);
			erase(len - keep);
			len = keep;
		}
	}
}
