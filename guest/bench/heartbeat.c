#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/irq.h"
#include "guest/kernel/mem.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/*
 * A VM that notices what its neighbours do to it: its memory must keep what is written, and its
 * timer must go on beating.  Between two beats it looks at a part of the memory, then halts.
 */

enum {
	KIB = 256,
	KIB_MAX = 1024 * 1024,
	WORDS_PER_KIB = 1024 / sizeof(uint64_t),
	WORDS_PER_BEAT = 64 * WORDS_PER_KIB,
	LATE = 10, /* periods until a beat is late: sharing a CPU costs some slices */
	FIRST_BEATS = 4,
};

struct beats {
	uint64_t count, seen_at;  /* the last beat: timer_ticks(), and the TSC */
	uint64_t period, longest; /* TSC ticks between two beats */
	uint64_t late;            /* number of late beats */
};

/* Returns the value of word i in a pass. */
static uint64_t
pattern(uint64_t i, uint64_t pass)
{
	return (i + 1) * 0x9e3779b97f4a7c15ull ^ pass * 0xd1342543de82ef95ull;
}

static void
await_beat(struct beats *b)
{
	uint64_t now, pause;

	cli();
	while (timer_ticks() == b->count)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	sti();
	now = rdtsc();
	pause = now - b->seen_at;
	if (pause > b->longest)
		b->longest = pause;
	b->late += pause > LATE * b->period;
	b->count = timer_ticks();
	b->seen_at = now;
}

/*
 * Measures the period as the shortest time between the first beats: during the others the VM may
 * have waited for a CPU.
 */
static void
first_beats(struct beats *b)
{
	*b = (struct beats){.period = UINT64_MAX};
	for (unsigned int i = 0; i <= FIRST_BEATS; i++) {
		uint64_t count = timer_ticks(), before = b->seen_at;

		while (timer_ticks() == count)
			pause_cpu();
		b->seen_at = rdtsc();
		if (i > 0 && b->seen_at - before < b->period)
			b->period = b->seen_at - before;
	}
	b->count = timer_ticks();
}

/*
 * Compares each word with what the last pass wrote, and writes the next pass's value.  Returns the
 * number of wrong words.
 */
static uint64_t
turn(volatile uint64_t *mem, uint64_t words, uint64_t pass, struct beats *b)
{
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < words; i++) {
		wrong += mem[i] != pattern(i, pass);
		mem[i] = pattern(i, pass + 1);
		if (i % WORDS_PER_BEAT == 0)
			await_beat(b);
	}
	return wrong;
}

int
cmd_heartbeat(int argc, char **argv)
{
	uint64_t kib, words, pass = 0, wrong = 0, from;
	struct beats beats;
	uint64_t *mem;

	if (!arg_number(argc, argv, 1, KIB, 1, KIB_MAX, &kib))
		return STATUS_USAGE;
	words = kib * WORDS_PER_KIB;
	mem = mem_fresh((kib + 3) / 4);
	if (!mem) {
		printf("heartbeat: %lu KiB wanted, only %lu KiB of RAM were never touched\n", kib,
		       mem_fresh_left() * 4);
		return STATUS_FAILED;
	}
	if (!timer_start())
		return STATUS_FAILED;
	for (uint64_t i = 0; i < words; i++)
		mem[i] = pattern(i, 0);
	first_beats(&beats);
	from = beats.count;
	printf("heartbeat: beating; a key ends it\n");
	console_flush();
	while (!console_has_input())
		wrong += turn(mem, words, pass++, &beats);
	getchar();
	timer_stop();
	printf("heartbeat: %lu passes over %lu KiB, %lu beats, a period of %lu ticks, at most %lu "
	       "between two\n",
	       pass, kib, beats.count - from, beats.period, beats.longest);
	check(wrong == 0, "heartbeat: memory keeps what is written, %lu words do not", wrong);
	check(beats.late == 0, "heartbeat: no beat comes later than %d periods, %lu do", LATE,
	      beats.late);
	return 0;
}
