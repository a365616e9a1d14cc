#include "user/sh/sh.h"

#include "lib/user/parse.h"

/*
 * The shell.  A line holds commands separated by `;`, or by `&` behind one that is to run in
 * the background.  All of them run; the line's status is the first that is not 0, so that
 * 0 means that all went well.
 */

enum { LINE_MAX = CMDLINE_MAX };

int last_status;
bool leaving;

static int
run_command(int argc, char **argv, bool background)
{
	int status;

	if (builtin_run(argc, argv, &status) || vm_command(argc, argv, &status))
		return status;
	return job_run(argc, argv, background);
}

/* Runs the commands of a line, which is used up; the first status that is not 0. */
static int
run_line(char *line)
{
	static const char *const errors[] = {
	        [PARSE_OPEN_QUOTE] = "a quote is not closed",
	        [PARSE_TOO_MANY] = "too many words in a command",
	};
	int first_failure = 0;

	while (line && !leaving) {
		char *words[WORDS_MAX];
		size_t count;
		enum parse_result result = parse_command(&line, words, WORDS_MAX, &count);

		if (result != PARSE_OK && result != PARSE_BACKGROUND) {
			printf("sh: %s\n", errors[result]);
			last_status = STATUS_USAGE;
		} else if (count) {
			last_status = run_command(count, words, result == PARSE_BACKGROUND);
		}
		if (!first_failure)
			first_failure = last_status;
		jobs_news();
	}
	return first_failure;
}

static void
run_lines(char *line, size_t size)
{
	static char *exit[] = {"exit"};

	while (!leaving) {
		int len = readline_news("$ ", line, size, jobs_news);

		if (len >= 0)
			run_line(line);
		else if (len == READLINE_END)
			builtin_run(1, exit, &last_status);
	}
}

int
main(int argc, char **argv)
{
	static char line[LINE_MAX];
	int status = 0;

	if (argc != 1 && (argc != 3 || (strcmp(argv[1], "-c") && strcmp(argv[1], "-i")))) {
		printf("usage: sh [-c COMMANDS | -i COMMANDS]\n");
		return STATUS_USAGE;
	}
	if (argc == 3 && strlcpy(line, argv[2], sizeof line) >= sizeof line) {
		printf("sh: %s: longer than %d bytes\n", argv[1], LINE_MAX - 1);
		return STATUS_USAGE;
	}
	if (argc == 3)
		status = run_line(line);
	if (argc == 1 || argv[1][1] == 'i') {
		run_lines(line, sizeof line);
		status = last_status;
	}
	jobs_end();
	return status;
}
