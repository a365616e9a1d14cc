#include "vmm/shadow/shadow.h"

#include "inc/x86.h"
#include "kern/lock.h"
#include "vmm/vmm.h"

/*
 * Watches: write-protected page tables of the guest's.  A table that was unchanged in several
 * comparisons in a row is watched: no shadow entry lets the guest write to it, and it is not
 * compared any more.  The first write to it faults, and ends the watch.
 *
 * A VM with several vCPUs has no watches: the shadows of all vCPUs would have to stop the writes.
 * Nor are there watches while the guest has paging off: it may run on EPT, where its writes do not
 * fault.
 */

struct stretch {
	uint64_t gpa, size;
	bool found;
};

static void
find_watched(void *arg, struct shadow *s, struct shadow_table *t)
{
	struct stretch *in = arg;

	(void)s;
	in->found |= t->watched && t->gpa - in->gpa < in->size;
}

bool
shadow_watches(struct shadow *s, uint64_t gpa, uint64_t size)
{
	struct stretch in = {gpa, size, false};

	if (!s->watched)
		return false;
	if (size == PAGE_SIZE)
		return shadow_find_watched(s, gpa);
	shadow_visit(s, find_watched, &in);
	return in.found;
}

static void
end_in(void *arg, struct shadow *s, struct shadow_table *t)
{
	const struct stretch *in = arg;

	if (!t->watched || t->gpa - in->gpa >= in->size)
		return;
	t->watched = false;
	t->quiet = 0;
	s->watched--;
	s->changes++;
}

void
shadow_unwatch(struct shadow *s, uint64_t gpa, uint64_t size)
{
	struct stretch in = {gpa, size, false};

	if (s->watched)
		shadow_visit(s, end_in, &in);
}

void
shadow_written(struct vm *vm, uint64_t gpa)
{
	spin_lock(&kernel_lock);
	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		if (vm->vcpus[i]->shadow)
			shadow_unwatch(vm->vcpus[i]->shadow, ROUND_DOWN(gpa, PAGE_SIZE), PAGE_SIZE);
	spin_unlock(&kernel_lock);
}

/* Starts to watch a quiet table.  Tables of other address spaces have not been compared in this
 * epoch, and are left alone. */
static void
begin(void *arg, struct shadow *s, struct shadow_table *t)
{
	(void)arg;
	if (t->watched || t->quiet < SHADOW_QUIET || t->checked != s->epoch)
		return;
	t->watched = true;
	s->watched++;
}

/* Takes the right to write from entries that map a watched table.  An entry of a large page goes:
 * the page will be mapped in pieces. */
static void
protect(void *arg, struct shadow *s, struct shadow_table *t)
{
	uint64_t span = pt_span((int)(t->role & SHADOW_LEVEL));

	(void)arg;
	for (unsigned int i = 0; shadow_next(t, &i); i++) {
		if (!shadow_is_leaf(t, i) || !(t->entry[i] & PTE_W) ||
		    !shadow_watches(s, shadow_leaf_gpa(t, i), span))
			continue;
		if (span == PAGE_SIZE)
			t->entry[i] &= ~(pte_t)PTE_W;
		else
			shadow_drop(t, i);
	}
}

void
shadow_watch(struct vcpu *v)
{
	struct shadow *s = v->shadow;

	if (!s->quiet || v->vm->vcpu_count > 1 || s->epoch < s->watch_at)
		return;
	s->watch_at = s->epoch + SHADOW_WATCH_EVERY;
	s->quiet = false;
	shadow_visit(s, begin, NULL);
	shadow_visit(s, protect, NULL);
}
