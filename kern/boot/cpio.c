#include "kern/boot/cpio.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "lib/string.h"

/* The header: all text; numbers are 8 hexadecimal digits. */
enum { DIGITS = 8, ALIGNMENT = 4 };
struct header {
	char magic[6];
	char ino[DIGITS], mode[DIGITS], uid[DIGITS], gid[DIGITS], nlink[DIGITS], mtime[DIGITS];
	char filesize[DIGITS];
	char dev_major[DIGITS], dev_minor[DIGITS], rdev_major[DIGITS], rdev_minor[DIGITS];
	char namesize[DIGITS]; /* with the closing 0 */
	char check[DIGITS];
};
_Static_assert(sizeof(struct header) == 110, "newc header");

#define MAGIC    "070701"
#define END_NAME "TRAILER!!!"

/* The number, or -1 when it is not one. */
static int64_t
number(const char *text)
{
	int64_t n = 0;

	for (int i = 0; i < DIGITS; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			n = n << 4 | (c - '0');
		else if (c >= 'A' && c <= 'F')
			n = n << 4 | (c - 'A' + 10);
		else if (c >= 'a' && c <= 'f')
			n = n << 4 | (c - 'a' + 10);
		else
			return -1;
	}
	return n;
}

int
cpio_next(const void *archive, uint64_t size, uint64_t *offset, struct cpio_entry *e)
{
	uint64_t left = *offset < size ? size - *offset : 0;
	const char *p = (const char *)archive + (size - left);
	const struct header *h = (const struct header *)p;
	int64_t name_size, data_size, mode;
	uint64_t data;

	if (left < sizeof *h || memcmp(h->magic, MAGIC, sizeof h->magic) != 0)
		return -E_INVAL;
	name_size = number(h->namesize);
	data_size = number(h->filesize);
	mode = number(h->mode);
	if (name_size <= 0 || data_size < 0 || mode < 0)
		return -E_INVAL;
	/* Both are below 2^32: the sums cannot overflow. */
	data = ROUND_UP(sizeof *h + (uint64_t)name_size, ALIGNMENT);
	if (data > left || (uint64_t)data_size > left - data)
		return -E_INVAL;
	e->name = p + sizeof *h;
	if (strnlen(e->name, name_size) != (uint64_t)name_size - 1)
		return -E_INVAL;
	e->data = p + data;
	e->size = data_size;
	e->mode = mode;
	*offset += ROUND_UP(data + (uint64_t)data_size, ALIGNMENT);
	return strcmp(e->name, END_NAME) != 0;
}
