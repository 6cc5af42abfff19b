#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "app/command.h"
#include "app/command_line.h"
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
  fmt::print("source {}, {} in {}, {}\nlocation {}\n\n", dataset.source, Counted(facts.rows, "row"),
             Counted(facts.files, "file"), FormatBytes(static_cast<uint64_t>(facts.bytes)),
             facts.metadata.location);
  TextTable columns({"column", "type", "meaning"});
  for (const event::Field& field : facts.metadata.schema().fields) {
    columns.Add({field.name, event::TypeName(field.type), field.doc});
  }
  fmt::print("{}\n", columns.Print());
  fmt::print("{}", Counted(static_cast<int64_t>(facts.partitions.size()), "partition"));
  if (!facts.partitions.empty()) {
    fmt::print(", {} to {}", facts.partitions.begin()->first, facts.partitions.rbegin()->first);
  }
  fmt::print("\n{} kept; the newest:\n",
             Counted(static_cast<int64_t>(facts.metadata.snapshots.size()), "snapshot"));
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

// NotFound with the nearest name, also for a table's name without its zone.
Result<catalog::Dataset> FindDataset(LakeHandle& lake, const std::string& text) {
  if (const auto name = catalog::ParseDatasetName(text); name.ok()) {
    auto found = lake.catalog->GetDataset(*name);
    if (found.ok() || found.error().code() != Code::kNotFound) return found;
  }
  TARN_ASSIGN_OR_RETURN(const auto datasets, lake.catalog->ListDatasets(std::nullopt));
  std::vector<std::string> names;   // of the datasets
  std::vector<std::string> tables;  // the same, without zones
  for (const catalog::Dataset& dataset : datasets) {
    // Of the same table in all zones, the clean one is meant.
    const auto at = dataset.name.zone == catalog::Zone::kClean ? names.begin() : names.end();
    tables.insert(tables.begin() + (at - names.begin()), dataset.name.table);
    names.insert(at, dataset.name.ToString());
  }
  const bool zoned = text.find('.') != std::string::npos;
  const std::vector<std::string>& known = zoned ? names : tables;
  std::string see = "; `tarn datasets` lists them";
  if (const auto nearest = NearestWord(text, {known.begin(), known.end()})) {
    const auto at = std::ranges::find(known, *nearest) - known.begin();
    see = DidYouMean(names[static_cast<size_t>(at)]);
  }
  return NotFound(fmt::format("no dataset '{}'{}", ReplaceInvalidUtf8(text), see));
}

// Objects that are no table: their rows are known to whoever reads them.
Status ShowObjects(LakeHandle& lake, const catalog::Dataset& dataset, bool as_json) {
  TARN_ASSIGN_OR_RETURN(const auto objects, lake.store->List(dataset.location));
  uint64_t bytes = 0;
  for (const store::ObjectInfo& object : objects) bytes += object.size;
  const std::string url = lake.store->UrlOf(dataset.location);
  if (!as_json) {
    fmt::print("{}: {}\nsource {}, {}, {}\nlocation {}\n", dataset.name.ToString(),
               dataset.description, dataset.source,
               Counted(static_cast<int64_t>(objects.size()), "object"), FormatBytes(bytes), url);
    return {};
  }
  Json json;
  json.Set("name", dataset.name.ToString());
  json.Set("zone", catalog::ZoneName(dataset.name.zone));
  json.Set("source", dataset.source);
  json.Set("description", dataset.description);
  json.Set("location", url);
  json.Set("rows", Json());
  json.Set("bytes", static_cast<int64_t>(bytes));
  json.Set("files", static_cast<int64_t>(objects.size()));
  fmt::print("{}\n", codec::DumpJson(json, true));
  return {};
}

Status ShowDataset(Context& context, const DatasetOptions& options) {
  TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, options.folder));
  TARN_ASSIGN_OR_RETURN(const auto lake, OpenLake(context.machine, project));
  TARN_ASSIGN_OR_RETURN(const catalog::Dataset dataset, FindDataset(*lake, options.name));
  if (dataset.metadata_location.empty()) return ShowObjects(*lake, dataset, options.json);
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
               counted ? GroupDigits(dataset.rows) : "-",
               counted ? FormatBytes(static_cast<uint64_t>(dataset.bytes)) : "-", dataset.source,
               dataset.description});
  }
  fmt::print("{}", as_json ? codec::DumpJson(list, true) + "\n" : table.Print());
  return {};
}

}  // namespace

void AddDatasets(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<DatasetOptions>();
  CLI::App* command = app.add_subcommand("datasets", "List the datasets of all zones");
  AddProjectFolder(*command, options->folder);
  command->add_flag("--json", options->json, "As JSON");
  command->footer(
      "Rows and size of JSON objects ('-') are not counted here; `tarn dataset` adds up the size.\n"
      "Examples:\n  tarn datasets shop\n  tarn datasets shop --json");
  command->callback([&context, &run, options] {
    run = [&context, options] { return ListDatasets(context, options->folder, options->json); };
  });
}

void AddDataset(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<DatasetOptions>();
  CLI::App* command = app.add_subcommand("dataset", "Schema, partitions, snapshots of one dataset");
  AddWord(*command, kDatasetWord, options->name, "zone.table, as clean.web_log")->required();
  AddProjectFolder(*command, options->folder);
  command->add_flag("--json", options->json, "Everything, as JSON");
  WholeNumber(command->add_option("--snapshots", options->snapshots, "How many snapshots to list"))
      ->capture_default_str();
  command->footer(
      "Examples:\n  tarn dataset clean.web_log shop\n  tarn dataset clean.web_log shop --json "
      "--snapshots 100");
  command->callback([&context, &run, options] {
    run = [&context, options] { return ShowDataset(context, *options); };
  });
}

}  // namespace tarn::app
