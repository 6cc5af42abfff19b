#include "app/sql_output.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "app/text_table.h"
#include "os/posix_file_system.h"

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

// Where a path leads: a symbolic link, also one to what is not there yet, is followed.
std::string Followed(const std::string& path) {
  constexpr int kMostLinks = 40;  // as the kernel
  std::filesystem::path place(path);
  std::error_code failed;
  for (int i = 0; i < kMostLinks && std::filesystem::is_symlink(place, failed); ++i) {
    const auto target = std::filesystem::read_symlink(place, failed);
    if (failed) break;
    place = place.parent_path() / target;
  }
  return place.string();
}

// The permissions of the file that is replaced, or those of a new one.
mode_t ModeFor(const std::string& path) {
  struct stat info{};
  if (stat(path.c_str(), &info) == 0) return info.st_mode & 07777;
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
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
  Discard();
}

void SqlOutput::Discard() const {
  if (partial_.empty()) return;
  std::remove(partial_.c_str());
  std::remove((partial_ + ".partial").c_str());  // where the export of Parquet begins
}

Status SqlOutput::Begin() {
  if (out_.empty()) return {};
  place_ = Followed(out_);
  if (!IsPlainFileOrNone(place_)) {
    if (parquet_) return InvalidArgument(fmt::format("{}: Parquet needs a plain file", out_));
    file_ = std::fopen(place_.c_str(), "w");
  } else {
    std::string name = os::JoinPath(os::ParentOf(place_), ".tarn-sql-XXXXXX");
    const int fd = mkstemp(name.data());
    if (fd < 0) return os::SystemError("write", out_, errno);
    partial_ = name;
    (void)fchmod(fd, ModeFor(place_));  // where that cannot be said, nobody else reads it
    file_ = fdopen(fd, "w");
    if (file_ == nullptr) {
      close(fd);
      Discard();
      return ResourceExhausted("no memory to write " + out_);
    }
  }
  return file_ != nullptr ? Status() : os::SystemError("write", out_, errno);
}

Status SqlOutput::RunParquet(sql::Session& session, const std::string& statement) {
  if (++results_ > 1) {
    return InvalidArgument("a Parquet file holds one result; give one statement, or csv or json");
  }
  TARN_ASSIGN_OR_RETURN(const uint64_t rows, session.CopyToParquet(statement, partial_));
  fmt::print(stderr, "{} written to {}\n", Counted(static_cast<int64_t>(rows), "row"), out_);
  return {};
}

Status SqlOutput::Run(Interrupter& interrupter, sql::Session& session,
                      const std::string& statement) {
  const Interrupter::Guard running(interrupter, Interrupter::When::kInterrupted,
                                   [&session] { session.Interrupt(); });
  if (parquet_) return RunParquet(session, statement);
  TARN_ASSIGN_OR_RETURN(const auto result, session.Run(statement));
  std::FILE* to = out_.empty() ? stdout : file_;
  if (++results_ > 1 && style_.format == ResultFormat::kTable) std::fputc('\n', to);
  return WriteResult(*result, style_, to);
}

Status SqlOutput::Finish(os::FileSystem& files) {
  if (out_.empty()) return {};
  if (std::fclose(std::exchange(file_, nullptr)) != 0) {
    const Error error = os::SystemError("write", out_, errno);
    Discard();
    return error;
  }
  if (partial_.empty()) return {};
  if (parquet_ && results_ == 0) {
    Discard();
    return InvalidArgument("a Parquet file needs a statement");
  }
  Status renamed = files.Rename(partial_, place_);
  if (!renamed.ok()) Discard();
  return renamed;
}

}  // namespace tarn::app
