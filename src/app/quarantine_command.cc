#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/command.h"
#include "app/command_line.h"
#include "app/result_writer.h"
#include "app/text_table.h"
#include "lake/replay.h"
#include "sql/engine.h"

namespace tarn::app {
namespace {

struct QuarantineOptions {
  std::string folder;
  std::string source;
  std::string format;
  size_t limit = 20;
  bool json = false;
};

// `nothing`: what is said where there is no row.
Status Query(Context& context, const QuarantineOptions& options, const std::string& statement,
             const std::string& nothing) {
  TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, options.folder));
  TARN_ASSIGN_OR_RETURN(const auto lake, OpenLake(context.machine, project));
  TARN_ASSIGN_OR_RETURN(const auto engine, OpenEngine(context.machine, project));
  const auto session = sql::Session::Open(*engine, *lake->resolver);
  TARN_ASSIGN_OR_RETURN(const auto result, session->Run(statement));
  ResultStyle style;
  style.format = options.json ? ResultFormat::kJson : ResultFormat::kTable;
  style.nothing = nothing;
  return WriteResult(*result, style, stdout);
}

// Each source with its refused rows, by rule and reason.
Status List(Context& context, const QuarantineOptions& options) {
  TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, options.folder));
  std::string statement;
  for (const lake::LogSource& source : project.sources) {
    if (!statement.empty()) statement += " UNION ALL ";
    statement += fmt::format(
        "SELECT '{0}' AS source, _rule AS rule, _reason AS reason, count(*) AS rows, "
        "min(_ingested_at) AS first, max(_ingested_at) AS last "
        "FROM quarantine.\"{0}\" GROUP BY 1, 2, 3",
        source.name);
  }
  if (statement.empty()) return NotFound("the project has no sources");
  return Query(context, options, statement + " ORDER BY rows DESC, source, reason",
               "quarantine is empty: every line fitted its format");
}

Status Show(Context& context, const QuarantineOptions& options) {
  if (options.limit == 0) return InvalidArgument("--limit is 1 at least");
  return Query(
      context, options,
      fmt::format("SELECT _ingested_at, _source, _path, _position, _rule, _reason, _raw "
                  "FROM quarantine.\"{}\" ORDER BY _ingested_at DESC, _position DESC LIMIT {}",
                  options.source, options.limit),
      fmt::format("no row of {} is in quarantine", options.source));
}

Result<std::string> FormatOf(const Project& project, const QuarantineOptions& options) {
  if (!options.format.empty()) return options.format;
  for (const lake::LogSource& source : project.sources) {
    if (source.name == options.source) return source.format;
  }
  return NotFound("no source " + NoSuch(options.source, project.source_names(),
                                        "one that is no longer in tarn.yaml needs --format"));
}

Status Replay(Context& context, const QuarantineOptions& options) {
  Machine& machine = context.machine;
  TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, options.folder));
  TARN_ASSIGN_OR_RETURN(const std::string format, FormatOf(project, options));
  TARN_ASSIGN_OR_RETURN(const auto lake, OpenLake(machine, project));
  TARN_ASSIGN_OR_RETURN(const auto engine, OpenEngine(context.machine, project));
  TARN_ASSIGN_OR_RETURN(const auto writable, OpenWritableCatalog(machine, project));
  TARN_TRY(RequireOwnLake(machine, project, *lake));
  obs::Logger log(machine.clock, STDERR_FILENO, project.log_format, project.log_level);
  obs::Registry metrics;
  const lake::Workspace work{*lake->store,    *writable, machine.clock, machine.random,
                             lake->manifests, log,       metrics};
  TARN_ASSIGN_OR_RETURN(
      const lake::ReplayReport report,
      lake::ReplayQuarantine(work, *engine, *lake->resolver, options.source, format));
  if (options.json) {
    fmt::print("{{\"rows\":{},\"replayed\":{},\"rejected\":{},\"cut\":{}}}\n", report.rows,
               report.replayed, report.rejected, report.cut);
  } else {
    fmt::print(
        "{} looked at: {} now in clean.{}, {} still in quarantine{}\n", Counted(report.rows, "row"),
        GroupDigits(report.replayed), options.source, GroupDigits(report.rejected),
        report.cut == 0
            ? ""
            : fmt::format(", {} of them left alone: pieces of cut lines", GroupDigits(report.cut)));
  }
  return report.damage;
}

}  // namespace

void AddQuarantine(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<QuarantineOptions>();
  CLI::App* command = app.add_subcommand("quarantine", "Refused rows: list, show, replay");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n  tarn quarantine list shop\n  tarn quarantine show web_log shop\n"
      "  tarn quarantine replay web_log shop      (after the format in tarn.yaml was corrected)");
  const auto add = [&](const std::string& verb, const std::string& help,
                       Status (*action)(Context&, const QuarantineOptions&)) {
    CLI::App* sub = command->add_subcommand(verb, help);
    if (verb != "list") AddWord(*sub, kSourceWord, options->source, "Source's name")->required();
    AddProjectFolder(*sub, options->folder);
    sub->add_flag("--json", options->json, "As JSON");
    sub->callback([&context, &run, options, action] {
      run = [&context, options, action] { return action(context, *options); };
    });
    return sub;
  };
  add("list", "Count refused rows by source, rule and reason", List)
      ->footer("Examples:\n  tarn quarantine list shop\n  tarn quarantine list shop --json");
  CLI::App* show = add("show", "Show the newest refused rows", Show);
  WholeNumber(show->add_option("--limit", options->limit, "How many"))->capture_default_str();
  show->footer(
      "Examples:\n  tarn quarantine show web_log shop\n"
      "  tarn quarantine show web_log shop --limit 1000 --json");
  CLI::App* replay = add("replay", "Bring rows back that fit the format now", Replay);
  replay->add_option("--format", options->format, "Read with this format instead of tarn.yaml's")
      ->type_name(std::string(kLogFormatWord));
  replay->footer(
      "Examples:\n  tarn quarantine replay web_log shop\n"
      "  tarn quarantine replay web_log shop --format combined");
}

}  // namespace tarn::app
