#include "app/sql_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "app/file_place.h"
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

// Where the export of Parquet begins.
std::string Sibling(const std::string& path) { return path + ".partial"; }

// The permissions of the file that is replaced, or those of a new one.
mode_t ModeFor(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0640;
}

}  // namespace

size_t TerminalWidth() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0) return 0;
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

Result<std::unique_ptr<SqlOutput>> SqlOutput::Open(os::Random& random, const std::string& format,
                                                   const std::string& out) {
  std::unique_ptr<SqlOutput> output(new SqlOutput);
  output->out_ = out;
  output->parquet_ = format == "parquet";
  output->place_ = Followed(out);
  if (!out.empty() && IsPlainFileOrNone(output->place_)) {
    output->partial_ =
        os::JoinPath(os::ParentOf(output->place_), fmt::format(".tarn-sql-{:016x}", random.Next()));
  }
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
  std::remove(Sibling(partial_).c_str());
}

Status SqlOutput::Begin() {
  if (out_.empty()) return {};
  if (partial_.empty() && parquet_)
    return InvalidArgument(fmt::format("{}: Parquet needs a plain file", out_));
  if (partial_.empty()) {
    file_ = std::fopen(place_.c_str(), "w");
  } else {
    // Until it is whole, its owner alone reads it.
    const std::string begun = parquet_ ? Sibling(partial_) : partial_;
    const int fd = open(begun.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) file_ = fdopen(fd, "w");
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
  if (results_ == 0) {
    Discard();
    return InvalidArgument(fmt::format("there is no statement; {} is left as it was", out_));
  }
  Status written = partial_.empty() ? Close() : PutInPlace(files);
  if (!written.ok()) Discard();
  return written;
}

Status SqlOutput::Close() {
  bool good = std::fflush(file_) == 0;
  if (good && !partial_.empty()) good = fsync(fileno(file_)) == 0;
  const int error = errno;
  if (std::fclose(std::exchange(file_, nullptr)) != 0 && good)
    return os::SystemError("write", out_, errno);
  return good ? Status() : os::SystemError("write", out_, error);
}

Status SqlOutput::PutInPlace(os::FileSystem& files) {
  TARN_TRY(Close());
  (void)chmod(partial_.c_str(), ModeFor(place_));  // where that cannot be said, it stays private
  TARN_TRY(files.Rename(partial_, place_));
  const std::string folder = os::ParentOf(place_);
  return files.SyncDirectory(folder.empty() ? "." : folder);
}

}  // namespace tarn::app
