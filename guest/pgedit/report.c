#include "guest/pgedit/pgedit.h"
#include "lib/printf.h"

/* The report of a run, a line at a time. */

void
pg_summary(const struct pg *t, char *line, size_t size)
{
	const struct pg_counts *c = &t->count;
	uint32_t all = 0;

	for (unsigned int i = 0; i < PG_KINDS; i++)
		all += c->accesses[i];
	snprintf(line, size,
	         "pgedit: %s, seed %u: %u rounds, %u edits (%u through a mapping), %u flushes, "
	         "%u switches, %u features, %u tables freed; %u accesses (%u reads, %u writes, "
	         "%u fetches), %u of them with stale entries; faults: %u not present, "
	         "%u not allowed, %u reserved",
	         t->format->name, t->seed, c->rounds, c->edits, c->through, c->flushes, c->switches,
	         c->modes, c->frees, all, c->accesses[PG_READ],
	         c->accesses[PG_WRITE] + c->accesses[PG_SWAP], c->accesses[PG_FETCH], c->stale,
	         c->not_present, c->not_allowed, c->reserved);
}

void
pg_difference(const struct pg *t, char *line, size_t size)
{
	snprintf(line, size,
	         "pgedit: %s, seed %u, round %u: %s (WP %u PGE %u PSE %u NXE %u SMEP %u SMAP %u)",
	         t->format->name, t->seed, t->count.rounds, t->failure, t->is.wp, t->is.pge,
	         t->is.pse, t->is.nxe, t->is.smep, t->is.smap);
}

bool
pg_step_text(const struct pg *t, unsigned int n, char *line, size_t size)
{
	unsigned int shown = t->steps < PG_HISTORY ? t->steps : PG_HISTORY;
	const struct pg_step *s = &t->history[(t->steps - shown + n) % PG_HISTORY];

	if (n >= shown)
		return false;
	snprintf(line, size, "  %-18s %016llx: %#llx -> %#llx", s->what, (unsigned long long)s->at,
	         (unsigned long long)s->before, (unsigned long long)s->after);
	return true;
}
