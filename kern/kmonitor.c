#include "kern/kmonitor.h"

#include "inc/mmu.h"
#include "inc/x86.h"
#include "kern/audit/audit.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/debug.h"
#include "kern/dev/poweroff.h"
#include "kern/env.h"
#include "kern/mem/page.h"
#include "kern/mem/pt.h"
#include "kern/trap.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "vmm/hv.h"

/*
 * The kernel monitor: one table of commands.  It reads memory only after it
 * has walked the page tables, so that a wrong address is a message.
 */
enum { LINE_MAX = 80, ARGS_MAX = 4, WORDS_DEFAULT = 8, WORDS_MAX = 512, STATUS_MONITOR = 1 };

struct context {
	struct trapframe *tf; /* where the kernel was entered, or NULL */
	uint64_t *frame;      /* of kmonitor */
	bool leave;
};

static void
cmd_backtrace(struct context *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (c->tf && !(c->tf->cs & 3)) /* a program's frames are not ours to follow */
		backtrace(c->tf->rbp, c->tf->rip);
	else
		backtrace(c->frame[0], c->frame[1] - 1);
}

static void
cmd_regs(struct context *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (c->tf)
		trap_print(c->tf);
	else
		kprintf("no trap brought us here; try backtrace\n");
}

static void
cmd_envs(struct context *c, int argc, char **argv)
{
	static const char *const status[] = {
	        [ENV_FREE] = "free",       [ENV_RUNNABLE] = "runnable", [ENV_RUNNING] = "running",
	        [ENV_BLOCKED] = "blocked", [ENV_ZOMBIE] = "zombie",
	};

	(void)c;
	(void)argc;
	(void)argv;
	kprintf("%8s %8s %-8s %10s %16s  %s\n", "id", "parent", "status", "runs", "rip", "name");
	for (unsigned int i = 0; i < ENV_MAX; i++) {
		const struct env *e = &envs[i];

		if (e->status != ENV_FREE)
			kprintf("%8x %8x %-8s %10lu %016lx  %s\n", e->id, e->parent,
			        status[e->status], (unsigned long)e->runs,
			        (unsigned long)e->tf->rip, e->name);
	}
}

static void
cmd_pages(struct context *c, int argc, char **argv)
{
	struct page_counts n;

	(void)c;
	(void)argc;
	(void)argv;
	page_counts(&n);
	kprintf("%10lu pages of 4 KiB\n%10lu free\n%10lu of these promised\n"
	        "%10lu free frames of 2 MiB\n",
	        (unsigned long)n.total, (unsigned long)n.free, (unsigned long)n.reserved,
	        (unsigned long)n.large);
}

static void
cmd_audit(struct context *c, int argc, char **argv)
{
	const struct audit_report *report = audit_run();

	(void)c;
	(void)argc;
	(void)argv;
	audit_print_table(report, kprintf);
	audit_print_findings(report, kprintf);
}

/* The entry of each level on the way to va; returns the hpa, or -1 when nothing is mapped. */
static uint64_t
walk(uint64_t va, bool print)
{
	uint64_t table = read_cr3() & PTE_ADDR;

	for (int level = PT_LEVELS; level; level--) {
		uint64_t entry = ((const pte_t *)kva(table))[pt_index(va, level)];

		if (print)
			kprintf("  level %d [%3u] %016lx%s%s%s%s%s\n", level, pt_index(va, level),
			        (unsigned long)entry, entry & PTE_P ? " present" : " not present",
			        entry & PTE_W ? " writable" : "", entry & PTE_U ? " user" : "",
			        entry & PTE_NX ? " no-execute" : "",
			        level > 1 && (entry & PTE_PS) ? " large" : "");
		if (!(entry & PTE_P))
			return UINT64_MAX;
		if (level == 1 || (entry & PTE_PS))
			return (entry & PTE_ADDR & ~(pt_span(level) - 1)) |
			       (va & (pt_span(level) - 1));
		table = entry & PTE_ADDR;
	}
	return UINT64_MAX;
}

/* An argument as a number; false, with a message, when it is none. */
static bool
number(const char *text, uint64_t *v)
{
	char *end;

	*v = strtoul(text, &end, 16);
	if (end != text && !*end)
		return true;
	kprintf("expected a hexadecimal number, found \"%s\"\n", text);
	return false;
}

static void
cmd_map(struct context *c, int argc, char **argv)
{
	uint64_t va, pa;

	(void)c;
	if (argc != 2)
		kprintf("usage: map VA\n");
	else if (number(argv[1], &va)) {
		pa = walk(va, true);
		if (pa != UINT64_MAX)
			kprintf("  hpa %#lx\n", (unsigned long)pa);
	}
}

static void
cmd_x(struct context *c, int argc, char **argv)
{
	uint64_t va, n = WORDS_DEFAULT;

	(void)c;
	if (argc < 2 || argc > 3) {
		kprintf("usage: x VA [WORDS]\n");
		return;
	}
	if (!number(argv[1], &va) || (argc == 3 && !number(argv[2], &n)))
		return;
	va &= ~7ull;
	for (uint64_t i = 0; i < n && i < WORDS_MAX; i++, va += 8) {
		uint64_t pa = walk(va, false);

		if (i % 2 == 0)
			kprintf("%016lx ", (unsigned long)va);
		if (pa == UINT64_MAX || !pa_page(pa)) {
			kprintf(" not in RAM");
			break;
		}
		kprintf(" %016lx%s", *(const unsigned long *)kva(pa), i % 2 ? "\n" : "");
	}
	console_fresh_line();
}

/* Control blocks: on VMX, VMREAD is the only way to look at them. */
static void
cmd_vm(struct context *c, int argc, char **argv)
{
	const char *text;
	uint64_t id = 0;

	(void)c;
	if (argc > 1 && !number(argv[1], &id))
		return;
	text = vm_dump(id);
	if (!text)
		kprintf("there is no VM %lx\n", (unsigned long)id);
	else
		kprintf("%s", *text ? text : "there is no VM\n");
}

static void
cmd_continue(struct context *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	c->leave = true;
}

static void
cmd_poweroff(struct context *c, int argc, char **argv)
{
	uint64_t status = STATUS_MONITOR;

	(void)c;
	if (argc < 2 || number(argv[1], &status))
		poweroff(status);
}

/* Three ways to fall, to see what each looks like. */
static void
cmd_panic(struct context *c, int argc, char **argv)
{
	(void)c;
	if (argc < 2)
		panic("asked for in the kernel monitor");
	else if (!strcmp(argv[1], "fault"))
		*((volatile char *)this_cpu() + CPU_DF_STACK_TOP) = 0; /* a guard page */
	else if (!strcmp(argv[1], "stack"))
		__asm__ volatile("1: push %%rax; jmp 1b" : : : "memory");
	else
		kprintf("usage: panic [fault|stack]\n");
}

static void
cmd_reboot(struct context *c, int argc, char **argv)
{
	/* No IDT: the next exception cannot be delivered, nor the double fault, and resets us. */
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none;

	(void)c;
	(void)argc;
	(void)argv;
	__asm__ volatile("lidt %0; ud2" : : "m"(none));
}

static void cmd_help(struct context *c, int argc, char **argv);

static const struct command {
	const char *name, *args, *help;
	void (*run)(struct context *c, int argc, char **argv);
} commands[] = {
        {"help", "", "this list", cmd_help},
        {"backtrace", "", "the calls that led here", cmd_backtrace},
        {"regs", "", "the registers at the trap", cmd_regs},
        {"envs", "", "processes", cmd_envs},
        {"pages", "", "free and used memory", cmd_pages},
        {"audit", "", "walk all page tables and account for every frame", cmd_audit},
        {"map", "VA", "how the current page tables map an address", cmd_map},
        {"x", "VA [WORDS]", "memory, in words of 8 bytes", cmd_x},
        {"vm", "[ID]", "the VMCS or VMCB of each vCPU", cmd_vm},
        {"continue", "", "leave the monitor; after a panic, power off", cmd_continue},
        {"poweroff", "[STATUS]", "end the emulator, status 1 unless given", cmd_poweroff},
        {"panic", "[fault|stack]", "panic; write to a guard page; overflow the stack", cmd_panic},
        {"reboot", "", "reset the machine", cmd_reboot},
};

static void
cmd_help(struct context *c, int argc, char **argv)
{
	(void)c;
	(void)argc;
	(void)argv;
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		kprintf("  %-10s %-11s %s\n", commands[i].name, commands[i].args, commands[i].help);
	kprintf("Numbers are hexadecimal.\n");
}

static int
split(char *line, char **argv)
{
	int argc = 0;

	for (;;) {
		while (*line == ' ')
			*line++ = 0;
		if (!*line || argc == ARGS_MAX)
			return argc;
		argv[argc++] = line;
		while (*line && *line != ' ')
			line++;
	}
}

static void
run(struct context *c, char *line)
{
	char *argv[ARGS_MAX];
	int argc = split(line, argv);

	if (!argc)
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[0], commands[i].name)) {
			commands[i].run(c, argc, argv);
			return;
		}
	kprintf("no command \"%s\"; try help\n", argv[0]);
}

void
kmonitor(struct trapframe *tf)
{
	struct context c = {.tf = tf, .frame = __builtin_frame_address(0)};
	char line[LINE_MAX];

	kprintf("Kernel monitor; help lists the commands.\n");
	while (!c.leave) {
		console_readline("K> ", line, sizeof(line));
		run(&c, line);
	}
}
