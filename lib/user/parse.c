#include "lib/user/parse.h"

#include "lib/string.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_separator(char c)
{
	return c == ';' || c == '&';
}

/*
 * Takes one word at *in, without its quotes, to *out; both move on.  The word
 * only ever gets shorter, so the two may share the line's memory.
 */
static bool
take_word(char **in, char **out)
{
	char quote = 0;

	for (; **in; (*in)++) {
		char c = **in;

		if (quote ? c == quote : c == '\'' || c == '"')
			quote = quote ? 0 : c;
		else if (!quote && (is_blank(c) || is_separator(c)))
			break;
		else
			*(*out)++ = c;
	}
	return !quote;
}

enum parse_result
parse_command(char **line, char **words, size_t max, size_t *count)
{
	char *in = *line, *out = *line;

	*line = NULL;
	*count = 0;
	for (;;) {
		char end;

		while (is_blank(*in))
			in++;
		end = *in;
		if (end && !is_separator(end)) {
			if (*count == max)
				return PARSE_TOO_MANY;
			words[(*count)++] = out;
			if (!take_word(&in, &out))
				return PARSE_OPEN_QUOTE;
			end = *in;
			*out++ = 0; /* may overwrite the separator at *in */
		}
		if (is_separator(end))
			*line = in + 1;
		if (!end || is_separator(end))
			return end == '&' ? PARSE_BACKGROUND : PARSE_OK;
		in++;
	}
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
parse_size(const char *text, uint64_t *bytes)
{
	static const char suffixes[] = "KMG";
	char *end;
	uint64_t n = strtoul(text, &end, 10);
	unsigned int shift = 0;
	const char *suffix;

	if (!is_digit(*text))
		return false;
	if (*end) {
		char upper = *end >= 'a' && *end <= 'z' ? *end - 'a' + 'A' : *end;

		suffix = strchr(suffixes, upper);
		if (!suffix || end[1])
			return false;
		shift = 10 * (suffix - suffixes + 1);
	}
	*bytes = n << shift;
	return *bytes >> shift == n;
}

bool
parse_number(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	*value = strtoul(text, &end, 0);
	return is_digit(*text) && !*end && *value <= max;
}

const char *
parse_option_rest(const char *cmdline, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = cmdline; *p; p++)
		if ((p == cmdline || is_blank(p[-1])) && !strncmp(p, name, len) && p[len] == '=')
			return p + len + 1;
	return NULL;
}
