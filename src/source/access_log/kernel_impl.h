// Built twice: by kernel_baseline.cc (SSE2) and kernel_avx2.cc, which define TARN_KERNEL and, for
// the second, TARN_KERNEL_AVX2. Not a header for anybody else, hence no #pragma once.

namespace tarn::access_log::TARN_KERNEL {

#define TARN_INLINE static inline __attribute__((always_inline))

#ifdef TARN_KERNEL_AVX2
using Block = __m256i;
constexpr ptrdiff_t kBlock = 32;
TARN_INLINE Block Load(const char* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}
TARN_INLINE void Store(char* at, Block block) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), block);
}
TARN_INLINE Block Equal(Block block, char c) {
  return _mm256_cmpeq_epi8(block, _mm256_set1_epi8(c));
}
// Bytes below a space and above 0x7f.
TARN_INLINE Block NotPrintable(Block block) {
  return _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), block);
}
// Bytes that are rare in hosts, or are in none: below '-', from 0x7f on, and what differs from '<'
// in three bits at most: < > \ ^ | ~ and two control characters.
TARN_INLINE Block RareInHosts(Block block) {
  const Block next = _mm256_add_epi8(block, _mm256_set1_epi8(1));  // 0x7f becomes negative
  const Block outside = _mm256_cmpgt_epi8(_mm256_set1_epi8('-' + 1), next);
  const Block masked = _mm256_and_si256(block, _mm256_set1_epi8(static_cast<char>(0x9d)));
  return _mm256_or_si256(outside, Equal(masked, 0x1c));
}
TARN_INLINE Block Or(Block a, Block b) { return _mm256_or_si256(a, b); }
TARN_INLINE uint32_t Bits(Block block) {
  return static_cast<uint32_t>(_mm256_movemask_epi8(block));
}
#else
using Block = __m128i;
constexpr ptrdiff_t kBlock = 16;
TARN_INLINE Block Load(const char* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
TARN_INLINE void Store(char* at, Block block) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(at), block);
}
TARN_INLINE Block Equal(Block block, char c) { return _mm_cmpeq_epi8(block, _mm_set1_epi8(c)); }
TARN_INLINE Block NotPrintable(Block block) { return _mm_cmplt_epi8(block, _mm_set1_epi8(0x20)); }
TARN_INLINE Block RareInHosts(Block block) {
  const Block next = _mm_add_epi8(block, _mm_set1_epi8(1));
  const Block outside = _mm_cmplt_epi8(next, _mm_set1_epi8('-' + 1));
  const Block masked = _mm_and_si128(block, _mm_set1_epi8(static_cast<char>(0x9d)));
  return _mm_or_si128(outside, Equal(masked, 0x1c));
}
TARN_INLINE Block Or(Block a, Block b) { return _mm_or_si128(a, b); }
TARN_INLINE uint32_t Bits(Block block) { return static_cast<uint32_t>(_mm_movemask_epi8(block)); }
#endif

struct Cursor {
  const char* at;
  const char* end;       // of the line
  const char* readable;  // end of what may be loaded
};

// The first of two characters in [at, end); `end` if there is none.
TARN_INLINE const char* FindEither(const char* at, const Cursor& line, char a, char b) {
  while (at + kBlock <= line.readable) {
    const Block block = Load(at);
    const uint32_t bits = Bits(Or(Equal(block, a), Equal(block, b)));
    if (bits != 0) {
      at += std::countr_zero(bits);
      return at < line.end ? at : line.end;
    }
    at += kBlock;
    if (at >= line.end) return line.end;
  }
  while (at < line.end && *at != a && *at != b) ++at;
  return at;
}

TARN_INLINE bool LiteralStands(const Cursor& line, const char* at, const std::string& literal) {
  const size_t size = literal.size();
  if (static_cast<size_t>(line.end - at) < size) return false;
  for (size_t i = 0; i < size; ++i) {
    if (at[i] != literal[i] && !(literal[i] == ' ' && at[i] == '\t')) return false;
  }
  return true;
}

// The next place at or after `at` where the literal stands; nullptr if none.
TARN_INLINE const char* FindLiteral(const char* at, const Cursor& line,
                                    const std::string& literal) {
  const char first = literal.front();
  for (;; ++at) {
    at = FindEither(at, line, first, first == ' ' ? '\t' : first);
    if (at == line.end) return nullptr;
    if (LiteralStands(line, at, literal)) return at;
  }
}

TARN_INLINE bool HasBackslash(const char* at, const char* end) {
  return std::memchr(at, '\\', static_cast<size_t>(end - at)) != nullptr;
}

TARN_INLINE void SetText(Slot& slot, const char* at, const char* end, bool escaped) {
  if (slot.encoding != Encoding::kNull) return;  // a second directive for one column
  slot.data = at;
  slot.size = static_cast<uint32_t>(end - at);
  slot.encoding = escaped ? Encoding::kApache : Encoding::kPlain;
}

// Text outside quotes: - is null, "" is empty.
TARN_INLINE void SetBareText(Slot& slot, const char* at, const char* end) {
  const ptrdiff_t size = end - at;
  if (size == 1 && *at == '-') return;
  if (size == 2 && at[0] == '"' && at[1] == '"') return SetText(slot, at, at, false);
  SetText(slot, at, end, HasBackslash(at, end));
}

TARN_INLINE void SetNumber(Slot& slot, int64_t number) {
  if (slot.encoding != Encoding::kNull) return;
  slot.number = number;
  slot.encoding = Encoding::kNumber;
}

// Stands behind an opening quote; leaves the cursor behind the closing one.
TARN_INLINE bool MatchQuoted(Cursor& line, Slot& slot) {
  if (line.at == line.end) return false;
  if (*line.at != '"') {
    if (*line.at != '-') return false;
    ++line.at;  // a bare - where quotes are usual
    return line.at == line.end || *line.at == ' ' || *line.at == '\t';
  }
  const char* begin = ++line.at;
  const char* at = begin;
  bool escaped = false;
  for (;;) {
    at = FindEither(at, line, '"', '\\');
    if (at == line.end) return false;
    if (*at == '"') break;
    escaped = true;
    at += 2;
    if (at > line.end) return false;
  }
  line.at = at + 1;
  if (at - begin == 1 && *begin == '-') return true;
  SetText(slot, begin, at, escaped);
  return true;
}

TARN_INLINE bool MatchQuotedText(Cursor& line, const Step& step, Slot& slot) {
  const char* begin = line.at;
  const char* at = begin;
  bool escaped = false;
  for (; at < line.end && *at != '"' && *at != step.stop; ++at) {
    if (*at != '\\') continue;
    escaped = true;
    if (++at == line.end) return false;
  }
  line.at = at;
  if (at == begin || (at - begin == 1 && *begin == '-')) return true;
  SetText(slot, begin, at, escaped);
  return true;
}

// White space ends a token; one load tells of most tokens where they end and whether they have an
// escape.
TARN_INLINE bool MatchToken(Cursor& line, const Step& step, Slot& slot) {
  const char* begin = line.at;
  if (begin + kBlock <= line.readable && !step.list) {
    const Block block = Load(begin);
    const uint32_t ends = Bits(Or(Equal(block, ' '), Equal(block, '\t')));
    const uint32_t escapes = Bits(Equal(block, '\\'));
    const ptrdiff_t size = std::countr_zero(ends);
    if (ends != 0 && size > 0 && begin + size < line.end && (escapes & (ends - 1)) == 0) {
      line.at = begin + size;
      if (size == 1 && *begin == '-') return true;
      if (size == 2 && begin[0] == '"' && begin[1] == '"') {
        SetText(slot, begin, begin, false);
      } else {
        SetText(slot, begin, begin + size, false);
      }
      return true;
    }
  }
  const char* at = FindEither(begin, line, ' ', '\t');
  while (step.list && at != line.end && at != begin && at[-1] == ',') {
    at = FindEither(at + 1, line, ' ', '\t');
  }
  if (at == begin && (step.needed || at == line.end)) return false;
  line.at = at;
  SetBareText(slot, begin, at);
  return true;
}

// One load tells of nearly all hosts that they are one and end at a blank.
TARN_INLINE bool MatchHost(Cursor& line, Slot& slot) {
  const char* begin = line.at;
  if (begin + kBlock <= line.readable) {
    const uint32_t rare = Bits(RareInHosts(Load(begin)));
    const char* at = begin + std::countr_zero(rare);
    if (rare != 0 && at < line.end && at != begin && (*at == ' ' || *at == '\t')) {
      line.at = at;
      if (at - begin == 1 && *begin == '-') return true;
      SetText(slot, begin, at, false);
      return true;
    }
  }
  const char* at = FindEither(begin, line, ' ', '\t');
  if (!IsHost({begin, static_cast<size_t>(at - begin)})) return false;
  line.at = at;
  SetBareText(slot, begin, at);
  return true;
}

TARN_INLINE bool MatchText(Cursor& line, const Step& step, Slot& slot) {
  const char* begin = line.at;
  const char* at = step.literal.empty() ? line.end : FindLiteral(begin, line, step.literal);
  if (at == nullptr) return false;
  if (step.stop != 0) at = std::find(begin, at, step.stop);
  line.at = at;
  if (at != begin) SetBareText(slot, begin, at);
  return true;
}

TARN_INLINE bool MatchHostPort(Cursor& line, const Step& step, Slot& slot) {
  const char* begin = line.at;
  const char* token_end = FindEither(begin, line, ' ', '\t');
  const char* at = token_end;
  while (at != begin && at[-1] != step.literal.front()) --at;
  if (at == begin) return false;
  line.at = --at;
  SetBareText(slot, begin, at);
  return true;
}

TARN_INLINE bool MatchTimestamp(Cursor& line, Slot& slot, TimeCache& cache) {
  if (line.end - line.at >= 28 && *line.at == '[' && line.at[1] != '-') {
    if (!MatchTime(line.at, cache)) return false;
    line.at += 28;
    SetNumber(slot, cache.micros);
    return true;
  }
  const ptrdiff_t left = line.end - line.at;
  if (left >= 3 && line.at[0] == '[' && line.at[1] == '-' && line.at[2] == ']') {
    line.at += 3;
    return true;
  }
  if (left >= 1 && *line.at == '-') {
    ++line.at;
    return true;
  }
  return false;
}

// A user name may hold spaces and brackets: it ends where a timestamp follows, or else where a
// lone dash does that may stand for one.
TARN_INLINE bool MatchUser(Cursor& line, const Step& step, Slot& slot, TimeCache& cache) {
  const char* begin = line.at;
  const ptrdiff_t size = static_cast<ptrdiff_t>(step.literal.size());
  const char first = size == 0 ? '[' : step.literal.front();
  for (const char want : {'[', '-'}) {
    for (const char* at = begin;; ++at) {
      at = FindEither(at, line, first, first == ' ' ? '\t' : first);
      if (at == line.end) break;
      if (!LiteralStands(line, at, step.literal) || at + size == line.end || at[size] != want) {
        continue;
      }
      Cursor ahead{at + size, line.end, line.readable};
      Slot ignored{};
      if (!MatchTimestamp(ahead, ignored, cache)) continue;
      if (want == '-' && ahead.at != line.end && *ahead.at != ' ' && *ahead.at != '\t') continue;
      line.at = at;
      SetBareText(slot, begin, at);
      return true;
    }
  }
  return false;
}

TARN_INLINE bool MatchNumber(Cursor& line, const Step& step, Slot& slot) {
  const char* at = line.at;
  const bool minus = at != line.end && *at == '-';
  if (minus) ++at;
  const char* digits = at;
  uint64_t value = 0;
  while (at != line.end) {
    const unsigned digit = static_cast<unsigned char>(*at) - unsigned{'0'};
    if (digit > 9) break;
    value = value * 10 + digit;
    ++at;
  }
  if (at - digits > 18 || (step.narrow && value > INT32_MAX)) return false;
  line.at = at;
  if (at == digits) return minus;
  const auto number = static_cast<int64_t>(value);
  SetNumber(slot, minus ? -number : number);
  return true;
}

TARN_INLINE bool MatchHex(Cursor& line, Slot& slot) {
  if (line.at != line.end && *line.at == '-') {
    ++line.at;
    return true;
  }
  const char* begin = line.at;
  uint64_t value = 0;
  for (; line.at != line.end; ++line.at) {
    const char c = *line.at;
    const char lower = static_cast<char>(c | 32);
    if (c >= '0' && c <= '9') {
      value = value << 4 | static_cast<uint64_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      value = value << 4 | static_cast<uint64_t>(lower - 'a' + 10);
    } else {
      break;
    }
  }
  if (line.at == begin || line.at - begin > 16) return false;
  SetNumber(slot, static_cast<int64_t>(value));
  return true;
}

TARN_INLINE bool MatchChar(Cursor& line, Slot& slot) {
  if (line.at == line.end) return false;
  const char c = *line.at;
  if (c != 'X' && c != '+' && c != '-') return false;
  SetText(slot, line.at, line.at + 1, false);
  ++line.at;
  return true;
}

// Why the text behind a step is missing. A number must be followed by what the format says, else
// the number is to blame ("2xx", "1.5").
TARN_INLINE std::string_view ReasonBehind(const Step& step, const Cursor& line,
                                          std::string_view missing) {
  if (step.op != Op::kNumber || line.at == line.end) return missing;
  const char c = *line.at;
  const char lower = static_cast<char>(c | 32);
  if ((c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z')) return step.reason;
  const bool fraction =
      c == '.' && line.end - line.at > 1 && line.at[1] >= '0' && line.at[1] <= '9';
  return fraction ? std::string_view(step.not_whole) : missing;
}

TARN_INLINE bool RunStep(const Step& step, Cursor& line, Scratch& scratch) {
  Slot& slot = step.slot == kNoSlot ? scratch.nowhere : scratch.slots[step.slot];
  switch (step.op) {
    case Op::kLiteral:
      if (!LiteralStands(line, line.at, step.literal)) return false;
      line.at += step.literal.size();
      return true;
    case Op::kQuoted:
      return MatchQuoted(line, slot);
    case Op::kQuotedText:
      return MatchQuotedText(line, step, slot);
    case Op::kToken:
      return MatchToken(line, step, slot);
    case Op::kHost:
      return MatchHost(line, slot);
    case Op::kHostText:
      return slot.encoding == Encoding::kNull || IsHost(slot.text());
    case Op::kText:
      return MatchText(line, step, slot);
    case Op::kUser:
      return MatchUser(line, step, slot, scratch.time_cache);
    case Op::kHostPort:
      return MatchHostPort(line, step, slot);
    case Op::kNumber:
      return MatchNumber(line, step, slot);
    case Op::kHex:
      return MatchHex(line, slot);
    case Op::kTime:
      return MatchTimestamp(line, slot, scratch.time_cache);
    case Op::kTimePart:
      return MatchTimePart(line.at, line.end, step, scratch.parts[step.end_time ? 1 : 0]);
    case Op::kChar:
      return MatchChar(line, slot);
    case Op::kTimeGroup:
      return true;
  }
  return false;
}

bool Match(const Program& program, std::string_view text, size_t readable, Scratch& scratch) {
  Cursor line{text.data(), text.data() + text.size(), text.data() + readable};
  const Step* step = program.steps.data();
  const Step* last = step + program.steps.size();
  for (; step != last; ++step) {
    if (!RunStep(*step, line, scratch)) {
      scratch.reason = ReasonOf(*step, line.at, line.end);
      if (step->op == Op::kLiteral && step != program.steps.data())
        scratch.reason = ReasonBehind(step[-1], line, scratch.reason);
      return false;
    }
    if (step->op == Op::kTimeGroup && line.at != line.end && *line.at == '-' &&
        (line.at + 1 == line.end || line.at[1] < '0' || line.at[1] > '9')) {
      ++line.at;
      step += step->skip;
    }
  }
  if (line.at != line.end) {
    scratch.reason = "the line goes on after the last field";
    return false;
  }
  return true;
}

// RFC 9110 token characters.
TARN_INLINE bool IsMethod(const char* at, const char* end) {
  if (at == end) return false;
  for (; at != end; ++at) {
    const char c = *at;
    const char lower = static_cast<char>(c | 32);
    if (lower >= 'a' && lower <= 'z') continue;
    if ((c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.') continue;
    if (c == 0 || std::memchr("!#$%&'*+^`|~", c, 12) == nullptr) return false;
  }
  return true;
}

TARN_INLINE bool IsProtocol(const char* at, const char* end) {
  if (end - at < 6 || std::memcmp(at, "HTTP/", 5) != 0) return false;
  for (at += 5; at != end; ++at) {
    if ((*at < '0' || *at > '9') && *at != '.') return false;
  }
  return true;
}

TARN_INLINE void SetPart(Scratch& scratch, uint8_t index, const Slot& whole, const char* at,
                         const char* end) {
  if (index == kNoSlot) return;
  SetText(scratch.slots[index], at, end, false);
  Slot& slot = scratch.slots[index];
  if (slot.data == at && slot.encoding == Encoding::kPlain) slot.encoding = whole.encoding;
}

TARN_INLINE void SplitTarget(const Program& program, const Slot& whole, const Cursor& target,
                             Scratch& scratch) {
  const char* mark = FindEither(target.at, target, '?', '?');
  SetPart(scratch, program.path, whole, target.at, mark);
  if (mark != target.end) SetPart(scratch, program.query, whole, mark + 1, target.end);
}

TARN_INLINE void SplitRequest(const Program& program, const char* readable, Scratch& scratch) {
  const Slot& whole = scratch.slots[program.request];
  if (whole.encoding != Encoding::kPlain && whole.encoding != Encoding::kApache &&
      whole.encoding != Encoding::kJson) {
    return;
  }
  const char* begin = whole.data;
  const char* end = begin + whole.size;
  if (whole.encoding == Encoding::kApache) {  // bare LF line ends are logged: "GET / HTTP/1.1\n"
    while (end - begin >= 2 && end[-2] == '\\' && (end[-1] == 'n' || end[-1] == 'r')) end -= 2;
  }
  const char* space = begin;
  while (space != end && *space != ' ') ++space;
  if (space == end || !IsMethod(begin, space)) return;
  const Cursor line{space + 1, end, readable};
  const char* second = FindEither(line.at, line, ' ', ' ');
  if (second == line.at) return;
  if (second == end) {  // HTTP/0.9, or a request line cut at its limit
    if (*line.at != '/') return;
  } else if (!IsProtocol(second + 1, end)) {
    return;
  }
  SetPart(scratch, program.method, whole, begin, space);
  SetPart(scratch, program.target, whole, line.at, second);
  if (program.path != kNoSlot) SplitTarget(program, whole, {line.at, second, readable}, scratch);
  if (second != end) SetPart(scratch, program.protocol, whole, second + 1, end);
}

void Split(const Program& program, const char* readable, Scratch& scratch) {
  if (program.split_request) SplitRequest(program, readable, scratch);
  if (program.target_is_split) {
    const Slot& target = scratch.slots[program.target];
    if (target.encoding != Encoding::kNull && target.encoding != Encoding::kNumber) {
      SplitTarget(program, target, {target.data, target.data + target.size, readable}, scratch);
    }
  }
  if (program.target_from_path) {
    Slot& target = scratch.slots[program.target];
    const Slot& path = scratch.slots[program.path];
    const Slot& query = scratch.slots[program.query];
    const bool has_query = query.encoding != Encoding::kNull;
    // Each may be that of another %U or %q of the line.
    const bool adjoin = !has_query || query.data == path.data + path.size;
    if (path.encoding != Encoding::kNull && adjoin) {
      target = path;
      if (has_query) target.size += query.size;
      if (query.encoding == Encoding::kApache) target.encoding = Encoding::kApache;
    }
  }
  if (program.strip_query_mark) {
    Slot& query = scratch.slots[program.query];
    if (query.encoding != Encoding::kNull && query.size > 0 && *query.data == '?') {
      ++query.data;
      --query.size;
    }
  }
}

// Copies a string that needs no escaping; false as soon as one byte does.
TARN_INLINE bool CopyClean(const Slot& slot, const char* readable, char*& out) {
  const char* at = slot.data;
  ptrdiff_t left = static_cast<ptrdiff_t>(slot.size);
  while (at + kBlock <= readable) {
    const Block block = Load(at);
    Store(out, block);
    uint32_t bits = Bits(Or(NotPrintable(block), Or(Equal(block, '"'), Equal(block, '\\'))));
    if (left <= kBlock) {
      if (left < kBlock) bits &= (uint32_t{1} << left) - 1;
      out += left;
      return bits == 0;
    }
    if (bits != 0) return false;
    at += kBlock;
    out += kBlock;
    left -= kBlock;
  }
  for (; left > 0; --left) {
    const char c = *at++;
    if (c < 0x20 || c == '"' || c == '\\') return false;  // also above 0x7f: char is signed
    *out++ = c;
  }
  return true;
}

TARN_INLINE char* WritePrefix(const Emit& emit, char* out) {
  if (emit.prefix_size != 0) {
    std::memcpy(out, emit.prefix.data(), emit.prefix.size());
    return out + emit.prefix_size;
  }
  std::memcpy(out, emit.long_prefix.data(), emit.long_prefix.size());
  return out + emit.long_prefix.size();
}

TARN_INLINE char* WriteTime(int64_t micros, TimeText& text, char* out) {
  int64_t second = micros / 1'000'000;
  int64_t fraction = micros % 1'000'000;
  if (fraction < 0) {
    fraction += 1'000'000;
    --second;
  }
  if (second != text.second) FormatSecond(second, text);
  *out++ = '"';
  std::memcpy(out, text.text.data(), 32);
  out += 20;
  if (fraction != 0) {
    out[-1] = '.';
    for (int i = 5; i >= 0; --i, fraction /= 10) out[i] = static_cast<char>('0' + fraction % 10);
    out += 6;
    *out++ = 'Z';
  }
  *out++ = '"';
  return out;
}

char* Write(const std::vector<Emit>& emits, const char* readable, Scratch& scratch, char* out) {
  char* const begin = out;
  for (const Emit& emit : emits) {
    const Slot& slot = scratch.slots[emit.slot];
    if (slot.encoding == Encoding::kNull) continue;
    if (emit.form == Emit::Form::kString) {
      if (slot.encoding != Encoding::kPlain) return nullptr;
      out = WritePrefix(emit, out);
      *out++ = '"';
      if (!CopyClean(slot, readable, out)) return nullptr;
      *out++ = '"';
      continue;
    }
    out = WritePrefix(emit, out);
    if (emit.form == Emit::Form::kInteger) {
      out = WriteInteger(slot.number, out);
    } else if (emit.form == Emit::Form::kTime) {
      out = WriteTime(slot.number, scratch.time_text, out);
    } else if (emit.form == Emit::Form::kBoolean) {
      const std::string_view word = slot.number != 0 ? "true" : "false";
      std::memcpy(out, word.data(), word.size());
      out += word.size();
    } else {
      out = WriteDouble(slot.real, out);
    }
  }
  if (out == begin) ++out;
  *begin = '{';
  *out++ = '}';
  *out++ = '\n';
  return out;
}

}  // namespace tarn::access_log::TARN_KERNEL
