#include "boot/loader.h"

#include "lib/string.h"

/* The boot drive, by INT 13h extensions (Enhanced Disk Drive Specification, version 3.0). */

struct drive_parameters {
	uint16_t size; /* bytes of this structure */
	uint16_t flags;
	uint32_t cylinders, heads, sectors_per_track;
	uint64_t sectors;
	uint16_t sector_size;
} __attribute__((packed));

struct address_packet {
	uint8_t size; /* bytes of this structure */
	uint8_t zero;
	uint16_t sectors;
	uint16_t offset, segment; /* address of the buffer */
	uint64_t lba;
} __attribute__((packed));

_Static_assert(sizeof(struct drive_parameters) == 26, "INT 13h, AH=48h");
_Static_assert(sizeof(struct address_packet) == 16, "INT 13h, AH=42h");

static uint8_t boot_drive;
static uint64_t drive_sectors;

/* Calls a function of INT 13h with ds:si pointing to its structure, which must lie below 64 KiB. */
static void
drive_call(uint8_t function, void *structure, struct bios_regs *regs)
{
	*regs = (struct bios_regs){
	        .eax = function << 8, .edx = boot_drive, .esi = (uint32_t)structure};
	bios_call(0x13, regs);
}

void
disk_init(uint8_t drive)
{
	struct drive_parameters p = {.size = sizeof(p)};
	struct bios_regs regs;

	boot_drive = drive;
	drive_call(0x48, &p, &regs);
	if (regs.flags & BIOS_CF)
		fail("disk error asking for the size of drive %x, status %x", drive,
		     regs.eax >> 8 & 0xff);
	if (p.sector_size != SECTOR_SIZE)
		fail("drive %x has sectors of %u bytes, expected %u", drive, p.sector_size,
		     SECTOR_SIZE);
	drive_sectors = p.sectors;
}

static uint32_t
sectors_of(uint32_t bytes)
{
	return bytes / SECTOR_SIZE + (bytes % SECTOR_SIZE != 0);
}

void
disk_check(const char *what, const struct image_extent *e)
{
	uint64_t end = (uint64_t)e->lba + sectors_of(e->size);

	if (e->lba < IMAGE_DATA_LBA || !e->size)
		fail("bad image header: %s of %u bytes at sector %u, expected some behind %u", what,
		     e->size, e->lba, IMAGE_DATA_LBA - 1);
	if (end > drive_sectors)
		fail("disk too short: the %s reaches sector %X, the disk has %X sectors", what,
		     end - 1, drive_sectors);
}

static void
read_sectors(uint32_t lba, uint32_t count)
{
	struct address_packet packet = {
	        .size = sizeof(packet), .sectors = count, .segment = IO_BUFFER >> 4, .lba = lba};
	struct bios_regs regs;

	drive_call(0x42, &packet, &regs);
	if (regs.flags & BIOS_CF)
		fail("disk error reading %u sectors at %u of drive %x, status %x", count, lba,
		     boot_drive, regs.eax >> 8 & 0xff);
}

void
disk_read(const struct image_extent *e, uint32_t offset, void *dst, uint32_t size)
{
	uint32_t lba = e->lba + offset / SECTOR_SIZE;
	uint32_t skip = offset % SECTOR_SIZE; /* in the first sector */
	uint8_t *to = dst;

	while (size) {
		uint32_t room = IO_BUFFER_SECTORS * SECTOR_SIZE - skip;
		uint32_t bytes = size < room ? size : room;
		uint32_t count = sectors_of(skip + bytes);

		read_sectors(lba, count);
		memcpy(to, (const uint8_t *)IO_BUFFER + skip, bytes);
		lba += count;
		to += bytes;
		size -= bytes;
		skip = 0;
	}
}
