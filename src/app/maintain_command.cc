#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <limits>
#include <memory>

#include "app/command.h"
#include "app/command_line.h"
#include "app/text_table.h"
#include "base/text.h"
#include "lake/maintenance.h"

namespace tarn::app {
namespace {

struct MaintainOptions {
  std::string folder;
  bool compact = false;
  bool expire = false;
  bool orphans = false;
  bool trim = false;
  bool dry_run = false;
  bool json = false;

  bool all() const { return !compact && !expire && !orphans && !trim; }
};

void PrintJson(const lake::MaintenanceReport& report) {
  codec::Json json;
  json.Set("compactions", report.compactions);
  json.Set("conflicts", report.conflicts);
  json.Set("files_rewritten", report.files_rewritten);
  json.Set("rows", report.rows);
  json.Set("bytes_in", report.bytes_in);
  json.Set("bytes_out", report.bytes_out);
  json.Set("tables_expired", report.tables_expired);
  json.Set("orphans", report.orphans);
  json.Set("orphan_bytes", report.orphan_bytes);
  json.Set("orphans_removed", report.orphans_removed);
  json.Set("catalog_rows_removed", report.catalog_rows);
  json.Set("failures", report.failures);
  fmt::print("{}\n", codec::DumpJson(json));
}

std::string Bytes(int64_t bytes) { return FormatBytes(static_cast<uint64_t>(bytes)); }

void PrintText(const MaintainOptions& options, const lake::MaintenanceReport& report) {
  if (options.all() || options.compact) {
    fmt::print("compaction: {} ({}, {}) {} {}", Counted(report.files_rewritten, "small file"),
               Counted(report.rows, "row"), Bytes(report.bytes_in),
               options.dry_run ? "would become" : "became", Counted(report.compactions, "file"));
    fmt::print("{}\n", options.dry_run ? "" : fmt::format(" ({})", Bytes(report.bytes_out)));
  }
  if (options.all() || options.expire) {
    fmt::print("expiry:     old snapshots of {} {}\n", Counted(report.tables_expired, "table"),
               options.dry_run ? "would be removed" : "removed");
  }
  if (options.all() || options.orphans) {
    for (const std::string& key : report.orphan_keys) fmt::print("orphan      {}\n", key);
    fmt::print("orphans:    {} ({}), {} removed\n", Counted(report.orphans, "file"),
               Bytes(report.orphan_bytes), report.orphans_removed);
    if (!options.dry_run && report.orphans > report.orphans_removed) {
      fmt::print("            those left may have readers: run again in ten minutes\n");
    }
  }
  if (!options.dry_run && (options.all() || options.trim)) {
    fmt::print("catalog:    {} removed\n", Counted(report.catalog_rows, "old row"));
  }
}

Status Maintain(Context& context, const MaintainOptions& options) {
  Machine& machine = context.machine;
  TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, options.folder));
  TARN_ASSIGN_OR_RETURN(const auto lake, OpenLake(machine, project));
  TARN_ASSIGN_OR_RETURN(const auto writable, OpenWritableCatalog(machine, project));
  obs::Logger log(machine.clock, STDERR_FILENO, project.log_format, project.log_level);
  obs::Registry metrics;
  const lake::Workspace work{*lake->store,    *writable, machine.clock, machine.random,
                             lake->manifests, log,       metrics};
  lake::MaintenanceOptions limits;
  limits.max_commits = std::numeric_limits<int>::max();
  limits.temp_directory = os::JoinPath(project.temp_folder(), fmt::format("maintain-{}", getpid()));
  limits.data_directory = project.lake_folder;
  const std::string temp = limits.temp_directory;
  lake::MaintenanceReport report;
  {
    lake::Maintainer maintainer(work, *lake->store, machine.files, std::move(limits));
    using Mode = lake::Maintainer::Mode;
    const Mode mode = options.dry_run ? Mode::kDryRun : Mode::kDo;
    if (options.all() || options.compact) maintainer.Compact(mode, report);
    if (options.all() || options.expire) maintainer.Expire(mode, report);
    if (options.all() || options.orphans) maintainer.RemoveOrphans(mode, report);
    if (!options.dry_run && (options.all() || options.trim)) maintainer.TrimCatalog(report);
  }
  (void)machine.files.RemoveRecursively(temp);  // empty by now; a later run is not in its way
  if (options.json) {
    PrintJson(report);
  } else {
    PrintText(options, report);
  }
  if (report.failures == 0) return {};
  return Unavailable(
      fmt::format("{} failed; the last: {}", Counted(report.failures, "step"), report.last_error));
}

}  // namespace

void AddMaintain(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<MaintainOptions>();
  CLI::App* command =
      app.add_subcommand("maintain", "Compact, expire and clean up now (a server does it itself)");
  AddProjectFolder(*command, options->folder);
  command->add_flag("--compact", options->compact, "Rewrite small files of closed hours");
  command->add_flag("--expire", options->expire, "Drop old snapshots");
  command->add_flag("--orphans", options->orphans, "Remove files nobody points to (3 days old)");
  command->add_flag("--trim", options->trim, "Remove old rows of the catalog");
  command->add_flag("--dry-run", options->dry_run, "Say what would be done");
  command->add_flag("--json", options->json, "As JSON");
  command->footer(
      "Without a choice all of it is done. Safe beside a running server and running queries.\n"
      "Examples:\n  tarn maintain shop --dry-run\n  tarn maintain shop --compact");
  command->callback([&context, &run, options] {
    run = [&context, options] { return Maintain(context, *options); };
  });
}

}  // namespace tarn::app
