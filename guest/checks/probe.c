#include "guest/checks/probe.h"

#include "guest/boot/boot.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/irq.h"
#include "inc/msr.h"
#include "inc/x86.h"

struct access {
	uint64_t index, value;
};

static void
do_rdmsr(void *arg)
{
	struct access *a = arg;

	a->value = rdmsr(a->index);
}

static void
do_wrmsr(void *arg)
{
	struct access *a = arg;

	wrmsr(a->index, a->value);
}

static void
do_xsetbv(void *arg)
{
	struct access *a = arg;

	xsetbv(a->index, a->value);
}

static void
do_write_cr(void *arg)
{
	struct access *a = arg;

	switch (a->index) {
	case 0:
		write_cr0(a->value);
		break;
	case 3:
		write_cr3(a->value);
		break;
	case 4:
		write_cr4(a->value);
		break;
	case 8:
		__asm__ volatile("mov %0, %%cr8" : : "r"(a->value));
		break;
	}
}

static void
do_hypercall(void *arg)
{
	struct access *a = arg;
	uint64_t rbx = 0, rcx = 0;

	a->value = hypercall(a->index, &rbx, &rcx);
}

static bool
probe(void (*fn)(void *), uint64_t index, uint64_t *value, struct fault *f)
{
	struct access a = {index, *value};
	bool faulted = try_run(fn, &a, f);

	*value = a.value;
	return !faulted;
}

bool
probe_rdmsr(uint32_t msr, uint64_t *value, struct fault *f)
{
	*value = 0;
	return probe(do_rdmsr, msr, value, f);
}

bool
probe_wrmsr(uint32_t msr, uint64_t value, struct fault *f)
{
	return probe(do_wrmsr, msr, &value, f);
}

bool
probe_xsetbv(uint32_t index, uint64_t value, struct fault *f)
{
	return probe(do_xsetbv, index, &value, f);
}

bool
probe_write_cr(unsigned int cr, uint64_t value, struct fault *f)
{
	return probe(do_write_cr, cr, &value, f);
}

bool
probe_hypercall(uint64_t number, uint64_t *result, struct fault *f)
{
	*result = 0;
	return probe(do_hypercall, number, result, f);
}

void
provoke_exits(void)
{
	enum { PORT_NONE = 0x1234 };
	uint64_t value, from = timer_ticks();

	for (int i = 0; i < 10; i++) {
		guest_cpuid(0, 0);
		inb(COM1_LSR);
		outb(PORT_NONE, 0);
		probe_rdmsr(MSR_EFER, &value, NULL);
		probe_rdmsr(0xdeadbeef, &value, NULL);
		probe_hypercall(~0ull, &value, NULL);
		write_cr3(read_cr3());
	}
	if (!timer_start())
		return;
	while (timer_ticks() - from < PROVOKED_TICKS)
		__asm__ volatile("hlt" : : : "memory");
	timer_stop();
}
