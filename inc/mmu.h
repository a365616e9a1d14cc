#ifndef NESTLING_INC_MMU_H
#define NESTLING_INC_MMU_H

/*
 * Bits of the processor that the code names: paging, control registers, flags, debug registers,
 * XCR0, exception vectors.  For C and assembly.
 */

#define PAGE_SHIFT       12
#define PAGE_SIZE        4096
#define LARGE_PAGE_SHIFT 21
#define LARGE_PAGE_SIZE  0x200000

/* Page-table entries (SDM vol. 3, "4-Level Paging and 5-Level Paging"). */
#define PTE_P    0x001
#define PTE_W    0x002
#define PTE_U    0x004
#define PTE_PWT  0x008
#define PTE_PCD  0x010
#define PTE_A    0x020
#define PTE_D    0x040
#define PTE_PS   0x080
#define PTE_G    0x100
#define PTE_NX   0x8000000000000000
#define PTE_ADDR 0x000ffffffffff000

/* Page-fault error code. */
#define PF_P           0x01
#define PF_W           0x02
#define PF_U           0x04
#define PF_RSVD        0x08
#define PF_I           0x10

#define CR0_PE         0x00000001
#define CR0_MP         0x00000002
#define CR0_EM         0x00000004
#define CR0_TS         0x00000008
#define CR0_ET         0x00000010
#define CR0_NE         0x00000020
#define CR0_WP         0x00010000
#define CR0_AM         0x00040000
#define CR0_NW         0x20000000
#define CR0_CD         0x40000000
#define CR0_PG         0x80000000

#define CR4_VME        0x00000001
#define CR4_PVI        0x00000002
#define CR4_TSD        0x00000004
#define CR4_DE         0x00000008
#define CR4_PSE        0x00000010
#define CR4_PAE        0x00000020
#define CR4_MCE        0x00000040
#define CR4_PGE        0x00000080
#define CR4_PCE        0x00000100
#define CR4_OSFXSR     0x00000200
#define CR4_OSXMMEXCPT 0x00000400
#define CR4_UMIP       0x00000800
#define CR4_VMXE       0x00002000
#define CR4_SMXE       0x00004000
#define CR4_FSGSBASE   0x00010000
#define CR4_PCIDE      0x00020000
#define CR4_OSXSAVE    0x00040000
#define CR4_SMEP       0x00100000
#define CR4_SMAP       0x00200000

#define EFER_SCE       0x001
#define EFER_LME       0x100
#define EFER_LMA       0x400
#define EFER_NXE       0x800
#define EFER_SVME      0x1000

#define RFLAGS_CF      0x00001
#define RFLAGS_FIXED   0x00002
#define RFLAGS_PF      0x00004
#define RFLAGS_AF      0x00010
#define RFLAGS_ZF      0x00040
#define RFLAGS_SF      0x00080
#define RFLAGS_TF      0x00100
#define RFLAGS_IF      0x00200
#define RFLAGS_DF      0x00400
#define RFLAGS_OF      0x00800
#define RFLAGS_IOPL3   0x03000 /* ports for every ring */
#define RFLAGS_NT      0x04000
#define RFLAGS_RF      0x10000
#define RFLAGS_VM      0x20000
#define RFLAGS_AC      0x40000

/* DR6 and DR7 (SDM vol. 3, "Debug Registers"). */
#define DR6_FIXED    0xffff0ff0
#define DR6_TRAPS    0x0000000f /* B0 to B3 */
#define DR6_CAUSE    0x0000600f /* B0 to B3, BD, BS */
#define DR6_BD       0x00002000
#define DR6_BS       0x00004000
#define DR6_WRITABLE 0x0000e00f
#define DR7_FIXED    0x00000400
#define DR7_GD       0x00002000
#define DR7_WRITABLE 0xffff23ff

/* XCR0 (SDM vol. 1, "XSAVE-Supported Features and State-Component Bitmaps"). */
#define XCR0_X87       0x001
#define XCR0_SSE       0x002
#define XCR0_AVX       0x004
#define XCR0_OPMASK    0x020
#define XCR0_ZMM_HI256 0x040
#define XCR0_HI16_ZMM  0x080

/* Exception vectors (SDM vol. 3, "Exception and Interrupt Vectors"). */
#define X86_DE  0
#define X86_DB  1
#define X86_NMI 2
#define X86_BP  3
#define X86_OF  4
#define X86_BR  5
#define X86_UD  6
#define X86_NM  7
#define X86_DF  8
#define X86_TS  10
#define X86_NP  11
#define X86_SS  12
#define X86_GP  13
#define X86_PF  14
#define X86_MF  16
#define X86_AC  17
#define X86_MC  18
#define X86_XM  19

#endif
