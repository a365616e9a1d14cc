// SOURCES: kern/dev/acpi.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kern/dev/acpi.h"
#include "kern/mem/pmap.h"
#include "tests/unit/unit.h"

/* ACPI tables as firmware leaves them, in a small physical memory, and damaged in every way. */

enum {
	MEMORY = 0x20000,
	RSDP_PA = 0x40,
	RSDT_PA = 0x1000,
	XSDT_PA = 0x2000,
	OTHER_PA = 0x3000,
	MADT_PA = 0x4000,
	HEADER = 36,
	MADT_HEAD = 44,
	LENGTH_AT = 4,
	CHECKSUM_AT = 9,
	ROUNDS = 20000,
};

static uint8_t *memory; /* the sanitizer sees accesses behind its end */

const void *
firmware_map(uint64_t pa, uint64_t size)
{
	return pa <= MEMORY && size <= MEMORY - pa ? memory + pa : NULL;
}

static void
seal(uint64_t pa, uint64_t size, uint64_t at)
{
	uint8_t sum = 0;

	memory[pa + at] = 0;
	for (uint64_t i = 0; i < size; i++)
		sum += memory[pa + i];
	memory[pa + at] = (uint8_t)-sum;
}

static void
put(uint64_t pa, uint64_t value, unsigned int size)
{
	memcpy(memory + pa, &value, size);
}

static void
seal_table(uint64_t pa, const char *signature, uint32_t size)
{
	memcpy(memory + pa, signature, 4);
	put(pa + LENGTH_AT, size, 4);
	seal(pa, size, CHECKSUM_AT);
}

static void
rsdp(unsigned int revision)
{
	memcpy(memory + RSDP_PA, "RSD PTR ", 8);
	memory[RSDP_PA + 15] = (uint8_t)revision;
	put(RSDP_PA + 16, RSDT_PA, 4);
	seal(RSDP_PA, 20, 8);
	put(RSDP_PA + 20, ACPI_RSDP_SIZE, 4);
	put(RSDP_PA + 24, XSDT_PA, 8);
	seal(RSDP_PA, ACPI_RSDP_SIZE, 32);
}

static uint32_t
lapic_entry(uint32_t at, uint8_t id, uint32_t flags)
{
	const uint8_t entry[8] = {0, 8, id, id, (uint8_t)flags};

	memcpy(memory + MADT_PA + at, entry, sizeof(entry));
	return at + sizeof(entry);
}

static uint32_t
x2apic_entry(uint32_t at, uint32_t id)
{
	memory[MADT_PA + at] = 9;
	memory[MADT_PA + at + 1] = 16;
	put(MADT_PA + at + 4, id, 4);
	put(MADT_PA + at + 8, 1, 4);
	return at + 16;
}

/* Four CPUs, of which one is off and one has another kind of entry; and an I/O APIC. */
static uint32_t
madt(void)
{
	uint32_t at = MADT_HEAD;

	at = lapic_entry(at, 0, 1);
	at = lapic_entry(at, 2, 1);
	at = lapic_entry(at, 3, 0);
	memory[MADT_PA + at] = 1;
	memory[MADT_PA + at + 1] = 12;
	at = x2apic_entry(at + 12, 7);
	seal_table(MADT_PA, "APIC", at);
	return at;
}

static int
setup(void **state)
{
	(void)state;
	memory = calloc(1, MEMORY);
	put(RSDT_PA + HEADER, OTHER_PA, 4);
	put(RSDT_PA + HEADER + 4, MADT_PA, 4);
	seal_table(RSDT_PA, "RSDT", HEADER + 8);
	put(XSDT_PA + HEADER, UINT64_MAX - 8, 8); /* no memory there: the table is skipped */
	put(XSDT_PA + HEADER + 8, MADT_PA, 8);
	seal_table(XSDT_PA, "XSDT", HEADER + 16);
	seal_table(OTHER_PA, "FACP", HEADER);
	madt();
	rsdp(2);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static const char *
find(struct acpi_cpus *cpus)
{
	return acpi_find_cpus(memory + RSDP_PA, ACPI_RSDP_SIZE, cpus);
}

static void
expect_cpus(void)
{
	struct acpi_cpus cpus;

	assert_null(find(&cpus));
	assert_int_equal(cpus.count, 3);
	assert_int_equal(cpus.left_out, 0);
	assert_memory_equal(cpus.apic_id, ((uint8_t[]){0, 2, 7}), 3);
}

static void
expect_problem(const char *text)
{
	struct acpi_cpus cpus;
	const char *problem = find(&cpus);

	assert_non_null(problem);
	assert_string_equal(problem, text);
}

static void
test_cpus(void **state)
{
	(void)state;
	expect_cpus();
	rsdp(0);
	expect_cpus();
	rsdp(2);
	memory[RSDP_PA + 33]++; /* only the checksum of ACPI 1.0's part is right */
	expect_cpus();
}

static void
test_scan(void **state)
{
	(void)state;
	assert_ptr_equal(acpi_scan(memory, MEMORY), memory + RSDP_PA);
	assert_ptr_equal(acpi_scan(memory, RSDP_PA + 20), memory + RSDP_PA);
	assert_null(acpi_scan(memory, RSDP_PA + 19));
	assert_null(acpi_scan(memory + 8, MEMORY - 8));
	memory[RSDP_PA + 10]++;
	assert_null(acpi_scan(memory, MEMORY));
	expect_problem("the ACPI RSDP is not valid");
}

static void
test_too_many(void **state)
{
	uint32_t at = MADT_HEAD;
	struct acpi_cpus cpus;

	(void)state;
	for (uint8_t id = 0; id < CPUS_MAX; id++)
		at = lapic_entry(at, id, 1);
	at = lapic_entry(at, 0, 1); /* an ID that comes twice counts once */
	seal_table(MADT_PA, "APIC", at);
	assert_null(find(&cpus));
	assert_int_equal(cpus.count, CPUS_MAX);
	assert_int_equal(cpus.left_out, 0);
	at = lapic_entry(at, CPUS_MAX, 1);
	seal_table(MADT_PA, "APIC", at);
	assert_null(find(&cpus));
	assert_int_equal(cpus.left_out, 1);
}

static void
test_apic_ids(void **state)
{
	struct acpi_cpus cpus;
	uint32_t at = x2apic_entry(MADT_HEAD, 254);

	(void)state;
	at = x2apic_entry(at, 255);
	seal_table(MADT_PA, "APIC", at);
	assert_null(find(&cpus));
	assert_int_equal(cpus.count, 1);
	assert_int_equal(cpus.left_out, 1);
}

static void
test_damage(void **state)
{
	uint32_t size = madt();

	(void)state;
	memory[MADT_PA + size - 1]++;
	expect_problem("an ACPI table has a wrong checksum");
	put(MADT_PA + LENGTH_AT, HEADER - 1, 4);
	expect_problem("an ACPI table has an impossible length");
	put(MADT_PA + LENGTH_AT, UINT32_MAX, 4);
	expect_problem("an ACPI table has an impossible length");
	put(MADT_PA + LENGTH_AT, 0xffff, 4);
	memmove(memory + MEMORY - HEADER, memory + MADT_PA, HEADER);
	put(XSDT_PA + HEADER + 8, MEMORY - HEADER, 8);
	seal_table(XSDT_PA, "XSDT", HEADER + 16);
	expect_problem("an ACPI table lies outside of memory");
	seal_table(XSDT_PA, "XSDT", HEADER + 12); /* half an entry does not count */
	expect_problem("there is no ACPI MADT");
}

static void
test_entries(void **state)
{
	static const uint8_t lengths[] = {0, 1, 9, 255};

	(void)state;
	for (unsigned int i = 0; i < sizeof(lengths); i++) {
		lapic_entry(MADT_HEAD, 0, 1);
		memory[MADT_PA + MADT_HEAD + 1] = lengths[i];
		seal_table(MADT_PA, "APIC", MADT_HEAD + 8);
		expect_problem("the ACPI MADT has an entry of impossible length");
	}
	seal_table(MADT_PA, "APIC", MADT_HEAD);
	expect_problem("the ACPI MADT names no CPU");
	seal_table(MADT_PA, "APIC", MADT_HEAD - 1);
	expect_problem("the ACPI MADT is too short");
}

/* With any contents of the tables, no byte outside them is read (the sanitizer watches). */
static void
test_garbage(void **state)
{
	uint64_t seed = 1;
	struct acpi_cpus cpus;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t size = madt();

		for (int n = 0; n < 3; n++) {
			uint32_t at = random32(&seed) % size;

			if (at != CHECKSUM_AT)
				memory[MADT_PA + at] = (uint8_t)random32(&seed);
		}
		memcpy(&size, memory + MADT_PA + LENGTH_AT, sizeof(size));
		if (size <= MEMORY - MADT_PA)
			seal(MADT_PA, size, CHECKSUM_AT);
		find(&cpus);
		assert_in_range(cpus.count, 0, CPUS_MAX);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_MAIN(TEST(test_cpus), TEST(test_scan), TEST(test_too_many), TEST(test_apic_ids),
          TEST(test_damage), TEST(test_entries), TEST(test_garbage))
