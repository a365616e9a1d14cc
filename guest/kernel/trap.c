#include "guest/kernel/trap.h"

#include <stddef.h>

#include "guest/kernel/console.h"
#include "guest/kernel/irq.h"
#include "guest/kernel/main.h"
#include "guest/kernel/smp.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * Segments and traps.  A trap goes to the hook of its vector.  Without a hook, an interrupt is only
 * acknowledged, and an exception ends the try_run() around it; outside of any try_run() it ends the
 * machine with a register dump.
 */

enum {
	STUB_BYTES = 16,
	GATE_INTERRUPT = 0x8e,
	GATE_DPL3 = 0x60,
	TSS_AVAILABLE = 0x89,
	VECTORS = 256,
	DOUBLE_STACK = 4096,
};

struct gate {
	uint16_t offset0, sel;
	uint8_t ist, type;
	uint16_t offset1;
	uint32_t offset2, zero;
};

/* SDM vol. 3, "64-Bit Task State Segment". */
struct tss {
	uint32_t reserved0;
	uint64_t rsp[3], reserved1, ist[7], reserved2;
	uint16_t reserved3, io_map;
} __attribute__((packed));

struct table_register {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

_Static_assert(sizeof(struct gate) == 16, "64-bit gate");
_Static_assert(sizeof(struct tss) == 104, "64-bit TSS");

static const uint64_t descriptors[] = {
        0,
        0x00af9b000000ffff, /* SEL_KCODE */
        0x00cf93000000ffff, /* SEL_KDATA */
        0x00cff3000000ffff, /* SEL_UDATA */
        0x00affb000000ffff, /* SEL_UCODE */
        0,
        0, /* SEL_TSS, filled in below */
};
_Static_assert(sizeof(descriptors) <= SEL_BAD, "SEL_BAD lies beyond the GDT");

static struct gate idt[VECTORS] __attribute__((aligned(16)));
/* Each CPU has its own. */
static struct segments {
	uint64_t gdt[ARRAY_SIZE(descriptors)];
	struct tss tss;
	uint8_t double_fault_stack[DOUBLE_STACK] __attribute__((aligned(16)));
} segments[CPUS_MAX];
static trap_hook *hooks[T_STUBS];
static volatile uint64_t counts[T_STUBS];
static struct fault caught;
extern char trap_stubs[];

static const char *const names[] = {
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9",
        "#TS", "#NP", "#SS", "#GP", "#PF", "15",  "#MF", "#AC", "#MC", "#XM",
};

const char *
trap_name(unsigned int vector)
{
	return vector < ARRAY_SIZE(names) ? names[vector] : "trap";
}

static void
set_gate(unsigned int vector, uint64_t handler, uint8_t type)
{
	idt[vector] = (struct gate){
	        .offset0 = handler,
	        .sel = SEL_KCODE,
	        .type = type,
	        .offset1 = handler >> 16,
	        .offset2 = handler >> 32,
	};
}

void
trap_reload_segments(void)
{
	__asm__ volatile("movw %w0, %%ds\n\t"
	                 "movw %w0, %%es\n\t"
	                 "movw %w0, %%ss"
	                 :
	                 : "r"(SEL_KDATA)
	                 : "memory");
}

static void
load_segments(struct segments *s)
{
	struct table_register gdtr = {sizeof(s->gdt) - 1, (uint64_t)s->gdt};
	uint64_t *gdt = s->gdt, base = (uint64_t)&s->tss;

	memcpy(gdt, descriptors, sizeof(descriptors));
	s->tss.io_map = sizeof(s->tss);
	s->tss.ist[IST_DOUBLE - 1] = (uint64_t)s->double_fault_stack + DOUBLE_STACK;
	gdt[SEL_TSS / 8] = (sizeof(s->tss) - 1) | (base & 0xffffff) << 16 |
	                   (uint64_t)TSS_AVAILABLE << 40 | (base >> 24 & 0xff) << 56;
	gdt[SEL_TSS / 8 + 1] = base >> 32;
	__asm__ volatile("lgdt %0\n\t"
	                 "pushq %1\n\t"
	                 "leaq 1f(%%rip), %%rax\n\t"
	                 "pushq %%rax\n\t"
	                 "lretq\n"
	                 "1:\txorl %%eax, %%eax\n\t"
	                 "movw %%ax, %%fs\n\t"
	                 "movw %%ax, %%gs\n\t"
	                 "ltr %w2"
	                 :
	                 : "m"(gdtr), "i"(SEL_KCODE), "r"(SEL_TSS)
	                 : "rax", "memory");
	trap_reload_segments();
}

static void
load_idt(void)
{
	struct table_register idtr = {sizeof(idt) - 1, (uint64_t)idt};

	__asm__ volatile("lidt %0" : : "m"(idtr));
}

void
trap_init_other(unsigned int index)
{
	load_segments(&segments[index]);
	load_idt();
}

void
trap_init(void)
{
	load_segments(&segments[0]);
	for (unsigned int v = 0; v < T_STUBS; v++)
		set_gate(v, (uint64_t)trap_stubs + v * STUB_BYTES, GATE_INTERRUPT);
	idt[T_SOFT].type |= GATE_DPL3;
	idt[X86_BP].type |= GATE_DPL3;
	trap_set_ist(X86_DF, IST_DOUBLE);
	load_idt();
}

trap_hook *
trap_set_hook(unsigned int vector, trap_hook *hook)
{
	trap_hook *before = hooks[vector];

	hooks[vector] = hook;
	return before;
}

void
trap_set_entry(unsigned int vector, const char *entry)
{
	uint64_t stub = (uint64_t)trap_stubs + vector * STUB_BYTES;

	set_gate(vector, entry ? (uint64_t)entry : stub, idt[vector].type);
}

uint64_t
trap_count(unsigned int vector)
{
	return counts[vector];
}

void
trap_set_ist(unsigned int vector, unsigned int ist)
{
	idt[vector].ist = ist;
}

void
trap_set_stack(unsigned int ist, uint64_t top)
{
	if (ist == 0)
		segments[0].tss.rsp[0] = top;
	else
		segments[0].tss.ist[ist - 1] = top;
}

/* Prints the registers at an unexpected exception and powers off. */
static _Noreturn void
die(const struct trapframe *tf)
{
	printf("\nguest: unexpected %s (vector %lu, error %lx) at rip %lx cs %lx rflags %lx\n",
	       trap_name(tf->vector), tf->vector, tf->error, tf->rip, tf->cs, tf->rflags);
	if (smp_this())
		printf("  on CPU %u\n", smp_this());
	printf("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", tf->rax, tf->rbx, tf->rcx,
	       tf->rdx);
	printf("  rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", tf->rsi, tf->rdi, tf->rbp,
	       tf->rsp);
	printf("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", tf->r8, tf->r9, tf->r10, tf->r11);
	printf("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", tf->r12, tf->r13, tf->r14,
	       tf->r15);
	printf("  cr0 %lx cr2 %lx cr3 %lx cr4 %lx\n", read_cr0(), read_cr2(), read_cr3(),
	       read_cr4());
	power_off(1);
}

/* Ends the innermost try_run(): the trap returns to try_fault instead. */
void
trap_unwind(struct trapframe *tf)
{
	caught = (struct fault){tf->vector, tf->error, tf->rip, read_cr2()};
	tf->rip = (uint64_t)try_fault;
	tf->rsp = try_stack;
	tf->cs = SEL_KCODE;
	tf->ss = SEL_KDATA;
	tf->rflags &= ~(uint64_t)(RFLAGS_IF | RFLAGS_DF | RFLAGS_TF);
}

void
trap(struct trapframe *tf)
{
	unsigned int vector = tf->vector;

	if (vector >= T_IRQ && vector < T_SOFT && !irq_acknowledge(vector - T_IRQ))
		return;
	counts[vector]++;
	if (hooks[vector])
		hooks[vector](tf);
	else if (vector < T_IRQ && try_stack && smp_this() == 0)
		trap_unwind(tf);
	else if (vector < T_IRQ)
		die(tf);
}

bool
try_run(void (*fn)(void *), void *arg, struct fault *f)
{
	bool faulted = try_call(fn, arg);

	if (faulted && f)
		*f = caught;
	return faulted;
}
