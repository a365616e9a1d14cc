#include "lib/string.h"
#include "lib/vdev/ide.h"

/* The answer to IDENTIFY DEVICE (ATA/ATAPI-4, "IDENTIFY DEVICE"). */

static void
put_word(uint8_t *page, unsigned int word, uint16_t value)
{
	page[2 * word] = value;
	page[2 * word + 1] = value >> 8;
}

/* Strings are padded with blanks; each word holds its first character in the high byte. */
static void
put_string(uint8_t *page, unsigned int word, unsigned int words, const char *s)
{
	size_t len = strlen(s);

	for (unsigned int i = 0; i < 2 * words; i++)
		page[2 * word + (i ^ 1)] = i < len ? s[i] : ' ';
}

/* Tells a geometry, for drivers that compute the capacity from it. */
static void
put_geometry(uint8_t *page, uint32_t sectors)
{
	enum { HEADS = 16, TRACK = 63, CYLINDERS_MAX = 16383 };
	uint32_t cylinders = sectors / (HEADS * TRACK);

	put_word(page, 1, cylinders < CYLINDERS_MAX ? cylinders : CYLINDERS_MAX);
	put_word(page, 3, HEADS);
	put_word(page, 6, TRACK);
}

void
ide_identify(const struct ide *d, uint8_t *page)
{
	memset(page, 0, IDE_SECTOR);
	put_word(page, 0, 0x0040); /* fixed disk */
	put_geometry(page, d->sectors);
	put_string(page, 10, 10, "1");             /* serial number */
	put_string(page, 23, 4, "1.0");            /* firmware */
	put_string(page, 27, 20, "Nestling disk"); /* model */
	put_word(page, 47, 0x8000 | IDE_MULTIPLE_MAX);
	put_word(page, 49, 0x0200); /* LBA, no DMA */
	if (d->multiple)
		put_word(page, 59, 0x0100 | d->multiple);
	put_word(page, 60, d->sectors);
	put_word(page, 61, d->sectors >> 16);
	put_word(page, 80, 0x0010); /* ATA-4 */
	put_word(page, 83, 0x5000); /* FLUSH CACHE; the word is valid */
	put_word(page, 84, 0x4000);
	put_word(page, 86, 0x1000); /* what is supported is enabled */
	put_word(page, 87, 0x4000);
}
