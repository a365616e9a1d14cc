#include "guest/boot/boot.h"
#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/mem.h"
#include "guest/kernel/trap.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * Device memory.  The HPET's counter, which stands still, keeps whatever is written to it.  So
 * each instruction runs twice at the same address, first with RAM there and then with the
 * counter, and must do the same to memory, registers and flags.
 */

#define AT      0x400000f0 /* in page 0 of WINDOW, where the HPET has its counter */
#define AT_TEXT "0x400000f0"
_Static_assert(AT == WINDOW + HPET_COUNTER, "a literal, since it stands in assembly");

enum {
	DEVICE = PTE_P | PTE_W | PTE_PCD,
	FLAGS = RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF,
	LOGIC = FLAGS & ~RFLAGS_AF, /* flags that AND, OR, XOR and TEST define */
	CODE_PAGE = 1,              /* page of WINDOW */
};

struct regs {
	uint64_t rax, rcx, rsi, rdi, r9, rflags;
	uint64_t ram[2];
};

/* Runs one form with the registers and flags in *r.  IF is clear, since a form may change RSP. */
#define FORM(name, mask, text)                                                             \
	static void form_##name(struct regs *r)                                            \
	{                                                                                  \
		register uint64_t r9 __asm__("r9") = r->r9;                                \
		register uint64_t r13 __asm__("r13") = AT;                                 \
		__asm__ volatile("pushfq\n\tpushq %[flags]\n\tpopfq\n\t" text              \
		                 "\n\tcld\n\tpushfq\n\tpopq %[flags]\n\tpopfq"             \
		                 : "+a"(r->rax), "+c"(r->rcx), "+S"(r->rsi), "+D"(r->rdi), \
		                   "+r"(r9), [flags] "+r"(r->rflags)                       \
		                 : "d"(AT), "r"(r13)                                       \
		                 : "rbx", "memory", "cc");                                 \
		r->r9 = r9;                                                                \
	}

#define ARITHMETIC(X, op, mask)                             \
	X(op##_to_8, mask, #op "b %%al, (%%rdx)")           \
	X(op##_to_64, mask, #op "q %%r9, (%%rdx)")          \
	X(op##_from_16, mask, #op "w (%%rdx), %%cx")        \
	X(op##_from_32, mask, #op "l (%%rdx), %%r9d")       \
	X(op##_imm_8, mask, #op "b $0x81, 1(%%rdx)")        \
	X(op##_imm_32, mask, #op "l $0x80000001, 4(%%rdx)") \
	X(op##_imm_64, mask, #op "q $-2, (%%r13)")

#define FORMS(X)                                                                       \
	X(store_8, FLAGS, "movb %%al, (%%rdx)")                                        \
	X(store_high_8, FLAGS, "movb %%ah, 7(%%rdx)")                                  \
	X(store_r9b, FLAGS, "movb %%r9b, 3(%%rdx)")                                    \
	X(store_16, FLAGS, "movw %%cx, 2(%%rdx)")                                      \
	X(store_32, FLAGS, "movl %%eax, (%%rdx)")                                      \
	X(store_64, FLAGS, "movq %%r9, (%%r13)")                                       \
	X(store_imm_8, FLAGS, "movb $0x5a, 5(%%rdx)")                                  \
	X(store_imm_16, FLAGS, "movw $0x8001, 6(%%rdx)")                               \
	X(store_imm_32, FLAGS, "movl $0x80000001, 4(%%rdx)")                           \
	X(store_imm_64, FLAGS, "movq $-3, (%%rdx)")                                    \
	X(store_sib, FLAGS, "xorl %%ecx, %%ecx; movl %%eax, 4(%%r13,%%rcx,8)")         \
	X(load_8, FLAGS, "movb 1(%%rdx), %%al")                                        \
	X(load_high_8, FLAGS, "movb (%%rdx), %%ch")                                    \
	X(load_16, FLAGS, "movw (%%rdx), %%ax")                                        \
	X(load_32, FLAGS, "movl 4(%%rdx), %%eax")                                      \
	X(load_64, FLAGS, "movq (%%rdx), %%rax")                                       \
	X(load_r9d, FLAGS, "movl (%%r13), %%r9d")                                      \
	X(load_absolute, FLAGS, "movl " AT_TEXT ", %%ecx")                             \
	X(load_addr32, FLAGS, "movl (%%edx), %%ecx")                                   \
	X(load_rsp, FLAGS, "movq %%rsp, %%r9; movq (%%rdx), %%rsp; xchgq %%rsp, %%r9") \
	X(movabs_store, FLAGS, "movabs %%eax, " AT_TEXT)                               \
	X(movabs_load, FLAGS, "movabs " AT_TEXT ", %%rax")                             \
	X(movzbw, FLAGS, "movzbw 7(%%rdx), %%ax")                                      \
	X(movzbl, FLAGS, "movzbl 7(%%rdx), %%eax")                                     \
	X(movzbq, FLAGS, "movzbq 7(%%rdx), %%r9")                                      \
	X(movzwl, FLAGS, "movzwl 6(%%rdx), %%r9d")                                     \
	X(movzwq, FLAGS, "movzwq 6(%%rdx), %%rcx")                                     \
	X(movsbw, FLAGS, "movsbw 7(%%rdx), %%ax")                                      \
	X(movsbl, FLAGS, "movsbl 7(%%rdx), %%eax")                                     \
	X(movsbq, FLAGS, "movsbq 7(%%rdx), %%r9")                                      \
	X(movswl, FLAGS, "movswl 6(%%rdx), %%r9d")                                     \
	X(movswq, FLAGS, "movswq 6(%%rdx), %%rcx")                                     \
	X(movslq, FLAGS, "movslq 4(%%rdx), %%rax")                                     \
	ARITHMETIC(X, add, FLAGS)                                                      \
	ARITHMETIC(X, or, LOGIC)                                                       \
	ARITHMETIC(X, adc, FLAGS)                                                      \
	ARITHMETIC(X, sbb, FLAGS)                                                      \
	ARITHMETIC(X, and, LOGIC)                                                      \
	ARITHMETIC(X, sub, FLAGS)                                                      \
	ARITHMETIC(X, xor, LOGIC)                                                      \
	ARITHMETIC(X, cmp, FLAGS)                                                      \
	X(test_8, LOGIC, "testb $0x81, 7(%%rdx)")                                      \
	X(test_64, LOGIC, "testq %%r9, (%%rdx)")                                       \
	X(not_8, FLAGS, "notb 7(%%rdx)")                                               \
	X(not_64, FLAGS, "notq (%%rdx)")                                               \
	X(neg_32, FLAGS, "negl 4(%%rdx)")                                              \
	X(inc_16, FLAGS, "incw (%%rdx)")                                               \
	X(dec_64, FLAGS, "decq (%%rdx)")                                               \
	X(xchg_8, FLAGS, "xchgb %%ah, (%%rdx)")                                        \
	X(xchg_32, FLAGS, "xchgl %%eax, (%%rdx)")                                      \
	X(xadd_32, FLAGS, "lock xaddl %%r9d, 4(%%rdx)")                                \
	X(cmpxchg_no, FLAGS, "lock cmpxchgl %%ecx, (%%rdx)")                           \
	X(cmpxchg_yes, FLAGS, "movq (%%rdx), %%rax; lock cmpxchgq %%r9, (%%rdx)")      \
	X(lock_or, LOGIC, "lock orl $0x10, (%%rdx)")                                   \
	X(bt_32, RFLAGS_CF, "btl $31, 4(%%rdx)")                                       \
	X(bts_64, RFLAGS_CF, "movl $62, %%ecx; btsq %%rcx, (%%rdx)")                   \
	X(btr_above, RFLAGS_CF, "movl $63, %%ecx; btrl %%ecx, (%%rdx)")                \
	X(btc_below, RFLAGS_CF, "movl $-3, %%ecx; btcl %%ecx, 4(%%rdx)")               \
	X(stosb, FLAGS, "stosb")                                                       \
	X(stosq, FLAGS, "stosq")                                                       \
	X(rep_stosl, FLAGS, "movl $2, %%ecx; rep stosl")                               \
	X(rep_stosw_down, FLAGS, "addq $6, %%rdi; movl $4, %%ecx; std; rep stosw")     \
	X(rep_stos_none, FLAGS, "xorl %%ecx, %%ecx; rep stosb")                        \
	X(lodsb, FLAGS, "xchgq %%rsi, %%rdi; lodsb")                                   \
	X(rep_lodsl, FLAGS, "xchgq %%rsi, %%rdi; movl $2, %%ecx; rep lodsl")           \
	X(movsl_in, FLAGS, "xchgq %%rsi, %%rdi; movsl")                                \
	X(rep_movsb_in, FLAGS, "xchgq %%rsi, %%rdi; movl $8, %%ecx; rep movsb")        \
	X(movsq_out, FLAGS, "movsq")                                                   \
	X(rep_movsw_out, FLAGS, "movl $4, %%ecx; rep movsw")                           \
	X(rep_movsb_within, FLAGS, "movq %%rdi, %%rsi; incq %%rdi; movl $4, %%ecx; rep movsb")

FORMS(FORM)

static const struct form {
	const char *name;
	void (*run)(struct regs *r);
	uint64_t flags; /* flags that the form defines */
} forms[] = {
#define ROW(name, mask, text) {#name, form_##name, mask},
        FORMS(ROW)
#undef ROW
};

static const uint64_t values[] = {0x8070605040302010, 0x7fffffff80000000, UINT64_MAX, 0};

static volatile uint64_t *const at = (volatile uint64_t *)AT;

static uint8_t *
map_ram(void)
{
	return window_map(0, mem_pa(test_pages), PTE_P | PTE_W);
}

static uint8_t *
map_device(void)
{
	return window_map(0, HPET_PA, DEVICE);
}

/*
 * Runs a form on registers `start` and memory `value`.  Returns the registers afterwards; *left
 * gets the memory.
 */
static struct regs
outcome(const struct form *f, struct regs start, uint64_t value, uint64_t *left)
{
	struct regs r = start;
	static uint64_t buffer[2];

	buffer[0] = start.ram[0];
	buffer[1] = start.ram[1];
	r.rsi = (uint64_t)buffer;
	*at = value;
	f->run(&r);
	*left = *at;
	r.ram[0] = buffer[0];
	r.ram[1] = buffer[1];
	r.rflags &= f->flags;
	return r;
}

static bool
same_as_ram(const struct form *f, uint64_t value, uint64_t rflags)
{
	const struct regs start = {
	        .rax = 0x1122334455667788,
	        .rcx = 0x8899aabbccddeeff,
	        .rdi = AT,
	        .r9 = 0xfedcba9876543210,
	        .rflags = rflags | RFLAGS_FIXED,
	        .ram = {0x0102030405060708, 0xf1f2f3f4f5f6f7f8},
	};
	struct regs in_ram, in_device;
	uint64_t ram, device;

	map_ram();
	in_ram = outcome(f, start, value, &ram);
	map_device();
	in_device = outcome(f, start, value, &device);
	if (ram == device && memcmp(&in_ram, &in_device, sizeof(in_ram)) == 0)
		return true;
	printf("mmio: %s, memory %lx: in RAM it becomes %lx, rax %lx, rcx %lx, rdi %lx, r9 %lx, "
	       "flags %lx; in the device %lx, %lx, %lx, %lx, %lx, %lx\n",
	       f->name, value, ram, in_ram.rax, in_ram.rcx, in_ram.rdi, in_ram.r9, in_ram.rflags,
	       device, in_device.rax, in_device.rcx, in_device.rdi, in_device.r9, in_device.rflags);
	return false;
}

static void
check_forms(void)
{
	unsigned int wrong = 0;

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		for (size_t v = 0; v < ARRAY_SIZE(values); v++)
			if (!same_as_ram(&forms[i], values[v], v & 1 ? FLAGS : 0))
				wrong++;
	check(wrong == 0, "mmio: %lu instructions do the same to a device as to RAM",
	      ARRAY_SIZE(forms));
}

/* Copies code to a page of test_pages and maps that page at CODE_PAGE of WINDOW. */
static uint64_t (*place_code(unsigned int page, const uint8_t *code, size_t n))(void)
{
	memcpy(test_pages + page * PAGE_SIZE, code, n);
	return (uint64_t(*)(void))window_map(CODE_PAGE, mem_pa(test_pages) + page * PAGE_SIZE,
	                                     PTE_P | PTE_W);
}

/* The counter's distance from the end of an instruction of 6 bytes at CODE_PAGE. */
#define REL32      (HPET_COUNTER - PAGE_SIZE - 6)
#define BYTE(n, i) ((uint8_t)((uint32_t)(n) >> 8 * (i)))
#define BYTES32(n) BYTE(n, 0), BYTE(n, 1), BYTE(n, 2), BYTE(n, 3)

/*
 * Checks addresses relative to RIP.  Also checks that code runs as it is now, after it was changed
 * and after another page was mapped in its place.
 */
static void
check_code(void)
{
	static const uint8_t load_32[] = {0x8b, 0x05, BYTES32(REL32), 0xc3};
	static const uint8_t load_8[] = {0x0f, 0xb6, 0x05, BYTES32(REL32 - 1), 0xc3};
	uint64_t (*code)(void);

	map_device();
	*at = 0x8070605040302010;
	code = place_code(1, load_32, sizeof(load_32));
	check(code() == 0x40302010, "mmio: an address relative to RIP");
	place_code(1, load_8, sizeof(load_8));
	check(code() == 0x10, "mmio: code that was changed since the last access");
	place_code(2, load_32, sizeof(load_32));
	check(code() == 0x40302010, "mmio: code in another page, mapped by INVLPG");
	window_map(CODE_PAGE, 0, 0);
}

static unsigned int steps;

static void
count_step(struct trapframe *tf)
{
	(void)tf;
	steps++;
}

/* Single steps: one for each instruction, and for each element of a string. */
static void
check_single_step(void)
{
	trap_hook *before = trap_set_hook(X86_DB, count_step);
	uint64_t rcx = 3, rdi = AT;

	map_device();
	steps = 0;
	__asm__ volatile("pushfq\n\torq %2, (%%rsp)\n\tpopfq\n\t"
	                 "movl %%eax, (%%rdx)\n\t"
	                 "rep stosb\n\t"
	                 "pushfq\n\tandq %3, (%%rsp)\n\tpopfq"
	                 : "+c"(rcx), "+D"(rdi)
	                 : "i"(RFLAGS_TF), "i"(~RFLAGS_TF), "a"(0), "d"(AT)
	                 : "memory", "cc");
	trap_set_hook(X86_DB, before);
	/* The MOV, three STOSB, PUSHFQ, ANDQ and POPFQ. */
	check(steps == 7 && rcx == 0, "mmio: single steps, %u of 7", steps);
}

static void
movs_from_device(void *arg)
{
	uint64_t rsi = AT, rdi = (uint64_t)arg;

	__asm__ volatile("movsl" : "+S"(rsi), "+D"(rdi) : : "memory");
}

static void
check_faults(void)
{
	uint8_t *absent = window_map(2, 0, 0);
	struct fault f = {0};
	bool faulted;

	map_device();
	faulted = try_run(movs_from_device, absent, &f);
	check(faulted && f.vector == X86_PF && f.error == PF_W && f.cr2 == (uint64_t)absent,
	      "mmio: movsl from a device into an absent page gets #PF");
}

/* The HPET itself: 10 ns a count, and it says that it cannot interrupt. */
static void
check_hpet(void)
{
	enum { CONFIG = 0x10, TIMER = 0x100 };
	volatile uint64_t *hpet = (volatile uint64_t *)map_device();
	uint64_t first, second;

	check(hpet[0] == 0x0098968080862001, "mmio: the HPET's capabilities, %lx", hpet[0]);
	check(hpet[TIMER / 8] == 0, "mmio: its timer has no route to an interrupt");
	hpet[CONFIG / 8] = 1;
	first = *at;
	for (int i = 0; i < 1000; i++)
		inb(COM1_LSR);
	second = *at;
	check(second > first, "mmio: its counter runs, from %lx to %lx", first, second);
	hpet[CONFIG / 8] = 0;
	first = *at;
	inb(COM1_LSR);
	check(*at == first, "mmio: its counter stands still once it is stopped");
}

int
cmd_mmio(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (!in_nestling()) {
		printf("NOTE not on this machine: its HPET may be absent, or not stand still\n");
		return 0;
	}
	check_hpet();
	check_forms();
	check_code();
	check_single_step();
	check_faults();
	window_map(0, 0, 0);
	return 0;
}
