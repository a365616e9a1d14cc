#ifndef NESTLING_INC_MSR_H
#define NESTLING_INC_MSR_H

/* Model-specific registers (SDM vol. 4, "IA-32 Architectural MSRs"). */
#define MSR_TSC                0x00000010
#define MSR_APIC_BASE          0x0000001b
#define MSR_FEATURE_CONTROL    0x0000003a
#define MSR_TSC_ADJUST         0x0000003b
#define MSR_BIOS_SIGN_ID       0x0000008b
#define MSR_MTRRCAP            0x000000fe
#define MSR_SYSENTER_CS        0x00000174
#define MSR_SYSENTER_ESP       0x00000175
#define MSR_SYSENTER_EIP       0x00000176
#define MSR_MISC_ENABLE        0x000001a0
#define MSR_MTRR_PHYSBASE0     0x00000200
#define MSR_MTRR_FIX_64K       0x00000250
#define MSR_PAT                0x00000277
#define MSR_MTRR_DEF_TYPE      0x000002ff
#define MSR_VMX_BASIC          0x00000480
#define MSR_VMX_PINBASED       0x00000481
#define MSR_VMX_PROCBASED      0x00000482
#define MSR_VMX_EXIT           0x00000483
#define MSR_VMX_ENTRY          0x00000484
#define MSR_VMX_MISC           0x00000485
#define MSR_VMX_CR0_FIXED0     0x00000486
#define MSR_VMX_CR0_FIXED1     0x00000487
#define MSR_VMX_CR4_FIXED0     0x00000488
#define MSR_VMX_CR4_FIXED1     0x00000489
#define MSR_VMX_VMCS_ENUM      0x0000048a
#define MSR_VMX_PROCBASED2     0x0000048b
#define MSR_VMX_EPT_VPID_CAP   0x0000048c
#define MSR_VMX_TRUE_PINBASED  0x0000048d
#define MSR_VMX_TRUE_PROCBASED 0x0000048e
#define MSR_VMX_TRUE_EXIT      0x0000048f
#define MSR_VMX_TRUE_ENTRY     0x00000490
#define MSR_VMX_VMFUNC         0x00000491
#define MSR_XSS                0x00000da0
#define MSR_EFER               0xc0000080
#define MSR_STAR               0xc0000081
#define MSR_LSTAR              0xc0000082
#define MSR_CSTAR              0xc0000083
#define MSR_FMASK              0xc0000084
#define MSR_FS_BASE            0xc0000100
#define MSR_GS_BASE            0xc0000101
#define MSR_KERNEL_GS_BASE     0xc0000102
#define MSR_TSC_AUX            0xc0000103

#define MSR_VM_CR              0xc0010114
#define MSR_VM_HSAVE_PA        0xc0010117

#define VM_CR_SVMDIS           0x10
#define FEATURE_CONTROL_LOCKED 0x1
#define FEATURE_CONTROL_VMX    0x4 /* VMXON outside SMX operation */
#define PAT_RESET              0x0007040600070406ull
#define APIC_BASE_BSP          0x100
#define APIC_BASE_X2APIC       0x400
#define APIC_BASE_ENABLE       0x800
#define APIC_BASE_GPA          0xfee00000ull /* as after reset */

#endif
