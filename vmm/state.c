#include "vmm/vmm.h"

#include "inc/cpuid.h"
#include "inc/error.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * Guest state that an entry does not switch: FPU, XCR0 and DR0 to DR3, and the SYSCALL MSRs unless
 * an entry of the back end switches them.  This state is in the hardware from state_load() to
 * state_save(), over all entries, exits and runs of the monitor in between.  It may stay there,
 * because the host uses none of it (CR0.TS is set, EFER.SCE is clear; see docs/TRICKS.md).
 */

/* Offsets in the XSAVE area: the legacy region is followed by the header, and the header by the
 * extended region. */
enum { XSAVE_HEADER = 512, XSAVE_EXTENDED = 576, XSAVE_ALIGN = 64 };
enum { FXSAVE_FCW = 0, FXSAVE_MXCSR = 24, FCW_RESET = 0x37f, MXCSR_RESET = 0x1f80 };

struct state_msr {
	uint32_t msr;
	uint32_t offset; /* in struct vcpu_guest */
};

static const struct state_msr state_msrs[] = {
        {MSR_STAR, __builtin_offsetof(struct vcpu_guest, star)},
        {MSR_LSTAR, __builtin_offsetof(struct vcpu_guest, lstar)},
        {MSR_CSTAR, __builtin_offsetof(struct vcpu_guest, cstar)},
        {MSR_FMASK, __builtin_offsetof(struct vcpu_guest, fmask)},
        {MSR_KERNEL_GS_BASE, __builtin_offsetof(struct vcpu_guest, kernel_gs_base)},
};

static uint64_t *
state_msr(struct vcpu *v, unsigned int i)
{
	return (uint64_t *)((char *)&v->guest + state_msrs[i].offset);
}

/* Returns the bytes that XSAVE or FXSAVE writes (SDM vol. 1, "Extended Region of an XSAVE Area").
 */
static uint32_t
area_size(void)
{
	uint64_t components = state_xcr0_allowed();
	uint32_t size = components ? XSAVE_EXTENDED : XSAVE_HEADER;

	for (unsigned int i = 2; components >> i; i++) {
		struct cpuid_regs r = cpuid(0xd, i);

		if ((components & BIT(i)) && r.ebx + r.eax > size)
			size = r.ebx + r.eax;
	}
	return size;
}

int
state_init(struct vcpu *v)
{
	char *area = arena_alloc(&v->arena, area_size(), XSAVE_ALIGN);

	if (!area)
		return -E_NO_MEM;
	v->fpu = area;
	return 0;
}

void
state_reset(struct vcpu *v)
{
	char *area = v->fpu;

	memset(area, 0, area_size());
	*(uint16_t *)(area + FXSAVE_FCW) = FCW_RESET;
	*(uint32_t *)(area + FXSAVE_MXCSR) = MXCSR_RESET;
}

void
state_copy(struct vcpu *to, const struct vcpu *from)
{
	memcpy(to->fpu, from->fpu, area_size());
}

static void
fpu_open(void)
{
	__asm__ volatile("clts");
	if (state_xcr0_allowed())
		xsetbv(0, state_xcr0_allowed());
}

static void
fpu_close(void)
{
	write_cr0(read_cr0() | CR0_TS);
}

void
state_load_dr(const struct vcpu *v)
{
	write_dr0(v->guest.dr[0]);
	write_dr1(v->guest.dr[1]);
	write_dr2(v->guest.dr[2]);
	write_dr3(v->guest.dr[3]);
}

void
state_load(struct vcpu *v)
{
	for (unsigned int i = 0; !hv->traits.entry_switches_msrs && i < ARRAY_SIZE(state_msrs); i++)
		wrmsr(state_msrs[i].msr, *state_msr(v, i));
	state_load_dr(v);
	fpu_open();
	if (state_xcr0_allowed()) {
		__asm__ volatile("xrstor64 %0"
		                 :
		                 : "m"(*(char(*)[PAGE_SIZE])v->fpu), "a"(~0u), "d"(~0u));
		xsetbv(0, v->guest.xcr0);
	} else {
		__asm__ volatile("fxrstor64 %0" : : "m"(*(char(*)[PAGE_SIZE])v->fpu));
	}
	fpu_close();
}

void
state_save(struct vcpu *v)
{
	for (unsigned int i = 0; !hv->traits.entry_switches_msrs && i < ARRAY_SIZE(state_msrs); i++)
		*state_msr(v, i) = rdmsr(state_msrs[i].msr);
	fpu_open();
	if (state_xcr0_allowed())
		__asm__ volatile("xsave64 %0"
		                 : "+m"(*(char(*)[PAGE_SIZE])v->fpu)
		                 : "a"(~0u), "d"(~0u));
	else
		__asm__ volatile("fxsave64 %0" : "=m"(*(char(*)[PAGE_SIZE])v->fpu));
	fpu_close();
}
