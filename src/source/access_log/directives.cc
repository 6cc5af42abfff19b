#include "source/access_log/directives.h"

#include <fmt/format.h>

#include <optional>

#include "base/text.h"

namespace tarn::access_log {
namespace {

using Class = Directive::Class;
using event::TypeKind;

struct Simple {
  char letter;
  Class kind;
  TypeKind type;
  std::string_view name;
  std::string_view doc;
};

// Directives without an argument. %a, %b and %O may be renamed once the others are known.
constexpr Simple kSimple[] = {
    {'a', Class::kHost, TypeKind::kString, "address", "client address (%a)"},
    {'A', Class::kToken, TypeKind::kString, "local_address", "server address (%A)"},
    {'B', Class::kNumber, TypeKind::kLong, "bytes", "body bytes sent (%B)"},
    {'b', Class::kNumber, TypeKind::kLong, "bytes", "body bytes sent (%b)"},
    {'D', Class::kNumber, TypeKind::kLong, "duration_us", "time to serve, µs (%D)"},
    {'f', Class::kText, TypeKind::kString, "file", "file served (%f)"},
    {'h', Class::kHost, TypeKind::kString, "host", "client name or address (%h)"},
    {'H', Class::kToken, TypeKind::kString, "protocol", "request protocol (%H)"},
    {'k', Class::kNumber, TypeKind::kLong, "keepalive_requests",
     "requests before on this connection (%k)"},
    {'l', Class::kToken, TypeKind::kString, "ident", "remote logname (%l)"},
    {'L', Class::kToken, TypeKind::kString, "error_log_id", "id of the error log line (%L)"},
    {'m', Class::kToken, TypeKind::kString, "method", "request method (%m)"},
    {'p', Class::kNumber, TypeKind::kInt, "port", "canonical port of the server (%p)"},
    {'P', Class::kNumber, TypeKind::kLong, "pid", "process id (%P)"},
    {'q', Class::kQuery, TypeKind::kString, "query", "query string without '?' (%q)"},
    {'r', Class::kText, TypeKind::kString, "request",
     "first line of the request (%r), where method, path, query and protocol do not give it back"},
    {'R', Class::kToken, TypeKind::kString, "handler", "handler of the response (%R)"},
    {'s', Class::kNumber, TypeKind::kInt, "status", "status (%s)"},
    {'t', Class::kTime, TypeKind::kTimestamptz, "time", "time of the request (%t)"},
    {'T', Class::kNumber, TypeKind::kLong, "duration_s", "time to serve, seconds (%T)"},
    {'u', Class::kUser, TypeKind::kString, "user", "remote user (%u)"},
    {'U', Class::kUri, TypeKind::kString, "path", "path requested, percent-decoded (%U)"},
    {'v', Class::kToken, TypeKind::kString, "vhost", "canonical server name (%v)"},
    {'V', Class::kToken, TypeKind::kString, "server_name", "server name by UseCanonicalName (%V)"},
    {'X', Class::kChar, TypeKind::kString, "connection", "X aborted, + kept alive, - closed (%X)"},
    {'I', Class::kNumber, TypeKind::kLong, "bytes_in", "bytes received (%I)"},
    {'O', Class::kNumber, TypeKind::kLong, "bytes_out", "bytes sent with headers (%O)"},
    {'S', Class::kNumber, TypeKind::kLong, "bytes_total", "bytes received and sent (%S)"},
};

struct WithWord {
  std::string_view word;  // lower case
  char letter;
  Class kind;
  TypeKind type;
  std::string_view name;
};
constexpr WithWord kWithWord[] = {
    {"c", 'a', Class::kHost, TypeKind::kString, "peer"},
    {"c", 'h', Class::kHost, TypeKind::kString, "peer_name"},
    {"canonical", 'p', Class::kNumber, TypeKind::kInt, "port"},
    {"local", 'p', Class::kNumber, TypeKind::kInt, "local_port"},
    {"remote", 'p', Class::kNumber, TypeKind::kInt, "remote_port"},
    {"pid", 'P', Class::kNumber, TypeKind::kLong, "pid"},
    {"tid", 'P', Class::kNumber, TypeKind::kLong, "tid"},
    {"hextid", 'P', Class::kHex, TypeKind::kLong, "tid"},
    {"s", 'T', Class::kNumber, TypeKind::kLong, "duration_s"},
    {"ms", 'T', Class::kNumber, TypeKind::kLong, "duration_ms"},
    {"us", 'T', Class::kNumber, TypeKind::kLong, "duration_us"},
    {"c", 'L', Class::kToken, TypeKind::kString, "connection_log_id"},
    // mod_ssl's older form of %{SSL_…}x.
    {"version", 'c', Class::kText, TypeKind::kString, "ssl_protocol"},
    {"cipher", 'c', Class::kText, TypeKind::kString, "ssl_cipher"},
    {"subjectdn", 'c', Class::kText, TypeKind::kString, "ssl_client_s_dn"},
    {"clientcert", 'c', Class::kText, TypeKind::kString, "ssl_client_s_dn"},
    {"issuerdn", 'c', Class::kText, TypeKind::kString, "ssl_client_i_dn"},
    {"cacert", 'c', Class::kText, TypeKind::kString, "ssl_client_i_dn"},
    {"errcode", 'c', Class::kText, TypeKind::kString, "ssl_errcode"},
    {"errstr", 'c', Class::kText, TypeKind::kString, "ssl_errstr"},
};

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

// A header, cookie or variable name as part of a column name.
std::string Word(std::string_view text) {
  std::string out = Lower(text);
  for (char& c : out) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) c = '_';
  }
  return out;
}

class Reader {
 public:
  explicit Reader(std::string_view format) : format_(format) {}

  Result<std::vector<Directive>> Read() {
    while (at_ < format_.size()) {
      if (format_[at_] == '%') {
        TARN_TRY(ReadDirective());
      } else if (format_[at_] == '\\' && at_ + 1 < format_.size()) {
        ReadEscape();
      } else {
        Literal(format_[at_++]);
      }
    }
    if (!out_.empty() && out_.back().kind == Class::kLiteral) {
      auto& last = out_.back().literal;
      while (!last.empty() && (last.back() == '\n' || last.back() == '\r')) last.pop_back();
      if (last.empty()) out_.pop_back();
    }
    return std::move(out_);
  }

 private:
  void Literal(char c) {
    if (out_.empty() || out_.back().kind != Class::kLiteral) out_.push_back({});
    out_.back().literal.push_back(c);
  }

  void ReadEscape() {
    const char c = format_[at_ + 1];
    at_ += 2;
    switch (c) {
      case 'n':
        return Literal('\n');
      case 't':
        return Literal('\t');
      case 'r':
        return Literal('\r');
      case '"':
      case '\'':
      case '\\':
        return Literal(c);
      default:
        Literal('\\');
        Literal(c);
    }
  }

  Error At(size_t position, std::string_view what) const {
    return InvalidArgument(fmt::format("log format, position {}: {}", position + 1, what));
  }

  Status ReadDirective() {
    const size_t begin = at_++;
    Directive item;
    item.position = begin + 1;
    std::string argument;
    bool has_argument = false;
    for (; at_ < format_.size(); ++at_) {
      const char c = format_[at_];
      if (c == '<' || c == '>') {
        item.modifier = c;
      } else if (c == '{') {
        const size_t close = format_.find('}', at_);
        if (close == std::string_view::npos) return At(at_, "'{' has no '}'");
        argument = format_.substr(at_ + 1, close - at_ - 1);
        has_argument = true;
        at_ = close;
      } else if (c != '!' && c != ',' && (c < '0' || c > '9')) {
        break;
      }
    }
    if (at_ == format_.size()) return At(begin, "the format ends inside a directive");
    const char letter = format_[at_++];
    if (letter == '%' && !has_argument) {
      Literal('%');
      return {};
    }
    if (letter == '^') {
      TARN_TRY(ReadLongName(argument, item));
    } else {
      TARN_TRY(Describe(letter, has_argument ? &argument : nullptr, item));
    }
    item.spelling = format_.substr(begin, at_ - begin);
    if (item.doc.empty()) item.doc = item.spelling;
    out_.push_back(std::move(item));
    return {};
  }

  // What follows a '^'.
  Status ReadLongName(const std::string& argument, Directive& item) {
    const std::string_view name = format_.substr(at_, 2);
    if (name == "FB") {
      item.kind = Class::kNumber;
      item.type = TypeKind::kLong;
      item.name = "first_byte_us";
      item.doc = "time to the first byte of the answer, µs (%^FB)";
    } else if (name == "ti" || name == "to") {
      if (argument.empty()) {
        return At(item.position - 1, fmt::format("%^{0} needs a name: %{{NAME}}^{0}", name));
      }
      item.kind = Class::kText;
      item.list = true;
      item.name = (name == "ti" ? "trailer_" : "response_trailer_") + Word(argument);
    } else {
      return At(at_ - 1, fmt::format("there is no directive %^{}; known are ^FB, {{NAME}}^ti and "
                                     "{{NAME}}^to",
                                     name));
    }
    at_ += 2;
    return {};
  }

  static std::string Unknown(std::string_view directive) {
    std::string message = fmt::format("there is no directive %{}", directive);
    const char letter = directive.empty() ? ' ' : directive.front();
    const char other = static_cast<char>(letter ^ 32);
    for (const auto& simple : kSimple) {
      if (simple.letter == other) return message + DidYouMean(fmt::format("%{}", other));
    }
    for (const char with_argument : {'C', 'e', 'i', 'n', 'o', 'x'}) {
      if (with_argument == other) return message + DidYouMean(fmt::format("%{{NAME}}{}", other));
    }
    return message +
           "; known are aAbBDfhHklLmpPqrRstTuUvVXIOS, ^FB and {NAME} with "
           "acCehinopPtTLx, ^ti and ^to";
  }

  Status Describe(char letter, const std::string* argument, Directive& item) const {
    const bool named = argument != nullptr && !argument->empty();
    if (letter == 't' && named) return DescribeTime(*argument, item);
    if ((letter == 'c' || letter == 'x') && !named) {
      return At(item.position - 1,
                fmt::format("Apache has no %{0} without an argument: %{{NAME}}{0}", letter));
    }
    if (std::string_view("Ceinox").find(letter) != std::string_view::npos) {
      if (!named) {
        return At(item.position - 1, fmt::format("%{0} needs a name: %{{NAME}}{0}", letter));
      }
      DescribeNamed(letter, *argument, item);
      return {};
    }
    if (named) return DescribeWord(letter, *argument, item);
    for (const auto& simple : kSimple) {
      if (simple.letter != letter) continue;
      item.kind = simple.kind;
      item.type = simple.type;
      item.name = simple.name;
      item.doc = simple.doc;
      return {};
    }
    return At(item.position - 1, Unknown(std::string_view(&letter, 1)));
  }

  static void DescribeNamed(char letter, const std::string& argument, Directive& item) {
    const std::string word = Word(argument);
    item.kind = Class::kText;
    item.list = letter == 'i' || letter == 'o';
    switch (letter) {
      case 'C':
        item.name = "cookie_" + word;
        break;
      case 'e':
        item.name = "env_" + word;
        break;
      case 'n':
        item.name = "note_" + word;
        break;
      case 'o':
        item.name = "response_header_" + word;
        break;
      case 'x':  // nearly all of mod_ssl's variables begin with SSL_
        item.name = word.starts_with("ssl_") ? word : "ssl_" + word;
        break;
      default:
        item.name = word == "referer"      ? "referer"
                    : word == "user_agent" ? "agent"
                                           : "header_" + word;
    }
  }

  Status DescribeWord(char letter, const std::string& argument, Directive& item) const {
    const std::string lower = Lower(argument);
    std::vector<std::string_view> words;
    for (const auto& known : kWithWord) {
      if (known.letter != letter) continue;
      words.push_back(known.word);
      if (known.word != lower) continue;
      item.kind = known.kind;
      item.type = known.type;
      item.name = known.name;
      return {};
    }
    if (words.empty()) {
      const auto is_this = [letter](const Simple& simple) { return simple.letter == letter; };
      if (std::none_of(std::begin(kSimple), std::end(kSimple), is_this)) {
        return At(item.position - 1, Unknown(std::string_view(&letter, 1)));
      }
      return At(item.position - 1, fmt::format("%{} takes no {{argument}}", letter));
    }
    std::string message = fmt::format("%{{{}}}{} is unknown", argument, letter);
    if (const auto near = NearestWord(lower, words)) {
      message += DidYouMean(fmt::format("%{{{}}}{}", *near, letter));
    } else {
      message += "; known are";
      for (const auto word : words) message += fmt::format(" %{{{}}}{}", word, letter);
    }
    return At(item.position - 1, message);
  }

  static Status DescribeTime(std::string argument, Directive& item) {
    if (argument == "begin" || argument.starts_with("begin:")) {
      argument.erase(0, 6);
    } else if (argument == "end" || argument.starts_with("end:")) {
      argument.erase(0, 4);
      item.end_time = true;
    }
    item.name = item.end_time ? "end_time" : "time";
    item.type = TypeKind::kTimestamptz;
    item.doc = item.end_time ? "time of the answer's end" : "time of the request";
    item.kind = argument.empty() ? Class::kTime : Class::kTimeFormat;
    item.argument = argument;
    return {};
  }

  std::string_view format_;
  size_t at_ = 0;
  std::vector<Directive> out_;
};

// With any modifier, if none is given.
Directive* FindName(std::vector<Directive>& items, std::string_view name,
                    std::optional<char> modifier = std::nullopt) {
  for (auto& item : items) {
    if (item.kind == Class::kLiteral || item.name != name) continue;
    if (!modifier || item.modifier == *modifier) return &item;
  }
  return nullptr;
}

// The standard columns take what stands for them: %a is the host where there is no %h, %V the
// vhost where there is no %v, %O the bytes where there is no %b.
void NameStandIns(std::vector<Directive>& items) {
  static constexpr std::pair<std::string_view, std::string_view> kStandIns[] = {
      {"host", "address"},
      {"host", "peer"},
      {"host", "peer_name"},
      {"vhost", "server_name"},
      {"bytes", "bytes_out"}};
  for (const auto& [name, stand_in] : kStandIns) {
    if (FindName(items, name) != nullptr) continue;
    if (auto* item = FindName(items, stand_in)) item->name = name;
  }
}

// One name may be asked for before and after an internal redirect, or of two headers that spell
// alike. The status proper is the final one; otherwise the one without a modifier keeps the name.
void SeparateNames(std::vector<Directive>& items) {
  for (auto& item : items) {
    if (item.kind == Class::kLiteral || item.modifier == 0 || item.type == TypeKind::kTimestamptz) {
      continue;
    }
    if (item.modifier == '<') {
      if (FindName(items, item.name, '\0') || FindName(items, item.name, '>')) {
        item.name = "original_" + item.name;
      }
    } else if (item.name == "status") {
      // What %s means: before redirects.
      while (auto* plain = FindName(items, "status", '\0')) plain->name = "original_status";
    } else if (FindName(items, item.name, '\0')) {
      item.name = "final_" + item.name;
    }
  }
}

}  // namespace

Result<std::vector<Directive>> ReadLogFormat(std::string_view format) {
  TARN_ASSIGN_OR_RETURN(auto items, Reader(format).Read());
  NameStandIns(items);
  SeparateNames(items);
  return items;
}

}  // namespace tarn::access_log
