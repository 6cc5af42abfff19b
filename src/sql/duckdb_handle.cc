#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "sql/duckdb_handle_internal.h"

namespace tarn::sql {
namespace {

std::string Surrounded(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote) out.push_back(c);
    out.push_back(c);
  }
  out.push_back(quote);
  return out;
}

Code CodeOf(duckdb_error_type type) {
  switch (type) {
    case DUCKDB_ERROR_PERMISSION:
    case DUCKDB_ERROR_SETTINGS:
    case DUCKDB_ERROR_MISSING_EXTENSION:
    case DUCKDB_ERROR_AUTOLOAD:
      return Code::kPermissionDenied;
    case DUCKDB_ERROR_INTERRUPT:
      return Code::kCancelled;
    case DUCKDB_ERROR_OUT_OF_MEMORY:
      return Code::kResourceExhausted;
    case DUCKDB_ERROR_IO:
    case DUCKDB_ERROR_HTTP:
      return Code::kIo;
    case DUCKDB_ERROR_NOT_IMPLEMENTED:
      return Code::kUnsupported;
    case DUCKDB_ERROR_INVALID:  // what a library threw, as zstd over damaged bytes
    case DUCKDB_ERROR_FATAL:
    case DUCKDB_ERROR_INTERNAL:
    case DUCKDB_ERROR_NULL_POINTER:
    case DUCKDB_ERROR_SERIALIZATION:
      return Code::kInternal;
    default:
      return Code::kInvalidArgument;
  }
}

// Sentences that tell people to change settings, up to the end of their line.
constexpr std::array<std::string_view, 6> kAdvice = {
    "Use SET ",
    "Use \"SET ",
    "* SET ",
    "This limit was set by ",
    "By default, this setting ",
    "You can adjust this setting",
};

// Where advice begins in a line, or its end. Within words of the statement, which are shown as
// well, it is none.
size_t AdviceIn(std::string_view line) {
  size_t begin = line.size();
  for (const std::string_view words : kAdvice) {
    const size_t at = line.find(words);
    if (at == 0 || (at != line.npos && line.substr(0, at).ends_with(". "))) {
      begin = std::min(begin, at);
    }
  }
  return begin;
}

// Without advice that nobody can follow here: a query cannot change settings.
std::string WithoutAdvice(std::string_view message) {
  std::string text;
  for (std::string_view line :
       Split(message.substr(0, message.find("\n\nPossible solutions:")), '\n')) {
    const size_t advice = AdviceIn(line);
    if (advice == 0 && !line.empty()) continue;
    if (advice < line.size()) line = line.substr(0, advice - 1);
    text.append(line).push_back('\n');
  }
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

bool DiskIsFull(std::string_view text) {
  return text.find("No space left on device") != text.npos ||
         text.find("Disk quota exceeded") != text.npos;
}

}  // namespace

Error FromDuckdb(duckdb_error_type type, const char* message) {
  std::string text = message == nullptr ? "DuckDB gives no reason" : WithoutAdvice(message);
  if (type == DUCKDB_ERROR_OUT_OF_MEMORY) {
    return ResourceExhausted("the query needs more memory than it may take: " + text);
  }
  if (type == DUCKDB_ERROR_IO && DiskIsFull(text)) {
    return ResourceExhausted("a disk is full: " + text);
  }
  return {CodeOf(type), std::move(text)};
}

Error FromDuckdb(const char* message) {
  struct Prefix {
    std::string_view words;
    duckdb_error_type type;
  };
  constexpr std::array<Prefix, 9> kPrefixes = {{
      {"Permission Error", DUCKDB_ERROR_PERMISSION},
      {"Out of Memory Error", DUCKDB_ERROR_OUT_OF_MEMORY},
      {"INTERRUPT Error", DUCKDB_ERROR_INTERRUPT},
      {"IO Error", DUCKDB_ERROR_IO},
      {"Not implemented Error", DUCKDB_ERROR_NOT_IMPLEMENTED},
      {"INTERNAL Error", DUCKDB_ERROR_INTERNAL},
      {"Invalid Error", DUCKDB_ERROR_INVALID},
      {"FATAL Error", DUCKDB_ERROR_FATAL},
      {"Missing Extension Error", DUCKDB_ERROR_MISSING_EXTENSION},
  }};
  const std::string_view text = message == nullptr ? "" : message;
  for (const Prefix& prefix : kPrefixes) {
    if (text.starts_with(prefix.words)) return FromDuckdb(prefix.type, message);
  }
  return FromDuckdb(DUCKDB_ERROR_INVALID_INPUT, message);
}

Status Execute(duckdb_connection connection, const std::string& sql) {
  ResultHandle result;
  if (duckdb_query(connection, sql.c_str(), result.out()) == DuckDBError) {
    return FromDuckdb(duckdb_result_error_type(result.get()), duckdb_result_error(result.get()));
  }
  return {};
}

Result<std::optional<std::string>> QueryText(duckdb_connection connection, const std::string& sql,
                                             const std::string* parameter) {
  PreparedHandle prepared;
  if (duckdb_prepare(connection, sql.c_str(), prepared.out()) == DuckDBError) {
    return FromDuckdb(duckdb_prepare_error(prepared.get()));
  }
  if (parameter != nullptr) {
    const auto bound =
        duckdb_bind_varchar_length(prepared.get(), 1, parameter->data(), parameter->size());
    if (bound == DuckDBError) return Internal("DuckDB refuses a text parameter");
  }
  ResultHandle result;
  if (duckdb_execute_prepared(prepared.get(), result.out()) == DuckDBError) {
    return FromDuckdb(duckdb_result_error_type(result.get()), duckdb_result_error(result.get()));
  }
  const ChunkHandle chunk(duckdb_fetch_chunk(*result.get()));
  if (!chunk || duckdb_data_chunk_get_size(chunk.get()) != 1) return std::optional<std::string>();
  const duckdb_vector vector = duckdb_data_chunk_get_vector(chunk.get(), 0);
  const uint64_t* validity = duckdb_vector_get_validity(vector);
  if (validity != nullptr && !duckdb_validity_row_is_valid(const_cast<uint64_t*>(validity), 0)) {
    return std::optional<std::string>();
  }
  auto* text = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector));
  return std::optional<std::string>(std::in_place, duckdb_string_t_data(text),
                                    duckdb_string_t_length(*text));
}

std::string Quoted(std::string_view text) { return Surrounded(text, '\''); }
std::string QuotedName(std::string_view name) { return Surrounded(name, '"'); }

}  // namespace tarn::sql
