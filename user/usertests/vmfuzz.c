#include "user/usertests/vmtest.h"

/*
 * A monitor out of its mind: thousands of calls with arguments that are nearly
 * right, RAM and run page mapped, given away and taken back at odd moments,
 * registers and code at random.  Seeded, so that a failure comes again.  The
 * test holds if the kernel lives and has all of its memory at the end.
 */

enum { STEPS = 3000, SLICE = 4000 /* ticks of a run */, SEEDS = 2 };

static uint32_t vm;

/* A number that some check has its limit at, or nearly so. */
static uint64_t
odd_number(void)
{
	static const uint64_t limits[] = {
	        0,       PAGE_SIZE,       LARGE_PAGE_SIZE, 1ull << 32, VM_GPA_LIMIT, ULIM,
	        UVM_RAM, UVM_RAM + 65536, URUN_BASE,       KERNBASE,   DIRECT_BASE,  UTEXT,
	};
	uint64_t n = limits[below(ARRAY_SIZE(limits))];

	switch (below(4)) {
	case 0:
		return n;
	case 1:
		return n - PAGE_SIZE;
	case 2:
		return n + below(64) * PAGE_SIZE;
	default:
		return one_in(2) ? random() : n + below(3) - 1;
	}
}

static uint64_t
odd_size(void)
{
	static const uint64_t sizes[] = {PAGE_SIZE, 2 * PAGE_SIZE, 16 * PAGE_SIZE, LARGE_PAGE_SIZE,
	                                 2 * LARGE_PAGE_SIZE};

	return one_in(8) ? odd_number() : sizes[below(ARRAY_SIZE(sizes))];
}

/* Where this monitor keeps RAM: 4 MiB, some of it mapped. */
static uint8_t *
odd_ram(void)
{
	uint64_t offset = one_in(2) ? below(3) * LARGE_PAGE_SIZE : below(1024) * PAGE_SIZE;

	return RAM + offset;
}

/* Without touching it: the kernel writes there, if anybody can. */
static bool
writable(void *va)
{
	return sys_sys_info(va) == 0;
}

static void
do_create(void)
{
	struct vm_config config = {
	        .ram = random(),
	        .leaves = one_in(8) ? random() : 1 + below(3),
	        .paging = one_in(8) ? random() : below(VM_PAGINGS),
	        .trace = one_in(8) ? random() : below(2048),
	};
	long id;

	memset(config.name, 'x', sizeof config.name);
	id = sys_vm_create(one_in(16) ? (void *)odd_number() : &config);
	if (id > 0)
		vm = id;
}

static void
do_destroy(void)
{
	if (one_in(12))
		sys_vm_destroy(one_in(4) ? random() : vm);
}

static void
do_map_ram(void)
{
	sys_mem_map(odd_ram(), odd_size() % (4 * LARGE_PAGE_SIZE));
}

static void
do_unmap(void)
{
	if (one_in(4))
		sys_mem_unmap(odd_ram(), odd_size() % (4 * LARGE_PAGE_SIZE));
	if (one_in(16))
		sys_mem_unmap((char *)RUN + below(2) * PAGE_SIZE, PAGE_SIZE);
}

static void
do_vm_map(void)
{
	uint64_t gpa = one_in(3) ? odd_number() : below(4) * LARGE_PAGE_SIZE;
	void *va = one_in(8) ? (void *)odd_number() : one_in(8) ? (void *)RUN : odd_ram();

	sys_vm_map(one_in(16) ? random() : vm, one_in(2) ? 0 : gpa, va, odd_size());
}

static void
do_vcpu_create(void)
{
	sys_vcpu_create(vm, one_in(16)   ? (void *)odd_number()
	                    : one_in(16) ? (void *)odd_ram()
	                                 : RUN);
}

/* From nothing to a vCPU, each step with its chance to fail. */
static void
do_new(void)
{
	do_create();
	do_map_ram();
	do_vm_map();
	do_vcpu_create();
}

/* Some word of it becomes something else. */
static void
spoil(void *p, size_t size)
{
	uint64_t *words = p;
	unsigned int bit = below(64);

	for (unsigned int n = 1 + below(3); n; n--)
		words[below(size / sizeof *words)] =
		        one_in(3) ? odd_number() : words[below(size / sizeof *words)] ^ 1ull << bit;
}

/* 64-bit mode, its page tables in the RAM; or PAE paging, if there is no LME. */
static void
long_mode(struct vm_regs *regs)
{
	enum { TABLES = 0x9000, CODE_64 = 0xa09b, DATA_32 = 0xc093 };
	uint64_t *table = (uint64_t *)(RAM + TABLES);

	if (!writable(table) || !writable(table + 512) || !writable(table + 1024))
		return;
	for (unsigned int i = 0; i < 4; i++) {
		table[i] = TABLES + 1 * PAGE_SIZE + PTE_P + PTE_W + PTE_U;
		table[512 + i] = TABLES + 2 * PAGE_SIZE + PTE_P + PTE_W + PTE_U;
		table[1024 + i] = i * LARGE_PAGE_SIZE + PTE_P + PTE_W + PTE_U + PTE_PS;
	}
	if (one_in(4))
		spoil(table, 3 * PAGE_SIZE);
	regs->cr3 = TABLES + (one_in(8) ? PAGE_SIZE : 0);
	regs->cr4 |= CR4_PAE;
	regs->efer = one_in(8) ? 0 : EFER_LME | EFER_LMA;
	regs->cr0 = CR0_PE | CR0_PG | CR0_ET;
	for (int s = SEG_ES; s <= SEG_GS; s++)
		regs->seg[s] = (struct vm_segment){
		        .sel = 8,
		        .limit = 0xffffffff,
		        .ar = s == SEG_CS && regs->efer ? CODE_64
		              : s == SEG_CS             ? 0xc09b
		                                        : DATA_32,
		};
	regs->seg[SEG_TR].ar = 0x8b;
}

static void
do_set_regs(void)
{
	struct vm_regs regs;

	if (sys_vcpu_get_regs(vm, 0, &regs) < 0)
		return;
	if (one_in(4))
		long_mode(&regs);
	/* Mostly so that it can be entered. */
	if (one_in(3))
		spoil(&regs, sizeof regs);
	if (one_in(8))
		regs.rflags ^= RFLAGS_TF;
	if (one_in(8))
		regs.rflags ^= RFLAGS_IF;
	if (one_in(8))
		regs.cr0 ^= CR0_PE;
	if (one_in(16))
		regs.cr0 ^= CR0_PG;
	if (one_in(32))
		for (size_t i = 0; i < sizeof regs / 8; i++)
			((uint64_t *)&regs)[i] = random();
	regs.rip = one_in(4) ? regs.rip : below(0x8000);
	regs.gpr[REG_RSP] = below(0x8000);
	if (one_in(2))
		regs.seg[SEG_CS].base = 0;
	sys_vcpu_set_regs(vm, 0, one_in(32) ? (void *)odd_number() : &regs);
}

/* Instructions that exit, and bytes that may. */
static void
do_code(void)
{
	static const uint8_t pieces[][4] = {
	        {0x0f, 0xa2, 0x90, 0x90}, {0xf4, 0x90, 0x90, 0x90}, {0xe6, 0x42, 0xe4, 0x43},
	        {0xf3, 0x6c, 0xf3, 0x6e}, {0x66, 0xf3, 0x6d, 0xfd}, {0x0f, 0x22, 0xc0, 0x90},
	        {0x0f, 0x22, 0xd8, 0x90}, {0x0f, 0x22, 0xe0, 0x90}, {0x0f, 0x23, 0xf8, 0x90},
	        {0x0f, 0x21, 0xf0, 0x90}, {0x0f, 0x30, 0x0f, 0x32}, {0x0f, 0x01, 0xd1, 0x90},
	        {0xfb, 0x0f, 0xa2, 0x90}, {0x17, 0x0f, 0xa2, 0x90}, {0x9d, 0x0f, 0xa2, 0x90},
	        {0xcd, 0x01, 0xcc, 0xf1}, {0x0f, 0x01, 0xf0, 0x90}, {0x0f, 0x06, 0x0f, 0x08},
	        {0x0f, 0x01, 0xc1, 0x90}, {0x0f, 0x01, 0xd8, 0x90}, {0x89, 0x07, 0x89, 0x06},
	};
	uint8_t *page = odd_ram();

	if (!writable(page))
		return;
	for (size_t i = 0; i < PAGE_SIZE; i += 4) {
		uint32_t noise = random();

		memcpy(page + i, one_in(4) ? (uint8_t *)&noise : pieces[below(ARRAY_SIZE(pieces))],
		       4);
	}
}

static void
do_run(void)
{
	if (writable(RUN)) {
		if (one_in(4))
			spoil(RUN, 4096);
		RUN->inject = one_in(4) ? VM_INJECT_VALID | random() : 0;
		RUN->irq_pending = one_in(4) ? random() : 0;
		RUN->deadline = one_in(16) ? 0 : rdtsc() + SLICE; /* it has to come back */
	}
	if (one_in(16))
		sys_vcpu_break(vm, 0, one_in(8) ? odd_number() : below(130));
	for (unsigned int n = 1 + below(8); n; n--)
		if (sys_vcpu_run(vm, one_in(32) ? random() : 0) == -E_BAD_VM)
			do_new();
}

static void
do_questions(void)
{
	static char answer[2][2 * PAGE_SIZE];
	uint32_t id = one_in(4) ? random() : one_in(4) ? 0 : vm;
	uint64_t which = one_in(4) ? odd_number() : below(80);
	void *out = one_in(4) ? (void *)odd_number() : answer[0];

	sys_vm_post(id, one_in(4) ? which : 1u << below(5));
	sys_vm_requests(id, false);
	sys_vcpu_set_back(id, one_in(8), odd_number());
	if (one_in(8))
		sys_vcpu_reset(id, one_in(8));
	sys_vm_info(below(3), out);
	sys_vm_stats(id, one_in(2) ? VM_ALL_VCPUS : which, out);
	sys_vm_mark(id, out, one_in(8) ? (void *)odd_number() : answer[1]);
	sys_vm_histogram(id, one_in(8) ? which : VM_ALL_VCPUS, which, out);
	sys_vm_keys(id, one_in(8) ? which : VM_ALL_VCPUS, which, out);
	sys_vm_trace(id, one_in(8), which, out);
	sys_vm_span(id, one_in(8), which, out);
}

/* A child tries the VM, which is not its own, and gives a page that lands in the RAM. */
static void
do_fork(void)
{
	struct ipc_msg msg;
	uint32_t self = sys_env_id();
	bool give = one_in(2);
	long child;

	if (!one_in(8))
		return;
	child = must_fork();
	if (child == 0) {
		sys_vcpu_run(vm, 0);
		sys_vm_destroy(vm);
		do_unmap();
		do_create();
		do_vcpu_create();
		do_run();
		if (give)
			sys_ipc_send(self, 0, writable(RAM) ? RAM : 0);
		exit(0);
	}
	if (give)
		sys_ipc_recv(&msg, one_in(4) ? (void *)RUN : odd_ram());
	do_code();
	CHECK_RESULT(sys_env_wait(child), 0);
}

static void
go_mad(uint64_t seed)
{
	static void (*const moves[])(void) = {
	        do_create, do_destroy,     do_map_ram,  do_unmap, do_vm_map, do_vm_map,
	        do_code,   do_vcpu_create, do_set_regs, do_run,   do_run,    do_run,
	        do_fork,   do_questions,   do_set_regs, do_code,
	};

	random_seed(seed);
	for (int i = 0; i < STEPS; i++)
		moves[below(ARRAY_SIZE(moves))]();
	sys_vm_destroy(vm);
	keep_usual_accounts();
}

/* A guest whose monitor has written nonsense over its deadline would run for ever. */
static long
wait_and_kick(uint32_t child)
{
	enum { PERIOD = 10 * 1000 }; /* microseconds */
	struct env_end end;
	struct vm_info info;

	while (sys_env_ended(&end) < 0 || end.id != child) {
		sys_env_sleep(PERIOD);
		for (unsigned int i = 0; sys_vm_info(i, &info) == 0; i++)
			sys_vm_post(info.id, VM_REQ_RESUME);
	}
	return end.status;
}

void
test_vm_fuzz(void)
{
	if (!have_vms())
		return;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t before = pages_available();
		long child = must_fork();

		if (child == 0) {
			go_mad(seed * 0x9e3779b97f4a7c15);
			exit(0);
		}
		CHECK_RESULT(wait_and_kick(child), 0);
		CHECK_RESULT(pages_available(), before);
	}
}
