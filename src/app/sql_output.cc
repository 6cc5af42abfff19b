#include "app/sql_output.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tarn::app {
namespace {

// On a terminal nobody reads more.
constexpr uint64_t kRowsOnTerminal = 10'000;

Result<ResultFormat> FormatOf(const std::string& name, bool to_terminal) {
  if (name.empty()) return to_terminal ? ResultFormat::kTable : ResultFormat::kCsv;
  if (name == "table") return ResultFormat::kTable;
  if (name == "csv") return ResultFormat::kCsv;
  if (name == "json") return ResultFormat::kJson;
  return InvalidArgument(
      fmt::format("'{}' is no format; choose table, csv, json or parquet", name));
}

bool IsPlainFileOrNone(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode);
}

}  // namespace

size_t TerminalWidth() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0) return 0;
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

Result<std::unique_ptr<SqlOutput>> SqlOutput::Open(const std::string& format,
                                                   const std::string& out) {
  std::unique_ptr<SqlOutput> output(new SqlOutput);
  output->out_ = out;
  output->parquet_ = format == "parquet";
  if (output->parquet_) {
    if (out.empty()) return InvalidArgument("--format parquet needs --out FILE");
    return output;
  }
  const bool to_terminal = out.empty() && isatty(STDOUT_FILENO) != 0;
  TARN_ASSIGN_OR_RETURN(output->style_.format, FormatOf(format, to_terminal));
  if (to_terminal && format.empty()) {
    output->style_.width = TerminalWidth();
    output->style_.most_rows = kRowsOnTerminal;
  }
  return output;
}

SqlOutput::~SqlOutput() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  if (!partial_.empty()) std::remove(partial_.c_str());
}

Status SqlOutput::OpenFile() {
  if (IsPlainFileOrNone(out_)) partial_ = out_ + ".partial";
  const std::string& path = partial_.empty() ? out_ : partial_;
  file_ = std::fopen(path.c_str(), "w");
  if (file_ == nullptr) return IoError(fmt::format("cannot write {}: {}", out_, strerror(errno)));
  return {};
}

Status SqlOutput::RunParquet(sql::Session& session, const std::string& statement) {
  if (++results_ > 1) {
    return InvalidArgument("a Parquet file holds one result; give one statement, or csv or json");
  }
  TARN_ASSIGN_OR_RETURN(const uint64_t rows, session.CopyToParquet(statement, out_));
  fmt::print(stderr, "{} rows written to {}\n", rows, out_);
  return {};
}

Status SqlOutput::Run(Interrupter& interrupter, sql::Session& session,
                      const std::string& statement) {
  const Interrupter::Running running(interrupter, [&session] { session.Interrupt(); });
  if (parquet_) return RunParquet(session, statement);
  TARN_ASSIGN_OR_RETURN(const auto result, session.Run(statement));
  if (!out_.empty() && file_ == nullptr) TARN_TRY(OpenFile());
  std::FILE* to = out_.empty() ? stdout : file_;
  if (++results_ > 1 && style_.format == ResultFormat::kTable) std::fputc('\n', to);
  return WriteResult(*result, style_, to);
}

Status SqlOutput::Finish(os::FileSystem& files) {
  if (out_.empty() || parquet_) return {};
  if (file_ == nullptr) TARN_TRY(OpenFile());  // of nothing
  const bool closed = std::fclose(std::exchange(file_, nullptr)) == 0;
  if (closed && partial_.empty()) return {};
  if (closed) return files.Rename(partial_, out_);
  if (!partial_.empty()) std::remove(partial_.c_str());
  return IoError(fmt::format("cannot write {}: {}", out_, strerror(errno)));
}

}  // namespace tarn::app
