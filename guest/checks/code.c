#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/mem.h"
#include "guest/kernel/trap.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * Writes instructions that exit over one another, at the same address: a hypervisor that reads an
 * instruction, or remembers what it has read, must not take one for the other.  The instructions
 * have different lengths, and some lie across the border of two pages.
 */

enum {
	PREFIXES_MAX = 8,
	BORDER = PAGE_SIZE,  /* between the first two pages of WINDOW */
	FIRST = BORDER - 16, /* the instruction starts here .. */
	LAST = BORDER + 1,   /* .. to here */
	CPUID_BEFORE = 3,    /* bytes that put_cpuid() writes before CPUID */
};

struct writer {
	uint8_t *at;
};

static void
put(struct writer *w, const void *bytes, size_t n)
{
	memcpy(w->at, bytes, n);
	w->at += n;
}
#define PUT(w, ...) put(w, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

struct call {
	uint8_t *code;
	uint64_t a, b, result;
};

static void
run(void *arg)
{
	struct call *c = arg;

	c->result = ((uint64_t(*)(uint64_t, uint64_t))c->code)(c->a, c->b);
}

static bool
returns(struct call *c, uint64_t expected)
{
	struct fault f;

	c->result = ~expected;
	return !try_run(run, c, &f) && c->result == expected;
}

/*
 * Writes a function that has CPUID with n prefixes at `insn` and returns n.  Returns its address.
 */
static uint8_t *
put_cpuid(uint8_t *insn, unsigned int n)
{
	uint8_t *function = insn - CPUID_BEFORE;
	struct writer w = {function};

	PUT(&w, 0x53, 0x31, 0xc0); /* push %rbx; xor %eax, %eax */
	for (unsigned int i = 0; i < n; i++)
		PUT(&w, 0x66);
	PUT(&w, 0x0f, 0xa2);
	PUT(&w, 0xb8, (uint8_t)n, 0, 0, 0); /* mov $n, %eax */
	PUT(&w, 0x5b, 0xc3);                /* pop %rbx; ret */
	return function;
}

static bool
cpuid_works(uint8_t *insn, unsigned int n)
{
	struct call c = {.code = put_cpuid(insn, n)};

	return returns(&c, n);
}

/*
 * Maps two pages with such functions at one address in turn.  Returns how often the wrong one ran.
 */
static unsigned int
wrong_pages(void)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < 6; i++) {
		unsigned int n = i % 2;
		uint8_t *page = window_map(0, mem_pa(test_pages + n * PAGE_SIZE), PTE_P | PTE_W);
		struct call c = {.code = page};

		if (i < 2)
			put_cpuid(page + CPUID_BEFORE, n);
		wrong += !returns(&c, n);
	}
	return wrong;
}

/*
 * Writes a function that loads CR0 from its first argument, in RAX, or its second, in RCX, and runs
 * it.  Returns false if CR0 gets another value.
 */
static bool
cr0_works(uint8_t *insn, bool second)
{
	static const uint8_t before[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf1}; /* to rax and rcx */
	uint64_t cr0 = read_cr0();
	struct call c = {
	        .code = insn - sizeof(before), .a = cr0 ^ CR0_NE, .b = cr0 ^ CR0_NE ^ CR0_AM};
	struct writer w = {c.code};
	bool ok;

	put(&w, before, sizeof(before));
	PUT(&w, 0x0f, 0x22, second ? 0xc1 : 0xc0);
	PUT(&w, 0x0f, 0x20, 0xc0, 0xc3); /* mov %cr0, %rax; ret */
	ok = returns(&c, second ? c.b : c.a);
	write_cr0(cr0);
	return ok;
}

int
cmd_code(int argc, char **argv)
{
	unsigned int wrong_length = 0, wrong_register = 0, wrong_page = wrong_pages();
	uint8_t *window;

	(void)argc;
	(void)argv;
	window = window_map(0, mem_pa(test_pages), PTE_P | PTE_W);
	window_map(1, mem_pa(test_pages + PAGE_SIZE), PTE_P | PTE_W);
	for (unsigned int at = FIRST; at <= LAST; at++) {
		for (unsigned int n = 0; n <= PREFIXES_MAX; n++)
			wrong_length += !cpuid_works(window + at, n);
		for (unsigned int n = PREFIXES_MAX + 1; n-- > 0;)
			wrong_length += !cpuid_works(window + at, n);
		for (unsigned int i = 0; i < 4; i++)
			wrong_register += !cr0_works(window + at, i % 2);
	}
	window_map(0, 0, 0);
	window_map(1, 0, 0);
	memset(test_pages, 0, sizeof(test_pages));
	check(!wrong_length, "code: CPUID behind prefixes that come and go, %u times wrong",
	      wrong_length);
	check(!wrong_page, "code: two pages at one address in turn, %u times wrong", wrong_page);
	check(!wrong_register, "code: MOV to CR0 from two registers in turn, %u times wrong",
	      wrong_register);
	return 0;
}
