#include "lib/printf.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/string.h"

/* The most that a width or precision may ask for. */
enum { FIELD_MAX = 65535 };

struct out {
	void (*put)(void *arg, char c);
	void *arg;
};

/* One conversion specification. */
struct spec {
	bool left, zero, plus, space, alt;
	int width;
	int precision; /* -1: none given */
	enum { LEN_HH, LEN_H, LEN_INT, LEN_L, LEN_LL } length;
	char conv;
};

/* A number to print: prefix, zeros, digits. */
struct number {
	const char *prefix;
	const char *digits;
	int len; /* of digits */
};

static void
repeat(const struct out *o, char c, int n)
{
	for (; n > 0; n--)
		o->put(o->arg, c);
}

static void
write(const struct out *o, const char *s, int n)
{
	for (int i = 0; i < n; i++)
		o->put(o->arg, s[i]);
}

static void
put_text(const struct out *o, const struct spec *sp, const char *s, int len)
{
	int pad = sp->width - len;

	if (!sp->left)
		repeat(o, ' ', pad);
	write(o, s, len);
	if (sp->left)
		repeat(o, ' ', pad);
}

static void
put_string(const struct out *o, const struct spec *sp, const char *s)
{
	if (!s)
		s = "(null)";
	put_text(o, sp, s, strnlen(s, sp->precision < 0 ? INT_MAX : sp->precision));
}

static void
put_number(const struct out *o, const struct spec *sp, const struct number *n)
{
	int prefix = strlen(n->prefix);
	int zeros = sp->precision - n->len;
	int pad;

	/* The 0 flag fills up to the width, unless there is a precision or the - flag. */
	if (sp->zero && !sp->left && sp->precision < 0)
		zeros = sp->width - prefix - n->len;
	if (zeros < 0)
		zeros = 0;
	pad = sp->width - prefix - zeros - n->len;

	if (!sp->left)
		repeat(o, ' ', pad);
	write(o, n->prefix, prefix);
	repeat(o, '0', zeros);
	write(o, n->digits, n->len);
	if (sp->left)
		repeat(o, ' ', pad);
}

static intmax_t
signed_arg(const struct spec *sp, va_list *ap)
{
	switch (sp->length) {
	case LEN_HH:
		return (signed char)va_arg(*ap, int);
	case LEN_H:
		return (short)va_arg(*ap, int);
	case LEN_INT:
		return va_arg(*ap, int);
	default: /* long has 64 bits, too: 32-bit code must use ll */
		return va_arg(*ap, long long);
	}
}

static uintmax_t
unsigned_arg(const struct spec *sp, va_list *ap)
{
	switch (sp->length) {
	case LEN_HH:
		return (unsigned char)va_arg(*ap, int);
	case LEN_H:
		return (unsigned short)va_arg(*ap, int);
	case LEN_INT:
		return va_arg(*ap, unsigned int);
	default:
		return va_arg(*ap, unsigned long long);
	}
}

static const char *
sign(const struct spec *sp, bool negative)
{
	return negative ? "-" : sp->plus ? "+" : sp->space ? " " : "";
}

/* Prints a d, i, u, x, X, o or p. */
static void
put_integer(const struct out *o, const struct spec *sp, va_list *ap)
{
	bool is_signed = sp->conv == 'd' || sp->conv == 'i';
	bool hex = sp->conv == 'x' || sp->conv == 'X' || sp->conv == 'p';
	const char *digits = sp->conv == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	unsigned int base = hex ? 16 : sp->conv == 'o' ? 8 : 10;
	char buf[sizeof(uintmax_t) * CHAR_BIT / 3 + 2]; /* octal, with alt's leading 0 */
	char *p = buf + sizeof(buf);
	struct number n = {.prefix = ""};
	uintmax_t v;

	if (is_signed) {
		intmax_t s = signed_arg(sp, ap);
		n.prefix = sign(sp, s < 0);
		v = s < 0 ? -(uintmax_t)s : (uintmax_t)s;
	} else {
		v = unsigned_arg(sp, ap);
	}
	if (hex && sp->alt && (v || sp->conv == 'p'))
		n.prefix = sp->conv == 'X' ? "0X" : "0x";

	/* Precision 0 prints 0 as nothing. */
	for (uintmax_t rest = v; rest || (p == buf + sizeof(buf) && sp->precision != 0);
	     rest /= base)
		*--p = digits[rest % base];
	n.len = buf + sizeof(buf) - p;
	if (base == 8 && sp->alt && sp->precision <= n.len && (n.len == 0 || *p != '0')) {
		*--p = '0';
		n.len++;
	}
	n.digits = p;
	put_number(o, sp, &n);
}

/* Reads a literal number or *, cut to FIELD_MAX, and moves *fmt behind it. */
static int
parse_number(const char **fmt, va_list *ap)
{
	int n = 0;

	if (**fmt == '*') {
		++*fmt;
		n = va_arg(*ap, int);
	}
	for (; **fmt >= '0' && **fmt <= '9'; ++*fmt)
		n = n < FIELD_MAX ? n * 10 + (**fmt - '0') : FIELD_MAX;
	if (n > FIELD_MAX)
		return FIELD_MAX;
	return n < -FIELD_MAX ? -FIELD_MAX : n;
}

static const char *
parse_flags(struct spec *sp, const char *fmt)
{
	for (;; fmt++) {
		switch (*fmt) {
		case '-':
			sp->left = true;
			break;
		case '0':
			sp->zero = true;
			break;
		case '+':
			sp->plus = true;
			break;
		case ' ':
			sp->space = true;
			break;
		case '#':
			sp->alt = true;
			break;
		default:
			return fmt;
		}
	}
}

static const char *
parse_length(struct spec *sp, const char *fmt)
{
	switch (*fmt) {
	case 'h':
		sp->length = fmt[1] == 'h' ? LEN_HH : LEN_H;
		return fmt + (fmt[1] == 'h' ? 2 : 1);
	case 'l':
		sp->length = fmt[1] == 'l' ? LEN_LL : LEN_L;
		return fmt + (fmt[1] == 'l' ? 2 : 1);
	case 'z':
	case 'j':
		sp->length = LEN_L;
		return fmt + 1;
	default:
		sp->length = LEN_INT;
		return fmt;
	}
}

/* Reads everything behind the %.  Returns what follows the conversion's letter. */
static const char *
parse_spec(struct spec *sp, const char *fmt, va_list *ap)
{
	*sp = (struct spec){.precision = -1};
	fmt = parse_flags(sp, fmt);
	sp->width = parse_number(&fmt, ap);
	if (sp->width < 0) {
		sp->left = true;
		sp->width = -sp->width;
	}
	if (*fmt == '.') {
		fmt++;
		sp->precision = parse_number(&fmt, ap);
	}
	fmt = parse_length(sp, fmt);
	sp->conv = *fmt;
	return *fmt ? fmt + 1 : fmt;
}

static void
convert(const struct out *o, struct spec *sp, va_list *ap)
{
	char c;

	switch (sp->conv) {
	case 'p':
		sp->alt = true;
		sp->length = LEN_L;
		__attribute__((fallthrough));
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		put_integer(o, sp, ap);
		break;
	case 'c':
		c = va_arg(*ap, int);
		put_text(o, sp, &c, 1);
		break;
	case 's':
		put_string(o, sp, va_arg(*ap, const char *));
		break;
	case '%':
		o->put(o->arg, '%');
		break;
	case 0:
		break;
	default: /* an unknown conversion shows itself */
		o->put(o->arg, '%');
		o->put(o->arg, sp->conv);
	}
}

void
vformat(void (*put)(void *arg, char c), void *arg, const char *fmt, va_list ap)
{
	struct out o = {.put = put, .arg = arg};
	struct spec sp;
	va_list args;

	/* A copy of our own: a va_list that is a parameter cannot be passed by address. */
	va_copy(args, ap);
	while (*fmt) {
		if (*fmt != '%') {
			put(arg, *fmt++);
			continue;
		}
		fmt = parse_spec(&sp, fmt + 1, &args);
		convert(&o, &sp, &args);
	}
	va_end(args);
}

struct buffer {
	char *buf;
	size_t size, len; /* len also counts bytes that did not fit */
};

static void
buffer_put(void *arg, char c)
{
	struct buffer *b = arg;

	if (b->len + 1 < b->size)
		b->buf[b->len] = c;
	b->len++;
}

int
vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct buffer b = {.buf = buf, .size = size};

	vformat(buffer_put, &b, fmt, ap);
	if (size)
		buf[b.len < size ? b.len : size - 1] = 0;
	return b.len;
}

int
snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
