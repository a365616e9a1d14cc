#include "lib/line.h"

#include "lib/string.h"

enum {
	CTRL_C = 'C' & 31,
	CTRL_D = 'D' & 31,
	CTRL_U = 'U' & 31,
	CTRL_W = 'W' & 31,
	BACKSPACE = '\b',
	ESCAPE = 27,
	DELETE = 127,
	/* Keys that come as an escape sequence. */
	KEY_NONE = 256,
	KEY_UP,
	KEY_DOWN,
};

/*
 * Where in an escape sequence the input is.  Cursor and function keys come as ESC [ ... letter, or
 * as ESC O letter.
 */
enum { PLAIN, ESCAPED, SEQUENCE };

void
line_begin(struct line *l, line_show_t show, char *buf, size_t size)
{
	l->show = show;
	l->buf = buf;
	l->size = size;
	l->len = 0;
	l->back = 0;
	l->escape = PLAIN;
	buf[0] = 0;
}

void
line_erase(const struct line *l, size_t n)
{
	while (n--)
		l->show("\b \b", 3);
}

static void
cut(struct line *l, size_t len)
{
	line_erase(l, l->len - len);
	l->len = len;
}

static void
insert(struct line *l, char c)
{
	if (l->len + 1 >= l->size) {
		l->show("\a", 1);
		return;
	}
	l->buf[l->len++] = c;
	l->show(&c, 1);
}

/* Returns the index of the last word's first character. */
static size_t
word_start(const struct line *l)
{
	size_t at = l->len;

	while (at && l->buf[at - 1] == ' ')
		at--;
	while (at && l->buf[at - 1] != ' ')
		at--;
	return at;
}

/*
 * Replaces the line by the one entered `back` lines ago, if that is kept; by an empty line if back
 * is 0.
 */
static void
recall(struct line *l, unsigned int back)
{
	if (back > l->entered || back > LINE_HISTORY)
		return;
	cut(l, 0);
	l->back = back;
	if (!back)
		return;
	for (const char *s = l->history[(l->entered - back) % LINE_HISTORY]; *s; s++)
		insert(l, *s);
}

static void
remember(struct line *l)
{
	const char *last = l->history[(l->entered - 1) % LINE_HISTORY];

	if (!l->len || l->len >= LINE_KEPT || !strcmp(l->buf, last))
		return;
	memcpy(l->history[l->entered++ % LINE_HISTORY], l->buf, l->len + 1);
}

/*
 * Returns the key that a byte is or ends, or KEY_NONE.  A control character is never part of a
 * sequence: it ends one.
 */
static int
key_of(struct line *l, unsigned char byte)
{
	unsigned char before = l->escape;

	l->escape = byte == ESCAPE ? ESCAPED : PLAIN;
	if (byte == ESCAPE)
		return KEY_NONE;
	if (byte < ' ' || before == PLAIN)
		return byte;
	if (before == ESCAPED ? byte == '[' || byte == 'O' : byte < '@') {
		l->escape = SEQUENCE;
		return KEY_NONE;
	}
	if (before == SEQUENCE && byte == 'A')
		return KEY_UP;
	return before == SEQUENCE && byte == 'B' ? KEY_DOWN : KEY_NONE;
}

/* Closes the line, shows its end and keeps it.  Returns `state`. */
static enum line_state
end(struct line *l, enum line_state state)
{
	if (state == LINE_CANCELLED) {
		l->show("^C", 2);
		l->len = 0;
	}
	l->buf[l->len] = 0;
	l->show("\n", 1);
	remember(l);
	return state;
}

enum line_state
line_key(struct line *l, unsigned char byte)
{
	bool second = byte == '\n' && l->after_cr;
	int key = key_of(l, byte);

	l->after_cr = byte == '\r';
	if (second) /* the LF of a CR LF */
		return LINE_OPEN;
	switch (key) {
	case '\r':
	case '\n':
		return end(l, LINE_DONE);
	case CTRL_C:
		return end(l, LINE_CANCELLED);
	case CTRL_D:
		return l->len ? LINE_OPEN : LINE_END;
	case BACKSPACE:
	case DELETE:
		cut(l, l->len ? l->len - 1 : 0);
		break;
	case CTRL_U:
		cut(l, 0);
		break;
	case CTRL_W:
		cut(l, word_start(l));
		break;
	case KEY_UP:
		recall(l, l->back + 1);
		break;
	case KEY_DOWN:
		recall(l, l->back - 1);
		break;
	default:
		if (key >= ' ' && key < DELETE)
			insert(l, key);
	}
	return LINE_OPEN;
}
