#include "demo/view.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

namespace tarn::demo {
namespace {

constexpr int kDefaultColumns = 80;

std::string Grouped(int64_t value) {
  if (value < 0) return "-";
  const std::string digits = fmt::format("{}", value);
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string ServerRow(const ViewInput& input, const ServerLine& server) {
  const auto source = input.status.sources.find(server.name);
  std::string lag = "-";
  if (source != input.status.sources.end() && source->second.lag_seconds >= 0) {
    lag = fmt::format("{:.1f} s", source->second.lag_seconds);
  }
  std::string agent(server.agent_up ? "up" : "down");
  if (!input.lake) agent.assign(1, '-');
  if (server.restarts > 0) agent += fmt::format(" ({} restarts)", server.restarts);
  return fmt::format("  {:<3} :{:<6} {:<5} {:>8.1f} {:>12} {:>9} {:>8}  {}", server.name,
                     server.port, server.up ? "up" : "down", server.hits_per_second,
                     Grouped(static_cast<int64_t>(server.hits)),
                     Grouped(static_cast<int64_t>(server.rejected)), lag, agent);
}

void AddLake(const ViewInput& input, std::vector<std::string>& lines) {
  if (!input.server_up) {
    lines.emplace_back("lake       the server is down; it is started again");
    return;
  }
  if (!input.status_known) {
    lines.push_back(
        fmt::format("lake       http://127.0.0.1:{}  no status yet", input.server_port));
    return;
  }
  std::string rows;
  for (const auto& [zone, count] : input.status.zone_rows) {
    rows += fmt::format("{}{} {}", rows.empty() ? "" : "   ", zone, Grouped(count));
  }
  lines.push_back(fmt::format("rows       {}", rows.empty() ? "none yet" : rows));
  std::string commit = "none yet";
  if (input.status.last_commit_micros >= 0) {
    const auto ago = static_cast<double>(input.now_micros - input.status.last_commit_micros);
    commit = fmt::format("{:.1f} s ago", ago < 0 ? 0.0 : ago / 1e6);
    if (input.status.commits >= 0) commit += fmt::format(", {} so far", input.status.commits);
  }
  lines.push_back(
      fmt::format("commit     {}   server http://127.0.0.1:{}", commit, input.server_port));
  lines.push_back("query      " + input.query);
  for (const auto& [name, source] : input.status.sources) {
    if (!source.last_error.empty()) {
      lines.push_back(fmt::format("error      {}: {}", name, source.last_error));
    }
  }
}

}  // namespace

std::vector<std::string> RenderView(const ViewInput& input, int columns) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("tarn demo  {}   {:02}:{:02}:{:02}   Ctrl-C stops it", input.folder,
                              input.running_seconds / 3600, input.running_seconds / 60 % 60,
                              input.running_seconds % 60));
  lines.emplace_back("");
  lines.push_back(fmt::format("  {:<3} {:<7} {:<5} {:>8} {:>12} {:>9} {:>8}  {}", "", "port",
                              "httpd", "hits/s", "hits", "rejected", "lag", "agent"));
  for (const ServerLine& server : input.servers) lines.push_back(ServerRow(input, server));
  lines.emplace_back("");
  if (input.lake) AddLake(input, lines);
  for (std::string& line : lines) {
    if (line.size() > static_cast<size_t>(columns)) line.resize(static_cast<size_t>(columns));
  }
  return lines;
}

void Screen::Draw(const std::vector<std::string>& lines) {
  std::string out;
  if (drawn_ > 0) out += fmt::format("\x1b[{}A", drawn_);
  for (const std::string& line : lines) out += line + "\x1b[K\n";
  out += "\x1b[J";
  drawn_ = lines.size();
  std::fwrite(out.data(), 1, out.size(), stdout);
  std::fflush(stdout);
}

int Screen::Columns() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return kDefaultColumns;
}

}  // namespace tarn::demo
