#include "app/sql_prompt.h"

#include <fmt/format.h>
#include <histedit.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <clocale>
#include <cstdio>
#include <set>
#include <utility>

#include "app/result_writer.h"
#include "app/sql_output.h"
#include "sql/script.h"

namespace tarn::app {
namespace {

constexpr uint64_t kMostRows = 10'000;

constexpr const char* kHelp =
    "  \\d            tables\n"
    "  \\d TABLE      columns of a table\n"
    "  \\x            rows as records, or as a table again\n"
    "  \\q, Ctrl-D    leave\n"
    "A statement ends with ';' and may take many lines. Ctrl-C cancels what runs, or drops what\n"
    "is typed; twice, while a query runs, leaves. Tab completes; the arrows walk through the "
    "history.\n";

constexpr const char* kKeywords[] = {
    "SELECT",  "FROM",    "WHERE", "GROUP BY", "ORDER BY", "LIMIT",    "HAVING",   "JOIN",
    "LEFT",    "USING",   "ON",    "AND",      "OR",       "NOT",      "NULL",     "IS",
    "IN",      "LIKE",    "AS",    "WITH",     "DISTINCT", "COUNT(*)", "DESCRIBE", "SHOW TABLES",
    "EXPLAIN", "BETWEEN", "CASE",  "WHEN",     "THEN",     "ELSE",     "END",      "DESC"};

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// What Tab offers: keywords, functions, tables, and the columns of every table.
class Words {
 public:
  explicit Words(sql::TableResolver& tables) {
    for (const char* keyword : kKeywords) words_.insert(keyword);
    const auto names = tables.List();
    if (!names.ok()) return;  // the prompt works without
    for (const sql::TableName& name : *names) {
      words_.insert(name.schema + "." + name.name);
      const auto table = tables.Describe({name});
      if (!table.ok()) continue;
      for (const event::Field& field : table->front().schema.fields) words_.insert(field.name);
    }
    for (const std::string_view name : sql::FunctionNames()) {
      if (std::isalpha(static_cast<unsigned char>(name.front())) != 0) words_.emplace(name);
    }
  }

  // The words that begin like `start`, whatever the case.
  std::vector<std::string> Matching(const std::string& start) const {
    std::vector<std::string> matching;
    for (const std::string& word : words_) {
      if (Lower(word).starts_with(Lower(start))) matching.push_back(word);
    }
    return matching;
  }

 private:
  std::set<std::string> words_;
};

std::string CommonStart(const std::vector<std::string>& words) {
  std::string common = words.front();
  for (const std::string& word : words) {
    size_t same = 0;
    while (same < common.size() && same < word.size() && common[same] == word[same]) ++same;
    common.resize(same);
  }
  return common;
}

void PrintInColumns(const std::vector<std::string>& words) {
  size_t widest = 0;
  for (const std::string& word : words) widest = std::max(widest, word.size() + 2);
  const size_t in_line = std::max<size_t>(1, TerminalWidth() / widest);
  for (size_t i = 0; i < words.size(); ++i) {
    if (i % in_line == 0) std::fputc('\n', stdout);
    fmt::print("{:<{}}", words[i], widest);
  }
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

// What libedit's callbacks see.
struct Typed {
  const Words words;
  sql::ScriptReader statement;  // the lines so far
  bool dropped = false;         // by Ctrl-C
};

Typed& TypedOf(EditLine* editor) {
  void* data = nullptr;
  el_get(editor, EL_CLIENTDATA, &data);
  return *static_cast<Typed*>(data);
}

// Ctrl-C.
unsigned char Drop(EditLine* editor, int /*key*/) {
  TypedOf(editor).dropped = true;
  return CC_EOF;
}

unsigned char Complete(EditLine* editor, int /*key*/) {
  const LineInfo* line = el_line(editor);
  const std::string before(line->buffer, static_cast<size_t>(line->cursor - line->buffer));
  const size_t space = before.find_last_of(" \t,()=<>");
  const std::string start = space == std::string::npos ? before : before.substr(space + 1);
  const auto matching = TypedOf(editor).words.Matching(start);
  if (start.empty() || matching.empty()) return CC_REFRESH_BEEP;
  const std::string common = CommonStart(matching);
  if (common.size() > start.size() || matching.size() == 1) {
    el_deletestr(editor, static_cast<int>(start.size()));
    const std::string whole = matching.size() == 1 ? matching.front() + " " : common;
    el_insertstr(editor, whole.c_str());
    return CC_REFRESH;
  }
  PrintInColumns(matching);
  return CC_REDISPLAY;
}

char* Prompt(EditLine* editor) {
  static char first[] = "tarn> ";
  static char more[] = "  ... ";
  const sql::ScriptReader& statement = TypedOf(editor).statement;
  return statement.pending() || statement.quoted() ? more : first;
}

// libedit's handles, given back in order.
struct Editor {
  explicit Editor(const std::string& history_path) : path(history_path) {
    history = history_init();
    editor = el_init("tarn", stdin, stdout, stderr);
    HistEvent event;
    ::history(history, &event, H_SETSIZE, 1000);
    ::history(history, &event, H_SETUNIQUE, 1);
    ::history(history, &event, H_LOAD, path.c_str());
    el_set(editor, EL_PROMPT, Prompt);
    el_set(editor, EL_EDITOR, "emacs");
    el_set(editor, EL_SIGNAL, 1);
    el_set(editor, EL_HIST, ::history, history);
    el_set(editor, EL_ADDFN, "complete", "complete a word", Complete);
    el_set(editor, EL_BIND, "^I", "complete", nullptr);
    el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    el_source(editor, nullptr);  // the user's ~/.editrc
    el_set(editor, EL_ADDFN, "drop", "drop what is typed", Drop);
    el_set(editor, EL_BIND, "^C", "drop", nullptr);
    el_set(editor, EL_BIND, "-a", "^C", "drop", nullptr);
  }
  ~Editor() {
    el_end(editor);
    history_end(history);
  }
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  const std::string path;
  History* history = nullptr;
  EditLine* editor = nullptr;
};

// While it lives, Ctrl-C is a key: a signal could come between two reads and be lost. It begins
// before libedit shows the prompt, which is before libedit sets the terminal.
class InterruptKey {
 public:
  InterruptKey() {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios without = before_;
    without.c_cc[VINTR] = _POSIX_VDISABLE;
    tcsetattr(STDIN_FILENO, TCSANOW, &without);
    set_ = true;
  }
  ~InterruptKey() {
    if (set_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  InterruptKey(const InterruptKey&) = delete;
  InterruptKey& operator=(const InterruptKey&) = delete;

 private:
  termios before_{};
  bool set_ = false;
};

// The loop over what is typed.
class PromptLoop {
 public:
  explicit PromptLoop(const PromptParts& parts)
      : parts_(parts),
        typed_{Words(parts.tables), {}, false},
        editor_(os::JoinPath(parts.project.state_folder, "sql_history")) {
    el_set(editor_.editor, EL_CLIENTDATA, &typed_);
  }

  void Loop() {
    for (;;) {
      std::string line;
      const Read read = ReadLine(line);
      if (read == Read::kEnd) return;
      if (read == Read::kInterrupted) {
        typed_.statement.Clear();
        entered_.clear();
      } else if (!Take(line)) {
        return;
      }
    }
  }

 private:
  enum class Read { kLine, kInterrupted, kEnd };

  Read ReadLine(std::string& line) {
    int count = 0;
    const InterruptKey key;
    const char* text = el_gets(editor_.editor, &count);
    if (text != nullptr && count > 0) {
      line.assign(text, static_cast<size_t>(count));
      return Read::kLine;
    }
    std::fputc('\n', stdout);
    if (!std::exchange(typed_.dropped, false)) return Read::kEnd;
    el_reset(editor_.editor);
    return Read::kInterrupted;
  }

  // False: leave.
  bool Take(std::string line) {
    if (line.ends_with('\n')) line.pop_back();
    const std::string typed = line;  // blanks at its end may be part of a text
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) {
      line.pop_back();
    }
    if (!typed_.statement.pending()) {
      const std::string word = Lower(line.ends_with(';') ? line.substr(0, line.size() - 1) : line);
      if (word == "\\q" || word == "exit" || word == "quit" || word == ".exit" || word == ".quit") {
        return false;
      }
      if (Command(word)) {
        Remember(line);
        return true;
      }
    }
    // A statement of several lines is one history entry, in one line where its lines' ends mean
    // nothing.
    if (!entered_.empty()) entered_ += line_end_;
    typed_.statement.AddLine(typed);
    auto statement = typed_.statement.Next();
    entered_ += typed_.statement.quoted() ? typed : line;
    for (; statement; statement = typed_.statement.Next()) {
      Remember(std::exchange(entered_, ""));
      RunOne(statement->text);
    }
    const bool quoted = typed_.statement.quoted();
    if (!typed_.statement.pending() && !quoted) entered_.clear();
    line_end_ = quoted || line.find("--") != std::string::npos ? '\n' : ' ';
    return true;
  }

  // The commands that are no SQL; false: it is none.
  bool Command(const std::string& word) {
    if (word == "\\?" || word == "\\h" || word == "help" || word == ".help") {
      std::fputs(kHelp, stdout);
    } else if (word == "\\d" || word == "\\dt" || word == ".tables") {
      RunOne("SHOW TABLES");
    } else if (word.starts_with("\\d ")) {
      RunOne("DESCRIBE " + word.substr(3));
    } else if (word == "\\x") {
      records_ = !records_;
      fmt::print("{}\n", records_ ? "Rows are shown as records." : "Rows are shown as a table.");
    } else if (word.starts_with('\\') || word.starts_with('.')) {
      fmt::print(stderr, "there is no command '{}'; \\? lists them\n", word);
    } else {
      return false;
    }
    return true;
  }

  // Saved at once: the prompt may be ended by a signal.
  void Remember(const std::string& entry) {
    if (entry.empty()) return;
    HistEvent event;
    ::history(editor_.history, &event, H_ENTER, entry.c_str());
    ::history(editor_.history, &event, H_SAVE, editor_.path.c_str());
  }

  void RunOne(const std::string& statement) {
    const int64_t started = parts_.machine.clock.MonotonicMicros();
    Status done;
    {
      const Interrupter::Guard running(parts_.interrupter, Interrupter::When::kInterrupted,
                                       [this] { parts_.session.Interrupt(); });
      const auto result = parts_.session.Run(statement);
      if (!result.ok()) done = result.error();
      if (result.ok()) {
        done = WriteResult(**result, {ResultFormat::kTable, kMostRows, TerminalWidth(), records_},
                           stdout);
      }
    }
    const auto micros = static_cast<double>(parts_.machine.clock.MonotonicMicros() - started);
    std::fflush(stdout);
    if (!done.ok()) {
      fmt::print(stderr, "{}\n", done.error().message());
    } else if (micros > 1e5) {
      fmt::print("{:.1f} s\n", micros / 1e6);
    }
  }

  const PromptParts& parts_;
  Typed typed_;
  Editor editor_;
  std::string entered_;
  char line_end_ = ' ';  // what the end of the last line is in the history
  bool records_ = false;
};

}  // namespace

Status RunPrompt(const PromptParts& parts) {
  TARN_TRY(parts.machine.files.CreateDirectories(parts.project.state_folder));
  // Letters beyond ASCII are typed as what they are.
  const char* locale = setlocale(LC_CTYPE, "");
  if (locale == nullptr || std::string_view(locale) == "C") setlocale(LC_CTYPE, "C.UTF-8");
  parts.interrupter.AtPrompt();
  fmt::print("{}: SQL ends with ';'. Tab completes, \\d lists tables, \\? helps, \\q leaves.\n",
             parts.project.name);
  PromptLoop(parts).Loop();
  return {};
}

}  // namespace tarn::app
