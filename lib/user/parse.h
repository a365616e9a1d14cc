#ifndef NESTLING_LIB_USER_PARSE_H
#define NESTLING_LIB_USER_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parsers of the shell and of program arguments.  Pure. */

/* What parse_command found. */
enum parse_result {
	PARSE_OK,
	PARSE_BACKGROUND, /* the same, and the command ends with `&' */
	PARSE_OPEN_QUOTE, /* the line ends inside a quoted word */
	PARSE_TOO_MANY,   /* more than max words */
};

/*
 * Takes the next command off *line: words separated by blanks, up to `;`, `&` or
 * the end.  'text' and "text" hold blanks and these, and join what they
 * touch.  The words are closed with 0 inside *line itself, which then points
 * behind the command, or is NULL when none follows.  *count may be 0.
 */
enum parse_result parse_command(char **line, char **words, size_t max, size_t *count);

/* A whole number with the suffix K, M or G (powers of 1024) or none.  False when malformed or too
 * large. */
bool parse_size(const char *text, uint64_t *bytes);

/* A whole number from 0 to max, all of text.  False when it is not. */
bool parse_number(const char *text, uint64_t max, uint64_t *value);

/* The value of the last option of a kernel command line, NAME=everything to the end; NULL if not
 * there. */
const char *parse_option_rest(const char *cmdline, const char *name);

#endif
