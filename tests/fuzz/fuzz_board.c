// SOURCES: lib/vdev/bus.c lib/vdev/uart.c lib/vdev/pic.c lib/vdev/pit.c lib/vdev/cmos.c
// SOURCES: lib/vdev/ide.c lib/vdev/ide_identify.c lib/vdev/hpet.c lib/vdev/lapic.c
/*
 * A board with every device, and a guest that does whatever the input says.  No access may leave
 * a device's memory (the sanitizers watch), hang, or break what the monitor relies on.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/vdev/cmos.h"
#include "lib/vdev/hpet.h"
#include "lib/vdev/ide.h"
#include "lib/vdev/lapic.h"
#include "lib/vdev/pic.h"
#include "lib/vdev/pit.h"
#include "lib/vdev/uart.h"
#include "tests/fuzz/fuzz.h"

enum { DISK_SIZE = 20 * IDE_SECTOR + 100, STRING_MAX = 4096, CPUS = 3 };

static struct board {
	struct vdev_bus bus, memory;
	struct uart uart;
	struct pic pic;
	struct pit pit;
	struct cmos cmos;
	struct ide ide;
	struct hpet hpet;
	struct lapics lapics;
	uint64_t ns;
	uint64_t sent;
	uint8_t *disk;
} b;

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static uint64_t
now(void *arg)
{
	(void)arg;
	return b.ns;
}

static void
tx(void *arg, uint8_t byte)
{
	(void)arg;
	(void)byte;
	b.sent++;
}

static void
tx_bytes(void *arg, const uint8_t *bytes, size_t count)
{
	(void)arg;
	check(count > 0 && bytes[0] + bytes[count - 1] >= 0);
	b.sent += count;
}

static void
event(void *arg, unsigned int cpu, bool level)
{
	(void)arg;
	check(cpu < CPUS && level);
}

static void
build(void)
{
	struct vdev_irq events = {.set = event};
	struct vdev_clock clock = {.now = now};
	struct uart_output output = {.tx = tx, .tx_bytes = tx_bytes};
	struct cmos_config config = {.epoch = 946684800, .low_ram = 64 << 20};
	struct ide_disk disk = {.size = DISK_SIZE};
	struct vdev_irq line;

	memset(&b, 0, sizeof(b));
	b.disk = disk.data = calloc(1, DISK_SIZE);
	pic_init(&b.pic);
	line = pic_line(&b.pic, UART_COM1_IRQ);
	uart_init(&b.uart, &output, &line);
	line = pic_line(&b.pic, PIT_IRQ);
	pit_init(&b.pit, &clock, &line);
	line = pic_line(&b.pic, IDE_IRQ);
	ide_init(&b.ide, &disk, &line);
	cmos_init(&b.cmos, &clock, &config);
	hpet_init(&b.hpet, &clock);
	lapics_init(&b.lapics, CPUS, &clock, &events);
	check(!pic_attach(&b.pic, &b.bus) && !uart_attach(&b.uart, &b.bus, UART_COM1) &&
	      !pit_attach(&b.pit, &b.bus) && !cmos_attach(&b.cmos, &b.bus) &&
	      !ide_attach(&b.ide, &b.bus) && !hpet_attach(&b.hpet, &b.memory) &&
	      !lapics_attach(&b.lapics, &b.memory));
}

/* Picks a port, mostly one that a device has. */
static uint16_t
pick_port(struct input *in)
{
	uint8_t n = take(in);

	if (n < 8)
		return take(in) << 8 | take(in);
	const struct vdev *dev = &b.bus.dev[n % b.bus.count];
	return dev->base + take(in) % (dev->len + 1);
}

static unsigned int
pick_size(struct input *in)
{
	uint8_t n = take(in);

	return n < 192 ? 1 : n < 224 ? 2 : 4;
}

static uint64_t
pick_value(struct input *in, unsigned int size)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)take(in) << 8 * i;
	return value;
}

/* The buffer has exactly the size of the transfer, so that the sanitizer sees its end. */
static void
string_access(struct input *in, bool write)
{
	uint16_t port = pick_port(in);
	unsigned int size = pick_size(in);
	size_t count = (take(in) << 4 | (take(in) & 15)) % (STRING_MAX / size + 1);
	uint8_t *buf = malloc(count * size + 1);

	memset(buf, take(in), count * size + 1);
	if (write)
		vdev_bus_write_string(&b.bus, port, size, buf, count);
	else
		vdev_bus_read_string(&b.bus, port, size, buf, count);
	free(buf);
}

static void
access_port(struct input *in, bool write)
{
	uint16_t port = pick_port(in);
	unsigned int size = pick_size(in);

	if (write) {
		vdev_bus_write(&b.bus, port, size, pick_value(in, size));
		return;
	}
	check(vdev_bus_read(&b.bus, port, size) >> 8 * size == 0);
}

/* Accesses of all sizes, to the device and around its ends. */
static void
access_memory(struct input *in)
{
	uint8_t how = take(in);
	unsigned int size = 1 << (how & 3);
	uint64_t gpa = HPET_GPA - 8 + (take(in) << 8 | take(in)) % (HPET_SIZE + 16);

	if (how & 8) { /* mostly the address of a local APIC's register */
		lapics_select(&b.lapics, (how >> 4) % CPUS);
		gpa = LAPIC_GPA + take(in) * 16;
		size = how & 64 ? size : 4;
	}
	if (how & 4) {
		vdev_bus_write(&b.memory, gpa, size, pick_value(in, size));
		return;
	}
	uint64_t value = vdev_bus_read(&b.memory, gpa, size);
	check(size == 8 || value >> 8 * size == 0);
}

/* Does what the monitor's loop does. */
static void
monitor(struct input *in)
{
	uint64_t next = pit_tick(&b.pit);
	unsigned int bytes = take(in) % 32;

	check(next > b.ns);
	for (unsigned int i = 0; i < CPUS; i++) {
		struct lapic *l = &b.lapics.cpu[i];
		bool pending;

		check(lapic_tick(&b.lapics, i) > b.ns && !l->moved);
		pending = lapic_pending(l);
		check(lapic_ack(l) >= 16 || !pending);
		lapic_take_init(l);
	}
	for (; bytes && uart_rx_ready(&b.uart); bytes--)
		uart_rx(&b.uart, take(in));
	if (!pic_pending(&b.pic))
		return;
	unsigned int base = pic_ack(&b.pic) & 0xf8;
	check(base == b.pic.master.vector_base || base == b.pic.slave.vector_base);
}

static void
pass_time(struct input *in)
{
	b.ns += 1ull << (take(in) % 34);
	if (take(in) == 0) {
		uint64_t next = pit_tick(&b.pit);
		b.ns = next == VDEV_NEVER ? b.ns : next;
	}
}

static void
reset(uint8_t which)
{
	switch (which % 8) {
	case 0:
		pic_reset(&b.pic);
		break;
	case 1:
		pit_reset(&b.pit);
		break;
	case 2:
		uart_reset(&b.uart);
		break;
	case 3:
		ide_reset(&b.ide);
		break;
	case 4:
		cmos_reset(&b.cmos);
		break;
	case 5:
		hpet_reset(&b.hpet);
		break;
	case 6:
		lapics_reset(&b.lapics);
		break;
	default: /* input although there may be no room, and any interrupt line */
		uart_rx(&b.uart, which);
		pic_irq(&b.pic, which, which & 1);
	}
}

static void
invariants(void)
{
	check(b.uart.count <= UART_FIFO && b.uart.head < UART_FIFO);
	check(uart_rx_space(&b.uart) <= UART_FIFO);
	check(b.ide.pos < IDE_SECTOR && b.ide.left <= 256);
	check(b.ide.phase == IDE_IDLE || b.ide.phase == IDE_IDENTIFY ||
	      b.ide.sector + b.ide.left <= b.ide.sectors);
	for (unsigned int i = 0; i < PIT_CHANNELS; i++)
		check(b.pit.channel[i].mode < 6 && b.pit.channel[i].reload <= 65536);
	check(b.pic.master.lowest < 8 && b.pic.slave.lowest < 8);
	check((b.pic.master.vector_base & 7) == 0 && (b.pic.slave.vector_base & 7) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.data = data, .size = size};

	build();
	while (in.size) {
		uint8_t op = take(&in);

		if (op < 100)
			access_port(&in, true);
		else if (op < 170)
			access_port(&in, false);
		else if (op < 184)
			string_access(&in, op & 1);
		else if (op < 190)
			access_memory(&in);
		else if (op < 220)
			monitor(&in);
		else if (op < 254)
			pass_time(&in);
		else
			reset(take(&in));
		invariants();
	}
	free(b.disk);
	return 0;
}
