// SOURCES: lib/vdev/bus.c
#include <string.h>

#include "tests/unit/unit.h"

/* A device that remembers the last access. */
struct probe {
	uint64_t addr;
	unsigned int size, accesses;
	uint64_t value;
};

static uint64_t
probe_read(void *state, uint64_t addr, unsigned int size)
{
	struct probe *p = state;

	p->addr = addr;
	p->size = size;
	p->accesses++;
	return p->value + addr;
}

static void
probe_write(void *state, uint64_t addr, unsigned int size, uint64_t value)
{
	struct probe *p = state;

	p->addr = addr;
	p->size = size;
	p->accesses++;
	p->value = value;
}

static struct vdev
device(uint64_t base, uint64_t len, struct probe *p)
{
	return (struct vdev){
	        .name = "probe",
	        .base = base,
	        .len = len,
	        .read = probe_read,
	        .write = probe_write,
	        .state = p,
	};
}

static int
add(struct vdev_bus *bus, uint64_t base, uint64_t len, struct probe *p)
{
	struct vdev dev = device(base, len, p);

	return vdev_bus_add(bus, &dev);
}

static void
test_overlap(void **state)
{
	struct vdev_bus bus = {0};
	struct probe p = {0};

	(void)state;
	assert_int_equal(add(&bus, 0x100, 0x10, &p), 0);
	assert_int_equal(add(&bus, 0x100, 0x10, &p), -1);
	assert_int_equal(add(&bus, 0x10f, 1, &p), -1);
	assert_int_equal(add(&bus, 0xff, 2, &p), -1);
	assert_int_equal(add(&bus, 0xf0, 0x100, &p), -1);
	assert_int_equal(add(&bus, 0, UINT64_MAX, &p), -1);
	assert_int_equal(add(&bus, 0x200, 0, &p), -1);
	assert_int_equal(add(&bus, UINT64_MAX, 2, &p), -1); /* wraps */
	assert_int_equal(add(&bus, 0x110, 1, &p), 0);
	assert_int_equal(add(&bus, 0xff, 1, &p), 0);
	assert_int_equal(add(&bus, UINT64_MAX, 1, &p), 0);
	assert_int_equal(bus.count, 4);
	for (unsigned int i = 1; i < bus.count; i++)
		assert_true(bus.dev[i - 1].base < bus.dev[i].base);
}

static void
test_full(void **state)
{
	struct vdev_bus bus = {0};
	struct probe p = {0};

	(void)state;
	for (unsigned int i = 0; i < VDEV_BUS_MAX; i++)
		assert_int_equal(add(&bus, (i * 7 % VDEV_BUS_MAX) * 4, 4, &p), 0);
	assert_int_equal(add(&bus, 0x1000, 4, &p), -1);
	/* Each address leads to its device. */
	for (unsigned int i = 0; i < VDEV_BUS_MAX * 4; i++) {
		vdev_bus_read(&bus, i, 1);
		assert_int_equal(p.addr, i % 4);
	}
	assert_int_equal(bus.unclaimed_reads, 0);
}

static void
test_unclaimed(void **state)
{
	struct vdev_bus bus = {0};
	struct probe p = {0};

	(void)state;
	assert_int_equal(vdev_bus_read(&bus, 0x80, 1), 0xff);
	assert_int_equal(add(&bus, 0x100, 4, &p), 0);
	assert_int_equal(vdev_bus_read(&bus, 0xff, 2), 0xffff); /* begins before the device */
	assert_int_equal(vdev_bus_read(&bus, 0x102, 4), 0xffffffff);
	assert_int_equal(vdev_bus_read(&bus, 0x104, 1), 0xff);
	assert_int_equal(bus.unclaimed_reads, 4);
	assert_int_equal(bus.last_unclaimed, 0x104);
	vdev_bus_write(&bus, 0x1234, 4, 1);
	assert_int_equal(bus.unclaimed_writes, 1);
	assert_int_equal(bus.last_unclaimed, 0x1234);
	assert_int_equal(p.accesses, 0);
}

static void
test_access(void **state)
{
	struct vdev_bus bus = {0};
	struct probe p = {.value = 0xaabbcc00};

	(void)state;
	assert_int_equal(add(&bus, 0x100, 8, &p), 0);
	assert_int_equal(vdev_bus_read(&bus, 0x102, 1), 0x02); /* the value is cut to the size */
	assert_int_equal(vdev_bus_read(&bus, 0x102, 2), 0xcc02);
	assert_int_equal(vdev_bus_read(&bus, 0x104, 4), 0xaabbcc04);
	assert_int_equal(p.size, 4);
	vdev_bus_write(&bus, 0x107, 1, 0x1234);
	assert_int_equal(p.value, 0x34);
	assert_int_equal(p.addr, 7);
	vdev_bus_write(&bus, 0x100, 8, 0x8877665544332200);
	assert_int_equal(p.value, 0x8877665544332200);
	assert_int_equal(vdev_bus_read(&bus, 0x100, 8), 0x8877665544332200);
	assert_int_equal(vdev_bus_read(&bus, 0x101, 8), UINT64_MAX); /* ends behind the device */
	assert_int_equal(bus.unclaimed_reads, 1);
}

static void
test_find(void **state)
{
	struct vdev_bus bus = {0};
	struct probe p = {0};

	(void)state;
	assert_null(vdev_bus_find(&bus, 0x100, 1));
	assert_int_equal(add(&bus, 0x100, 8, &p), 0);
	assert_int_equal(add(&bus, 0x108, 8, &p), 0);
	assert_non_null(vdev_bus_find(&bus, 0x100, 8));
	assert_non_null(vdev_bus_find(&bus, 0x10c, 4));
	assert_null(vdev_bus_find(&bus, 0x10d, 4));
	assert_null(vdev_bus_find(&bus, 0x104, 8)); /* two devices */
	assert_null(vdev_bus_find(&bus, 0xff, 1));
	assert_int_equal(p.accesses + bus.unclaimed_reads, 0);
	vdev_write(vdev_bus_find(&bus, 0x10c, 4), 0x10c, 4, 7);
	assert_int_equal(p.addr, 4);
	assert_int_equal(vdev_read(vdev_bus_find(&bus, 0x10c, 4), 0x10c, 4), 11);
}

static void
test_bytes(void **state)
{
	struct vdev_bus bus = {0};
	struct probe p = {.value = 0x10};
	struct vdev dev = device(0x100, 8, &p);

	(void)state;
	dev.bytes = true;
	assert_int_equal(vdev_bus_add(&bus, &dev), 0);
	assert_int_equal(vdev_bus_read(&bus, 0x101, 4), 0x14131211);
	assert_int_equal(p.accesses, 4);
	vdev_bus_write(&bus, 0x102, 2, 0x5566);
	assert_int_equal(p.accesses, 6);
	assert_int_equal(p.addr, 3);
	assert_int_equal(p.size, 1);
	assert_int_equal(p.value, 0x55);
}

static void
test_half_devices(void **state)
{
	struct vdev_bus bus = {0};
	struct vdev none = {.name = "none", .base = 0x10, .len = 4};

	(void)state;
	assert_int_equal(vdev_bus_add(&bus, &none), 0);
	assert_int_equal(vdev_bus_read(&bus, 0x10, 2), 0xffff);
	vdev_bus_write(&bus, 0x10, 2, 0);
	assert_int_equal(bus.unclaimed_reads + bus.unclaimed_writes, 0);
}

/* Moves two items at a time, and leaves the last one to the single accesses. */
struct stream {
	uint8_t next;
	unsigned int calls, singles;
};

static uint64_t
stream_read(void *state, uint64_t addr, unsigned int size)
{
	struct stream *s = state;

	(void)addr;
	(void)size;
	s->singles++;
	return s->next++;
}

static size_t
stream_read_string(void *state, uint64_t addr, unsigned int size, void *buf, size_t count)
{
	struct stream *s = state;
	uint8_t *p = buf;

	(void)addr;
	if (s->calls++ % 2 || count < 2 || size != 1)
		return 0;
	p[0] = s->next++;
	p[1] = s->next++;
	return 2;
}

static void
test_strings(void **state)
{
	struct vdev_bus bus = {0};
	struct stream s = {0};
	struct vdev dev = {
	        .base = 0x10,
	        .len = 4,
	        .read = stream_read,
	        .read_string = stream_read_string,
	        .state = &s,
	};
	uint8_t bytes[9];
	uint16_t words[3];

	(void)state;
	assert_int_equal(vdev_bus_add(&bus, &dev), 0);
	vdev_bus_read_string(&bus, 0x10, 1, bytes, 9);
	for (int i = 0; i < 9; i++)
		assert_int_equal(bytes[i], i);
	assert_int_equal(s.singles, 3);
	vdev_bus_read_string(&bus, 0x10, 2, words, 3);
	assert_int_equal(words[2], 11);
	/* Without a device: all ones, and each item is counted. */
	vdev_bus_read_string(&bus, 0x20, 2, words, 3);
	assert_int_equal(words[0] & words[1] & words[2], 0xffff);
	assert_int_equal(bus.unclaimed_reads, 3);
	vdev_bus_write_string(&bus, 0x20, 2, words, 3);
	assert_int_equal(bus.unclaimed_writes, 3);
	vdev_bus_read_string(&bus, 0x10, 1, bytes, 0);
}

static void
test_write_strings(void **state)
{
	struct vdev_bus bus = {0};
	struct probe p = {0};
	uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};

	(void)state;
	assert_int_equal(add(&bus, 0x10, 4, &p), 0);
	vdev_bus_write_string(&bus, 0x10, 4, bytes, 2);
	assert_int_equal(p.accesses, 2);
	assert_int_equal(p.value, 0x08070605);
	vdev_bus_write_string(&bus, 0x11, 1, bytes, 3);
	assert_int_equal(p.value, 3);
	assert_int_equal(p.addr, 1);
}

UNIT_MAIN(cmocka_unit_test(test_overlap), cmocka_unit_test(test_full),
          cmocka_unit_test(test_unclaimed), cmocka_unit_test(test_access),
          cmocka_unit_test(test_find), cmocka_unit_test(test_bytes),
          cmocka_unit_test(test_half_devices), cmocka_unit_test(test_strings),
          cmocka_unit_test(test_write_strings))
