#include "lib/line.h"
#include "lib/user/user.h"

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
show(const char *s, size_t n)
{
	put_bytes(s, n);
}

static struct line line;

int
readline(const char *prompt, char *buf, size_t size)
{
	return readline_news(prompt, buf, size, NULL);
}

/* What is typed stays, below the news. */
static void
tell(const char *prompt, void (*news)(void))
{
	line_erase(&line, strlen(prompt) + line.len);
	news();
	printf("%s%.*s", prompt, (int)line.len, line.buf);
}

int
readline_news(const char *prompt, char *buf, size_t size, void (*news)(void))
{
	printf("%s", prompt);
	line_begin(&line, show, buf, size);
	for (;;) {
		int c = getchar_blocking(news ? CONSOLE_WAIT_CHILD : CONSOLE_WAIT);

		if (c == CONSOLE_GONE)
			return READLINE_END;
		if (c == CHILD_ENDED) {
			tell(prompt, news);
			continue;
		}
		switch (line_key(&line, c)) {
		case LINE_OPEN:
			break;
		case LINE_DONE:
			return line.len;
		case LINE_CANCELLED:
			return READLINE_CANCELLED;
		case LINE_END:
			return READLINE_END;
		}
	}
}
