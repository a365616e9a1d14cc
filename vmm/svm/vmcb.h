#ifndef NESTLING_VMM_SVM_VMCB_H
#define NESTLING_VMM_SVM_VMCB_H

#include <stdint.h>

/* The virtual machine control block (APM vol. 2, appendix "Layout of VMCB"). */

struct vmcb_segment {
	uint16_t sel;
	uint16_t attrib; /* access byte in 7:0, AVL L D/B G in 11:8 */
	uint32_t limit;
	uint64_t base;
};

struct vmcb {
	/* Control area */
	uint16_t cr_reads, cr_writes, dr_reads, dr_writes;
	uint32_t exceptions;
	uint32_t intercepts1, intercepts2, intercepts3;
	uint8_t reserved018[0x3c - 0x18];
	uint16_t pause_threshold, pause_count;
	uint64_t iopm_pa, msrpm_pa;
	uint64_t tsc_offset;
	uint32_t asid;
	uint8_t tlb_control;
	uint8_t reserved05d[3];
	uint64_t vintr;
	uint64_t interrupt_shadow; /* the APM's word: bit 0, STI or MOV SS blocks interrupts */
	uint64_t exit_code, exit_info1, exit_info2, exit_int_info;
	uint64_t np_enable;
	uint64_t avic_bar, ghcb;
	uint64_t event_inject;
	uint64_t ncr3;
	uint64_t lbr_enable;
	uint64_t clean;
	uint64_t next_rip;
	uint8_t fetched, bytes[15];
	uint8_t reserved0e0[0x400 - 0xe0];
	/* State-save area, at 0x400 */
	struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	uint8_t reserved4a0[0xcb - 0xa0];
	uint8_t cpl;
	uint32_t reserved4cc;
	uint64_t efer;
	uint8_t reserved4d8[0x148 - 0xd8];
	uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
	uint8_t reserved580[0x1d8 - 0x180];
	uint64_t rsp;
	uint8_t reserved5e0[0x1f8 - 0x1e0];
	uint64_t rax;
	uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t cr2;
	uint8_t reserved648[0x268 - 0x248];
	uint64_t pat;
	uint64_t debugctl, br_from, br_to, lastexcp_from, lastexcp_to;
	uint8_t reserved698[0x1000 - 0x698];
};

enum { VMCB_USED = 0x698 }; /* bytes; the rest of the page is reserved */

#define VMCB_AT(field, offset) \
	_Static_assert(__builtin_offsetof(struct vmcb, field) == (offset), "VMCB layout: " #field)
VMCB_AT(exceptions, 0x008);
VMCB_AT(intercepts1, 0x00c);
VMCB_AT(pause_threshold, 0x03c);
VMCB_AT(iopm_pa, 0x040);
VMCB_AT(tsc_offset, 0x050);
VMCB_AT(asid, 0x058);
VMCB_AT(tlb_control, 0x05c);
VMCB_AT(vintr, 0x060);
VMCB_AT(interrupt_shadow, 0x068);
VMCB_AT(exit_code, 0x070);
VMCB_AT(exit_int_info, 0x088);
VMCB_AT(np_enable, 0x090);
VMCB_AT(event_inject, 0x0a8);
VMCB_AT(ncr3, 0x0b0);
VMCB_AT(clean, 0x0c0);
VMCB_AT(next_rip, 0x0c8);
VMCB_AT(fetched, 0x0d0);
VMCB_AT(es, 0x400);
VMCB_AT(gdtr, 0x460);
VMCB_AT(tr, 0x490);
VMCB_AT(cpl, 0x4cb);
VMCB_AT(efer, 0x4d0);
VMCB_AT(cr4, 0x548);
VMCB_AT(rip, 0x578);
VMCB_AT(rsp, 0x5d8);
VMCB_AT(rax, 0x5f8);
VMCB_AT(star, 0x600);
VMCB_AT(cr2, 0x640);
VMCB_AT(pat, 0x668);
_Static_assert(sizeof(struct vmcb) == 4096, "a VMCB has one page");

#endif
