// iceberg_make_tables FOLDER: runs the steps of FOLDER/script.json on one table below FOLDER and
// prints, as JSON, what each step led to. foreign_readers.py writes the script and judges.
#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/id.h"
#include "codec/json.h"
#include "iceberg/commit.h"
#include "iceberg/scan.h"
#include "iceberg/schema_json.h"
#include "iceberg/update.h"
#include "os/posix_file_system.h"

namespace tarn::iceberg {
namespace {

using codec::Json;
using event::Type;
using event::TypeKind;

// A folder as an object store, as far as commits and scans need one.
class FolderStore final : public store::ObjectStore {
 public:
  explicit FolderStore(std::string root) : root_(std::move(root)), base_url_("file://" + root_) {}

  Status Put(const std::string& key, std::string_view bytes) override {
    TARN_TRY(files_.CreateDirectories(os::ParentOf(Path(key))));
    return files_.WriteFileAtomically(Path(key), bytes);
  }
  Status PutIfAbsent(const std::string& key, std::string_view bytes) override {
    if (files_.Exists(Path(key))) return AlreadyExists(key);
    return Put(key, bytes);
  }
  Result<std::unique_ptr<store::ObjectWriter>> OpenWriter(const std::string& key) override {
    return Unsupported(key);
  }
  Result<std::string> Get(const std::string& key) const override {
    return files_.ReadFile(Path(key));
  }
  Result<std::string> GetRange(const std::string& key, uint64_t offset,
                               size_t size) const override {
    TARN_ASSIGN_OR_RETURN(const std::string bytes, Get(key));
    return offset > bytes.size() ? std::string() : bytes.substr(offset, size);
  }
  Result<store::ObjectInfo> Head(const std::string& key) const override {
    TARN_ASSIGN_OR_RETURN(const auto stat, files_.Stat(Path(key)));
    return store::ObjectInfo{key, stat.size, stat.modified};
  }
  Result<std::vector<store::ObjectInfo>> List(const std::string& prefix) const override {
    return Unsupported(prefix);
  }
  Status Delete(const std::string& key) override {
    auto removed = files_.Remove(Path(key));
    if (!removed.ok() && removed.error().code() != Code::kNotFound) return removed;
    return {};
  }
  const std::string& base_url() const override { return base_url_; }

 private:
  std::string Path(const std::string& key) const { return os::JoinPath(root_, key); }

  const std::string root_;
  const std::string base_url_;
  mutable os::PosixFileSystem files_;
};

// Numbers stand for all integers; decimals are unscaled; uuids and binaries are hex.
Result<Value> ValueOf(const Type& type, const Json& json) {
  if (json.is_null()) return Value();
  if (const bool* flag = json.AsBool()) return Value(*flag);
  if (const double* number = json.AsDouble()) return Value(*number);
  if (const int64_t* integer = json.AsInt()) {
    if (type.kind == TypeKind::kDecimal) return Value(Decimal{*integer});
    const bool floating = type.kind == TypeKind::kFloat || type.kind == TypeKind::kDouble;
    return floating ? Value(static_cast<double>(*integer)) : Value(*integer);
  }
  if (json.AsString() == nullptr) return InvalidArgument("a value of no known kind");
  if (type.kind == TypeKind::kString) return Value(*json.AsString());
  auto bytes = FromHex(*json.AsString());
  if (!bytes) return InvalidArgument("bad hex");
  return Value(std::move(*bytes));
}

class Session {
 public:
  explicit Session(const std::string& root) : store_(root) {}

  Result<Json> Run(const Json& script) {
    Json::Array results;
    for (const auto& step : *script.Find("steps")->AsArray()) {
      TARN_ASSIGN_OR_RETURN(const std::string op, step.GetString("op"));
      auto result = RunStep(op, step);
      if (!result.ok()) return std::move(result).error().In(op);
      results.push_back(std::move(*result));
    }
    return Json(std::move(results));
  }

 private:
  Workspace Work() { return {store_, clock_, random_, cache_}; }

  Result<Json> RunStep(const std::string& op, const Json& step) {
    if (op == "create") return Create(step);
    if (op == "load") return Load(step);
    if (op == "plan") return PlanStep(step);
    if (op == "expire") return ExpireStep();
    if (op == "schema" || op == "spec") return Change(op, step);
    return CommitStep(op, step);
  }

  Json Where() const {
    return Json::Object{{"metadata", table_.metadata_location},
                        {"snapshot", table_.current_snapshot_id.value_or(-1)}};
  }

  // The swap of the pointer; then what nothing reaches any more goes.
  Result<Json> Swap(Prepared prepared) {
    table_ = std::move(prepared.metadata);
    TARN_TRY(DeleteFiles(store_, prepared.files_unreachable));
    return Where();
  }

  static Result<std::vector<PartitionField>> PartitionOf(const event::Schema& schema,
                                                         const Json& step) {
    std::vector<PartitionField> fields;
    for (const auto& item : *step.Find("partition")->AsArray()) {
      const auto& pair = *item.AsArray();
      TARN_ASSIGN_OR_RETURN(auto field,
                            PartitionBy(schema, *pair[0].AsString(), *pair[1].AsString()));
      fields.push_back(std::move(field));
    }
    return fields;
  }

  Result<Json> Create(const Json& step) {
    NewTableOptions options;
    TARN_ASSIGN_OR_RETURN(const std::string name, step.GetString("name"));
    options.location = store_.UrlOf(name);
    TARN_ASSIGN_OR_RETURN(options.schema, SchemaFromJson(*step.Find("schema")));
    TARN_ASSIGN_OR_RETURN(options.partition, PartitionOf(options.schema, step));
    for (const auto& [key, value] : *step.Find("properties")->AsObject()) {
      options.properties[key] = *value.AsString();
    }
    options.uuid = FormatUuid(random_.NewUuidV7(clock_.Now()));
    TARN_ASSIGN_OR_RETURN(auto table, NewTable(std::move(options)));
    TARN_ASSIGN_OR_RETURN(auto prepared, PrepareMetadata(Work(), nullptr, std::move(table)));
    return Swap(std::move(prepared));
  }

  Result<Json> Load(const Json& step) {
    TARN_ASSIGN_OR_RETURN(const std::string url, step.GetString("metadata"));
    TARN_ASSIGN_OR_RETURN(table_, LoadMetadata(store_, url));
    return Where();
  }

  Result<Json> Change(const std::string& op, const Json& step) {
    TableMetadata changed = table_;
    if (op == "spec") {
      TARN_ASSIGN_OR_RETURN(auto fields, PartitionOf(changed.schema(), step));
      TARN_ASSIGN_OR_RETURN(const int32_t id, AddSpec(changed, std::move(fields)));
      TARN_TRY(SetDefaultSpec(changed, id));
    } else {
      for (const auto& edit : *step.Find("edits")->AsArray()) {
        TARN_TRY(EvolveSchema(changed, [&](event::Schema& schema, int32_t& last) {
          return Edit(edit, schema, last);
        }));
      }
    }
    TARN_ASSIGN_OR_RETURN(auto prepared, PrepareMetadata(Work(), &table_, std::move(changed)));
    return Swap(std::move(prepared));
  }

  static Status Edit(const Json& edit, event::Schema& schema, int32_t& last) {
    const auto word = [&](size_t i) { return *(*edit.AsArray())[i].AsString(); };
    if (word(0) == "rename") return RenameColumn(schema, word(1), word(2));
    if (word(0) == "drop") return DropColumn(schema, word(1));
    const auto type = event::ParsePrimitiveType(word(2));
    if (!type) return InvalidArgument("no type " + word(2));
    if (word(0) == "widen") return WidenColumn(schema, word(1), *type);
    const size_t dot = word(1).rfind('.');
    NewColumn column;
    column.field.name = dot == std::string::npos ? word(1) : word(1).substr(dot + 1);
    column.field.type = *type;
    if (dot != std::string::npos) column.parent = word(1).substr(0, dot);
    return AddColumn(schema, column, last);
  }

  Result<DataFile> FileOf(const Json& json) {
    DataFile file;
    TARN_ASSIGN_OR_RETURN(const std::string key, json.GetString("key"));
    file.path = store_.UrlOf(key);
    file.spec_id = table_.default_spec_id;
    TARN_ASSIGN_OR_RETURN(file.record_count, json.GetInt("rows"));
    TARN_ASSIGN_OR_RETURN(file.file_size_in_bytes, json.GetInt("bytes"));
    file.split_offsets = {4};
    for (const auto& [name, stats] : *json.Find("columns")->AsObject()) {
      const event::Field* field = FindFieldByPath(table_.schema(), name);
      if (field == nullptr) return InvalidArgument("no column " + name);
      TARN_ASSIGN_OR_RETURN(file.value_counts[field->id], stats.GetInt("values"));
      TARN_ASSIGN_OR_RETURN(file.null_value_counts[field->id], stats.GetInt("nulls"));
      if (field->type.kind == TypeKind::kDouble) {
        TARN_ASSIGN_OR_RETURN(file.nan_value_counts[field->id], stats.GetInt("nans"));
      }
      TARN_ASSIGN_OR_RETURN(const Value least, ValueOf(field->type, *stats.Find("min")));
      TARN_ASSIGN_OR_RETURN(const Value most, ValueOf(field->type, *stats.Find("max")));
      const auto lower = LowerBound(field->type, least);
      const auto upper = UpperBound(field->type, most);
      if (lower) file.lower_bounds[field->id] = *lower;
      if (upper) file.upper_bounds[field->id] = *upper;
    }
    for (const auto& field : table_.spec().fields) {
      const event::Field* source = table_.schema().FindById(field.source_id);
      TARN_ASSIGN_OR_RETURN(const Value row,
                            ValueOf(source->type, *json.Find("row")->Find(source->name)));
      TARN_ASSIGN_OR_RETURN(auto value, ApplyTransform(field.transform, source->type, row));
      file.partition.push_back(std::move(value));
    }
    return file;
  }

  Result<Json> CommitStep(const std::string& op, const Json& step) {
    SnapshotChange change;
    change.operation = op;
    for (const auto& item : *step.Find("files")->AsArray()) {
      TARN_ASSIGN_OR_RETURN(auto file, FileOf(item));
      change.added.push_back(std::move(file));
    }
    for (const auto& key : *step.Find("removed")->AsArray()) {
      change.removed_paths.push_back(store_.UrlOf(*key.AsString()));
    }
    change.summary["tarn.commit-id"] = "step";
    TARN_ASSIGN_OR_RETURN(auto prepared, PrepareSnapshot(Work(), table_, change, {}));
    return Swap(std::move(prepared));
  }

  Result<Json> ExpireStep() {
    TARN_ASSIGN_OR_RETURN(auto prepared,
                          PrepareExpiry(Work(), table_, {.max_age_ms = -1, .min_to_keep = 1}));
    if (!prepared) return Where();
    return Swap(std::move(*prepared));
  }

  Result<Json> PlanStep(const Json& step) {
    static const std::map<std::string, Op> kOps = {
        {"=", Op::kEqual},           {"<", Op::kLess},
        {"<=", Op::kLessOrEqual},    {">", Op::kGreater},
        {">=", Op::kGreaterOrEqual}, {"in", Op::kIn},
        {"null", Op::kIsNull},       {"not null", Op::kIsNotNull}};
    Filter filter;
    for (const auto& item : *step.Find("filter")->AsArray()) {
      const auto& words = *item.AsArray();
      Predicate predicate{.column = *words[0].AsString(), .op = kOps.at(*words[1].AsString())};
      const event::Field* field = FindFieldByPath(table_.schema(), predicate.column);
      if (field == nullptr) return InvalidArgument("no column " + predicate.column);
      for (size_t i = 2; i < words.size(); ++i) {
        TARN_ASSIGN_OR_RETURN(auto value, ValueOf(field->type, words[i]));
        predicate.values.push_back(std::move(value));
      }
      filter.all_of.push_back(std::move(predicate));
    }
    TARN_ASSIGN_OR_RETURN(const Plan plan, PlanFiles(store_, cache_, table_, {}, filter));
    Json::Array files;
    int64_t deletes = 0;
    for (const auto& planned : plan.files) {
      files.emplace_back(planned.file.path);
      deletes += static_cast<int64_t>(planned.deletes.size());
    }
    return Json(Json::Object{{"files", std::move(files)}, {"deletes", deletes}});
  }

  FolderStore store_;
  os::SystemClock clock_;
  os::SystemRandom random_;
  ManifestCache cache_{0};
  TableMetadata table_;
};

int Main(const std::string& root) {
  os::PosixFileSystem files;
  auto text = files.ReadFile(os::JoinPath(root, "script.json"));
  auto script = text.ok() ? codec::ParseJson(*text) : Result<Json>(text.error());
  auto results = script.ok() ? Session(root).Run(*script) : Result<Json>(script.error());
  if (!results.ok()) {
    std::fprintf(stderr, "%s\n", results.error().ToString().c_str());
    return 1;
  }
  std::puts(codec::DumpJson(*results).c_str());
  return 0;
}

}  // namespace
}  // namespace tarn::iceberg

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: iceberg_make_tables FOLDER\n", stderr);
    return 2;
  }
  return tarn::iceberg::Main(argv[1]);
}
