#ifndef NESTLING_LIB_VDEV_IDE_H
#define NESTLING_LIB_VDEV_IDE_H

#include "lib/vdev/vdev.h"

/*
 * The PC's first IDE channel with one disk, the master: ports 1f0-1f7 and 3f6, PIO and 28-bit
 * LBA (ATA/ATAPI-4).  The disk's contents are memory of the caller's.
 */

enum { IDE_SECTOR = 512, IDE_MULTIPLE_MAX = 16, IDE_IRQ = 14 };

struct ide_disk {
	uint8_t *data;
	uint64_t size; /* bytes; behind them the last sector reads as zeros and loses what is
	                  written */
	bool readonly; /* writes are refused */
};

struct ide {
	struct ide_disk disk;
	struct vdev_irq irq;
	uint32_t sectors; /* capacity */
	/* Registers */
	uint8_t error, features, count, lba[3], device, status, control;
	bool intrq;       /* an interrupt waits to be acknowledged */
	uint8_t multiple; /* sectors per READ/WRITE MULTIPLE block; 0: not set */
	/* The data transfer under way, which the guest cannot change through the registers. */
	enum ide_phase { IDE_IDLE, IDE_IDENTIFY, IDE_READ, IDE_WRITE } phase;
	uint32_t sector;     /* in the buffer */
	uint32_t left;       /* sectors still to move, this one included */
	uint32_t block;      /* sectors per interrupt */
	uint32_t block_left; /* of this block, this one included */
	uint32_t pos;        /* in the buffer */
	uint8_t buffer[IDE_SECTOR];
};

void ide_init(struct ide *d, const struct ide_disk *disk, const struct vdev_irq *irq);
void ide_reset(struct ide *d);
/* Puts the device on the bus; -1 if the ports are taken. */
int ide_attach(struct ide *d, struct vdev_bus *bus);

/* ide_identify.c, for ide.c: fills a sector with what IDENTIFY DEVICE tells. */
void ide_identify(const struct ide *d, uint8_t *page);

#endif
