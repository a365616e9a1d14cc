#include "vmm/svm/svm.h"

#include "inc/x86.h"
#include "lib/string.h"

/* Prints the fields of the VMCB that the hypervisor uses. */

#define OFFSET(field) __builtin_offsetof(struct vmcb, field)
#define SIZE(field)   sizeof(((struct vmcb *)0)->field)
#define FIELD(field)  #field, OFFSET(field), SIZE(field)

struct vmcb_field {
	const char *name;
	uint16_t offset, size;
};

static const struct vmcb_field fields[] = {
        {FIELD(cr_reads)},     {FIELD(cr_writes)},
        {FIELD(dr_reads)},     {FIELD(dr_writes)},
        {FIELD(exceptions)},   {FIELD(intercepts1)},
        {FIELD(intercepts2)},  {FIELD(asid)},
        {FIELD(iopm_pa)},      {FIELD(msrpm_pa)},
        {FIELD(tsc_offset)},   {FIELD(tlb_control)},
        {FIELD(vintr)},        {FIELD(interrupt_shadow)},
        {FIELD(exit_code)},    {FIELD(exit_info1)},
        {FIELD(exit_info2)},   {FIELD(exit_int_info)},
        {FIELD(event_inject)}, {FIELD(next_rip)},
        {FIELD(np_enable)},    {FIELD(ncr3)},
        {FIELD(clean)},        {FIELD(cpl)},
        {FIELD(rip)},          {FIELD(rflags)},
        {FIELD(rsp)},          {FIELD(rax)},
        {FIELD(cr0)},          {FIELD(cr2)},
        {FIELD(cr3)},          {FIELD(cr4)},
        {FIELD(efer)},         {FIELD(dr6)},
        {FIELD(dr7)},          {FIELD(pat)},
        {FIELD(star)},         {FIELD(lstar)},
        {FIELD(sfmask)},       {FIELD(kernel_gs_base)},
};

static const struct vmcb_field segments[] = {
        {FIELD(es)}, {FIELD(cs)},   {FIELD(ss)},   {FIELD(ds)},   {FIELD(fs)},
        {FIELD(gs)}, {FIELD(gdtr)}, {FIELD(ldtr)}, {FIELD(idtr)}, {FIELD(tr)},
};

void
svm_dump(struct vcpu *v, hv_print_t print)
{
	const char *b = (const char *)svm_vmcb(v);

	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++) {
		uint64_t value = 0;

		memcpy(&value, b + fields[i].offset, fields[i].size);
		print("  %-16s %016lx%s", fields[i].name, value, i % 2 ? "\n" : "");
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(segments); i++) {
		const struct vmcb_segment *s = (const void *)(b + segments[i].offset);

		print("  %-4s sel %04x  base %016lx  limit %08x  attrib %03x\n", segments[i].name,
		      s->sel, s->base, s->limit, s->attrib);
	}
}
