#include "guest/boot/loader.h"
#include "inc/x86.h"

enum {
	READ_MAX = 255,      /* sectors a command; its count register has 8 bits */
	IDENTIFY_LBA28 = 60, /* words 60 and 61: addressable sectors */
	IDENTIFY_WORDS = 256,
};

/*
 * Waits until the disk has data.  Fails with the message `refused` if it reports an error instead.
 */
static void
wait_data(const char *refused)
{
	uint8_t status = IDE_BSY;

	for (uint32_t i = 0; i < IDE_POLLS && (status & IDE_BSY); i++)
		status = inb(IDE_STATUS);
	if (status & IDE_BSY)
		fail("the disk does not answer");
	if ((status & (IDE_ERR | IDE_DF)) || !(status & IDE_DRQ))
		fail(refused);
}

static void
command(uint32_t lba, uint8_t count, uint8_t code)
{
	outb(IDE_DRIVE, IDE_MASTER_LBA | lba >> 24);
	outb(IDE_COUNT, count);
	outb(IDE_LBA0, lba);
	outb(IDE_LBA1, lba >> 8);
	outb(IDE_LBA2, lba >> 16);
	outb(IDE_COMMAND, code);
}

uint32_t
disk_sectors(void)
{
	static uint16_t id[IDENTIFY_WORDS];

	command(0, 0, IDE_IDENTIFY);
	wait_data("the disk does not identify itself");
	insl(IDE_DATA, id, sizeof(id) / 4);
	return id[IDENTIFY_LBA28] | (uint32_t)id[IDENTIFY_LBA28 + 1] << 16;
}

void
disk_read(uint32_t lba, uint32_t count, void *to)
{
	uint8_t *p = to;

	while (count > 0) {
		uint32_t n = count < READ_MAX ? count : READ_MAX;

		command(lba, n, IDE_READ_SECTORS);
		for (uint32_t i = 0; i < n; i++) {
			wait_data("cannot read the kernel from the disk");
			insl(IDE_DATA, p, SECTOR_SIZE / 4);
			p += SECTOR_SIZE;
		}
		lba += n;
		count -= n;
	}
}
