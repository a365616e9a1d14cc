#include "kern/dev/timer.h"

#include "inc/x86.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/dev/lapic.h"

/*
 * The local APIC's timer and the TSC, both calibrated against channel 2 of the
 * PIT: what CPUID says about frequencies does not hold under emulators.
 */

/* Intel 8254; channel 2's gate and output are bits of port 61h. */
enum {
	PIT_HZ = 1193182,
	PIT_CHANNEL2 = 0x42,
	PIT_COMMAND = 0x43,
	PIT_CH2_MODE0 = 0xb0, /* both bytes, interrupt on terminal count */
	PIT_CH2_LATCH = 0x80,
	PORT61 = 0x61,
	PORT61_GATE2 = 0x01,
	PORT61_SPEAKER = 0x02,
	PORT61_OUT2 = 0x20,
	CALIBRATE_TICKS = PIT_HZ / 100, /* 10 ms of the 55 that channel 2 can count */
	CALIBRATE_POLLS = 100 * 1000,   /* then there is no PIT */
	CALIBRATE_TRIES = 3,
	SAMPLE_TRIES = 5,
	FALLBACK_HZ = 1000 * 1000 * 1000,
};

struct sample {
	uint64_t tsc;
	uint32_t lapic;
	uint16_t pit; /* both count down */
};

uint64_t tsc_hz;
static uint64_t lapic_hz;

/*
 * All three clocks at one moment, or as nearly as can be: an emulator's own CPU
 * may be taken away between two readings, so the quickest of several tries counts.
 */
static struct sample
sample(void)
{
	struct sample s = {0};
	uint64_t shortest = UINT64_MAX;

	for (unsigned int i = 0; i < SAMPLE_TRIES; i++) {
		uint64_t before = rdtsc(), after;
		uint32_t count;
		uint16_t pit;

		outb(PIT_COMMAND, PIT_CH2_LATCH);
		count = lapic_timer_now();
		after = rdtsc();
		pit = inb(PIT_CHANNEL2);
		pit |= inb(PIT_CHANNEL2) << 8;
		if (after - before < shortest) {
			shortest = after - before;
			s = (struct sample){before, count, pit};
		}
	}
	return s;
}

/* Channel 2 counts down from its largest value, and its output stays low until it is through. */
static void
pit_start(void)
{
	outb(PORT61, (inb(PORT61) & ~PORT61_SPEAKER) | PORT61_GATE2);
	outb(PIT_COMMAND, PIT_CH2_MODE0);
	outb(PIT_CHANNEL2, 0xff);
	outb(PIT_CHANNEL2, 0xff);
	lapic_timer_start(UINT32_MAX);
}

/* Sets both frequencies; false when the PIT does not count, or ran through while we were away. */
static bool
measure(void)
{
	struct sample start, now;
	uint16_t ticks = 0;

	pit_start();
	start = sample();
	for (unsigned int i = 0; i < CALIBRATE_POLLS && ticks < CALIBRATE_TICKS; i++) {
		now = sample();
		ticks = start.pit - now.pit;
	}
	if (ticks < CALIBRATE_TICKS || (inb(PORT61) & PORT61_OUT2))
		return false;
	tsc_hz = (now.tsc - start.tsc) * PIT_HZ / ticks;
	lapic_hz = (uint64_t)(start.lapic - now.lapic) * PIT_HZ / ticks;
	return tsc_hz && lapic_hz;
}

static void
calibrate(void)
{
	unsigned int tries = 0;

	lapic_timer_mask(true);
	while (!measure())
		if (++tries == CALIBRATE_TRIES) {
			kprintf("nestling: PIT channel 2 does not count; times are guessed at 1 "
			        "GHz\n");
			lapic_hz = tsc_hz = FALLBACK_HZ;
			break;
		}
	lapic_timer_start(0);
	lapic_timer_mask(false);
}

void
timer_init(void)
{
	lapic_init(true);
	calibrate();
	timer_program(this_cpu()->timer_at);
}

/*
 * The count is rounded up, so that the interrupt does not come before its
 * time; a time that is too far away for 32 bits is reached in several steps.
 */
void
timer_program(uint64_t tsc)
{
	uint64_t now = rdtsc();
	uint64_t delta = tsc > now ? tsc - now : 0;
	uint64_t count;

	this_cpu()->timer_at = tsc;
	if (tsc == UINT64_MAX) {
		lapic_timer_start(0);
		return;
	}
	if (delta > tsc_hz)
		delta = tsc_hz;
	count = delta * lapic_hz / tsc_hz + 1;
	lapic_timer_start(count < UINT32_MAX ? count : UINT32_MAX);
}

/* timer_interrupt() takes it for one that is early, and programs the rest. */
void
timer_soon(void)
{
	enum { SOON_PER_SECOND = 1000 };

	if (this_cpu()->timer_at > rdtsc() + tsc_hz / SOON_PER_SECOND)
		lapic_timer_start((uint32_t)(lapic_hz / SOON_PER_SECOND) + 1);
}
