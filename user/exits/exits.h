#ifndef NESTLING_USER_EXITS_EXITS_H
#define NESTLING_USER_EXITS_EXITS_H

#include "inc/x86.h"
#include "lib/user/user.h"

/* What a VM's exits were and what they cost. */

enum { STATUS_OK, STATUS_ERROR, STATUS_USAGE };

enum view { VIEW_TABLE, VIEW_HISTOGRAM, VIEW_KEYS, VIEW_LIVE };

struct options {
	uint32_t vm;   /* 0: the newest, or the one that ended last */
	uint32_t vcpu; /* or VM_ALL_VCPUS */
	enum view view;
	bool top;                  /* dearest kinds first */
	bool since_last;           /* what came since the last look */
	bool tsv;                  /* for programs */
	enum hv_exit_kind kind;    /* VIEW_HISTOGRAM */
	const struct key_view *by; /* VIEW_KEYS */
};

/* options.c: false after a message. */
bool options_parse(struct options *o, int argc, char **argv);

/* table.c */
void table_print(const struct options *o, const struct vm_stats *stats);
/* now - before, for all that adds up; min and max of the difference are not known: 0. */
void stats_subtract(struct vm_stats *now, const struct vm_stats *before);

/* times.c */
void times_print(const struct options *o, const struct vm_stats *stats);

/* histogram.c: an exit status. */
int histogram_print(const struct options *o);

/* keys.c: an exit status.  The view named --by NAME, or NULL. */
const struct key_view *key_view_find(const char *name);
int keys_print(const struct options *o);

/* exits.c: says what is wrong with that VM or vCPU; an exit status. */
int say_error(const struct options *o, long err);

static inline uint64_t
mean(uint64_t sum, uint64_t count)
{
	return count ? (sum + count / 2) / count : 0;
}

/* part/whole in tenths of a percent, rounded. */
static inline unsigned int
permille(uint64_t part, uint64_t whole)
{
	while (whole >> 50) { /* part * 1000 must fit into 64 bits */
		part >>= 1;
		whole >>= 1;
	}
	return mean(part * 1000, whole);
}

#endif
