#ifndef NESTLING_LIB_LINE_H
#define NESTLING_LIB_LINE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The line editor of every prompt: keys go in one by one, what the terminal is to show comes out.
 * Backspace, ^W and ^U take away a character, a word, the line; cursor up and down bring back
 * lines that were entered before.  Other cursor and function keys mean nothing.
 */
enum {
	LINE_HISTORY = 16, /* lines */
	LINE_KEPT = 128,   /* with the closing 0; a longer one is not kept */
};

/* What a terminal gets to show. */
typedef void (*line_show_t)(const char *s, size_t n);

/* One for each prompt, 0 at first. */
struct line {
	line_show_t show;
	char *buf;
	size_t size, len;
	unsigned int entered; /* lines in all */
	unsigned int back;    /* how many ago the one was that is shown, 0: new */
	unsigned char escape; /* how much of an escape sequence has come */
	bool after_cr;
	char history[LINE_HISTORY][LINE_KEPT];
};

enum line_state {
	LINE_OPEN,
	LINE_DONE,      /* it is in buf, with a closing 0, and the cursor is below it */
	LINE_CANCELLED, /* ^C; likewise, but empty */
	LINE_END,       /* ^D on an empty line */
};

/* From now on a new line goes to buf[size], the closing 0 included. */
void line_begin(struct line *l, line_show_t show, char *buf, size_t size);
/* Takes a byte of input.  What does not fit rings the bell. */
enum line_state line_key(struct line *l, unsigned char byte);
/* Takes n characters off the terminal; for who shows something else meanwhile. */
void line_erase(const struct line *l, size_t n);

#endif
