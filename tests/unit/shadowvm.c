#include "tests/unit/shadowvm.h"

#include <stdlib.h>
#include <string.h>

#include "inc/x86.h"
#include "kern/mem/page.h"
#include "lib/assert.h"
#include "tests/unit/pages.h"
#include "tests/unit/unit.h"
#include "vmm/slots.h"
#include "vmm/arena.h"
#include "vmm/quirks.h"

enum { HVA = 0x40000000 };

uint8_t ram[RAM] __attribute__((aligned(LARGE_PAGE_SIZE)));
struct vm vm = {.slots = {{0, RAM, HVA}}, .slot_count = 1, .asid = 1};
struct vcpu vcpu;
unsigned int cpl, flushes;
uint64_t rflags, moved;
bool large_frames, cow;
struct fault_answer got;
static struct shadow shadow_storage;
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

/* Called after a page fault of the host's own.  No interrupt waits in any test. */
void
quirk_keep_blocking(struct vcpu *v)
{
	(void)v;
}

static uint64_t
get_reg(struct vcpu *v, enum hv_reg r)
{
	return r == HV_RFLAGS ? rflags : shadow_get_reg(v, r);
}

static void
flush(struct vcpu *v)
{
	assert_int_equal(v->tlb.stale, TLB_LINEAR);
	v->tlb.stale = 0;
	flushes++;
}

static const struct hv_ops ops = {.get_reg = get_reg, .flush = flush};
const struct hv_ops *hv = &ops;

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
		got.mmio = true; /* a fetch from device memory, which no device answers */
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

uint32_t
below(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

void
set_mode(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	shadow_set_reg(&vcpu, HV_EFER, efer);
	shadow_set_reg(&vcpu, HV_CR4, cr4);
	shadow_set_reg(&vcpu, HV_CR0, cr0);
}

void
mode_long(void)
{
	set_mode(CR0_PE | CR0_PG | CR0_WP, CR4_PAE, EFER_LME | EFER_LMA | EFER_NXE);
}

void
mode_pae(void)
{
	set_mode(CR0_PE | CR0_PG | CR0_WP, CR4_PAE, EFER_NXE);
}

void
mode_legacy(void)
{
	set_mode(CR0_PE | CR0_PG | CR0_WP, CR4_PSE, 0);
}

int
shadow_vm_setup(void **state)
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
	shadow_set_reg(&vcpu, HV_CR3, TABLES);
	return 0;
}

int
shadow_vm_teardown(void **state)
{
	(void)state;
	shadow_free(&vcpu);
	assert_int_equal(pages_used, 0);
	assert_int_equal(pages_promised, 0);
	return 0;
}

uint64_t
pae_top(unsigned int n)
{
	return TABLES - (1 + n) * PAGE_SIZE + n / 2 * 32;
}
