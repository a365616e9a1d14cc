// SOURCES: lib/error.c lib/exitname.c
#include <limits.h>
#include <string.h>

#include "inc/error.h"
#include "inc/vm.h"
#include "tests/unit/unit.h"

static void
test_error_texts(void **state)
{
	(void)state;
	assert_string_equal(error_text(0), "no error");
	assert_string_equal(error_text(E_NO_MEM), "out of memory");
	assert_string_equal(error_text(-E_NO_MEM), "out of memory");
	for (long e = -E_MAX + 1; e < E_MAX; e++) {
		assert_non_null(error_text(e));
		assert_string_not_equal(error_text(e), "unknown error");
	}
	assert_string_equal(error_text(E_MAX), "unknown error");
	assert_string_equal(error_text(-E_MAX), "unknown error");
	assert_string_equal(error_text(LONG_MIN), "unknown error");
	assert_string_equal(error_text(LONG_MAX), "unknown error");
}

static void
test_exit_kinds(void **state)
{
	(void)state;
	assert_string_equal(hv_exit_name(HV_EXIT_CPUID), "CPUID");
	assert_int_equal(hv_exit_reason(HV_EXIT_CPUID), 10);
	assert_int_equal(hv_exit_kind_of(10), HV_EXIT_CPUID);
	assert_int_equal(hv_exit_reason(HV_EXIT_UNKNOWN), HV_REASON_NONE);
	/* Each kind has one reason, and each reason one kind; only UNKNOWN has no reason. */
	for (unsigned int kind = 0; kind < HV_EXIT_UNKNOWN; kind++)
		assert_int_equal(hv_exit_kind_of(hv_exit_reason(kind)), kind);
	for (unsigned int kind = 1; kind < HV_EXIT_KINDS; kind++)
		assert_true(hv_exit_reason(kind) > hv_exit_reason(kind - 1));
	assert_string_equal(hv_exit_name(HV_EXIT_KINDS), "?");
	assert_int_equal(hv_exit_reason(HV_EXIT_KINDS), HV_REASON_NONE);
}

/* Numbers that the SDM leaves out have no kind. */
static void
test_reasons_without_kind(void **state)
{
	static const uint32_t gaps[] = {35, 38, 42, 65, HV_REASON_MAX, HV_REASON_NONE, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++)
		assert_int_equal(hv_exit_kind_of(gaps[i]), HV_EXIT_KINDS);
}

UNIT_MAIN(cmocka_unit_test(test_error_texts), cmocka_unit_test(test_exit_kinds),
          cmocka_unit_test(test_reasons_without_kind))
