#ifndef NESTLING_LIB_LINE_H
#define NESTLING_LIB_LINE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The line editor of every prompt: keys go in one by one, and text for the terminal comes out.
 * Backspace, ^W and ^U delete a character, a word, the line.  Cursor up and down bring back lines
 * that were entered before; other cursor and function keys do nothing.
 */
enum {
	LINE_HISTORY = 16, /* lines */
	LINE_KEPT = 128,   /* bytes of a line, with the closing 0; a longer line is not kept */
};

/* Shows n characters on the terminal. */
typedef void (*line_show_t)(const char *s, size_t n);

/* The state of a prompt.  All of it is 0 at first. */
struct line {
	line_show_t show;
	char *buf;
	size_t size, len;
	unsigned int entered; /* number of lines entered so far */
	unsigned int back;    /* how many lines ago the shown line was entered; 0: it is new */
	unsigned char escape; /* how much of an escape sequence has come */
	bool after_cr;
	char history[LINE_HISTORY][LINE_KEPT];
};

enum line_state {
	LINE_OPEN,
	LINE_DONE,      /* the line is in buf, with a closing 0, and the cursor is below it */
	LINE_CANCELLED, /* ^C: as LINE_DONE, with an empty line */
	LINE_END,       /* ^D on an empty line */
};

/* Begins a new line, which goes to buf[size] with its closing 0. */
void line_begin(struct line *l, line_show_t show, char *buf, size_t size);
/* Takes a byte of input.  Rings the bell for a character that does not fit. */
enum line_state line_key(struct line *l, unsigned char byte);
/* Takes n characters off the terminal, for a caller that shows something else meanwhile. */
void line_erase(const struct line *l, size_t n);

#endif
