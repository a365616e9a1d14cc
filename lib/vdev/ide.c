#include "lib/vdev/ide.h"

#include "lib/string.h"

/* Task-file registers: offsets from 1f0. */
enum {
	REG_DATA,
	REG_ERROR, /* features when written */
	REG_COUNT,
	REG_LBA0,
	REG_LBA1,
	REG_LBA2,
	REG_DEVICE,
	REG_STATUS, /* command when written */
	REGISTERS
};

enum { CONTROL_PORT = 0x3f6 }; /* read: the status, without acknowledging the interrupt */

enum {
	STATUS_ERR = 0x01,
	STATUS_DRQ = 0x08,
	STATUS_DSC = 0x10,
	STATUS_DRDY = 0x40,
	STATUS_BSY = 0x80,
	STATUS_READY = STATUS_DRDY | STATUS_DSC,
	ERROR_DIAGNOSTIC_OK = 0x01,
	ERROR_ABRT = 0x04,
	ERROR_IDNF = 0x10,
	DEVICE_ALWAYS = 0xa0, /* obsolete bits that read as ones */
	DEVICE_LBA = 0x40,
	DEVICE_SLAVE = 0x10,
	DEVICE_LBA3 = 0x0f, /* LBA bits 27:24 */
	CONTROL_NIEN = 0x02,
	CONTROL_SRST = 0x04,
};

enum {
	CMD_READ_SECTORS = 0x20,
	CMD_WRITE_SECTORS = 0x30,
	CMD_DIAGNOSTIC = 0x90,
	CMD_READ_MULTIPLE = 0xc4,
	CMD_WRITE_MULTIPLE = 0xc5,
	CMD_SET_MULTIPLE = 0xc6,
	CMD_FLUSH_CACHE = 0xe7,
	CMD_IDENTIFY = 0xec,
	CMD_SET_FEATURES = 0xef,
};

enum { LBA28_SECTORS = 1 << 28, COUNT_ZERO = 256 };

static bool
slave_selected(const struct ide *d)
{
	return d->device & DEVICE_SLAVE;
}

static void
update_irq(struct ide *d)
{
	bool level = d->intrq && !(d->control & CONTROL_NIEN) && !slave_selected(d);

	d->irq.set(d->irq.arg, d->irq.line, level);
}

static void
interrupt(struct ide *d)
{
	d->intrq = true;
	update_irq(d);
}

static void
finish(struct ide *d)
{
	d->phase = IDE_IDLE;
	d->pos = 0;
	d->status = STATUS_READY;
}

static void
fail(struct ide *d, uint8_t error)
{
	finish(d);
	d->error = error;
	d->status |= STATUS_ERR;
	interrupt(d);
}

static uint32_t
lba(const struct ide *d)
{
	return (d->device & DEVICE_LBA3) << 24 | d->lba[2] << 16 | d->lba[1] << 8 | d->lba[0];
}

static void
set_lba(struct ide *d, uint32_t n)
{
	d->lba[0] = n;
	d->lba[1] = n >> 8;
	d->lba[2] = n >> 16;
	d->device = (d->device & ~DEVICE_LBA3) | (n >> 24 & DEVICE_LBA3);
}

/* Finds the current sector in the disk: where it begins, and how many of its bytes the disk has. */
static size_t
locate(const struct ide *d, uint8_t **where)
{
	uint64_t offset = (uint64_t)d->sector * IDE_SECTOR;
	uint64_t rest = d->disk.size - offset;

	*where = d->disk.data + offset;
	return rest < IDE_SECTOR ? rest : IDE_SECTOR;
}

/* Lets the guest read or fill the buffer of the next sector. */
static void
start_sector(struct ide *d)
{
	d->pos = 0;
	d->status = STATUS_READY | STATUS_DRQ;
	if (d->phase == IDE_READ) {
		uint8_t *from;
		size_t bytes = locate(d, &from);
		memcpy(d->buffer, from, bytes);
		memset(d->buffer + bytes, 0, IDE_SECTOR - bytes);
	}
}

/* Goes on after the guest has read or filled the whole buffer. */
static void
end_sector(struct ide *d)
{
	if (d->phase == IDE_WRITE) {
		uint8_t *to;
		size_t bytes = locate(d, &to);
		memcpy(to, d->buffer, bytes);
	}
	if (d->phase != IDE_IDENTIFY)
		d->count--;
	if (--d->left == 0) {
		bool writing = d->phase == IDE_WRITE;
		finish(d);
		if (writing)
			interrupt(d);
		return;
	}
	set_lba(d, ++d->sector);
	start_sector(d);
	if (--d->block_left == 0) {
		d->block_left = d->block;
		interrupt(d);
	}
}

/* Begins a transfer in blocks: an interrupt tells that a block is ready or has been taken. */
static void
start_transfer(struct ide *d, enum ide_phase phase, uint32_t block)
{
	uint32_t n = d->count ? d->count : COUNT_ZERO;

	/* Refused: MULTIPLE before its block size is set, an address that is not LBA, and a write
	 * to a read-only disk. */
	if (block == 0 || !(d->device & DEVICE_LBA) || (phase == IDE_WRITE && d->disk.readonly)) {
		fail(d, ERROR_ABRT);
		return;
	}
	if (lba(d) >= d->sectors || n > d->sectors - lba(d)) {
		fail(d, ERROR_IDNF | ERROR_ABRT);
		return;
	}
	d->phase = phase;
	d->sector = lba(d);
	d->left = n;
	d->block = d->block_left = block;
	start_sector(d);
	/* No interrupt asks for the first block of a write. */
	if (phase == IDE_READ)
		interrupt(d);
}

static void
identify(struct ide *d)
{
	ide_identify(d, d->buffer);
	d->phase = IDE_IDENTIFY;
	d->left = 1;
	start_sector(d);
	interrupt(d);
}

static void
read_sectors(struct ide *d)
{
	start_transfer(d, IDE_READ, 1);
}

static void
write_sectors(struct ide *d)
{
	start_transfer(d, IDE_WRITE, 1);
}

static void
read_multiple(struct ide *d)
{
	start_transfer(d, IDE_READ, d->multiple);
}

static void
write_multiple(struct ide *d)
{
	start_transfer(d, IDE_WRITE, d->multiple);
}

static void
set_multiple(struct ide *d)
{
	uint8_t n = d->count;

	/* The size is a power of two, or 0 to forbid the MULTIPLE commands. */
	d->multiple = n <= IDE_MULTIPLE_MAX && (n & (n - 1)) == 0 ? n : 0;
	if (d->multiple == n)
		interrupt(d);
	else
		fail(d, ERROR_ABRT);
}

/* Sets the registers to what they hold after a reset, which tells that the device is a disk. */
static void
signature(struct ide *d)
{
	finish(d);
	d->error = ERROR_DIAGNOSTIC_OK;
	d->count = 1;
	d->device = 0;
	set_lba(d, 1);
}

static void
diagnostic(struct ide *d)
{
	signature(d);
	interrupt(d);
}

/* FLUSH CACHE and SET FEATURES do nothing. */
static void
nothing(struct ide *d)
{
	interrupt(d);
}

static void (*const commands[256])(struct ide *d) = {
        [CMD_READ_SECTORS] = read_sectors,     [CMD_WRITE_SECTORS] = write_sectors,
        [CMD_DIAGNOSTIC] = diagnostic,         [CMD_READ_MULTIPLE] = read_multiple,
        [CMD_WRITE_MULTIPLE] = write_multiple, [CMD_SET_MULTIPLE] = set_multiple,
        [CMD_FLUSH_CACHE] = nothing,           [CMD_IDENTIFY] = identify,
        [CMD_SET_FEATURES] = nothing,
};

static void
command(struct ide *d, uint8_t code)
{
	/* The slave is absent: it ignores all commands but DIAGNOSTIC, which addresses both. */
	if ((slave_selected(d) && code != CMD_DIAGNOSTIC) || (d->control & CONTROL_SRST))
		return;
	finish(d);
	d->intrq = false;
	d->error = 0;
	update_irq(d);
	if (commands[code])
		commands[code](d);
	else
		fail(d, ERROR_ABRT);
}

/* Returns how many bytes an access to the data port may move now, at most size. */
static size_t
window(const struct ide *d, bool writing, size_t size)
{
	bool open =
	        writing ? d->phase == IDE_WRITE : d->phase == IDE_READ || d->phase == IDE_IDENTIFY;
	size_t rest = IDE_SECTOR - d->pos;

	if (!open || slave_selected(d))
		return 0;
	return size < rest ? size : rest;
}

static void
advance(struct ide *d, size_t bytes)
{
	d->pos += bytes;
	if (d->pos == IDE_SECTOR)
		end_sector(d);
}

static uint32_t
read_data(struct ide *d, unsigned int size)
{
	size_t n = window(d, false, size);
	uint32_t value = n ? 0 : UINT32_MAX;

	if (n) {
		memcpy(&value, d->buffer + d->pos, n);
		advance(d, n);
	}
	return value;
}

static void
write_data(struct ide *d, unsigned int size, uint32_t value)
{
	size_t n = window(d, true, size);

	if (n) {
		memcpy(d->buffer + d->pos, &value, n);
		advance(d, n);
	}
}

static size_t
ide_read_string(void *state, uint64_t reg, unsigned int size, void *buf, size_t count)
{
	struct ide *d = state;
	size_t items = reg == REG_DATA ? window(d, false, count * size) / size : 0;

	if (items) {
		memcpy(buf, d->buffer + d->pos, items * size);
		advance(d, items * size);
	}
	return items;
}

static size_t
ide_write_string(void *state, uint64_t reg, unsigned int size, const void *buf, size_t count)
{
	struct ide *d = state;
	size_t items = reg == REG_DATA ? window(d, true, count * size) / size : 0;

	if (items) {
		memcpy(d->buffer + d->pos, buf, items * size);
		advance(d, items * size);
	}
	return items;
}

static uint8_t
read_status(const struct ide *d)
{
	return slave_selected(d) ? 0 : d->status;
}

static uint8_t
read_register(struct ide *d, uint64_t reg)
{
	switch (reg) {
	case REG_ERROR:
		return d->error;
	case REG_COUNT:
		return d->count;
	case REG_LBA0:
	case REG_LBA1:
	case REG_LBA2:
		return d->lba[reg - REG_LBA0];
	case REG_DEVICE:
		return d->device | DEVICE_ALWAYS;
	default:
		/* A read of the status acknowledges the interrupt. */
		if (!slave_selected(d))
			d->intrq = false;
		update_irq(d);
		return read_status(d);
	}
}

static void
write_register(struct ide *d, uint64_t reg, uint8_t value)
{
	switch (reg) {
	case REG_ERROR:
		d->features = value;
		break;
	case REG_COUNT:
		d->count = value;
		break;
	case REG_LBA0:
	case REG_LBA1:
	case REG_LBA2:
		d->lba[reg - REG_LBA0] = value;
		break;
	case REG_DEVICE:
		d->device = value & ~DEVICE_ALWAYS;
		update_irq(d);
		break;
	default:
		command(d, value);
	}
}

/* Only the data port allows accesses wider than a byte. */
static uint64_t
ide_read(void *state, uint64_t reg, unsigned int size)
{
	struct ide *d = state;
	uint32_t value = 0;

	if (reg == REG_DATA)
		return read_data(d, size);
	for (unsigned int i = 0; i < size; i++)
		value |= (uint32_t)read_register(d, reg + i) << (8 * i);
	return value;
}

static void
ide_write(void *state, uint64_t reg, unsigned int size, uint64_t value)
{
	struct ide *d = state;

	if (reg == REG_DATA) {
		write_data(d, size, value);
		return;
	}
	for (unsigned int i = 0; i < size; i++)
		write_register(d, reg + i, value >> (8 * i));
}

static uint64_t
control_read(void *state, uint64_t reg, unsigned int size)
{
	(void)reg;
	(void)size;
	return read_status(state);
}

/* A software reset holds the device busy while its bit is set. */
static void
control_write(void *state, uint64_t reg, unsigned int size, uint64_t value)
{
	struct ide *d = state;
	bool was_reset = d->control & CONTROL_SRST, is_reset = value & CONTROL_SRST;

	(void)reg;
	(void)size;
	d->control = value & (CONTROL_NIEN | CONTROL_SRST);
	if (was_reset != is_reset) {
		signature(d);
		d->multiple = 0;
		d->intrq = false;
	}
	if (is_reset)
		d->status = STATUS_BSY;
	update_irq(d);
}

void
ide_init(struct ide *d, const struct ide_disk *disk, const struct vdev_irq *irq)
{
	uint64_t sectors = disk->size / IDE_SECTOR + (disk->size % IDE_SECTOR != 0);

	*d = (struct ide){.disk = *disk, .irq = *irq};
	d->sectors = sectors < LBA28_SECTORS ? sectors : LBA28_SECTORS - 1;
	ide_reset(d);
}

void
ide_reset(struct ide *d)
{
	signature(d);
	d->features = d->control = d->multiple = 0;
	d->intrq = false;
	update_irq(d);
}

int
ide_attach(struct ide *d, struct vdev_bus *bus)
{
	struct vdev registers = {
	        .name = "ide",
	        .base = 0x1f0,
	        .len = REGISTERS,
	        .read = ide_read,
	        .write = ide_write,
	        .read_string = ide_read_string,
	        .write_string = ide_write_string,
	        .state = d,
	};
	struct vdev control = {
	        .name = "ide control",
	        .base = CONTROL_PORT,
	        .len = 1,
	        .bytes = true,
	        .read = control_read,
	        .write = control_write,
	        .state = d,
	};

	return vdev_bus_add(bus, &registers) || vdev_bus_add(bus, &control) ? -1 : 0;
}
