// SOURCES: tests/unit/cpu.c
#include "tests/unit/cpu.h"

#include <string.h>

#include "tests/unit/unit.h"

#include "vmm/clone.c"
#include "vmm/vcpu.c"

/*
 * A clone copies all of struct vcpu_guest and struct vcpu_pending, and a reset changes all of both.
 * The tests compare byte by byte, so that they fail if a new member is forgotten.
 */

struct hv_caps hv_caps;
static bool vcpu_is_in_memory;

void
vcpu_unload(struct vcpu *v)
{
	(void)v;
	vcpu_is_in_memory = true;
}

void
vcpu_load(struct vcpu *v)
{
	(void)v;
	vcpu_is_in_memory = false;
}

void
state_reset(struct vcpu *v)
{
	(void)v;
	assert_true(vcpu_is_in_memory);
}

void
state_load_dr(const struct vcpu *v)
{
	(void)v;
}

void
state_copy(struct vcpu *to, const struct vcpu *from)
{
	(void)to;
	(void)from;
}

static void
backend_reset(struct vcpu *v)
{
	(void)v;
}

static int
backend_set_regs(struct vcpu *v, const struct vm_regs *r)
{
	(void)v;
	(void)r;
	return 0;
}

static void
backend_set_reg(struct vcpu *v, enum hv_reg r, uint64_t value)
{
	(void)v;
	(void)r;
	(void)value;
}

static const struct hv_ops ops = {
        .reset = backend_reset,
        .set_regs = backend_set_regs,
        .set_reg = backend_set_reg,
};
const struct hv_ops *hv = &ops;

/* Functions that the two files need but that no test reaches: a call is an illegal instruction. */
#define NOT_CALLED(name) __asm__(".globl " #name "\n" #name ":\n\tud2\n")
NOT_CALLED(acct_free);
NOT_CALLED(acct_init);
NOT_CALLED(acct_pages);
NOT_CALLED(acct_switch);
NOT_CALLED(arena_alloc);
NOT_CALLED(arena_free);
NOT_CALLED(arena_pages);
NOT_CALLED(aspace_map_page);
NOT_CALLED(aspace_unmap);
NOT_CALLED(copy_out);
NOT_CALLED(cpu_poke);
NOT_CALLED(env_abandon);
NOT_CALLED(env_copy);
NOT_CALLED(env_copy_thread);
NOT_CALLED(env_cpu);
NOT_CALLED(env_start);
NOT_CALLED(fetch_init);
NOT_CALLED(hv_switch_out);
NOT_CALLED(pa_page);
NOT_CALLED(page_alloc);
NOT_CALLED(page_pa);
NOT_CALLED(page_unref);
NOT_CALLED(panic_at);
NOT_CALLED(sched_wake);
NOT_CALLED(shadow_free);
NOT_CALLED(shadow_init);
NOT_CALLED(shadow_reset);
NOT_CALLED(shadow_unwatch);
NOT_CALLED(state_init);
NOT_CALLED(strlcpy);
NOT_CALLED(vm_add_slot);
NOT_CALLED(vm_discard);
NOT_CALLED(vm_new);
NOT_CALLED(vm_next_id);
NOT_CALLED(vm_of);
NOT_CALLED(vm_others_run);

static struct hv_exit exits[2];
static struct vm_run runs[2];
static struct vm vm = {.vcpu_count = 1};

/* Returns a vCPU whose guest state and pending work consist of this byte. */
static void
fill(struct vcpu *v, unsigned int number, uint8_t byte)
{
	memset(v, 0, sizeof(*v));
	memset(&v->guest, byte, sizeof(v->guest));
	memset(&v->pending, byte, sizeof(v->pending));
	v->vm = &vm;
	v->run = &runs[number];
	v->data = (uint8_t *)&runs[number] + PAGE_SIZE;
	v->acct.exit = &exits[number];
	vm.vcpus[0] = v;
}

static void
clone_copies_all(void **state)
{
	static struct vcpu from, to;

	(void)state;
	fill(&from, 0, 0xa5);
	from.pending.mmio.insn = &from.fetch.insns[3];
	from.requests = REQ_HALTED | REQ_HELD_IRQ | REQ_BREAK;
	fill(&to, 1, 0);
	copy_state(&to, &from);
	assert_memory_equal(&to.guest, &from.guest, sizeof(to.guest));
	assert_ptr_equal(to.pending.mmio.insn, &to.fetch.insns[3]);
	to.pending.mmio.insn = from.pending.mmio.insn;
	assert_memory_equal(&to.pending, &from.pending, sizeof(to.pending));
	assert_int_equal(to.requests, REQ_HALTED | REQ_HELD_IRQ);
}

/* Fails if a byte of the part still has the value that it was filled with, for both values. */
static void
check_all_set(const char *part, const void *first, const void *second, size_t size)
{
	const uint8_t *a = first, *b = second;

	for (size_t i = 0; i < size; i++)
		if (a[i] == 0xa5 && b[i] == 0x5a)
			fail_msg("vcpu_reset() leaves byte %zu of struct %s as it was", i, part);
}

static void
reset_leaves_nothing(void **state)
{
	static struct vcpu first, second;

	(void)state;
	fill(&first, 0, 0xa5);
	assert_int_equal(vcpu_reset(&first), 0);
	fill(&second, 0, 0x5a);
	assert_int_equal(vcpu_reset(&second), 0);
	check_all_set("vcpu_guest", &first.guest, &second.guest, sizeof(first.guest));
	check_all_set("vcpu_pending", &first.pending, &second.pending, sizeof(first.pending));
	assert_int_equal(first.guest.gpr[REG_RDX], 0x600);
	assert_int_equal(first.guest.xcr0, XCR0_X87);
	assert_int_equal(first.guest.apic_base, APIC_BASE_BSP);
}

UNIT_MAIN_ON_A_CPU(cmocka_unit_test(clone_copies_all), cmocka_unit_test(reset_leaves_nothing))
