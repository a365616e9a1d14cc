#include "guest/boot/boot.h"
#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/main.h"
#include "guest/kernel/mem.h"
#include "guest/kernel/trap.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * String I/O at its edges.  The source of known data is the boot sector, read from the disk through
 * the IDE data port.  The sink is the UART's scratch register, which shows the last byte written.
 */

enum {
	PORT_NONE = 0x1234, /* reads all ones */
	SCRATCH = COM1 + 7,
	WORDS = SECTOR_SIZE / 2,
	LONG_COUNT = 10000, /* bytes: more than one exit moves */
};

/* Registers of a string instruction, in and out. */
struct string_io {
	uint64_t rdi, rsi, rcx;
	uint16_t port;
	bool backwards;
};

#define STRING_IO(name, instruction)                                        \
	static void name(void *arg)                                         \
	{                                                                   \
		struct string_io *s = arg;                                  \
		uint64_t flags = s->backwards ? RFLAGS_DF : 0;              \
		__asm__ volatile("pushfq\n\t"                               \
		                 "orq %4, (%%rsp)\n\t"                      \
		                 "popfq\n\t" instruction "\n\t"             \
		                 "cld"                                      \
		                 : "+D"(s->rdi), "+S"(s->rsi), "+c"(s->rcx) \
		                 : "d"(s->port), "r"(flags)                 \
		                 : "memory", "cc");                         \
	}

STRING_IO(rep_insb, "rep insb")
STRING_IO(rep_insw, "rep insw")
STRING_IO(rep_insl, "rep insl")
STRING_IO(rep_insb_ecx, "addr32 rep insb")
STRING_IO(rep_outsb, "rep outsb")
STRING_IO(one_insb, "insb")

static uint8_t sector[SECTOR_SIZE]; /* the boot sector, read by single INs */
static unsigned int faults;

/* Asks the disk for sector 0.  Returns true once the data waits at the data port. */
static bool
request_sector(void)
{
	uint8_t status = IDE_BSY;

	outb(IDE_DRIVE, IDE_MASTER_LBA);
	outb(IDE_COUNT, 1);
	outb(IDE_LBA0, 0);
	outb(IDE_LBA1, 0);
	outb(IDE_LBA2, 0);
	outb(IDE_COMMAND, IDE_READ_SECTORS);
	for (uint32_t i = 0; i < IDE_POLLS && (status & IDE_BSY); i++)
		status = inb(IDE_STATUS);
	return !(status & (IDE_BSY | IDE_ERR | IDE_DF)) && (status & IDE_DRQ);
}

static bool
read_reference(void)
{
	if (!request_sector())
		return check(false, "string: the disk gives sector 0");
	for (int i = 0; i < WORDS; i++) {
		uint16_t w = inw(IDE_DATA);

		memcpy(sector + 2 * i, &w, sizeof(w));
	}
	return check(sector[SECTOR_SIZE - 2] == 0x55 && sector[SECTOR_SIZE - 1] == 0xaa,
	             "string: sector 0, by single INs, ends with 55 AA");
}

/* Handles a page fault in WINDOW: maps page n of WINDOW to page n of test_pages. */
static void
map_on_demand(struct trapframe *tf)
{
	unsigned int n = (read_cr2() - WINDOW) / PAGE_SIZE;

	(void)tf;
	if (n >= TEST_PAGES) {
		printf("guest: string I/O faults at %lx\n", read_cr2());
		power_off(1);
	}
	faults++;
	window_map(n, mem_pa(test_pages) + n * PAGE_SIZE, PTE_P | PTE_W);
}

static void
check_count_zero(void)
{
	struct string_io s = {.rdi = NON_CANONICAL, .rsi = NON_CANONICAL, .port = PORT_NONE};

	rep_insb(&s);
	rep_outsb(&s);
	check(s.rcx == 0 && s.rdi == NON_CANONICAL && s.rsi == NON_CANONICAL,
	      "string: count 0 touches nothing");
}

/* Two adjacent pages of WINDOW, far apart in RAM, show whether both are translated. */
static void
check_crossing(void)
{
	uint8_t *at = window_map(0, mem_pa(test_pages), PTE_P | PTE_W) + PAGE_SIZE - 100;
	struct string_io s = {.rdi = (uint64_t)at, .rcx = WORDS, .port = IDE_DATA};

	window_map(1, mem_pa(test_pages) + 3 * PAGE_SIZE, PTE_P | PTE_W);
	memset(test_pages, 0, sizeof(test_pages));
	check(request_sector(), "string: the disk gives sector 0");
	rep_insw(&s);
	check(s.rcx == 0 && s.rdi == (uint64_t)at + SECTOR_SIZE &&
	              memcmp(at, sector, SECTOR_SIZE) == 0,
	      "string: rep insw across a page boundary");
	check(at[-1] == 0 && at[SECTOR_SIZE] == 0,
	      "string: rep insw writes nothing beside its buffer");

	at += 100 - 7;
	s = (struct string_io){.rdi = (uint64_t)at, .rcx = WORDS / 2, .port = IDE_DATA};
	check(request_sector(), "string: the disk gives sector 0");
	rep_insl(&s);
	check(memcmp(at, sector, SECTOR_SIZE) == 0,
	      "string: rep insl with an item across a page boundary");
}

/* Words come in order, each to a lower address than the one before. */
static void
check_backwards(void)
{
	uint8_t *top = test_pages + PAGE_SIZE + 100;
	struct string_io s = {
	        .rdi = (uint64_t)top, .rcx = WORDS, .port = IDE_DATA, .backwards = true};
	bool same = true;

	check(request_sector(), "string: the disk gives sector 0");
	rep_insw(&s);
	for (int i = 0; i < WORDS; i++)
		same &= memcmp(top - 2 * i, sector + 2 * i, 2) == 0;
	check(same && s.rcx == 0 && s.rdi == (uint64_t)top - SECTOR_SIZE,
	      "string: rep insw backwards, across a page boundary");

	memcpy(test_pages, "abc", 3);
	s = (struct string_io){
	        .rsi = (uint64_t)test_pages + 2, .rcx = 3, .port = SCRATCH, .backwards = true};
	rep_outsb(&s);
	check(inb(SCRATCH) == 'a' && s.rcx == 0 && s.rsi == (uint64_t)test_pages - 1,
	      "string: rep outsb backwards");
}

static void
check_long(void)
{
	struct string_io s = {.rdi = (uint64_t)test_pages, .rcx = LONG_COUNT, .port = PORT_NONE};
	bool ones = true;

	memset(test_pages, 0, sizeof(test_pages));
	rep_insb(&s);
	for (int i = 0; i < LONG_COUNT; i++)
		ones &= test_pages[i] == 0xff;
	check(ones && test_pages[LONG_COUNT] == 0 && s.rcx == 0,
	      "string: rep insb of %u bytes from a port without a device gives ones", LONG_COUNT);

	for (int i = 0; i < LONG_COUNT; i++)
		test_pages[i] = i;
	s = (struct string_io){.rsi = (uint64_t)test_pages, .rcx = LONG_COUNT, .port = SCRATCH};
	rep_outsb(&s);
	check(inb(SCRATCH) == (uint8_t)(LONG_COUNT - 1) && s.rcx == 0 &&
	              s.rsi == (uint64_t)test_pages + LONG_COUNT,
	      "string: rep outsb of %u bytes", LONG_COUNT);
}

/* With 32-bit addresses ECX counts and EDI points: the upper halves of RCX and RDI are ignored. */
static void
check_forms(void)
{
	struct string_io s = {.rdi = BIT(40) | WINDOW, .rcx = BIT(40) | 5, .port = PORT_NONE};

	window_map(0, mem_pa(test_pages), PTE_P | PTE_W);
	memset(test_pages, 0, 16);
	rep_insb_ecx(&s);
	check((uint32_t)s.rcx == 0 && (uint32_t)s.rdi == WINDOW + 5 && test_pages[4] == 0xff &&
	              test_pages[5] == 0,
	      "string: addr32 rep insb counts in ECX");
	window_map(0, 0, 0);

	s = (struct string_io){.rdi = (uint64_t)test_pages, .rcx = 7, .port = PORT_NONE};
	memset(test_pages, 0, 16);
	one_insb(&s);
	check(test_pages[0] == 0xff && test_pages[1] == 0 && s.rcx == 7 &&
	              s.rdi == (uint64_t)test_pages + 1,
	      "string: insb without rep moves one byte");
}

/* The second page is mapped only when it faults: no item may be lost or moved twice. */
static void
check_restart(void)
{
	uint8_t *at = window_map(0, mem_pa(test_pages), PTE_P | PTE_W) + PAGE_SIZE - 100;
	struct string_io s = {.rdi = (uint64_t)at, .rcx = WORDS, .port = IDE_DATA};
	trap_hook *before = trap_set_hook(X86_PF, map_on_demand);

	window_map(1, 0, 0);
	memset(test_pages, 0, sizeof(test_pages));
	faults = 0;
	check(request_sector(), "string: the disk gives sector 0");
	rep_insw(&s);
	check(faults == 1 && s.rcx == 0 && memcmp(at, sector, SECTOR_SIZE) == 0,
	      "string: rep insw into a page that is not present goes on after its #PF");

	memcpy(at, sector, SECTOR_SIZE);
	window_map(1, 0, 0);
	faults = 0;
	s = (struct string_io){.rsi = (uint64_t)at, .rcx = 101, .port = SCRATCH};
	rep_outsb(&s);
	check(faults == 1 && s.rcx == 0 && inb(SCRATCH) == sector[100],
	      "string: rep outsb from a page that is not present goes on after its #PF");
	trap_set_hook(X86_PF, before);
	window_map(0, 0, 0);
	window_map(1, 0, 0);
}

/* Checks that `rep` ends in this fault. */
static void
check_refusal(void (*rep)(void *), struct string_io s, unsigned int vector, uint64_t error,
              const char *what)
{
	struct fault f = {0};
	bool faulted = try_run(rep, &s, &f);

	check(faulted && f.vector == vector && f.error == error &&
	              (vector != X86_PF || f.cr2 == WINDOW),
	      "string: %s gets %s, error %lx", what, trap_name(f.vector), f.error);
}

static void
check_refused(void)
{
	struct string_io s = {.rdi = WINDOW, .rsi = WINDOW, .rcx = 16, .port = PORT_NONE};

	test_pages[0] = 0;
	window_map(0, mem_pa(test_pages), PTE_P);
	check_refusal(rep_insb, s, X86_PF, PF_P | PF_W, "rep insb into a read-only page");
	check(test_pages[0] == 0, "string: and writes nothing there");
	window_map(0, 0, 0);
	check_refusal(rep_outsb, s, X86_PF, 0, "rep outsb from an absent page");
	s.rdi = NON_CANONICAL;
	check_refusal(rep_insb, s, X86_GP, 0, "rep insb to a non-canonical address");
}

int
cmd_string(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (!read_reference())
		return STATUS_FAILED;
	check_count_zero();
	check_crossing();
	check_backwards();
	check_long();
	check_forms();
	check_restart();
	check_refused();
	return 0;
}
