#include "app/sql_prompt.h"

#include <fmt/format.h>
#include <histedit.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <set>

#include "app/interrupter.h"
#include "app/result_writer.h"

namespace tarn::app {
namespace {

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

// What Tab offers: keywords, tables, and the columns of every table.
class Words {
 public:
  explicit Words(sql::TableResolver& tables) {
    for (const char* keyword : kKeywords) words_.insert(keyword);
    const auto names = tables.List();
    if (!names.ok()) return;  // the prompt works without
    for (const sql::TableName& name : *names) {
      words_.insert(name.schema + "." + name.name);
      const auto table = tables.Describe(name);
      if (!table.ok()) continue;
      for (const event::Field& field : table->schema.fields) words_.insert(field.name);
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

// What libedit's callbacks see.
struct Typed {
  const Words words;
  std::string statement;  // the lines so far
};

unsigned char Complete(EditLine* editor, int /*key*/) {
  void* data = nullptr;
  el_get(editor, EL_CLIENTDATA, &data);
  const auto* typed = static_cast<const Typed*>(data);
  const LineInfo* line = el_line(editor);
  const std::string before(line->buffer, static_cast<size_t>(line->cursor - line->buffer));
  const size_t space = before.find_last_of(" \t,()=<>");
  const std::string start = space == std::string::npos ? before : before.substr(space + 1);
  const auto matching = typed->words.Matching(start);
  if (start.empty() || matching.empty()) return CC_REFRESH_BEEP;
  const std::string common = CommonStart(matching);
  if (common.size() > start.size() || matching.size() == 1) {
    el_deletestr(editor, static_cast<int>(start.size()));
    const std::string whole = matching.size() == 1 ? matching.front() + " " : common;
    el_insertstr(editor, whole.c_str());
    return CC_REFRESH;
  }
  std::fputc('\n', stdout);
  for (const std::string& word : matching) fmt::print("{}  ", word);
  std::fputc('\n', stdout);
  return CC_REDISPLAY;
}

char* Prompt(EditLine* editor) {
  static char first[] = "tarn> ";
  static char more[] = "  ... ";
  void* data = nullptr;
  el_get(editor, EL_CLIENTDATA, &data);
  return static_cast<const Typed*>(data)->statement.empty() ? first : more;
}

void RunOne(sql::Session& session, const std::string& statement) {
  const auto result = session.Run(statement);
  Status done = result.ok() ? Status() : Status(result.error());
  if (result.ok()) done = WriteResult(**result, ResultFormat::kTable, stdout);
  if (!done.ok()) fmt::print(stderr, "{}\n", done.error().message());
  std::fflush(stdout);
}

// Adds a line; runs the statement once it is complete. False: leave.
bool Feed(sql::Session& session, std::string& statement, std::string line) {
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) {
    line.pop_back();
  }
  if (statement.empty() && (line == "\\q" || line == "exit" || line == "quit")) return false;
  if (statement.empty() && line == "\\d") line = "SHOW TABLES;";
  const bool ends = line.ends_with(';') || line.empty();
  statement += (statement.empty() ? "" : "\n") + line;
  if (!ends) return true;
  while (!statement.empty() && (statement.back() == ';' || statement.back() == '\n')) {
    statement.pop_back();
  }
  if (!statement.empty()) RunOne(session, statement);
  statement.clear();
  return true;
}

void RunPipe(sql::Session& session) {
  std::string statement;
  std::string line;
  while (std::getline(std::cin, line)) {
    if (!Feed(session, statement, line)) return;
  }
  Feed(session, statement, ";");
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
  }
  ~Editor() {
    HistEvent event;
    ::history(history, &event, H_SAVE, path.c_str());
    el_end(editor);
    history_end(history);
  }
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  const std::string path;
  History* history = nullptr;
  EditLine* editor = nullptr;
};

}  // namespace

Status RunPrompt(Machine& machine, const Project& project, sql::Session& session,
                 sql::TableResolver& tables) {
  if (isatty(STDIN_FILENO) == 0) {
    RunPipe(session);
    return {};
  }
  TARN_TRY(machine.files.CreateDirectories(project.state_folder));
  fmt::print("{}: SQL ends with ';'. Tab completes, \\d lists tables, \\q leaves.\n", project.name);
  Typed typed{Words(tables), ""};
  Editor editor(os::JoinPath(project.state_folder, "sql_history"));
  el_set(editor.editor, EL_CLIENTDATA, &typed);
  for (;;) {
    int count = 0;
    const char* line = nullptr;
    int error = 0;
    {
      const Interrupter::Typing typing;
      errno = 0;
      line = el_gets(editor.editor, &count);
      error = errno;
    }
    if (line == nullptr || count <= 0) {
      std::fputc('\n', stdout);
      if (error != EINTR) return {};
      typed.statement.clear();  // Ctrl-C while typing: the line is dropped
      el_reset(editor.editor);
      continue;
    }
    HistEvent event;
    if (count > 1) history(editor.history, &event, H_ENTER, line);
    if (!Feed(session, typed.statement, line)) return {};
  }
}

}  // namespace tarn::app
