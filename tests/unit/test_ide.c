// SOURCES: lib/vdev/bus.c lib/vdev/ide.c lib/vdev/ide_identify.c
#include <stdlib.h>
#include <string.h>

#include "lib/vdev/ide.h"
#include "tests/unit/unit.h"

enum {
	DATA = 0x1f0,
	ERROR,
	COUNT,
	LBA0,
	LBA1,
	LBA2,
	DEVICE,
	STATUS,
	COMMAND = STATUS,
	CONTROL = 0x3f6
};
enum { ERR = 0x01, DRQ = 0x08, READY = 0x50, BSY = 0x80, ABRT = 0x04, IDNF = 0x10 };
enum {
	READ = 0x20,
	WRITE = 0x30,
	DIAGNOSTIC = 0x90,
	READ_MULTIPLE = 0xc4,
	WRITE_MULTIPLE = 0xc5,
	SET_MULTIPLE = 0xc6,
	FLUSH = 0xe7,
	IDENTIFY = 0xec,
	SET_FEATURES = 0xef
};
enum { SECTORS = 100, SIZE = SECTORS * IDE_SECTOR };

static struct fixture {
	struct vdev_bus bus;
	struct ide ide;
	struct line line;
	uint8_t *disk;
} f;

/* The disk is a heap block of its own, so that the sanitizer sees its ends. */
static void
start(uint64_t size, bool readonly)
{
	struct vdev_irq irq = line_irq(&f.line);
	struct ide_disk disk = {.size = size, .readonly = readonly};

	free(f.disk);
	memset(&f, 0, sizeof(f));
	f.disk = disk.data = malloc(size + !size);
	for (uint64_t i = 0; i < size; i++)
		f.disk[i] = i * 7 + i / IDE_SECTOR;
	ide_init(&f.ide, &disk, &irq);
	assert_int_equal(ide_attach(&f.ide, &f.bus), 0);
}

static int
setup(void **state)
{
	(void)state;
	start(SIZE, false);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(f.disk);
	f.disk = NULL;
	return 0;
}

static void
out(uint16_t port, uint8_t value)
{
	out8(&f.bus, port, value);
}

static uint8_t
in(uint16_t port)
{
	return in8(&f.bus, port);
}

static void
command(uint8_t code, uint32_t lba, uint8_t count)
{
	out(DEVICE, 0xe0 | lba >> 24);
	out(COUNT, count);
	out(LBA0, lba);
	out(LBA1, lba >> 8);
	out(LBA2, lba >> 16);
	out(COMMAND, code);
}

static void
read_words(void *buf, size_t words)
{
	vdev_bus_read_string(&f.bus, DATA, 2, buf, words);
}

static void
write_words(const void *buf, size_t words)
{
	vdev_bus_write_string(&f.bus, DATA, 2, buf, words);
}

/* Checks that the interrupt came, and that reading the status ends it. */
static void
expect_interrupt(uint8_t status)
{
	assert_true(f.line.level);
	assert_int_equal(in(STATUS), status);
	assert_false(f.line.level);
}

static void
expect_failure(uint8_t error)
{
	expect_interrupt(READY | ERR);
	assert_int_equal(in(ERROR), error);
}

static void
test_signature(void **state)
{
	(void)state;
	assert_int_equal(in(STATUS), READY);
	assert_int_equal(in(ERROR), 1);
	assert_int_equal(in(COUNT), 1);
	assert_int_equal(in(LBA0), 1);
	assert_int_equal(in(LBA1) | in(LBA2), 0); /* ATAPI would say 14 eb */
	assert_int_equal(in(DEVICE), 0xa0);
	assert_false(f.line.level);
}

static void
test_identify(void **state)
{
	uint16_t id[256];
	char model[41] = {0};

	(void)state;
	out(DEVICE, 0xa0);
	out(COMMAND, IDENTIFY);
	expect_interrupt(READY | DRQ);
	read_words(id, 256);
	assert_int_equal(in(STATUS), READY);
	assert_int_equal(id[0] & 0x8000, 0);
	assert_int_equal(id[49] & 0x0200, 0x0200);
	assert_int_equal(id[60] | id[61] << 16, SECTORS);
	assert_int_equal(id[83] & 0xc000, 0x4000);
	for (int i = 0; i < 20; i++) {
		model[2 * i] = id[27 + i] >> 8;
		model[2 * i + 1] = id[27 + i];
	}
	assert_string_equal(model, "Nestling disk                           ");
}

static void
test_read(void **state)
{
	uint8_t buf[3 * IDE_SECTOR];

	(void)state;
	command(READ, 5, 3);
	for (int i = 0; i < 3; i++) {
		expect_interrupt(READY | DRQ);
		read_words(buf + i * IDE_SECTOR, IDE_SECTOR / 2);
	}
	assert_false(f.line.level); /* no interrupt at the end */
	assert_int_equal(in(STATUS), READY);
	assert_memory_equal(buf, f.disk + 5 * IDE_SECTOR, sizeof(buf));
	assert_int_equal(in(COUNT), 0);
}

/* A polling driver reads all sectors by one string instruction, or by single accesses. */
static void
test_read_widths(void **state)
{
	static uint8_t buf[256 * IDE_SECTOR];

	(void)state;
	start(sizeof(buf), false);
	command(READ, 0, 0); /* 256 sectors */
	vdev_bus_read_string(&f.bus, DATA, 4, buf, sizeof(buf) / 4);
	assert_int_equal(in(STATUS), READY);
	assert_memory_equal(buf, f.disk, sizeof(buf));
	command(READ, 7, 1);
	for (int i = 0; i < IDE_SECTOR; i += 4) {
		uint32_t word = vdev_bus_read(&f.bus, DATA, i % 8 ? 4 : 2);
		if (i % 8 == 0)
			word |= vdev_bus_read(&f.bus, DATA, 2) << 16;
		memcpy(buf + i, &word, 4);
	}
	assert_int_equal(in(STATUS), READY);
	assert_memory_equal(buf, f.disk + 7 * IDE_SECTOR, IDE_SECTOR);
}

static void
test_write(void **state)
{
	uint8_t buf[2 * IDE_SECTOR];

	(void)state;
	memset(buf, 0xa5, sizeof(buf));
	buf[IDE_SECTOR] = 0x5a;
	command(WRITE, SECTORS - 2, 2);
	assert_false(f.line.level); /* no interrupt before the first block */
	assert_int_equal(in(STATUS), READY | DRQ);
	write_words(buf, IDE_SECTOR / 2);
	expect_interrupt(READY | DRQ);
	write_words(buf + IDE_SECTOR, IDE_SECTOR / 2);
	expect_interrupt(READY);
	assert_memory_equal(f.disk + SIZE - sizeof(buf), buf, sizeof(buf));
	/* Single accesses, of both widths. */
	command(WRITE, 0, 1);
	for (int i = 0; i < IDE_SECTOR; i += 6) {
		vdev_bus_write(&f.bus, DATA, 4, 0x44332211);
		vdev_bus_write(&f.bus, DATA, 2, 0x6655);
	}
	/* The last access reaches beyond the sector, and that part of it is lost. */
	expect_interrupt(READY);
	assert_memory_equal(f.disk, "\x11\x22\x33\x44\x55\x66\x11\x22", 8);
	assert_memory_equal(f.disk + IDE_SECTOR - 2, "\x11\x22", 2);
	assert_int_equal(f.disk[IDE_SECTOR], (uint8_t)(IDE_SECTOR * 7 + 1));
	command(FLUSH, 0, 0);
	expect_interrupt(READY);
}

static void
test_multiple(void **state)
{
	uint8_t buf[11 * IDE_SECTOR];
	uint16_t id[256];

	(void)state;
	command(READ_MULTIPLE, 0, 1);
	expect_failure(ABRT); /* the block size is not set yet */
	command(SET_MULTIPLE, 0, 4);
	expect_interrupt(READY);
	command(READ_MULTIPLE, 3, 11);
	for (int done = 0; done < 11; done += 4) {
		int sectors = done == 8 ? 3 : 4;
		expect_interrupt(READY | DRQ);
		read_words(buf + done * IDE_SECTOR, sectors * IDE_SECTOR / 2);
	}
	assert_false(f.line.level);
	assert_int_equal(in(STATUS), READY);
	assert_memory_equal(buf, f.disk + 3 * IDE_SECTOR, sizeof(buf));
	command(WRITE_MULTIPLE, 50, 5);
	write_words(buf, 4 * IDE_SECTOR / 2);
	expect_interrupt(READY | DRQ);
	write_words(buf + 4 * IDE_SECTOR, IDE_SECTOR / 2);
	expect_interrupt(READY);
	assert_memory_equal(buf, f.disk + 50 * IDE_SECTOR, 5 * IDE_SECTOR);
	command(IDENTIFY, 0, 0);
	read_words(id, 256);
	assert_int_equal(id[59], 0x0104);
	command(SET_MULTIPLE, 0, 3);
	expect_interrupt(READY | ERR);
	command(SET_MULTIPLE, 0, 32);
	expect_failure(ABRT);
	command(WRITE_MULTIPLE, 0, 1);
	expect_failure(ABRT);
	command(SET_MULTIPLE, 0, 0);
	expect_interrupt(READY);
}

static void
test_out_of_range(void **state)
{
	static const struct {
		uint32_t lba;
		uint8_t count;
	} bad[] = {{SECTORS, 1}, {SECTORS - 1, 2}, {0, 101},
	           {0, 0},       {0x0fffffff, 1},  {0x0fffffff, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		command(READ, bad[i].lba, bad[i].count);
		expect_failure(IDNF | ABRT);
		command(WRITE, bad[i].lba, bad[i].count);
		expect_failure(IDNF | ABRT);
		assert_int_equal(in16(&f.bus, DATA), 0xffff);
	}
	command(READ, SECTORS - 1, 1);
	expect_interrupt(READY | DRQ);
}

/* The registers change during the transfer, which still goes where the command said. */
static void
test_registers_during_transfer(void **state)
{
	uint8_t buf[2 * IDE_SECTOR] = {0}, last = f.disk[SIZE - 1];

	(void)state;
	command(WRITE, SECTORS - 2, 2);
	out(LBA0, 0xff);
	out(LBA1, 0xff);
	out(LBA2, 0xff);
	out(DEVICE, 0xef);
	out(COUNT, 0xff);
	write_words(buf, IDE_SECTOR);
	assert_int_equal(in(STATUS), READY);
	assert_memory_equal(f.disk + SIZE - sizeof(buf), buf, sizeof(buf));
	assert_int_not_equal(last, 0);
}

static void
test_refused(void **state)
{
	static const uint8_t codes[] = {0x00, 0x24, 0x25, 0x35, 0xa0, 0xa1, 0xc8, 0xca, 0xff};

	(void)state;
	for (size_t i = 0; i < sizeof(codes); i++) {
		command(codes[i], 0, 1);
		expect_failure(ABRT);
	}
	/* An address of cylinder, head and sector. */
	command(SET_FEATURES, 0, 0);
	expect_interrupt(READY);
	out(DEVICE, 0xa0);
	out(COMMAND, READ);
	expect_failure(ABRT);
}

static void
test_readonly(void **state)
{
	uint16_t word;

	(void)state;
	start(SIZE, true);
	command(WRITE, 0, 1);
	expect_failure(ABRT);
	vdev_bus_write(&f.bus, DATA, 2, 0xffff);
	command(READ, 0, 1);
	expect_interrupt(READY | DRQ);
	read_words(&word, 1);
	assert_memory_equal(&word, f.disk, 2);
}

/* The size is no multiple of a sector: the rest of the last one reads as zeros and keeps nothing.
 */
static void
test_partial_sector(void **state)
{
	uint8_t buf[IDE_SECTOR], zero[IDE_SECTOR] = {0};

	(void)state;
	start(IDE_SECTOR + 10, false);
	command(READ, 1, 1);
	read_words(buf, IDE_SECTOR / 2);
	assert_memory_equal(buf, f.disk + IDE_SECTOR, 10);
	assert_memory_equal(buf + 10, zero, IDE_SECTOR - 10);
	memset(buf, 0xee, sizeof(buf));
	command(WRITE, 1, 1);
	write_words(buf, IDE_SECTOR / 2);
	expect_interrupt(READY);
	assert_memory_equal(f.disk + IDE_SECTOR, buf, 10);
	command(READ, 2, 1);
	expect_failure(IDNF | ABRT);
}

static void
test_empty_disk(void **state)
{
	(void)state;
	start(0, false);
	command(READ, 0, 1);
	expect_failure(IDNF | ABRT);
	command(WRITE, 0, 0);
	expect_failure(IDNF | ABRT);
}

/* A disk beyond 28-bit addresses shows as much as these reach; no memory is touched. */
static void
test_huge_disk(void **state)
{
	struct vdev_irq irq = line_irq(&f.line);
	struct ide_disk disk = {.data = NULL, .size = UINT64_MAX};

	(void)state;
	ide_init(&f.ide, &disk, &irq);
	assert_int_equal(f.ide.sectors, 0x0fffffff);
	command(READ, 0x0fffffff, 1);
	expect_failure(IDNF | ABRT);
}

static void
test_slave_absent(void **state)
{
	(void)state;
	out(DEVICE, 0xf0);
	assert_int_equal(in(STATUS), 0);
	assert_int_equal(in(CONTROL), 0);
	out(COMMAND, IDENTIFY);
	assert_int_equal(in(STATUS), 0);
	assert_false(f.line.level);
	assert_int_equal(in16(&f.bus, DATA), 0xffff);
	out(DEVICE, 0xe0);
	assert_int_equal(in(STATUS), READY); /* no disk took the command */
	/* To select the slave in the middle of a transfer leaves the master as it is. */
	command(READ, 0, 1);
	out(DEVICE, 0xf0);
	assert_false(f.line.level);
	assert_int_equal(in16(&f.bus, DATA), 0xffff);
	out(DEVICE, 0xe0);
	expect_interrupt(READY | DRQ);
	assert_int_equal(in16(&f.bus, DATA), f.disk[0] | f.disk[1] << 8);
}

static void
test_interrupt_enable(void **state)
{
	(void)state;
	out(CONTROL, 0x02);
	command(READ, 0, 1);
	assert_false(f.line.level);
	assert_int_equal(in(CONTROL), READY | DRQ); /* the alternate status acknowledges nothing */
	out(CONTROL, 0x00);
	assert_true(f.line.level);
	in(CONTROL);
	assert_true(f.line.level);
	in(STATUS);
	assert_false(f.line.level);
}

static void
test_software_reset(void **state)
{
	(void)state;
	command(SET_MULTIPLE, 0, 4);
	command(READ, 0, 4);
	out(CONTROL, 0x04);
	assert_false(f.line.level);
	assert_int_equal(in(STATUS), BSY);
	assert_int_equal(in(CONTROL), BSY);
	out(COMMAND, IDENTIFY); /* ignored during a reset */
	assert_int_equal(in(STATUS), BSY);
	out(CONTROL, 0x00);
	test_signature(state);
	command(READ_MULTIPLE, 0, 1);
	expect_failure(ABRT);
}

static void
test_diagnostic(void **state)
{
	(void)state;
	out(DEVICE, 0xf0); /* the diagnosis is of both devices and selects the master */
	out(COMMAND, DIAGNOSTIC);
	expect_interrupt(READY);
	test_signature(state);
}

static void
test_wrong_direction(void **state)
{
	uint8_t buf[IDE_SECTOR] = {0}, first = f.disk[0];

	(void)state;
	command(READ, 0, 1);
	write_words(buf, IDE_SECTOR / 2);
	assert_int_equal(f.disk[0], first);
	assert_int_equal(in(STATUS), READY | DRQ);
	command(WRITE, 0, 1);
	read_words(buf, IDE_SECTOR / 2);
	assert_int_equal(buf[0] & buf[511], 0xff);
	assert_int_equal(in(STATUS), READY | DRQ);
}

/* A wide access to byte registers reaches their neighbours, too. */
static void
test_wide_registers(void **state)
{
	(void)state;
	vdev_bus_write(&f.bus, COUNT, 4, 0x04030201);
	assert_int_equal(in(COUNT), 1);
	assert_int_equal(in(LBA0), 2);
	assert_int_equal(vdev_bus_read(&f.bus, LBA0, 2), 0x0302);
	assert_int_equal(in(LBA2), 4);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
UNIT_MAIN(T(test_signature), T(test_identify), T(test_read), T(test_read_widths), T(test_write),
          T(test_multiple), T(test_out_of_range), T(test_registers_during_transfer),
          T(test_refused), T(test_readonly), T(test_partial_sector), T(test_empty_disk),
          T(test_huge_disk), T(test_slave_absent), T(test_interrupt_enable), T(test_software_reset),
          T(test_diagnostic), T(test_wrong_direction), T(test_wide_registers))
