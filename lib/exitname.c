#include "inc/vm.h"

static const struct {
	const char *name;
	uint16_t reason;
} kinds[HV_EXIT_KINDS] = {
#define EXIT_KIND(kind, basic_reason, text, handler) \
	[HV_EXIT_##kind] = {.name = text, .reason = basic_reason},
#include "inc/exits.def"
#undef EXIT_KIND
};

const char *
hv_action_name(enum hv_action action)
{
	static const char *const names[] = {
	        [HV_RESUME] = "resume", [HV_USER] = "monitor", [HV_STOP] = "stop",
	        [HV_LET_IN] = "let-in", [HV_YIELD] = "yield",
	};
	unsigned int then = action & ~(unsigned int)HV_SKIP;

	if (action == HV_SKIP)
		return "skip";
	return then < sizeof(names) / sizeof(names[0]) ? names[then] : "?";
}

const char *
hv_exit_name(enum hv_exit_kind kind)
{
	return kind < HV_EXIT_KINDS ? kinds[kind].name : "?";
}

unsigned int
hv_exit_reason(enum hv_exit_kind kind)
{
	return kind < HV_EXIT_KINDS ? kinds[kind].reason : HV_REASON_NONE;
}

enum hv_exit_kind
hv_exit_kind_of(uint32_t reason)
{
	for (unsigned int kind = 0; kind < HV_EXIT_KINDS; kind++)
		if (kinds[kind].reason == reason && reason != HV_REASON_NONE)
			return kind;
	return HV_EXIT_KINDS;
}
