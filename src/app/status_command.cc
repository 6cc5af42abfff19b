#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <vector>

#include "app/command.h"
#include "app/command_line.h"
#include "app/server.h"
#include "app/server_client.h"
#include "app/text_table.h"
#include "base/text.h"
#include "journal/inspect.h"
#include "lake/landing.h"
#include "serve/rest/operation_routes.h"

namespace tarn::app {
namespace {

using codec::Json;

int64_t IntOf(const Json& json, std::string_view key) { return json.GetInt(key).value_or(0); }
// Hosts and paths have any name.
std::string TextOf(const Json& json, std::string_view key) {
  return OnOneLine(json.GetString(key).value_or(""));
}

double NumberOf(const Json& json, std::string_view key) {
  const Json* value = json.Find(key);
  if (value == nullptr) return 0;
  if (const int64_t* whole = value->AsInt()) return static_cast<double>(*whole);
  const double* number = value->AsDouble();
  return number != nullptr ? *number : 0;
}

// Three digits that matter: "0.3", "45", "12,345".
std::string Rounded(double number) {
  if (number < 10) return fmt::format("{:.1f}", number);
  return GroupDigits(static_cast<int64_t>(number + 0.5));
}

std::string AgoOf(const Json& json, std::string_view key, Timestamp now) {
  const auto time = ParseTimestamp(TextOf(json, key));
  if (!time.ok()) return "never";
  const int64_t seconds = (now.micros - time->micros) / kMicrosPerSecond;
  if (seconds < 120) return fmt::format("{} s ago", seconds);
  if (seconds < 7200) return fmt::format("{} min ago", seconds / 60);
  return fmt::format("{} h ago", seconds / 3600);
}

const Json::Array& ArrayOf(const Json& json, std::string_view key) {
  static const Json::Array kNone;
  const Json* value = json.Find(key);
  const Json::Array* array = value == nullptr ? nullptr : value->AsArray();
  return array == nullptr ? kNone : *array;
}

// One screen has room for so many of each source.
constexpr size_t kMaxHosts = 10;

// Those read longest ago, who may need a look, by name.
std::vector<const Json*> ShownHosts(const Json::Array& all) {
  std::vector<const Json*> hosts;
  for (const Json& host : all) hosts.push_back(&host);
  if (hosts.size() <= kMaxHosts) return hosts;
  const auto by = [](std::string_view key) {
    return [key](const Json* a, const Json* b) { return TextOf(*a, key) < TextOf(*b, key); };
  };
  std::stable_sort(hosts.begin(), hosts.end(), by("last_read"));
  hosts.resize(kMaxHosts);
  std::stable_sort(hosts.begin(), hosts.end(), by("host"));
  return hosts;
}

void AddHosts(const Json& source, Timestamp now, TextTable& table) {
  const Json::Array& all = ArrayOf(source, "hosts");
  const std::string name = TextOf(source, "name");
  double rate = 0;
  for (const Json& host : all) rate += NumberOf(host, "lines_per_second");
  const auto add = [&](const std::string& whose, const Json& of, double lines_per_second) {
    table.Add({name, whose, GroupDigits(IntOf(of, "lines")), Rounded(lines_per_second),
               GroupDigits(IntOf(of, "rejected")), Rounded(NumberOf(of, "lag_seconds")) + " s",
               AgoOf(of, "last_read", now)});
  };
  if (all.size() > 1) {
    add(fmt::format("all {}", GroupDigits(static_cast<int64_t>(all.size()))), source, rate);
  }
  for (const Json* host : ShownHosts(all)) {
    add(TextOf(*host, "host"), *host, NumberOf(*host, "lines_per_second"));
  }
}

// `landing_error` is said already.
void PrintSources(const Json& status, Timestamp now, const std::string& landing_error) {
  TextTable table({"source", "host", "lines", "lines/s", "rejected", "lag", "last read"});
  for (const size_t column : {size_t{2}, size_t{3}, size_t{4}, size_t{5}}) table.AlignRight(column);
  const Json::Array& sources = ArrayOf(status, "sources");
  bool left_out = false;
  for (const Json& source : sources) {
    AddHosts(source, now, table);
    left_out |= ArrayOf(source, "hosts").size() > kMaxHosts;
  }
  if (table.rows() > 0) fmt::print("\n{}", table.Print());
  if (left_out) {
    fmt::print("… of each source the {} hosts that were read longest ago; --json has all\n",
               kMaxHosts);
  }
  for (const Json& source : sources) {
    const std::string error = TextOf(source, "last_error");
    if (!error.empty() && error != landing_error) {
      fmt::print("ERROR: {}, {}\n", TextOf(source, "name"), error);
    }
  }
}

void PrintDatasets(const Json& status) {
  TextTable table({"dataset", "rows", "size", "commits"});
  for (const size_t column : {size_t{1}, size_t{2}, size_t{3}}) table.AlignRight(column);
  for (const Json& dataset : *status.Find("datasets")->AsArray()) {
    table.Add({TextOf(dataset, "zone") + "." + TextOf(dataset, "name"),
               GroupDigits(IntOf(dataset, "rows")),
               FormatBytes(static_cast<uint64_t>(IntOf(dataset, "bytes"))),
               GroupDigits(IntOf(dataset, "commits"))});
  }
  fmt::print("\n{}", table.Print());
}

void PrintStopped(const Project& project, const Json& status) {
  fmt::print("{}: no server runs\n", project.name);
  const Json* journal = status.Find("journal");
  if (journal == nullptr) return;
  if (journal->Find("error") != nullptr) {
    fmt::print(
        "journal: DAMAGED or unreadable; a server would not start, or not land what is behind\n");
  } else {
    fmt::print("journal: {} waiting for a server\n",
               Counted(IntOf(*journal, "waiting"), "batch", "batches"));
  }
}

void PrintStatus(const Project& project, const Json& status, const std::string& url,
                 Timestamp now) {
  if (url.empty()) {
    PrintStopped(project, status);
  } else {
    const Json& journal = *status.Find("journal");
    const Json& landing = *status.Find("landing");
    fmt::print("{}: server {} at {}, started {}\n", project.name, TextOf(status, "version"), url,
               AgoOf(status, "started", now));
    fmt::print("landing: last commit {} ({} since start), {} waiting, {} buffered\n",
               AgoOf(landing, "last_commit", now), GroupDigits(IntOf(landing, "commits")),
               Counted(IntOf(landing, "waiting"), "batch", "batches"),
               FormatBytes(static_cast<uint64_t>(IntOf(landing, "buffered_bytes"))));
    fmt::print("journal: {} on disk{}{}\n",
               FormatBytes(static_cast<uint64_t>(IntOf(journal, "bytes"))),
               journal.GetBool("healthy").value_or(true) ? "" : ", CANNOT BE WRITTEN",
               journal.GetBool("full").value_or(false) ? ", FULL" : "");
    const std::string journal_error = TextOf(journal, "last_error");
    if (!journal_error.empty()) fmt::print("ERROR: journal: {}\n", journal_error);
    const std::string error = TextOf(landing, "last_error");
    if (!error.empty()) fmt::print("ERROR: {}\n", error);
    PrintSources(status, now, error);
  }
  PrintDatasets(status);
}

// What is shown, and whether a server could start on it.
struct Shown {
  Json status;
  Status sound;
};

// Records that wait in the journal for the lake.
Result<uint64_t> WaitingRecords(Machine& machine, const Project& project,
                                catalog::Catalog& catalog) {
  TARN_ASSIGN_OR_RETURN(const std::string landed,
                        catalog.GetPosition(std::string(lake::Landing::kPipeline)));
  const std::optional<uint64_t> next = ParseUint64(landed);
  TARN_ASSIGN_OR_RETURN(const journal::Held held,
                        journal::Inspect(machine.files, project.journal_folder(), next));
  return held.end - next.value_or(held.begin);
}

// Without a server: what the catalog and the journal say.
Result<Shown> StoppedStatus(Machine& machine, const Project& project) {
  TARN_ASSIGN_OR_RETURN(const auto lake, OpenLake(machine, project));
  TARN_ASSIGN_OR_RETURN(const auto datasets, lake->catalog->ListDatasets(std::nullopt));
  Shown shown;
  Json journal;
  const auto waiting = WaitingRecords(machine, project, *lake->catalog);
  if (waiting.ok()) {
    journal.Set("waiting", static_cast<int64_t>(*waiting));
  } else if (!machine.files.IsLocked(project.lock_file()).value_or(false)) {
    journal.Set("error", waiting.error().message());
    shown.sound = waiting.error();
  }  // else a server has started meanwhile and changes it
  shown.status.Set("server", Json());
  if (journal.AsObject() != nullptr) shown.status.Set("journal", std::move(journal));
  shown.status.Set("datasets", serve::rest::DatasetsJson(datasets));
  return shown;
}

Result<Shown> RunningStatus(Machine& machine, const Project& project,
                            const RunningServer& running) {
  TARN_ASSIGN_OR_RETURN(Json status,
                        AskServer(machine, project, running, http::Method::kGet, "/v1/status"));
  return Shown{std::move(status), {}};
}

Status ShowStatus(Context& context, const std::string& folder, bool as_json) {
  Machine& machine = context.machine;
  TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, folder));
  const auto running = FindServer(machine, project);
  if (!running.ok() && running.error().code() != Code::kNotFound) return running.error();
  TARN_ASSIGN_OR_RETURN(const Shown shown, running.ok() ? RunningStatus(machine, project, *running)
                                                        : StoppedStatus(machine, project));
  if (as_json) {
    fmt::print("{}\n", codec::DumpJson(shown.status, true));
  } else {
    PrintStatus(project, shown.status, running.ok() ? running->url : std::string(),
                machine.clock.Now());
  }
  return shown.sound;
}

}  // namespace

void AddStatus(CLI::App& app, Context& context, Run& run) {
  auto folder = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("status", "One screen: server, journal, sources, datasets");
  AddProjectFolder(*command, *folder);
  command->add_flag("--json", *json, "Everything, as JSON");
  command->footer(
      "Lines and rejected count since the server started; lines/s is of the last ten seconds; lag\n"
      "is the seconds from an agent's read of its last batch to the lake. Without a server: the\n"
      "datasets, and whether the journal can be read: the status is that of its error.\n"
      "Examples:\n  tarn status shop\n  tarn status shop --json");
  command->callback([&context, &run, folder, json] {
    run = [&context, folder, json] { return ShowStatus(context, *folder, *json); };
  });
}

}  // namespace tarn::app
