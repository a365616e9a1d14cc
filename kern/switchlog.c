#include "kern/switchlog.h"

#include "inc/memlayout.h"
#include "inc/x86.h"
#include "kern/boot/boot.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/env.h"
#include "kern/lock.h"
#include "lib/string.h"
#include "vmm/hv.h"

#define OPTION "switches="

/* One side of a switch. */
struct side {
	uint32_t vm;
	char name[VM_NAME_MAX];
	uint64_t cr3, root, block; /* of the Env; of its VM; of its vCPU: hpa */
	const char *load_text, *put_text;
};

/* The switch that a CPU is in the middle of. */
static struct record {
	unsigned int next;           /* the step that comes next; 0: none has begun */
	uint64_t exit;               /* TSC */
	uint64_t done[SWITCH_STEPS]; /* TSC */
	struct side from;
} records[CPUS_MAX];

uint32_t switchlog_left;
static uint32_t switchlog_printed;

void
switchlog_init(void)
{
	/* Commands are behind all options, and may hold the same text. */
	for (const char *p = boot_info.cmdline; *p && strncmp(p, " run=", 5); p++)
		if ((p == boot_info.cmdline || p[-1] == ' ') &&
		    !strncmp(p, OPTION, sizeof OPTION - 1))
			switchlog_left = (uint32_t)strtoul(p + sizeof OPTION - 1, NULL, 10);
}

static void
look(struct side *side, const struct vcpu *v)
{
	struct vcpu_view view;

	vcpu_look(v, &view);
	side->vm = view.vm;
	strlcpy(side->name, view.name, sizeof side->name);
	side->cr3 = read_cr3();
	side->root = view.root;
	side->block = view.block;
	side->load_text = view.load_text;
	side->put_text = view.put_text;
}

static void
print_row(const struct record *r, enum switch_step step, const char *text, uint64_t before,
          uint64_t after)
{
	uint64_t since = step ? r->done[step - 1] : r->exit;

	kprintf("%10lu  %s", (unsigned long)(r->done[step] - since), text);
	if (before)
		kprintf(": 0x%lx", (unsigned long)before);
	if (after)
		kprintf(" to 0x%lx", (unsigned long)after);
	kprintf("\n");
}

static void
print(const struct record *r, const struct side *to)
{
	const struct side *from = &r->from;

	console_fresh_line();
	kprintf("switch %u, CPU %u: VM %u (%s) to VM %u (%s)\n", switchlog_printed,
	        this_cpu()->index, from->vm, from->name, to->vm, to->name);
	kprintf("     ticks  step\n");
	print_row(r, SWITCH_YIELD, "exit, its handler, sched_yield", 0, 0);
	print_row(r, SWITCH_RUN, "next in the queue, slice and timer, env_run", 0, 0);
	print_row(r, SWITCH_SAVED, "FPU, debug and SYSCALL registers saved", 0, 0);
	print_row(r, SWITCH_PUT, from->put_text, from->block, 0);
	print_row(r, SWITCH_CR3, "CR3, and the accounts of the Envs", from->cr3, to->cr3);
	print_row(r, SWITCH_LOAD, to->load_text, to->block, 0);
	print_row(r, SWITCH_REGISTERS, "TLB flush ordered if due; registers loaded", 0, 0);
	print_row(r, SWITCH_ENTRY, "events; the entry will load the nested root", from->root,
	          to->root);
	kprintf("%10lu  from the exit to the entry\n",
	        (unsigned long)(r->done[SWITCH_ENTRY] - r->exit));
}

/*
 * Does a switch begin here, and when was the exit before it?  Only switches between guests count:
 * a process that gets the CPU in between makes it two switches.
 */
static bool
begins(const struct cpu *cpu, struct record *r)
{
	struct vcpu_view view;

	if (!cpu->vcpu || cpu->env->vcpu != cpu->vcpu || !cpu->env->guest)
		return false;
	vcpu_look(cpu->vcpu, &view);
	r->exit = view.exit_tsc;
	return view.exits;
}

static void
finish(struct record *r, const struct vcpu *v)
{
	struct side to;

	r->next = 0;
	look(&to, v);
	spin_lock(&kernel_lock);
	if (switchlog_left) {
		switchlog_left--;
		switchlog_printed++;
		print(r, &to);
	}
	spin_unlock(&kernel_lock);
}

void
switchlog_note(enum switch_step step)
{
	const struct cpu *cpu = this_cpu();
	struct record *r = &records[cpu->index];
	uint64_t now = rdtsc();

	if (step != SWITCH_YIELD && (!r->next || step != r->next)) {
		r->next = 0;
		return;
	}
	r->done[step] = now;
	r->next = step + 1;
	if (step == SWITCH_YIELD) {
		if (begins(cpu, r))
			look(&r->from, cpu->vcpu);
		else
			r->next = 0;
	} else if (step == SWITCH_CR3 && !cpu->env->guest) {
		r->next = 0;
	} else if (step == SWITCH_ENTRY) {
		finish(r, cpu->vcpu);
	}
}
