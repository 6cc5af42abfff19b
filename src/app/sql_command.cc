#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>

#include "app/command.h"
#include "app/command_line.h"
#include "app/file_place.h"
#include "app/interrupter.h"
#include "app/memory_guard.h"
#include "app/server_client.h"
#include "app/sql_output.h"
#include "app/sql_prompt.h"
#include "sql/engine.h"
#include "sql/script.h"

namespace tarn::app {
namespace {

// A flush takes a minute at most, by the server's own limit.
constexpr int64_t kFlushMicros = 90 * kMicrosPerSecond;

struct SqlOptions {
  std::string first;  // [DIR] [QUERY]
  std::string second;
  size_t words = 0;  // of them that were given; an empty one is one
  std::string format;
  std::string out;
  bool fresh = false;
};

// `tarn sql "SELECT …"`, `tarn sql DIR`, `tarn sql DIR "SELECT …"`: one word is SQL if it is no
// folder.
struct Words {
  std::string folder;
  std::optional<std::string> statements;
};
Words SortWords(os::FileSystem& files, const SqlOptions& options) {
  if (options.words == 0) return {};
  if (options.words == 2) return {options.first, options.second};
  const auto info = files.Stat(options.first);
  if (info.ok() && info->is_directory) return {options.first, std::nullopt};
  return {"", options.first};
}

// A script: each statement in turn, up to the first that fails.
Status RunScript(Interrupter& interrupter, sql::Session& session, SqlOutput& output,
                 std::istream& script) {
  sql::ScriptReader reader;
  const auto run = [&](const sql::ScriptStatement& statement) -> Status {
    Status done = output.Run(interrupter, session, statement.text);
    if (done.ok() || statement.line == 1) return done;
    return Error(done.error()).In(fmt::format("line {}", statement.line));
  };
  for (std::string line; std::getline(script, line);) {
    reader.AddLine(line);
    while (const auto statement = reader.Next()) TARN_TRY(run(*statement));
  }
  while (const auto statement = reader.Rest()) TARN_TRY(run(*statement));
  return {};
}

Status Sql(Context& context, const SqlOptions& options) {
  Machine& machine = context.machine;
  const Words words = SortWords(machine.files, options);
  TARN_ASSIGN_OR_RETURN(const auto output,
                        SqlOutput::Open(machine.random, options.format, options.out));
  TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, words.folder));
  if (!options.out.empty()) TARN_TRY(RequireOutside(project, "--out", options.out));
  const bool prompt = !words.statements && isatty(STDIN_FILENO) != 0;
  if (prompt && !(options.format.empty() && options.out.empty())) {
    return InvalidArgument(
        "--format and --out are for a statement or a script, not for the prompt");
  }
  if (options.fresh) {
    const auto flushed = AskServer(machine, project, http::Method::kPost, "/v1/flush",
                                   std::min(kFlushMicros, project.sql_timeout_micros));
    if (!flushed.ok()) return Error(flushed.error()).In("--fresh");
  }
  std::signal(SIGPIPE, SIG_IGN);
  Interrupter interrupter;
  LimitMemory(project.sql_memory_bytes, static_cast<uint64_t>(project.sql_threads));
  TARN_ASSIGN_OR_RETURN(const auto lake, OpenLake(machine, project));
  TARN_ASSIGN_OR_RETURN(const auto engine,
                        OpenEngine(machine, project, [&interrupter](const Error& error) {
                          interrupter.End(Error(error).In("ended at once, as it does not stop"));
                        }));
  termios terminal{};
  const bool typed = prompt && tcgetattr(STDIN_FILENO, &terminal) == 0;
  const Interrupter::Guard cleaning(interrupter, Interrupter::When::kEnding, [&] {
    engine->RemoveTempFiles();
    output->Discard();
    if (typed) tcsetattr(STDIN_FILENO, TCSANOW, &terminal);  // a line may be in the middle of it
  });
  TARN_TRY(output->Begin());
  const auto session =
      sql::Session::Open(*engine, *lake->resolver, {.timeout_micros = project.sql_timeout_micros});
  if (prompt) return RunPrompt({machine, project, interrupter, *session, *lake->resolver});
  std::istringstream given(words.statements.value_or(""));
  Status done = RunScript(interrupter, *session, *output, words.statements ? given : std::cin);
  if (done.ok()) done = output->Finish(machine.files);
  if (!done.ok()) output->Discard();  // while a signal does so as well
  return done;
}

}  // namespace

void AddSql(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<SqlOptions>();
  CLI::App* command = app.add_subcommand(
      "sql", "Query the lake; without a statement, a prompt, or a script from standard input");
  const CLI::Option* const folder = AddProjectFolder(*command, options->first);
  const CLI::Option* const query = AddWord(
      *command, "QUERY", options->second,
      "One or more statements; without them, a prompt, or the script that standard input is. A "
      "single word is the folder if there is such a folder, else the statement");
  OneOf(command->add_option("--format", options->format,
                            "table is the default on a terminal, csv otherwise; json is one object "
                            "a line; parquet needs --out"),
        {"table", "csv", "json", "parquet"});
  command->add_option("--out", options->out, "Write to this file")
      ->type_name(std::string(kFileWord));
  command->add_flag(
      "--fresh", options->fresh,
      "First land what the server has acknowledged but still buffers; needs a running server");
  command->footer(
      "Tables are zone.source: clean.web_log, raw.web_log, quarantine.web_log. At the prompt a\n"
      "statement ends with ';', Tab completes, Ctrl-C cancels, \\? helps, \\q leaves.\n"
      "Examples:\n"
      "  tarn sql shop\n"
      "  tarn sql shop \"SELECT status, count(*) FROM clean.web_log GROUP BY 1 ORDER BY 2 DESC\"\n"
      "  tarn sql shop --format json \"SHOW TABLES\"\n"
      "  tarn sql shop < report.sql\n"
      "  tarn sql shop --out day.parquet --format parquet \\\n"
      "    \"SELECT * FROM clean.web_log WHERE time >= '2026-11-24'\"");
  command->callback([&context, &run, options, folder, query] {
    options->words = folder->count() + query->count();
    run = [&context, options] { return Sql(context, *options); };
  });
}

}  // namespace tarn::app
