#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "inc/mmu.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * Work without exits, while every register that the host switches in software holds a value of this
 * VM's own.  VMs that share CPUs must each find their own values again.
 */

enum {
	ROUNDS = 10,
	LOOPS = 1000 * 1000, /* iterations of 8 instructions */
	FX_BYTES = 512,
	FX_FCW = 0,
	FX_TAGS = 4,
	FX_MXCSR = 24,
	FX_REGISTERS = 32, /* st(0) to st(7), 16 bytes each, then xmm0 to xmm15 */
	FX_USED = 416,
	FCW_RESET = 0x37f,
	MXCSR_RESET = 0x1f80,
	ST_BYTES = 10,
	ST_COUNT = 8,
};

static const uint32_t msrs[] = {MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_FMASK, MSR_KERNEL_GS_BASE};

struct state {
	uint8_t fx[FX_BYTES] __attribute__((aligned(16)));
	uint64_t dr[4];
	uint64_t msr[ARRAY_SIZE(msrs)];
};

static struct state own, found;

/* Returns a random number below 2^31, which is canonical and a valid FMASK. */
static uint64_t
next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005 + 1442695040888963407;
	return *seed >> 33;
}

static void
invent(uint64_t seed)
{
	uint16_t fcw = FCW_RESET;
	uint32_t mxcsr = MXCSR_RESET;

	memset(&own, 0, sizeof(own));
	for (int i = FX_REGISTERS; i < FX_USED; i++)
		if (i >= FX_REGISTERS + ST_COUNT * 16 || i % 16 < ST_BYTES)
			own.fx[i] = (uint8_t)next(&seed);
	memcpy(own.fx + FX_FCW, &fcw, sizeof(fcw));
	own.fx[FX_TAGS] = 0xff; /* all in use */
	memcpy(own.fx + FX_MXCSR, &mxcsr, sizeof(mxcsr));
	for (int i = 0; i < 4; i++)
		own.dr[i] = next(&seed);
	for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++)
		own.msr[i] = next(&seed);
}

static void
load(const struct state *s)
{
	__asm__ volatile("fxrstor64 %0" : : "m"(s->fx));
	write_dr0(s->dr[0]);
	write_dr1(s->dr[1]);
	write_dr2(s->dr[2]);
	write_dr3(s->dr[3]);
	for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++)
		wrmsr(msrs[i], s->msr[i]);
}

static void
save(struct state *s)
{
	__asm__ volatile("fxsave64 %0" : "=m"(s->fx));
	s->dr[0] = read_dr0();
	s->dr[1] = read_dr1();
	s->dr[2] = read_dr2();
	s->dr[3] = read_dr3();
	for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++)
		s->msr[i] = rdmsr(msrs[i]);
}

static uint64_t
work(uint64_t seed)
{
	uint64_t loops = LOOPS, sum = 0, cell = 0;

	__asm__ volatile("1: imul $69069, %0, %0\n\t"
	                 "add %2, %0\n\t"
	                 "ror $7, %0\n\t"
	                 "mov %0, %3\n\t"
	                 "xor %2, %0\n\t"
	                 "add %3, %1\n\t"
	                 "dec %2\n\t"
	                 "jnz 1b"
	                 : "+r"(seed), "+r"(sum), "+r"(loops), "+m"(cell)
	                 :
	                 : "cc");
	return sum ^ seed;
}

int
cmd_burn(int argc, char **argv)
{
	uint64_t cr4 = read_cr4(), seed = rdtsc(), from, rounds, sum;
	struct state before;
	bool same = true, right = true;

	if (!arg_number(argc, argv, 1, ROUNDS, 1, UINT32_MAX, &rounds))
		return STATUS_USAGE;
	write_cr4(cr4 | CR4_OSFXSR | CR4_OSXMMEXCPT);
	save(&before);
	invent(seed);
	load(&own);
	sum = work(seed);
	from = rdtsc();
	for (uint64_t i = 0; i < rounds && same && right; i++) {
		right = work(seed) == sum;
		save(&found);
		same = !memcmp(found.fx + FX_REGISTERS, own.fx + FX_REGISTERS,
		               FX_USED - FX_REGISTERS) &&
		       !memcmp(found.dr, own.dr, sizeof(own.dr)) &&
		       !memcmp(found.msr, own.msr, sizeof(own.msr));
	}
	printf("burn: %lu rounds in %lu ticks\n", rounds, rdtsc() - from);
	load(&before);
	write_cr4(cr4);
	check(right, "burn: the same work has the same result each time");
	check(same, "burn: FPU, debug and SYSCALL registers stay what they were");
	return 0;
}
