#include "app/sql_output.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include "app/text_table.h"

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

// Where the export of Parquet begins.
std::string Sibling(const std::string& path) { return path + ".partial"; }

}  // namespace

size_t TerminalWidth() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0) return 0;
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

Result<std::unique_ptr<SqlOutput>> SqlOutput::Open(os::Random& random, const std::string& format,
                                                   const std::string& out) {
  std::unique_ptr<SqlOutput> output(new SqlOutput);
  output->parquet_ = format == "parquet";
  if (!out.empty()) output->file_ = std::make_unique<OutFile>(random, out);
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
  if (file_ != nullptr && file_->stream() != nullptr) Discard();
}

void SqlOutput::Discard() const {
  if (file_ == nullptr) return;
  file_->Discard();
  if (parquet_ && !file_->partial().empty()) std::remove(Sibling(file_->partial()).c_str());
}

Status SqlOutput::Begin() {
  if (file_ == nullptr) return {};
  if (parquet_ && file_->partial().empty())
    return InvalidArgument(fmt::format("{}: Parquet needs a plain file", file_->path()));
  return file_->Begin();
}

Status SqlOutput::RunParquet(sql::Session& session, const std::string& statement) {
  if (++results_ > 1) {
    return InvalidArgument("a Parquet file holds one result; give one statement, or csv or json");
  }
  TARN_ASSIGN_OR_RETURN(parquet_rows_, session.CopyToParquet(statement, file_->partial()));
  return {};
}

Status SqlOutput::Run(Interrupter& interrupter, sql::Session& session,
                      const std::string& statement) {
  const Interrupter::Guard running(interrupter, Interrupter::When::kInterrupted,
                                   [&session] { session.Interrupt(); });
  if (parquet_) return RunParquet(session, statement);
  TARN_ASSIGN_OR_RETURN(const auto result, session.Run(statement));
  std::FILE* to = file_ == nullptr ? stdout : file_->stream();
  if (++results_ > 1 && style_.format == ResultFormat::kTable) std::fputc('\n', to);
  return WriteResult(*result, style_, to);
}

Status SqlOutput::Finish(os::FileSystem& files) {
  if (file_ == nullptr) return {};
  if (results_ == 0) {
    return InvalidArgument(
        fmt::format("there is no statement; {} is left as it was", file_->path()));
  }
  TARN_TRY(file_->Finish(files));
  if (parquet_) {
    fmt::print(stderr, "{} written to {}\n", Counted(static_cast<int64_t>(parquet_rows_), "row"),
               file_->path());
  }
  return {};
}

}  // namespace tarn::app
