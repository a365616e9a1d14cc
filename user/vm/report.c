#include "user/vm/machine.h"

#include "inc/x86.h"
#include "lib/user/exittable.h"

/* What the monitor says about a VM: at its start, when it fails, and at its end. */

static bool
find_info(uint32_t vm, struct vm_info *info)
{
	for (unsigned int i = 0; sys_vm_info(i, info) == 0; i++)
		if (info->id == vm)
			return true;
	return false;
}

static void
report_vm(struct machine *m, const char *what)
{
	char vcpus[16] = "", tables[64] = "shadow paging";
	struct vm_info info;

	if (m->smp.count > 1)
		snprintf(vcpus, sizeof vcpus, "%u vCPUs, ", m->smp.count);
	if (m->opts.quiet || !find_info(m->vm, &info))
		return;
	if (m->opts.paging == VM_PAGING_NESTED)
		snprintf(tables, sizeof tables, "root of the nested page table at hpa %#lx",
		         info.root);
	printf(VM_NAME " %u: %s%s, %lu KiB of RAM, %s%s; Ctrl-] opens a prompt\n", m->vm, what,
	       m->opts.image, m->opts.ram >> 10, vcpus, tables);
}

void
report_start(struct machine *m)
{
	report_vm(m, "");
}

void
report_clone(struct machine *m)
{
	report_vm(m, "clone of ");
}

static void
print_segments(const struct vm_regs *regs)
{
	static const char *const names[SEG_COUNT] = {
	        [SEG_ES] = "ES", [SEG_CS] = "CS", [SEG_SS] = "SS",     [SEG_DS] = "DS",
	        [SEG_FS] = "FS", [SEG_GS] = "GS", [SEG_LDTR] = "LDTR", [SEG_TR] = "TR",
	};

	for (unsigned int i = 0; i < SEG_COUNT; i++)
		printf("%4s %04x  base %016lx  limit %08x  access %05x\n", names[i],
		       regs->seg[i].sel, regs->seg[i].base, regs->seg[i].limit, regs->seg[i].ar);
	printf("GDTR       base %016lx  limit %08x\n", regs->gdtr_base, regs->gdtr_limit);
	printf("IDTR       base %016lx  limit %08x\n", regs->idtr_base, regs->idtr_limit);
}

/* One that stood still may just be about to sleep again. */
static long
get_regs(struct machine *m, unsigned int vcpu, struct vm_regs *regs)
{
	long err;

	while ((err = sys_vcpu_get_regs(m->vm, vcpu, regs)) == -E_AGAIN)
		sys_env_yield();
	return err;
}

static void
print_registers(struct machine *m, unsigned int vcpu)
{
	static const char *const names[REG_COUNT] = {
	        "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
	        "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15",
	};
	struct vm_regs regs;
	long err = get_regs(m, vcpu, &regs);

	if (err < 0) {
		printf(VM_NAME " %u: cannot read the registers: %s\n", m->vm, error_text(err));
		return;
	}
	for (unsigned int i = 0; i < REG_COUNT; i++)
		printf("%4s %016lx%s", names[i], regs.gpr[i], i % 4 == 3 ? "\n" : "");
	printf(" RIP %016lx RFL %016lx\n", regs.rip, regs.rflags);
	printf(" CR0 %016lx CR2 %016lx CR3 %016lx CR4 %016lx\n", regs.cr0, regs.cr2, regs.cr3,
	       regs.cr4);
	printf(" CR8 %016lx EFER %015lx DR6 %016lx DR7 %016lx\n", regs.cr8, regs.efer, regs.dr6,
	       regs.dr7);
	print_segments(&regs);
}

void
report_registers(struct machine *m)
{
	for (unsigned int i = 0; i < m->smp.count; i++) {
		if (m->smp.count > 1)
			printf("vCPU %u\n", i);
		print_registers(m, i);
	}
}

void
report_whose(const struct machine *m, const struct vm_run *run)
{
	printf(VM_NAME " %u: ", m->vm);
	if (m->smp.count > 1)
		printf("vCPU %u: ", (unsigned int)(run - m->run));
}

void
report_bytes(const struct vm_run *run)
{
	uint32_t len = run->insn_len < VM_INSN_MAX ? run->insn_len : VM_INSN_MAX;

	for (uint32_t i = 0; i < len; i++)
		printf(" %02x", run->insn[i]);
	if (!len)
		printf(" not readable");
}

void
report_vcpu(struct machine *m, const struct vm_run *run)
{
	print_registers(m, run - m->run);
	printf("Code at linear address %#lx:", run->cs_base + run->rip);
	report_bytes(run);
	printf("\n");
}

static void
report_unclaimed(const struct vdev_bus *ports)
{
	if (ports->unclaimed_reads + ports->unclaimed_writes)
		printf("Ports without a device: %lu reads gave all ones, %lu writes were ignored; "
		       "the "
		       "last was port %#lx\n",
		       ports->unclaimed_reads, ports->unclaimed_writes, ports->last_unclaimed);
}

void
report_end(struct machine *m)
{
	struct vm_stats stats;

	if (m->opts.quiet)
		return;
	printf(VM_NAME " %u: ended with status %d\n", m->vm, m->status);
	report_unclaimed(&m->ports);
	if (sys_vm_stats(m->vm, VM_ALL_VCPUS, &stats) == 0)
		exit_table_print(&stats);
}
