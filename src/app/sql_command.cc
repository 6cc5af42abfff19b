#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <memory>

#include "app/command.h"
#include "app/interrupter.h"
#include "app/result_writer.h"
#include "app/server_client.h"
#include "app/sql_prompt.h"
#include "sql/engine.h"

namespace tarn::app {
namespace {

struct SqlOptions {
  std::string first;  // [DIR] [QUERY]
  std::string second;
  std::string format;
  std::string out;
  bool fresh = false;
};

// `tarn sql "SELECT …"`, `tarn sql DIR`, `tarn sql DIR "SELECT …"`: one word is SQL if it is no
// folder.
struct Words {
  std::string folder;
  std::string statement;
};
Words SortWords(os::FileSystem& files, const SqlOptions& options) {
  if (!options.second.empty() || options.first.empty()) return {options.first, options.second};
  const auto info = files.Stat(options.first);
  if (info.ok() && info->is_directory) return {options.first, ""};
  return {"", options.first};
}

Result<ResultFormat> FormatOf(const std::string& name, bool to_terminal) {
  if (name.empty()) return to_terminal ? ResultFormat::kTable : ResultFormat::kCsv;
  if (name == "table") return ResultFormat::kTable;
  if (name == "csv") return ResultFormat::kCsv;
  if (name == "json") return ResultFormat::kJson;
  return InvalidArgument(
      fmt::format("'{}' is no format; choose table, csv, json or parquet", name));
}

Status RunStatement(sql::Session& session, const std::string& statement,
                    const SqlOptions& options) {
  if (options.format == "parquet") {
    if (options.out.empty()) return InvalidArgument("--format parquet needs --out FILE");
    TARN_ASSIGN_OR_RETURN(const uint64_t rows, session.CopyToParquet(statement, options.out));
    fmt::print(stderr, "{} rows written to {}\n", rows, options.out);
    return {};
  }
  TARN_ASSIGN_OR_RETURN(
      const ResultFormat format,
      FormatOf(options.format, options.out.empty() && isatty(STDOUT_FILENO) != 0));
  TARN_ASSIGN_OR_RETURN(const auto result, session.Run(statement));
  if (options.out.empty()) return WriteResult(*result, format, stdout);
  std::FILE* file = std::fopen(options.out.c_str(), "w");
  if (file == nullptr) return IoError(fmt::format("cannot write {}", options.out));
  Status written = WriteResult(*result, format, file);
  if (std::fclose(file) != 0 && written.ok()) {
    written = IoError(fmt::format("cannot write {}", options.out));
  }
  return written;
}

Status Sql(Context& context, const SqlOptions& options) {
  const Words words = SortWords(context.machine.files, options);
  TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, words.folder));
  if (options.fresh) {
    const auto flushed = AskServer(context.machine, project, http::Method::kPost, "/v1/flush");
    if (!flushed.ok()) return Error(flushed.error()).In("--fresh");
  }
  TARN_ASSIGN_OR_RETURN(const auto lake, OpenLake(context.machine, project));
  std::signal(SIGPIPE, SIG_IGN);
  // In this order: the interrupter's thread ends before what it may still be interrupting, and was
  // there before the engine's threads.
  std::unique_ptr<sql::Engine> engine;
  std::unique_ptr<sql::Session> session;
  std::atomic<sql::Session*> running = nullptr;
  const Interrupter interrupter([&running] {
    if (sql::Session* interrupted = running.load()) interrupted->Interrupt();
  });
  TARN_ASSIGN_OR_RETURN(engine, OpenEngine(context.machine, project));
  session =
      sql::Session::Open(*engine, *lake->resolver, {.timeout_micros = project.sql_timeout_micros});
  running = session.get();
  return words.statement.empty() ? RunPrompt(context.machine, project, *session, *lake->resolver)
                                 : RunStatement(*session, words.statement, options);
}

}  // namespace

void AddSql(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<SqlOptions>();
  CLI::App* command = app.add_subcommand("sql", "Query the lake; without a statement, a prompt");
  command->add_option("DIR", options->first,
                      "Project folder (default: this one, or the nearest above)");
  command->add_option(
      "QUERY", options->second,
      "One statement; without it, a prompt. A single word is the folder if there is "
      "such a folder, else the statement");
  command->add_option("--format", options->format,
                      "table (default on a terminal), csv (default otherwise), json (one object a "
                      "line), parquet (needs --out)");
  command->add_option("--out", options->out, "Write to this file");
  command->add_flag(
      "--fresh", options->fresh,
      "First land what the server has acknowledged but still buffers; needs a running server");
  command->footer(
      "Tables are zone.source: clean.web_log, raw.web_log, quarantine.web_log. At the prompt a\n"
      "statement ends with ';', Tab completes, Ctrl-C cancels, \\q leaves.\n"
      "Examples:\n"
      "  tarn sql shop\n"
      "  tarn sql shop \"SELECT status, count(*) FROM clean.web_log GROUP BY 1 ORDER BY 2 DESC\"\n"
      "  tarn sql shop --format json \"SHOW TABLES\"\n"
      "  tarn sql shop --out day.parquet --format parquet \\\n"
      "    \"SELECT * FROM clean.web_log WHERE time >= '2026-11-24'\"");
  command->callback(
      [&context, &run, options] { run = [&context, options] { return Sql(context, *options); }; });
}

}  // namespace tarn::app
