#include "lib/vdev/lapic.h"

enum {
	VERSION = 0x14 | (LAPIC_LVTS - 1) << 16,
	TIMER = 0,
	LINT0,
	LINT1,
	ERROR,
	VECTOR_MIN = 16,
	MODE = 7 << 8, /* delivery mode of an ICR or LVT */
	SHORTHAND = 3 << 18,
	BROADCAST = 0xff, /* as a physical destination */
	ICR_WRITABLE = 0x000ccfff,
	WORD = 0x10, /* bytes from one register to the next */
};

/* The bits that can be set in each LVT entry. */
static const uint32_t lvt_writable[LAPIC_LVTS] = {
        [TIMER] = 0x000300ff, [LINT0] = 0x0001a7ff, [LINT1] = 0x0001a7ff, [ERROR] = 0x000100ff};

static void
set_bit(uint32_t *words, unsigned int n)
{
	words[n / 32] |= 1u << n % 32;
}

static void
clear_bit(uint32_t *words, unsigned int n)
{
	words[n / 32] &= ~(1u << n % 32);
}

/* Returns the highest vector whose bit is set, or -1. */
static int
highest(const uint32_t *words)
{
	for (int i = 7; i >= 0; i--)
		if (words[i])
			return 32 * i + 31 - __builtin_clz(words[i]);
	return -1;
}

static bool
enabled(const struct lapic *l)
{
	return l->svr & LAPIC_SVR_ENABLE;
}

static uint32_t
ppr(const struct lapic *l)
{
	int service = highest(l->isr);
	uint32_t class = service < 0 ? 0 : (uint32_t)service & 0xf0;

	return (l->tpr & 0xf0) >= class ? l->tpr : class;
}

bool
lapic_pending(const struct lapic *l)
{
	int vector = highest(l->irr);

	return vector >= 0 && (uint32_t)vector >> 4 > ppr(l) >> 4;
}

uint8_t
lapic_ack(struct lapic *l)
{
	int vector = highest(l->irr);

	if (!lapic_pending(l))
		return l->svr & 0xff;
	clear_bit(l->irr, vector);
	set_bit(l->isr, vector);
	return vector;
}

bool
lapic_takes_extint(const struct lapic *l)
{
	return (l->lvt[LINT0] & (MODE | LAPIC_MASKED)) == LAPIC_EXTINT;
}

bool
lapic_take_init(struct lapic *l)
{
	bool init = l->init;

	l->init = false;
	return init;
}

static void
event(struct lapics *s, const struct lapic *l)
{
	s->event.set(s->event.arg, l - s->cpu, true);
}

static void
accept(struct lapics *s, struct lapic *l, unsigned int vector)
{
	set_bit(l->irr, vector);
	event(s, l);
}

static void
error(struct lapics *s, struct lapic *l, uint32_t bit)
{
	unsigned int vector = l->lvt[ERROR] & 0xff;

	l->errors |= bit;
	if (!(l->lvt[ERROR] & LAPIC_MASKED) && vector >= VECTOR_MIN)
		accept(s, l, vector);
}

/* Takes a fixed interrupt from an LVT entry or from another processor. */
static void
receive(struct lapics *s, struct lapic *l, unsigned int vector)
{
	if (!enabled(l))
		return;
	if (vector < VECTOR_MIN)
		error(s, l, LAPIC_ESR_RECEIVE);
	else
		accept(s, l, vector);
}

/* SDM vol. 3, "Local APIC State After Power-Up or Reset". */
static void
reset(struct lapic *l)
{
	*l = (struct lapic){.dfr = UINT32_MAX, .svr = 0xff, .due = VDEV_NEVER, .moved = true};
	for (unsigned int i = 0; i < LAPIC_LVTS; i++)
		l->lvt[i] = LAPIC_MASKED;
}

/* Returns how long a count of the timer takes, in ns. */
static uint64_t
unit(const struct lapic *l)
{
	unsigned int code = (l->divide & 3) | (l->divide >> 1 & 4);

	return (uint64_t)LAPIC_NS << (code == 7 ? 0 : code + 1);
}

static uint64_t
period(const struct lapic *l)
{
	uint64_t ns = l->initial * unit(l);

	return (l->lvt[TIMER] & LAPIC_TIMER_PERIODIC) && ns < LAPIC_PERIOD_MIN_NS
	               ? LAPIC_PERIOD_MIN_NS
	               : ns;
}

static void
timer_start(struct lapics *s, struct lapic *l)
{
	l->due = l->initial ? s->clock.now(s->clock.arg) + period(l) : VDEV_NEVER;
	l->moved = true;
}

static uint32_t
timer_count(const struct lapics *s, const struct lapic *l)
{
	uint64_t now = s->clock.now(s->clock.arg), counts;

	if (l->due == VDEV_NEVER || l->due <= now)
		return 0;
	counts = (l->due - now + unit(l) - 1) / unit(l);
	return counts < l->initial ? counts : l->initial;
}

uint64_t
lapic_tick(struct lapics *s, unsigned int index)
{
	struct lapic *l = &s->cpu[index];
	uint64_t now = s->clock.now(s->clock.arg);

	l->moved = false;
	if (l->due > now)
		return l->due;
	if (l->lvt[TIMER] & LAPIC_TIMER_PERIODIC)
		l->due += ((now - l->due) / period(l) + 1) * period(l);
	else
		l->due = VDEV_NEVER;
	if (!(l->lvt[TIMER] & LAPIC_MASKED))
		receive(s, l, l->lvt[TIMER] & 0xff);
	return l->due;
}

/* SDM vol. 3, "Logical Destination Mode". */
static bool
logical_match(const struct lapic *l, unsigned int destination)
{
	unsigned int id = l->ldr >> 24;

	if (l->dfr >> 28 == 0xf)
		return id & destination;
	return (destination >> 4 == 0xf || id >> 4 == destination >> 4) && (id & destination & 0xf);
}

static bool
is_destination(const struct lapics *s, const struct lapic *from, unsigned int index)
{
	unsigned int destination = from->icr_high >> 24;
	const struct lapic *l = &s->cpu[index];

	switch (from->icr & SHORTHAND) {
	case LAPIC_ICR_SELF:
		return l == from;
	case LAPIC_ICR_ALL:
		return true;
	case LAPIC_ICR_OTHERS:
		return l != from;
	}
	if (from->icr & LAPIC_ICR_LOGICAL)
		return logical_match(l, destination);
	return destination == index || destination == BROADCAST;
}

/* Picks the destination of a lowest-priority interrupt; NULL: there is none. */
static struct lapic *
least_busy(struct lapics *s, const struct lapic *from)
{
	struct lapic *best = NULL;

	for (unsigned int i = 0; i < s->count; i++) {
		struct lapic *l = &s->cpu[i];

		if (is_destination(s, from, i) && enabled(l) && (!best || ppr(l) < ppr(best)))
			best = l;
	}
	return best;
}

static void
start_up(struct lapics *s, struct lapic *l, uint8_t vector)
{
	if (!l->waits)
		return;
	l->waits = false;
	l->start = vector;
	event(s, l);
}

static void
init(struct lapics *s, struct lapic *l)
{
	reset(l);
	l->waits = true;
	l->init = true;
	event(s, l);
}

static void
send_one(struct lapics *s, struct lapic *to, uint32_t icr)
{
	bool deassert = (icr & (LAPIC_ICR_LEVEL | LAPIC_ICR_ASSERT)) == LAPIC_ICR_LEVEL;

	switch (icr & MODE) {
	case 0:
		receive(s, to, icr & 0xff);
		break;
	case LAPIC_ICR_INIT:
		if (!deassert)
			init(s, to);
		break;
	case LAPIC_ICR_STARTUP:
		start_up(s, to, icr & 0xff);
		break;
	}
}

static void
send(struct lapics *s, struct lapic *from)
{
	struct lapic sender = *from; /* kept, since an INIT may reset `from` */
	uint32_t mode = sender.icr & MODE, shorthand = sender.icr & SHORTHAND;
	struct lapic *best;

	if ((mode == 0 || mode == LAPIC_ICR_LOWEST) && (sender.icr & 0xff) < VECTOR_MIN) {
		error(s, from, LAPIC_ESR_SEND);
		return;
	}
	if (mode == LAPIC_ICR_LOWEST) {
		if ((best = least_busy(s, from)) != NULL)
			receive(s, best, sender.icr & 0xff);
		return;
	}
	/* Only fixed interrupts have shorthands that include the sender. */
	if (mode != 0 && (shorthand == LAPIC_ICR_SELF || shorthand == LAPIC_ICR_ALL))
		return;
	for (unsigned int i = 0; i < s->count; i++)
		if (is_destination(s, from, i))
			send_one(s, &s->cpu[i], sender.icr);
}

static uint32_t *
lvt_of(struct lapic *l, uint64_t reg)
{
	switch (reg) {
	case LAPIC_LVT_TIMER:
		return &l->lvt[TIMER];
	case LAPIC_LVT_LINT0:
		return &l->lvt[LINT0];
	case LAPIC_LVT_LINT1:
		return &l->lvt[LINT1];
	case LAPIC_LVT_ERROR:
		return &l->lvt[ERROR];
	}
	return NULL;
}

static uint32_t
read_register(struct lapics *s, struct lapic *l, uint64_t reg)
{
	unsigned int word = reg / WORD % 8;

	switch (reg) {
	case LAPIC_ID:
		return s->selected << 24;
	case LAPIC_VERSION:
		return VERSION;
	case LAPIC_TPR:
		return l->tpr;
	case LAPIC_PPR:
		return ppr(l);
	case LAPIC_LDR:
		return l->ldr;
	case LAPIC_DFR:
		return l->dfr;
	case LAPIC_SVR:
		return l->svr;
	case LAPIC_ISR ... LAPIC_ISR + 7 * WORD:
		return l->isr[word];
	case LAPIC_TMR ... LAPIC_TMR + 7 * WORD:
	case LAPIC_EOI:
		return 0;
	case LAPIC_IRR ... LAPIC_IRR + 7 * WORD:
		return l->irr[word];
	case LAPIC_ESR:
		return l->esr;
	case LAPIC_ICR:
		return l->icr;
	case LAPIC_ICR_HIGH:
		return l->icr_high;
	case LAPIC_INITIAL:
		return l->initial;
	case LAPIC_CURRENT:
		return timer_count(s, l);
	case LAPIC_DIVIDE:
		return l->divide;
	}
	if (lvt_of(l, reg))
		return *lvt_of(l, reg);
	error(s, l, LAPIC_ESR_REGISTER);
	return 0;
}

static void
write_svr(struct lapic *l, uint32_t value)
{
	l->svr = value & 0x1ff;
	for (unsigned int i = 0; i < LAPIC_LVTS && !enabled(l); i++)
		l->lvt[i] |= LAPIC_MASKED;
}

static void
write_lvt(struct lapics *s, struct lapic *l, uint32_t *lvt, uint32_t value)
{
	uint32_t before = *lvt;

	*lvt = value & lvt_writable[lvt - l->lvt];
	if (!enabled(l))
		*lvt |= LAPIC_MASKED;
	if (lvt == &l->lvt[TIMER] && l->due != VDEV_NEVER &&
	    ((before ^ *lvt) & LAPIC_TIMER_PERIODIC))
		timer_start(s, l);
	/* The 8259s may have an interrupt that only LINT0 held back. */
	if (lvt == &l->lvt[LINT0])
		event(s, l);
}

static void
end_of_interrupt(struct lapic *l)
{
	int vector = highest(l->isr);

	if (vector >= 0)
		clear_bit(l->isr, vector);
}

static void
write_register(struct lapics *s, struct lapic *l, uint64_t reg, uint32_t value)
{
	switch (reg) {
	case LAPIC_TPR:
		l->tpr = value & 0xff;
		return;
	case LAPIC_EOI:
		end_of_interrupt(l);
		return;
	case LAPIC_LDR:
		l->ldr = value & 0xff000000;
		return;
	case LAPIC_DFR:
		l->dfr = value | 0x0fffffff;
		return;
	case LAPIC_SVR:
		write_svr(l, value);
		return;
	case LAPIC_ESR:
		l->esr = l->errors;
		l->errors = 0;
		return;
	case LAPIC_ICR:
		l->icr = value & ICR_WRITABLE;
		send(s, l);
		return;
	case LAPIC_ICR_HIGH:
		l->icr_high = value & 0xff000000;
		return;
	case LAPIC_INITIAL:
		l->initial = value;
		timer_start(s, l);
		return;
	case LAPIC_DIVIDE:
		l->divide = value & 0xb;
		if (l->due != VDEV_NEVER)
			timer_start(s, l);
		return;
	}
	if (lvt_of(l, reg))
		write_lvt(s, l, lvt_of(l, reg), value);
	else if (reg != LAPIC_ID && reg != LAPIC_VERSION)
		error(s, l, LAPIC_ESR_REGISTER);
}

static bool
is_register(uint64_t addr, unsigned int size)
{
	return size == 4 && addr % WORD == 0;
}

static uint64_t
lapics_read(void *state, uint64_t addr, unsigned int size)
{
	struct lapics *s = state;

	return is_register(addr, size) ? read_register(s, &s->cpu[s->selected], addr) : 0;
}

static void
lapics_write(void *state, uint64_t addr, unsigned int size, uint64_t value)
{
	struct lapics *s = state;

	if (is_register(addr, size))
		write_register(s, &s->cpu[s->selected], addr, value);
}

void
lapics_init(struct lapics *s, unsigned int count, const struct vdev_clock *clock,
            const struct vdev_irq *to)
{
	*s = (struct lapics){.clock = *clock, .event = *to, .count = count};
	lapics_reset(s);
}

void
lapics_reset(struct lapics *s)
{
	for (unsigned int i = 0; i < s->count; i++) {
		reset(&s->cpu[i]);
		s->cpu[i].waits = i > 0;
	}
	s->cpu[0].svr |= LAPIC_SVR_ENABLE;
	s->cpu[0].lvt[LINT0] = LAPIC_EXTINT;
}

int
lapics_attach(struct lapics *s, struct vdev_bus *bus)
{
	const struct vdev dev = {
	        .name = "lapic",
	        .base = LAPIC_GPA,
	        .len = LAPIC_SIZE,
	        .read = lapics_read,
	        .write = lapics_write,
	        .state = s,
	};

	return vdev_bus_add(bus, &dev);
}
