#include "vmm/vmx/quirks.h"

#include "inc/error.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "vmm/load.h"

/* The life of a VMCS: it is made, loaded on a CPU, taken off the CPU, copied and freed. */

static const struct {
	enum vmcs_field field;
	const char *name;
} fields[] = {
#define VMCS_FIELD(encoding, name) {VMCS_##name, #name},
#include "vmm/vmx/vmcs.def"
#undef VMCS_FIELD
};

/* A 1 intercepts an MSR: the guest reaches only the direct MSRs without an exit. */
static uint8_t msr_bitmap[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* A guest can loop in the delivery of #DB and #AC; machine checks are the host's. */
enum { EXCEPTIONS = 1 << X86_DB | 1 << X86_AC | 1 << X86_MC };

/* Lets the guest read and write an MSR.  The bitmap has four parts of 1 KiB: read low, read high,
 * write low, write high (SDM vol. 3, "MSR-Bitmap Address"). */
static void
msr_allow(void *arg, uint32_t msr)
{
	uint32_t n = msr & 0x1fff;
	uint32_t half = msr >= 0xc0000000 ? 1024 : 0;

	(void)arg;
	msr_bitmap[half + n / 8] &= (uint8_t) ~(1u << n % 8);
	msr_bitmap[2048 + half + n / 8] &= (uint8_t) ~(1u << n % 8);
}

void
vmcs_init_bitmap(void)
{
	memset(msr_bitmap, 0xff, sizeof(msr_bitmap));
	msr_for_each_direct(msr_allow, NULL);
}

/* vmclear() and vmptrld() note what they did: Bochs would not show that one of them is missing. */
static void
vmclear(struct vmx_vcpu *x)
{
	uint64_t pa = x->vmcs;
	uint8_t failed;

	__asm__ volatile("vmclear %1; setna %0" : "=qm"(failed) : "m"(pa) : "cc", "memory");
	if (failed)
		panic("VMCLEAR of the VMCS at 0x%lx failed", pa);
	x->clear = true;
	x->launched = false;
}

static void
vmptrld(struct vmx_vcpu *x)
{
	uint64_t pa = x->vmcs;
	uint8_t failed;

	if (!x->clear)
		panic("VMPTRLD of the VMCS at 0x%lx without a VMCLEAR since the last one", pa);
	__asm__ volatile("vmptrld %1; setna %0" : "=qm"(failed) : "m"(pa) : "cc", "memory");
	if (failed)
		panic("VMPTRLD of the VMCS at 0x%lx failed", pa);
	x->clear = false;
}

/* Fields that exist only together with a control that some CPUs lack. */
static const struct {
	enum vmcs_field field;
	const uint32_t *word;
	uint32_t control;
} optional[] = {
        {VMCS_CPU2_CONTROLS, &vmx_controls.cpu, CPU_ACTIVATE_SECONDARY_CONTROLS},
        {VMCS_VPID, &vmx_controls.cpu2, CPU2_ENABLE_VPID},
        {VMCS_EPT_POINTER, &vmx_controls.cpu2, CPU2_ENABLE_EPT},
        {VMCS_GUEST_PHYSICAL_ADDRESS, &vmx_controls.cpu2, CPU2_ENABLE_EPT},
        {VMCS_GUEST_PDPTE0, &vmx_controls.cpu2, CPU2_ENABLE_EPT},
        {VMCS_GUEST_PDPTE1, &vmx_controls.cpu2, CPU2_ENABLE_EPT},
        {VMCS_GUEST_PDPTE2, &vmx_controls.cpu2, CPU2_ENABLE_EPT},
        {VMCS_GUEST_PDPTE3, &vmx_controls.cpu2, CPU2_ENABLE_EPT},
        {VMCS_GUEST_PREEMPTION_TIMER, &vmx_controls.pin, PIN_ACTIVATE_PREEMPTION_TIMER},
        {VMCS_GUEST_PAT, &vmx_controls.entry, ENTRY_LOAD_PAT},
        {VMCS_GUEST_EFER, &vmx_controls.entry, ENTRY_LOAD_EFER},
        {VMCS_HOST_PAT, &vmx_controls.exit, EXITC_LOAD_PAT},
        {VMCS_HOST_EFER, &vmx_controls.exit, EXITC_LOAD_EFER},
};

bool
vmcs_field_in_use(enum vmcs_field field)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(optional); i++)
		if (optional[i].field == field)
			return *optional[i].word & optional[i].control;
	return true;
}

/* Panics if a field does not exist: vmcs_read() and vmcs_write() do not check. */
static void
prove_fields(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++) {
		uint64_t value;
		uint8_t failed;

		__asm__ volatile("vmread %2, %0; setna %1"
		                 : "=r"(value), "=qm"(failed)
		                 : "r"((uint64_t)fields[i].field)
		                 : "cc");
		if (failed && vmcs_field_in_use(fields[i].field))
			panic("this CPU has no VMCS field %s (0x%x)", fields[i].name,
			      fields[i].field);
	}
}

static void
write_controls(struct vcpu *v)
{
	struct vmx_vcpu *x = v->backend;

	x->cpu_controls = vmx_controls.cpu;
	x->entry_controls = vmx_controls.entry;
	vmcs_write(v, VMCS_PIN_CONTROLS, vmx_controls.pin);
	vmcs_write(v, VMCS_CPU_CONTROLS, vmx_controls.cpu);
	vmcs_write_in_use(v, VMCS_CPU2_CONTROLS, vmx_controls.cpu2);
	vmcs_write(v, VMCS_EXIT_CONTROLS, vmx_controls.exit);
	vmcs_write(v, VMCS_ENTRY_CONTROLS, vmx_controls.entry);
	vmcs_write(v, VMCS_EXCEPTION_BITMAP, EXCEPTIONS);
	vmcs_write(v, VMCS_PAGE_FAULT_ERROR_MASK, 0);
	vmcs_write(v, VMCS_PAGE_FAULT_ERROR_MATCH, 0);
	vmcs_write(v, VMCS_CR3_TARGET_COUNT, 0);
	vmcs_write(v, VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(v, VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write(v, VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write(v, VMCS_ENTRY_INTR_INFO, 0);
	vmcs_write(v, VMCS_MSR_BITMAPS, image_pa(msr_bitmap));
	/* Page-walk length 4, write-back (SDM vol. 3, "Extended-Page-Table Pointer"). */
	vmcs_write_in_use(v, VMCS_EPT_POINTER, vmx_eptp(v->vm));
	vmcs_write_in_use(v, VMCS_VPID, v->vm->asid);
	vmcs_write_in_use(v, VMCS_GUEST_PREEMPTION_TIMER, quirk_preemption_ticks());
	vmcs_write(v, VMCS_VMCS_LINK_POINTER, UINT64_MAX);
}

/*
 * Without the controls that switch EFER, lists of MSRs do it.  "IA-32e mode guest" would switch LMA
 * and LME, but the guest's SCE must not outlast an exit.  PAT needs no list: such a CPU uses no EPT
 * either, and shadow page tables use the host's memory types.
 */
static void
write_msr_lists(struct vcpu *v)
{
	static struct vmx_msr exit_efer;
	struct vmx_vcpu *x = v->backend;

	if (vmcs_field_in_use(VMCS_GUEST_EFER))
		return;
	exit_efer = (struct vmx_msr){.index = MSR_EFER, .value = rdmsr(MSR_EFER)};
	x->entry_efer = exit_efer;
	vmcs_write(v, VMCS_EXIT_MSR_LOAD_ADDRESS, image_pa(&exit_efer));
	vmcs_write(v, VMCS_EXIT_MSR_LOAD_COUNT, 1);
	vmcs_write(v, VMCS_ENTRY_MSR_LOAD_ADDRESS, kva_pa(&x->entry_efer));
	vmcs_write(v, VMCS_ENTRY_MSR_LOAD_COUNT, 1);
}

/* Host state that is the same on every CPU. */
static void
write_host(struct vcpu *v)
{
	vmcs_write(v, VMCS_HOST_ES_SELECTOR, 0);
	vmcs_write(v, VMCS_HOST_CS_SELECTOR, SEL_KCODE);
	vmcs_write(v, VMCS_HOST_SS_SELECTOR, SEL_KDATA);
	vmcs_write(v, VMCS_HOST_DS_SELECTOR, 0);
	vmcs_write(v, VMCS_HOST_FS_SELECTOR, 0);
	vmcs_write(v, VMCS_HOST_GS_SELECTOR, 0);
	vmcs_write(v, VMCS_HOST_TR_SELECTOR, SEL_TSS);
	vmcs_write(v, VMCS_HOST_FS_BASE, 0);
	vmcs_write(v, VMCS_HOST_GS_BASE, 0);
	/* CS 0 makes SYSENTER fault in the host. */
	vmcs_write(v, VMCS_HOST_SYSENTER_CS, 0);
	vmcs_write(v, VMCS_HOST_SYSENTER_ESP, 0);
	vmcs_write(v, VMCS_HOST_SYSENTER_EIP, 0);
	vmcs_write_in_use(v, VMCS_HOST_PAT, rdmsr(MSR_PAT));
	vmcs_write_in_use(v, VMCS_HOST_EFER, rdmsr(MSR_EFER));
	vmcs_write(v, VMCS_HOST_RIP, (uint64_t)vmx_exit_point);
}

int
vmcs_init(struct vcpu *v)
{
	struct vmx_vcpu *x = arena_alloc(&v->arena, sizeof(*x), _Alignof(struct vmx_vcpu));
	void *vmcs = x ? host_page() : NULL;

	if (!vmcs)
		return -E_NO_MEM;
	v->backend = x;
	x->vmcs = kva_pa(vmcs);
	*(uint32_t *)vmcs = rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	vmclear(x);
	vmptrld(x);
	prove_fields();
	write_controls(v);
	write_msr_lists(v);
	write_host(v);
	vmclear(x);
	return 0;
}

void
vmcs_load(struct vcpu *v)
{
	struct vmx_vcpu *x = v->backend;
	struct cpu *cpu = this_cpu();
	struct table_register idtr;

	__asm__("sidt %0" : "=m"(idtr));
	vmptrld(x);
	vmcs_write(v, VMCS_HOST_CR0, read_cr0() | CR0_TS);
	vmcs_write(v, VMCS_HOST_CR3, read_cr3());
	vmcs_write(v, VMCS_HOST_CR4, read_cr4());
	vmcs_write(v, VMCS_HOST_TR_BASE, (uint64_t)&cpu->tss);
	vmcs_write(v, VMCS_HOST_GDTR_BASE, (uint64_t)cpu->gdt);
	vmcs_write(v, VMCS_HOST_IDTR_BASE, idtr.base);
}

uint64_t
vmcs_block_pa(const struct vcpu *v)
{
	return ((const struct vmx_vcpu *)v->backend)->vmcs;
}

/* VMCLEAR writes what the processor caches of the VMCS to memory, so any CPU may load it next. */
void
vmcs_put(struct vcpu *v)
{
	struct vmx_vcpu *x = v->backend;

	vmclear(x);
}

void
vmcs_free(struct vcpu *v)
{
	struct vmx_vcpu *x = v->backend;

	assert(x->clear);
	host_page_free(kva(x->vmcs));
}

/* Is the field in the guest-state area (SDM vol. 3, "Field Encoding in VMCS"), or a control that
 * changes with the guest's state? */
static bool
is_guest_state(enum vmcs_field field)
{
	enum { TYPE_GUEST_STATE = 2 };

	return BITS(field, 11, 10) == TYPE_GUEST_STATE || field == VMCS_CPU_CONTROLS ||
	       field == VMCS_ENTRY_CONTROLS || field == VMCS_CR0_SHADOW ||
	       field == VMCS_CR4_SHADOW || field == VMCS_TSC_OFFSET;
}

void
vmcs_copy(struct vcpu *to, struct vcpu *from)
{
	struct vmx_vcpu *x = to->backend, *f = from->backend;
	uint64_t values[ARRAY_SIZE(fields)];

	vcpu_current(from);
	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++)
		if (is_guest_state(fields[i].field) && vmcs_field_in_use(fields[i].field))
			values[i] = vmcs_read(from, fields[i].field);
	vcpu_current(to);
	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++)
		if (is_guest_state(fields[i].field) && vmcs_field_in_use(fields[i].field))
			vmcs_write(to, fields[i].field, values[i]);
	x->cpu_controls = f->cpu_controls;
	x->entry_controls = f->entry_controls;
	x->cr0_shadow = f->cr0_shadow;
	x->pat = f->pat;
}

void
vmcs_dump(struct vcpu *v, hv_print_t print)
{
	unsigned int column = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++)
		if (vmcs_field_in_use(fields[i].field))
			print("  %-26s %016lx%s", fields[i].name, vmcs_read(v, fields[i].field),
			      ++column % 2 ? "" : "\n");
	print(column % 2 ? "\n" : "%s", "");
}
