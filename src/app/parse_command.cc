#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "app/command.h"
#include "app/command_line.h"
#include "app/file_place.h"
#include "app/interrupter.h"
#include "app/out_file.h"
#include "app/text_table.h"
#include "base/text.h"
#include "codec/decoding_reader.h"
#include "os/posix_file_system.h"
#include "source/access_log/parse_stream.h"

namespace tarn::app {
namespace {

struct ParseOptions {
  std::string format = "combined";
  std::vector<std::string> files;
  std::string out;
  std::string rejects;
};

using FilePtr = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// We write in large pieces of our own.
void Unbuffer(std::FILE* file) { std::setvbuf(file, nullptr, _IONBF, 0); }

Result<FilePtr> OpenInput(const std::string& path) {
  FilePtr file(std::fopen(path.c_str(), "r"), std::fclose);
  if (!file) return os::SystemError("open", path, errno);
  return file;
}

Status WriteAll(std::FILE* out, std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), out) == bytes.size() && std::fflush(out) == 0) {
    return {};
  }
  return os::SystemError("write", "the output", errno);
}

// Progress on a terminal, four times a second.
class Progress {
 public:
  Progress(const os::Clock& clock, std::string name) : clock_(clock), name_(std::move(name)) {}

  void Show(const access_log::ParseCounts& counts) {
    const int64_t now = clock_.MonotonicMicros();
    if (now - shown_ < 250'000) return;
    shown_ = now;
    const double seconds = static_cast<double>(now - started_) / 1e6;
    fmt::print(stderr, "\r\x1b[K{}: {} lines, {}, {}/s", name_,
               GroupDigits(static_cast<int64_t>(counts.lines)), FormatBytes(counts.bytes),
               FormatBytes(static_cast<uint64_t>(static_cast<double>(counts.bytes) / seconds)));
    drawn_ = true;
  }
  ~Progress() {
    if (drawn_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  const os::Clock& clock_;
  const std::string name_;
  const int64_t started_ = clock_.MonotonicMicros();
  int64_t shown_ = started_;
  bool drawn_ = false;
};

// What is read, unpacked if need be; and whether its beginning is that of no text.
class Input {
 public:
  Input(std::string name, int file)
      : name_(std::move(name)),
        file_(file),
        reader_([file](std::span<char> buffer) { return ReadSome(file, buffer); }) {}

  Result<size_t> Read(std::span<char> buffer) {
    auto count = reader_.Read(buffer);
    if (!count.ok()) return std::move(count).error().In(name_);
    if (!std::exchange(begun_, true)) {
      binary_ = std::memchr(buffer.data(), '\0', *count) != nullptr;
    }
    return count;
  }
  // A pipe or a terminal that has nothing to read at present.
  bool waits() const {
    pollfd wanted{file_, POLLIN, 0};
    return poll(&wanted, 1, 0) == 0;
  }
  const std::string& name() const { return name_; }
  bool binary() const { return binary_; }

 private:
  // What there is at present, at least a byte before the end.
  static Result<size_t> ReadSome(int file, std::span<char> buffer) {
    for (;;) {
      const ssize_t count = read(file, buffer.data(), buffer.size());
      if (count >= 0) return static_cast<size_t>(count);
      if (errno != EINTR) return os::SystemError("read", "it", errno);
    }
  }

  const std::string name_;
  const int file_;
  codec::DecodingReader reader_;
  bool begun_ = false;
  bool binary_ = false;
};

// Where lines go; lines are counted also before an error.
struct Outputs {
  std::FILE* lines = nullptr;
  std::FILE* rejects = nullptr;  // null: only counted
  uint64_t parsed = 0;
  uint64_t rejected = 0;
};

Status ParseOne(Context& context, const access_log::Format& format, Input& input,
                Outputs& outputs) {
  Progress progress(context.machine.clock, input.name());
  const bool show = isatty(STDERR_FILENO) != 0 && isatty(fileno(outputs.lines)) == 0;
  access_log::ParseCounts seen;
  access_log::ParseStreamIo io;
  io.read = [&input](std::span<char> buffer) { return input.Read(buffer); };
  io.waits = [&input] { return input.waits(); };
  io.write = [&outputs](std::string_view bytes) { return WriteAll(outputs.lines, bytes); };
  if (outputs.rejects != nullptr) {
    io.reject = [&outputs, &input](uint64_t number, std::string_view line,
                                   std::string_view reason) {
      std::string text = fmt::format("{}:{}: {}: ", input.name(), number, reason);
      text.append(line).push_back('\n');
      return WriteAll(outputs.rejects, text);
    };
  }
  io.progress = [&progress, &seen, show](const access_log::ParseCounts& counts) -> Status {
    seen = counts;
    if (show) progress.Show(counts);
    return {};
  };
  const auto counts = access_log::ParseStream(format, io);
  if (counts.ok()) seen = *counts;
  outputs.parsed += seen.parsed;
  outputs.rejected += seen.rejected;
  // A log that begins with NUL bytes, as one cut by copytruncate may, still has lines that fit.
  if (counts.ok() && seen.parsed == 0 && input.binary())
    return InvalidArgument(
        fmt::format("{} is no text; gzip and zstd are unpacked, nothing else is", input.name()));
  return counts.ok() ? Status() : counts.error();
}

Status ParseFiles(Context& context, const access_log::Format& format,
                  const std::vector<std::string>& paths, Outputs& outputs) {
  for (const std::string& path : paths) {
    FilePtr in(stdin, [](std::FILE*) { return 0; });
    if (path != "-") {
      TARN_ASSIGN_OR_RETURN(in, OpenInput(path));
    }
    Input input(path == "-" ? "standard input" : path, fileno(in.get()));
    TARN_TRY(ParseOne(context, format, input, outputs));
  }
  if (std::fflush(outputs.lines) != 0) return os::SystemError("write", "the output", errno);
  return {};
}

struct NamedFile {
  std::string said;      // "--out a.log"
  std::string identity;  // as FileIdentity
};

// Refuses what would destroy an input or mix two outputs; before anything is opened for writing.
Status RequireApart(const ParseOptions& options) {
  std::vector<NamedFile> outputs;
  outputs.push_back(options.out.empty()
                        ? NamedFile{"standard output", FileIdentity(STDOUT_FILENO)}
                        : NamedFile{"--out " + options.out, FileIdentity(options.out)});
  if (!options.rejects.empty())
    outputs.push_back({"--rejects " + options.rejects, FileIdentity(options.rejects)});
  for (const std::string& file : options.files) {
    const std::string input = file == "-" ? FileIdentity(STDIN_FILENO) : FileIdentity(file);
    for (const NamedFile& output : outputs) {
      if (input.empty() || input != output.identity) continue;
      return InvalidArgument(fmt::format("{} is the input {}; write to another file", output.said,
                                         file == "-" ? "itself" : file));
    }
  }
  if (outputs.size() == 2 && !outputs[0].identity.empty() &&
      outputs[0].identity == outputs[1].identity) {
    return InvalidArgument(
        fmt::format("{} and {} are one file; give each its own", outputs[0].said, outputs[1].said));
  }
  return {};
}

// The files that are written, if any; they are left alone unless all was read that can be.
class OutFiles {
 public:
  OutFiles(os::Random& random, const ParseOptions& options) {
    if (!options.out.empty()) out_.emplace(random, options.out);
    if (!options.rejects.empty()) rejects_.emplace(random, options.rejects);
  }

  bool any() const { return out_ || rejects_; }
  Status Begin() {
    for (OutFile* file : files()) {
      TARN_TRY(file->Begin());
      Unbuffer(file->stream());
    }
    return {};
  }
  Outputs outputs() const {
    return {out_ ? out_->stream() : stdout, rejects_ ? rejects_->stream() : nullptr};
  }
  Status Finish(os::FileSystem& file_system) {
    for (OutFile* file : files()) {
      if (Status finished = file->Finish(file_system); !finished.ok()) {
        Discard();
        return finished;
      }
    }
    return {};
  }
  void Discard() {
    for (const OutFile* file : files()) file->Discard();
  }

 private:
  std::vector<OutFile*> files() {
    std::vector<OutFile*> files;
    if (out_) files.push_back(&*out_);
    if (rejects_) files.push_back(&*rejects_);
    return files;
  }

  std::optional<OutFile> out_;
  std::optional<OutFile> rejects_;
};

Status Parse(Context& context, ParseOptions options) {
  TARN_ASSIGN_OR_RETURN(const auto format, access_log::Format::Compile(options.format));
  if (options.files.empty()) options.files = {"-"};
  TARN_TRY(RequireApart(options));
  TARN_TRY(RequireOutsideProjects(context.machine.files, "--out", options.out));
  TARN_TRY(RequireOutsideProjects(context.machine.files, "--rejects", options.rejects));
  std::signal(SIGPIPE, SIG_IGN);
  OutFiles files(context.machine.random, options);
  std::optional<Interrupter> interrupter;
  std::optional<Interrupter::Guard> cleaning;
  if (files.any()) {
    interrupter.emplace(Interrupter::CtrlC::kEnds);
    cleaning.emplace(*interrupter, Interrupter::When::kEnding, [&files] { files.Discard(); });
  }
  TARN_TRY(files.Begin());
  Outputs outputs = files.outputs();
  Status done = ParseFiles(context, format, options.files, outputs);
  const bool damaged = !done.ok() && done.error().code() == Code::kDataLoss;
  if (!done.ok() && !damaged) {
    files.Discard();  // while a signal does so as well
    return done;
  }
  TARN_TRY(files.Finish(context.machine.files));
  if (damaged || outputs.rejected > 0) {
    fmt::print(stderr, "{} parsed, {} rejected{}\n",
               Counted(static_cast<int64_t>(outputs.parsed), "line"),
               GroupDigits(static_cast<int64_t>(outputs.rejected)),
               outputs.rejected == 0 || !options.rejects.empty()
                   ? ""
                   : "; --rejects FILE keeps them with the reason");
  }
  return done;
}

}  // namespace

void AddParse(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<ParseOptions>();
  CLI::App* command = app.add_subcommand("parse", "Access log text in, typed JSON lines out");
  command
      ->add_option(std::string(kFileWord), options->files,
                   "Log files, also gzip and zstd; '-' or none is standard input")
      ->type_name("");
  command
      ->add_option(
          "--format", options->format,
          "common, combined, vhost_combined, combined+cookie, error, json, csv:COLUMNS, "
          "tsv:COLUMNS, regex:EXPRESSION, an Apache LogFormat string, or the LogFormat line "
          "of a configuration (docs/access-log-formats.md)")
      ->type_name(std::string(kLogFormatWord))
      ->capture_default_str();
  command
      ->add_option("--out", options->out,
                   "Write JSON lines here once all is read (default: standard output)")
      ->type_name(std::string(kFileWord));
  command
      ->add_option(
          "--rejects", options->rejects,
          "Write lines that do not fit the format here, each with file, number and reason; "
          "without it they are only counted")
      ->type_name(std::string(kFileWord));
  command->footer(
      "Exit status 0 also if lines were rejected; how many is said on standard error. 2 if a file "
      "is no\n"
      "text, 11 if its compressed data is broken or cut. An empty line is no record: it is "
      "skipped.\n"
      "Examples:\n"
      "  tarn parse --format combined access.log > access.jsonl\n"
      "  tarn parse access.log.*.gz --format '%h %l %u %t \"%r\" %>s %b' --rejects bad.txt");
  command->callback([&context, &run, options] {
    run = [&context, options] { return Parse(context, *options); };
  });
}

}  // namespace tarn::app
