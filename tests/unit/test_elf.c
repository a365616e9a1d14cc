// SOURCES: kern/elf.c lib/elf.c
#include <stdlib.h>
#include <string.h>

#include "inc/error.h"
#include "inc/mmu.h"
#include "kern/elf.h"
#include "tests/unit/elffile.h"
#include "tests/unit/unit.h"

enum { LOW = 0x400000, HIGH = 0x800000, FILE_SIZE = 0x5000 };

/* A program as a linker lays it out: code, read-only data, data with bss. */
static struct image
example(void)
{
	return (struct image){
	        .h = example_header(0x400010, 3),
	        .s = {{.type = ELF_PT_LOAD,
	               .flags = ELF_PF_R | ELF_PF_X,
	               .offset = 0x1000,
	               .vaddr = 0x400000,
	               .filesz = 0x1234,
	               .memsz = 0x1234},
	              {.type = ELF_PT_LOAD,
	               .flags = ELF_PF_R,
	               .offset = 0x3000,
	               .vaddr = 0x402000,
	               .filesz = 0x800,
	               .memsz = 0x800},
	              {.type = ELF_PT_LOAD,
	               .flags = ELF_PF_R | ELF_PF_W,
	               .offset = 0x3800,
	               .vaddr = 0x403800,
	               .filesz = 0x100,
	               .memsz = 0x10000}},
	};
}

static int
check_sized(const struct image *image, size_t head_size, struct elf_plan *plan)
{
	/* The sanitizer watches the ends of a heap block of exactly this size. */
	void *head = malloc(head_size + !head_size);
	int result;

	memcpy(head, image, head_size);
	result = elf_check(head, head_size, FILE_SIZE, LOW, HIGH, plan);
	free(head);
	return result;
}

static int
check(const struct image *image)
{
	struct elf_plan plan;

	return check_sized(image, sizeof(*image), &plan);
}

static void
test_good(void **state)
{
	struct image image = example();
	struct elf_plan plan;

	(void)state;
	assert_int_equal(check_sized(&image, sizeof(image), &plan), 0);
	assert_int_equal(plan.entry, 0x400010);
	assert_int_equal(plan.count, 3);
	assert_memory_equal(plan.load, image.s, 3 * sizeof(image.s[0]));
	/* Other kinds of segments, and empty ones, do not matter, whatever their fields are. */
	image.s[1].type = 0x6474e551;
	image.s[1].offset = UINT64_MAX;
	image.s[2].memsz = 0;
	image.s[2].vaddr = 0;
	assert_int_equal(check_sized(&image, sizeof(image), &plan), 0);
	assert_int_equal(plan.count, 1);
}

/* A file that is bad in one way, for each way. */
#define BAD(change)                                          \
	do {                                                 \
		struct image image = example();              \
		change;                                      \
		assert_int_equal(check(&image), -E_BAD_ELF); \
	} while (0)

static void
test_bad_header(void **state)
{
	(void)state;
	BAD(image.h.magic++);
	BAD(image.h.class = 1);
	BAD(image.h.data = 2);
	BAD(image.h.ident_version = 0);
	BAD(image.h.type = 3);
	BAD(image.h.machine = 3);
	BAD(image.h.version = 2);
	BAD(image.h.phentsize = 32);
	BAD(image.h.phnum = 0);
	BAD(image.h.phnum = 11);
	BAD(image.h.phnum = UINT16_MAX);
	BAD(image.h.phoff = sizeof(image));
	BAD(image.h.phoff = sizeof(image) + 1);
	BAD(image.h.phoff = UINT64_MAX);
	BAD(image.h.phoff = UINT64_MAX - 55);
	BAD(image.h.entry = 0);
	BAD(image.h.entry = 0x401234); /* just behind the code */
	BAD(image.h.entry = 0x402000); /* data */
	BAD(image.h.entry = UINT64_MAX);
}

static void
test_bad_segment(void **state)
{
	(void)state;
	BAD(image.s[0].filesz = 0x1235);
	BAD(image.s[1].offset = FILE_SIZE - 0x7ff);
	BAD(image.s[1].offset = FILE_SIZE + 0x1000);
	BAD(image.s[1].offset = UINT64_MAX - 0xfff);
	BAD(image.s[1].filesz = image.s[1].memsz = UINT64_MAX);
	BAD(image.s[0].vaddr = LOW - 0x1000);
	BAD(image.s[2].vaddr = HIGH - 0x800);
	BAD(image.s[2].vaddr = HIGH + 0x800);
	BAD(image.s[2].vaddr = UINT64_MAX - 0x7ff);
	BAD(image.s[2].memsz = HIGH - 0x403800 + 1);
	BAD(image.s[2].memsz = UINT64_MAX);
	BAD(image.s[1].vaddr += 8); /* its offset in the page differs from the file's */
	BAD(image.s[0].flags |= ELF_PF_W);
	BAD(image.s[1].vaddr = 0x401000); /* shares a page with the code */
	BAD(image.s[2] = image.s[0]);     /* not in rising order */
}

static void
test_limits(void **state)
{
	struct image image = example();

	(void)state;
	image.s[2].memsz = HIGH - 0x403800;
	assert_int_equal(check(&image), 0);
	image = example();
	for (unsigned int i = 1; i < 9; i++) {
		image.s[i] = image.s[1];
		image.s[i].vaddr = 0x402000 + i * 0x1000;
	}
	image.h.phnum = ELF_LOADS_MAX;
	assert_int_equal(check(&image), 0);
	image.h.phnum = ELF_LOADS_MAX + 1;
	assert_int_equal(check(&image), -E_BAD_ELF);
}

/* The program headers are at an odd place, and the file ends anywhere. */
static void
test_placement(void **state)
{
	struct image image = example();
	struct elf_plan plan;

	(void)state;
	memmove((char *)&image + 333, image.s, 3 * sizeof(image.s[0]));
	image.h.phoff = 333;
	assert_int_equal(check(&image), 0);
	for (size_t size = 0; size < 333 + 3 * sizeof(image.s[0]); size++)
		assert_int_equal(check_sized(&image, size, &plan), -E_BAD_ELF);
	assert_int_equal(check_sized(&image, 333 + 3 * sizeof(image.s[0]), &plan), 0);
}

/* Checks what the loader relies on in a plan that was accepted. */
static void
expect_promises(const struct elf_plan *plan)
{
	uint64_t end = LOW;

	assert_in_range(plan->count, 1, ELF_LOADS_MAX);
	for (unsigned int i = 0; i < plan->count; i++) {
		const struct elf_segment *s = &plan->load[i];

		assert_true((s->vaddr & ~(PAGE_SIZE - 1ull)) >= (i ? end : LOW));
		assert_true(s->vaddr < HIGH && s->memsz <= HIGH - s->vaddr);
		assert_true(s->offset <= FILE_SIZE && s->filesz <= FILE_SIZE - s->offset);
		assert_true(s->filesz <= s->memsz);
		assert_int_equal(s->vaddr % PAGE_SIZE, s->offset % PAGE_SIZE);
		assert_int_not_equal(s->flags & (ELF_PF_W | ELF_PF_X), ELF_PF_W | ELF_PF_X);
		end = s->vaddr + s->memsz;
	}
}

static void
test_random(void **state)
{
	uint64_t seed = 8;
	unsigned int passed = 0;

	(void)state;
	for (int round = 0; round < 50000; round++) {
		struct image image = example();
		struct elf_plan plan;
		unsigned int changes = random32(&seed) % 4 + 1;

		for (unsigned int i = 0; i < changes; i++) {
			size_t words = (sizeof(image.h) + 3 * sizeof(image.s[0])) / 8;
			uint64_t *word = (uint64_t *)&image + random32(&seed) % words;
			uint64_t edge = 1ull << random32(&seed) % 64;

			*word = random32(&seed) % 2 ? *word ^ edge : edge - random32(&seed) % 2;
		}
		if (check_sized(&image, sizeof(image), &plan) == 0) {
			expect_promises(&plan);
			passed++;
		}
	}
	assert_true(passed > 1000);
}

UNIT_MAIN(cmocka_unit_test(test_good), cmocka_unit_test(test_bad_header),
          cmocka_unit_test(test_bad_segment), cmocka_unit_test(test_limits),
          cmocka_unit_test(test_placement), cmocka_unit_test(test_random))
