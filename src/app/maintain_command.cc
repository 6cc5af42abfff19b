#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <limits>
#include <memory>

#include "app/command.h"
#include "app/command_line.h"
#include "app/server_client.h"
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

void PrintText(const MaintainOptions& options, const lake::MaintenanceReport& report, bool served) {
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
      fmt::print("            {}\n", served
                                         ? "the server removes those left within an hour"
                                         : "those left may have readers: run again in ten minutes");
    }
  }
  if (!options.dry_run && (options.all() || options.trim)) {
    fmt::print("catalog:    {} removed\n", Counted(report.catalog_rows, "old row"));
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
  Status failure;  // the first that is no loss: something could not be checked, or taken out
};

void NoteLost(const MaintainOptions& options, const std::string& description, Verified& verified) {
  ++verified.lost;
  verified.descriptions.push_back(description);
  if (!options.json) fmt::print("lost        {}\n", description);
}

// Says what is lost, and with --accept-loss takes it out of the table.
Status VerifyTable(const lake::Workspace& work, const catalog::DatasetName& name,
                   const MaintainOptions& options, Verified& verified) {
  const auto table = lake::Verify(work, name);
  ++verified.tables;
  if (!table.ok()) {
    if (table.error().code() != Code::kDataLoss) return table.error();
    NoteLost(options, table.error().message(), verified);
    return {};
  }
  verified.files += table->files;
  verified.bytes += table->bytes;
  verified.without_checksum += table->without_checksum;
  for (const lake::LostFile& file : table->lost) NoteLost(options, file.description, verified);
  if (!options.accept_loss || table->lost.empty()) return {};
  TARN_TRY(lake::AcceptLoss(work, name, table->lost));
  verified.accepted += static_cast<int64_t>(table->lost.size());
  if (options.json) return {};
  for (const lake::LostFile& file : table->lost) fmt::print("taken out   {}\n", file.file.path);
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
  fmt::print("verified:   {}, {} ({}), {} lost{}\n", Counted(verified.tables, "table"),
             Counted(verified.files, "file"), Bytes(verified.bytes), verified.lost,
             verified.accepted > 0
                 ? fmt::format("; {} taken out of their tables", verified.accepted)
                 : "");
  if (verified.without_checksum > 0) {
    fmt::print("            without a checksum: {}, of which size and end were checked\n",
               Counted(verified.without_checksum, "file"));
  }
}

// A table that cannot be checked does not keep the others from it.
Status VerifyAll(const lake::Workspace& work, const MaintainOptions& options) {
  TARN_ASSIGN_OR_RETURN(const auto datasets, work.catalog.ListDatasets(std::nullopt));
  Verified verified;
  for (const catalog::Dataset& dataset : datasets) {
    if (dataset.metadata_location.empty()) continue;
    Status table = VerifyTable(work, dataset.name, options, verified);
    if (verified.failure.ok()) verified.failure = std::move(table);
  }
  PrintVerified(verified, options.json);
  TARN_TRY(verified.failure);
  const int64_t left = verified.lost - verified.accepted;
  if (left == 0) return {};
  return DataLoss(fmt::format("{} {} lost; docs/operation.md, section Damage, says how to go on",
                              Counted(left, "file"), left == 1 ? "is" : "are"));
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
  TARN_TRY(RequireOwnLake(machine, project, *lake));
  obs::Logger log(machine.clock, STDERR_FILENO, project.log_format, project.log_level);
  obs::Registry metrics;
  const lake::Workspace work{*lake->store,    *writable, machine.clock, machine.random,
                             lake->manifests, log,       metrics};
  if (options.verify) return VerifyAll(work, options);
  lake::MaintenanceOptions limits;
  limits.max_commits = std::numeric_limits<int>::max();
  limits.temp_directory = os::JoinPath(project.temp_folder(), fmt::format("maintain-{}", getpid()));
  limits.data_directory = project.lake_folder;
  const bool served = FindServer(machine, project).ok();
  limits.orphans_at_once = !served;
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
    PrintText(options, report, served);
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
