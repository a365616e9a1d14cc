// SOURCES: lib/guestkernel.c lib/elf.c
#include <stdlib.h>
#include <string.h>

#include "inc/mmu.h"
#include "lib/guestkernel.h"
#include "tests/unit/elffile.h"
#include "tests/unit/unit.h"

enum { MIB = 1 << 20 };

/* A kernel as guest/kernel/kernel.ld lays it out. */
static struct image
example(void)
{
	return (struct image){
	        .h = example_header(KERNEL_BASE + KERNEL_PHYS + 0x10, 2),
	        .s = {{.type = ELF_PT_LOAD,
	               .flags = ELF_PF_R | ELF_PF_X,
	               .offset = 0x1000,
	               .vaddr = KERNEL_BASE + KERNEL_PHYS,
	               .paddr = KERNEL_PHYS,
	               .filesz = 0x1234,
	               .memsz = 0x1234},
	              {.type = ELF_PT_LOAD,
	               .flags = ELF_PF_R | ELF_PF_W,
	               .offset = 0x3000,
	               .vaddr = KERNEL_BASE + KERNEL_PHYS + 0x2000,
	               .paddr = KERNEL_PHYS + 0x2000,
	               .filesz = 0x100,
	               .memsz = 0x10000}},
	};
}

/* Plans the file in a heap block of exactly its size, whose ends the sanitizer watches. */
static const char *
fault_sized(const struct image *image, size_t size, struct guest_kernel *k)
{
	void *head = malloc(size + !size);
	const char *fault;

	memcpy(head, image, size);
	fault = guest_kernel_fault(head, size, k);
	free(head);
	return fault;
}

static void
test_good(void **state)
{
	struct image image = example();
	struct guest_kernel k;

	(void)state;
	assert_null(fault_sized(&image, sizeof(image), &k));
	assert_int_equal(k.plan.entry, image.h.entry);
	assert_int_equal(k.plan.count, 2);
	assert_memory_equal(k.plan.load, image.s, 2 * sizeof(image.s[0]));
	assert_int_equal(k.file_end, 0x3100);
	assert_int_equal(k.phys_end, KERNEL_PHYS + 0x12000);
	/* A kernel that runs where it is loaded. */
	image.s[0].vaddr = KERNEL_PHYS;
	image.h.entry = KERNEL_PHYS + 0x1233;
	assert_null(fault_sized(&image, sizeof(image), &k));
}

/* For each defect: the field that changes, and the message. */
static void
test_faults(void **state)
{
	static const struct {
		size_t at, size;
		uint64_t value;
		const char *fault;
	} faults[] = {
#define HEADER(field, value, fault) \
	{offsetof(struct image, h.field), sizeof(((struct image *)0)->h.field), value, fault},
#define SEGMENT(field, value, fault) {offsetof(struct image, s[1].field), 8, value, fault},
	        HEADER(magic, 0x464c4580, "is not an ELF file") /* clang-format off */
	        HEADER(class, 1, "is not for x86-64")
	        HEADER(data, 2, "is not for x86-64")
	        HEADER(machine, 3, "is not for x86-64")
	        HEADER(type, 3, "is not an executable ELF file")
	        HEADER(version, 2, "is not an executable ELF file")
	        HEADER(phentsize, 32, "has bad program headers")
	        HEADER(phnum, 0xffff, "has bad program headers")
	        HEADER(phoff, UINT64_MAX, "has bad program headers")
	        HEADER(phoff, sizeof(struct image) - 100, "has bad program headers")
	        HEADER(phnum, 0, "has its entry point in none of its segments")
	        HEADER(entry, 0, "has its entry point in none of its segments")
	        HEADER(entry, KERNEL_BASE + KERNEL_PHYS + 0x1234,
	               "has its entry point in none of its segments")
	        HEADER(entry, KERNEL_BASE + KERNEL_PHYS + 0x2000, /* not to be executed */
	               "has its entry point in none of its segments")
	        SEGMENT(filesz, 0x10001, "has a segment of impossible size")
	        SEGMENT(memsz, UINT64_MAX, "has a segment of impossible size")
	        SEGMENT(memsz, 0x40000001, "has a segment of impossible size")
	        SEGMENT(offset, UINT64_MAX, "has a segment of impossible size")
	        SEGMENT(paddr, 0, "has a segment that is not between 1 MiB and 1 GiB")
	        SEGMENT(paddr, KERNEL_PHYS - 1, "has a segment that is not between 1 MiB and 1 GiB")
	        SEGMENT(paddr, 0x3fff0001, "has a segment that is not between 1 MiB and 1 GiB")
	        SEGMENT(paddr, UINT64_MAX, "has a segment that is not between 1 MiB and 1 GiB")
	        SEGMENT(vaddr, 0x400000, "has a segment where no page table maps it")
	        SEGMENT(vaddr, UINT64_MAX, "has a segment where no page table maps it")
	}; /* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct image image = example();
		struct guest_kernel k;

		memcpy((char *)&image + faults[i].at, &faults[i].value, faults[i].size);
		assert_string_equal(fault_sized(&image, sizeof(image), &k), faults[i].fault);
	}
}

/* The file is cut to any length; and has as many segments as there may be, and one more. */
static void
test_limits(void **state)
{
	struct image image = example();
	size_t whole = offsetof(struct image, s[2]);
	struct guest_kernel k;

	(void)state;
	for (size_t size = 0; size < whole; size++)
		assert_non_null(fault_sized(&image, size, &k));
	assert_null(fault_sized(&image, whole, &k));
	for (unsigned int i = 2; i <= ELF_LOADS_MAX; i++)
		image.s[i] = image.s[0];
	image.h.phnum = ELF_LOADS_MAX;
	assert_null(fault_sized(&image, sizeof(image), &k));
	image.h.phnum++;
	assert_string_equal(fault_sized(&image, sizeof(image), &k), "has too many segments");
	image.s[3].type = 0x6474e551; /* not loaded */
	assert_null(fault_sized(&image, sizeof(image), &k));
	/* A segment up to the end of what is mapped. */
	image = example();
	image.s[1].paddr = 0x3fff0000;
	image.s[1].vaddr = KERNEL_BASE + 0x3fff0000;
	assert_null(fault_sized(&image, sizeof(image), &k));
	assert_int_equal(k.phys_end, 0x40000000);
}

/* Checks what the loader relies on in a kernel that was accepted. */
static void
test_random(void **state)
{
	unsigned int passed = 0;
	uint64_t seed = 6;

	(void)state;
	for (int round = 0; round < 50000; round++) {
		struct image image = example();
		struct guest_kernel k;

		for (unsigned int n = random32(&seed) % 4 + 1; n; n--) {
			size_t words = (sizeof(image.h) + 2 * sizeof(image.s[0])) / 8;
			uint64_t *word = (uint64_t *)&image + random32(&seed) % words;
			uint64_t edge = 1ull << random32(&seed) % 64;

			*word = random32(&seed) % 2 ? *word ^ edge : edge - random32(&seed) % 2;
		}
		if (fault_sized(&image, sizeof(image), &k))
			continue;
		passed++;
		assert_in_range(k.plan.count, 1, ELF_LOADS_MAX);
		for (unsigned int i = 0; i < k.plan.count; i++) {
			const struct elf_segment *s = &k.plan.load[i];

			assert_in_range(s->paddr, KERNEL_PHYS, k.phys_end);
			assert_true(s->memsz <= k.phys_end - s->paddr && s->filesz <= s->memsz);
			assert_true(s->offset <= k.file_end && s->filesz <= k.file_end - s->offset);
		}
		assert_true(k.phys_end <= 0x40000000 && k.file_end <= 0x80000000);
	}
	assert_true(passed > 1000);
}

/* Returns the gpa of a gva; UINT64_MAX: not mapped. */
static uint64_t
walk(uint64_t *tables, uint64_t at, uint64_t gva)
{
	uint64_t *table = tables, entry = 0;

	for (int shift = 39; shift >= 21; shift -= 9) {
		entry = table[gva >> shift & 511];
		if (!(entry & PTE_P))
			return UINT64_MAX;
		assert_true(entry & PTE_W);
		table = tables + ((entry & ~0xfffull) - at) / 8;
	}
	assert_true(entry & PTE_PS);
	return (entry & ~0x1fffffull) + (gva & 0x1fffff);
}

static void
test_tables(void **state)
{
	static uint64_t tables[BOOT_TABLE_PAGES * PAGE_SIZE / 8 + 1];
	const uint64_t at = BOOT_TABLES;

	(void)state;
	memset(tables, 0xff, sizeof(tables));
	guest_boot_tables(tables, at, 1 * MIB);
	assert_int_equal(tables[BOOT_TABLE_PAGES * PAGE_SIZE / 8], UINT64_MAX);
	assert_int_equal(walk(tables, at, 0), 0);
	assert_int_equal(walk(tables, at, 16 * MIB - 1), 16 * MIB - 1);
	assert_int_equal(walk(tables, at, 16 * MIB), UINT64_MAX);
	assert_int_equal(walk(tables, at, KERNEL_BASE + 0x123456), 0x123456);
	assert_int_equal(walk(tables, at, KERNEL_BASE + 16 * MIB), UINT64_MAX);
	guest_boot_tables(tables, at, 65 * MIB);
	assert_int_equal(walk(tables, at, 65 * MIB), 65 * MIB); /* in a 2 MiB page */
	assert_int_equal(walk(tables, at, 66 * MIB), UINT64_MAX);
	guest_boot_tables(tables, at, 1ull << 32);
	assert_int_equal(walk(tables, at, 0xffffffff), 0xffffffff);
	assert_int_equal(walk(tables, at, 1ull << 32), UINT64_MAX);
	assert_int_equal(walk(tables, at, UINT64_MAX), 0x3fffffff);
}

UNIT_MAIN(cmocka_unit_test(test_good), cmocka_unit_test(test_faults), cmocka_unit_test(test_limits),
          cmocka_unit_test(test_random), cmocka_unit_test(test_tables))
