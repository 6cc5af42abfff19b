#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/command.h"
#include "app/text_table.h"
#include "base/text.h"
#include "iceberg/commit.h"
#include "iceberg/scan.h"
#include "lake/damage.h"

namespace tarn::app {
namespace {

using codec::Json;

struct DatasetOptions {
  std::string name;
  std::string folder;
  bool json = false;
  size_t snapshots = 5;
};

// What a table holds now, by its newest snapshot.
struct TableFacts {
  iceberg::TableMetadata metadata;
  std::map<std::string, std::pair<int64_t, int64_t>> partitions;  // text → rows, files
  int64_t files = 0;
  int64_t rows = 0;
  int64_t bytes = 0;
};

Result<TableFacts> FactsOf(LakeHandle& handle, const catalog::Dataset& dataset) {
  TableFacts facts;
  const std::string table = dataset.name.ToString();
  auto metadata = iceberg::LoadMetadata(*handle.store, dataset.metadata_location);
  if (!metadata.ok()) return lake::MetadataDamage(table, std::move(metadata).error());
  facts.metadata = *std::move(metadata);
  auto plan = iceberg::PlanFiles(*handle.store, handle.manifests, facts.metadata, std::nullopt, {});
  if (!plan.ok()) return lake::MetadataDamage(table, std::move(plan).error());
  for (const iceberg::PlannedFile& planned : plan->files) {
    const iceberg::DataFile& file = planned.file;
    const iceberg::PartitionSpec& spec = *facts.metadata.FindSpec(file.spec_id);
    const auto types = facts.metadata.TypesOf(spec);
    std::string partition;
    for (size_t i = 0; i < spec.fields.size(); ++i) {
      if (!types[i]) continue;
      partition +=
          (i > 0 ? "/" : "") + spec.fields[i].name + "=" +
          iceberg::PartitionValueText(spec.fields[i].transform, *types[i], file.partition[i]);
    }
    auto& [rows, files] = facts.partitions[partition];
    rows += file.record_count;
    ++files;
    ++facts.files;
    facts.rows += file.record_count;
    facts.bytes += file.file_size_in_bytes;
  }
  return facts;
}

Json ToJson(const catalog::Dataset& dataset, const TableFacts& facts) {
  Json json;
  json.Set("name", dataset.name.ToString());
  json.Set("zone", catalog::ZoneName(dataset.name.zone));
  json.Set("source", dataset.source);
  json.Set("description", dataset.description);
  json.Set("location", facts.metadata.location);
  json.Set("metadata_location", dataset.metadata_location);
  json.Set("rows", facts.rows);
  json.Set("bytes", facts.bytes);
  json.Set("files", facts.files);
  Json::Array columns;
  for (const event::Field& field : facts.metadata.schema().fields) {
    columns.emplace_back(Json::Object{{"name", field.name},
                                      {"type", event::TypeName(field.type)},
                                      {"required", field.required},
                                      {"doc", field.doc}});
  }
  json.Set("columns", std::move(columns));
  Json::Array partitions;
  for (const auto& [text, counts] : facts.partitions) {
    partitions.emplace_back(
        Json::Object{{"partition", text}, {"rows", counts.first}, {"files", counts.second}});
  }
  json.Set("partitions", std::move(partitions));
  Json::Array snapshots;
  for (const iceberg::Snapshot& snapshot : facts.metadata.snapshots) {
    snapshots.push_back(iceberg::SnapshotToJson(snapshot));
  }
  json.Set("snapshots", std::move(snapshots));
  return json;
}

void PrintTable(const catalog::Dataset& dataset, const TableFacts& facts, size_t snapshots) {
  fmt::print("{}: {}\n", dataset.name.ToString(), dataset.description);
  fmt::print("source {}, {} rows in {} files, {}\nlocation {}\n\n", dataset.source,
             GroupDigits(facts.rows), GroupDigits(facts.files),
             FormatBytes(static_cast<uint64_t>(facts.bytes)), facts.metadata.location);
  TextTable columns({"column", "type", "meaning"});
  for (const event::Field& field : facts.metadata.schema().fields) {
    columns.Add({field.name, event::TypeName(field.type), field.doc});
  }
  fmt::print("{}\n", columns.Print());
  fmt::print("{} partitions", GroupDigits(static_cast<int64_t>(facts.partitions.size())));
  if (!facts.partitions.empty()) {
    fmt::print(", {} to {}", facts.partitions.begin()->first, facts.partitions.rbegin()->first);
  }
  fmt::print("\n{} snapshots kept; the newest:\n", facts.metadata.snapshots.size());
  TextTable table({"snapshot", "time", "operation", "rows added"});
  table.AlignRight(0);
  table.AlignRight(3);
  const auto& all = facts.metadata.snapshots;
  for (size_t i = 0; i < all.size() && i < snapshots; ++i) {
    const iceberg::Snapshot& snapshot = all[all.size() - 1 - i];
    const auto added = snapshot.summary.find("added-records");
    table.Add({std::to_string(snapshot.id), FormatTimestamp({snapshot.timestamp_ms * 1'000}),
               snapshot.operation, added == snapshot.summary.end() ? "" : added->second});
  }
  fmt::print("{}", table.Print());
}

Status ShowDataset(Context& context, const DatasetOptions& options) {
  TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, options.folder));
  TARN_ASSIGN_OR_RETURN(const auto lake, OpenLake(context.machine, project));
  TARN_ASSIGN_OR_RETURN(const auto name, catalog::ParseDatasetName(options.name));
  TARN_ASSIGN_OR_RETURN(const catalog::Dataset dataset, lake->catalog->GetDataset(name));
  if (dataset.metadata_location.empty()) {
    fmt::print("{}: {}\nobjects below {}\n", dataset.name.ToString(), dataset.description,
               lake->store->UrlOf(dataset.location));
    return {};
  }
  TARN_ASSIGN_OR_RETURN(const TableFacts facts, FactsOf(*lake, dataset));
  if (options.json) {
    fmt::print("{}\n", codec::DumpJson(ToJson(dataset, facts), true));
  } else {
    PrintTable(dataset, facts, options.snapshots);
  }
  return {};
}

Status ListDatasets(Context& context, const std::string& folder, bool as_json) {
  TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, folder));
  TARN_ASSIGN_OR_RETURN(const auto lake, OpenLake(context.machine, project));
  TARN_ASSIGN_OR_RETURN(const auto datasets, lake->catalog->ListDatasets(std::nullopt));
  TextTable table({"dataset", "kind", "rows", "size", "source", "description"});
  table.AlignRight(2);
  table.AlignRight(3);
  Json::Array list;
  for (const catalog::Dataset& dataset : datasets) {
    const bool counted = dataset.kind == catalog::DatasetKind::kTable;
    list.emplace_back(Json::Object{{"name", dataset.name.ToString()},
                                   {"kind", catalog::DatasetKindName(dataset.kind)},
                                   {"rows", counted ? Json(dataset.rows) : Json()},
                                   {"bytes", counted ? Json(dataset.bytes) : Json()},
                                   {"source", dataset.source},
                                   {"description", dataset.description}});
    table.Add({dataset.name.ToString(), std::string(catalog::DatasetKindName(dataset.kind)),
               counted ? GroupDigits(dataset.rows) : "",
               counted ? FormatBytes(static_cast<uint64_t>(dataset.bytes)) : "", dataset.source,
               dataset.description});
  }
  fmt::print("{}", as_json ? codec::DumpJson(list, true) + "\n" : table.Print());
  return {};
}

}  // namespace

void AddDatasets(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<DatasetOptions>();
  CLI::App* command = app.add_subcommand("datasets", "List the datasets of all zones");
  command->add_option("DIR", options->folder,
                      "Project folder (default: this one, or the nearest above)");
  command->add_flag("--json", options->json, "As JSON");
  command->footer("Example:\n  tarn datasets shop");
  command->callback([&context, &run, options] {
    run = [&context, options] { return ListDatasets(context, options->folder, options->json); };
  });
}

void AddDataset(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<DatasetOptions>();
  CLI::App* command = app.add_subcommand("dataset", "Schema, partitions, snapshots of one dataset");
  command->add_option("NAME", options->name, "zone.table, as clean.web_log")->required();
  command->add_option("DIR", options->folder,
                      "Project folder (default: this one, or the nearest above)");
  command->add_flag("--json", options->json, "Everything, as JSON");
  command->add_option("--snapshots", options->snapshots, "How many snapshots to list")
      ->capture_default_str();
  command->footer("Example:\n  tarn dataset clean.web_log shop");
  command->callback([&context, &run, options] {
    run = [&context, options] { return ShowDataset(context, *options); };
  });
}

}  // namespace tarn::app
