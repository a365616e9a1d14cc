#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/env.h"
#include "kern/ipi.h"
#include "kern/lock.h"
#include "kern/sched.h"
#include "lib/assert.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vmm/shadow.h"

/* Virtual CPUs: their life, their system calls, and why they stop. */

_Static_assert(sizeof(struct vcpu) <= PAGE_SIZE, "a vCPU has one page");

static uint64_t last_serial;

enum { VCPU_ALIGN = 64 }; /* a cache line */
enum { RUN_PAGES = sizeof(struct vm_run) / PAGE_SIZE };

struct vcpu *
vcpu_of(struct env *e, uint64_t vm_id, uint64_t index)
{
	struct vcpu *v = e->vcpu;

	return v && v->vm->id == vm_id && v->index == index ? v : NULL;
}

/* The processor's state after a reset (SDM vol. 3, "Processor State After Reset"). */
static const struct vm_regs reset_regs = {
        .gpr[REG_RDX] = 0x600,
        .rip = 0xfff0,
        .rflags = RFLAGS_FIXED,
        .cr0 = CR0_ET | CR0_NW | CR0_CD,
        .dr6 = DR6_FIXED,
        .dr7 = DR7_FIXED,
        .gdtr_limit = 0xffff,
        .idtr_limit = 0xffff,
        .seg =
                {
                        [SEG_ES] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_CS] = {.sel = 0xf000, .base = 0xffff0000, .limit = 0xffff, .ar = 0x9b},
                        [SEG_SS] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_DS] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_FS] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_GS] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_LDTR] = {.limit = 0xffff, .ar = 0x82},
                        [SEG_TR] = {.limit = 0xffff, .ar = 0x8b},
                },
};

/* Two frames, mapped side by side for the monitor: the control page and data[]. */
static int
run_init(struct vcpu *v, struct aspace *as, uint64_t va)
{
	const uint64_t perm = PTE_W | PTE_NX | PTE_SHARE;
	struct page *control = page_alloc(PAGE_ZERO);
	struct page *data = page_alloc(PAGE_ZERO);
	int err = -E_NO_MEM;

	if (!control || !data)
		goto fail;
	if ((err = aspace_map_page(as, va, control, perm)) < 0)
		goto fail;
	if ((err = aspace_map_page(as, va + PAGE_SIZE, data, perm)) < 0) {
		aspace_unmap(as, va, PAGE_SIZE);
		goto fail;
	}
	v->run_va = va;
	v->run = kva(page_pa(control));
	v->data = kva(page_pa(data));
	return 0;
fail:
	if (control)
		page_unref(control);
	if (data)
		page_unref(data);
	return err;
}

static void
run_free(struct vcpu *v)
{
	page_unref(pa_page(kva_pa(v->run)));
	page_unref(pa_page(kva_pa(v->data)));
}

/*
 * A VM with one vCPU has its APIC disabled, and CPUID does not show it.  One with several has them
 * enabled, for good, where the monitor's device model is: lib/vdev/lapic.h.
 */
static void
show_apics(struct vm *vm)
{
	for (unsigned int i = 0; i < VM_VCPUS_MAX && vm->vcpus[i]; i++)
		vm->vcpus[i]->apic_base |= APIC_BASE_ENABLE | APIC_BASE_GPA;
}

static int
vcpu_init(struct vcpu *v)
{
	int err = state_init(v);

	if (err == 0 && v->vm->paging == VM_PAGING_SHADOW)
		err = shadow_init(v);
	if (err < 0)
		return err;
	if ((err = hv->vcpu_init(v)) < 0)
		goto fail;
	vcpu_current(v);
	memcpy(v->gpr, reset_regs.gpr, sizeof(v->gpr));
	/* A guest's TSC counts from its creation, on all of its vCPUs. */
	v->tsc_offset = v->index ? v->vm->vcpus[0]->tsc_offset : -(int64_t)rdtsc();
	hv->set_tsc_offset(v, v->tsc_offset);
	if ((err = hv->set_regs(v, &reset_regs)) == 0)
		return 0;
fail:
	shadow_free(v);
	return err;
}

/* The memory of v itself is in its arena. */
static void
vcpu_release(struct vcpu *v)
{
	struct arena arena = v->arena;

	arena_free(&arena);
}

int
vcpu_new(struct vm *vm, struct env *e, uint64_t run_va)
{
	struct arena arena = {0};
	struct vcpu *v = arena_alloc(&arena, sizeof(*v), VCPU_ALIGN);
	int err;

	if (!v)
		return -E_NO_MEM;
	hv_switch_out();
	v->arena = arena;
	v->vm = vm;
	v->env = e;
	v->index = vm->vcpu_count;
	v->loaded_cpu = -1;
	v->flushed = TLB_UNKNOWN;
	v->serial = ++last_serial;
	fetch_init(v);
	v->attention = true;
	v->misc_enable = 1; /* fast strings */
	v->apic_base = v->index ? 0 : APIC_BASE_BSP;
	if ((err = run_init(v, e->as, run_va)) < 0) {
		vcpu_release(v);
		return err;
	}
	err = acct_init(&v->acct, vm->trace, rdtsc());
	if (err == 0 && (err = vcpu_init(v)) < 0)
		acct_free(&v->acct);
	if (err < 0) {
		aspace_unmap(e->as, run_va, sizeof(struct vm_run));
		run_free(v);
		vcpu_release(v);
		return err;
	}
	v->vmreads = v->vmwrites = 0; /* from here on they are of exits */
	e->vcpu = v;
	vm->vcpus[v->index] = v;
	if (v->index)
		show_apics(vm);
	/* The others' exits look at all of them. */
	__atomic_store_n(&vm->vcpu_count, v->index + 1, __ATOMIC_RELEASE);
	return (int)v->index;
}

/* What neither vcpu_new() makes anew nor the control block holds. */
static void
copy_state(struct vcpu *to, const struct vcpu *from)
{
	memcpy(to->gpr, from->gpr, sizeof(to->gpr));
	to->halted = from->halted;
	to->stopped = from->stopped;
	to->event = from->event;
	to->held_irq = from->held_irq;
	to->irq_wanted = from->irq_wanted;
	to->window_open = from->window_open;
	to->in = from->in;
	to->cr2 = from->cr2;
	to->cr8 = from->cr8;
	to->xcr0 = from->xcr0;
	memcpy(to->dr, from->dr, sizeof(to->dr));
	to->dr6 = from->dr6;
	to->star = from->star;
	to->lstar = from->lstar;
	to->cstar = from->cstar;
	to->fmask = from->fmask;
	to->kernel_gs_base = from->kernel_gs_base;
	to->misc_enable = from->misc_enable;
	to->tsc_offset = from->tsc_offset;
	state_copy(to, from);
	memcpy(to->run, from->run, PAGE_SIZE);
	memcpy(to->data, from->data, PAGE_SIZE);
}

int
vcpu_clone(struct vm *vm, struct env *e, struct vcpu *from)
{
	/* Those are of exits. */
	const uint64_t vmreads = from->vmreads, vmwrites = from->vmwrites;
	struct vcpu *to;
	int err;

	/* The exit's record and the decoded instruction are not copied. */
	if (from->in.pending == PENDING_MMIO || from->mmio.again)
		return -E_AGAIN;
	vcpu_unload(from);
	/* The copy of the address space shares the run page; a vCPU has its own. */
	if ((err = aspace_unmap(e->as, from->run_va, sizeof(struct vm_run))) < 0 ||
	    (err = vcpu_new(vm, e, from->run_va)) < 0)
		return err;
	to = vm->vcpus[err];
	hv->vcpu_copy(to, from);
	hv_switch_out(); /* both are in memory now */
	copy_state(to, from);
	to->vmreads = to->vmwrites = 0;
	from->vmreads = vmreads;
	from->vmwrites = vmwrites;
	return 0;
}

void
vcpu_delete(struct vcpu *v)
{
	vcpu_unload(v);
	assert(v->loaded_cpu < 0);
	v->env->vcpu = NULL;
	hv->vcpu_free(v);
	shadow_free(v);
	run_free(v);
	acct_free(&v->acct);
	vcpu_release(v);
}

void
vcpu_pages(const struct vcpu *v, void (*fn)(const void *page))
{
	arena_pages(&v->arena, fn);
	fn(v->run);
	fn(v->data);
	acct_pages(&v->acct, fn);
	hv->host_pages(v, fn);
}

void
vcpu_kick(struct vcpu *v)
{
	struct cpu *cpu = env_cpu(v->env);

	v->kick = true;
	v->attention = true; /* after kick: vcpu_prepare() takes them in the other order */
	if (cpu && cpu != this_cpu())
		cpu_poke(cpu); /* a guest that runs there exits, and looks */
	if (v->env->wait == WAIT_HALT || v->env->wait == WAIT_REQUEST)
		sched_wake(v->env);
}

int64_t
vcpu_kick_own(struct env *e, uint64_t id, uint64_t index)
{
	struct vm *vm = vm_of(e, id);

	if (!vm || index >= vm->vcpu_count)
		return -E_BAD_VM;
	vcpu_kick(vm->vcpus[index]);
	return 0;
}

int64_t
vcpu_wait(struct env *e, uint64_t id, uint64_t index, uint64_t as)
{
	struct vcpu *v = vcpu_of(e, id, index);

	if (!v)
		return -E_BAD_VM;
	if (as != VM_TIME_HALTED && as != VM_TIME_PAUSED)
		return -E_INVAL;
	if (!v->kick) {
		acct_switch(&v->acct, as, rdtsc());
		return -E_AGAIN;
	}
	v->kick = false;
	return 0;
}

void
vcpu_recalled(struct vcpu *v)
{
	v->recalled = true;
	v->attention = true;
}

void
vcpu_waits(struct vcpu *v)
{
	if (v->acct.state != VM_TIME_WAITING)
		acct_switch(&v->acct, VM_TIME_WAITING, rdtsc());
}

/* In guest mode it waits until the entry: what a switch costs is the switch's. */
void
vcpu_has_cpu(struct vcpu *v)
{
	if (!v->env->guest)
		acct_switch(&v->acct, VM_TIME_MONITOR, rdtsc());
}

unsigned int
vcpu_cpl(struct vcpu *v)
{
	struct vm_segment ss;

	hv->get_segment(v, SEG_SS, &ss);
	return BITS(ss.ar, 6, 5);
}

bool
vcpu_in_64bit(struct vcpu *v)
{
	struct vm_segment cs;

	if (!(hv->get_efer(v) & EFER_LMA))
		return false;
	hv->get_segment(v, SEG_CS, &cs);
	return cs.ar & SEG_AR_L;
}

void
vcpu_set_gpr(struct vcpu *v, unsigned int reg, uint64_t value)
{
	v->gpr[reg] = value;
	if (reg == REG_RSP)
		hv->set_rsp(v, value);
}

uint64_t
vcpu_cs_base(struct vcpu *v)
{
	struct vm_segment cs;

	hv->get_segment(v, SEG_CS, &cs);
	return cs.base;
}

void
vcpu_bases(struct vcpu *v, const struct insn *insn, uint64_t *base)
{
	bool all = insn->mode != INSN_64;
	struct vm_segment segment;

	for (unsigned int s = all ? SEG_ES : insn->segment; s <= SEG_GS; s++) {
		hv->get_segment(v, s, &segment);
		base[s] = segment.base;
	}
}

/* Guest-physical or not, the bytes at RIP are for the reader of the message. */
void
vcpu_where(struct vcpu *v)
{
	struct vm_run *run = v->run;
	struct gmem_fault f;
	struct vm_segment cs;
	uint32_t n = 0;

	hv->get_segment(v, SEG_CS, &cs);
	run->rip = hv->get_rip(v);
	run->cs_base = cs.base;
	while (n < VM_INSN_MAX && gmem_read(v, cs.base + run->rip + n, &run->insn[n], 1, &f) == 0)
		n++;
	run->insn_len = n;
}

enum hv_action
vcpu_no_memory(struct vcpu *v, uint64_t gpa, uint32_t access, enum vm_mem_why why)
{
	v->run->exit = VM_EXIT_MEM;
	v->run->mem.gpa = gpa;
	v->run->mem.access = access;
	v->run->mem.why = why;
	vcpu_where(v);
	return HV_USER;
}

enum hv_action
vcpu_no_frame(struct vcpu *v, uint64_t gpa, uint32_t access)
{
	return vcpu_stop(v, VM_STOP_INTERNAL,
	                 "the monitor has no %smemory behind guest-physical address 0x%llx",
	                 access & VM_ACCESS_WRITE ? "writable " : "", (unsigned long long)gpa);
}

enum hv_action
vcpu_stop(struct vcpu *v, enum vm_stop why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->run->text, VM_STOP_TEXT, fmt, ap);
	va_end(ap);
	v->run->stop.why = why;
	v->run->stop.kind = v->acct.exit->kind;
	vcpu_where(v);
	return HV_STOP;
}

int64_t
vcpu_create(struct env *e, uint64_t id, uint64_t run_va)
{
	struct env *leader = env_find(e->parent);
	bool joins = leader && leader->as == e->as && vm_of(leader, id);
	struct vm *vm = vm_of(joins ? leader : e, id);
	int index;

	if (!vm)
		return -E_BAD_VM;
	if (e->vcpu)
		return -E_EXISTS;
	if (vm->vcpu_count == VM_VCPUS_MAX)
		return -E_LIMIT;
	if (run_va % PAGE_SIZE)
		return -E_INVAL;
	index = vcpu_new(vm, e, run_va);
	if (index >= 0 && joins)
		env_follow(e, leader);
	return index;
}

/* What the monitor asks for with a run of the vCPU; read from the run page once. */
struct request {
	uint64_t deadline;
	uint32_t inject, irq_pending;
};

/* The monitor has an interrupt, or had one. */
static int
take_interrupt_line(struct vcpu *v, const struct request *r)
{
	if (r->inject & VM_INJECT_VALID) {
		if (v->held_irq)
			return -E_AGAIN;
		v->held_irq = HV_EVENT_VALID | (r->inject & 0xff);
		v->run->inject = 0;
	}
	v->irq_wanted = r->irq_pending;
	v->attention = true;
	return 0;
}

static __attribute__((noinline)) int64_t
run_with_changes(struct env *e, struct request r)
{
	int err = take_interrupt_line(e->vcpu, &r);

	if (err < 0)
		return err;
	e->guest = true;
	if (r.deadline != e->deadline) {
		spin_lock(&kernel_lock);
		sched_deadline(e, r.deadline);
		spin_unlock(&kernel_lock);
	}
	return vcpu_loop(e);
}

int64_t
vcpu_run(struct env *e, uint64_t id, uint64_t index)
{
	struct vcpu *v = vcpu_of(e, id, index);
	const volatile struct vm_run *run;
	struct request r;

	if (!v)
		return -E_BAD_VM;
	if (v->stopped)
		return -E_INVAL;
	run = v->run;
	r = (struct request){run->deadline, run->inject, run->irq_pending};
	if ((r.inject | r.irq_pending | v->irq_wanted) || r.deadline != e->deadline)
		return run_with_changes(e, r);
	e->guest = true;
	return vcpu_loop(e);
}

/*
 * Puts a vCPU of e's VM on this CPU, e's own or one whose Env stands still.  -E_AGAIN: it does not.
 */
static int
vcpu_take(struct env *e, uint64_t id, uint64_t index, struct vcpu **out)
{
	struct vm *vm = vm_of(e, id);
	struct vcpu *v = vm && index < vm->vcpu_count ? vm->vcpus[index] : NULL;

	if (!v)
		return -E_BAD_VM;
	if (v != e->vcpu) {
		if (v->env->guest || env_cpu(v->env))
			return -E_AGAIN;
		vcpu_unload(v);
	}
	vcpu_current(v);
	*out = v;
	return 0;
}

/* Another Env's vCPU is not left on this CPU, where that one does not look for it. */
static void
vcpu_put_back(const struct env *e, const struct vcpu *v)
{
	if (v != e->vcpu)
		hv_switch_out();
}

int64_t
vcpu_get_regs(struct env *e, uint64_t id, uint64_t index, uint64_t regs_va)
{
	struct vm_regs regs = {0};
	struct vcpu *v;
	int err = vcpu_take(e, id, index, &v);

	if (err < 0)
		return err;
	memcpy(regs.gpr, v->gpr, sizeof(regs.gpr));
	regs.cr2 = v->cr2;
	regs.cr8 = v->cr8;
	regs.dr6 = v->dr6;
	hv->get_regs(v, &regs);
	vcpu_put_back(e, v);
	return copy_out(e->as, regs_va, &regs, sizeof(regs));
}

int64_t
vcpu_set_back(struct env *e, uint64_t id, uint64_t index, uint64_t ticks)
{
	struct vcpu *v;
	int err = vcpu_take(e, id, index, &v);

	if (err < 0)
		return err;
	v->tsc_offset -= (int64_t)ticks;
	hv->set_tsc_offset(v, v->tsc_offset);
	vcpu_put_back(e, v);
	return 0;
}

/*
 * What the entry does not check, and what Bochs does not, though a processor would: CR3 has
 * the address width, and long mode is active if and only if it is enabled and there is paging.
 */
static bool
regs_valid(const struct vm_regs *r)
{
	const uint64_t efer = EFER_SCE | EFER_LME | EFER_LMA | (cpuid_has_nx() ? EFER_NXE : 0);
	bool active = (r->efer & EFER_LME) && (r->cr0 & CR0_PG);

	if ((r->cr4 & ~cr4_allowed()) || r->cr8 > 15 || r->cr0 >> 32 || r->dr6 >> 32 ||
	    r->dr7 >> 32 || (r->efer & ~efer) || r->cr3 >> cpuid_phys_bits())
		return false;
	return !(r->efer & EFER_LMA) == !active && (!active || (r->cr4 & CR4_PAE));
}

int64_t
vcpu_set_regs(struct env *e, uint64_t id, uint64_t index, uint64_t regs_va)
{
	struct vcpu *v = vcpu_of(e, id, index);
	struct vm_regs regs;
	int err;

	if (!v)
		return -E_BAD_VM;
	if ((err = copy_in(e->as, &regs, regs_va, sizeof(regs))) < 0)
		return err;
	if (!regs_valid(&regs))
		return -E_INVAL;
	vcpu_current(v);
	memcpy(v->gpr, regs.gpr, sizeof(regs.gpr));
	v->cr2 = regs.cr2;
	v->cr8 = regs.cr8;
	v->dr6 = (regs.dr6 & DR6_WRITABLE) | DR6_FIXED;
	v->halted = false;
	v->dead_halt = false;
	v->stopped = false;
	v->event.info = 0;
	v->held_irq = 0;
	v->in.pending = PENDING_NONE;
	v->mmio.again = false;
	gmem_forget_code(v);
	/* PAE paging reads guest memory, which takes the lock. */
	spin_unlock(&kernel_lock);
	err = hv->set_regs(v, &regs);
	spin_lock(&kernel_lock);
	return err;
}
