#include "vmm/shadow/shadow.h"

#include "inc/x86.h"
#include "kern/lock.h"
#include "vmm/vmm.h"

/*
 * Tables of the guest's that are write-protected.  A table that has been compared often and found
 * unchanged is watched: no shadow lets the guest write to it, and it is not compared any more.
 * The first write to it faults, and ends that.
 *
 * The guest of a VM with several vCPUs would have to be kept from it on all of them, so there all
 * tables are compared.  Without paging the guest may run on EPT, which knows nothing of this.
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

/* Not with what other address spaces lead to: it has not been compared now. */
static void
begin(void *arg, struct shadow *s, struct shadow_table *t)
{
	(void)arg;
	if (t->watched || t->quiet < SHADOW_QUIET || t->checked != s->epoch)
		return;
	t->watched = true;
	s->watched++;
}

/* What maps a page that is watched loses the right to write; a large page is to come in pieces. */
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
