// SOURCES: vmm/shadowpt.c vmm/shadowpool.c vmm/shadowwatch.c
// SOURCES: vmm/shadow.c vmm/gmem.c
// SOURCES: tests/unit/pages.c tests/unit/cpu.c
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/lock.h"
#include "kern/page.h"
#include "lib/assert.h"
#include "tests/unit/cpu.h"
#include "tests/unit/pages.h"
#include "vmm/arena.h"
#include "vmm/shadow.h"
#include "vmm/vmm.h"

/*
 * Shadow tables against a plain walk of the guest's: a guest edits its tables at random, flushes
 * what the architecture tells it to, and accesses memory.  What an access reaches through the
 * shadow, as a processor would walk it, is what the guest's tables say, in each paging mode.
 */

enum {
	RAM = 8 << 20,
	TABLES = 0x10000, /* of the guest */
	TABLE_PAGES = 24,
	HVA = 0x40000000,
	ROUNDS = 12000,
};

static uint8_t ram[RAM] __attribute__((aligned(LARGE_PAGE_SIZE)));
static struct vm vm = {.slots = {{0, RAM, HVA}}, .slot_count = 1, .asid = 1};
static struct vcpu vcpu;
static struct shadow shadow_storage;
static unsigned int cpl, flushes;
static uint64_t rflags;
static bool large_frames, cow;
static uint64_t moved; /* 0, or the page of the guest's whose frame is the last of ram now */
static uint64_t seed;

_Noreturn void
panic_at(const char *file, int line, const char *fmt, ...)
{
	fail_msg("%s:%d: %s", file, line, fmt);
	abort();
}

void *
arena_alloc(struct arena *a, uint32_t size, uint32_t align)
{
	(void)a;
	(void)align;
	assert_true(size <= sizeof(shadow_storage));
	return &shadow_storage;
}

int
aspace_frame(struct aspace *as, uint64_t va, int access, struct frame *out)
{
	(void)as;
	out->size = large_frames ? LARGE_PAGE_SIZE : PAGE_SIZE;
	if (moved && ROUND_DOWN(va - HVA, PAGE_SIZE) == moved)
		va = HVA + RAM - PAGE_SIZE;
	out->pa = (uint64_t)&ram[ROUND_DOWN(va - HVA, out->size)] - DIRECT_BASE;
	out->writable = !cow || access == ACCESS_WRITE;
	return 0;
}

const struct vm_slot *
vm_slot_find(const struct vm *m, uint64_t gpa)
{
	return gpa < RAM ? &m->slots[0] : NULL;
}

bool
vm_slot_large(const struct vm_slot *slot, uint64_t gpa)
{
	return ROUND_DOWN(gpa, LARGE_PAGE_SIZE) + LARGE_PAGE_SIZE <= slot->size;
}

unsigned int
cpuid_phys_bits(void)
{
	return 39;
}

unsigned int
vcpu_cpl(struct vcpu *v)
{
	(void)v;
	return cpl;
}

static uint64_t
get_cr(struct vcpu *v, unsigned int cr)
{
	return shadow_get_cr(v, cr);
}

static uint64_t
get_efer(struct vcpu *v)
{
	return v->shadow->guest.efer;
}

static uint64_t
get_rflags(struct vcpu *v)
{
	(void)v;
	return rflags;
}

static void
flush(struct vcpu *v)
{
	assert_int_equal(v->stale, TLB_LINEAR);
	v->stale = 0;
	flushes++;
}

static const struct hv_ops ops = {
        .get_cr = get_cr, .get_efer = get_efer, .get_rflags = get_rflags, .flush = flush};
const struct hv_ops *hv = &ops;

/* What comes of a fault that is not a shadow's. */
static struct {
	bool pf, mmio, no_memory;
	uint64_t gva, gpa;
	uint32_t error;
	unsigned int exception;
} got;

void
inject_page_fault(struct vcpu *v, uint64_t gva, uint32_t error)
{
	(void)v;
	got.pf = true;
	got.gva = gva;
	got.error = error;
}

void
inject_exception_error(struct vcpu *v, unsigned int vector, uint32_t error)
{
	(void)v;
	(void)error;
	got.exception = vector;
}

enum hv_action
exit_triple_fault(struct vcpu *v, struct hv_exit *x)
{
	(void)v;
	(void)x;
	return HV_STOP;
}

enum hv_action
vcpu_no_memory(struct vcpu *v, uint64_t gpa, uint32_t access, enum vm_mem_why why)
{
	(void)v;
	(void)access;
	if (why == VM_MEM_TABLES)
		got.no_memory = true;
	else
		got.mmio = true; /* a fetch from there, which has no device's answer */
	got.gpa = gpa;
	return HV_USER;
}

enum hv_action
vcpu_no_frame(struct vcpu *v, uint64_t gpa, uint32_t access)
{
	(void)v;
	fail_msg("no frame for %#lx, access %u", gpa, access);
	return HV_STOP;
}

enum hv_action
mmio_access(struct vcpu *v, struct hv_exit *x)
{
	(void)v;
	got.mmio = true;
	got.gpa = x->mem.gpa;
	return HV_USER;
}

static uint32_t
below(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static void
set_mode(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	shadow_set_efer(&vcpu, efer);
	shadow_set_cr(&vcpu, 4, cr4);
	shadow_set_cr(&vcpu, 0, cr0);
}

static void
mode_long(void)
{
	set_mode(CR0_PE | CR0_PG | CR0_WP, CR4_PAE, EFER_LME | EFER_LMA | EFER_NXE);
}

static void
mode_pae(void)
{
	set_mode(CR0_PE | CR0_PG | CR0_WP, CR4_PAE, EFER_NXE);
}

static void
mode_legacy(void)
{
	set_mode(CR0_PE | CR0_PG | CR0_WP, CR4_PSE, 0);
}

static int
setup(void **state)
{
	(void)state;
	memset(ram, 0, sizeof(ram));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&got, 0, sizeof(got));
	vm.paging = VM_PAGING_SHADOW;
	vcpu.vm = &vm;
	vm.vcpus[0] = &vcpu;
	vm.vcpu_count = 1;
	cpl = 0;
	rflags = 0;
	large_frames = cow = false;
	moved = 0;
	seed = 1;
	pages_max = SHADOW_PAGES;
	assert_int_equal(shadow_init(&vcpu), 0);
	shadow_set_cr(&vcpu, 3, TABLES);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	shadow_free(&vcpu);
	assert_int_equal(pages_used, 0);
	assert_int_equal(pages_promised, 0);
	return 0;
}

/* The processor: walks the hardware's tables for an access.  -1: a page fault with *error. */
static int64_t
walk_shadow(uint64_t gva, uint32_t access, bool user, uint32_t *error)
{
	struct shadow_regs hw;
	uint64_t allowed = PTE_W | PTE_U, nx = 0;
	const uint64_t *table;
	int level;

	shadow_hardware(vcpu.shadow, &hw);
	assert_true(hw.cr4 & CR4_PAE);
	*error = (access & VM_ACCESS_WRITE ? PF_W : 0) | (user ? PF_U : 0) |
	         (access & VM_ACCESS_EXEC ? PF_I : 0);
	if (hw.efer & EFER_LMA) {
		table = kva(hw.cr3);
		level = 4;
	} else {
		uint64_t pdpte = vcpu.shadow->pae.entry[gva >> 30 & 3];

		assert_int_equal(pdpte & ~PTE_ADDR & ~(uint64_t)PTE_P, 0);
		if (!(pdpte & PTE_P))
			return -1;
		table = kva(pdpte & PTE_ADDR);
		level = 2;
	}
	for (;; level--) {
		uint64_t e = table[pt_index(gva, level)];
		uint64_t offset = gva & (pt_span(level) - 1);

		if (!(e & PTE_P))
			return -1;
		allowed &= e;
		nx |= e & PTE_NX;
		if (level > 1 && !(e & PTE_PS)) {
			table = kva(e & PTE_ADDR);
			continue;
		}
		*error |= PF_P;
		if ((user && !(allowed & PTE_U)) || ((access & VM_ACCESS_EXEC) && nx) ||
		    ((access & VM_ACCESS_WRITE) && !(allowed & PTE_W)))
			return -1;
		if (!user && (allowed & PTE_U) && (access & VM_ACCESS_EXEC) && (hw.cr4 & CR4_SMEP))
			return -1;
		if (!user && (allowed & PTE_U) && !(access & VM_ACCESS_EXEC) &&
		    (hw.cr4 & CR4_SMAP) && !(rflags & RFLAGS_AC))
			return -1;
		return (uint8_t *)kva((e & PTE_ADDR) + offset) - ram;
	}
}

enum { FAULTED = -1, DEVICE = -2, TABLE_OUTSIDE = -3 };

/* An access of the guest's: its gpa, or what else came of it. */
static int64_t
guest_access(uint64_t gva, uint32_t access, bool user)
{
	memset(&got, 0, sizeof(got));
	for (int tries = 0; tries < 3; tries++) {
		struct hv_exit x = {.qual = gva};
		uint32_t error;
		int64_t gpa = walk_shadow(gva, access, user, &error);

		if (gpa >= 0)
			return gpa;
		x.intr.event.error = error;
		shadow_fault(&vcpu, &x);
		assert_int_equal(kernel_lock.holder, 0);
		if (got.pf)
			return FAULTED;
		if (got.mmio)
			return DEVICE;
		if (got.no_memory)
			return TABLE_OUTSIDE;
	}
	fail_msg("%#lx faults for ever", gva);
	return 0;
}

/* The plain walker: gmem's, over tables that stay as they are (its marks are taken back). */
static int64_t
plain_access(uint64_t gva, uint32_t access, bool user, uint32_t *error)
{
	static uint8_t kept[TABLE_PAGES * PAGE_SIZE];
	struct gmem_fault f = {0};
	struct gmem_page page;
	int err;

	memcpy(kept, ram + TABLES, sizeof(kept));
	err = gmem_page(&vcpu, gva, access, user, &page, &f);
	memcpy(ram + TABLES, kept, sizeof(kept));
	*error = f.error;
	if (err < 0)
		return f.kind == GMEM_PF ? FAULTED : TABLE_OUTSIDE;
	return page.gpa < RAM ? (int64_t)page.gpa : DEVICE;
}

/* What is watched, no shadow lets the guest write to. */
static void
check_leaves(void *arg, struct shadow *s, struct shadow_table *t)
{
	(void)arg;
	for (unsigned int i = 0; shadow_next(t, &i); i++) {
		uint64_t span = pt_span((int)(t->role & SHADOW_LEVEL));
		uint64_t gpa = shadow_is_leaf(t, i) ? shadow_leaf_gpa(t, i) : UINT64_MAX;

		for (uint64_t off = 0; off < span && gpa < RAM && (t->entry[i] & PTE_W);
		     off += PAGE_SIZE)
			assert_false(shadow_find_watched(s, gpa + off));
	}
}

static unsigned int most_watched;

static void
check_watched(void)
{
	shadow_visit(vcpu.shadow, check_leaves, NULL);
	if (vcpu.shadow->watched > most_watched)
		most_watched = vcpu.shadow->watched;
}

/* What an access must leave behind: a walk for it finds all accessed and dirty bits set. */
static void
check_marked(uint64_t gva, uint32_t access, bool user)
{
	static uint8_t kept[TABLE_PAGES * PAGE_SIZE];
	struct gmem_fault f;
	struct gmem_page page;

	memcpy(kept, ram + TABLES, sizeof(kept));
	assert_int_equal(gmem_page(&vcpu, gva, access, user, &page, &f), 0);
	assert_memory_equal(kept, ram + TABLES, sizeof(kept));
}

static void
compare(uint64_t gva, uint32_t access, bool user)
{
	uint32_t error;
	int64_t want, found;

	cpl = user ? 3 : 0;
	want = plain_access(gva, access, user, &error);
	found = guest_access(gva, access, user);
	if (found != want || (want == FAULTED && (got.error != error || got.gva != gva)))
		fail_msg("%#lx, access %u, %s: %#lx (error %#x), the tables say %#lx (%#x)", gva,
		         access, user ? "user" : "supervisor", found, got.error, want, error);
	if (found >= 0)
		check_marked(gva, access, user);
	if (!below(16))
		check_watched();
}

static uint64_t *
entry64(uint64_t table, unsigned int index)
{
	return (uint64_t *)&ram[table + 8 * index];
}

static uint32_t *
entry32(uint64_t table, unsigned int index)
{
	return (uint32_t *)&ram[table + 4 * index];
}

static void
map_long(uint64_t gva, uint64_t leaf, int leaf_level)
{
	uint64_t table = TABLES;

	for (int level = 4; level > leaf_level; level--) {
		*entry64(table, pt_index(gva, level)) = (table + PAGE_SIZE) | PTE_P | PTE_W | PTE_U;
		table += PAGE_SIZE;
	}
	*entry64(table, pt_index(gva, leaf_level)) = leaf;
}

static void
test_accessed_and_dirty(void **state)
{
	const uint64_t *leaf = entry64(TABLES + 3 * PAGE_SIZE, 5);

	(void)state;
	mode_long();
	map_long(0x5000, 0x80000 | PTE_P | PTE_W, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x80000);
	assert_int_equal(*leaf & (PTE_A | PTE_D), PTE_A);
	assert_int_equal(guest_access(0x5008, VM_ACCESS_WRITE, false), 0x80008);
	assert_int_equal(*leaf & (PTE_A | PTE_D), PTE_A | PTE_D);
	/* Cleared by the guest, as its manual says: then INVLPG. */
	map_long(0x5000, 0x80000 | PTE_P | PTE_W, 1);
	shadow_invlpg(&vcpu, 0x5000);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x80000);
	assert_int_equal(*leaf & (PTE_A | PTE_D), PTE_A);
}

/* Entries may be stale as long as the guest has not flushed, and no longer. */
static void
test_flushes(void **state)
{
	(void)state;
	mode_long();
	map_long(0x5000, 0x80000 | PTE_P | PTE_W, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x80000);
	map_long(0x5000, 0x90000 | PTE_P | PTE_W, 1);
	flushes = 0;
	shadow_invlpg(&vcpu, 0x5fff);
	assert_int_equal(flushes, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x90000);
	map_long(0x5000, 0, 1);
	shadow_set_cr(&vcpu, 3, TABLES);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), FAULTED);
	assert_int_equal(got.error, 0);
	/* More rights need no flush. */
	map_long(0x5000, 0x80000 | PTE_P, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_WRITE, false), FAULTED);
	assert_int_equal(got.error, PF_P | PF_W);
	map_long(0x5000, 0x80000 | PTE_P | PTE_W, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_WRITE, false), 0x80000);
}

/*
 * What had no entry above it was in no TLB: where a table becomes reachable in a second place, it
 * is as it is now, although the flush that its change takes in the first place is still to come.
 */
static void
test_second_place_of_a_table(void **state)
{
	const uint64_t table = TABLES + 3 * PAGE_SIZE;

	(void)state;
	mode_long();
	map_long(0x5000, 0x80000 | PTE_P | PTE_W, 1);
	map_long(0x6000, 0x81000 | PTE_P | PTE_W, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x80000);
	assert_int_equal(guest_access(0x6000, VM_ACCESS_READ, false), 0x81000);
	*entry64(table, 6) = 0x91000 | PTE_P | PTE_W;
	*entry64(table - PAGE_SIZE, 1) = table | PTE_P | PTE_W | PTE_U;
	assert_int_equal(guest_access(0x205000, VM_ACCESS_READ, false), 0x80000);
	assert_int_equal(guest_access(0x206000, VM_ACCESS_READ, false), 0x91000);
}

/* INVLPG takes the whole of a large page, wherever in it the address is. */
static void
test_invlpg_of_large_pages(void **state)
{
	(void)state;
	for (int frames = 0; frames < 2; frames++) {
		large_frames = frames;
		mode_long();
		map_long(0x200000, 0x400000 | PTE_P | PTE_W | PTE_PS, 2);
		assert_int_equal(guest_access(0x201000, VM_ACCESS_READ, false), 0x401000);
		map_long(0x200000, 0x600000 | PTE_P | PTE_W | PTE_PS, 2);
		shadow_invlpg(&vcpu, 0x3ff000);
		assert_int_equal(guest_access(0x201000, VM_ACCESS_READ, false), 0x601000);
		memset(ram, 0, sizeof(ram));
		mode_legacy();
		*entry32(TABLES, 1) = 0x400000 | PTE_P | PTE_W | PTE_PS;
		assert_int_equal(guest_access(0x401000, VM_ACCESS_READ, false), 0x401000);
		*entry32(TABLES, 1) = 0 | PTE_P | PTE_W | PTE_PS;
		shadow_invlpg(&vcpu, 0x7ff000);
		assert_int_equal(guest_access(0x401000, VM_ACCESS_READ, false), 0x1000);
		memset(ram, 0, sizeof(ram));
		mode_long();
		map_long(0, 0 | PTE_P | PTE_W | PTE_PS, 3);
		assert_int_equal(guest_access(0x700000, VM_ACCESS_READ, false), 0x700000);
		map_long(0, 0, 3);
		shadow_invlpg(&vcpu, 0x3ffff000);
		assert_int_equal(guest_access(0x700000, VM_ACCESS_READ, false), FAULTED);
		memset(ram, 0, sizeof(ram));
	}
}

/* A 2 MiB shadow gives way to small ones where the guest's page has become small. */
static void
test_large_becomes_small(void **state)
{
	uint32_t error;

	(void)state;
	large_frames = true;
	mode_long();
	map_long(0x200000, 0x400000 | PTE_P | PTE_PS, 2);
	assert_int_equal(guest_access(0x201000, VM_ACCESS_READ, false), 0x401000);
	map_long(0x201000, 0x600000 | PTE_P | PTE_W, 1);
	flushes = 0;
	assert_int_equal(guest_access(0x201000, VM_ACCESS_WRITE, false), 0x600000);
	assert_int_equal(flushes, 1);
	assert_int_equal(walk_shadow(0x202000, VM_ACCESS_READ, false, &error), -1);
}

static void
test_without_paging(void **state)
{
	struct shadow_regs hw;

	(void)state;
	large_frames = true;
	set_mode(CR0_ET, CR4_SMEP | CR4_SMAP, EFER_LME);
	shadow_hardware(vcpu.shadow, &hw);
	assert_int_equal(hw.cr0, CR0_ET | CR0_PG | CR0_WP);
	assert_int_equal(hw.cr4, CR4_PAE);
	assert_int_equal(hw.efer, EFER_NXE);
	for (unsigned int i = 0; i < 100; i++) {
		uint64_t gpa = below(RAM);

		assert_int_equal(guest_access(gpa, 1 << below(3), below(2)), gpa);
	}
	assert_int_equal(guest_access(0xfed00000, VM_ACCESS_READ, false), DEVICE);
	assert_int_equal(got.gpa, 0xfed00000);
}

/* Without CR0.WP the supervisor writes to what is read-only; the user still does not. */
static void
test_write_protection_off(void **state)
{
	(void)state;
	mode_long();
	shadow_set_cr(&vcpu, 0, CR0_PE | CR0_PG);
	map_long(0x5000, 0x80000 | PTE_P | PTE_U, 1);
	for (unsigned int i = 0; i < 3; i++) {
		compare(0x5000, VM_ACCESS_WRITE, false);
		compare(0x5000, VM_ACCESS_READ, true);
		compare(0x5000, VM_ACCESS_WRITE, true);
		compare(0x5000, VM_ACCESS_EXEC, true);
	}
	shadow_set_cr(&vcpu, 4, CR4_PAE | CR4_SMEP);
	compare(0x5000, VM_ACCESS_WRITE, false);
	compare(0x5000, VM_ACCESS_EXEC, false);
}

/* Frames that are shared for now are written to after another fault, which copies them. */
static void
test_copy_on_write_frames(void **state)
{
	uint32_t error;

	(void)state;
	mode_long();
	cow = true;
	map_long(0x5000, 0x80000 | PTE_P | PTE_W | PTE_D, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x80000);
	assert_int_equal(walk_shadow(0x5000, VM_ACCESS_WRITE, false, &error), -1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_WRITE, false), 0x80000);
	shadow_protect(&vm);
	assert_int_equal(walk_shadow(0x5000, VM_ACCESS_WRITE, false, &error), -1);
	assert_int_equal(walk_shadow(0x5000, VM_ACCESS_READ, false, &error), 0x80000);
	shadow_narrow(&vm, 0, RAM);
	assert_int_equal(walk_shadow(0x5000, VM_ACCESS_READ, false, &error), -1);
}

/* A table of the guest's gets another frame, as when it is copied: that is where it is read from.
 */
static void
test_tables_that_move(void **state)
{
	const uint64_t table = TABLES + 3 * PAGE_SIZE;

	(void)state;
	mode_long();
	map_long(0x5000, 0x80000 | PTE_P | PTE_W, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x80000);
	moved = table;
	vm.tlb_gen++;
	*entry64(RAM - PAGE_SIZE, 5) = 0x90000 | PTE_P | PTE_W;
	shadow_invlpg(&vcpu, 0x5000);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x90000);
}

/* #PF in the delivery of #PF is #DF, in that of #DF the end, and of others the one that counts. */
static void
test_double_faults(void **state)
{
	const uint32_t exception = HV_EVENT_VALID | HV_EVENT_EXCEPTION;
	struct hv_exit x = {.qual = 0x5000};

	(void)state;
	mode_long();
	vcpu.event.info = exception | X86_GP;
	assert_int_equal(shadow_fault(&vcpu, &x), HV_RESUME);
	assert_true(got.pf && !got.exception);
	vcpu.event.info = exception | HV_EVENT_HAS_ERROR | X86_PF;
	x = (struct hv_exit){.qual = 0x5000};
	assert_int_equal(shadow_fault(&vcpu, &x), HV_RESUME);
	assert_int_equal(got.exception, X86_DF);
	vcpu.event.info = exception | HV_EVENT_HAS_ERROR | X86_DF;
	x = (struct hv_exit){.qual = 0x5000};
	assert_int_equal(shadow_fault(&vcpu, &x), HV_STOP);
}

/* The tables have a bound: what is beyond it is dropped, with a flush, and made again. */
static void
test_memory_is_bounded(void **state)
{
	const uint64_t directory = TABLES + 2 * PAGE_SIZE, tables = 0x400000;
	unsigned int before, drops = 0;

	(void)state;
	mode_long();
	map_long(0, 0, 2);
	for (unsigned int i = 0; i < PT_ENTRIES; i++) {
		*entry64(directory, i) = (tables + i * PAGE_SIZE) | PTE_P | PTE_W;
		*entry64(tables + i * PAGE_SIZE, 0) = i * PAGE_SIZE | PTE_P;
	}
	for (unsigned int i = 0; i < 2 * PT_ENTRIES; i++) {
		uint64_t gva = i % PT_ENTRIES * LARGE_PAGE_SIZE;

		before = vcpu.shadow->tables;
		flushes = 0;
		assert_int_equal(guest_access(gva, VM_ACCESS_READ, false), gva >> 9);
		assert_true(vcpu.shadow->tables <= SHADOW_TABLES);
		assert_int_equal(pages_promised, shadow_promise_left(vcpu.shadow));
		assert_int_equal(flushes, vcpu.shadow->tables < before);
		drops += vcpu.shadow->tables < before;
	}
	assert_true(drops >= 2 * PT_ENTRIES / SHADOW_TABLES);
}

/*
 * Random tables: recursive, shared, of every level at every place.  An edit is followed by INVLPG
 * of all addresses in use, or by a load of CR3, unless it only adds to what was not there.
 */
static const uint64_t windows[] = {0,          0x1ff000,   0x200000,   0x3ff000,
                                   0x400000,   0x7ff000,   0x40000000, 0x40201000,
                                   0xc0000000, 0xffc00000, 0xfffff000};

static uint64_t
random_entry(bool wide)
{
	static const uint64_t bits[] = {PTE_W, PTE_U, PTE_PS, PTE_A, PTE_D, PTE_G};
	uint64_t e = below(16) ? PTE_P : 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++)
		if (bits[i] == PTE_PS ? !below(5) : below(3))
			e |= bits[i];
	if (wide && !below(6))
		e |= PTE_NX;
	if (!below(60))
		return e | (wide ? BIT(23 + below(40)) : BIT(12 + below(20)));
	if (e & PTE_PS)
		return e | below(6) * LARGE_PAGE_SIZE;
	return e | (TABLES + below(TABLE_PAGES) * PAGE_SIZE);
}

static void
random_edit(bool wide)
{
	uint64_t table = TABLES + below(TABLE_PAGES) * PAGE_SIZE;
	uint64_t window = windows[below(ARRAY_SIZE(windows))];
	int level = 1 + (int)below(4);

	shadow_written(&vm, table);
	if (wide)
		*entry64(table, pt_index(window, level)) = random_entry(true);
	else
		*entry32(table, (unsigned int)(window >> (below(2) ? 22 : 12) & 1023)) =
		        (uint32_t)random_entry(false);
}

enum { PAE_TOPS = 3 };

static uint64_t
pae_top(unsigned int n)
{
	return TABLES - (1 + n) * PAGE_SIZE + n / 2 * 32;
}

/* Mostly the one that it is. */
static uint64_t
random_root(void)
{
	if (below(4))
		return vcpu.shadow->guest.cr3;
	return vcpu.shadow->role & SHADOW_PAE ? pae_top(below(PAE_TOPS))
	                                      : TABLES + below(3) * PAGE_SIZE;
}

static void
random_flush(void)
{
	if (below(2)) {
		shadow_set_cr(&vcpu, 3, random_root());
		return;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(windows); i++)
		shadow_invlpg(&vcpu, windows[i]);
}

/* PAE's four top entries are as a load of CR3 has proven them. */
static void
pae_tops(void)
{
	for (unsigned int n = 0; n < PAE_TOPS; n++)
		for (unsigned int i = 0; i < SHADOW_PDPTES; i++)
			*entry64(pae_top(n), i) = (TABLES + below(TABLE_PAGES) * PAGE_SIZE) | PTE_P;
	shadow_set_cr(&vcpu, 3, pae_top(0));
}

static void
random_rounds(bool wide)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t gva = windows[below(ARRAY_SIZE(windows))] + below(PAGE_SIZE);
		bool exec = !below(4);

		if (!below(3)) {
			for (unsigned int n = below(8); n > 0; n--)
				random_edit(wide);
			random_flush();
		}
		if (!below(8))
			vcpu.shadow->watch_at = 0;
		if (!below(50))
			large_frames = !large_frames, shadow_narrow(&vm, 0, RAM);
		if (!below(50))
			shadow_set_cr(&vcpu, 0, vcpu.shadow->guest.cr0 ^ CR0_WP);
		compare(gva, exec ? VM_ACCESS_EXEC : 1 << below(2), below(2));
	}
}

static void
test_random_long(void **state)
{
	(void)state;
	most_watched = 0;
	mode_long();
	random_rounds(true);
	shadow_set_cr(&vcpu, 4, CR4_PAE | CR4_SMEP);
	random_rounds(true);
	shadow_set_efer(&vcpu, EFER_LME | EFER_LMA);
	random_rounds(true);
	assert_true(most_watched > 8);
}

static void
test_random_smap(void **state)
{
	(void)state;
	mode_long();
	shadow_set_cr(&vcpu, 4, CR4_PAE | CR4_SMAP | CR4_SMEP);
	for (unsigned int i = 0; i < 100; i++) {
		shadow_set_cr(&vcpu, 0, vcpu.shadow->guest.cr0 | CR0_WP);
		rflags ^= RFLAGS_AC;
		for (unsigned int n = 0; n < 100; n++) {
			random_edit(true);
			random_flush();
			compare(windows[below(ARRAY_SIZE(windows))], 1 << below(3), below(2));
		}
	}
}

static void
test_random_pae(void **state)
{
	(void)state;
	mode_pae();
	for (unsigned int i = 0; i < 4; i++) {
		pae_tops();
		random_rounds(true);
	}
}

static void
test_random_legacy(void **state)
{
	(void)state;
	mode_legacy();
	random_rounds(false);
	shadow_set_cr(&vcpu, 4, 0);
	random_rounds(false);
}

/* Each root of a guest in PAE has four entries of its own, and what is kept belongs to it. */
static void
test_pae_roots(void **state)
{
	uint32_t error;

	(void)state;
	mode_pae();
	for (unsigned int n = 0; n < 2; n++) {
		*entry64(pae_top(n), 0) = (TABLES + 2 * n * PAGE_SIZE) | PTE_P;
		*entry64(TABLES + 2 * n * PAGE_SIZE, 0) =
		        (TABLES + (2 * n + 1) * PAGE_SIZE) | PTE_P | PTE_W;
		*entry64(TABLES + (2 * n + 1) * PAGE_SIZE, 5) = (0x80000 + n * PAGE_SIZE) | PTE_P;
	}
	for (unsigned int i = 0; i < 6; i++) {
		int64_t gpa = 0x80000 + i % 2 * PAGE_SIZE;

		shadow_set_cr(&vcpu, 3, pae_top(i % 2));
		assert_int_equal(walk_shadow(0x5000, VM_ACCESS_READ, false, &error),
		                 i < 2 ? -1 : gpa);
		assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), gpa);
	}
}

/* Tables outlast a load of CR3 unless they have changed; without caching, none does. */
static void
test_caching(void **state)
{
	uint32_t error;

	(void)state;
	mode_long();
	map_long(0x5000, 0x80000 | PTE_P | PTE_W, 1);
	map_long(0x6000, 0x81000 | PTE_P | PTE_W, 1);
	for (unsigned int i = 0; i < 2; i++)
		assert_true(guest_access(0x5000 + i * PAGE_SIZE, VM_ACCESS_READ, false) > 0);
	*entry64(TABLES + 3 * PAGE_SIZE, 6) = 0x82000 | PTE_P | PTE_W;
	shadow_set_cr(&vcpu, 3, TABLES + 8 * PAGE_SIZE);
	assert_int_equal(walk_shadow(0x5000, VM_ACCESS_READ, false, &error), -1);
	shadow_set_cr(&vcpu, 3, TABLES);
	assert_int_equal(walk_shadow(0x5000, VM_ACCESS_READ, false, &error), 0x80000);
	assert_int_equal(walk_shadow(0x6000, VM_ACCESS_READ, false, &error), -1);
	vcpu.shadow->keeps = false;
	shadow_set_cr(&vcpu, 3, TABLES);
	assert_int_equal(walk_shadow(0x5000, VM_ACCESS_READ, false, &error), -1);
}

/*
 * A table that does not change is watched: it is not compared, until a write faults or somebody
 * tells of one.  large_frames: a page around it that could be mapped whole comes in pieces.
 */
static void
test_watched_tables(void **state)
{
	const uint64_t leaf_table = TABLES + 3 * PAGE_SIZE, gva = leaf_table;
	uint32_t error;

	(void)state;
	mode_long();
	large_frames = true;
	map_long(0, 0 | PTE_P | PTE_W | PTE_PS, 2);
	*entry64(TABLES + 2 * PAGE_SIZE, 1) = leaf_table | PTE_P | PTE_W;
	*entry64(leaf_table, 5) = 0x80000 | PTE_P | PTE_W;
	assert_int_equal(guest_access(0x205000, VM_ACCESS_READ, false), 0x80000);
	assert_int_equal(guest_access(gva, VM_ACCESS_WRITE, false), gva);
	shadow_set_cr(&vcpu, 3, TABLES);
	assert_int_equal(walk_shadow(gva, VM_ACCESS_WRITE, false, &error), gva);
	for (unsigned int i = 0; i < SHADOW_QUIET; i++)
		shadow_set_cr(&vcpu, 3, TABLES);
	assert_int_equal(vcpu.shadow->watched, 4);
	assert_int_equal(walk_shadow(gva, VM_ACCESS_WRITE, false, &error), -1);
	assert_int_equal(guest_access(gva, VM_ACCESS_READ, false), gva);
	assert_int_equal(walk_shadow(gva, VM_ACCESS_WRITE, false, &error), -1);
	/* Its neighbour is no table. */
	assert_int_equal(guest_access(gva + PAGE_SIZE, VM_ACCESS_WRITE, false), gva + PAGE_SIZE);
	assert_int_equal(vcpu.shadow->watched, 4);
	check_watched();
	assert_int_equal(guest_access(gva, VM_ACCESS_WRITE, false), gva);
	assert_int_equal(vcpu.shadow->watched, 3);
	*entry64(leaf_table, 5) = 0x81000 | PTE_P | PTE_W;
	shadow_set_cr(&vcpu, 3, TABLES);
	assert_int_equal(guest_access(0x205000, VM_ACCESS_READ, false), 0x81000);
}

static void
watch_all(void)
{
	mode_long();
	map_long(0x5000, 0x80000 | PTE_P | PTE_W | PTE_A, 1);
	for (unsigned int i = 0; i <= SHADOW_WATCH_EVERY; i++) {
		guest_access(0x5000, VM_ACCESS_READ, false);
		shadow_set_cr(&vcpu, 3, TABLES);
	}
	assert_int_equal(vcpu.shadow->watched, 4);
}

/* What may be written otherwise than through a shadow is compared again. */
static void
test_watching_ends(void **state)
{
	const uint64_t entry = 0x82000 | PTE_P | PTE_W;
	uint64_t table = TABLES + 3 * PAGE_SIZE;

	(void)state;
	watch_all();
	assert_int_equal(gphys_write(&vm, table + 5 * sizeof(entry), &entry, sizeof(entry)), 0);
	assert_int_equal(vcpu.shadow->watched, 3);
	shadow_set_cr(&vcpu, 3, TABLES);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x82000);
	watch_all();
	shadow_narrow(&vm, table, PAGE_SIZE);
	assert_int_equal(vcpu.shadow->watched, 3);
	watch_all();
	shadow_set_cr(&vcpu, 0, CR0_PE);
	assert_int_equal(vcpu.shadow->watched, 0);
	/* Another vCPU may write, too. */
	vm.vcpu_count = 2;
	mode_long();
	for (unsigned int i = 0; i < 2 * SHADOW_WATCH_EVERY; i++)
		shadow_set_cr(&vcpu, 3, TABLES);
	assert_int_equal(vcpu.shadow->watched, 0);
	vm.vcpu_count = 1;
}

static int
run(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_accessed_and_dirty, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_flushes, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_second_place_of_a_table, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_invlpg_of_large_pages, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_large_becomes_small, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_without_paging, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_write_protection_off, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_copy_on_write_frames, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_tables_that_move, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_double_faults, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_memory_is_bounded, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_pae_roots, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_caching, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_watched_tables, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_watching_ends, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_random_long, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_random_smap, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_random_pae, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_random_legacy, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int
main(void)
{
	return on_a_cpu(run);
}
