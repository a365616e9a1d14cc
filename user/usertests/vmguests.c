#include "user/usertests/vmtest.h"

#include "inc/cpuid.h"

/* What guests of a few bytes may expect, and what monitors may do to them. */

/* Segments of a flat 32-bit guest whose code runs in the given ring. */
static void
flat_segments(struct vm_regs *regs, unsigned int ring)
{
	enum { CODE_32 = 0xc09b, DATA_32 = 0xc093 };

	for (int s = SEG_ES; s <= SEG_GS; s++)
		regs->seg[s] = (struct vm_segment){
		        .sel = 0x10 | ring,
		        .limit = 0xffffffff,
		        .ar = (s == SEG_CS ? CODE_32 : DATA_32) | ring << 5,
		};
	regs->cr0 |= CR0_PE;
}

/* The guest must die of an exception that it cannot take. */
static void
run_to_triple_fault(uint32_t vm)
{
	RUN->deadline = rdtsc() + PATIENCE;
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK_RESULT(RUN->exit, VM_EXIT_STOP);
	CHECK_RESULT(RUN->stop.why, VM_STOP_TRIPLE_FAULT);
}

void
test_vm_bad_state(void)
{
	static const uint8_t code[] = {0xe6, PORT, 0xeb, 0xfc}; /* 1: out PORT, al; jmp 1b */
	struct vm_regs good, bad;
	uint32_t vm;

	if (!have_vms())
		return;
	vm = new_guest(code, sizeof code);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &good), 0);
	bad = good;
	bad.cr0 |= CR0_PG; /* without PE */
	/* At the first entry, and again when the guest has run. */
	for (int i = 0; i < 2; i++) {
		CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &bad), 0);
		CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
		CHECK_RESULT(RUN->exit, VM_EXIT_STOP);
		CHECK(sys_vcpu_run(vm, 0) < 0);
		CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &good), 0);
		run_to_out(vm);
		run_to_out(vm);
	}
}

/* rep insb that starts at offset `from`: the items of the first exit, and where the rest goes on.
 */
static void
check_string_wrap(uint8_t prefix, uint16_t from, uint32_t items, uint16_t next)
{
	const uint8_t code[] = {prefix, 0xf3, 0x6c, 0xe6, PORT}; /* cld or std; rep insb; out */
	uint32_t vm = new_guest(code, sizeof code);
	struct vm_regs regs;

	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	regs.seg[SEG_ES].base = 0x800;
	/* As after a visit to protected mode: the limit is no bound, the 16-bit offset still is. */
	regs.seg[SEG_ES].limit = 0xffffffff;
	regs.seg[SEG_ES].ar |= SEG_AR_G;
	regs.gpr[REG_RDI] = from;
	regs.gpr[REG_RCX] = items + 2;
	regs.gpr[REG_RDX] = PORT;
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
	CHECK_RESULT(sys_vm_map(vm, RAM_SIZE, RAM, PAGE_SIZE), 0);
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK(RUN->exit == VM_EXIT_IO && RUN->io.in);
	CHECK_RESULT(RUN->io.count, items);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	CHECK_RESULT(regs.gpr[REG_RDI], next);
	CHECK_RESULT(regs.gpr[REG_RCX], 2);
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK(RUN->exit == VM_EXIT_IO && RUN->io.in);
	CHECK_RESULT(RUN->io.count, 2);
	run_to_out(vm);
	delete_guest(vm);
}

void
test_vm_string_wrap(void)
{
	enum { CLD = 0xfc, STD = 0xfd };

	if (!have_vms())
		return;
	check_string_wrap(CLD, 0xfff0, 16, 0);
	check_string_wrap(STD, 4, 5, 0xffff);
}

void
test_vm_rip_wrap(void)
{
	static const uint8_t out[] = {0xe6, PORT};
	struct vm_regs regs;
	uint32_t vm;

	if (!have_vms())
		return;
	/* The instruction at the end of the address space is followed by the one at its start. */
	vm = new_guest(out, sizeof out);
	memcpy(RAM, out, sizeof out);
	memcpy(RAM + RAM_SIZE - 2, out, sizeof out);
	CHECK_RESULT(sys_vm_map(vm, 0x100000000 - RAM_SIZE, RAM, RAM_SIZE), 0);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	flat_segments(&regs, 0);
	regs.rip = 0xfffffffe;
	regs.gpr[REG_RAX] = 7;
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
	CHECK_RESULT(run_to_out(vm), 7);
	CHECK_RESULT(run_to_out(vm), 7);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	CHECK_RESULT(regs.rip, sizeof out);
}

/* 64-bit code behind which no address is canonical: #GP, for which there is no handler. */
static void
check_edge(const uint8_t *code, bool exits)
{
	enum { EDGE = 2, CODE_64 = 0xa09b, TABLES = 0x8000 };
	uint32_t vm = new_guest(code, EDGE);
	uint64_t *table = (uint64_t *)(RAM + TABLES);
	struct vm_regs regs;

	/* The last page of the lower half is the first one of RAM. */
	memcpy(RAM + PAGE_SIZE - EDGE, code, EDGE);
	table[255] = (TABLES + PAGE_SIZE) | PTE_P | PTE_W;
	table[512 + 511] = (TABLES + 2 * PAGE_SIZE) | PTE_P | PTE_W;
	table[1024 + 511] = (TABLES + 3 * PAGE_SIZE) | PTE_P | PTE_W;
	table[1536 + 511] = PTE_P | PTE_W;
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	flat_segments(&regs, 0);
	regs.seg[SEG_CS].ar = CODE_64;
	regs.cr0 |= CR0_PG;
	regs.cr3 = TABLES;
	regs.cr4 = CR4_PAE;
	regs.efer = EFER_LME | EFER_LMA;
	regs.rip = (1ull << 47) - EDGE;
	regs.idtr_limit = 0;
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
	CHECK_RESULT(sys_vcpu_break(vm, 0, VM_BREAK_CHECK), 0);
	if (exits)
		run_to_out(vm);
	run_to_triple_fault(vm);
	delete_guest(vm);
}

void
test_vm_rip_edge(void)
{
	static const uint8_t cpuid_insn[] = {0x0f, 0xa2}, out[] = {0xe6, PORT};

	if (!have_vms())
		return;
	check_edge(cpuid_insn, false);
	check_edge(out, true);
}

void
test_vm_operand_size(void)
{
	static const uint8_t code[] = {
	        0x0f, 0x20, 0xc0, /* mov eax, cr0 */
	        0x0f, 0x22, 0xd9, /* mov cr3, ecx */
	        0x0f, 0x22, 0xc3, /* mov cr0, ebx */
	        0x0f, 0x23, 0xfa, /* mov dr7, edx */
	        0xe6, PORT,       /* out PORT, al */
	};
	const uint64_t upper = 0x5a5a5a5a00000000;
	struct vm_regs regs;
	uint32_t vm;

	if (!have_vms())
		return;
	vm = new_guest(code, sizeof code);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	/* What 64-bit mode left in the upper halves does not count outside it. */
	regs.gpr[REG_RBX] = upper | regs.cr0 | CR0_NE;
	regs.gpr[REG_RDX] = upper | 0x400;
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
	run_to_out(vm);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	CHECK(regs.cr0 & CR0_NE);
	CHECK_RESULT(regs.dr7, 0x400);
}

void
test_vm_xsetbv_user(void)
{
	/* xor ecx, ecx; xor edx, edx; mov eax, 1; xsetbv; out PORT, al */
	static const uint8_t code[] = {0x31, 0xc9, 0x31, 0xd2, 0xb8, 1,    0,
	                               0,    0,    0x0f, 0x01, 0xd1, 0xe6, PORT};
	struct vm_regs regs;
	uint32_t vm;

	if (!have_vms() || !(cpuid(1, 0).ecx & CPUID1_ECX_XSAVE))
		return;
	for (unsigned int ring = 0; ring <= 3; ring += 3) {
		vm = new_guest(code, sizeof code);
		CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
		flat_segments(&regs, ring);
		regs.cr4 = CR4_OSXSAVE;
		regs.rflags |= RFLAGS_IOPL3;
		regs.idtr_limit = 0;
		CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
		if (ring == 0)
			run_to_out(vm);
		else
			run_to_triple_fault(vm);
		delete_guest(vm);
	}
}

void
test_vm_pdpte(void)
{
	/* mov cr0, eax; out PORT, al */
	static const uint8_t code[] = {0x0f, 0x22, 0xc0, 0xe6, PORT};
	enum { TABLES = 0x8000 };
	uint64_t *pdpt = (uint64_t *)(RAM + TABLES), *directory = pdpt + 512;
	struct vm_regs regs;
	uint32_t vm;

	if (!have_vms())
		return;
	for (int good = 1; good >= 0; good--) {
		vm = new_guest(code, sizeof code);
		pdpt[0] = (TABLES + PAGE_SIZE) | PTE_P;
		pdpt[3] = good ? 0 : PTE_P | PTE_W;
		directory[0] = PTE_P | PTE_W | PTE_PS;
		CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
		flat_segments(&regs, 0);
		regs.cr3 = TABLES;
		regs.cr4 = CR4_PAE;
		regs.gpr[REG_RAX] = CR0_PG | CR0_PE | CR0_ET;
		regs.idtr_limit = 0;
		CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
		if (good)
			run_to_out(vm);
		else
			run_to_triple_fault(vm);
		delete_guest(vm);
	}
}

/* Flat 32-bit code for INSB to a segment, and what becomes of it. */
static void
check_segment(uint32_t ar, uint32_t limit, uint32_t offset, bool allowed)
{
	static const uint8_t code[] = {0x6c, 0xe6, PORT}; /* insb; out PORT, al */
	uint32_t vm = new_guest(code, sizeof code);
	struct vm_regs regs;

	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	flat_segments(&regs, 0);
	regs.seg[SEG_ES].ar = ar;
	regs.seg[SEG_ES].limit = limit;
	regs.gpr[REG_RDI] = offset;
	regs.gpr[REG_RDX] = PORT;
	regs.idtr_limit = 0;
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
	if (allowed) {
		CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
		CHECK(RUN->exit == VM_EXIT_IO && RUN->io.in);
		run_to_out(vm);
	} else {
		run_to_triple_fault(vm);
	}
	delete_guest(vm);
}

void
test_vm_segments(void)
{
	enum { WRITABLE = 0x4093, READ_ONLY = 0x4091, DOWN = 0x4097, CODE_32 = 0x409b };

	if (!have_vms())
		return;
	check_segment(WRITABLE, 0x4000, 0x4000, true);
	check_segment(WRITABLE, 0x4000, 0x4001, false);
	check_segment(READ_ONLY, 0x4000, 0x4000, false);
	check_segment(CODE_32, 0x4000, 0x4000, false);
	check_segment(DOWN, 0x4000, 0x4001, true);
	check_segment(DOWN, 0x4000, 0x4000, false);
}

void
test_vm_smap(void)
{
	enum { TABLES = 0x8000 };
	static const uint8_t code[] = {0x6c, 0xe6, PORT}; /* insb; out PORT, al */
	uint32_t *directory = (uint32_t *)(RAM + TABLES);
	struct vm_regs regs;
	uint32_t vm;

	if (!have_vms() || cpuid(0, 0).eax < 7 || !(cpuid(7, 0).ebx & CPUID7_EBX_SMAP))
		return;
	for (int ac = 1; ac >= 0; ac--) {
		vm = new_guest(code, sizeof code);
		directory[0] = PTE_P | PTE_W | PTE_PS;
		directory[1] = PTE_P | PTE_W | PTE_U | PTE_PS;
		CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
		flat_segments(&regs, 0);
		regs.cr0 |= CR0_PG;
		regs.cr3 = TABLES;
		regs.cr4 = CR4_PSE | CR4_SMAP;
		regs.gpr[REG_RDI] = 0x404000;
		regs.gpr[REG_RDX] = PORT;
		regs.idtr_limit = 0;
		regs.rflags |= ac ? RFLAGS_AC : 0;
		CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
		if (ac) {
			CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
			CHECK(RUN->exit == VM_EXIT_IO && RUN->io.in);
		} else {
			run_to_triple_fault(vm);
		}
		delete_guest(vm);
	}
}

void
test_vm_single_step(void)
{
	static const uint8_t code[] = {
	        0xcd, X86_DB,         /* 00 int 1 */
	        0x90,                 /* 02 nop */
	        0x0f, 0xa2,           /* 03 cpuid */
	        0x16,                 /* 05 push ss */
	        0x17,                 /* 06 pop ss: no trap behind it */
	        0x0f, 0xa2,           /* 07 cpuid */
	        0x16,                 /* 09 push ss */
	        0x17,                 /* 0a pop ss */
	        0xa2, 0x00,     0x80, /* 0b mov [8000], al: the first touch of that page */
	        0xe4, PORT + 1,       /* 0e in al, PORT + 1 */
	        0xf4,                 /* 10 hlt */
	        0x90,                 /* 11 nop */
	};
	static const uint8_t stops[] = {0x03, 0x05, 0x06, 0x09, 0x0a, 0x0e, 0x10, 0x11, 0x12};
	/* 1: pop ax; push ax; out PORT, al; iret */
	static const uint8_t handler[] = {0x58, 0x50, 0xe6, PORT, 0xcf};
	struct vm_regs regs;
	uint32_t vm;

	if (!have_vms())
		return;
	vm = new_guest(code, sizeof code);
	memcpy(RAM + 0x2000, handler, sizeof handler);
	((uint16_t *)RAM)[2 * X86_DB] = 0x2000;
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	regs.gpr[REG_RSP] = 0x7000;
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
	CHECK_RESULT(run_to_out(vm),
	             2); /* Bochs counts a step where the first touch of a page exits */
	regs.rip = CODE + 2;
	regs.rflags |= RFLAGS_TF | RFLAGS_IF;
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
	for (size_t i = 0; i < ARRAY_SIZE(stops); i++) {
		RUN->deadline = rdtsc() + PATIENCE;
		CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
		if (RUN->exit == VM_EXIT_IO && RUN->io.in)
			CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
		CHECK_RESULT(RUN->exit, VM_EXIT_IO);
		CHECK_RESULT(RUN->data[0], stops[i]);
	}
}
