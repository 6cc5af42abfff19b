#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <limits>
#include <memory>

#include "app/command.h"
#include "app/text_table.h"
#include "base/text.h"
#include "lake/damage.h"
#include "lake/maintenance.h"

namespace tarn::app {
namespace {

struct MaintainOptions {
  std::string folder;
  bool compact = false;
  bool expire = false;
  bool orphans = false;
  bool trim = false;
  bool verify = false;
  bool accept_loss = false;
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
    fmt::print("compaction: {} small files ({} rows, {}) {} {} files", report.files_rewritten,
               GroupDigits(report.rows), Bytes(report.bytes_in),
               options.dry_run ? "would become" : "are now", report.compactions);
    fmt::print("{}\n", options.dry_run ? "" : fmt::format(" ({})", Bytes(report.bytes_out)));
  }
  if (options.all() || options.expire) {
    fmt::print("expiry:     {} tables {} old snapshots\n", report.tables_expired,
               options.dry_run ? "have" : "let go of");
  }
  if (options.all() || options.orphans) {
    for (const std::string& key : report.orphan_keys) fmt::print("orphan      {}\n", key);
    fmt::print("orphans:    {} files ({}), {} removed\n", report.orphans,
               Bytes(report.orphan_bytes), report.orphans_removed);
    if (!options.dry_run && report.orphans > report.orphans_removed) {
      fmt::print("            those left may have readers: run again in ten minutes\n");
    }
  }
  if (!options.dry_run && (options.all() || options.trim)) {
    fmt::print("catalog:    {} old rows removed\n", GroupDigits(report.catalog_rows));
  }
}

// What Verify found in all tables.
struct Verified {
  int64_t tables = 0;
  int64_t files = 0;
  int64_t bytes = 0;
  int64_t without_checksum = 0;
  int64_t lost = 0;
  int64_t accepted = 0;  // of the lost ones
  std::vector<std::string> descriptions;
};

// Notes what is lost, and with --accept-loss takes it out of the table.
Status VerifyTable(const lake::Workspace& work, const catalog::DatasetName& name,
                   const MaintainOptions& options, Verified& verified) {
  const auto table = lake::Verify(work, name);
  ++verified.tables;
  if (!table.ok()) {
    if (table.error().code() != Code::kDataLoss) return table.error();
    ++verified.lost;
    verified.descriptions.push_back(table.error().message());
    return {};
  }
  const auto lost = static_cast<int64_t>(table->lost.size());
  verified.files += table->files;
  verified.bytes += table->bytes;
  verified.without_checksum += table->without_checksum;
  verified.lost += lost;
  for (const lake::LostFile& file : table->lost) verified.descriptions.push_back(file.description);
  if (!options.accept_loss || lost == 0) return {};
  TARN_TRY(lake::AcceptLoss(work, name, table->lost));
  verified.accepted += lost;
  return {};
}

void PrintVerified(const Verified& verified, bool as_json) {
  if (as_json) {
    codec::Json json;
    json.Set("tables", verified.tables);
    json.Set("files", verified.files);
    json.Set("bytes", verified.bytes);
    json.Set("without_checksum", verified.without_checksum);
    json.Set("lost", verified.lost);
    json.Set("accepted", verified.accepted);
    codec::Json::Array descriptions;
    for (const std::string& text : verified.descriptions) descriptions.emplace_back(text);
    json.Set("descriptions", std::move(descriptions));
    fmt::print("{}\n", codec::DumpJson(json));
    return;
  }
  for (const std::string& text : verified.descriptions) fmt::print("lost        {}\n", text);
  fmt::print("verified:   {} tables, {} files ({}), {} lost{}\n", verified.tables,
             GroupDigits(verified.files), Bytes(verified.bytes), verified.lost,
             verified.accepted > 0
                 ? fmt::format("; {} taken out of their tables", verified.accepted)
                 : "");
  if (verified.without_checksum > 0) {
    fmt::print("            {} files have no checksum: only their size and end were checked\n",
               GroupDigits(verified.without_checksum));
  }
}

Status VerifyAll(const lake::Workspace& work, const MaintainOptions& options) {
  TARN_ASSIGN_OR_RETURN(const auto datasets, work.catalog.ListDatasets(std::nullopt));
  Verified verified;
  for (const catalog::Dataset& dataset : datasets) {
    if (dataset.metadata_location.empty()) continue;
    TARN_TRY(VerifyTable(work, dataset.name, options, verified));
  }
  PrintVerified(verified, options.json);
  if (verified.lost == verified.accepted) return {};
  return DataLoss(
      fmt::format("{} files are lost; docs/operation.md, section Damage, says how to "
                  "go on",
                  verified.lost - verified.accepted));
}

Status Maintain(Context& context, const MaintainOptions& options) {
  Machine& machine = context.machine;
  if (options.verify && (!options.all() || options.dry_run)) {
    return InvalidArgument("--verify is asked for alone");
  }
  if (options.accept_loss && !options.verify) {
    return InvalidArgument("--accept-loss goes with --verify");
  }
  TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, options.folder));
  TARN_ASSIGN_OR_RETURN(const auto lake, OpenLake(machine, project));
  TARN_ASSIGN_OR_RETURN(const auto writable, OpenWritableCatalog(machine, project));
  obs::Logger log(machine.clock, STDERR_FILENO, project.log_format, project.log_level);
  obs::Registry metrics;
  const lake::Workspace work{*lake->store,    *writable, machine.clock, machine.random,
                             lake->manifests, log,       metrics};
  if (options.verify) return VerifyAll(work, options);
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
      fmt::format("{} steps failed; the last: {}", report.failures, report.last_error));
}

}  // namespace

void AddMaintain(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<MaintainOptions>();
  CLI::App* command =
      app.add_subcommand("maintain", "Compact, expire and clean up now (a server does it itself)");
  command->add_option("DIR", options->folder,
                      "Project folder (default: this one, or the nearest above)");
  command->add_flag("--compact", options->compact, "Rewrite small files of closed hours");
  command->add_flag("--expire", options->expire, "Drop old snapshots");
  command->add_flag("--orphans", options->orphans, "Remove files nobody points to (3 days old)");
  command->add_flag("--trim", options->trim, "Remove old rows of the catalog");
  command->add_flag("--verify", options->verify,
                    "Read every file of the tables and check it by its checksum; changes nothing");
  command->add_flag("--accept-loss", options->accept_loss,
                    "With --verify: take files that are missing or damaged out of their tables");
  command->add_flag("--dry-run", options->dry_run, "Say what would be done");
  command->add_flag("--json", options->json, "As JSON");
  command->footer(
      "Without a choice all but --verify is done. Safe beside a running server and running "
      "queries.\n"
      "--verify ends with 11 if anything is lost.\n"
      "Examples:\n  tarn maintain shop --dry-run\n  tarn maintain shop --compact\n"
      "  tarn maintain shop --verify");
  command->callback([&context, &run, options] {
    run = [&context, options] { return Maintain(context, *options); };
  });
}

}  // namespace tarn::app
