// SOURCES: kern/boot/cpio.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inc/error.h"
#include "kern/boot/cpio.h"
#include "tests/unit/unit.h"

enum { ARCHIVE_MAX = 2048, HEADER = 110, MODE_AT = 14, FILESIZE_AT = 54, NAMESIZE_AT = 94 };

struct archive {
	char bytes[ARCHIVE_MAX];
	size_t size;
};

static void
pad(struct archive *a)
{
	while (a->size % 4)
		a->bytes[a->size++] = 0;
}

/* Appends a member, as cpio -H newc writes it. */
static void
add(struct archive *a, const char *name, unsigned int mode, const char *data)
{
	size_t left = ARCHIVE_MAX - a->size;

	a->size += snprintf(a->bytes + a->size, left,
	                    "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", 1, mode,
	                    0, 0, 1, 0, strlen(data), 0, 0, 0, 0, strlen(name) + 1, 0);
	strcpy(a->bytes + a->size, name);
	a->size += strlen(name) + 1;
	pad(a);
	memcpy(a->bytes + a->size, data, strlen(data));
	a->size += strlen(data);
	pad(a);
}

static struct archive
example(void)
{
	struct archive a = {.size = 0};

	add(&a, "bin", 0040755, "");
	add(&a, "bin/init", 0100755, "the first program");
	add(&a, "empty", 0100644, "");
	add(&a, "TRAILER!!!", 0, "");
	return a;
}

static void
test_walk(void **state)
{
	struct archive a = example();
	struct cpio_entry e;
	uint64_t offset = 0;

	(void)state;
	assert_int_equal(cpio_next(a.bytes, a.size, &offset, &e), 1);
	assert_string_equal(e.name, "bin");
	assert_int_equal(e.mode & CPIO_MODE_TYPE, 0040000);
	assert_int_equal(e.size, 0);
	assert_int_equal(cpio_next(a.bytes, a.size, &offset, &e), 1);
	assert_string_equal(e.name, "bin/init");
	assert_int_equal(e.mode & CPIO_MODE_TYPE, CPIO_MODE_FILE);
	assert_int_equal(e.size, 17);
	assert_memory_equal(e.data, "the first program", 17);
	assert_int_equal(cpio_next(a.bytes, a.size, &offset, &e), 1);
	assert_string_equal(e.name, "empty");
	assert_int_equal(cpio_next(a.bytes, a.size, &offset, &e), 0);
	assert_int_equal(offset, a.size);
	assert_int_equal(cpio_next(a.bytes, a.size, &offset, &e), -E_INVAL);
}

/* Walks a copy of an archive in a heap block of exactly its size, whose ends the sanitizer watches.
 */
static int
walk(const char *bytes, size_t size)
{
	char *copy = malloc(size + !size);
	struct cpio_entry e;
	uint64_t offset = 0, before;
	int result;

	memcpy(copy, bytes, size);
	do {
		before = offset;
		result = cpio_next(copy, size, &offset, &e);
		if (result == 1) {
			assert_true(offset > before);
			assert_true(strlen(e.name) < size);
			/* The data must be in the archive: adding it up makes the sanitizer check
			 * that. */
			for (uint32_t i = 0; i < e.size; i++)
				before += ((const char *)e.data)[i];
		}
	} while (result == 1);
	free(copy);
	return result;
}

static void
test_truncated(void **state)
{
	struct archive a = example();

	(void)state;
	/* The byte that pads the end marker's name, 11 bytes, may be missing. */
	for (size_t size = 0; size < a.size; size++)
		assert_int_equal(walk(a.bytes, size), -E_INVAL);
	assert_int_equal(walk(a.bytes, a.size), 0);
}

static void
patch(struct archive *a, size_t at, const char *digits)
{
	memcpy(a->bytes + at, digits, strlen(digits));
}

static void
test_damaged(void **state)
{
	static const struct {
		size_t at;
		const char *digits;
	} damage[] = {
	        {0, "070702"},             /* another format */
	        {NAMESIZE_AT, "00000000"}, /* no name */
	        {NAMESIZE_AT, "00000003"}, /* a name that does not end there */
	        {NAMESIZE_AT, "00000005"}, /* or ends before */
	        {NAMESIZE_AT, "FFFFFFFF"},
	        {NAMESIZE_AT, "7FFFFFFF"},
	        {NAMESIZE_AT, "0000 004"},
	        {FILESIZE_AT, "FFFFFFFF"},
	        {FILESIZE_AT, "80000000"},
	        {FILESIZE_AT, "-0000001"},
	        {FILESIZE_AT, "0x000000"},
	        {MODE_AT, "8i9abcde"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		struct archive a = example();

		patch(&a, damage[i].at, damage[i].digits);
		assert_int_equal(walk(a.bytes, a.size), -E_INVAL);
	}
}

/* Random bytes in a good archive: any result may come, but nothing outside is touched. */
static void
test_random_damage(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct archive a = example();
		unsigned int changes = random32(&seed) % 4 + 1;

		for (unsigned int i = 0; i < changes; i++)
			a.bytes[random32(&seed) % a.size] =
			        "0123456789abcdefABCDEF7\0x"[random32(&seed) % 25];
		walk(a.bytes, random32(&seed) % 4 ? a.size : random32(&seed) % a.size);
	}
}

static void
test_bad_offset(void **state)
{
	struct archive a = example();
	struct cpio_entry e;
	uint64_t offset = UINT64_MAX;

	(void)state;
	assert_int_equal(cpio_next(a.bytes, a.size, &offset, &e), -E_INVAL);
	assert_int_equal(offset, UINT64_MAX);
}

UNIT_MAIN(cmocka_unit_test(test_walk), cmocka_unit_test(test_truncated),
          cmocka_unit_test(test_damaged), cmocka_unit_test(test_random_damage),
          cmocka_unit_test(test_bad_offset))
